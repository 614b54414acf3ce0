//! `raas replay`: plans every logged decision anew, from what was seen then, and compares. It reads the
//! database and changes nothing, beside a node that works on it or without one.

use std::{fmt, process::ExitCode};

use anyhow::{Context, Result};
use raas_job_store_sqlite::SqliteJobStore;
use raas_runtime::{
    CorePlanner, Replayed, Unreadable,
    core::{Plan, explain},
    job_store::{Decision, JobStore},
    replay,
    types::Cid,
};
use serde::Serialize;
use serde_json::json;

use crate::{
    cli::Replay,
    config::Config,
    output::{self, BadInput},
    wiring,
};

/// Decisions that are read at once: 256 of some 4 kB are a megabyte.
const PAGE: usize = 256;

/// What became of all decisions.
#[derive(Clone, Copy, Debug, Default, Serialize)]
struct Tally {
    decisions: u64,
    same: u64,
    /// Made by this version, and it would decide otherwise now.
    differ: u64,
    /// Made by another version, whose rules were others.
    differ_by_others: u64,
    /// Written by another version in a way that this one does not read.
    other_version: u64,
    damaged: u64,
}

/// `raas replay`.
pub(crate) async fn run(args: Replay) -> Result<ExitCode> {
    let config = Config::read(&args.config)?;
    let cid = args.cid.as_deref().map(parse).transpose()?;
    let store = open(&config)?;
    let mut tally = Tally::default();
    let mut before = None;
    loop {
        let page = store.decisions(cid, before, PAGE).await.context("cannot read the log")?;
        for (number, decision) in &page {
            let replayed = replay(&decision.body, &CorePlanner);
            tally.add(&replayed);
            if args.json {
                tell_scripts(*number, decision, &replayed);
            } else {
                tell(*number, decision, &replayed);
            }
        }
        match page.last() {
            Some((number, _)) => before = Some(*number),
            None => break,
        }
    }
    if args.json {
        output::json(&tally);
    } else {
        output::line(tally);
    }
    Ok(if tally.differ > 0 || tally.damaged > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn parse(text: &str) -> Result<Cid, BadInput> {
    let cid = Cid::try_from(text).map_err(|error| {
        BadInput(format!("{text:?} is no CID ({error}): write it as bafy…, bafk… or Qm…"))
    })?;
    // As jobs have it.
    Ok(Cid::new_v1(cid.codec(), *cid.hash()))
}

fn open(config: &Config) -> Result<SqliteJobStore> {
    let path = wiring::store_path(config);
    if !path.exists() {
        let shown = path.display();
        let says = format!("there is no {shown}: a node makes it at its first start");
        return Err(BadInput(says).into());
    }
    SqliteJobStore::open_to_read(path).context("cannot open the database")
}

impl Tally {
    fn add(&mut self, replayed: &Replayed) {
        self.decisions += 1;
        let count = match replayed {
            Replayed::Same => &mut self.same,
            Replayed::Differs { then, .. } if then.is_of_this_version() => &mut self.differ,
            Replayed::Differs { .. } => &mut self.differ_by_others,
            Replayed::Unreadable(Unreadable::OtherVersion { .. }) => &mut self.other_version,
            Replayed::Unreadable(Unreadable::Damaged(_)) => &mut self.damaged,
        };
        *count += 1;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { decisions, same, .. } = self;
        write!(f, "{decisions} decisions replayed: {same} are the same, {} differ", self.differ)?;
        for (count, what) in [
            (self.differ_by_others, "differ that another version made"),
            (self.other_version, "of another version cannot be read"),
            (self.damaged, "are damaged"),
        ] {
            if count > 0 {
                write!(f, ", {count} {what}")?;
            }
        }
        f.write_str(".")
    }
}

/// One decision in words, unless it is the same.
fn tell(number: u64, Decision { cid, at, .. }: &Decision, replayed: &Replayed) {
    let name = format!("Decision {number}, at epoch {at}, of {cid}");
    match replayed {
        Replayed::Same => {}
        Replayed::Unreadable(why) => output::line(format!("{name}: {why}")),
        Replayed::Differs { then, now } => {
            output::line(format!("{name}: version {} decided otherwise than now", then.by));
            difference(&then.plan, now).iter().for_each(output::line);
        }
    }
}

/// One decision as JSON, unless it is the same.
fn tell_scripts(number: u64, Decision { cid, at, .. }: &Decision, replayed: &Replayed) {
    let cid = cid.to_string();
    match replayed {
        Replayed::Same => {}
        Replayed::Unreadable(why) => output::json(&json!({
            "number": number, "cid": cid, "at": at, "unreadable": why.to_string(),
        })),
        Replayed::Differs { then, now } => output::json(&json!({
            "number": number, "cid": cid, "at": at, "by": then.by, "then": then.plan, "now": now,
        })),
    }
}

/// What only one of two plans says: `then` with a minus, `now` with a plus.
fn difference(then: &Plan, now: &Plan) -> Vec<String> {
    let (then, now) = (lines(then), lines(now));
    let only = |sign: char, these: &[String], those: &[String]| -> Vec<String> {
        let only = these.iter().filter(|line| !those.contains(line));
        only.map(|line| format!("  {sign} {line}")).collect()
    };
    let mut lines = only('-', &then, &now);
    lines.extend(only('+', &now, &then));
    if lines.is_empty() {
        lines.push("  the same, in another order or more than once".to_owned());
    }
    lines
}

/// A plan in lines: its steps as data, which leave nothing out, and its reasons in words.
fn lines(plan: &Plan) -> Vec<String> {
    let steps = plan.steps.iter().map(|step| json!(step).to_string());
    steps.chain(explain(plan)).collect()
}

#[cfg(test)]
mod tests {
    use raas_runtime::{
        core::{Reason, Step},
        types::ChainEpoch,
    };

    use super::*;

    fn plan(steps: Vec<Step>, reasons: Vec<Reason>) -> Plan {
        let (at, next_look) = (ChainEpoch::new(100), ChainEpoch::new(160));
        Plan { at, steps, reasons: reasons.into(), next_look }
    }

    #[test]
    fn of_two_plans_only_what_differs_is_told() {
        let reason = Reason::Missing { held: 1, target: 2 };
        let then = plan(vec![Step::Fetch], vec![reason.clone(), Reason::FetchFirst]);
        let now = plan(vec![], vec![reason.clone()]);
        let told = difference(&then, &now);
        assert_eq!(told[0], r#"  - {"step":"fetch"}"#);
        assert_eq!(told[1], format!("  - {}", Reason::FetchFirst));
        assert_eq!(told[2], "  + Nothing is to be done.");
        assert_eq!(told.len(), 3, "{told:?}");
        let turned = plan(vec![Step::Fetch], vec![Reason::FetchFirst, reason]);
        assert_eq!(difference(&then, &turned), ["  the same, in another order or more than once"]);
    }
}
