//! The same worlds under every policy, and a table of what became of the data and what it cost.

use std::fmt;

use serde::Serialize;

use crate::{
    options::{Options, Policy},
    run::run,
    tally::Tally,
};

/// What the same worlds came to under each policy.
#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "the fields are those of Options")]
pub struct Comparison {
    pub seeds: u64,
    pub first_seed: u64,
    pub years: f64,
    pub jobs: usize,
    /// One row a policy, in the order of [`Policy::ALL`].
    pub policies: Vec<Row>,
}

/// What became of the data under one policy.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// Which one.
    pub policy: Policy,
    /// Its counts.
    #[serde(flatten)]
    pub tally: Tally,
}

/// Plays the same worlds to their ends under each policy. `progress` is told the policy, and how many
/// seeds are done.
pub fn compare(options: &Options, mut progress: impl FnMut(Policy, u64)) -> Comparison {
    let row = |policy| {
        let options = Options { policy, to_the_end: true, ..options.clone() };
        Row { policy, tally: run(&options, |done, _| progress(policy, done)).tally }
    };
    Comparison {
        seeds: options.seeds,
        first_seed: options.first_seed,
        years: options.years,
        jobs: options.jobs,
        policies: Policy::ALL.into_iter().map(row).collect(),
    }
}

/// A table in Markdown.
impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const NAMES: [&str; 7] = [
            "policy",
            "lost, avoidably",
            "lost, unavoidably",
            "job-days below target",
            "deals made",
            "of these needless",
            "TiB moved",
        ];
        writeln!(f, "| {} |", NAMES.join(" | "))?;
        writeln!(f, "|---|{}", "---:|".repeat(NAMES.len() - 1))?;
        for Row { policy, tally } in &self.policies {
            let Tally { losses, unavoidable_losses, deals, needless_deals, bytes, .. } = tally;
            let (days, name) = (tally.job_days_below_target, policy.name());
            // To the nearest, in whole numbers, so that every machine prints the same.
            let tib = bytes.saturating_add(1 << 39) >> 40;
            writeln!(
                f,
                "| {name} | {losses} | {unavoidable_losses} | {days} | {deals} | {needless_deals} | \
                 {tib} |"
            )?;
        }
        Ok(())
    }
}
