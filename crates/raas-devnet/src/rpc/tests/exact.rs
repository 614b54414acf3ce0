//! Worlds built to the epoch: the worked time lines with all their numbers, on every kind of node.

use raas_types::{ChainEpoch, SectorNumber};

use super::*;
use crate::{NodeConfig, NodeKind, Plant};

const P: i64 = 6_300_000;
const DEADLINE: u64 = 42;

async fn world(start_epoch: i64) -> Lab {
    Lab::with(|config| {
        config.null_every = 0;
        config.start_epoch = ChainEpoch::new(start_epoch);
        config.period_start = Some(P);
        let kinds = [NodeKind::Lotus, NodeKind::Forest, NodeKind::Gateway];
        config.nodes = kinds.map(|kind| NodeConfig { kind, token: None }).to_vec();
    })
    .await
}

fn plant(start: i64, end: i64, activate: Option<i64>) -> Plant {
    Plant {
        activate: activate.map(ChainEpoch::new),
        deadline: Some(DEADLINE),
        ..Plant::new(PROVIDER, ChainEpoch::new(start), ChainEpoch::new(end))
    }
}

/// The status byte that the miner actor gives the sector at a tipset, by that node.
async fn status(lab: &Lab, node: usize, sector: u64, key: &Value) -> u8 {
    let mut params = location_of(sector);
    params[1] = key.clone();
    let (_, answer) = lab.ask(node, "Filecoin.StateCall", params).await;
    let bytes = answer["result"]["MsgRct"]["Return"].as_str().unwrap();
    base64::Engine::decode(&base64::engine::general_purpose::STANDARD, bytes).unwrap()[1]
}

#[tokio::test]
async fn the_missed_proof_of_the_books_is_missed_at_its_epochs() {
    let lab = world(6_296_000).await;
    let deal = lab.devnet.plant(plant(6_296_100, 6_900_000, Some(6_296_001))).unwrap().get();
    lab.advance_to(6_299_700).await;
    lab.devnet.control_provider(PROVIDER, ProviderAction::Fault).unwrap();
    lab.advance_to(6_302_580).await;
    let state = lab.deal_at(deal, &Value::Null).await.unwrap();
    let sector = state["SectorNumber"].as_u64().unwrap();
    assert_eq!(state["SectorStartEpoch"], 6_296_001);

    let proven = Proven { deal, sector, deadline: DEADLINE, last: 6_302_579 };
    let (before, after) = (lab.key_at(6_302_579).await, lab.key_at(6_302_580).await);
    for node in [0, 1, 2] {
        assert_eq!(status(&lab, node, sector, &before).await, 1, "parent state");
        assert_eq!(status(&lab, node, sector, &after).await, 2);
    }
    assert_eq!(lab.expiration_at(&proven, &before).await["Early"], 0);
    assert_eq!(lab.expiration_at(&proven, &after).await, json!({"OnTime": 0, "Early": 6_423_539}));

    lab.advance_to(6_305_329).await;
    lab.devnet.recover(PROVIDER, SectorNumber::new(sector)).unwrap();
    lab.devnet.control_provider(PROVIDER, ProviderAction::Recover).unwrap();
    lab.advance_to(6_305_460).await;
    assert_eq!(lab.expiration_at(&proven, &Value::Null).await["Early"], 0);
    assert_eq!(status(&lab, 2, sector, &Value::Null).await, 1);
}

#[tokio::test]
async fn a_sector_that_is_never_recovered_goes_at_the_epoch_of_the_books() {
    let lab = world(6_296_000).await;
    let deal = lab.devnet.plant(plant(6_296_100, 6_900_000, Some(6_296_001))).unwrap().get();
    lab.advance_to(6_299_700).await;
    lab.devnet.control_provider(PROVIDER, ProviderAction::Fault).unwrap();
    lab.advance_to(6_423_540).await;
    assert!(lab.deal_at(deal, &lab.key_at(6_423_539).await).await.is_ok());
    assert_eq!(lab.deal_at(deal, &lab.key_at(6_423_540).await).await, Err(not_found(deal)));
}

#[tokio::test]
async fn a_deal_that_is_never_activated_waits_for_its_slot() {
    let lab = world(6_200_000).await;
    let deal = lab.devnet.plant(plant(6_210_000, 6_900_000, None)).unwrap().get();
    lab.advance_to(6_210_001).await;
    for height in [6_210_000, 6_210_001] {
        let state = lab.deal_at(deal, &lab.key_at(height).await).await.unwrap();
        assert_eq!((&state["SectorNumber"], &state["SectorStartEpoch"]), (&json!(0), &json!(-1)));
    }
    assert_eq!(lab.devnet.deals()[0].state, crate::DealState::StartMissed);
    lab.advance_to(6_296_402).await;
    assert_eq!(lab.deal_at(deal, &Value::Null).await, Err(not_found(deal)));
}

#[tokio::test]
async fn a_deal_ends_at_its_end_and_stays_until_it_is_settled() {
    let lab = world(6_390_000).await;
    let deal = lab.devnet.plant(plant(6_390_100, 6_400_000, Some(6_390_001))).unwrap();
    lab.advance_to(6_399_999).await;
    assert_eq!(lab.devnet.deals()[0].state, crate::DealState::Active);
    lab.advance_to(6_400_000).await;
    assert_eq!(lab.devnet.deals()[0].state, crate::DealState::Ended);
    let state = lab.deal_at(deal.get(), &Value::Null).await.unwrap();
    assert_eq!((&state["SectorStartEpoch"], &state["SlashEpoch"]), (&json!(6_390_001), &json!(-1)));
    lab.devnet.settle(deal).unwrap();
    lab.devnet.advance(1).await;
    assert_eq!(lab.deal_at(deal.get(), &Value::Null).await, Err(not_found(deal.get())));
}

#[tokio::test]
async fn a_swallowed_termination_leaves_a_deal_without_a_sector() {
    let lab = world(6_296_000).await;
    let deal = lab.devnet.plant(plant(6_296_100, 6_900_000, Some(6_296_000))).unwrap().get();
    lab.advance_to(6_299_700).await;
    let sector = lab.deal_at(deal, &Value::Null).await.unwrap()["SectorNumber"].as_u64().unwrap();
    lab.devnet.terminate_sector(PROVIDER, SectorNumber::new(sector), true).unwrap();
    lab.devnet.advance(1).await;
    assert!(lab.deal_at(deal, &Value::Null).await.is_ok(), "the market was not told");
    let proven = Proven { deal, sector, deadline: DEADLINE, last: 0 };
    assert_dead(&lab, &proven, &Value::Null).await;

    lab.devnet.compact(PROVIDER, DEADLINE).unwrap();
    lab.devnet.advance(1).await;
    let params = json!([MINER, sector, null]);
    let info = lab.result("Filecoin.StateSectorGetInfo", params.clone()).await;
    assert_eq!(info, Value::Null, "compaction takes it out of the tables");
    let error = lab.error("Filecoin.StateSectorPartition", params).await;
    assert_eq!(error, (1, format!("sector {sector} not due at any deadline")));
    let location = lab.result("Filecoin.StateCall", location_of(sector)).await;
    assert_eq!(location["MsgRct"]["Return"], "ggBDgiAg");
    let all = lab.result("Filecoin.StateMinerSectors", json!([MINER, null, null])).await;
    assert_eq!(all, Value::Null);
    assert!(lab.deal_at(deal, &Value::Null).await.is_ok());
}
