//! What strangers have the contract list for somebody's data: it never counts, and keeps nothing from
//! being done.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod world;

use raas_lotus::FakeFault;
use raas_types::{Cid, DealId, EpochDelta, ListedDeal, Order, OrderState, ProviderId};
use world::*;

/// What a stranger may have the contract list for a CID: deals of other data, one of them under
/// another provider; deals that are not made yet, one of them the very next.
fn forge(world: &mut World, cid: Cid) {
    for n in 0..3 {
        let listed = world.strangers_deal(n, 2000 + n);
        world.contract.list(cid, listed);
    }
    let ListedDeal { deal, .. } = world.strangers_deal(3, 2003);
    let forged = [(deal.get(), 2004), (9_000_000, 2005), (103, 2006), (100, 2007), (0, 1000)];
    for (deal, provider) in forged {
        let (deal, provider) = (DealId::new(deal), ProviderId::new(provider));
        world.contract.list(cid, ListedDeal { deal, provider });
    }
}

/// How many orders brought a deal.
async fn landed(world: &World, cid: &Cid) -> usize {
    let landed = |order: &Order| matches!(order.state, OrderState::Landed { .. });
    world.orders(cid).await.iter().filter(|order| landed(order)).count()
}

#[tokio::test]
async fn what_strangers_list_never_counts_however_many_endpoints_there_are() {
    for endpoints in [1, 2] {
        let mut world = World::new();
        if endpoints == 2 {
            world.another("second");
        }
        let cid = world.store_file(b"forged").await;
        forge(&mut world, cid);
        let job = world.register(cid, terms(3)).await;
        world.settle_down(cid, 6).await;
        assert_eq!(
            (world.submits(), landed(&world, &cid).await),
            (3, 3),
            "with {endpoints} endpoints"
        );
        assert!(world.says(&job, "All slots are held: 3 of 3").await);
        assert!(world.says(&job, "is not proven to hold the data").await);
        world.terminate(DealId::new(100));
        for _ in 0..40 {
            world.step(EpochDelta::new(720)).await;
        }
        assert_eq!(
            (world.submits(), landed(&world, &cid).await),
            (4, 4),
            "it makes up for no loss"
        );
        assert!(world.says(&job, "All slots are held: 3 of 3").await);
    }
}

#[tokio::test]
async fn what_strangers_list_and_one_endpoint_cannot_tell_of_keeps_nothing_from_being_ordered() {
    let mut world = World::new();
    let second = world.another("second");
    let cid = world.store_file(b"forged").await;
    forge(&mut world, cid);
    second.fail(FakeFault::Deal(DealId::new(STRANGERS)));
    world.chain.fail(FakeFault::Deal(DealId::new(STRANGERS + 1)));
    world.register(cid, terms(3)).await;
    world.settle_down(cid, 3).await;
    assert_eq!(world.submits(), 3);
}
