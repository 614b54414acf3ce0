//! Sets of sector numbers: run lengths, the first of numbers that are not in the set.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{self, SeqAccess, Visitor},
};

/// The most runs that are read. A partition holds at most 2349 sectors (builtin-actors
/// `runtime/src/runtime/policy.rs`), hence 2 x 2349 + 1 = 4699 runs when no two are neighbours; this
/// is more than ten times that.
const MAX_RUNS: usize = 65_536;

/// One above the highest sector number there is, 2^63 - 1 (go-state-types `abi.MaxSectorNumber`).
const END: u64 = 1 << 63;

/// A set of sector numbers, kept as the runs it came in: `[20, 2]` is {20, 21}, `[0]` is empty,
/// `[0, 3, 2, 1]` is {0, 1, 2, 5}.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Bitfield {
    /// Start and end (not in it) of each run, ascending, never touching.
    runs: Vec<(u64, u64)>,
}

impl Bitfield {
    /// How much memory its runs take.
    pub(crate) fn bytes(&self) -> usize {
        self.runs.capacity() * size_of::<(u64, u64)>()
    }

    pub(crate) fn contains(&self, number: u64) -> bool {
        let after = self.runs.partition_point(|(start, _)| *start <= number);
        after.checked_sub(1).is_some_and(|run| number < self.runs[run].1)
    }

    /// How many runs are kept.
    #[cfg(test)]
    pub(crate) fn runs(&self) -> usize {
        self.runs.len()
    }
}

impl<'de> Deserialize<'de> for Bitfield {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(RunLengths)
    }
}

struct RunLengths;

impl<'de> Visitor<'de> for RunLengths {
    type Value = Bitfield;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("run lengths such as [20,2], [0] for none")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Bitfield, A::Error> {
        let mut runs = Vec::new();
        let mut position = 0_u64;
        let mut count = 0;
        while let Some(length) = seq.next_element::<u64>()? {
            if count == MAX_RUNS {
                return Err(de::Error::custom(format!("more than {MAX_RUNS} runs")));
            }
            if length == 0 && count > 0 {
                return Err(de::Error::custom("an empty run after the first"));
            }
            let end = position.checked_add(length).filter(|end| *end <= END);
            let end = end.ok_or_else(|| de::Error::custom("a run beyond the last sector"))?;
            if count % 2 == 1 {
                runs.push((position, end));
            }
            position = end;
            count += 1;
        }
        Ok(Bitfield { runs })
    }
}
