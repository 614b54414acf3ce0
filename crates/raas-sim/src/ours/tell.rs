//! What a pass did, in words that people read in a story.

use std::fmt;

use raas_runtime::{Event, PassReport};
use raas_types::{Cid, VerdictKind};

use crate::world::World;

/// Tells of a pass: what it saw, what happened in it, and what went wrong.
pub(super) fn of(world: &mut World, number: usize, report: &PassReport) {
    world.tally.passes += 1;
    world.tally.looks += report.cids;
    let now = world.now;
    match (&report.gated, report.epoch) {
        // With several nodes on a store that is what most passes of most of them say.
        (Some(why), _) if why.contains("another node") => {
            world.chronicle.note(now, format_args!("node {number} waits: {why}"));
        }
        (Some(why), _) => {
            world.chronicle.tell_all(now, format_args!("node {number} waits: {why}"));
        }
        (None, Some(pin)) if report.jobs > 0 => {
            let PassReport { jobs, cids, deals, sectors, .. } = report;
            let seen = format_args!("{jobs} jobs, {cids} looks, {deals} deals, {sectors} sectors");
            world.chronicle.note(now, format_args!("node {number} at {pin}: {seen}"));
        }
        _ => {}
    }
    for event in &report.events {
        let words = Words(event);
        match cid_of(event).and_then(|cid| world.datum_of(&cid)) {
            Some(datum) => world.chronicle.tell(now, datum, format_args!("{words}")),
            None if is_about_the_contract(event) => {
                world.chronicle.note(now, format_args!("{words}"));
            }
            None => world.chronicle.tell_all(now, format_args!("{words}")),
        }
    }
    for error in &report.errors {
        world.chronicle.note(now, format_args!("node {number}: {error}"));
    }
}

/// An event in words.
struct Words<'a>(&'a Event);

impl fmt::Display for Words<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Event::Judged { deal, provider, from, to, replaces, .. } => {
                let from = from.map_or("not read yet", VerdictKind::name);
                write!(f, "deal {deal} of {provider} is {to}; it was {from}")?;
                replaces.map_or(Ok(()), |old| write!(f, "; it replaces {old}"))
            }
            Event::Landed { order, deal, provider, .. } => {
                write!(f, "order {order} has come to deal {deal} of {provider}")
            }
            Event::Ordered { order, aggregator, .. } => write!(f, "{aggregator} has order {order}"),
            Event::OrderFailed { order, reason, .. } => write!(f, "order {order} fails: {reason}"),
            other => write!(f, "{other:?}"),
        }
    }
}

fn is_about_the_contract(event: &Event) -> bool {
    matches!(
        event,
        Event::TransactionSent { .. }
            | Event::TransactionDone { .. }
            | Event::TransactionFailed { .. }
    )
}

fn cid_of(event: &Event) -> Option<Cid> {
    match event {
        Event::Judged { cid, .. }
        | Event::Disagreement { cid, .. }
        | Event::Ordered { cid, .. }
        | Event::Landed { cid, .. }
        | Event::OrderFailed { cid, .. }
        | Event::Fetched { cid, .. }
        | Event::DataMissing { cid, .. }
        | Event::AggregatorAway { cid, .. }
        | Event::CopyDamaged { cid, .. } => Some(*cid),
        _ => None,
    }
}
