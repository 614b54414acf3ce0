//! The command line of the simulator: progress to standard error, stories and one JSON object at the
//! end to standard output. Exit code 1 when a promise was broken, 2 when the input makes no sense.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "this is where the binary speaks")]

use std::{process::ExitCode, time::Instant};

use clap::Parser;
use raas_sim::{Broken, Options, Outcome, Policy, Summary, Troubles, run};

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
    /// Who keeps the data alive.
    #[arg(long, default_value = "ours")]
    policy: Policy,
    /// Kinds of trouble that do not come, with commas between them; or "all".
    #[arg(long, default_value = "")]
    without: Troubles,
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
        let Self { first_seed, seeds, years, jobs, only_job, policy, without, json: _ } = self;
        Ok(Options { first_seed, seeds, years, jobs, only_job, policy, without })
    }
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let json = cli.json;
    let options = match cli.options() {
        Ok(options) => options,
        Err(why) => {
            eprintln!("raas-sim: {why}");
            return ExitCode::from(2);
        }
    };
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
