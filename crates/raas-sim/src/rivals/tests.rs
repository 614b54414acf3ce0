//! What is told of each system is what its model does: right where it is right, wrong where it is wrong.

use raas_types::{
    Cause, DealId, DealProposal, EpochDelta, Job, JobId, Renewal, Repair, Replication, Terms,
};

use super::{
    IpfsCluster, Kit, Powergate, Ribs, Rules, Spade, Wish,
    care::{Care, Pending, Replica},
    eyes::Eyes,
};
use crate::{
    chronicle::Chronicle,
    ledger::Ledger,
    options::Options,
    rng::Dice,
    world::{Deal, Mode, START, World, span},
};

const DAY: EpochDelta = EpochDelta::DAY;
const YEAR: EpochDelta = EpochDelta::YEAR;

/// A calm world with one job for three replicas, at least two, renewed 30 days ahead and repaired after
/// five.
fn world() -> World {
    let without = "all".parse().expect("all troubles");
    let options = Options { jobs: 1, without, ..Options::default() };
    let mut world = World::new(&options, 3, Chronicle::default());
    world.advance_to(START + DAY.times(50));
    for service in &mut world.services {
        service.capabilities.copies = 1;
        service.capabilities.deal_duration = DAY.times(180);
    }
    world.requests[0].terms = Terms {
        replication: Some(Replication { target: 3, min: 2, max: 4 }),
        renewal: Some(Renewal { threshold: DAY.times(30) }),
        repair: Some(Repair { threshold: DAY.times(5) }),
        ..Terms::default()
    };
    (world.requests[0].removed, world.requests[0].at) = (None, START);
    world.data[0].entrusted = Some(START);
    world
}

/// A deal on this provider, active for two days and to end in `left`.
fn deal(world: &mut World, provider: usize, left: EpochDelta) -> DealId {
    let (now, id) = (world.now, DealId::new(1_000 + provider as u64));
    let start = now - DAY.times(2);
    let proposal = DealProposal {
        piece: crate::world::any_piece(id.get()),
        provider: world.providers[provider].id,
        start,
        end: now + left,
        verified: false,
        label: String::new(),
    };
    let published = start - EpochDelta::new(1);
    let mut deal = Deal { id, datum: 0, provider, proposal, published, active: None };
    let dice = &mut Dice::new(1, "deal", id.get());
    deal.activate(start, &world.providers[provider], &world.weather, dice);
    world.deals.insert(id, deal);
    world.data[0].deals.push(id);
    id
}

/// The world's data in the care of a system that knows of all its deals.
fn care<R: Rules>(world: &World) -> Care<R> {
    let terms = world.requests[0].terms.clone();
    let cid = world.data[0].cid;
    let job = Job { id: JobId::new("job"), cid, terms, registered: None, found: Some(0) };
    let mut care = Care::of_job(0, job, world).expect("it stands");
    care.replicas = world
        .deals_of(0)
        .map(|deal| Replica {
            deal: deal.id,
            provider: deal.proposal.provider,
            starts: deal.proposal.start,
            note: R::Note::default(),
        })
        .collect();
    care
}

fn look<R: Rules>(care: &mut Care<R>, world: &mut World) -> Vec<Wish> {
    R::look(care, &mut Eyes { world, endpoint: 0 })
}

/// So many wishes for more, after a first look that takes in what is there.
fn wished<R: Rules>(world: &mut World) -> (usize, Care<R>) {
    let mut care = care::<R>(world);
    let wishes = look(&mut care, world);
    (wishes.len(), care)
}

fn terminate(world: &mut World, id: DealId) {
    let now = world.now;
    let active = world.deals.get_mut(&id).and_then(|deal| deal.active.as_mut());
    active.expect("it is active").terminated = Some(now - DAY);
}

fn make_faulty(world: &mut World, id: DealId, ago: EpochDelta) {
    let now = world.now;
    let active = world.deals.get_mut(&id).and_then(|deal| deal.active.as_mut());
    active.expect("it is active").faults = vec![span(now - ago, now + YEAR)];
}

fn put_out(world: &mut World, provider: usize, ago: EpochDelta) {
    let now = world.now;
    world.providers[provider].outages = vec![span(now - ago, now + YEAR)];
}

fn three(world: &mut World) -> [DealId; 3] {
    [0, 1, 2].map(|provider| deal(world, provider, YEAR))
}

#[test]
fn the_kit_asks_once_for_each_replica_and_never_notices_a_terminated_deal() {
    let mut world = world();
    let mut kit = care::<Kit>(&world);
    let wishes = look(&mut kit, &mut world);
    assert_eq!(wishes.len(), 3);
    wishes.iter().for_each(|wish| Kit::ordered(&mut kit, wish, true));
    let [first, ..] = three(&mut world);
    terminate(&mut world, first);
    kit.replicas = care::<Kit>(&world).replicas;
    assert!(look(&mut kit, &mut world).is_empty());
}

#[test]
fn the_kit_breaks_before_it_makes() {
    let mut world = world();
    deal(&mut world, 0, DAY.times(20));
    let mut kit = care::<Kit>(&world);
    kit.file.asked = 3;
    let wishes = look(&mut kit, &mut world);
    assert!(matches!(wishes[..], [Wish { cause: Cause::Renewal { .. }, .. }]));
    // Whether it is ordered or not: the old deal is out of sight.
    Kit::ordered(&mut kit, &wishes[0], false);
    assert!(kit.replicas.is_empty() && look(&mut kit, &mut world).is_empty());
}

#[test]
fn powergate_replaces_what_is_gone_and_does_not_see_what_is_faulty() {
    let mut world = world();
    let [first, second, _] = three(&mut world);
    assert_eq!(wished::<Powergate>(&mut world).0, 0);
    make_faulty(&mut world, first, DAY.times(30));
    assert_eq!(wished::<Powergate>(&mut world).0, 0);
    terminate(&mut world, second);
    let (wishes, mut powergate) = wished::<Powergate>(&mut world);
    assert_eq!((wishes, powergate.replicas.len()), (1, 2));
    // The job waits for its deals before it does anything else.
    powergate.pending.push(Pending { service: 0, since: world.now });
    assert!(look(&mut powergate, &mut world).is_empty());
}

#[test]
fn powergate_renews_only_as_many_as_the_target_needs() {
    let mut world = world();
    three(&mut world);
    deal(&mut world, 3, DAY.times(20));
    assert_eq!(wished::<Powergate>(&mut world).0, 0);
    let mut world = self::world();
    for (provider, left) in [(0, YEAR), (1, YEAR), (2, DAY.times(20)), (3, DAY.times(20))] {
        deal(&mut world, provider, left);
    }
    let mut powergate = care::<Powergate>(&world);
    let wishes = look(&mut powergate, &mut world);
    let third = DealId::new(1_002);
    assert!(
        matches!(wishes[..], [Wish { cause: Cause::Renewal { deal }, .. }] if deal == third),
        "{wishes:?}"
    );
}

#[test]
fn ribs_replaces_what_cannot_be_retrieved_for_a_day_and_looks_at_no_end() {
    let mut world = world();
    three(&mut world);
    world.data[0].copies[0] = true;
    let (wishes, mut ribs) = wished::<Ribs>(&mut world);
    assert_eq!(wishes, 0);
    put_out(&mut world, 0, EpochDelta::new(1));
    assert!(look(&mut ribs, &mut world).is_empty(), "it is forgiven");
    world.now = world.now + DAY;
    assert_eq!(look(&mut ribs, &mut world).len(), 1);
    let mut world = self::world();
    for provider in 0..3 {
        deal(&mut world, provider, DAY);
    }
    world.data[0].copies[0] = true;
    assert_eq!(wished::<Ribs>(&mut world).0, 0);
}

#[test]
fn ipfs_cluster_acts_below_the_minimum_only_and_then_fills_to_the_target() {
    let mut world = world();
    let [_, _, third] = three(&mut world);
    put_out(&mut world, 0, EpochDelta::new(1));
    assert_eq!(wished::<IpfsCluster>(&mut world).0, 0);
    put_out(&mut world, 1, EpochDelta::new(1));
    assert_eq!(wished::<IpfsCluster>(&mut world).0, 2);
    // What a living peer has lost is pinned again, whatever the minimum.
    let mut world = self::world();
    three(&mut world);
    terminate(&mut world, third);
    assert_eq!(wished::<IpfsCluster>(&mut world).0, 1);
}

#[test]
fn spade_counts_what_outlasts_the_cut_off_and_does_not_see_what_is_faulty() {
    let mut world = world();
    let [first, ..] = three(&mut world);
    make_faulty(&mut world, first, DAY.times(30));
    assert_eq!(wished::<Spade>(&mut world).0, 0);
    let end = world.now + DAY.times(20);
    world.deals.get_mut(&first).expect("there").proposal.end = end;
    let mut spade = care::<Spade>(&world);
    let wishes = look(&mut spade, &mut world);
    assert_eq!(wishes.len(), 1);
    let holders: Vec<_> = spade.replicas.iter().map(|replica| replica.provider).collect();
    assert!(holders.iter().all(|holder| wishes[0].exclude.contains(holder)));
}

#[test]
fn whoever_reads_the_chain_decides_nothing_while_the_endpoint_is_down() {
    let mut world = world();
    let [first, ..] = three(&mut world);
    terminate(&mut world, first);
    world.endpoints[0].mode = Mode::Down;
    assert_eq!(wished::<Powergate>(&mut world).0, 0);
    assert_eq!(wished::<Spade>(&mut world).0, 0);
}

#[test]
fn the_ledger_tells_what_could_be_saved_from_what_could_not() {
    let lose_after = |days: i64| {
        let mut world = world();
        world.data[0].client_until = world.now + YEAR;
        let mut ledger = Ledger::new(&world);
        let deals = [0, 1].map(|provider| deal(&mut world, provider, YEAR));
        for _ in 0..days {
            ledger.look_around(&mut world);
            world.now = world.now + DAY;
        }
        let below = world.tally.job_days_below_target;
        (world.data[0].client_until, world.now) = (world.now, world.now + DAY.times(2));
        deals.into_iter().for_each(|deal| terminate(&mut world, deal));
        ledger.look_around(&mut world);
        ledger.close(&mut world.tally);
        (below, world.tally.losses, world.tally.unavoidable_losses)
    };
    assert_eq!(lose_after(30), (30, 1, 0));
    assert_eq!(lose_after(2), (2, 0, 1));
}

#[test]
fn the_ledger_counts_deals_that_nobody_needed() {
    let mut world = world();
    let mut ledger = Ledger::new(&world);
    three(&mut world);
    ledger.look_around(&mut world);
    assert_eq!((world.tally.deals, world.tally.needless_deals), (3, 0));
    deal(&mut world, 3, YEAR);
    world.now = world.now + DAY;
    ledger.look_around(&mut world);
    assert_eq!((world.tally.deals, world.tally.needless_deals), (4, 1));
}
