//! The DealStatus contract as a world has it: what is listed from which epoch on, and transactions that
//! are mined late, fail, and are undone. When they are mined is the calendar's.

use std::collections::{BTreeMap, BTreeSet};

use raas_deal_status::{Prepared, Record, Request, Requests, TransactionStatus};
use raas_types::{ChainEpoch, Cid, EpochDelta, ListedDeal, SubmissionId, TxHash};

/// The contract and its one writing account.
#[derive(Debug, Default)]
pub(crate) struct Contract {
    lists: BTreeMap<Cid, Vec<(ChainEpoch, ListedDeal)>>,
    /// The data that strangers wrote about.
    forged: BTreeSet<Cid>,
    /// In the order mined; the number of a submission is its position, from 1.
    submissions: Vec<(ChainEpoch, Cid)>,
    signed: BTreeMap<TxHash, Signed>,
    of_nonce: BTreeMap<u64, Vec<TxHash>>,
    sent: BTreeMap<u64, TxHash>,
    /// The nonce that is mined next.
    next: u64,
    /// How many times in a hundred its endpoint fails.
    pub(crate) fails: u64,
}

#[derive(Clone, Debug)]
struct Signed {
    record: Record,
    nonce: u64,
    mined: Option<TransactionStatus>,
}

impl Contract {
    /// What is listed for a CID at a tipset of this epoch, without repeats.
    pub(crate) fn listed(&self, cid: &Cid, at: ChainEpoch) -> Vec<ListedDeal> {
        let mut deals = Vec::new();
        for (_, deal) in self.lists.get(cid).into_iter().flatten().filter(|(since, _)| *since < at)
        {
            if !deals.contains(deal) {
                deals.push(*deal);
            }
        }
        deals
    }

    /// Whether a stranger has ever listed a deal for a CID.
    pub(crate) fn is_forged(&self, cid: &Cid) -> bool {
        self.forged.contains(cid)
    }

    /// A stranger's entry.
    pub(crate) fn forge(&mut self, cid: Cid, at: ChainEpoch, deal: ListedDeal) {
        self.forged.insert(cid);
        self.lists.entry(cid).or_default().push((at, deal));
    }

    pub(crate) fn prepare(
        &mut self,
        record: &Record,
        nonce: Option<u64>,
    ) -> Result<Prepared, String> {
        self.check(record)?;
        let nonce = nonce.unwrap_or_else(|| self.first_free());
        let of_nonce = self.of_nonce.entry(nonce).or_default();
        let same = of_nonce.iter().find(|hash| self.signed[*hash].record == *record).cloned();
        let hash = same.unwrap_or_else(|| {
            let hash = TxHash(format!("0x{:064x}", self.signed.len() + 1));
            let signed = Signed { record: record.clone(), nonce, mined: None };
            self.signed.insert(hash.clone(), signed);
            of_nonce.push(hash.clone());
            hash
        });
        Ok(Prepared { raw: hash.0.clone().into_bytes(), hash, nonce })
    }

    pub(crate) fn send(&mut self, raw: &[u8]) -> Result<(), String> {
        let hash = TxHash(String::from_utf8_lossy(raw).into_owned());
        let Some(signed) = self.signed.get(&hash) else {
            return Err("these bytes are no signed transaction".to_owned());
        };
        match self.sent.get(&signed.nonce) {
            Some(other) if *other != hash => Err(format!("nonce {} is used", signed.nonce)),
            Some(_) => Ok(()),
            None => {
                self.sent.insert(signed.nonce, hash);
                Ok(())
            }
        }
    }

    pub(crate) fn status(&self, hash: &TxHash) -> TransactionStatus {
        let mined = self.signed.get(hash).and_then(|signed| signed.mined.clone());
        mined.unwrap_or(TransactionStatus::Waiting)
    }

    /// Mines what was sent and whose turn it is; `reverts` says of each whether it fails.
    pub(crate) fn mine(&mut self, at: ChainEpoch, mut reverts: impl FnMut() -> bool) {
        while let Some(hash) = self.sent.get(&self.next).cloned() {
            self.next += 1;
            let Some(record) = self.signed.get(&hash).map(|signed| signed.record.clone()) else {
                continue;
            };
            let status = match self.check(&record) {
                Err(reason) => TransactionStatus::Reverted { at, reason },
                Ok(()) if reverts() => {
                    TransactionStatus::Reverted { at, reason: "out of gas".to_owned() }
                }
                Ok(()) => self.execute(&record, at),
            };
            if let Some(signed) = self.signed.get_mut(&hash) {
                signed.mined = Some(status);
            }
        }
    }

    /// Undoes what was mined at `from` or later; whether there is anything to mine again.
    pub(crate) fn undo(&mut self, from: ChainEpoch) -> bool {
        for list in self.lists.values_mut() {
            list.retain(|(at, _)| *at < from);
        }
        self.submissions.retain(|(at, _)| *at < from);
        let undone = |status: &TransactionStatus| match status {
            TransactionStatus::Done { at, .. } | TransactionStatus::Reverted { at, .. } => {
                *at >= from
            }
            TransactionStatus::Waiting => false,
        };
        let mut first = None;
        for signed in self.signed.values_mut() {
            if signed.mined.as_ref().is_some_and(undone) {
                signed.mined = None;
                first = Some(first.map_or(signed.nonce, |first: u64| first.min(signed.nonce)));
            }
        }
        self.next = first.unwrap_or(self.next);
        first.is_some()
    }

    /// What clients asked of it: nothing here, as all jobs come by the API.
    pub(crate) fn requests(&self, until: ChainEpoch) -> Requests {
        let cursor = raas_deal_status::Cursor { epoch: until - EpochDelta::new(1) };
        Requests { requests: Vec::<Request>::new(), cursor, more: false }
    }

    fn first_free(&self) -> u64 {
        (self.next..).find(|nonce| !self.sent.contains_key(nonce)).unwrap_or(self.next)
    }

    fn check(&self, record: &Record) -> Result<(), String> {
        match record {
            Record::Complete { submission, .. } if self.cid_of(*submission).is_none() => {
                Err(format!("there is no submission {}", submission.0))
            }
            _ => Ok(()),
        }
    }

    fn cid_of(&self, submission: SubmissionId) -> Option<Cid> {
        let place = usize::try_from(submission.0).ok()?.checked_sub(1)?;
        self.submissions.get(place).map(|(_, cid)| *cid)
    }

    fn execute(&mut self, record: &Record, at: ChainEpoch) -> TransactionStatus {
        let submission = match record {
            Record::Submit { cid, .. } => {
                self.submissions.push((at, *cid));
                Some(SubmissionId(self.submissions.len() as u64))
            }
            Record::Complete { submission, deal, provider, .. } => {
                if let Some(cid) = self.cid_of(*submission) {
                    let deal = ListedDeal { deal: *deal, provider: *provider };
                    self.lists.entry(cid).or_default().push((at, deal));
                }
                None
            }
        };
        TransactionStatus::Done { at, submission }
    }
}
