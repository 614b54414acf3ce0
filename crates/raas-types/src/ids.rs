//! Identifiers: of what is on the chain (deals, providers, sectors) and of what is ours (jobs,
//! orders, aggregators).

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// The text is no identifier of the kind asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no {kind}: write {example}")]
pub struct ParseIdError {
    text: String,
    kind: &'static str,
    example: &'static str,
}

macro_rules! numeric_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize,
            Deserialize,
        )]
        #[serde(transparent)]
        pub struct $name(u64);

        impl $name {
            /// The identifier with this number.
            pub const fn new(id: u64) -> Self {
                Self(id)
            }

            /// The identifier's number.
            pub const fn get(self) -> u64 {
                self.0
            }
        }
    };
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// The identifier with this text.
            pub fn new(id: impl Into<String>) -> Self {
                Self(id.into())
            }

            /// The identifier's text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

numeric_id! {
    /// One deal of the storage market actor f05. Ids are handed out in sequence and never again.
    DealId
}

numeric_id! {
    /// The actor id of a storage provider (the number in `f01000`).
    ///
    /// Prints with the mainnet prefix, reads with either (`f01000`, `t01000`) or without (`1000`).
    ProviderId
}

numeric_id! {
    /// The number of a sector within its provider.
    SectorNumber
}

text_id! {
    /// A client's standing request.
    JobId
}

text_id! {
    /// One order to an aggregator; also the idempotency key where the aggregator takes one.
    OrderId
}

text_id! {
    /// The name under which the configuration knows an aggregator.
    AggregatorName
}

impl fmt::Display for DealId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for SectorNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for ProviderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "f0{}", self.0)
    }
}

impl FromStr for ProviderId {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = text.strip_prefix("f0").or_else(|| text.strip_prefix("t0")).unwrap_or(text);
        let well_formed = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
        match digits.parse() {
            Ok(id) if well_formed => Ok(Self(id)),
            _ => Err(ParseIdError {
                text: text.to_owned(),
                kind: "storage provider",
                example: "its actor id, such as f01000",
            }),
        }
    }
}

/// One sector of one provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SectorId {
    /// The provider that holds the sector.
    pub provider: ProviderId,
    /// Its number there.
    pub number: SectorNumber,
}

impl fmt::Display for SectorId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.provider, self.number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_provider_reads_with_either_prefix_or_none() {
        for text in ["f01000", "t01000", "1000"] {
            assert_eq!(text.parse(), Ok(ProviderId::new(1000)), "{text}");
        }
        for text in ["", "f0", "f1abc", "f410fxyz", "+7", "-7", "99999999999999999999"] {
            assert!(text.parse::<ProviderId>().is_err(), "{text}");
        }
        assert_eq!(ProviderId::new(1000).to_string(), "f01000");
    }
}
