//! What a node can say of a job: for faces, for `raas why`, for embedding services.

use raas_core::{Plan, explain};
use raas_deal_status::Listing;
use raas_job_store::StoredJob;
use raas_types::{ChainEpoch, DealMemory, JobId, ListedDeal, Order, Provenance, Transaction};
use serde::{Deserialize, Serialize};

use crate::{Node, Retrieved, RuntimeError};

/// What the contract answered at a look.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContractView {
    /// All deals it lists, or why it could not say.
    pub all: Result<Vec<ListedDeal>, String>,
    /// Those it holds to be active.
    pub active: Result<Vec<ListedDeal>, String>,
    /// Those it holds to end soon.
    pub expiring: Result<Vec<ListedDeal>, String>,
}

impl ContractView {
    pub(crate) fn of(listing: &Result<Listing, String>) -> Self {
        match listing {
            Ok(Listing { all, active, expiring }) => {
                Self { all: Ok(all.clone()), active: active.clone(), expiring: expiring.clone() }
            }
            Err(error) => Self {
                all: Err(error.clone()),
                active: Err(error.clone()),
                expiring: Err(error.clone()),
            },
        }
    }
}

/// What a look saw and decided, as it is kept with the job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LookRecord {
    /// The pinned epoch.
    pub at: ChainEpoch,
    /// What was decided, with its reasons as data.
    pub plan: Plan,
    /// The reasons in words; made of the plan when a look is read.
    #[serde(skip)]
    pub words: Vec<String>,
    /// What the contract answered.
    pub contract: ContractView,
    /// Where the bytes came from, where they were fetched for this look.
    #[serde(default)]
    pub fetched: Option<Retrieved>,
}

/// A [`LookRecord`] whose parts are elsewhere.
#[derive(Serialize)]
struct Parts<'a> {
    at: ChainEpoch,
    plan: &'a Plan,
    contract: &'a ContractView,
    fetched: Option<&'a Retrieved>,
}

/// The format of [`LookRecord`] in the store; raised when it changes.
const LOOK_VERSION: u8 = 1;

impl LookRecord {
    /// What the store keeps of a look with these parts.
    pub(crate) fn encode(
        at: ChainEpoch,
        plan: &Plan,
        contract: &ContractView,
        fetched: Option<&Retrieved>,
    ) -> Vec<u8> {
        let mut bytes = vec![LOOK_VERSION];
        let parts = Parts { at, plan, contract, fetched };
        // Serialising plain data into memory cannot fail; if it did, the look would merely be unread.
        let _ = serde_json::to_writer(&mut bytes, &parts);
        bytes
    }

    /// Reads what a look left in the store; `None` for another version's.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (version, json) = bytes.split_first()?;
        if *version != LOOK_VERSION {
            return None;
        }
        let mut look: Self = serde_json::from_slice(json).ok()?;
        look.words = explain(&look.plan);
        Some(look)
    }
}

/// All that is known of a job.
#[derive(Clone, Debug)]
pub struct JobStatus {
    /// The job and what looks have added to it.
    pub stored: StoredJob,
    /// Its replicas.
    pub replicas: Vec<ReplicaStatus>,
    /// The orders made for its CID, oldest first.
    pub orders: Vec<Order>,
    /// The transactions made for it, oldest first.
    pub transactions: Vec<Transaction>,
    /// The last look.
    pub last_look: Option<LookRecord>,
}

/// A deal of a job's CID and what is remembered of it.
#[derive(Clone, Debug)]
pub struct ReplicaStatus {
    /// What is remembered, the last verdict and its evidence among it.
    pub memory: DealMemory,
    /// Whether we ordered it.
    pub ordered: bool,
}

impl Node {
    /// All that is known of a job.
    ///
    /// # Errors
    ///
    /// When there is none, or the store fails.
    pub async fn job_status(&self, id: &JobId) -> Result<JobStatus, RuntimeError> {
        let stored = self.store().job(id).await?;
        let stored = stored.ok_or_else(|| RuntimeError::NoSuchJob(id.clone()))?.value;
        let cid = stored.job.cid;
        let replica = |memory: DealMemory| ReplicaStatus {
            ordered: matches!(memory.provenance, Provenance::Ordered { .. }),
            memory,
        };
        let memories = self.store().deal_memories(&cid).await?;
        Ok(JobStatus {
            replicas: memories.into_iter().map(replica).collect(),
            orders: self.store().orders_of(&cid).await?,
            transactions: self.store().transactions_of(id).await?,
            last_look: stored.record.last_plan.as_deref().and_then(LookRecord::decode),
            stored,
        })
    }
}
