//! Filecoin time: [`ChainEpoch`] is a point, [`EpochDelta`] a span. All arithmetic saturates, so an
//! absurd epoch from outside can be wrong but never a panic.

use std::{
    fmt,
    ops::{Add, Sub},
    str::FromStr,
};

use serde::{Deserialize, Serialize};

/// A point in Filecoin time, in epochs since genesis (one epoch is 30 seconds on every public
/// network).
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct ChainEpoch(i64);

impl ChainEpoch {
    /// The genesis epoch.
    pub const GENESIS: Self = Self(0);

    /// The epoch with this number.
    pub const fn new(epoch: i64) -> Self {
        Self(epoch)
    }

    /// The epoch's number.
    pub const fn get(self) -> i64 {
        self.0
    }

    /// The span from `earlier` to `self`; negative when `earlier` is later.
    pub const fn since(self, earlier: Self) -> EpochDelta {
        EpochDelta(self.0.saturating_sub(earlier.0))
    }
}

impl fmt::Display for ChainEpoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Add<EpochDelta> for ChainEpoch {
    type Output = Self;

    fn add(self, span: EpochDelta) -> Self {
        Self(self.0.saturating_add(span.0))
    }
}

impl Sub<EpochDelta> for ChainEpoch {
    type Output = Self;

    fn sub(self, span: EpochDelta) -> Self {
        Self(self.0.saturating_sub(span.0))
    }
}

/// A span of Filecoin time, in epochs.
///
/// Reads from a number of epochs (`2880`) or from a number with a unit (`"30d"`, `"12h"`, `"2w"`,
/// `"1y"`), writes as a number of epochs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct EpochDelta(i64);

impl EpochDelta {
    /// No time at all.
    pub const ZERO: Self = Self(0);
    /// One hour: 3600 s / 30 s.
    pub const HOUR: Self = Self(120);
    /// One day: 24 hours; also one WindowPoSt proving period (builtin-actors
    /// `runtime/src/runtime/policy.rs`).
    pub const DAY: Self = Self(2_880);
    /// One Filecoin year: 31 556 925 s / 30 s (builtin-actors `EPOCHS_IN_YEAR`).
    pub const YEAR: Self = Self(1_051_897);
    /// One proving period: 48 deadlines of 60 epochs.
    pub const PROVING_PERIOD: Self = Self(2_880);
    /// One deadline of a proving period.
    pub const DEADLINE: Self = Self(60);
    /// Null rounds in a row at most, as far as anyone reckons with them: with five blocks expected an
    /// epoch one round in 150 has none, and ten such never follow each other.
    pub const MAX_NULL_ROUNDS: Self = Self(10);
    /// How long after its deadline a window proof can be disputed, and its sectors become faulty:
    /// 1800 epochs (builtin-actors `WPOST_DISPUTE_WINDOW`, twice the finality).
    pub const DISPUTE_WINDOW: Self = Self(1_800);
    /// Expected-consensus finality: 900 epochs, 7.5 hours (lotus `build/buildconstants`). The worst
    /// case; certificates usually make a tipset final much sooner.
    pub const EC_FINALITY: Self = Self(900);
    /// A sector that stays faulty this long is terminated: 42 proving periods (FaultMaxAge).
    pub const FAULT_MAX_AGE: Self = Self(42 * 2_880);
    /// The shortest market deal: 180 days (builtin-actors `actors/market/src/policy.rs`).
    pub const MIN_DEAL_DURATION: Self = Self(180 * 2_880);
    /// The longest market deal: 1278 days (FIP-0052).
    pub const MAX_DEAL_DURATION: Self = Self(1_278 * 2_880);

    /// A span of this many epochs.
    pub const fn new(epochs: i64) -> Self {
        Self(epochs)
    }

    /// A span of this many days.
    pub const fn days(days: i64) -> Self {
        Self(days.saturating_mul(Self::DAY.0))
    }

    /// The number of epochs.
    pub const fn get(self) -> i64 {
        self.0
    }

    /// Half the span, rounded down.
    pub const fn half(self) -> Self {
        Self(self.0 / 2)
    }

    /// The span `n` times over.
    pub const fn times(self, n: i64) -> Self {
        Self(self.0.saturating_mul(n))
    }
}

impl Add for EpochDelta {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl Sub for EpochDelta {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

/// Writes days and hours where they come out even, epochs otherwise: `30d`, `12h`, `77 epochs`.
impl fmt::Display for EpochDelta {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(epochs) = *self;
        if epochs != 0 && epochs % Self::DAY.0 == 0 {
            write!(f, "{}d", epochs / Self::DAY.0)
        } else if epochs != 0 && epochs % Self::HOUR.0 == 0 {
            write!(f, "{}h", epochs / Self::HOUR.0)
        } else {
            write!(f, "{epochs} epochs")
        }
    }
}

/// The text is no span of time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{text:?} is no span of time: write epochs (2880) or a whole number with a unit \
     (12h, 30d, 6w, 1y)"
)]
pub struct ParseEpochDeltaError {
    text: String,
}

impl FromStr for EpochDelta {
    type Err = ParseEpochDeltaError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = || ParseEpochDeltaError { text: text.to_owned() };
        let trimmed = text.trim();
        let split = trimmed.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(trimmed.len());
        let (number, unit) = trimmed.split_at(split);
        let number: i64 = number.trim().parse().map_err(|_| error())?;
        let unit = match unit {
            "" | "epochs" => Self(1),
            "m" => Self(2),
            "h" => Self::HOUR,
            "d" => Self::DAY,
            "w" => Self::days(7),
            "y" => Self::YEAR,
            _ => return Err(error()),
        };
        number.checked_mul(unit.0).map(Self).ok_or_else(error)
    }
}

impl<'de> Deserialize<'de> for EpochDelta {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl serde::de::Visitor<'_> for Visitor {
            type Value = EpochDelta;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number of epochs, or text such as \"30d\" or \"12h\"")
            }

            fn visit_i64<E: serde::de::Error>(self, epochs: i64) -> Result<EpochDelta, E> {
                Ok(EpochDelta(epochs))
            }

            fn visit_u64<E: serde::de::Error>(self, epochs: u64) -> Result<EpochDelta, E> {
                i64::try_from(epochs)
                    .map(EpochDelta)
                    .map_err(|_| E::custom(format!("{epochs} epochs is out of range")))
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<EpochDelta, E> {
                text.parse().map_err(E::custom)
            }
        }

        deserializer.deserialize_any(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_reads_from_epochs_and_from_units() {
        for (text, epochs) in
            [("2880", 2_880), ("30d", 86_400), ("12h", 1_440), (" 2w ", 40_320), ("1y", 1_051_897)]
        {
            assert_eq!(text.parse(), Ok(EpochDelta::new(epochs)), "{text}");
        }
        for text in
            ["", "d", "3 fortnights", "1.5d", "99999999999999999999", "9223372036854775807d"]
        {
            assert!(text.parse::<EpochDelta>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_span_reads_from_json_numbers_and_strings() {
        assert_eq!(serde_json::from_str::<EpochDelta>("120").ok(), Some(EpochDelta::HOUR));
        assert_eq!(serde_json::from_str::<EpochDelta>("\"1h\"").ok(), Some(EpochDelta::HOUR));
        assert!(serde_json::from_str::<EpochDelta>("1.5").is_err());
    }

    #[test]
    fn arithmetic_saturates_at_the_ends_of_time() {
        let end = ChainEpoch::new(i64::MAX);
        assert_eq!(end + EpochDelta::DAY, end);
        assert_eq!(ChainEpoch::new(i64::MIN) - EpochDelta::DAY, ChainEpoch::new(i64::MIN));
        assert_eq!(end.since(ChainEpoch::new(i64::MIN)), EpochDelta::new(i64::MAX));
    }
}
