//! The state behind the fake: submissions, deals and transactions, each with the epoch at which it
//! was mined.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use cid::Cid;
use raas_types::{ChainEpoch, EpochDelta, ListedDeal, SubmissionId, TxHash};

use crate::{Cursor, Prepared, Record, Request, RequestedTerms, Requests, TransactionStatus};

/// As many requests as one answer holds, unless the test asks for fewer. A reader that forgets to
/// ask again shows at any number; this one is small enough to be reached in a test.
const PAGE: usize = 1_000;

pub(super) struct Contract {
    /// The highest epoch read or mined: whatever happens next happens here, and shows above it.
    pub(super) head: ChainEpoch,
    pub(super) page: usize,
    pub(super) reverts: VecDeque<String>,
    /// In the order recorded.
    deals: BTreeMap<Cid, Vec<Recorded>>,
    /// In the order mined; the number of a submission is its position, from 1.
    requests: Vec<Request>,
    signed: Vec<Signed>,
    client_transactions: u64,
}

struct Recorded {
    /// `None`: from the beginning.
    at: Option<ChainEpoch>,
    deal: ListedDeal,
}

/// A transaction of a recorder, from its signing on.
struct Signed {
    account: String,
    record: Record,
    prepared: Prepared,
    sent: bool,
    mined: Option<TransactionStatus>,
}

impl Default for Contract {
    fn default() -> Self {
        Self {
            head: ChainEpoch::GENESIS,
            page: PAGE,
            reverts: VecDeque::new(),
            deals: BTreeMap::new(),
            requests: Vec::new(),
            signed: Vec::new(),
            client_transactions: 0,
        }
    }
}

impl Contract {
    pub(super) fn reach(&mut self, epoch: ChainEpoch) {
        self.head = self.head.max(epoch);
    }

    pub(super) fn list(&mut self, at: Option<ChainEpoch>, cid: Cid, deal: ListedDeal) {
        let deals = self.deals.entry(cid).or_default();
        let place = deals.partition_point(|recorded| recorded.at <= at);
        deals.insert(place, Recorded { at, deal });
    }

    pub(super) fn deals(&self, cid: &Cid, pin: ChainEpoch) -> Vec<ListedDeal> {
        let visible = |recorded: &&Recorded| recorded.at.is_none_or(|at| at < pin);
        let deals = self.deals.get(cid).into_iter().flatten();
        deals.filter(visible).map(|recorded| recorded.deal).collect()
    }

    pub(super) fn requests_since(&self, cursor: Option<Cursor>, until: ChainEpoch) -> Requests {
        let mut waiting = self.requests.iter().filter(|request| {
            request.epoch < until && cursor.is_none_or(|cursor| request.epoch > cursor.epoch)
        });
        let mut requests: Vec<Request> = Vec::new();
        let left_over = waiting.find(|request| {
            let whole = requests.last().is_none_or(|last| last.epoch < request.epoch);
            let full = requests.len() >= self.page && whole;
            if !full {
                requests.push((*request).clone());
            }
            full
        });
        let read = match (left_over, requests.last()) {
            (Some(_), Some(last)) => last.epoch,
            _ => until - EpochDelta::new(1),
        };
        let epoch = cursor.map_or(read, |cursor| cursor.epoch.max(read));
        let more = left_over.is_some();
        Requests { cursor: Cursor { epoch }, more, requests }
    }

    pub(super) fn client_submission(
        &mut self,
        key: Vec<u8>,
        terms: Option<RequestedTerms>,
    ) -> SubmissionId {
        self.client_transactions += 1;
        // From the far end of the hashes, so that it is never that of a recorder's transaction.
        self.add_request(key, terms, hash(u64::MAX - self.client_transactions))
    }

    /// The same record under the same nonce is the same transaction, as with a real signature.
    pub(super) fn prepare(
        &mut self,
        account: &str,
        record: &Record,
        nonce: Option<u64>,
    ) -> Result<Prepared, String> {
        self.check(record)?;
        let nonce = nonce.unwrap_or_else(|| self.next_nonce(account));
        let same = |signed: &&Signed| {
            signed.account == account && signed.prepared.nonce == nonce && signed.record == *record
        };
        if let Some(signed) = self.signed.iter().find(same) {
            return Ok(signed.prepared.clone());
        }
        let hash = hash(self.signed.len() as u64 + 1);
        let raw = format!("signed by {account}: {hash}").into_bytes();
        let prepared = Prepared { hash, raw, nonce };
        self.signed.push(Signed {
            account: account.to_owned(),
            record: record.clone(),
            prepared: prepared.clone(),
            sent: false,
            mined: None,
        });
        Ok(prepared)
    }

    pub(super) fn send(&mut self, raw: &[u8]) -> Result<(), String> {
        let Some(index) = self.signed.iter().position(|signed| signed.prepared.raw == raw) else {
            return Err("these bytes are no signed transaction".to_owned());
        };
        let signed = &self.signed[index];
        if signed.sent {
            return Ok(());
        }
        let rival = self.signed.iter().find(|other| {
            other.sent
                && other.account == signed.account
                && other.prepared.nonce == signed.prepared.nonce
        });
        if let Some(rival) = rival {
            let hash = &rival.prepared.hash;
            return Err(format!("nonce {} is used by {hash}", rival.prepared.nonce));
        }
        self.signed[index].sent = true;
        Ok(())
    }

    pub(super) fn status(&self, hash: &TxHash) -> TransactionStatus {
        let signed = self.signed.iter().find(|signed| signed.prepared.hash == *hash);
        signed.and_then(|signed| signed.mined.clone()).unwrap_or(TransactionStatus::Waiting)
    }

    pub(super) fn transactions_sent(&self) -> usize {
        self.signed.iter().filter(|signed| signed.sent).count()
    }

    /// Mines, at the head, all that waits and whose turn it is.
    pub(super) fn mine(&mut self) {
        while let Some(index) = self.next_to_mine() {
            let status = self.execute(index);
            self.signed[index].mined = Some(status);
        }
    }

    pub(super) fn reorg(&mut self, keep: ChainEpoch) {
        for deals in self.deals.values_mut() {
            deals.retain(|recorded| recorded.at.is_none_or(|at| at <= keep));
        }
        self.requests.retain(|request| request.epoch <= keep);
        for signed in &mut self.signed {
            let undone = match signed.mined {
                Some(
                    TransactionStatus::Done { at, .. } | TransactionStatus::Reverted { at, .. },
                ) => at > keep,
                Some(TransactionStatus::Waiting) | None => false,
            };
            if undone {
                signed.mined = None;
            }
        }
        self.head = self.head.min(keep);
    }

    fn next_to_mine(&self) -> Option<usize> {
        let mut turn: BTreeMap<&str, u64> = BTreeMap::new();
        for signed in self.signed.iter().filter(|signed| signed.mined.is_some()) {
            let next = turn.entry(&signed.account).or_default();
            *next = (*next).max(signed.prepared.nonce + 1);
        }
        self.signed.iter().position(|signed| {
            let next = turn.get(signed.account.as_str()).copied().unwrap_or(0);
            signed.sent && signed.mined.is_none() && signed.prepared.nonce == next
        })
    }

    /// The first nonce that no transaction of the account uses, sent ones included.
    fn next_nonce(&self, account: &str) -> u64 {
        let sent = self.signed.iter().filter(|signed| signed.sent && signed.account == account);
        let used: BTreeSet<u64> = sent.map(|signed| signed.prepared.nonce).collect();
        (0..).find(|nonce| !used.contains(nonce)).unwrap_or(u64::MAX)
    }

    fn execute(&mut self, index: usize) -> TransactionStatus {
        let at = self.head;
        if let Some(reason) = self.reverts.pop_front() {
            return TransactionStatus::Reverted { at, reason };
        }
        let signed = &self.signed[index];
        let (record, hash) = (signed.record.clone(), signed.prepared.hash.clone());
        if let Err(reason) = self.check(&record) {
            return TransactionStatus::Reverted { at, reason };
        }
        let submission = match record {
            Record::Submit { cid, terms } => {
                Some(self.add_request(cid.to_string().into_bytes(), Some(terms), hash))
            }
            Record::Complete { submission, deal, provider, .. } => {
                self.complete(submission, ListedDeal { deal, provider });
                None
            }
        };
        TransactionStatus::Done { at, submission }
    }

    /// What the contract would revert for.
    fn check(&self, record: &Record) -> Result<(), String> {
        match record {
            Record::Complete { submission, .. } if self.request(*submission).is_none() => {
                Err(format!("there is no submission {}", submission.0))
            }
            _ => Ok(()),
        }
    }

    /// Recording a deal a second time for a CID does nothing.
    fn complete(&mut self, submission: SubmissionId, deal: ListedDeal) {
        let Some(cid) = self.request(submission).and_then(|request| cid_of(&request.key)) else {
            return;
        };
        let listed = |recorded: &Recorded| recorded.deal.deal == deal.deal;
        if !self.deals.get(&cid).is_some_and(|deals| deals.iter().any(listed)) {
            self.list(Some(self.head), cid, deal);
        }
    }

    fn request(&self, submission: SubmissionId) -> Option<&Request> {
        self.requests.iter().find(|request| request.submission == submission)
    }

    fn add_request(
        &mut self,
        key: Vec<u8>,
        terms: Option<RequestedTerms>,
        transaction: TxHash,
    ) -> SubmissionId {
        let submission = SubmissionId(self.requests.len() as u64 + 1);
        let epoch = self.head;
        self.requests.push(Request { submission, key, terms, epoch, transaction, log_index: 0 });
        submission
    }
}

/// The CID that a client's key stands for, as text or in binary. Keys are opaque to the contract:
/// other bytes are a submission too, of nothing that can be asked for here.
fn cid_of(key: &[u8]) -> Option<Cid> {
    let text = std::str::from_utf8(key).ok().and_then(|text| Cid::try_from(text).ok());
    text.or_else(|| Cid::try_from(key).ok())
}

fn hash(number: u64) -> TxHash {
    TxHash(format!("0x{number:064x}"))
}
