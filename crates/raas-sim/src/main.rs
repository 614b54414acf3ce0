//! The command line of the simulator: progress to standard error, stories and one JSON object at the
//! end to standard output. Exit code 1 when a promise was broken, 2 when the input makes no sense.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "this is where the binary speaks")]

use std::{process::ExitCode, time::Instant};

use clap::Parser;
use raas_sim::{Broken, Options, Outcome, Plant, Policy, Summary, Troubles, compare, run};

/// Simulates RaaS nodes in worlds full of trouble, and checks what they promise.
#[derive(Debug, Parser)]
struct Cli {
    /// How many worlds.
    #[arg(long, default_value_t = 100)]
    seeds: u64,
    /// How long each lasts, in years of the chain.
    #[arg(long, default_value_t = 1.0)]
    years: f64,
    /// The first seed; the others follow it.
    #[arg(long, default_value_t = 1)]
    first_seed: u64,
    /// Jobs in each world.
    #[arg(long, default_value_t = 20)]
    jobs: usize,
    /// Register this job only, of all that the world has.
    #[arg(long)]
    only_job: Option<usize>,
    /// Renew deals so many days before their end, whatever a job would ask for.
    #[arg(long, value_name = "DAYS")]
    renewal_days: Option<u32>,
    /// Who keeps the data alive.
    #[arg(long, default_value = "ours")]
    policy: Policy,
    /// Kinds of trouble that do not come, with commas between them; or "all".
    #[arg(long, default_value = "")]
    without: Troubles,
    /// Give the node a bug: for tests of the simulator itself.
    #[arg(long, hide_short_help = true)]
    plant: Option<Plant>,
    /// Play the same worlds under every policy, and print a table in Markdown.
    #[arg(long, conflicts_with_all = ["policy", "only_job", "plant"])]
    compare: bool,
    /// Tell what happened to this piece of data in the first seed, by its number, and nothing else.
    #[arg(long, value_name = "DATA", conflicts_with = "compare")]
    tell: Option<usize>,
    /// Print nothing but the JSON object.
    #[arg(long)]
    json: bool,
}

impl Cli {
    fn options(self) -> Result<Options, String> {
        if !(self.years > 0.0 && self.years <= 100.0) {
            return Err(format!("--years is {}: give a number above 0 and up to 100", self.years));
        }
        if self.jobs == 0 || self.jobs > 100_000 {
            return Err(format!("--jobs is {}: give from 1 to 100000", self.jobs));
        }
        if self.seeds == 0 {
            return Err("--seeds is 0: give at least 1".to_owned());
        }
        if let Some(job) = self.only_job.filter(|job| *job >= self.jobs) {
            return Err(format!("--only-job is {job}: there are {} jobs, from 0 on", self.jobs));
        }
        if self.plant.is_some() && self.policy != Policy::Ours {
            return Err("--plant is for this node alone: leave --policy out".to_owned());
        }
        let Self { first_seed, seeds, years, jobs, only_job, .. } = self;
        let Self { renewal_days, policy, without, plant, .. } = self;
        Ok(Options {
            first_seed,
            seeds,
            years,
            jobs,
            only_job,
            renewal_days,
            policy,
            without,
            plant,
            to_the_end: false,
        })
    }
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let (json, compares, tells) = (cli.json, cli.compare, cli.tell);
    let options = match cli.options() {
        Ok(options) => options,
        Err(why) => {
            eprintln!("raas-sim: {why}");
            return ExitCode::from(2);
        }
    };
    if let Some(datum) = tells {
        for line in raas_sim::tell(&options, datum) {
            println!("{line}");
        }
        return ExitCode::SUCCESS;
    }
    if compares {
        return tell_comparison(&options, json);
    }
    let started = Instant::now();
    let mut told = started;
    let outcome = run(&options, |done, broken| {
        if told.elapsed().as_secs() >= 10 {
            told = Instant::now();
            eprintln!("{done} of {} seeds, {broken} broken", options.seeds);
        }
    });
    if !json {
        tell(&outcome);
    }
    let summary = Summary::of(&options, &outcome, started.elapsed().as_secs_f64());
    match serde_json::to_string(&summary) {
        Ok(text) => println!("{text}"),
        Err(error) => eprintln!("raas-sim: {error}"),
    }
    if outcome.broken.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Plays under every policy, and prints the table. Exit code 1 when ours broke a promise.
fn tell_comparison(options: &Options, json: bool) -> ExitCode {
    let mut told = Instant::now();
    let comparison = compare(options, |policy, done| {
        if told.elapsed().as_secs() >= 10 {
            told = Instant::now();
            eprintln!("{}: {done} of {} seeds", policy.name(), options.seeds);
        }
    });
    if json {
        match serde_json::to_string(&comparison) {
            Ok(text) => println!("{text}"),
            Err(error) => eprintln!("raas-sim: {error}"),
        }
    } else {
        print!("{comparison}");
    }
    let broken = comparison.policies.iter().any(|row| row.tally.broken_invariants > 0);
    if broken { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn tell(outcome: &Outcome) {
    for Broken { seed, violation, command, story } in &outcome.stories {
        println!("seed {seed} broke a promise: {}", violation.invariant.promise());
        for line in story {
            println!("    {line}");
        }
        println!("  data {} at {}: {}", violation.datum, violation.at, violation.words);
        println!("  {command}\n");
    }
    for (seed, violation) in outcome.broken.iter().skip(outcome.stories.len()) {
        println!("seed {seed}: {:?} at {}: {}", violation.invariant, violation.at, violation.words);
    }
}
