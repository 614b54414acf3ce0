//! One seed from beginning to end.

use std::path::PathBuf;

use raas_types::EpochDelta;

use crate::{
    Violation,
    chronicle::Chronicle,
    invariants::Watch,
    keeper::keeper,
    ledger::Ledger,
    options::{Options, Policy},
    ports::Scene,
    tally::Tally,
    world::World,
};

/// How a seed went.
#[derive(Clone, Debug)]
pub(crate) struct Played {
    pub(crate) tally: Tally,
    /// The digest of all that happened.
    pub(crate) digest: [u8; 32],
    pub(crate) violations: Vec<Violation>,
    /// What happened, in words, where that was asked for.
    pub(crate) story: Vec<String>,
}

/// Plays a seed until its end, or until a promise is broken.
pub(crate) fn play(options: &Options, seed: u64, chronicle: Chronicle) -> Played {
    let scene = Scene::new(World::new(options, seed, chronicle), Watch::default());
    let mut ledger = Ledger::new(&scene.world());
    let place = tempfile::tempdir_in(scratch()).expect("a temporary directory");
    let mut keeper = keeper(options, &scene, place.path());
    let mut next = scene.world().now + EpochDelta::new(1);
    loop {
        let end = scene.world().end;
        scene.world().advance_to(next.min(end));
        let is_over = scene.world().now >= end;
        if !is_over {
            next = keeper.act();
        }
        let world = &mut *scene.world();
        let mut watch = scene.watch();
        // The promises are ours alone; what became of the data is counted the same for all.
        if options.policy == Policy::Ours {
            watch.look_around(world);
        }
        ledger.look_around(world);
        if is_over || (!options.to_the_end && !watch.violations().is_empty()) {
            break;
        }
    }
    // The nodes' tasks hold on to the scene: they end first.
    drop(keeper);
    let world = &mut *scene.world();
    let watch = scene.watch();
    for violation in watch.violations() {
        let words = format_args!("BROKEN: {}: {}", violation.invariant.promise(), violation.words);
        world.chronicle.tell(violation.at, violation.datum, words);
    }
    ledger.close(&mut world.tally);
    world.tally.broken_invariants = watch.violations().len() as u64;
    Played {
        tally: world.tally.clone(),
        digest: world.chronicle.digest(),
        violations: watch.violations().to_vec(),
        story: readable(world),
    }
}

/// What happened to one piece of data in the first seed, until its end, in words.
pub fn tell(options: &Options, datum: usize) -> Vec<String> {
    let options = Options { to_the_end: true, ..options.clone() };
    play(&options, options.first_seed, Chronicle::about(datum)).story
}

/// The story, with the data's long name cut out.
fn readable(world: &World) -> Vec<String> {
    let Some(datum) = world.chronicle.focus() else { return Vec::new() };
    let name = world.data.get(datum).map(|datum| datum.cid.to_string()).unwrap_or_default();
    world.chronicle.story().iter().map(|line| line.replace(&name, "CID")).collect()
}

/// Where files are written that nobody needs for long: in memory where the system has a place for that.
fn scratch() -> PathBuf {
    let memory = PathBuf::from("/dev/shm");
    if memory.is_dir() { memory } else { std::env::temp_dir() }
}
