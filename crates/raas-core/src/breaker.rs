//! The breaker: when more of the world seems to die at once than is plausible, spending stops.
//!
//! A *flip* is a replica that was proven when it was last known and is seen to be faulty, terminated or
//! gone now. Flips are counted over one proving period, in which every sector is judged once, beside
//! the replicas that are proven. Too many of them, or all of them behind one endpoint, are more likely
//! to be an error of ours or of the network's than so many losses: nothing is ordered until most of the
//! flips reverse and the others are plausible, or an operator has looked. Losses that come one by one
//! never stop it: a flip is counted for one period, however long its replica stays lost.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::Arc,
};

use raas_types::{ChainEpoch, DealId, EpochDelta, ProviderId, VerdictKind};
use serde::{Deserialize, Serialize};

/// Over what time flips are counted: one proving period.
pub const BREAKER_WINDOW: EpochDelta = EpochDelta::PROVING_PERIOD;

/// What is taken for implausible.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BreakerLimits {
    /// More flips than this share of the replicas that are proven or were until they flipped, in
    /// percent.
    pub share_percent: u32,
    /// More providers of several replicas than this, all of whose replicas flipped.
    pub providers: u32,
    /// Fewer flips than this are never too many: of a handful of replicas one is a large share.
    pub fewest: u32,
}

impl Default for BreakerLimits {
    /// More than 10 % or more than 3 whole providers, and 10 flips at the least.
    fn default() -> Self {
        Self { share_percent: 10, providers: 3, fewest: 10 }
    }
}

/// One replica that was judged in a pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// The deal.
    pub deal: DealId,
    /// Its provider.
    pub provider: ProviderId,
    /// What it was when it was last known ([`last_known`](crate::last_known)); `None` where it never
    /// was.
    pub before: Option<VerdictKind>,
    /// What it is now.
    pub now: VerdictKind,
    /// The endpoint that said so.
    pub endpoint: Arc<str>,
}

/// Why spending has stopped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "code", rename_all = "snake_case")]
#[expect(missing_docs, reason = "Display says what each means")]
pub enum Implausible {
    Share { flipped: u32, judged: u32, percent: u32 },
    Providers { failed: u32, most: u32 },
    OneEndpoint { endpoint: String, flipped: u32, others: u32 },
}

impl fmt::Display for Implausible {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Share { flipped, judged, percent } => write!(
                f,
                "{flipped} of {judged} replicas that were proven before seem lost within a day, \
                 more than {percent} %"
            ),
            Self::Providers { failed, most } => write!(
                f,
                "all replicas of {failed} providers seem lost within a day, where more than {most} \
                 are not believed"
            ),
            Self::OneEndpoint { endpoint, flipped, others } => write!(
                f,
                "{flipped} replicas seem lost within a day, all by the word of {endpoint}; others \
                 were asked about {others} and know of no loss"
            ),
        }
    }
}

/// Spending has stopped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tripped {
    /// The pinned epoch at which it did.
    pub at: ChainEpoch,
    /// Why.
    pub why: Implausible,
    /// The replicas that have flipped and not come back.
    pub flipped: BTreeSet<DealId>,
    /// How many had flipped when it tripped, or after any pass since.
    pub most: u32,
}

/// What the breaker knows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Breaker {
    /// The replicas that were proven, or flipped, within the window.
    judged: BTreeMap<DealId, Judged>,
    /// Set while spending has stopped.
    tripped: Option<Tripped>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Judged {
    /// When it was seen to be so: the first time where it flipped, else the last.
    at: ChainEpoch,
    provider: ProviderId,
    endpoint: Arc<str>,
    flipped: bool,
}

impl Breaker {
    /// Why spending has stopped; `None` while it has not.
    pub const fn tripped(&self) -> Option<&Tripped> {
        self.tripped.as_ref()
    }

    /// The breaker that was tripped when the node stopped.
    pub fn resumed(tripped: Option<Tripped>) -> Self {
        Self { judged: BTreeMap::new(), tripped }
    }

    /// The breaker after a pass at `at` that judged these replicas.
    #[must_use]
    pub fn after(
        mut self,
        sightings: impl IntoIterator<Item = Sighting>,
        at: ChainEpoch,
        limits: &BreakerLimits,
    ) -> Self {
        for sighting in sightings {
            self.note(sighting, at);
        }
        self.judged.retain(|_, judged| judged.at <= at && at.since(judged.at) < BREAKER_WINDOW);
        if let Some(mut tripped) = self.tripped.take() {
            let flipped = count(tripped.flipped.len());
            tripped.most = tripped.most.max(flipped);
            let reversed = u64::from(flipped) * 2 < u64::from(tripped.most)
                && self.implausible(limits).is_none();
            self.tripped = (!reversed).then_some(tripped);
        } else if let Some(why) = self.implausible(limits) {
            let flipped: BTreeSet<_> = self.flipped().map(|(deal, _)| *deal).collect();
            let most = count(flipped.len());
            self.tripped = Some(Tripped { at, why, flipped, most });
        }
        self
    }

    /// The breaker once an operator has looked: what has flipped so far is believed.
    #[must_use]
    pub fn reset(mut self) -> Self {
        self.tripped = None;
        self.judged.retain(|_, judged| !judged.flipped);
        self
    }

    fn note(&mut self, sighting: Sighting, at: ChainEpoch) {
        let Sighting { deal, provider, before, now, endpoint } = sighting;
        let known = self.judged.get(&deal);
        let flipped_at = match now {
            // Neither lost nor found again.
            VerdictKind::Unknown => return,
            now if is_loss(now) => match known {
                Some(Judged { at, flipped: true, .. }) => Some(*at),
                Some(_) => Some(at),
                None => (before == Some(VerdictKind::Active)).then_some(at),
            },
            _ => None,
        };
        if let Some(tripped) = &mut self.tripped {
            if flipped_at.is_some() {
                tripped.flipped.insert(deal);
            } else if !is_loss(now) {
                tripped.flipped.remove(&deal);
            }
        }
        if now == VerdictKind::Active || flipped_at.is_some() {
            let (at, flipped) = (flipped_at.unwrap_or(at), flipped_at.is_some());
            self.judged.insert(deal, Judged { at, provider, endpoint, flipped });
        } else {
            // One that has not been proven for long, or came to its end, tells nothing of today.
            self.judged.remove(&deal);
        }
    }

    fn flipped(&self) -> impl Iterator<Item = (&DealId, &Judged)> {
        self.judged.iter().filter(|(_, judged)| judged.flipped)
    }

    /// Why what was seen is not plausible, if it is not.
    fn implausible(&self, limits: &BreakerLimits) -> Option<Implausible> {
        let (flipped, judged) = (count(self.flipped().count()), count(self.judged.len()));
        if flipped < limits.fewest.max(1) {
            return None;
        }
        if u64::from(flipped) * 100 > u64::from(judged) * u64::from(limits.share_percent) {
            let percent = limits.share_percent;
            return Some(Implausible::Share { flipped, judged, percent });
        }
        let failed = self.failed_providers();
        if failed > limits.providers {
            return Some(Implausible::Providers { failed, most: limits.providers });
        }
        self.one_endpoint(flipped)
    }

    /// Providers with several replicas, all of which flipped.
    fn failed_providers(&self) -> u32 {
        let mut providers: BTreeMap<ProviderId, (u32, bool)> = BTreeMap::new();
        for judged in self.judged.values() {
            let (replicas, all) = providers.entry(judged.provider).or_insert((0, true));
            *replicas += 1;
            *all &= judged.flipped;
        }
        count(providers.values().filter(|(replicas, all)| *all && *replicas > 1).count())
    }

    /// All flips were told by one endpoint, and others were asked about as many replicas and told of
    /// none.
    fn one_endpoint(&self, flipped: u32) -> Option<Implausible> {
        let (_, Judged { endpoint, .. }) = self.flipped().next()?;
        if self.flipped().any(|(_, judged)| judged.endpoint != *endpoint) {
            return None;
        }
        let others = self.judged.values().filter(|judged| judged.endpoint != *endpoint).count();
        let others = count(others);
        (others >= flipped).then(|| {
            let endpoint = endpoint.to_string();
            Implausible::OneEndpoint { endpoint, flipped, others }
        })
    }
}

/// Whether a replica that was proven before should not have come to this.
const fn is_loss(kind: VerdictKind) -> bool {
    matches!(kind, VerdictKind::Faulty | VerdictKind::Terminated | VerdictKind::Gone)
}

fn count(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}
