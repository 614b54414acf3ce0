//! What an endpoint can do, and what that means for who reads through it.

use std::fmt;

use raas_types::{EpochDelta, Network};

/// What one endpoint was found to be able to do; see
/// [`JsonRpcLotus::capabilities`](crate::JsonRpcLotus::capabilities).
///
/// `None`, or a kind that says so, is *not known*: the question was not answered, is asked again at
/// the next opportunity, and until then the capability is taken not to be there.
///
/// [`Display`](fmt::Display) puts it into one line of words; [`words`](Self::words) into several.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Capabilities {
    /// The network it speaks for.
    pub network: Option<Network>,
    /// Software and version, as it says.
    pub node: Option<String>,
    /// Which kind of node it seems to be.
    pub dialect: Dialect,
    /// How a final tipset is found.
    pub finality: FinalitySource,
    /// Items that it takes in one batch, as far as we send; 1 when it takes no batches.
    pub max_batch: Option<usize>,
    /// How sectors are read.
    pub sectors: SectorAccess,
    /// How well the start of a fault is known.
    pub faults: FaultDating,
    /// How far back it tells of.
    pub look_back: LookBack,
    /// Whether it tells when a provider's deadlines end (`StateMinerProvingDeadline`).
    pub deadlines: Option<bool>,
}

/// Kinds of nodes, by how they talk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Dialect {
    /// A Lotus node's own API.
    Lotus,
    /// A Forest node's own API.
    Forest,
    /// A node behind lotus-gateway, or behind what hides as many methods.
    Gateway,
    /// It does not tell.
    Unknown,
}

/// How a final tipset is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FinalitySource {
    /// The endpoint names it (`ChainGetFinalizedTipSet`).
    Endpoint,
    /// It is so far below the head.
    Distance(EpochDelta),
    /// Not known yet.
    Unknown,
}

/// How sectors are read.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SectorAccess {
    /// By the partitions of each provider's deadlines (`StateSectorPartition`,
    /// `StateMinerPartitions`).
    Partitions,
    /// One by one from each provider's actor (`StateCall` of `GenerateSectorLocation`, FIP-0112).
    Location,
    /// Not at all.
    Nothing {
        /// What is missing.
        why: String,
    },
    /// Not known yet.
    Unknown,
}

/// How well the start of a fault is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FaultDating {
    /// To the epoch, from the chain (`StateSectorExpiration`).
    Exact,
    /// By when the sector was last seen healthy: a proving period, 2880 epochs, at most.
    Observed,
    /// Not known yet, so by observation.
    Unknown,
}

/// How far back an endpoint tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LookBack {
    /// Two days and more, which is as far as was asked.
    Unlimited,
    /// No further than 24 hours, lotus-gateway's default limit.
    Day,
    /// Not known yet.
    Unknown,
}

impl Capabilities {
    /// One sentence a capability, for people.
    pub fn words(&self) -> Vec<String> {
        let network = match &self.network {
            Some(Network { name, version }) => format!("network {name}, version {version}"),
            None => "network not known yet".to_owned(),
        };
        let node = self.node.as_deref().unwrap_or("does not say which software it is");
        let batches = match self.max_batch {
            Some(1) => "takes no batches: every item is a request of its own".to_owned(),
            Some(size) => format!("takes batches of {size}"),
            None => "size of batches not known yet".to_owned(),
        };
        let deadlines = match self.deadlines {
            Some(true) => "tells when deadlines end",
            Some(false) => "does not tell when deadlines end: sectors are read by age alone",
            None => "not known yet whether it tells when deadlines end",
        };
        vec![
            network,
            format!("{node} ({})", self.dialect),
            self.finality.to_string(),
            batches,
            self.sectors.to_string(),
            self.faults.to_string(),
            self.look_back.to_string(),
            deadlines.to_owned(),
        ]
    }
}

impl fmt::Display for Capabilities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words().join("; "))
    }
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Lotus => "a Lotus node",
            Self::Forest => "a Forest node",
            Self::Gateway => "a gateway",
            Self::Unknown => "a node of unknown kind",
        })
    }
}

impl fmt::Display for FinalitySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Endpoint => f.write_str("names the final tipset"),
            Self::Distance(span) => {
                write!(f, "names no final tipset: {} epochs below the head is final", span.get())
            }
            Self::Unknown => f.write_str("not known yet whether it names the final tipset"),
        }
    }
}

impl fmt::Display for SectorAccess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Partitions => f.write_str("sectors read by partition, many in one call"),
            Self::Location => f.write_str("sectors read one by one from their provider's actor"),
            Self::Nothing { why } => write!(f, "sectors cannot be read: {why}"),
            Self::Unknown => f.write_str("not known yet how sectors are read"),
        }
    }
}

impl fmt::Display for FaultDating {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let period = EpochDelta::PROVING_PERIOD.get();
        match self {
            Self::Exact => f.write_str("faults dated exactly"),
            Self::Observed => write!(f, "faults dated by observation, within {period} epochs"),
            Self::Unknown => write!(
                f,
                "not known yet whether faults are dated: by observation, within {period} epochs"
            ),
        }
    }
}

impl fmt::Display for LookBack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unlimited => "looks back two days and more",
            Self::Day => "looks back 24 hours and no further",
            Self::Unknown => "not known yet how far it looks back",
        })
    }
}
