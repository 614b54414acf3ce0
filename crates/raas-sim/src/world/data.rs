//! The clients' side: data, where its bytes are, and what is asked for it.

use raas_retrieval::{ImportProfile, file_blocks};
use raas_types::{ChainEpoch, Cid, DealId, EpochDelta, Renewal, Repair, Replication, Terms, Trust};

use crate::{options::Trouble, rng::Dice, weather::Weather};

/// One piece of data.
#[derive(Clone, Debug)]
pub(crate) struct Datum {
    pub(crate) cid: Cid,
    /// The file itself: a few bytes that stand for many.
    pub(crate) file: Vec<u8>,
    /// As many bytes as it stands for.
    pub(crate) size: u64,
    /// Until when the client has it.
    pub(crate) client_until: ChainEpoch,
    /// Until when a node may be without it that was not given it just now.
    pub(crate) withheld_until: ChainEpoch,
    /// The nodes that have a copy of their own.
    pub(crate) copies: Vec<bool>,
    /// How many times an aggregator was asked to store it.
    pub(crate) asked: u64,
    /// All deals that were ever made for it, and not undone.
    pub(crate) deals: Vec<DealId>,
    /// Since when a keeper cares for it.
    pub(crate) entrusted: Option<ChainEpoch>,
    /// When its last copy was gone.
    pub(crate) lost: Option<ChainEpoch>,
}

/// What a client asks for.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// When it is asked for.
    pub(crate) at: ChainEpoch,
    /// Of which data.
    pub(crate) datum: usize,
    pub(crate) terms: Terms,
    /// When the client takes it back.
    pub(crate) removed: Option<ChainEpoch>,
    /// Which nodes the bytes are handed to.
    pub(crate) uploaded_to: Vec<bool>,
}

/// The data of a world and what is asked for it: one request a job.
pub(crate) fn draw(
    seed: u64,
    weather: &Weather,
    start: ChainEpoch,
    end: ChainEpoch,
    jobs: usize,
) -> (Vec<Datum>, Vec<Request>) {
    let (mut data, mut requests) = (Vec::<Datum>::new(), Vec::new());
    for job in 0..jobs {
        let mut dice = Dice::new(seed, "job", job as u64);
        // One job in twenty is about data that another job is about already.
        let shares = dice.percent(5) && !data.is_empty();
        let datum = if shares { dice.below(data.len() as u64) as usize } else { data.len() };
        // Most come in the first month, some at any time.
        let latest = if dice.percent(80) { EpochDelta::days(30) } else { end.since(start).half() };
        let at = start + dice.span(EpochDelta::ZERO, latest.min(end.since(start).half()));
        if !shares {
            data.push(draw_datum(seed, job, at, weather, &mut dice));
        }
        let removed =
            dice.percent(4).then(|| at + dice.span(EpochDelta::days(20), EpochDelta::YEAR));
        let uploaded = |_| dice.percent(85);
        let uploaded_to = (0..weather.nodes).map(uploaded).collect();
        let terms = draw_terms(at, &mut dice);
        requests.push(Request { at, datum, terms, removed, uploaded_to });
    }
    requests.sort_by_key(|request| request.at);
    (data, requests)
}

fn draw_datum(seed: u64, job: usize, at: ChainEpoch, weather: &Weather, dice: &mut Dice) -> Datum {
    let file = format!("the data of job {job} in the world {seed}").into_bytes();
    let (cid, _) = file_blocks(&file, &ImportProfile::default());
    // From 1 to 32 GiB.
    let size = (1 << 30) << dice.below(6);
    let stays = dice.span(EpochDelta::days(20), EpochDelta::days(120));
    let client_until = match weather.has(Trouble::Copies) {
        true => at + stays,
        false => at + EpochDelta::YEAR.times(100),
    };
    let copies = vec![false; weather.nodes];
    Datum {
        cid,
        file,
        size,
        client_until,
        withheld_until: ChainEpoch::GENESIS,
        copies,
        asked: 0,
        deals: Vec::new(),
        entrusted: None,
        lost: None,
    }
}

fn draw_terms(at: ChainEpoch, dice: &mut Dice) -> Terms {
    let target = dice.pick(&[1, 2, 3, 3, 3, 4, 5]).unwrap_or(3);
    let mut replication = Replication::around(target);
    if dice.percent(30) {
        replication.max = target + dice.below(2) as u32;
    }
    let renewal = Renewal { threshold: EpochDelta::days(dice.between(7, 60)) };
    let repair = Repair {
        threshold: match dice.percent(10) {
            true => EpochDelta::HOUR.times(dice.between(12, 48)),
            false => EpochDelta::days(dice.between(1, 20)),
        },
    };
    let until = dice.percent(5).then(|| at + dice.span(EpochDelta::days(60), EpochDelta::YEAR));
    // One in ten asks for one or two of the three only.
    let kinds = if dice.percent(10) { dice.between(1, 6) } else { 7 };
    Terms {
        replication: (kinds & 1 != 0).then_some(replication),
        renewal: (kinds & 2 != 0).then_some(renewal),
        repair: (kinds & 4 != 0).then_some(repair),
        until,
        trust: if dice.percent(5) { Trust::Contract } else { Trust::Proven },
        ..Terms::default()
    }
}
