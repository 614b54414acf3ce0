//! What is simulated: how many seeds, for how long, with which troubles and under whose care.

use std::{collections::BTreeSet, fmt, str::FromStr};

use serde::Serialize;

use crate::Plant;

/// What is to be simulated.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// The first seed.
    pub first_seed: u64,
    /// How many seeds, one after the other.
    pub seeds: u64,
    /// How long each world lasts, in years of the chain.
    pub years: f64,
    /// Jobs in each world.
    pub jobs: usize,
    /// Of these only the one with this number is registered: to make a story short. The world is the
    /// same.
    pub only_job: Option<usize>,
    /// How many days before its end a deal is to be renewed, by every job that asks for renewal; without
    /// it jobs differ.
    pub renewal_days: Option<u32>,
    /// Who keeps the data alive.
    pub policy: Policy,
    /// Troubles that do not come.
    pub without: Troubles,
    /// The bug that this node has: to test the simulator.
    pub plant: Option<Plant>,
    /// Whether a world goes on to its end although a promise was broken, and no story is told: to
    /// compare policies over the same time.
    pub to_the_end: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            first_seed: 1,
            seeds: 100,
            years: 1.0,
            jobs: 20,
            only_job: None,
            renewal_days: None,
            policy: Policy::Ours,
            without: Troubles::default(),
            plant: None,
            to_the_end: false,
        }
    }
}

impl Options {
    /// The command that simulates one of the seeds again.
    pub fn command(&self, seed: u64) -> String {
        let mut command = format!(
            "cargo run --release -p raas-sim -- --first-seed {seed} --seeds 1 --years {} --jobs {}",
            self.years, self.jobs
        );
        if let Some(job) = self.only_job {
            command.push_str(&format!(" --only-job {job}"));
        }
        if let Some(days) = self.renewal_days {
            command.push_str(&format!(" --renewal-days {days}"));
        }
        if self.policy != Policy::Ours {
            command.push_str(&format!(" --policy {}", self.policy.name()));
        }
        if !self.without.0.is_empty() {
            command.push_str(&format!(" --without {}", self.without));
        }
        if let Some(plant) = self.plant {
            command.push_str(&format!(" --plant {}", plant.name()));
        }
        command
    }
}

/// Who keeps the data alive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Policy {
    /// This node, as it is.
    Ours,
    /// The rules of the RaaS starter kit.
    Kit,
    /// The rules of Powergate.
    Powergate,
    /// The rules of RIBS.
    Ribs,
    /// The rules of IPFS Cluster.
    IpfsCluster,
    /// The rules of Spade.
    Spade,
}

impl Policy {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Ours, Self::Kit, Self::Powergate, Self::Ribs, Self::IpfsCluster, Self::Spade];

    /// Its name on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ours => "ours",
            Self::Kit => "kit",
            Self::Powergate => "powergate",
            Self::Ribs => "ribs",
            Self::IpfsCluster => "ipfs-cluster",
            Self::Spade => "spade",
        }
    }
}

impl FromStr for Policy {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let known = Self::ALL.into_iter().find(|policy| policy.name() == text);
        known.ok_or_else(|| {
            let names: Vec<_> = Self::ALL.into_iter().map(Self::name).collect();
            format!("there is no policy {text:?}: give one of {}", names.join(", "))
        })
    }
}

macro_rules! troubles {
    ($($(#[$doc:meta])* $variant:ident $name:literal,)*) => {
        /// A kind of trouble.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Trouble {
            $($(#[$doc])* $variant,)*
        }

        impl Trouble {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// Its name on the command line.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }
        }
    };
}

troubles! {
    /// Providers are out for a while, single sectors miss proofs.
    Faults "faults",
    /// Providers leave for good, and their data with them.
    Deaths "deaths",
    /// An organisation or a country fails at once.
    Disasters "disasters",
    /// Nodes die at any call of a port, and are started again.
    Crashes "crashes",
    /// Endpoints fail, hang or lag.
    Outages "outages",
    /// An endpoint says what is not true.
    Lies "lies",
    /// An endpoint is on another fork, or ahead of the chain.
    Forks "forks",
    /// What is not final is undone.
    Reorgs "reorgs",
    /// Aggregators cannot be reached, refuse, are late or bring nothing.
    Refusals "refusals",
    /// Aggregators lose answers.
    LostAnswers "lost-answers",
    /// Aggregators double deals, name wrong ones, or choose a provider twice.
    Cheats "cheats",
    /// Aggregators make several deals of one order.
    Bundles "bundles",
    /// The store fails now and then.
    Store "store",
    /// The contract fails, is slow, or lists what strangers wrote.
    Contract "contract",
    /// A node's clock stands still or runs ahead.
    Clocks "clocks",
    /// Several nodes share a store.
    Several "several",
    /// A node is stopped in the middle of a pass, and goes on long after.
    Freezes "freezes",
    /// Copies of our own are lost, sources fail.
    Copies "copies",
}

/// A set of kinds of trouble.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Troubles(pub BTreeSet<Trouble>);

impl fmt::Display for Troubles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.0.iter().map(|trouble| trouble.name()).collect();
        f.write_str(&names.join(","))
    }
}

impl FromStr for Troubles {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let names = text.split(',').filter(|name| !name.is_empty());
        let trouble = |name: &str| {
            if name == "all" {
                return Ok(Trouble::ALL.to_vec());
            }
            let known = Trouble::ALL.iter().find(|trouble| trouble.name() == name);
            known.map(|trouble| vec![*trouble]).ok_or_else(|| {
                let known: Vec<_> = Trouble::ALL.iter().map(|t| t.name()).collect();
                format!("there is no trouble {name:?}: give some of all, {}", known.join(", "))
            })
        };
        let troubles: Result<Vec<_>, _> = names.map(trouble).collect();
        Ok(Self(troubles?.into_iter().flatten().collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn troubles_read_as_they_are_written() {
        let some: Troubles = "lies,reorgs".parse().expect("two kinds");
        assert_eq!(some.to_string(), "lies,reorgs");
        assert_eq!("all".parse::<Troubles>().map(|all| all.0.len()), Ok(Trouble::ALL.len()));
        assert!("rain".parse::<Troubles>().is_err());
    }

    #[test]
    fn the_command_names_what_is_not_usual() {
        let usual = Options::default().command(7);
        assert!(usual.ends_with("-- --first-seed 7 --seeds 1 --years 1 --jobs 20"), "{usual}");
        let without = "crashes".parse().expect("a kind");
        let odd = Options { only_job: Some(3), without, ..Options::default() };
        let command = odd.command(7);
        assert!(command.ends_with("--jobs 20 --only-job 3 --without crashes"), "{command}");
        let planted = Options { plant: Some(Plant::Wavers), ..odd }.command(7);
        assert!(planted.ends_with("--without crashes --plant wavers"), "{planted}");
    }
}
