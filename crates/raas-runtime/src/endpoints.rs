//! The endpoints of the chain: which of them are believed in a pass, and in which order they are
//! asked.
//!
//! Before a pass every endpoint introduces itself: its network, its head, its final tipset. One that
//! cannot be asked, is late, or is on another network or another fork than the others is *set aside*
//! with a reason, and asked again later, after growing pauses. The first of those that remain gives
//! the tipset to which the pass is pinned, and is read; the others stand in for it where it fails, and
//! are witnesses of what money is spent on.

use std::{
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use futures::future::join_all;
use raas_lotus::{Head, LotusChain};
use raas_types::{ChainEpoch, DealId, DealReading, EpochDelta, Network, RpcUsage, Tipset};
use serde::Serialize;
use tokio::time::Instant;

use crate::{Event, node::locked};

/// An introduction is four or five requests, one after the other; one that takes longer than two HTTP
/// exchanges are allowed (2 x 30 s) is none.
const PATIENCE: Duration = Duration::from_secs(60);

/// One that was set aside is asked again in the next pass, then after pauses that double from one
/// epoch's time (30 s) on...
const FIRST_PAUSE: Duration = Duration::from_secs(30);

/// ... up to half an hour: what was down for the night is back soon enough.
const LONGEST_PAUSE: Duration = Duration::from_secs(30 * 60);

/// One that introduced itself and then answered nothing is asked after the others for five minutes, then
/// for twice as long, and so on.
const FIRST_REST: Duration = Duration::from_secs(5 * 60);

/// How far the final tipset of the endpoint that is read may trail that of another: an hour. Healthy
/// ones finalize within 20 to 35 epochs of their head (FRC-0089), those without a word for it after
/// 900.
const FINALITY_SPREAD: EpochDelta = EpochDelta::HOUR;

/// Which endpoints there are, and how each does.
#[derive(Debug)]
pub(crate) struct Endpoints {
    all: Vec<Arc<dyn LotusChain>>,
    standings: Mutex<Vec<Standing>>,
    last: Mutex<Option<Election>>,
}

/// How one endpoint does.
#[derive(Clone, Debug, Default)]
struct Standing {
    aside: Option<Aside>,
    /// Passes in a row in which it answered nothing of what it was asked.
    silent: u32,
    /// Until when it is asked after the others for that.
    last_until: Option<Instant>,
}

#[derive(Clone, Debug)]
struct Aside {
    reason: String,
    times: u32,
    again: Instant,
}

/// How an endpoint does, for faces.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EndpointStatus {
    /// Its name: a host, never a token.
    pub endpoint: String,
    /// Why it is not believed now; `None` while it is.
    pub set_aside: Option<String>,
    /// What it was asked since the node started.
    pub usage: RpcUsage,
}

/// What an endpoint must be to be believed.
pub(crate) struct Expectations {
    /// The network's name; whatever the first says when `None`.
    pub(crate) network: Option<String>,
    /// Whether a network is not the one that the store was made on, told by its name.
    pub(crate) is_foreign: Box<dyn Fn(&str) -> bool + Send + Sync>,
    /// How far it may be behind.
    pub(crate) max_behind: EpochDelta,
    /// The epoch that was pinned last.
    pub(crate) last_pin: Option<ChainEpoch>,
}

/// What a pass is given: the tipset to pin it to, and whom to read.
#[derive(Clone, Debug)]
pub(crate) struct Election {
    pub(crate) network: String,
    pub(crate) pin: Tipset,
    /// All of one opinion about the pin; the first is read, the others are its witnesses.
    pub(crate) readers: Vec<Arc<dyn LotusChain>>,
}

/// What an endpoint says of itself.
#[derive(Clone, Debug)]
struct Introduction {
    index: usize,
    network: Network,
    head: Head,
    finalized: Tipset,
}

impl Endpoints {
    pub(crate) fn new(all: Vec<Arc<dyn LotusChain>>) -> Self {
        let standings = Mutex::new(vec![Standing::default(); all.len()]);
        Self { all, standings, last: Mutex::default() }
    }

    /// How many there are, believed or not.
    pub(crate) fn len(&self) -> usize {
        self.all.len()
    }

    /// How each does.
    pub(crate) fn status(&self) -> Vec<EndpointStatus> {
        let standings = self.standings();
        let both = self.all.iter().zip(standings.iter());
        let status = |(chain, standing): (&Arc<dyn LotusChain>, &Standing)| EndpointStatus {
            endpoint: chain.endpoint(),
            set_aside: standing.aside.as_ref().map(|aside| aside.reason.clone()),
            usage: chain.usage(),
        };
        both.map(status).collect()
    }

    /// What the market says of deals at `pin`, as each of those elected last knows it: one list an
    /// endpoint, in the order asked.
    pub(crate) async fn deals(&self, ids: &[DealId], pin: &Tipset) -> Vec<Vec<DealReading>> {
        let readers = locked(&self.last).as_ref().map(|election| election.readers.clone());
        let readers = readers.unwrap_or_default();
        join_all(readers.iter().map(|reader| reader.deals(ids, pin))).await
    }

    /// Takes note of whether an endpoint answered anything of what it was asked in a pass.
    pub(crate) fn note(&self, endpoint: &str, answered: bool) {
        let at = self.all.iter().position(|chain| chain.endpoint() == endpoint);
        let mut standings = self.standings();
        if let Some(standing) = at.and_then(|at| standings.get_mut(at)) {
            standing.silent = if answered { 0 } else { standing.silent.saturating_add(1) };
            let rest = doubled(FIRST_REST, standing.silent.saturating_sub(1));
            standing.last_until = (!answered).then(|| Instant::now() + rest);
        }
    }

    /// Has the endpoints introduce themselves, sets aside those that are not to be believed, and
    /// elects the others. Without any, says why.
    pub(crate) async fn elect(
        &self,
        expected: &Expectations,
        events: &mut Vec<Event>,
    ) -> Result<Election, String> {
        let asked = self.to_ask();
        let mut hall = Hall { believed: Vec::new(), rejected: Vec::new() };
        let introductions = asked.iter().map(|index| self.introduce(*index));
        for (index, introduction) in asked.iter().zip(join_all(introductions).await) {
            match introduction {
                Ok(introduction) => hall.believed.push(introduction),
                Err(reason) => hall.rejected.push((*index, reason)),
            }
        }
        hall.believed.sort_by_key(|who| (self.rests(who.index), who.index));
        self.check_networks(&mut hall, expected);
        self.check_tips(&mut hall, expected);
        self.check_heads(&mut hall, expected);
        self.check_memory(&mut hall).await;
        let elected = self.find_pin(&mut hall, expected).await;
        self.set_aside(&hall, events);
        if let Ok(election) = &elected {
            *locked(&self.last) = Some(election.clone());
        }
        elected
    }

    fn standings(&self) -> MutexGuard<'_, Vec<Standing>> {
        locked(&self.standings)
    }

    /// Those in good standing and those whose pause is over; all of them where there is no other.
    fn to_ask(&self) -> Vec<usize> {
        let now = Instant::now();
        let standings = self.standings();
        let may =
            |standing: &Standing| standing.aside.as_ref().is_none_or(|aside| aside.again <= now);
        let due: Vec<_> = (0..self.all.len()).filter(|at| may(&standings[*at])).collect();
        let in_order = due.iter().any(|at| standings[*at].aside.is_none());
        if in_order { due } else { (0..self.all.len()).collect() }
    }

    /// Whether it is asked after the others, for having been silent.
    fn rests(&self, index: usize) -> bool {
        let now = Instant::now();
        let standings = self.standings();
        let until = standings.get(index).and_then(|standing| standing.last_until);
        until.is_some_and(|until| now < until)
    }

    fn name(&self, index: usize) -> String {
        self.all.get(index).map_or_else(String::new, |chain| chain.endpoint())
    }

    async fn introduce(&self, index: usize) -> Result<Introduction, String> {
        let chain = &self.all[index];
        let introduce = async {
            let (network, head, finalized) =
                futures::try_join!(chain.network(), chain.head(), chain.finalized())
                    .map_err(|error| error.to_string())?;
            Ok(Introduction { index, network, head, finalized })
        };
        tokio::time::timeout(PATIENCE, introduce).await.unwrap_or_else(|_| {
            let seconds = PATIENCE.as_secs();
            Err(format!("{} does not introduce itself within {seconds} s", chain.endpoint()))
        })
    }

    /// One network: the configured one, that of the store, that of the first endpoint.
    fn check_networks(&self, hall: &mut Hall, expected: &Expectations) {
        hall.keep(|who| {
            let (name, network) = (self.name(who.index), &who.network.name);
            if let Some(expected) = &expected.network
                && network != expected
            {
                return Err(format!(
                    "{name} is on network {network:?}, not {expected:?}: point the configuration \
                     at an endpoint of that network"
                ));
            }
            if (expected.is_foreign)(network) {
                return Err(format!(
                    "{name} is on network {network:?}, and this store was made on another: point \
                     the configuration at an endpoint of that network, or use another store"
                ));
            }
            Ok(())
        });
        let first = hall.believed.first().map(|who| (who.index, who.network.name.clone()));
        hall.keep(|who| match &first {
            Some((first, network)) if who.network.name != *network => Err(format!(
                "{} is on network {:?}, and {} on {network:?}",
                self.name(who.index),
                who.network.name,
                self.name(*first)
            )),
            _ => Ok(()),
        });
    }

    /// An endpoint that knows itself to be late, or contradicts itself.
    fn check_tips(&self, hall: &mut Hall, expected: &Expectations) {
        hall.keep(|who| {
            let (name, head, finalized) = (self.name(who.index), &who.head, &who.finalized);
            if head.behind > expected.max_behind {
                return Err(format!(
                    "{name} is {} behind the network: waiting until it is in sync",
                    head.behind
                ));
            }
            if finalized.epoch > head.tipset.epoch {
                return Err(format!(
                    "{name} says epoch {} is final, beyond its head at {}: it contradicts itself",
                    finalized.epoch, head.tipset.epoch
                ));
            }
            Ok(())
        });
    }

    /// An endpoint whose head is far from that of most others, below or above. Of two, the one that
    /// has come further is right: nobody makes up a chain that the other then agrees with.
    fn check_heads(&self, hall: &mut Hall, expected: &Expectations) {
        let mut heads: Vec<_> = hall.believed.iter().map(|who| who.head.tipset.epoch).collect();
        heads.sort();
        let Some(usual) = heads.get(heads.len() / 2).copied() else { return };
        hall.keep(|who| {
            let (name, head) = (self.name(who.index), who.head.tipset.epoch);
            let (late, early) = (usual.since(head), head.since(usual));
            if late > expected.max_behind {
                Err(format!("{name} lags: its head is {late} below that of the others"))
            } else if early > expected.max_behind {
                Err(format!("{name} is {early} ahead of all others, which cannot be"))
            } else {
                Ok(())
            }
        });
    }

    /// Where several are asked, those that deny what was pinned last are on a fork.
    async fn check_memory(&self, hall: &mut Hall) {
        let last = locked(&self.last).as_ref().map(|election| election.pin.clone());
        let Some(last) = last.filter(|_| hall.believed.len() > 1) else { return };
        let opinions = self.opinions(&hall.believed, last.epoch).await;
        let denies = |opinion: &Result<Tipset, Unheard>| matches!(opinion, Ok(tipset) if tipset.key != last.key);
        // Where all deny it, it is the chain that changed, or what we saw was wrong.
        let all_deny = opinions.iter().all(denies);
        let mut opinions = opinions.into_iter();
        hall.keep(|who| match opinions.next() {
            Some(Err(Unheard::Late(reason))) => Err(reason),
            Some(opinion) if !all_deny && denies(&opinion) => Err(format!(
                "{} is on another fork: it does not have the tipset of epoch {} that was final",
                self.name(who.index),
                last.epoch
            )),
            // It may not remember as much: a gateway tells of the last day only.
            _ => Ok(()),
        });
    }

    /// What each says that the tipset at an epoch is.
    async fn opinions(
        &self,
        of: &[Introduction],
        epoch: ChainEpoch,
    ) -> Vec<Result<Tipset, Unheard>> {
        let opinion = |who: &Introduction| {
            let chain = Arc::clone(&self.all[who.index]);
            async move {
                let asked = tokio::time::timeout(PATIENCE, chain.tipset_at(epoch)).await;
                let late = |_| format!("{} does not answer in time", chain.endpoint());
                let asked = asked.map_err(|elapsed| Unheard::Late(late(elapsed)))?;
                asked.map_err(|error| Unheard::Refused(error.to_string()))
            }
        };
        join_all(of.iter().map(opinion)).await
    }

    /// The newest tipset that the first believed endpoint holds to be final, and that most others
    /// have too. Those that have another there are on a fork; where as many say one thing as say the
    /// other, nobody is believed.
    async fn find_pin(&self, hall: &mut Hall, expected: &Expectations) -> Result<Election, String> {
        loop {
            let newest = hall.believed.iter().map(|who| who.finalized.epoch).max();
            let oldest = newest.map(|newest| newest - FINALITY_SPREAD).max(expected.last_pin);
            let may_lead = |who: &&Introduction| Some(who.finalized.epoch) >= oldest;
            let Some(leader) = hall.believed.iter().find(may_lead).cloned() else {
                return Err(self.why_nobody(hall, expected));
            };
            let pin = leader.finalized.clone();
            let opinions = self.opinions_on(&leader, hall, &pin).await;
            let with: Vec<_> = hall.believed.iter().zip(&opinions).collect();
            let count = |opinion: Opinion| with.iter().filter(|(_, o)| **o == opinion).count();
            let (same, other) = (count(Opinion::Same), count(Opinion::Other));
            if same == other {
                let names = |opinion| {
                    let of = with.iter().filter(|(_, o)| **o == opinion);
                    of.map(|(who, _)| self.name(who.index)).collect::<Vec<_>>().join(", ")
                };
                return Err(format!(
                    "{} and {} have different tipsets at epoch {}, and which of them is on a fork \
                     is not known: waiting until they agree",
                    names(Opinion::Same),
                    names(Opinion::Other),
                    pin.epoch
                ));
            }
            let wrong = if same > other { Opinion::Other } else { Opinion::Same };
            let mut each = opinions.iter();
            hall.keep(|who| match each.next() {
                Some(Opinion::Unheard(reason)) => Err(reason.clone()),
                Some(opinion) if *opinion == wrong => Err(format!(
                    "{} is on another fork than most: it has another tipset at epoch {}",
                    self.name(who.index),
                    pin.epoch
                )),
                _ => Ok(()),
            });
            if same > other {
                let first = std::iter::once(leader.index);
                let others = hall.believed.iter().map(|who| who.index);
                let order = first.chain(others.filter(|index| *index != leader.index));
                let readers = order.map(|index| Arc::clone(&self.all[index])).collect();
                return Ok(Election { network: leader.network.name, pin, readers });
            }
        }
    }

    async fn opinions_on(&self, leader: &Introduction, hall: &Hall, pin: &Tipset) -> Vec<Opinion> {
        let others: Vec<_> =
            hall.believed.iter().filter(|who| who.index != leader.index).cloned().collect();
        let mut heard = self.opinions(&others, pin.epoch).await.into_iter();
        let opinion = |who: &Introduction| {
            if who.index == leader.index {
                return Opinion::Same;
            }
            match heard.next() {
                Some(Ok(tipset)) if tipset.key == pin.key => Opinion::Same,
                // Not there yet: it is neither for it nor against it.
                Some(Ok(_)) if who.head.tipset.epoch < pin.epoch => Opinion::Unheard(format!(
                    "{} has not come to {}",
                    self.name(who.index),
                    pin.epoch
                )),
                Some(Ok(_)) => Opinion::Other,
                Some(Err(Unheard::Late(why) | Unheard::Refused(why))) => Opinion::Unheard(why),
                None => Opinion::Unheard("it was not asked".to_owned()),
            }
        };
        hall.believed.iter().map(opinion).collect()
    }

    fn why_nobody(&self, hall: &Hall, expected: &Expectations) -> String {
        let last = expected.last_pin.unwrap_or_default();
        let stale = hall.believed.iter().map(|who| {
            format!(
                "{} says epoch {} is final, but epoch {last} was seen before: it is behind",
                self.name(who.index),
                who.finalized.epoch
            )
        });
        let rejected = hall.rejected.iter().map(|(_, reason)| reason.clone());
        stale.chain(rejected).collect::<Vec<_>>().join("; ")
    }

    /// Keeps who was rejected, and who is back.
    fn set_aside(&self, hall: &Hall, events: &mut Vec<Event>) {
        let mut standings = self.standings();
        for who in &hall.believed {
            let endpoint = self.name(who.index);
            if standings[who.index].aside.take().is_some() {
                events.push(Event::EndpointBack { endpoint });
            }
        }
        for (index, reason) in &hall.rejected {
            let standing = &mut standings[*index];
            let times = standing.aside.as_ref().map_or(0, |aside| aside.times);
            let pause = match times {
                0 => Duration::ZERO,
                n => doubled(FIRST_PAUSE, n - 1),
            };
            let is_new = standing.aside.is_none();
            let again = Instant::now() + pause;
            let reason = reason.clone();
            standing.aside = Some(Aside { reason: reason.clone(), times: times + 1, again });
            if is_new {
                events.push(Event::EndpointAside { endpoint: self.name(*index), reason });
            }
        }
    }
}

/// A pause that doubles so many times, up to the longest.
fn doubled(first: Duration, times: u32) -> Duration {
    // The shortest is beyond the longest after 2^6 = 64 times.
    (first * (1 << times.min(6))).min(LONGEST_PAUSE)
}

/// Who introduced itself, and who is not believed any more, with the reason.
struct Hall {
    believed: Vec<Introduction>,
    rejected: Vec<(usize, String)>,
}

impl Hall {
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
}

/// Why an endpoint has no opinion about a tipset.
enum Unheard {
    /// It did not answer in time.
    Late(String),
    /// It says that it cannot tell.
    Refused(String),
}

/// What an endpoint says of a tipset that another holds to be final.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Opinion {
    /// It has the same.
    Same,
    /// It has another one there.
    Other,
    /// It did not say.
    Unheard(String),
}
