//! What the plans of satisfied jobs cost, beside a loop that reads the same and decides nothing.
//!
//! ```text
//! cargo bench -p raas-core --bench plan [-- JOBS]
//! ```
//!
//! Each job has three active replicas, two that ended, and the orders that made them. Both loops run in
//! turns in one process over the same worlds, so that their ratio means something where their times do
//! not. There are as many worlds as do not fit a cache, and they are gone over until all jobs are
//! planned.

#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a program that measures time and prints it"
)]

#[path = "../tests/world/mod.rs"]
mod world;

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use raas_core::{JobView, Observation, plan};
use raas_types::{DealId, EpochDelta, Verdict};
use world::{NOW, active, job, landed, replica, seen};

/// 20 000 worlds of about 2 KiB: 40 MiB, more than the caches of the machines at hand.
const WORLDS: usize = 20_000;

/// Each is measured so often, in turns; the best time stands.
const ROUNDS: usize = 5;

type World = (Vec<JobView>, Observation);

fn main() {
    let asked = std::env::args().skip(1).find(|arg| arg != "--bench");
    let jobs: usize =
        asked.map_or(1_000_000, |n| n.parse().expect("the number of jobs, such as 1000000"));
    let worlds: Vec<World> = (0..WORLDS.min(jobs)).map(satisfied).collect();
    let passes = jobs.div_ceil(worlds.len());
    let planned = worlds.len() * passes;
    let (mut reading, mut planning) = (Duration::MAX, Duration::MAX);
    for _ in 0..ROUNDS {
        reading = reading.min(time(passes, &worlds, read));
        planning = planning.min(time(passes, &worlds, |(jobs, seen)| {
            let plan = plan(jobs, seen);
            u64::from(plan.steps.is_empty())
        }));
    }
    let each = |total: Duration| total.as_nanos() / planned as u128;
    println!("| jobs | read | planned | ratio | read, each | planned, each |");
    println!("|---|---|---|---|---|---|");
    println!(
        "| {planned} | {reading:.2?} | {planning:.2?} | {:.2} | {} ns | {} ns |",
        planning.as_secs_f64() / reading.as_secs_f64(),
        each(reading),
        each(planning),
    );
}

fn time(passes: usize, worlds: &[World], work: impl Fn(&World) -> u64) -> Duration {
    let started = Instant::now();
    let mut sum = 0_u64;
    for _ in 0..passes {
        for world in worlds {
            sum = sum.wrapping_add(work(black_box(world)));
        }
    }
    black_box(sum);
    started.elapsed()
}

/// The `n`th world, its deals and their ends a little different from those of others.
fn satisfied(n: usize) -> World {
    let mut replicas = vec![replica(1, Verdict::Ended), replica(2, Verdict::Completed)];
    replicas.extend((3..=5).map(active));
    for replica in &mut replicas {
        replica.deal = DealId::new(n as u64 * 10 + replica.deal.get());
        replica.next_read = Some(NOW + EpochDelta::new(60 + n as i64 % 2_800));
    }
    let orders = replicas.iter().map(|r| landed(r.deal.get(), NOW - EpochDelta::YEAR)).collect();
    (job(3), Observation { orders, ..seen(replicas) })
}

/// Reads all that a plan of a satisfied job rests on: its terms, what each replica is and until when,
/// whether an order is outstanding.
fn read((jobs, seen): &World) -> u64 {
    let mut sum = 0_i64;
    for view in jobs {
        let terms = &view.job.terms;
        sum += i64::from(terms.replication.map_or(0, |r| r.target + r.min + r.max));
        sum += terms.renewal.map_or(0, |r| r.threshold.get());
        sum += terms.repair.map_or(0, |r| r.threshold.get());
        sum += terms.until.map_or(0, |until| until.get());
        sum += i64::from(terms.placement.is_free()) + i64::from(terms.budget.is_unlimited());
        sum += i64::from(view.records);
    }
    for aggregator in &seen.aggregators {
        sum += aggregator.deal_duration.get();
    }
    for replica in &seen.replicas {
        let end = match replica.verdict {
            Verdict::Active { end } => end.get(),
            Verdict::Pending { .. } | Verdict::Faulty { .. } => 1,
            _ => 0,
        };
        let flags = u8::from(replica.proven) + u8::from(replica.confirmed);
        let next_read = replica.next_read.map_or(0, |next| next.get());
        sum = sum.wrapping_add(end + next_read + i64::from(flags));
        sum = sum.wrapping_add_unsigned(replica.provider.get());
    }
    for order in &seen.orders {
        sum += i64::from(order.is_outstanding());
    }
    sum.cast_unsigned()
}
