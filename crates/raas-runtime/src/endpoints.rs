//! The endpoints of the chain: which of them are believed in a pass, and in which order they are
//! asked. Asks them, and keeps how each does; what follows from their answers is `selection`'s.
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
use raas_lotus::LotusChain;
use raas_types::{ChainEpoch, DealId, DealReading, RpcUsage, Tipset};
use serde::Serialize;
use tokio::time::Instant;

use crate::{
    Event,
    node::locked,
    selection::{Candidates, Expectations, Introduction, Selection, Unheard},
};

/// An introduction is some five requests, most of them at once; one that takes longer than two HTTP
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

/// Which endpoints there are, and how each does.
#[derive(Debug)]
pub(crate) struct Endpoints {
    all: Vec<Arc<dyn LotusChain>>,
    standings: Mutex<Vec<Standing>>,
    last: Mutex<Option<Selection>>,
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

    /// What the market says of deals at `pin`, as each of those selected last knows it: one list an
    /// endpoint, in the order asked.
    pub(crate) async fn deals(&self, ids: &[DealId], pin: &Tipset) -> Vec<Vec<DealReading>> {
        let readers = locked(&self.last).as_ref().map(|selection| selection.readers.clone());
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
    /// selects among the others. Without any, says why.
    pub(crate) async fn select(
        &self,
        expected: &Expectations,
        events: &mut Vec<Event>,
    ) -> Result<Selection, String> {
        let mut candidates = self.candidates().await;
        candidates.check(expected);
        let last = locked(&self.last).as_ref().map(|selection| selection.pin.clone());
        if let Some(last) = last.filter(|_| candidates.believed.len() > 1) {
            let said = self.tipsets_at(last.epoch, &candidates).await;
            candidates.check_last_pin(&last, said);
        }
        let selected = self.find_pin(&mut candidates, expected).await;
        self.set_aside(&candidates, events);
        if let Ok(selection) = &selected {
            *locked(&self.last) = Some(selection.clone());
        }
        selected
    }

    /// Those that introduce themselves, best first.
    async fn candidates(&self) -> Candidates {
        let asked = self.to_ask();
        let mut candidates = Candidates::default();
        let introductions = asked.iter().map(|index| self.introduce(*index));
        for (index, introduction) in asked.iter().zip(join_all(introductions).await) {
            match introduction {
                Ok(introduction) => candidates.believed.push(introduction),
                Err(reason) => candidates.rejected.push((*index, reason)),
            }
        }
        candidates.believed.sort_by_key(|who| (self.rests(who.index), who.index));
        candidates
    }

    /// The newest tipset that the first believed endpoint holds to be final and that most others have
    /// too.
    async fn find_pin(
        &self,
        candidates: &mut Candidates,
        expected: &Expectations,
    ) -> Result<Selection, String> {
        loop {
            let primary = candidates.primary(expected)?;
            let pin = primary.finalized.clone();
            let said = match candidates.believed.len() {
                1 => Vec::new(),
                _ => self.tipsets_at(pin.epoch, candidates).await,
            };
            if !candidates.vote(&primary, said)? {
                continue;
            }
            let first = std::iter::once(primary.index);
            let others = candidates.believed.iter().map(|who| who.index);
            let order = first.chain(others.filter(|index| *index != primary.index));
            let readers: Vec<_> = order.map(|index| Arc::clone(&self.all[index])).collect();
            let is_agreed = readers.len() >= expected.witnesses;
            let anchor = if is_agreed { None } else { expected.last_pin };
            let anchor = anchor.unwrap_or(pin.epoch);
            return Ok(Selection { network: primary.network.name, pin, anchor, readers });
        }
    }

    /// Which tipset each of those that are believed has at an epoch.
    async fn tipsets_at(
        &self,
        epoch: ChainEpoch,
        candidates: &Candidates,
    ) -> Vec<Result<Tipset, Unheard>> {
        let ask = |who: &Introduction| {
            let chain = Arc::clone(&self.all[who.index]);
            async move {
                let asked = tokio::time::timeout(PATIENCE, chain.tipset_at(epoch)).await;
                let late = |_| format!("{} does not answer in time", chain.endpoint());
                let asked = asked.map_err(|elapsed| Unheard::Late(late(elapsed)))?;
                asked.map_err(|error| Unheard::Refused(error.to_string()))
            }
        };
        join_all(candidates.believed.iter().map(ask)).await
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

    async fn introduce(&self, index: usize) -> Result<Introduction, String> {
        let chain = &self.all[index];
        let introduce = async {
            let (network, head, finalized) =
                futures::try_join!(chain.network(), chain.head(), chain.finalized())
                    .map_err(|error| error.to_string())?;
            let endpoint = chain.endpoint();
            Ok(Introduction { index, endpoint, network, head, finalized })
        };
        tokio::time::timeout(PATIENCE, introduce).await.unwrap_or_else(|_| {
            let seconds = PATIENCE.as_secs();
            Err(format!("{} does not introduce itself within {seconds} s", chain.endpoint()))
        })
    }

    /// Keeps who was rejected, and who is back.
    fn set_aside(&self, candidates: &Candidates, events: &mut Vec<Event>) {
        let mut standings = self.standings();
        for Introduction { index, endpoint, .. } in &candidates.believed {
            if standings[*index].aside.take().is_some() {
                events.push(Event::EndpointBack { endpoint: endpoint.clone() });
            }
        }
        for (index, reason) in &candidates.rejected {
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
                events.push(Event::EndpointAside { endpoint: self.all[*index].endpoint(), reason });
            }
        }
    }
}

/// A pause that doubles so many times, up to the longest.
fn doubled(first: Duration, times: u32) -> Duration {
    // The shorter of the two first pauses, 30 s, is beyond the longest when doubled six times: 32 min.
    (first * (1 << times.min(6))).min(LONGEST_PAUSE)
}
