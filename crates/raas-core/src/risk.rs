//! How likely the last copy of a CID is to be lost before a repair can land.
//!
//! # The formula
//!
//! A provider that loses the share `y` of its sectors in a year loses a given one within the horizon
//! `h` with probability `p = y * h / year`. The horizon is the time that a loss takes to be made good:
//! the repair threshold, the second look, the aggregator's latency. A copy that is faulty already is as
//! likely as not to be lost (`p = 1/2`, or its provider's own where that is greater); one that ends
//! within the horizon, is not known or not active yet is no comfort (`p = 1`).
//!
//! Copies do not fail independently. By the beta factor model of common causes (K. N. Fleming, *A
//! reliability model for common mode failures in redundant safety systems*, General Atomic, 1975; IEC
//! 61508-6 annex D) a share `b` of a member's failures takes its whole group along:
//!
//! ```text
//! P(group) = b * min(p1, p2, ...) + (1 - b) * p1 * p2 * ...
//! ```
//!
//! The smallest of them, because a cause that takes all along takes the best of them along: all are
//! never lost more often than any one is. So a copy more never raises the risk, whatever it is worth.
//!
//! It is applied twice: to the copies of one organisation, then to the organisations of one country.
//! What is left is taken for independent, and multiplied. A provider of which nothing is known is an
//! organisation and a country of its own.
//!
//! All of it is integer arithmetic (probabilities as 2^-32, their logarithms in thousandths of a bit),
//! so that every machine puts CIDs in the same order. The assumed rates cancel out where CIDs are
//! compared; they matter for which of two *different* troubles goes first.

use std::{cmp::Reverse, collections::BTreeMap};

use raas_types::{ChainEpoch, EpochDelta, ProviderFacts, ProviderId, Verdict};
use serde::{Deserialize, Serialize};

use crate::{CONFIRMATION, Observation, Replica, Wanted, slots};

/// The share of a provider's sectors lost in a year where nobody says: 10 %, a guess on the safe side.
const YEARLY_LOSS_PPM: u32 = 100_000;

/// The probability 1.
const ONE: u64 = 1 << 32;

/// The share of failures that take all of an organisation's copies along: one half. Whoever leaves
/// leaves with everything.
const BETA_ORGANISATION: u64 = ONE / 2;

/// The share of failures that take all of a country's organisations along: one in twenty, the upper
/// end of what IEC 61508-6 gives for separate equipment.
const BETA_COUNTRY: u64 = ONE / 20;

/// The probability of losing the last copy within the repair horizon. The greater is the more
/// endangered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Risk(Reverse<u32>);

impl Risk {
    /// Nothing is left to lose, or the loss is certain.
    pub const CERTAIN: Self = Self(Reverse(0));

    /// Minus the binary logarithm of the probability, in thousandths: 3000 is one in eight.
    pub const fn millibits(self) -> u32 {
        self.0.0
    }
}

/// The risk of a CID as it was seen.
pub(crate) fn risk(seen: &Observation, wanted: &Wanted) -> Risk {
    let horizon = horizon(seen, wanted);
    let mut copies: Vec<(ProviderId, u64)> = Vec::new();
    for replica in seen.replicas.iter().filter(|r| slots::counts(r, wanted)) {
        let Some(p) = loss_of(replica, seen, horizon) else { continue };
        // Two deals with one provider are one copy: the better of the two.
        match copies.iter_mut().find(|(provider, _)| *provider == replica.provider) {
            Some((_, before)) => *before = p.min(*before),
            None => copies.push((replica.provider, p)),
        }
    }
    Risk(Reverse(millibits_of_all(&copies, seen)))
}

/// How long a loss takes to be made good. Without repair it is until the network gives a sector up.
fn horizon(seen: &Observation, wanted: &Wanted) -> EpochDelta {
    let threshold = wanted.repair.unwrap_or(EpochDelta::FAULT_MAX_AGE);
    let latency = seen.aggregators.iter().map(|a| a.latency).max().unwrap_or(EpochDelta::DAY);
    let spans = [threshold, CONFIRMATION, latency].map(|span| span.get().max(0));
    EpochDelta::new(spans.into_iter().fold(0, i64::saturating_add))
}

/// The probability that a copy is lost within the horizon; `None` where it is no copy, or certainly
/// lost.
fn loss_of(replica: &Replica, seen: &Observation, horizon: EpochDelta) -> Option<u64> {
    let lasts = |end: ChainEpoch| end > seen.at + horizon;
    let healthy = || {
        let facts = seen.providers.get(&replica.provider);
        within(facts.and_then(|f| f.yearly_loss_ppm).unwrap_or(YEARLY_LOSS_PPM), horizon)
    };
    match replica.verdict {
        Verdict::Active { end } if lasts(end) => Some(healthy()),
        Verdict::Faulty { end, .. } if lasts(end) => Some(healthy().max(ONE / 2)),
        _ => None,
    }
}

/// A yearly share as a probability within a span: 2^-32 at the least, 1 at the most.
fn within(yearly_ppm: u32, span: EpochDelta) -> u64 {
    let span = u128::try_from(span.get()).unwrap_or(0);
    let year = u128::try_from(EpochDelta::YEAR.get()).unwrap_or(1);
    let p = u128::from(yearly_ppm) * span * u128::from(ONE) / (1_000_000 * year);
    u64::try_from(p).unwrap_or(ONE).clamp(1, ONE)
}

/// The members of organisations, the organisations of countries, and then all of them.
fn millibits_of_all(copies: &[(ProviderId, u64)], seen: &Observation) -> u32 {
    let nobody = ProviderFacts::default();
    let mut organisations: BTreeMap<Group<'_>, (Vec<u64>, Option<Group<'_>>)> = BTreeMap::new();
    for (provider, p) in copies {
        let facts = seen.providers.get(provider).unwrap_or(&nobody);
        let own = Group::Alone(*provider);
        let run_by = facts.organisation.as_deref().or(facts.owner.as_deref());
        let country = facts.country.as_deref().map_or(own, Group::Country);
        let organisation = run_by.map_or(own, Group::Organisation);
        let (members, place) = organisations.entry(organisation).or_default();
        members.push(*p);
        // One that is in several countries stands for itself.
        let is_same = members.len() == 1 || *place == Some(country);
        *place = is_same.then_some(country);
    }
    let mut countries: BTreeMap<Group<'_>, Vec<u64>> = BTreeMap::new();
    for (organisation, (members, place)) in organisations {
        let p = together(&members, BETA_ORGANISATION);
        countries.entry(place.unwrap_or(organisation)).or_default().push(p);
    }
    let each = countries.values().map(|members| millibits(together(members, BETA_COUNTRY)));
    each.fold(0, u32::saturating_add)
}

/// What fails together.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Group<'a> {
    Organisation(&'a str),
    Country(&'a str),
    Alone(ProviderId),
}

/// The probability that all members of a group are lost.
fn together(members: &[u64], beta: u64) -> u64 {
    let best = members.iter().copied().min().unwrap_or(ONE);
    let each = members.iter().copied().fold(ONE, times);
    times(beta, best) + times(ONE - beta, each)
}

/// The product of two probabilities.
const fn times(one: u64, other: u64) -> u64 {
    // Each is at most 2^32, so that the product fits and so does what is left of it.
    ((one as u128 * other as u128) >> 32) as u64
}

/// Minus the binary logarithm of a probability, in thousandths, by squaring: each square doubles the
/// logarithm, whose whole part is the next binary digit.
fn millibits(p: u64) -> u32 {
    let p = p.clamp(1, ONE);
    let whole = 63 - p.leading_zeros();
    let mut mantissa = u128::from(p) << (63 - whole);
    let mut fraction = 0;
    for _ in 0..16 {
        mantissa = (mantissa * mantissa) >> 63;
        fraction <<= 1;
        if mantissa >> 64 != 0 {
            mantissa >>= 1;
            fraction |= 1;
        }
    }
    32_000 - (whole * 1_000 + ((fraction * 1_000) >> 16))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_logarithm_is_right_to_a_thousandth() {
        for (p, expected) in [(ONE, 0), (ONE / 2, 1_000), (ONE / 8, 3_000), (1, 32_000)] {
            assert_eq!(millibits(p), expected);
        }
        for p in (1..ONE).step_by(40_000_003) {
            #[expect(clippy::cast_precision_loss, reason = "compared to a thousandth")]
            let exact = 32_000.0 - (p as f64).log2() * 1_000.0;
            assert!((f64::from(millibits(p)) - exact).abs() <= 1.0, "{p}");
        }
    }

    #[test]
    fn the_second_copy_of_an_organisation_helps_less_than_one_elsewhere() {
        let p = within(YEARLY_LOSS_PPM, EpochDelta::days(10));
        let alone = millibits(p);
        let beside = millibits(together(&[p, p], BETA_ORGANISATION));
        assert!(alone < beside && beside < alone + 1_001, "{alone} {beside}");
        assert!(beside < 2 * alone);
    }

    #[test]
    fn one_more_member_never_makes_a_group_less_safe() {
        let some = [1, 2, ONE / 1_000, ONE / 3, ONE / 2, ONE];
        for beta in [BETA_ORGANISATION, BETA_COUNTRY] {
            for one in some {
                for other in some {
                    let both = together(&[one, other], beta);
                    assert!(both <= one.min(other), "{one} {other}");
                    for third in some {
                        assert!(together(&[one, other, third], beta) <= both, "{third}");
                    }
                }
            }
        }
    }
}
