//! Reorganisations: what is undone, what is not, and that it all comes again.

use super::*;

/// A world in which finality lies so far back that anything kept can be reorganised.
fn unfinal(null_every: u64) -> World {
    let mut world = world(null_every);
    let config = WorldConfig { finality_lag: 5_000, ..world.config().clone() };
    world = World::new(config);
    world
}

fn planting(world: &World) -> Planting {
    let start = world.now() + 2_000;
    Planting { spec: spec(), start, activate: None, deadline: None }
}

#[test]
fn what_lies_above_the_fork_has_other_names_and_what_lies_below_keeps_its_own() {
    let mut world = unfinal(20);
    world.advance(1_000);
    let now = world.now();
    let keys = |world: &World| -> Vec<_> {
        (now - 200..=now).map(|epoch| world.clock().key(epoch)).collect()
    };
    let hash = world.block_hash(world.head_epoch());
    let before = keys(&world);
    world.reorg(100).unwrap();
    let after = keys(&world);
    assert_eq!(after[..=100], before[..=100]);
    assert!(after[101..].iter().zip(&before[101..]).all(|(new, old)| new != old));
    assert_eq!((world.now(), world.head_epoch()), (now, now), "the new fork has a head");
    let orphans =
        (now - 99..=now).map(|epoch| &before[usize::try_from(epoch + 200 - now).unwrap()]);
    for key in orphans {
        assert_eq!(world.view().epoch_of_key(key), None);
    }
    assert_eq!(world.epoch_of_block_hash(hash), None, "told hashes are forgotten too");
    assert_eq!(world.epoch_of_block_hash(world.block_hash(now)), Some(now));
}

#[test]
fn only_what_is_not_final_can_be_reorganised() {
    let mut world = world(0);
    world.advance(1_000);
    assert!(world.reorg(0).unwrap_err().contains("write 1 to 30"));
    assert!(world.reorg(31).unwrap_err().contains("is final"));
    world.reorg(30).unwrap();
    world.stall_finality(true);
    world.advance(100);
    assert!(world.reorg(131).is_err());
    world.reorg(130).unwrap();
    world.advance(5_000);
    assert!(world.reorg(901).unwrap_err().contains("write 1 to 900"));
    world.reorg(900).unwrap();
    let mut young = unfinal(0);
    assert!(young.reorg(1).is_err(), "there is nothing before the beginning");
    young.advance(10);
    young.reorg(10).unwrap();
    assert!(young.reorg(11).is_err());
}

#[test]
fn finality_stalls_where_it_stood_and_900_epochs_behind_at_most() {
    let mut world = world(0);
    world.advance(100);
    let stood = world.view().finalized();
    assert_eq!(stood, world.now() - 30);
    world.stall_finality(true);
    world.advance(800);
    assert_eq!(world.view().finalized(), stood);
    assert_eq!(world.view_behind(850).finalized(), stood - 50, "a late node knows no better");
    world.advance(71);
    assert_eq!(world.view().finalized(), stood + 1);
    assert_eq!(world.view().finalized(), world.now() - 900);
    world.stall_finality(false);
    assert_eq!(world.view().finalized(), world.now() - 30);
}

#[test]
fn a_publication_is_undone_and_happens_again_after_the_old_head() {
    let mut world = unfinal(0);
    world.advance(10);
    let ticket = world.schedule_deal(0, spec());
    world.advance(5);
    let id = world.deal_of(ticket).unwrap();
    assert_eq!(world.deals()[0].published, world.now() - 4);
    world.reorg(5).unwrap();
    assert_eq!(world.deal_of(ticket), None);
    assert_eq!(world.deal_at(id, world.now()), MarketDeal::Never);
    world.advance(1);
    assert_eq!(world.deal_of(ticket), Some(id));
    assert_eq!(world.deals()[0].published, world.now());
    world.advance(2 * PERIOD);
    assert_eq!(world.ground_truth()[0].state, DealState::Active);
}

#[test]
fn an_order_that_is_not_due_yet_stays_where_it_is() {
    let mut world = unfinal(0);
    world.advance(10);
    let ticket = world.schedule_deal(world.now() + 50, spec());
    let due = world.now() + 50;
    world.advance(5);
    world.reorg(5).unwrap();
    advance_to(&mut world, due - 1);
    assert_eq!(world.deal_of(ticket), None);
    world.advance(1);
    assert!(world.deal_of(ticket).is_some());
}

#[test]
fn an_activation_is_undone_with_its_sector() {
    let mut world = unfinal(0);
    world.schedule_deal(0, spec());
    world.advance(65);
    let sector = world.miner(PROVIDER).unwrap().sectors().next().unwrap().clone();
    world.reorg(10).unwrap();
    assert_eq!(world.miner(PROVIDER).unwrap().sectors().count(), 0);
    assert_eq!(world.ground_truth()[0].state, DealState::Published);
    world.advance(1);
    let again = world.miner(PROVIDER).unwrap().sectors().next().unwrap().clone();
    assert_eq!((again.number, again.activation), (sector.number, world.now()));
}

#[test]
fn a_termination_is_undone_and_then_included_again() {
    let (mut world, id, sector) = with_active_deal(0);
    world.advance(3);
    world.terminate(PROVIDER).unwrap();
    world.advance(2);
    assert_eq!(world.deal_at(id, world.now()), MarketDeal::Gone);
    world.reorg(10).unwrap();
    assert!(matches!(world.deal_at(id, world.now()), MarketDeal::Found(_)));
    assert!(condition(&world, &sector).is_active());
    world.advance(1);
    assert_eq!(world.deal_at(id, world.now()), MarketDeal::Gone);
    assert!(condition(&world, &sector).terminated);
}

#[test]
fn a_message_at_the_fork_itself_is_kept() {
    let (mut world, id, _) = with_active_deal(0);
    world.advance(1);
    world.terminate(PROVIDER).unwrap();
    world.advance(10);
    world.reorg(10).unwrap();
    assert_eq!(world.deal_at(id, world.now()), MarketDeal::Gone);
}

#[test]
fn a_missed_proof_is_missed_on_every_fork() {
    let (mut world, _, sector) = with_active_deal(0);
    let window = next_window(&world, &sector);
    world.fault(PROVIDER).unwrap();
    advance_to(&mut world, window.close);
    world.reorg(20).unwrap();
    assert_eq!(condition(&world, &sector).fault, Some(window.last()));
    world.recover(PROVIDER).unwrap();
    world.advance(5);
    world.reorg(10).unwrap();
    assert!(condition(&world, &sector).recovering, "providers repeat themselves at once");
    advance_to(&mut world, window.last() + PERIOD);
    assert!(condition(&world, &sector).is_active());
}

#[test]
fn forks_upon_forks_lose_no_message_and_double_none() {
    for (first, gap, second) in [(100, 0, 50), (100, 0, 150), (100, 40, 20), (50, 30, 200)] {
        let mut world = unfinal(7);
        world.advance(400);
        let mut tickets = Vec::new();
        for _ in 0..20 {
            tickets.push(world.schedule_deal(0, spec()));
            let plant = planting(&world);
            world.plant(plant).unwrap();
            world.advance(9);
        }
        world.reorg(first).unwrap();
        world.advance(gap);
        world.reorg(second).unwrap();
        world.advance(PERIOD);
        assert!(tickets.iter().all(|ticket| world.deal_of(*ticket).is_some()));
        assert_eq!(world.deals().len(), 40, "{first} {gap} {second}");
        let mut ids: Vec<_> = tickets.iter().map(|t| world.deal_of(*t).unwrap()).collect();
        ids.dedup();
        assert_eq!(ids.len(), 20);
        let nulls = world
            .deals()
            .iter()
            .filter(|deal| deal.activation.is_some_and(|(at, _)| world.clock().is_null(at)));
        assert_eq!(nulls.count(), 0);
    }
}

#[test]
fn a_reorganisation_without_messages_changes_nothing_but_names() {
    let run = |depth: Option<i64>| {
        let (mut world, _, sector) = with_active_deal(20);
        let window = next_window(&world, &sector);
        world.fault(PROVIDER).unwrap();
        advance_to(&mut world, window.close + 40);
        if let Some(depth) = depth {
            // Not beyond what is final, 30 epochs.
            world.reorg(depth).unwrap();
        }
        world.advance(PERIOD);
        world.recover(PROVIDER).unwrap();
        world.advance(5 * PERIOD);
        world.ground_truth()
    };
    assert_eq!(run(None), run(Some(25)));
}

#[test]
fn what_is_kept_of_the_past_stays_small() {
    let mut world = unfinal(0);
    for _ in 0..5_000 {
        world.fault(PROVIDER).unwrap();
        world.recover(PROVIDER).unwrap();
        world.advance(1);
    }
    let (states, deeds) = world.kept();
    assert!(states <= 5, "{states} states");
    assert!(deeds <= 2 * 1_201, "{deeds} deeds");
}
