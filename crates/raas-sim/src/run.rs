//! Many seeds, several at a time; what they came to is added up in their order, so that the sum is the
//! same however many run at a time.

use std::{
    collections::BTreeMap,
    sync::{
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    thread,
};

use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::{
    Violation,
    chronicle::Chronicle,
    options::Options,
    play::{Played, play},
    shrink::{Broken, shrink},
    tally::Tally,
};

/// Of so many seeds that break a promise the stories are told; of more, one tells as much as another.
const STORIES: usize = 3;

/// What a simulation came to.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// All seeds together.
    pub tally: Tally,
    /// The digest of everything that happened in all of them, in hexadecimal.
    pub history_hash: String,
    /// Seeds that broke a promise, in their order, with what each broke first.
    pub broken: Vec<(u64, Violation)>,
    /// The stories of the first of them.
    pub stories: Vec<Broken>,
}

/// What a simulation came to, as it is printed.
#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "the fields are those of Options, Tally and Outcome")]
pub struct Summary {
    pub policy: &'static str,
    pub seeds: u64,
    pub first_seed: u64,
    pub years: f64,
    pub jobs: usize,
    #[serde(flatten)]
    pub tally: Tally,
    pub history_hash: String,
    /// How long it took; all else is the same every time.
    pub seconds: f64,
}

impl Summary {
    /// The summary of an outcome.
    pub fn of(options: &Options, outcome: &Outcome, seconds: f64) -> Self {
        Self {
            policy: options.policy.name(),
            seeds: options.seeds,
            first_seed: options.first_seed,
            years: options.years,
            jobs: options.jobs,
            tally: outcome.tally.clone(),
            history_hash: outcome.history_hash.clone(),
            seconds,
        }
    }
}

/// Simulates all seeds. `progress` is told how many are done and how many of them broke a promise.
pub fn run(options: &Options, mut progress: impl FnMut(u64, u64)) -> Outcome {
    let next = AtomicU64::new(0);
    let (done, played) = mpsc::channel();
    let threads = thread::available_parallelism().map_or(1, |n| n.get());
    let mut sum = Sum::default();
    thread::scope(|scope| {
        for _ in 0..threads.min(usize::try_from(options.seeds).unwrap_or(threads)) {
            let (done, next) = (done.clone(), &next);
            scope.spawn(move || {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= options.seeds {
                        break;
                    }
                    let seed = options.first_seed.wrapping_add(number);
                    if done.send((number, play(options, seed, Chronicle::default()))).is_err() {
                        break;
                    }
                }
            });
        }
        drop(done);
        for (number, one) in played {
            sum.take(options, number, one);
            progress(sum.taken, sum.broken.len() as u64);
        }
    });
    let stories = sum.broken.iter().take(if options.to_the_end { 0 } else { STORIES });
    let stories = stories.map(|(seed, violation)| shrink(options, *seed, violation)).collect();
    let hash: [u8; 32] = sum.hash.finalize().into();
    let history_hash = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    Outcome { tally: sum.tally, history_hash, broken: sum.broken, stories }
}

/// What was added up so far; seeds that came too soon wait.
#[derive(Default)]
struct Sum {
    tally: Tally,
    hash: Sha256,
    broken: Vec<(u64, Violation)>,
    taken: u64,
    waiting: BTreeMap<u64, Played>,
}

impl Sum {
    fn take(&mut self, options: &Options, number: u64, played: Played) {
        self.waiting.insert(number, played);
        while let Some(played) = self.waiting.remove(&self.taken) {
            let seed = options.first_seed.wrapping_add(self.taken);
            self.taken += 1;
            self.tally.add(&played.tally);
            self.hash.update(played.digest);
            self.broken.extend(played.violations.into_iter().take(1).map(|first| (seed, first)));
        }
    }
}
