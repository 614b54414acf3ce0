//! Dice: all chance there is in a simulation.
//!
//! One seed gives any number of streams, told apart by a name and a number, so that a component that
//! throws once more than before changes nothing for the others. The generator's values are part of its
//! contract (ChaCha, RFC 8439 with 8 rounds); everything here is done with whole numbers, so that every
//! machine throws the same.

use raas_types::EpochDelta;
use rand_chacha::{
    ChaCha8Rng,
    rand_core::{RngCore, SeedableRng},
};

/// One stream of chance.
#[derive(Clone, Debug)]
pub(crate) struct Dice(ChaCha8Rng);

impl Dice {
    /// The stream with this name and number.
    pub(crate) fn new(seed: u64, name: &str, number: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let name = name.bytes().fold(0, |hash, byte| mix(hash ^ u64::from(byte)));
        rng.set_stream(mix(name ^ number));
        Self(rng)
    }

    /// A number below `n`; 0 where there is none.
    pub(crate) fn below(&mut self, n: u64) -> u64 {
        // The high half of a 128-bit product: even but for one part in 2^64 / n.
        ((u128::from(self.0.next_u64()) * u128::from(n)) >> 64) as u64
    }

    /// A number from `low` up to `high`, both included.
    pub(crate) fn between(&mut self, low: i64, high: i64) -> i64 {
        let span = u64::try_from(high.saturating_sub(low)).unwrap_or(0);
        low + i64::try_from(self.below(span + 1)).unwrap_or(0)
    }

    /// A span from `low` up to `high`, both included.
    pub(crate) fn span(&mut self, low: EpochDelta, high: EpochDelta) -> EpochDelta {
        EpochDelta::new(self.between(low.get(), high.get()))
    }

    /// True so many times in a hundred.
    pub(crate) fn percent(&mut self, of_a_hundred: u64) -> bool {
        self.below(100) < of_a_hundred
    }

    /// One of these; none of none.
    pub(crate) fn pick<T: Copy>(&mut self, of: &[T]) -> Option<T> {
        let place = usize::try_from(self.below(of.len() as u64)).unwrap_or(0);
        of.get(place).copied()
    }

    /// The time to wait for something that comes at no time in particular, once in `mean` on average:
    /// at least one epoch. Half of the waits are below 2/3 of the mean, each further doubling of the
    /// rarity is 2/3 of it longer, as in an exponential distribution.
    pub(crate) fn wait(&mut self, mean: EpochDelta) -> EpochDelta {
        let halvings = u64::from(self.0.next_u64().trailing_zeros());
        // Halvings average 1 and the rest 1/2: 3/2 of the unit, which is 2/3 of the mean.
        let part = (halvings << 32) + self.below(1 << 32);
        let wait = (u128::from(part) * u128::from(mean.get().unsigned_abs()) * 2 / 3) >> 32;
        EpochDelta::new(i64::try_from(wait).unwrap_or(i64::MAX).max(1))
    }
}

/// Scatters a number over all numbers (the finaliser of SplitMix64): the same for the same.
pub(crate) fn mix(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_gives_the_same_again_and_another_stream_something_else() {
        let throws = |seed, name, number| {
            let mut dice = Dice::new(seed, name, number);
            (0..20).map(|_| dice.below(1_000)).collect::<Vec<_>>()
        };
        assert_eq!(throws(7, "a", 1), throws(7, "a", 1));
        assert_ne!(throws(7, "a", 1), throws(7, "a", 2));
        assert_ne!(throws(7, "a", 1), throws(7, "b", 1));
        assert_ne!(throws(7, "a", 1), throws(8, "a", 1));
    }

    #[test]
    fn throws_stay_in_their_range_and_reach_its_ends() {
        let mut dice = Dice::new(1, "range", 0);
        let throws: Vec<_> = (0..200).map(|_| dice.between(-2, 2)).collect();
        assert_eq!((throws.iter().min(), throws.iter().max()), (Some(&-2), Some(&2)));
        assert_eq!(dice.below(0), 0);
        assert_eq!(dice.pick::<u8>(&[]), None);
    }

    #[test]
    fn waits_come_to_their_mean() {
        let mut dice = Dice::new(1, "waits", 0);
        let waits: i64 = (0..10_000).map(|_| dice.wait(EpochDelta::new(1_000)).get()).sum();
        assert!((950..1_050).contains(&(waits / 10_000)), "{waits}");
    }
}
