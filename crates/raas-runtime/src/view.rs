//! What a node can say of a job: for faces, for `raas why`, for embedding services.

use raas_core::{Plan, explain};
use raas_deal_status::Listing;
use raas_job_store::StoredJob;
use raas_types::{
    ChainEpoch, DealId, DealMemory, JobId, ListedDeal, Order, Provenance, ProviderId, Transaction,
};
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

/// What is written of a [`LookRecord`], whose parts are elsewhere.
#[derive(Serialize)]
struct Parts<'a> {
    at: ChainEpoch,
    plan: &'a Plan,
    contract: ContractParts,
    fetched: Option<&'a Retrieved>,
}

/// What is read of one.
#[derive(Deserialize)]
struct Whole {
    at: ChainEpoch,
    plan: Plan,
    contract: ContractParts,
    fetched: Option<Retrieved>,
}

/// The deals in a list of the contract, or why there is none.
type Listed = Result<Vec<(DealId, ProviderId)>, String>;

/// A [`ContractView`] in which a list that is the first one again is left out, as it is for a CID
/// whose deals are all well, or cannot be read.
#[derive(Serialize, Deserialize)]
struct ContractParts {
    all: Listed,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    active: Option<Listed>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expiring: Option<Listed>,
}

impl ContractParts {
    fn of(ContractView { all, active, expiring }: &ContractView) -> Self {
        let pairs = |list: &Result<Vec<ListedDeal>, String>| match list {
            Ok(deals) => Ok(deals.iter().map(|listed| (listed.deal, listed.provider)).collect()),
            Err(why) => Err(why.clone()),
        };
        let other = |list| (list != all).then(|| pairs(list));
        Self { all: pairs(all), active: other(active), expiring: other(expiring) }
    }

    fn read(self) -> ContractView {
        let deals = |list: Listed| {
            let listed = |(deal, provider)| ListedDeal { deal, provider };
            list.map(|pairs| pairs.into_iter().map(listed).collect::<Vec<_>>())
        };
        let all = deals(self.all);
        let other = |list: Option<Listed>| list.map_or_else(|| all.clone(), deals);
        let (active, expiring) = (other(self.active), other(self.expiring));
        ContractView { all, active, expiring }
    }
}

/// The format in which a [`LookRecord`] is written into the store; raised when it changes. It is written
/// at every look: what names a list once takes a third.
const LOOK_VERSION: u8 = 2;

/// The one before it: the JSON of a [`LookRecord`]. Still read.
const PLAIN: u8 = 1;

impl LookRecord {
    /// What the store keeps of a look with these parts.
    pub(crate) fn encode(
        at: ChainEpoch,
        plan: &Plan,
        contract: &ContractView,
        fetched: Option<&Retrieved>,
    ) -> Vec<u8> {
        let mut bytes = vec![LOOK_VERSION];
        let parts = Parts { at, plan, contract: ContractParts::of(contract), fetched };
        // Serialising plain data into memory cannot fail; if it did, the look would merely be unread.
        let _ = serde_json::to_writer(&mut bytes, &parts);
        bytes
    }

    /// Reads what a look left in the store; `None` for another version's.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (version, json) = bytes.split_first()?;
        let mut look: Self = match *version {
            LOOK_VERSION => {
                let Whole { at, plan, contract, fetched } = serde_json::from_slice(json).ok()?;
                Self { at, plan, words: Vec::new(), contract: contract.read(), fetched }
            }
            PLAIN => serde_json::from_slice(json).ok()?,
            _ => return None,
        };
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

#[cfg(test)]
mod tests {
    use super::*;

    fn record(contract: ContractView) -> LookRecord {
        let at = ChainEpoch::new(9);
        let reasons = vec![raas_core::Reason::Satisfied { held: 3, target: 3 }];
        let plan =
            Plan { at, steps: Vec::new(), reasons: reasons.into(), next_look: ChainEpoch::new(99) };
        let words = explain(&plan);
        LookRecord { at, plan, words, contract, fetched: None }
    }

    fn lists() -> Vec<Result<Vec<ListedDeal>, String>> {
        let listed = |n| ListedDeal { deal: DealId::new(n), provider: ProviderId::new(1_000 + n) };
        vec![Ok(vec![listed(1), listed(2)]), Ok(vec![listed(2)]), Ok(vec![]), Err("no".to_owned())]
    }

    #[test]
    fn a_look_is_read_as_it_was_written() {
        for all in lists() {
            for active in lists() {
                for expiring in lists() {
                    let (all, active) = (all.clone(), active.clone());
                    let look = record(ContractView { all, active, expiring });
                    let bytes = LookRecord::encode(look.at, &look.plan, &look.contract, None);
                    assert_eq!(LookRecord::decode(&bytes), Some(look));
                }
            }
        }
    }

    #[test]
    fn a_look_that_an_earlier_version_left_is_read() {
        let contract = ContractView {
            all: lists().remove(0),
            active: lists().remove(1),
            expiring: Ok(vec![]),
        };
        let look = record(contract);
        let json = serde_json::to_vec(&look).expect("it can be written");
        let old = [&[PLAIN][..], &json].concat();
        assert_eq!(LookRecord::decode(&old), Some(look));
        assert_eq!(LookRecord::decode(&[&[77][..], &json].concat()), None);
    }
}
