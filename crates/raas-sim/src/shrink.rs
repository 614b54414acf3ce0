//! Makes the story of a broken promise short: as few troubles, jobs and days as still break it.

use raas_types::EpochDelta;

use crate::{
    Violation,
    chronicle::Chronicle,
    options::{Options, Trouble},
    play::play,
    world::{START, World},
};

/// A seed that broke a promise, and the least that breaks it.
#[derive(Clone, Debug)]
pub struct Broken {
    /// The seed.
    pub seed: u64,
    /// What it broke.
    pub violation: Violation,
    /// The command that shows it again.
    pub command: String,
    /// What happened to the data in question, and to everybody.
    pub story: Vec<String>,
}

/// The most lines of a story that are told: the last ones tell how it ended.
const TOLD: usize = 200;

/// Finds the least that breaks the promise that a seed broke, and tells its story.
pub(crate) fn shrink(options: &Options, seed: u64, violation: &Violation) -> Broken {
    let mut least = Least { seed, options: options.clone(), violation: violation.clone() };
    least.cut();
    if options.only_job.is_none() {
        for job in jobs_about(options, seed, violation.datum) {
            let only_job = Some(job);
            if least.try_with(Options { only_job, ..least.options.clone() }) {
                break;
            }
        }
    }
    for trouble in Trouble::ALL {
        let mut without = least.options.without.clone();
        if without.0.insert(*trouble) {
            least.try_with(Options { without, ..least.options.clone() });
        }
    }
    let Least { options, violation, .. } = least;
    let mut story = play(&options, seed, Chronicle::about(violation.datum)).story;
    let story = story.split_off(story.len().saturating_sub(TOLD));
    Broken { seed, command: options.command(seed), story, violation }
}

/// The numbers of the jobs about some data.
fn jobs_about(options: &Options, seed: u64, datum: usize) -> Vec<usize> {
    let world = World::new(options, seed, Chronicle::default());
    let jobs = world.requests.iter().enumerate();
    jobs.filter(|(_, request)| request.datum == datum).map(|(job, _)| job).collect()
}

/// What is known to break the promise.
struct Least {
    seed: u64,
    options: Options,
    violation: Violation,
}

impl Least {
    /// Keeps these options where they break the same promise; whether they do.
    fn try_with(&mut self, options: Options) -> bool {
        let played = play(&options, self.seed, Chronicle::default());
        let mut same = played.violations.into_iter();
        let Some(violation) = same.find(|v| v.invariant == self.violation.invariant) else {
            return false;
        };
        (self.options, self.violation) = (options, violation);
        self.cut();
        true
    }

    /// Ends the world a day after the promise is broken. What happens until then stays the same where
    /// nothing is drawn by the world's length; else the longer world is kept.
    fn cut(&mut self) {
        let lasts = self.violation.at.since(START) + EpochDelta::DAY.times(2);
        // To a thousandth of a year, so that it reads well.
        let years = (lasts.get() as f64 / EpochDelta::YEAR.get() as f64 * 1_000.0).ceil() / 1_000.0;
        if years >= self.options.years {
            return;
        }
        let options = Options { years, ..self.options.clone() };
        let violations = play(&options, self.seed, Chronicle::default()).violations;
        if violations.contains(&self.violation) {
            self.options = options;
        }
    }
}
