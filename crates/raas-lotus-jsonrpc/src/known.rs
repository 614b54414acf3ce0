//! What is known of the endpoint: the answers to the probes, and when they are doubted.

use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use raas_types::{EpochDelta, Network};
use tokio::time::Instant;

use crate::{
    capabilities::{Capabilities, Dialect, FaultDating, FinalitySource, LookBack, SectorAccess},
    error::Trouble,
    wire,
};

/// For how long answers are held to be true without a reason for doubt: an endpoint is upgraded, and
/// so is the network. A dozen calls an hour are cheap.
const MAX_AGE: Duration = Duration::from_secs(3_600);

/// What is known, shared by all who read.
#[derive(Debug)]
pub(crate) struct Known {
    facts: Mutex<Facts>,
    doubted: AtomicBool,
    most: usize,
    batch_limit: AtomicUsize,
    /// Held by who probes; the others wait for what comes of it.
    pub(crate) probing: tokio::sync::Mutex<()>,
}

/// The answers, each `None` until there is one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Facts {
    /// When the oldest of them was asked for.
    pub(crate) since: Option<Instant>,
    pub(crate) network_name: Option<String>,
    pub(crate) network_version: Option<u32>,
    pub(crate) node: Option<NodeWord>,
    pub(crate) names_final: Option<bool>,
    pub(crate) sector_partition: Option<bool>,
    pub(crate) miner_partitions: Option<bool>,
    pub(crate) sector_expiration: Option<bool>,
    pub(crate) proving_deadline: Option<bool>,
    pub(crate) state_call: Option<bool>,
    pub(crate) look_back: Option<LookBack>,
    pub(crate) max_batch: Option<usize>,
    /// The code of an error that nodes number each in their own way.
    pub(crate) error_code: Option<i32>,
}

/// What the node says of itself, if it does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NodeWord {
    Says(wire::NodeVersion),
    Silent,
}

impl Known {
    /// Nothing yet; `most` is the largest batch that is sent.
    pub(crate) fn new(most: usize) -> Self {
        Self {
            facts: Mutex::default(),
            doubted: AtomicBool::new(false),
            most,
            batch_limit: AtomicUsize::new(most),
            probing: tokio::sync::Mutex::default(),
        }
    }

    /// What is known. Where it is doubted or old, that is nothing any more: all facts are forgotten
    /// first, the limit of batches with them, and the doubt is settled.
    pub(crate) fn facts(&self) -> Facts {
        let mut facts = self.lock();
        let old = facts.since.is_some_and(|since| since.elapsed() > MAX_AGE);
        if self.doubted.swap(false, Ordering::Relaxed) || old {
            self.forget(&mut facts);
        }
        facts.clone()
    }

    fn forget(&self, facts: &mut Facts) {
        *facts = Facts::default();
        self.batch_limit.store(self.most, Ordering::Relaxed);
    }

    /// Adds to what is known.
    pub(crate) fn learn(&self, learn: impl FnOnce(&mut Facts)) {
        let mut facts = self.lock();
        facts.since.get_or_insert_with(Instant::now);
        learn(&mut facts);
    }

    /// Takes note of what went wrong; what is known may not hold any more.
    pub(crate) fn doubt(&self, trouble: &Trouble) {
        if trouble.casts_doubt() {
            self.doubted.store(true, Ordering::Relaxed);
        }
    }

    /// Takes the network's name, as just heard. Where it is another than before, everything else that
    /// was known is forgotten, and `true` given.
    pub(crate) fn hear_network(&self, name: &str) -> bool {
        let mut facts = self.lock();
        let other = facts.network_name.as_deref().is_some_and(|known| known != name);
        if other {
            self.forget(&mut facts);
        }
        facts.since.get_or_insert_with(Instant::now);
        facts.network_name = Some(name.to_owned());
        other
    }

    /// The largest batch worth sending.
    pub(crate) fn batch_limit(&self) -> usize {
        self.batch_limit.load(Ordering::Relaxed)
    }

    /// A batch of this size was refused for its size, or for being one.
    pub(crate) fn batch_refused(&self, size: usize) {
        let half = (size / 2).max(1);
        self.batch_limit.fetch_min(half, Ordering::Relaxed);
        // Whatever was found out before is wrong now.
        self.learn(|facts| facts.max_batch = None);
    }

    // Facts stand each for themselves, so whatever a panic elsewhere left is good enough.
    fn lock(&self) -> MutexGuard<'_, Facts> {
        self.facts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Facts {
    /// How sectors are read.
    pub(crate) fn sectors(&self) -> SectorAccess {
        let nothing = |why: String| SectorAccess::Nothing { why };
        match (self.sector_partition, self.miner_partitions) {
            (Some(true), Some(true)) => SectorAccess::Partitions,
            (Some(_), Some(_)) => match (self.state_call, self.network_version) {
                (Some(true), Some(version)) if version >= wire::LOCATION_SINCE => {
                    SectorAccess::Location
                }
                (Some(true), Some(version)) => nothing(format!(
                    "without partition methods it takes network version {}, and this is {version}; \
                     give a full node's API, at /rpc/v1",
                    wire::LOCATION_SINCE
                )),
                (Some(false), _) => nothing(
                    "neither the partition methods nor StateCall are there; give a full node's \
                     API, at /rpc/v1"
                        .to_owned(),
                ),
                _ => SectorAccess::Unknown,
            },
            _ => SectorAccess::Unknown,
        }
    }

    pub(crate) fn capabilities(&self, finality_fallback: EpochDelta) -> Capabilities {
        let network = self.network_name.clone().zip(self.network_version);
        Capabilities {
            network: network.map(|(name, version)| Network { name, version }),
            node: self.node_version().map(wire::NodeVersion::text),
            dialect: self.dialect(),
            finality: match self.names_final {
                Some(true) => FinalitySource::Endpoint,
                Some(false) => FinalitySource::Distance(finality_fallback),
                None => FinalitySource::Unknown,
            },
            max_batch: self.max_batch,
            sectors: self.sectors(),
            faults: match self.sector_expiration {
                Some(true) => FaultDating::Exact,
                Some(false) => FaultDating::Observed,
                None => FaultDating::Unknown,
            },
            look_back: self.look_back.unwrap_or(LookBack::Unknown),
            deadlines: self.proving_deadline,
        }
    }

    fn node_version(&self) -> Option<&wire::NodeVersion> {
        match &self.node {
            Some(NodeWord::Says(version)) => Some(version),
            _ => None,
        }
    }

    /// A gateway by what is missing, before all, as it passes on what the node behind it says; else
    /// by the node's own word; else by how it numbers errors that have no number of their own.
    fn dialect(&self) -> Dialect {
        let says = |name| self.node_version().is_some_and(|version| version.says(name));
        let hidden = [self.sector_partition, self.miner_partitions, self.sector_expiration];
        if hidden == [Some(false); 3] {
            Dialect::Gateway
        } else if says("forest") {
            Dialect::Forest
        } else if says("lotus") {
            Dialect::Lotus
        } else {
            match self.error_code {
                Some(1) => Dialect::Lotus,
                Some(-32603) => Dialect::Forest,
                _ => Dialect::Unknown,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known() -> Known {
        let known = Known::new(100);
        known.learn(|facts| {
            facts.network_version = Some(28);
            facts.max_batch = Some(100);
        });
        known
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_known_is_old_after_an_hour() {
        let known = known();
        tokio::time::advance(MAX_AGE).await;
        assert_eq!(known.facts().network_version, Some(28));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(known.facts().network_version, None);
        known.learn(|facts| facts.network_version = Some(29));
        tokio::time::advance(MAX_AGE).await;
        assert_eq!(known.facts().network_version, Some(29), "its age counts anew");
    }

    #[test]
    fn only_what_says_something_of_the_endpoint_casts_doubt() {
        let rpc = |code| Trouble::Rpc { code, message: String::new() };
        for trouble in [Trouble::Http(429), Trouble::NoTurn, Trouble::TooLarge, rpc(1), rpc(-32603)]
        {
            let known = known();
            known.doubt(&trouble);
            assert_eq!(known.facts().network_version, Some(28), "{trouble}");
        }
        for trouble in [Trouble::Timeout, Trouble::Unreachable("reset".to_owned()), rpc(-32601)] {
            let known = known();
            known.doubt(&trouble);
            assert_eq!(known.facts().network_version, None, "{trouble}");
        }
    }

    #[test]
    fn a_refused_batch_makes_batches_smaller_until_the_endpoint_is_doubted() {
        let known = known();
        known.batch_refused(100);
        assert_eq!((known.batch_limit(), known.facts().max_batch), (50, None));
        known.batch_refused(100);
        assert_eq!(known.batch_limit(), 50, "another that was under way");
        known.batch_refused(1);
        assert_eq!(known.batch_limit(), 1);
        known.doubt(&Trouble::Timeout);
        known.facts();
        assert_eq!(known.batch_limit(), 100);
    }

    #[tokio::test(start_paused = true)]
    async fn a_limit_of_batches_is_old_after_an_hour_though_nothing_else_was_learnt() {
        let known = Known::new(100);
        known.batch_refused(100);
        tokio::time::advance(MAX_AGE + Duration::from_secs(1)).await;
        known.facts();
        assert_eq!(known.batch_limit(), 100);
    }

    #[test]
    fn another_network_is_noticed_and_what_was_known_is_forgotten() {
        let known = known();
        assert!(!known.hear_network("testnetnet"), "the first name heard");
        assert!(!known.hear_network("testnetnet"));
        assert_eq!(known.facts().network_version, Some(28));
        known.batch_refused(100);
        assert!(known.hear_network("calibrationnet"));
        assert_eq!(known.facts().network_version, None);
        assert_eq!(known.batch_limit(), 100, "of another endpoint's batches nothing is known");
    }
}
