//! The log of decisions: what was decided, upon what, and whether it would be decided again.
//!
//! A plan that does something is kept with all that it was made of, in the same commit as what else its
//! look leaves; a plan without steps leaves nothing here. So each order can be traced to what was seen,
//! and [`replay`] shows that the rules give the same plan again: `raas replay` does so for a whole log.
//!
//! An entry is one byte for its format and then JSON: 1 kB for a first order, 3 kB where there are four
//! replicas and as many orders.

use cid::Cid;
use raas_core::{JobView, Observation, Plan, Step};
use raas_job_store::Decision;
use serde::{Deserialize, Serialize};

use crate::{Node, PassReport, Planner, RuntimeError};

/// The format of entries; raised when it changes in a way that old entries cannot be read in.
const FORMAT: u8 = 1;

/// The version that makes decisions here.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Room for most entries.
const USUAL: usize = 4_096;

/// A decision with all that it was made of, as it is read from the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decided {
    /// The version of this crate that made it.
    pub by: String,
    /// The jobs that it is about.
    pub jobs: Vec<JobView>,
    /// What was seen.
    pub seen: Observation,
    /// What was decided.
    pub plan: Plan,
}

/// A [`Decided`] whose parts are elsewhere.
#[derive(Serialize)]
struct Parts<'a> {
    by: &'a str,
    jobs: &'a [JobView],
    seen: &'a Observation,
    plan: &'a Plan,
}

/// Who made an entry, which every version can tell.
#[derive(Deserialize)]
struct Maker {
    by: String,
}

/// Why an entry of the log is not read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// Another version wrote it, in a way that this one does not know.
    #[error("written by another version ({by}), in a way that this one ({VERSION}) does not know")]
    OtherVersion {
        /// Which version wrote it, as far as that can be told.
        by: String,
    },
    /// It is not what any version writes.
    #[error("damaged: {0}")]
    Damaged(String),
}

impl Decided {
    /// The entry for a plan; `None` where it does nothing but ask for the bytes, as it does every
    /// hour while nobody has them.
    pub(crate) fn entry(jobs: &[JobView], seen: &Observation, plan: &Plan) -> Option<Decision> {
        if plan.steps.iter().all(|step| *step == Step::Fetch) {
            return None;
        }
        let mut body = Vec::with_capacity(USUAL);
        body.push(FORMAT);
        // Serialising plain data into memory cannot fail; if it did, replaying would tell.
        let _ = serde_json::to_writer(&mut body, &Parts { by: VERSION, jobs, seen, plan });
        Some(Decision { cid: seen.cid, at: seen.at, body })
    }

    /// Reads the body of an entry.
    ///
    /// # Errors
    ///
    /// When another version wrote it and it cannot be read any more, or it is damaged.
    pub fn decode(body: &[u8]) -> Result<Self, Unreadable> {
        let damaged = |why: &dyn std::fmt::Display| Unreadable::Damaged(why.to_string());
        let json = match body.split_first() {
            Some((&FORMAT, json)) => json,
            Some((format, _)) => {
                return Err(Unreadable::OtherVersion { by: format!("format {format}") });
            }
            None => return Err(damaged(&"it is empty")),
        };
        serde_json::from_slice(json).map_err(|error| match serde_json::from_slice::<Maker>(json) {
            Ok(Maker { by }) if by != VERSION => Unreadable::OtherVersion { by },
            _ => damaged(&error),
        })
    }

    /// Whether this version made it.
    pub fn is_of_this_version(&self) -> bool {
        self.by == VERSION
    }
}

/// What became of an entry that was planned anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Replayed {
    /// The same was decided.
    Same,
    /// Something else was decided.
    Differs {
        /// The entry, with the plan of then.
        then: Box<Decided>,
        /// The plan of now.
        now: Plan,
    },
    /// It could not be planned anew, for another version wrote it or it is damaged.
    Unreadable(Unreadable),
}

/// Plans an entry of the log anew, from its body, and compares.
///
/// By the contract of [`Planner`] an entry that this version made by this planner gives the same plan.
/// One that another version made may differ: its rules were others.
pub fn replay(body: &[u8], planner: &dyn Planner) -> Replayed {
    let then = match Decided::decode(body) {
        Ok(then) => Box::new(then),
        Err(why) => return Replayed::Unreadable(why),
    };
    let now = planner.plan(&then.jobs, &then.seen);
    if now == then.plan { Replayed::Same } else { Replayed::Differs { then, now } }
}

impl Node {
    /// At most `limit` entries of the log of decisions with their numbers, the newest first: of one CID
    /// or of all, and with numbers below `before` where it is given. [`Decided::decode`] reads them.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn decisions(
        &self,
        cid: Option<Cid>,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<(u64, Decision)>, RuntimeError> {
        // As jobs have it.
        let cid = cid.map(|cid| Cid::new_v1(cid.codec(), *cid.hash()));
        Ok(self.store().decisions(cid, before, limit).await?)
    }

    /// Drops what the log has beyond [`Settings::decisions_kept`](crate::Settings::decisions_kept), after
    /// a pass that added to it.
    pub(crate) async fn trim_log(&self, report: &mut PassReport) {
        if report.decisions == 0 {
            return;
        }
        if let Err(error) = self.store().trim_decisions(self.settings().decisions_kept).await {
            report.error(format!("the log of decisions was not trimmed: {error}"));
        }
    }
}
