//! What a pass costs, beside a client that asks the same and keeps nothing.
//!
//! ```text
//! cargo bench -p raas-runtime --bench pass [-- DEALS...] [--latency MS,MS...] [--store memory]
//! ```
//!
//! A node with its default store (SQLite) and the JSON-RPC adapter looks at jobs of three replicas
//! each, over a fake endpoint on loopback that waits a while before each answer. The *stateless
//! client* sends the same requests for deals and partitions in batches of 100 with 16 in flight,
//! decodes the answers and drops them; it is given which deals and sectors to ask for. Both run in
//! turns in one process and share two cores with the endpoint, so that their ratio means something
//! where their times do not.
//!
//! *Cold* is the first pass of a node over jobs that it knows nothing of; *warm* the one a day later,
//! in which everything is due again. An element is one call, in a batch or not. What the endpoint can
//! do is probed before: once in the life of a node.

#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a program that prints, and stops where it cannot go on"
)]

mod endpoint;
mod node;
mod stateless;

use std::time::{Duration, Instant};

use endpoint::{Endpoint, World};

const USAGE: &str = "give numbers of deals, --latency MS,MS... and --store memory|sqlite";

struct Plan {
    deals: Vec<u64>,
    latencies: Vec<Duration>,
    store: node::StoreKind,
}

fn plan() -> Plan {
    let mut plan = Plan {
        deals: Vec::new(),
        latencies: [0, 5, 50].map(Duration::from_millis).to_vec(),
        store: node::StoreKind::Sqlite,
    };
    let mut args = std::env::args().skip(1).filter(|arg| arg != "--bench");
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--latency" => {
                let list = args.next().expect(USAGE);
                let latency = |ms: &str| Duration::from_millis(ms.parse().expect(USAGE));
                plan.latencies = list.split(',').map(latency).collect();
            }
            "--store" => {
                plan.store = match args.next().as_deref() {
                    Some("memory") => node::StoreKind::Memory,
                    Some("sqlite") => node::StoreKind::Sqlite,
                    _ => panic!("{USAGE}"),
                };
            }
            number => plan.deals.push(number.parse().expect(USAGE)),
        }
    }
    if plan.deals.is_empty() {
        plan.deals = vec![100, 10_000, 100_000];
    }
    plan
}

fn main() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(run(plan()));
}

async fn run(plan: Plan) {
    println!(
        "| deals | latency | stateless | cold pass | ratio | elements, at most | warm pass | elements |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    for deals in plan.deals {
        for latency in &plan.latencies {
            let world = World::of(deals);
            let endpoint = Endpoint::start(world, *latency).await;
            // Small ones are over in no time, and the machine's noise with them.
            let runs = if deals <= 10_000 { 3 } else { 2 };
            let mut best = Row::default();
            for _ in 0..runs {
                let row = measure(&endpoint, plan.store).await;
                best = best.better(row);
            }
            best.print(&world, *latency);
        }
    }
}

/// What was measured of one size and latency.
#[derive(Clone, Copy, Default)]
struct Row {
    stateless: Duration,
    cold: Duration,
    warm: Duration,
    cold_elements: u64,
    warm_elements: u64,
}

async fn measure(endpoint: &Endpoint, store: node::StoreKind) -> Row {
    let started = Instant::now();
    stateless::ask_everything(endpoint).await;
    let stateless = started.elapsed();

    let node = node::BenchNode::new(endpoint, store).await;
    let (cold, cold_elements) = node.pass().await;
    endpoint.advance(2_880);
    let (warm, warm_elements) = node.pass().await;
    Row { stateless, cold, warm, cold_elements, warm_elements }
}

impl Row {
    /// The shortest times of both, each for itself.
    fn better(self, other: Self) -> Self {
        if self.stateless.is_zero() {
            return other;
        }
        Self {
            stateless: self.stateless.min(other.stateless),
            cold: self.cold.min(other.cold),
            warm: self.warm.min(other.warm),
            ..other
        }
    }

    fn print(&self, world: &World, latency: Duration) {
        let ratio = |time: Duration| time.as_secs_f64() / self.stateless.as_secs_f64();
        println!(
            "| {} | {} ms | {:.2} s | {:.2} s | {:.2} | {}, {} | {:.2} s ({:.2}) | {} |",
            world.deals,
            latency.as_millis(),
            self.stateless.as_secs_f64(),
            self.cold.as_secs_f64(),
            ratio(self.cold),
            self.cold_elements,
            world.most_elements(),
            self.warm.as_secs_f64(),
            ratio(self.warm),
            self.warm_elements,
        );
    }
}
