//! Which endpoints are believed: what follows from what they say of themselves and of each other. Asks
//! nobody; `endpoints` does.

use std::sync::Arc;

use raas_lotus::{Head, LotusChain};
use raas_types::{ChainEpoch, EpochDelta, Network, Tipset};

/// How far the final tipset of the endpoint that is read may trail that of another: an hour. Healthy
/// ones finalize within 20 to 35 epochs of their head (FRC-0089), those without a word for it after
/// 900.
const FINALITY_SPREAD: EpochDelta = EpochDelta::HOUR;

/// What an endpoint must be to be believed.
pub(crate) struct Expectations {
    /// The network's name; whatever the first says when `None`.
    pub(crate) network: Option<String>,
    /// Whether a network is not the one that the store was made on, told by its name.
    pub(crate) is_foreign: Box<dyn Fn(&str) -> bool + Send + Sync>,
    /// How far it may be behind.
    pub(crate) max_behind: EpochDelta,
    /// The epoch that was last agreed to be final.
    pub(crate) last_pin: Option<ChainEpoch>,
    /// How many must agree.
    pub(crate) witnesses: usize,
}

/// What a pass is given: the tipset to pin it to, and whom to read.
#[derive(Clone, Debug)]
pub(crate) struct Selection {
    pub(crate) network: String,
    pub(crate) pin: Tipset,
    /// The last epoch that as many endpoints as must agreed to be final: the pin's own, unless one
    /// endpoint alone is believed where two should be. Nothing durable is dated beyond it, so that one
    /// that runs ahead of the chain does no harm that lasts.
    pub(crate) anchor: ChainEpoch,
    /// All of one opinion about the pin; the first is read, the others are its witnesses.
    pub(crate) readers: Vec<Arc<dyn LotusChain>>,
}

/// What an endpoint says of itself.
#[derive(Clone, Debug)]
pub(crate) struct Introduction {
    /// Which of the configured ones it is.
    pub(crate) index: usize,
    pub(crate) endpoint: String,
    pub(crate) network: Network,
    pub(crate) head: Head,
    pub(crate) finalized: Tipset,
}

/// Why an endpoint does not say which tipset it has at an epoch.
#[derive(Clone, Debug)]
pub(crate) enum Unheard {
    /// It did not answer in time.
    Late(String),
    /// It says that it cannot tell.
    Refused(String),
}

/// Those that introduced themselves and are believed, best first; and those that are not, with the
/// reason.
#[derive(Debug, Default)]
pub(crate) struct Candidates {
    pub(crate) believed: Vec<Introduction>,
    pub(crate) rejected: Vec<(usize, String)>,
}

impl Candidates {
    /// Rejects those that do not pass a check.
    fn keep(&mut self, mut check: impl FnMut(&Introduction) -> Result<(), String>) {
        let rejected = &mut self.rejected;
        self.believed.retain(|who| match check(who) {
            Ok(()) => true,
            Err(reason) => {
                rejected.push((who.index, reason));
                false
            }
        });
    }

    /// All that can be told without asking further.
    pub(crate) fn check(&mut self, expected: &Expectations) {
        self.check_networks(expected);
        self.check_tips(expected);
        self.check_heads(expected);
    }

    /// One network: the configured one, that of the store, that of the first endpoint.
    fn check_networks(&mut self, expected: &Expectations) {
        self.keep(|Introduction { endpoint, network, .. }| {
            let network = &network.name;
            if let Some(expected) = &expected.network
                && network != expected
            {
                return Err(format!(
                    "{endpoint} is on network {network:?}, not {expected:?}: point the \
                     configuration at an endpoint of that network"
                ));
            }
            if (expected.is_foreign)(network) {
                return Err(format!(
                    "{endpoint} is on network {network:?}, and this store was made on another: \
                     point the configuration at an endpoint of that network, or use another store"
                ));
            }
            Ok(())
        });
        let Some(first) = self.believed.first().cloned() else { return };
        self.keep(|Introduction { endpoint, network, .. }| {
            let (name, of_the_first) = (&network.name, &first.network.name);
            if name == of_the_first {
                return Ok(());
            }
            Err(format!(
                "{endpoint} is on network {name:?}, and {} on {of_the_first:?}",
                first.endpoint
            ))
        });
    }

    /// An endpoint that knows itself to be late, or contradicts itself.
    fn check_tips(&mut self, expected: &Expectations) {
        self.keep(|Introduction { endpoint, head, finalized, .. }| {
            if head.behind > expected.max_behind {
                return Err(format!(
                    "{endpoint} is {} behind the network: waiting until it is in sync",
                    head.behind
                ));
            }
            if finalized.epoch > head.tipset.epoch {
                return Err(format!(
                    "{endpoint} says epoch {} is final, beyond its head at {}: it contradicts itself",
                    finalized.epoch, head.tipset.epoch
                ));
            }
            Ok(())
        });
    }

    /// An endpoint whose head is far from that of most others, below or above. Of two, the one that
    /// has come further is believed, though not for long: see [`Selection::anchor`].
    fn check_heads(&mut self, expected: &Expectations) {
        let mut heads: Vec<_> = self.believed.iter().map(|who| who.head.tipset.epoch).collect();
        heads.sort();
        let Some(usual) = heads.get(heads.len() / 2).copied() else { return };
        self.keep(|Introduction { endpoint, head, .. }| {
            let head = head.tipset.epoch;
            let (late, early) = (usual.since(head), head.since(usual));
            if late > expected.max_behind {
                Err(format!("{endpoint} lags: its head is {late} below that of the others"))
            } else if early > expected.max_behind {
                Err(format!("{endpoint} is {early} ahead of all others, which cannot be"))
            } else {
                Ok(())
            }
        });
    }

    /// Those that deny what was pinned last are on a fork. Where all deny it, it is the chain that
    /// changed, or what we saw was wrong. `said` is what each has at that epoch.
    pub(crate) fn check_last_pin(&mut self, last: &Tipset, said: Vec<Result<Tipset, Unheard>>) {
        let denies =
            |said: &Result<Tipset, Unheard>| matches!(said, Ok(tipset) if tipset.key != last.key);
        let all_deny = said.iter().all(denies);
        let mut said = said.into_iter();
        self.keep(|who| match said.next() {
            Some(Err(Unheard::Late(reason))) => Err(reason),
            Some(said) if !all_deny && denies(&said) => Err(format!(
                "{} is on another fork: it does not have the tipset of epoch {} that was final",
                who.endpoint, last.epoch
            )),
            // It may not remember as much: a gateway tells of the last day only.
            _ => Ok(()),
        });
    }

    /// The one whose final tipset is to be the pin: the first that is not behind the others, nor
    /// behind what was final before.
    ///
    /// # Errors
    ///
    /// Why nobody is believed.
    pub(crate) fn primary(&self, expected: &Expectations) -> Result<Introduction, String> {
        let newest = self.believed.iter().map(|who| who.finalized.epoch).max();
        let oldest = newest.map(|newest| newest - FINALITY_SPREAD).max(expected.last_pin);
        let primary = self.believed.iter().find(|who| Some(who.finalized.epoch) >= oldest);
        primary.cloned().ok_or_else(|| {
            let last = expected.last_pin.unwrap_or_default();
            let stale = self.believed.iter().map(|Introduction { endpoint, finalized, .. }| {
                format!(
                    "{endpoint} says epoch {} is final, but epoch {last} was seen before: it is \
                     behind",
                    finalized.epoch
                )
            });
            let rejected = self.rejected.iter().map(|(_, reason)| reason.clone());
            stale.chain(rejected).collect::<Vec<_>>().join("; ")
        })
    }

    /// Counts who has the primary's final tipset and who has another there, by what each of the others
    /// said; those on the smaller side are on a fork. Whether the primary's side is the greater.
    ///
    /// # Errors
    ///
    /// As many say one thing as say the other, and nobody is believed.
    pub(crate) fn vote(
        &mut self,
        primary: &Introduction,
        said: Vec<Result<Tipset, Unheard>>,
    ) -> Result<bool, String> {
        let pin = &primary.finalized;
        let mut said = said.into_iter();
        let vote = |who: &Introduction| match said.next() {
            _ if who.index == primary.index => Vote::Same,
            Some(Ok(tipset)) if tipset.key == pin.key => Vote::Same,
            // Not there yet: it is neither for it nor against it.
            Some(Ok(_)) if who.head.tipset.epoch < pin.epoch => {
                Vote::None(format!("{} has not come to {}", who.endpoint, pin.epoch))
            }
            Some(Ok(_)) => Vote::Other,
            Some(Err(Unheard::Late(why) | Unheard::Refused(why))) => Vote::None(why),
            None => Vote::None(format!("{} was not asked", who.endpoint)),
        };
        let votes: Vec<_> = self.believed.iter().map(vote).collect();
        let of = |wanted: Vote| {
            let both = self.believed.iter().zip(&votes);
            let names =
                both.filter(move |(_, vote)| **vote == wanted).map(|(who, _)| &who.endpoint);
            names.cloned().collect::<Vec<_>>()
        };
        let (same, other) = (of(Vote::Same), of(Vote::Other));
        if same.len() == other.len() {
            return Err(format!(
                "{} and {} have different tipsets at epoch {}, and which of them is on a fork is \
                 not known: waiting until they agree",
                same.join(", "),
                other.join(", "),
                pin.epoch
            ));
        }
        let wrong = if same.len() > other.len() { Vote::Other } else { Vote::Same };
        let mut votes = votes.iter();
        self.keep(|who| match votes.next() {
            Some(Vote::None(reason)) => Err(reason.clone()),
            Some(vote) if *vote == wrong => Err(format!(
                "{} is on another fork than most: it has another tipset at epoch {}",
                who.endpoint, pin.epoch
            )),
            _ => Ok(()),
        });
        Ok(same.len() > other.len())
    }
}

/// What an endpoint says of a tipset that another holds to be final.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Vote {
    /// It has the same.
    Same,
    /// It has another one there.
    Other,
    /// It did not say, and why.
    None(String),
}
