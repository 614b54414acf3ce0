//! What the fake does beyond the contract: its switches and its counters.

#![expect(clippy::unwrap_used, reason = "a test that cannot set up its world should stop")]

use raas_lotus::{Error, FakeCalls, FakeFault, FakeLotusChain, LotusChain};
use raas_types::{
    ChainEpoch, DealId, DealReading, EpochDelta, Network, ProviderId, SectorHealth, SectorId,
    SectorNumber, SectorReading, SectorStatus,
};

fn chain() -> FakeLotusChain {
    let network = Network { name: "fakenet".to_owned(), version: 28 };
    FakeLotusChain::new(network, ChainEpoch::new(1_000))
}

fn sector() -> SectorId {
    SectorId { provider: ProviderId::new(1000), number: SectorNumber::new(9) }
}

fn active() -> SectorStatus {
    SectorStatus::of(SectorHealth::Active)
}

#[tokio::test]
async fn clones_share_the_chain_and_the_counters() {
    let (ours, theirs) = (chain(), chain().named("other"));
    let handed_out = ours.clone().named("second");
    ours.advance(EpochDelta::new(5));
    assert_eq!(handed_out.head().await.unwrap().tipset.epoch, ChainEpoch::new(1_005));
    assert_eq!(handed_out.endpoint(), "second");
    assert_eq!(ours.calls(), FakeCalls { head: 1, ..FakeCalls::default() });
    assert_eq!(theirs.calls(), FakeCalls::default());
}

#[tokio::test]
async fn items_are_counted_beside_calls() {
    let chain = chain();
    let head = chain.head().await.unwrap().tipset;
    chain.deals(&[DealId::new(1), DealId::new(2)], &head).await;
    chain.sectors(&[sector()], &head).await;
    let calls = chain.calls();
    assert_eq!((calls.deals, calls.deals_read), (1, 2));
    assert_eq!((calls.sectors, calls.sectors_read), (1, 1));
}

#[tokio::test]
async fn a_tipset_of_another_chain_is_not_read() {
    let chain = chain();
    chain.set_sector(sector(), Some(active()));
    chain.advance(EpochDelta::new(1));
    let mut forged = chain.head().await.unwrap().tipset;
    assert_eq!(chain.sectors(&[sector()], &forged).await, [SectorReading::Found(active())]);
    forged.key = chain.tipset(ChainEpoch::new(7)).key;
    let future = chain.tipset(ChainEpoch::new(2_000));
    for at in [forged, future] {
        let readings = chain.sectors(&[sector()], &at).await;
        assert!(matches!(readings[..], [SectorReading::Failed(_)]), "{readings:?}");
    }
}

#[tokio::test]
async fn the_last_change_of_an_epoch_holds() {
    let chain = chain();
    chain.set_sector(sector(), Some(active()));
    chain.set_sector(sector(), None);
    chain.advance(EpochDelta::new(1));
    let head = chain.head().await.unwrap().tipset;
    assert_eq!(chain.sectors(&[sector()], &head).await, [SectorReading::NotFound]);
}

#[tokio::test]
async fn a_missing_next_id_leaves_deals_not_found() {
    let chain = chain();
    chain.set_next_deal_id(DealId::new(8));
    chain.advance(EpochDelta::new(1));
    let head = chain.head().await.unwrap().tipset;
    chain.fail(FakeFault::NextDealId);
    let missing = |next_id| [DealReading::NotFound { next_id }];
    assert_eq!(chain.deals(&[DealId::new(3)], &head).await, missing(None));
    chain.heal(FakeFault::NextDealId);
    assert_eq!(chain.deals(&[DealId::new(3)], &head).await, missing(Some(DealId::new(8))));
}

#[tokio::test]
async fn an_endpoint_that_is_switched_off_is_unavailable_under_its_name() {
    let chain = chain().named("glif");
    chain.fail(FakeFault::Endpoint);
    let error = chain.finalized().await.unwrap_err();
    assert!(matches!(&error, Error::Unavailable { endpoint, .. } if endpoint == "glif"));
    assert_eq!(chain.calls().finalized, 1);
}

#[tokio::test]
async fn the_final_tipset_trails_by_the_lag_and_never_before_genesis() {
    let chain = chain();
    chain.set_finality_lag(EpochDelta::new(900));
    assert_eq!(chain.finalized().await.unwrap().epoch, ChainEpoch::new(100));
    chain.set_finality_lag(EpochDelta::DAY);
    let genesis = chain.finalized().await.unwrap();
    assert_eq!(genesis.epoch, ChainEpoch::GENESIS);
    assert!(genesis.parents.blocks().is_empty());
}

#[tokio::test]
async fn the_endpoint_says_how_far_behind_it_is_and_what_network_it_is_on() {
    let chain = chain();
    chain.set_behind(EpochDelta::HOUR);
    chain.set_network(Network { name: "calibrationnet".to_owned(), version: 27 });
    assert_eq!(chain.head().await.unwrap().behind, EpochDelta::HOUR);
    assert_eq!(chain.network().await.unwrap().name, "calibrationnet");
}

#[tokio::test]
async fn two_endpoints_tell_of_one_chain_each_in_its_own_way() {
    let first = chain();
    let second = first.also("second");
    first.set_next_deal_id(DealId::new(9));
    first.advance(EpochDelta::new(5));
    let head = first.head().await.unwrap().tipset;
    assert_eq!(second.head().await.unwrap().tipset, head);

    second.set_lag(EpochDelta::new(2));
    second.fail(FakeFault::Deal(DealId::new(1)));
    assert_eq!(second.head().await.unwrap().tipset.epoch, ChainEpoch::new(1_003));
    let missing = DealReading::NotFound { next_id: Some(DealId::new(9)) };
    assert_eq!(first.deals(&[DealId::new(1)], &head).await, [missing]);
    let late = second.deals(&[DealId::new(2)], &head).await;
    assert!(matches!(&late[..], [DealReading::Failed(_)]), "it does not know that tipset yet");
    assert_eq!((first.calls().deals, second.calls().deals), (1, 1));
}

#[tokio::test]
async fn a_fork_has_keys_of_its_own_from_its_first_epoch_on() {
    let first = chain();
    let second = first.also("second");
    second.set_fork(Some(ChainEpoch::new(990)));
    let at = |epoch| ChainEpoch::new(epoch);
    assert_eq!(second.tipset(at(989)), first.tipset(at(989)));
    assert_eq!(second.tipset(at(990)).parents, first.tipset(at(990)).parents);
    assert_ne!(second.tipset(at(990)).key, first.tipset(at(990)).key);
    second.set_fork(None);
    assert_eq!(second.tipset(at(995)), first.tipset(at(995)));
}

#[tokio::test]
async fn a_lie_is_told_of_one_item_at_one_endpoint_until_it_ends() {
    let first = chain();
    let second = first.also("second");
    let (deal, head) = (DealId::new(1), first.tipset(first.epoch()));
    let lie = DealReading::NotFound { next_id: Some(DealId::new(77)) };
    second.lie_about_deal(deal, Some(lie.clone()));
    second.lie_about_sector(sector(), Some(SectorReading::Found(active())));
    assert_eq!(second.deals(&[deal], &head).await, std::slice::from_ref(&lie));
    assert_eq!(second.sectors(&[sector()], &head).await, [SectorReading::Found(active())]);
    assert_eq!(first.sectors(&[sector()], &head).await, [SectorReading::NotFound]);
    second.lie_about_deal(deal, None);
    assert_ne!(second.deals(&[deal], &head).await, [lie]);
}

#[tokio::test]
async fn the_usage_counts_calls_and_items() {
    let chain = chain();
    let head = chain.head().await.unwrap().tipset;
    chain.deals(&[DealId::new(1), DealId::new(2)], &head).await;
    let usage = chain.usage();
    assert_eq!(usage.elements(), 3);
    assert_eq!(usage.methods["deals"].calls, 1);
}
