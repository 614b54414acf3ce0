//! A satisfied job costs no memory: its plan is made without the heap.

mod world;

use raas_core::{JobView, Observation, plan};
use raas_types::Verdict;
use world::*;

#[global_allocator]
static HEAP: dhat::Alloc = dhat::Alloc;

/// How many blocks were allocated during the plan.
fn allocated_by_plan(jobs: &[JobView], world: &Observation) -> u64 {
    let before = dhat::HeapStats::get().total_blocks;
    let plan = plan(jobs, world);
    let after = dhat::HeapStats::get().total_blocks;
    drop(plan);
    after - before
}

/// `n` replicas that are proven, and `n` from before.
fn with_history(n: u64) -> Observation {
    let mut world = seen((1..=n).map(|n| replica(n, Verdict::Ended)).collect());
    world.replicas.extend((n + 1..=2 * n).map(active));
    world.orders = (1..=2 * n).map(|n| landed(n, NOW)).collect();
    world
}

// One test alone: what another one allocates at the same time would be counted, too.
#[test]
fn the_plan_of_a_satisfied_job_makes_no_heap_allocation() {
    let _profiler = dhat::Profiler::builder().testing().build();
    let few = allocated_by_plan(&job(3), &seen(vec![active(1), active(2)]));
    assert!(few > 0, "whoever lacks something is ordered something: the counter counts");
    let none = |jobs: &[JobView], world: &Observation| {
        assert_eq!(plan(jobs, world).steps, [], "it is satisfied");
        assert_eq!(allocated_by_plan(jobs, world), 0);
    };
    none(&job(3), &seen(vec![active(1), active(2), active(3)]));
    none(&job(3), &with_history(3));
    none(&job(10), &with_history(10));
    none(&[job_with("a", terms(3)), job_with("b", terms(2))], &with_history(3));
    none(&keeping(3, raas_types::Placement::default()), &with_history(3));
}
