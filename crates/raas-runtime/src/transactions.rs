//! The outbox of transactions: what is written to the contract is signed, stored, then sent, and
//! followed until it is in a final block. Sending the same bytes again is harmless, so after a crash or
//! without an answer that is just what is done.

use raas_core::{Plan, Step};
use raas_deal_status::{DealRecorder, Prepared, Record, RequestedTerms, TransactionStatus};
use raas_job_store::Change;
use raas_types::{JobId, SubmissionId, Tipset, Transaction, TransactionPurpose, TransactionState};

use crate::{
    Event, Node, PassReport,
    subject::{Subject, is_open},
};

/// Transactions under way at most: one stuck at the front holds up no more than these.
const OPEN_AT_MOST: usize = 16;

/// Something that a plan writes to the contract.
pub(crate) struct Writing {
    purpose: TransactionPurpose,
    record: Record,
}

impl Writing {
    /// What a plan writes.
    pub(crate) fn of(subject: &Subject, plan: &Plan) -> Vec<Self> {
        plan.steps.iter().filter_map(|step| Self::of_step(subject, step)).collect()
    }

    fn of_step(subject: &Subject, step: &Step) -> Option<Self> {
        let find = |id: &JobId| subject.jobs.iter().find(|j| j.value.job.id == *id);
        match step {
            Step::Announce { job } => {
                let terms = RequestedTerms::of(&find(job)?.value.job.terms);
                let record = Record::Submit { cid: subject.cid, terms };
                Some(Self { purpose: TransactionPurpose::Submit { job: job.clone() }, record })
            }
            Step::Record { job, deal } => {
                let memory = subject.memories.get(deal)?;
                let record = Record::Complete {
                    submission: find(job)?.value.record.submission?,
                    deal: *deal,
                    provider: memory.listed.provider,
                    proof: memory.proof.clone()?,
                };
                let purpose = TransactionPurpose::Complete { job: job.clone(), deal: *deal };
                Some(Self { purpose, record })
            }
            _ => None,
        }
    }
}

impl Node {
    /// Writes what plans ask for, as far as transactions may be under way.
    pub(crate) async fn write_all(
        &self,
        writings: Vec<Writing>,
        pin: &Tipset,
        report: &mut PassReport,
    ) {
        let Some(recorder) = self.ports().recorder.clone() else { return };
        for writing in writings {
            match self.write(recorder.as_ref(), writing, pin).await {
                Ok(Some(event)) => report.event(event),
                // No room: the plan asks again at the next look.
                Ok(None) => break,
                Err(error) => report.error(error),
            }
        }
    }

    async fn write(
        &self,
        recorder: &dyn DealRecorder,
        Writing { purpose, record }: Writing,
        pin: &Tipset,
    ) -> Result<Option<Event>, String> {
        let open = self.store().open_transactions().await.map_err(|e| e.to_string())?;
        if open.len() >= OPEN_AT_MOST {
            return Ok(None);
        }
        let after_open = open.iter().map(|t| t.nonce + 1).max();
        let prepared = prepare(recorder, &record, after_open).await;
        let prepared = prepared.map_err(|error| format!("{purpose:?}: {error}"))?;
        let transaction = Transaction {
            hash: prepared.hash.clone(),
            purpose: purpose.clone(),
            raw: prepared.raw,
            nonce: prepared.nonce,
            state: TransactionState::Prepared,
        };
        self.keep_transaction(&transaction).await?;
        recorder.send(&transaction.raw).await.map_err(|e| e.to_string())?;
        tracing::debug!(hash = %prepared.hash, epoch = %pin.epoch, "transaction sent");
        Ok(Some(Event::TransactionSent { hash: prepared.hash, purpose }))
    }

    async fn keep_transaction(&self, transaction: &Transaction) -> Result<(), String> {
        let change = Change { transactions: vec![transaction.clone()], ..Change::default() };
        self.commit(change).await.map_err(|e| e.to_string())
    }

    /// Asks what became of every transaction under way; those in no block are sent again.
    pub(crate) async fn follow_transactions(
        &self,
        pin: &Tipset,
        report: &mut PassReport,
    ) -> raas_job_store::Result<()> {
        let Some(recorder) = self.ports().recorder.clone() else { return Ok(()) };
        // What is final is the same as at the last pass: nothing can have come of them since.
        if self.status().epoch == Some(pin.epoch) {
            return Ok(());
        }
        for transaction in self.store().open_transactions().await? {
            debug_assert!(is_open(&transaction), "the store returns open transactions");
            let hash = transaction.hash.clone();
            match self.follow_one(recorder.as_ref(), transaction, pin).await {
                Ok(Some(event)) => report.event(event),
                Ok(None) => {}
                Err(error) => report.error(format!("transaction {hash}: {error}")),
            }
        }
        Ok(())
    }

    async fn follow_one(
        &self,
        recorder: &dyn DealRecorder,
        mut transaction: Transaction,
        pin: &Tipset,
    ) -> Result<Option<Event>, String> {
        let status = recorder.status(&transaction.hash).await.map_err(|e| e.to_string())?;
        let Transaction { hash, purpose, .. } = transaction.clone();
        match status {
            TransactionStatus::Waiting => match recorder.send(&transaction.raw).await {
                Ok(()) => Ok(None),
                // It will never be in a block: another transaction has used its nonce.
                Err(raas_deal_status::Error::Rejected { reason, .. }) => {
                    self.failed(transaction, reason, pin).await
                }
                Err(error) => Err(error.to_string()),
            },
            // What is in a block that is not final may be undone.
            TransactionStatus::Done { at, .. } | TransactionStatus::Reverted { at, .. }
                if at > pin.epoch =>
            {
                Ok(None)
            }
            TransactionStatus::Done { at, submission } => {
                transaction.state = TransactionState::Done { at, submission };
                self.done(&transaction, submission).await?;
                Ok(Some(Event::TransactionDone { hash, purpose }))
            }
            TransactionStatus::Reverted { reason, .. } => {
                self.failed(transaction, reason, pin).await
            }
        }
    }

    async fn failed(
        &self,
        mut transaction: Transaction,
        reason: String,
        pin: &Tipset,
    ) -> Result<Option<Event>, String> {
        let at = pin.epoch;
        transaction.state = TransactionState::Failed { reason: reason.clone(), at };
        self.keep_transaction(&transaction).await?;
        Ok(Some(Event::TransactionFailed { purpose: transaction.purpose, reason }))
    }

    /// Keeps the end of a transaction together with what it brought: a job's number on the contract.
    async fn done(
        &self,
        transaction: &Transaction,
        submission: Option<SubmissionId>,
    ) -> Result<(), String> {
        let mut change = Change { transactions: vec![transaction.clone()], ..Change::default() };
        if let (TransactionPurpose::Submit { job }, Some(_)) = (&transaction.purpose, submission)
            && let Some(mut stored) = self.store().job(job).await.map_err(|e| e.to_string())?
        {
            stored.value.record.submission = submission;
            stored.value.record.next_look = None;
            change.jobs.push(stored);
        }
        self.commit(change).await.map_err(|e| e.to_string())
    }
}

/// Signs with a nonce that nothing uses: the network's next, or the one after those under way where
/// the network has not heard of all of them. What is under way alone does not tell: of several, a
/// later one may be known to be in a block before an earlier one is.
async fn prepare(
    recorder: &dyn DealRecorder,
    record: &Record,
    after_open: Option<u64>,
) -> raas_deal_status::Result<Prepared> {
    let prepared = recorder.prepare(record, None).await?;
    match after_open {
        Some(nonce) if nonce > prepared.nonce => recorder.prepare(record, Some(nonce)).await,
        _ => Ok(prepared),
    }
}
