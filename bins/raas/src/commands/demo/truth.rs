//! What of the story is true, by nothing but the deals that were made.

use std::collections::BTreeSet;

use raas_devnet::DealTruth;
use raas_types::DealId;

/// The turns of the story, as the devnet had them.
#[derive(Debug, Default)]
pub(super) struct Turns {
    /// The deals of the time when one provider stopped proving, and that epoch.
    pub(super) before_fault: Vec<DealTruth>,
    pub(super) fault_at: i64,
    /// The deal whose provider it was.
    pub(super) lost: Option<DealId>,
    /// The deals that come near their end, and the epoch from which on they may be renewed.
    pub(super) ending: Vec<DealTruth>,
    pub(super) window_at: i64,
}

impl Turns {
    /// The deals, made after the fault and before renewal was due, that replace the lost one: active,
    /// with a provider that held nothing.
    pub(super) fn repairs(&self, deals: &[DealTruth]) -> usize {
        if self.lost.is_none() {
            return 0;
        }
        let held: BTreeSet<&str> =
            self.before_fault.iter().map(|deal| deal.provider.as_str()).collect();
        let repairs = deals.iter().filter(|deal| {
            deal.published > self.fault_at
                && (self.ending.is_empty() || deal.published < self.window_at)
                && deal.activated.is_some()
                && !held.contains(deal.provider.as_str())
        });
        repairs.count()
    }

    /// How many of the ending deals have a successor that was active before they ended. Truth knows
    /// no pairs: the first successor is held against the first end, which is the pairing in which
    /// the most hold.
    pub(super) fn renewals(&self, deals: &[DealTruth]) -> usize {
        if self.ending.is_empty() {
            return 0;
        }
        let mut ends: Vec<i64> = self.ending.iter().map(|deal| deal.end).collect();
        ends.sort_unstable();
        let made = deals.iter().filter(|deal| deal.published >= self.window_at);
        let mut active: Vec<i64> = made.filter_map(|deal| deal.activated).collect();
        active.sort_unstable();
        active.iter().zip(&ends).filter(|(active, end)| active < end).count()
    }
}

#[cfg(test)]
mod tests {
    use raas_devnet::DealState;
    use raas_types::{PaddedSize, PieceInfo};

    use super::*;

    fn deal(id: u64, provider: &str, published: i64, end: i64) -> DealTruth {
        let piece = "baga6ea4seaqao7s73y24kcutaosvacpdjgfe5pw76ooefnyqw4ynr3d2y6x2mpq";
        DealTruth {
            id: DealId::new(id),
            provider: provider.to_owned(),
            sector: None,
            state: DealState::Active,
            unproven: false,
            fault_since: None,
            published,
            start: published + 100,
            end,
            activated: Some(published + 60),
            piece: PieceInfo {
                cid: piece.parse().expect("a CID"),
                size: PaddedSize::new(128).expect("a size"),
            },
            cids: Vec::new(),
        }
    }

    fn first() -> Vec<DealTruth> {
        vec![deal(1, "f01", 0, 10_000), deal(2, "f02", 5, 10_005), deal(3, "f03", 10, 10_010)]
    }

    fn turns() -> Turns {
        let ending = vec![first().remove(1), first().remove(2), deal(4, "f04", 500, 10_500)];
        Turns {
            before_fault: first(),
            fault_at: 200,
            lost: Some(DealId::new(1)),
            ending,
            window_at: 9_000,
        }
    }

    fn all(more: Vec<DealTruth>) -> Vec<DealTruth> {
        [first(), vec![deal(4, "f04", 500, 10_500)], more].concat()
    }

    #[test]
    fn a_repair_is_a_deal_with_a_provider_that_held_nothing() {
        let renewed = all(vec![deal(5, "f05", 9_100, 20_000)]);
        assert_eq!(turns().repairs(&renewed), 1);
        assert_eq!(turns().repairs(&first()), 0);
        let same = [first(), vec![deal(4, "f02", 500, 10_500)]].concat();
        assert_eq!(turns().repairs(&same), 0);
        let mut never = renewed;
        never[3].activated = None;
        assert_eq!(turns().repairs(&never), 0);
    }

    #[test]
    fn a_renewal_is_active_before_its_predecessor_ends() {
        let made = |published: [i64; 3]| {
            all((5..).zip(published).map(|(id, at)| deal(id, "f05", at, 20_000)).collect())
        };
        assert_eq!(turns().renewals(&made([9_100, 9_200, 9_300])), 3);
        // Activated at 10 004, 10 009 and 10 499: each just before an end.
        assert_eq!(turns().renewals(&made([9_944, 9_949, 10_439])), 3);
        // The second at 10 010: break before make.
        assert_eq!(turns().renewals(&made([9_944, 9_950, 10_439])), 2);
        assert_eq!(turns().renewals(&all(Vec::new())), 0);
        assert_eq!(Turns::default().renewals(&made([9_100, 9_200, 9_300])), 0);
    }
}
