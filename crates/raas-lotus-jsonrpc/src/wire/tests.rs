//! The shapes against replies in `testdata/lotus/`, and against whatever else a server may send.

#![expect(clippy::expect_used, clippy::unwrap_used, reason = "a broken fixture should stop")]

use proptest::prelude::*;
use raas_types::{DealId, EpochDelta, OnChainDeal, ProviderId, SectorHealth, SectorNumber};
use serde_json::{Value, json};

use super::*;

/// The result in a reply of `testdata/lotus/`.
macro_rules! result {
    ($name:literal) => {
        reply(include_str!(concat!("../../../../testdata/lotus/", $name, ".json")))["result"]
            .clone()
    };
}

/// The message of the error in a reply of `testdata/lotus/`.
macro_rules! message {
    ($name:literal) => {
        reply(include_str!(concat!("../../../../testdata/lotus/", $name, ".json")))["error"]
                                                                            ["message"]
                                                                            .as_str()
                                                                            .expect("a message")
                                                                            .to_owned()
    };
}

fn reply(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}

fn read<T: de::DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).expect("the shape")
}

fn deal(value: Value) -> Result<OnChainDeal, String> {
    let raw = serde_json::value::to_raw_value(&value).unwrap();
    decode::<MarketDeal>(&raw).and_then(OnChainDeal::try_from)
}

fn bits(value: Value) -> Result<Vec<u64>, serde_json::Error> {
    let field: Bitfield = serde_json::from_value(value)?;
    Ok((0..64).filter(|n| field.contains(*n)).collect())
}

#[test]
fn an_active_deal_has_its_sector_and_an_end() {
    let deal = deal(result!("deal_active")).unwrap();
    assert_eq!(deal.proposal.provider, ProviderId::new(1_206_408));
    assert_eq!(deal.proposal.piece.size.get(), 1 << 34);
    assert_eq!((deal.proposal.start.get(), deal.proposal.end.get()), (6_210_000, 7_728_400));
    let activation = deal.activation.unwrap();
    assert_eq!((activation.sector.get(), activation.at.get()), (9, 6_205_000));
    assert_eq!(activation.slashed, None);
}

#[test]
fn a_published_deal_is_not_active_although_it_names_sector_0() {
    assert_eq!(deal(result!("deal_published")).unwrap().activation, None);
}

#[test]
fn a_deal_slashed_before_network_version_22_says_when() {
    let activation = deal(result!("deal_slashed_before_nv22")).unwrap().activation.unwrap();
    assert_eq!(activation.slashed, Some(ChainEpoch::new(3_400_000)));
}

#[test]
fn sector_0_is_a_sector() {
    let mut value = result!("deal_active");
    value["State"]["SectorNumber"] = json!(0);
    assert_eq!(deal(value).unwrap().activation.unwrap().sector, SectorNumber::new(0));
}

#[test]
fn a_deal_that_cannot_be_is_an_error_and_says_what_is_wrong() {
    for (pointer, value, says) in [
        ("/Proposal/PieceSize", json!(127), "127"),
        ("/Proposal/StartEpoch", json!(-1), "start is -1"),
        ("/Proposal/EndEpoch", json!(6_210_000), "6210000 to 6210000"),
        ("/Proposal/Provider", json!("f1abjxfbp274xpdqcpuaykwkfb43omjotacm2p3za"), "provider"),
        ("/Proposal/PieceCID/~1", json!("baga"), "parse"),
        ("/State/SectorNumber", json!(null), "network version 22"),
        ("/State/SectorNumber", json!(-1), "parse"),
        ("/State", json!(null), "parse"),
        ("/State/SectorStartEpoch", json!("1"), "parse"),
    ] {
        let mut deal_json = result!("deal_active");
        *deal_json.pointer_mut(pointer).expect("pointer") = value;
        let why = deal(deal_json).unwrap_err();
        assert!(why.contains(says), "{pointer}: {why}");
    }
}

#[test]
fn a_label_that_is_no_text_reads_as_empty() {
    for label in [json!(null), json!({"bytes": "AAEC"}), json!(7)] {
        let mut value = result!("deal_active");
        value["Proposal"]["Label"] = label;
        assert_eq!(deal(value).unwrap().proposal.label, "");
    }
}

#[test]
fn a_missing_deal_is_known_by_its_text_whatever_the_code() {
    for message in [message!("deal_not_found"), message!("deal_not_found_forest")] {
        assert!(says_deal_not_found(&message, DealId::new(123)));
        for other in [12, 23, 1_234] {
            assert!(!says_deal_not_found(&message, DealId::new(other)), "{other}");
        }
    }
    for unrelated in ["actor not found", "ipld: could not find bafy2bza", "deal not found"] {
        assert!(!says_deal_not_found(unrelated, DealId::new(123)), "{unrelated}");
    }
}

#[test]
fn a_missing_sector_is_known_by_its_text() {
    let message = message!("sector_not_due");
    assert!(says_sector_not_found(&message, SectorNumber::new(9)));
    assert!(!says_sector_not_found(&message, SectorNumber::new(99)));
    let actor = "Miner actor t09999 not found at epoch 8";
    assert!(!says_sector_not_found(actor, SectorNumber::new(9999)));
}

#[test]
fn the_market_tells_the_next_id() {
    let state: MarketState = read(result!("market_state"));
    assert_eq!(state.next_id(), DealId::new(123_456_789));
}

#[test]
fn a_tipset_has_its_key_and_links_over_a_null_round() {
    let tipset: raas_types::Tipset = read::<Tipset>(result!("chain_head")).try_into().unwrap();
    assert_eq!(tipset.epoch, ChainEpoch::new(6_302_600));
    assert_eq!((tipset.key.blocks().len(), tipset.parents.blocks().len()), (2, 2));
    let key = serde_json::to_value(Key::from(&tipset.key)).unwrap();
    assert_eq!(key, result!("chain_head")["Cids"]);
}

#[test]
fn the_genesis_tipset_may_have_no_parents() {
    let tipset: raas_types::Tipset = read::<Tipset>(result!("genesis")).try_into().unwrap();
    assert_eq!(tipset.epoch, ChainEpoch::GENESIS);
    assert!(tipset.parents.blocks().is_empty());
}

#[test]
fn a_tipset_that_contradicts_itself_is_an_error() {
    for (pointer, value) in [
        ("/Height", json!(-1)),
        ("/Cids", json!([])),
        ("/Blocks", json!(null)),
        ("/Blocks/1/Parents", json!([])),
    ] {
        let mut head = result!("chain_head");
        *head.pointer_mut(pointer).expect("pointer") = value;
        let converted: Result<raas_types::Tipset, _> = read::<Tipset>(head).try_into();
        assert!(converted.is_err(), "{pointer}");
    }
}

#[test]
fn a_bitfield_is_runs_that_begin_with_what_is_not_in_it() {
    for (runs, set) in [
        (json!([0]), vec![]),
        (json!([]), vec![]),
        (json!([5, 1]), vec![5]),
        (json!([20, 2]), vec![20, 21]),
        (json!([0, 3, 2, 1]), vec![0, 1, 2, 5]),
        (json!([0, 1, 9]), vec![0]),
    ] {
        assert_eq!(bits(runs.clone()).unwrap(), set, "{runs}");
    }
}

#[test]
fn absurd_bitfields_are_errors() {
    let endless: Vec<u64> = std::iter::repeat_n(1, 70_000).collect();
    for runs in [
        json!([5, 0, 1]),
        json!([u64::MAX, 1]),
        json!([1, 1_u64 << 63]),
        json!([-1, 2]),
        json!([1.5]),
        json!("gQk="),
        json!(null),
        json!(endless),
    ] {
        assert!(bits(runs.clone()).is_err());
    }
    let all = json!([0, 1_u64 << 63]);
    assert_eq!(bits(all).unwrap().len(), 64);
}

#[test]
fn a_partition_tells_the_health_of_its_sectors() {
    let List(partitions) = read::<List<Partition>>(result!("miner_partitions"));
    let health = |sector| partitions[0].health(SectorNumber::new(sector));
    for sector in [0, 1, 2, 7, 8] {
        assert_eq!(health(sector), Some(SectorHealth::Active), "{sector}");
    }
    assert_eq!(health(3), Some(SectorHealth::Dead));
    // 5 is declared recovered, and faulty until it is proven.
    assert_eq!([health(4), health(5)], [Some(SectorHealth::Faulty); 2]);
    assert_eq!(health(6), Some(SectorHealth::Unproven));
    assert_eq!(health(9), None);
    assert_eq!(partitions[1].health(SectorNumber::new(9)), Some(SectorHealth::Active));
}

#[test]
fn no_partitions_may_be_null() {
    assert_eq!(read::<List<Partition>>(result!("miner_partitions_none")), List(vec![]));
}

#[test]
fn a_missing_bitfield_is_an_error_and_no_empty_set() {
    for field in ["AllSectors", "LiveSectors", "FaultySectors", "ActiveSectors"] {
        let mut partitions = result!("miner_partitions");
        partitions[0][field] = Value::Null;
        assert!(serde_json::from_value::<List<Partition>>(partitions).is_err(), "{field}");
    }
}

#[test]
fn a_fault_is_dated_by_its_early_termination() {
    let faulty: SectorExpiration = read(result!("sector_expiration_faulty"));
    assert_eq!(faulty.first_missed(), Some(ChainEpoch::new(6_302_579)));
    assert_eq!(faulty.on_time(), None);
    let healthy: SectorExpiration = read(result!("sector_expiration_healthy"));
    assert_eq!(healthy.first_missed(), None);
    assert_eq!(healthy.on_time(), Some(ChainEpoch::new(7_728_500)));
}

#[test]
fn a_node_is_behind_by_the_highest_target_under_way() {
    let behind = |value, head| read::<SyncState>(value).behind(ChainEpoch::new(head)).get();
    assert_eq!(behind(result!("sync_state"), 6_302_600), 500);
    assert_eq!(behind(result!("sync_state"), 6_303_200), 0);
    assert_eq!(behind(result!("sync_state_idle"), 6_302_600), 0);
    assert_eq!(read::<EthSyncing>(result!("eth_syncing")).behind(), EpochDelta::new(0x78));
    assert_eq!(read::<EthSyncing>(result!("eth_not_syncing")).behind(), EpochDelta::ZERO);
}

proptest! {
    /// The runs are the set: whatever set, written as runs, reads back as itself.
    #[test]
    fn a_bitfield_reads_back_as_the_set_it_was_written_from(
        set in prop::collection::btree_set(0_u64..64, 0..64)
    ) {
        let mut runs = vec![0_u64];
        for n in 0..64 {
            let in_set = runs.len() % 2 == 0;
            if set.contains(&n) == in_set {
                *runs.last_mut().expect("never empty") += 1;
            } else {
                runs.push(1);
            }
        }
        prop_assert_eq!(bits(json!(runs)).unwrap(), set.into_iter().collect::<Vec<_>>());
    }
}
