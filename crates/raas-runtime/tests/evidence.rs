//! What cannot be read, and what is not true: neither costs anything, nor counts, nor blocks.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod world;

use raas_lotus::FakeFault;
use raas_types::{
    Cid, DealId, EpochDelta, JobId, ListedDeal, ProviderId, Repair, Terms, Trust, VerdictKind,
};
use world::*;

async fn satisfied() -> (World, Cid, JobId) {
    let mut world = World::new();
    let cid = world.store_file(b"evidence").await;
    let job = world.register(cid, terms(3)).await;
    world.settle_down(cid, 3).await;
    (world, cid, job)
}

/// Has a look taken now.
async fn look(world: &mut World) {
    world.advance(EpochDelta::DAY);
    assert_eq!(world.pass().await.cids, 1);
}

#[tokio::test]
async fn nothing_is_ordered_while_the_contract_cannot_be_read() {
    let mut world = World::new();
    let cid = world.store_file(b"evidence").await;
    let job = world.register(cid, terms(3)).await;
    world.contract.fail_listings(true);
    look(&mut world).await;
    look(&mut world).await;
    assert_eq!(world.submits(), 0);
    assert!(world.says(&job, "Nothing is ordered while evidence is missing").await);
    world.contract.fail_listings(false);
    world.settle_down(cid, 3).await;
    assert_eq!(world.submits(), 3);
}

#[tokio::test]
async fn a_contract_that_cannot_tell_of_one_cid_delays_that_one_alone() {
    let mut world = World::new();
    let (one, other) = (world.store_file(b"one").await, world.store_file(b"other").await);
    world.register(one, terms(1)).await;
    world.register(other, terms(1)).await;
    world.contract.fail_listing_of(one, Some("it reverts".to_owned()));
    world.pass().await;
    assert_eq!((world.orders(&one).await.len(), world.orders(&other).await.len()), (0, 1));
}

#[tokio::test]
async fn a_contract_that_reverts_on_active_and_expiring_blocks_nothing() {
    let mut world = World::new();
    let cid = world.store_file(b"evidence").await;
    world.contract.set_active(cid, Err("one deal is gone".to_owned()));
    world.contract.set_expiring(cid, Err("one deal is gone".to_owned()));
    world.register(cid, terms(3)).await;
    world.settle_down(cid, 3).await;
    assert_eq!(world.submits(), 3);
}

#[tokio::test]
async fn a_deal_that_cannot_be_read_holds_its_slot_and_is_not_spent_upon() {
    let (mut world, cid, job) = satisfied().await;
    world.chain.fail(FakeFault::Deal(DealId::new(101)));
    for _ in 0..5 {
        look(&mut world).await;
    }
    assert_eq!(world.submits(), 3);
    assert_eq!(world.verdicts(&cid).await[&101], VerdictKind::Unknown);
    assert!(world.says(&job, "Nothing can be said of deal 101").await);
    world.chain.heal(FakeFault::Deal(DealId::new(101)));
    look(&mut world).await;
    assert_eq!(world.verdicts(&cid).await[&101], VerdictKind::Active);
}

#[tokio::test]
async fn a_sector_that_cannot_be_read_is_not_spent_upon() {
    let (mut world, cid, _) = satisfied().await;
    world.chain.fail(FakeFault::Sector(world.sector(DealId::new(101))));
    for _ in 0..5 {
        look(&mut world).await;
    }
    assert_eq!(world.submits(), 3);
    assert_eq!(world.verdicts(&cid).await[&101], VerdictKind::Unknown);
}

#[tokio::test]
async fn a_deal_is_missing_for_one_look_and_there_again() {
    let (mut world, cid, _) = satisfied().await;
    world.terminate(DealId::new(101));
    look(&mut world).await;
    assert_eq!(world.verdicts(&cid).await[&101], VerdictKind::Terminated);
    world.activate(DealId::new(101));
    for _ in 0..5 {
        look(&mut world).await;
    }
    assert_eq!(world.submits(), 3, "never confirmed, never spent upon");
    assert_eq!(world.verdicts(&cid).await[&101], VerdictKind::Active);
}

#[tokio::test]
async fn deals_of_strangers_on_the_contract_do_not_count() {
    let mut world = World::new();
    let cid = world.store_file(b"evidence").await;
    for n in 0..3 {
        let listed = world.strangers_deal(n, 2000 + n);
        world.contract.list(cid, listed);
    }
    let job = world.register(cid, terms(3)).await;
    world.settle_down(cid, 6).await;
    assert_eq!(world.submits(), 3, "all three are made");
    assert!(world.says(&job, "is not proven to hold the data").await);
}

#[tokio::test]
async fn deals_that_never_were_do_not_count_nor_block() {
    let mut world = World::new();
    let cid = world.store_file(b"evidence").await;
    for n in 0..3 {
        let deal = DealId::new(9_000_000 + n);
        world.contract.list(cid, ListedDeal { deal, provider: ProviderId::new(2000 + n) });
    }
    world.register(cid, terms(3)).await;
    world.settle_down(cid, 3).await;
    assert_eq!(world.submits(), 3);
    assert_eq!(world.verdicts(&cid).await[&9_000_000], VerdictKind::NeverExisted);
}

#[tokio::test]
async fn deals_listed_before_they_are_made_do_not_keep_orders_from_landing() {
    let mut world = World::new();
    let cid = world.store_file(b"evidence").await;
    // Whoever writes these guesses the very ids that are next.
    for deal in 100..120 {
        let deal = DealId::new(deal);
        world.contract.list(cid, ListedDeal { deal, provider: ProviderId::new(2000) });
    }
    world.register(cid, terms(3)).await;
    world.settle_down(cid, 3).await;
    assert_eq!(world.submits(), 3, "{:?}", world.told(&cid).await);
    assert_eq!(world.lasting(&cid).await, [100, 101, 102].map(DealId::new));
}

#[tokio::test]
async fn a_trusting_job_counts_what_the_contract_lists() {
    let mut world = World::new();
    let cid = world.store_file(b"evidence").await;
    for n in 0..2 {
        let listed = world.strangers_deal(n, 2000 + n);
        world.contract.list(cid, listed);
    }
    // The third is listed with another provider than the one its proposal names.
    let ListedDeal { deal, .. } = world.strangers_deal(2, 2002);
    world.contract.list(cid, ListedDeal { deal, provider: ProviderId::new(2003) });
    let job = world.register(cid, Terms { trust: Trust::Contract, ..terms(3) }).await;
    world.settle_down(cid, 3).await;
    assert_eq!(world.submits(), 1, "two count, the third does not");
    assert!(world.says(&job, "its proposal names another provider").await);
}

#[tokio::test]
async fn a_job_without_replication_keeps_the_number_it_found() {
    let mut world = World::new();
    let cid = world.store_file(b"evidence").await;
    for n in 0..2 {
        let listed = world.strangers_deal(n, 2000 + n);
        world.contract.list(cid, listed);
    }
    let repair = Some(Repair { threshold: EpochDelta::DAY });
    let terms = Terms { repair, trust: Trust::Contract, ..Terms::default() };
    let job = world.register(cid, terms).await;
    world.advance(SOON);
    world.pass().await;
    let found = world.node().job_status(&job).await.unwrap().stored.job.found;
    assert_eq!(found, Some(2));
    world.terminate(DealId::new(STRANGERS));
    for _ in 0..6 {
        world.step(EpochDelta::DAY).await;
    }
    assert_eq!(world.submits(), 1, "the lost one is replaced, and none is added");
}
