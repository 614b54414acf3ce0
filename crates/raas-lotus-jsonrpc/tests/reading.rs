//! What is asked of a node, and what is made of its answers.

#![expect(clippy::unwrap_used, reason = "a test that cannot set up its world should stop")]

mod support;

use raas_lotus::LotusChain as _;
use raas_lotus_jsonrpc::Token;
use raas_types::{
    ChainEpoch, DealId, DealReading, EpochDelta, Network, SectorHealth, SectorReading, SectorStatus,
};
use serde_json::{Value, json};
use support::{
    Server, deal_ids, missing_method, not_found, schedule, sector, some_key, some_tipset,
};

const DEALS: &str = "Filecoin.StateMarketStorageDeal";
const STATE: &str = "Filecoin.StateReadState";
const PLACE: &str = "Filecoin.StateSectorPartition";
const PARTITIONS: &str = "Filecoin.StateMinerPartitions";
const SCHEDULE: &str = "Filecoin.StateMinerProvingDeadline";
const EXPIRATION: &str = "Filecoin.StateSectorExpiration";

/// Deal 9 is active, deal 10 published, deal 11 cannot be read; no other is there.
async fn market() -> Server {
    Server::node(|method, params| match (method, params[0].as_u64()) {
        (STATE, _) => {
            assert_eq!(params, &json!(["f05", some_key()]));
            Ok(fixture!("market_state"))
        }
        (DEALS, Some(id)) => {
            assert_eq!(params[1], some_key());
            match id {
                9 => Ok(fixture!("deal_active")),
                10 => Ok(fixture!("deal_published")),
                11 => Err((1, "ipld: could not find bafy2bzace".to_owned())),
                _ => Err(not_found(id)),
            }
        }
        _ => Err(missing_method(method)),
    })
    .await
}

#[tokio::test]
async fn each_deal_is_answered_in_the_order_asked() {
    let server = market().await;
    let ids = deal_ids([10, 500, 9, 11, 500, 9]);
    let readings = server.lotus().deals(&ids, &some_tipset()).await;
    let missing = DealReading::NotFound { next_id: Some(DealId::new(123_456_789)) };
    let [published, gone, active, failed, gone_again, active_again] = &readings[..] else {
        panic!("six answers, not {readings:?}");
    };
    assert!(matches!(published, DealReading::Found(deal) if deal.activation.is_none()));
    assert!(matches!(active, DealReading::Found(deal) if deal.activation.is_some()));
    assert!(matches!(failed, DealReading::Failed(why) if why.contains("ipld")));
    assert_eq!((gone, gone_again, active_again), (&missing, &missing, active));
    assert_eq!(server.calls(DEALS), 4, "each distinct deal once");
    assert_eq!(server.calls(STATE), 1);
}

#[tokio::test]
async fn the_next_id_is_asked_for_only_when_a_deal_is_missing() {
    let server = market().await;
    server.lotus().deals(&deal_ids([9, 10, 11]), &some_tipset()).await;
    assert_eq!(server.calls(STATE), 0);
}

#[tokio::test]
async fn a_missing_deal_is_missing_although_the_next_id_cannot_be_read() {
    let server = Server::node(|method, params| match method {
        DEALS => Err(not_found(params[0].as_u64().unwrap())),
        _ => Err((1, "busy".to_owned())),
    })
    .await;
    let readings = server.lotus().deals(&deal_ids([7]), &some_tipset()).await;
    assert_eq!(readings, [DealReading::NotFound { next_id: None }]);
}

#[tokio::test]
async fn another_deals_absence_is_not_this_ones() {
    let server = Server::node(|_, _| Err(not_found(8))).await;
    let readings = server.lotus().deals(&deal_ids([7]), &some_tipset()).await;
    assert!(matches!(readings[..], [DealReading::Failed(_)]), "{readings:?}");
}

#[tokio::test]
async fn no_more_than_a_hundred_items_go_in_one_batch() {
    let server = market().await;
    let readings = server.lotus().deals(&deal_ids(1_000..1_250), &some_tipset()).await;
    assert_eq!(readings.len(), 250);
    let heard = server.heard();
    let sizes = heard.iter().filter_map(|heard| heard.body.as_array().map(Vec::len));
    let mut sizes: Vec<_> = sizes.collect();
    sizes.sort_unstable();
    assert_eq!(sizes, [50, 100, 100]);
}

#[tokio::test]
async fn nothing_asked_is_nothing_sent() {
    let server = market().await;
    let lotus = server.lotus();
    assert!(lotus.deals(&[], &some_tipset()).await.is_empty());
    assert!(lotus.sectors(&[], &some_tipset()).await.is_empty());
    assert!(server.heard().is_empty());
}

#[tokio::test]
async fn without_a_key_nothing_is_read_rather_than_the_head() {
    let server = market().await;
    let mut at = some_tipset();
    at.key = Default::default();
    let deals = server.lotus().deals(&deal_ids([9]), &at).await;
    let sectors = server.lotus().sectors(&[sector(1, 1)], &at).await;
    assert!(matches!(deals[..], [DealReading::Failed(_)]));
    assert!(matches!(sectors[..], [SectorReading::Failed(_)]));
    assert!(server.heard().is_empty());
}

/// Sectors 0 to 8 of provider 1000 lie in partition 0 of deadline 42, sector 9 in partition 1; see
/// `testdata/lotus/miner_partitions.json` for how they stand. No other sector is there.
fn provider(method: &str, params: &Value) -> Result<Value, (i64, String)> {
    assert_eq!(params[0], "f01000");
    if method == SCHEDULE {
        assert_eq!(params[1], some_key());
        return Ok(schedule(6_300_000));
    }
    assert_eq!(params[2], some_key());
    let number = params[1].as_u64().unwrap();
    match method {
        PLACE if number < 9 => Ok(json!({"Deadline": 42, "Partition": 0})),
        PLACE if number == 9 => Ok(fixture!("sector_partition")),
        PLACE => Err((1, format!("sector {number} not due at any deadline"))),
        PARTITIONS => {
            assert_eq!(number, 42);
            Ok(fixture!("miner_partitions"))
        }
        EXPIRATION if number == 4 => Ok(fixture!("sector_expiration_faulty")),
        EXPIRATION => Err((1, format!("failed to find sector {number}"))),
        _ => Err(missing_method(method)),
    }
}

fn status(health: SectorHealth, partition: u64) -> SectorStatus {
    let (deadline, partition) = (Some(42), Some(partition));
    // It ended at 6 300 000 + 43 * 60 = 6 302 580, before it is read at 6 302 600.
    let alive = health != SectorHealth::Dead;
    let next_deadline_end = alive.then_some(ChainEpoch::new(6_305_460));
    SectorStatus { deadline, partition, next_deadline_end, ..SectorStatus::of(health) }
}

#[tokio::test]
async fn each_sector_is_judged_by_its_partition() {
    let server = Server::full_node(provider).await;
    let ids = [9, 3, 4, 70, 6, 5, 9, 0].map(|number| sector(1000, number));
    let readings = server.lotus().sectors(&ids, &some_tipset()).await;

    let first_missed = Some(ChainEpoch::new(6_302_579));
    let dated = SectorStatus { first_missed, ..status(SectorHealth::Faulty, 0) };
    let found = SectorReading::Found;
    let expected = [
        found(status(SectorHealth::Active, 1)),
        found(status(SectorHealth::Dead, 0)),
        found(dated),
        SectorReading::NotFound,
        found(status(SectorHealth::Unproven, 0)),
        // Faulty for certain, since when nobody can tell.
        found(status(SectorHealth::Faulty, 0)),
        found(status(SectorHealth::Active, 1)),
        found(status(SectorHealth::Active, 0)),
    ];
    assert_eq!(readings, expected);
    assert_eq!(server.calls(PLACE), 7, "each distinct sector once");
    assert_eq!(server.calls(PARTITIONS), 1, "the deadline that they share, once");
    assert_eq!(server.calls(EXPIRATION), 2, "only the faulty ones");
    assert_eq!(server.calls(SCHEDULE), 1, "each provider once");
}

#[tokio::test]
async fn a_sector_that_moved_while_it_was_asked_for_is_looked_for_again() {
    let asked = std::sync::atomic::AtomicU64::new(0);
    let server = Server::full_node(move |method, params| match method {
        PLACE => {
            let before = asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            Ok(json!({"Deadline": if before == 0 { 7 } else { 42 }, "Partition": 1}))
        }
        PARTITIONS if params[1] == 7 => Ok(json!(null)),
        _ => provider(method, params),
    })
    .await;
    let readings = server.lotus().sectors(&[sector(1000, 9)], &some_tipset()).await;
    assert_eq!(readings, [SectorReading::Found(status(SectorHealth::Active, 1))]);
    assert_eq!((server.calls(PLACE), server.calls(PARTITIONS)), (2, 2));
}

#[tokio::test]
async fn a_sector_that_is_never_where_it_is_said_to_lie_fails_and_is_not_missing() {
    let server = Server::full_node(|method, params| match method {
        PLACE => Ok(json!({"Deadline": 42, "Partition": i64::MAX})),
        _ => provider(method, params),
    })
    .await;
    let readings = server.lotus().sectors(&[sector(1000, 12)], &some_tipset()).await;
    assert!(matches!(readings[..], [SectorReading::Failed(_)]), "{readings:?}");
    assert_eq!(server.calls(PLACE), 2, "and is not looked for without end");
}

#[tokio::test]
async fn a_deadline_that_cannot_be_read_fails_its_sectors_alone() {
    let server = Server::full_node(|method, params| match (method, params[1].as_u64()) {
        (PLACE, Some(1)) => Ok(json!({"Deadline": 3, "Partition": 0})),
        (PARTITIONS, Some(3)) => Err((1, "state not here".to_owned())),
        _ => provider(method, params),
    })
    .await;
    let ids = [sector(1000, 1), sector(1000, 9)];
    let readings = server.lotus().sectors(&ids, &some_tipset()).await;
    assert!(
        matches!(&readings[..], [SectorReading::Failed(why), SectorReading::Found(_)]
            if why.contains("state not here")),
        "{readings:?}"
    );
}

#[tokio::test]
async fn many_deadlines_are_read_in_batches_of_twenty_five() {
    let server = Server::full_node(|method, params| match method {
        PLACE => Ok(json!({"Deadline": params[1].as_u64().unwrap() % 48, "Partition": 0})),
        // Sector 7 lies in deadline 7, and so on.
        _ => {
            let own = json!([params[1], 1]);
            let none = json!([0]);
            Ok(json!([{"AllSectors": own, "LiveSectors": own, "ActiveSectors": own,
                "FaultySectors": none, "RecoveringSectors": none}]))
        }
    })
    .await;
    let ids: Vec<_> = (0..48).map(|number| sector(1000, number)).collect();
    let readings = server.lotus().sectors(&ids, &some_tipset()).await;
    let active = |reading: &SectorReading| matches!(reading, SectorReading::Found(status) if status.health == SectorHealth::Active);
    assert!(readings.iter().all(active), "{readings:?}");
    let heard = server.heard();
    let batches = heard.iter().filter(|heard| heard.body[0]["method"] == PARTITIONS);
    let mut sizes: Vec<_> = batches.map(|heard| heard.body.as_array().unwrap().len()).collect();
    sizes.sort_unstable();
    assert_eq!(sizes, [23, 25]);
}

#[tokio::test]
async fn a_gateway_without_the_partition_methods_knows_of_no_missing_sector() {
    let server = Server::node(|method, _| Err(missing_method(method))).await;
    let readings = server.lotus().sectors(&[sector(1000, 9)], &some_tipset()).await;
    assert!(matches!(&readings[..], [SectorReading::Failed(_)]), "{readings:?}");
}

#[tokio::test]
async fn the_head_comes_with_how_far_the_node_is_behind() {
    for (syncing, eth, behind) in [
        (Some(fixture!("sync_state")), None, 500),
        (Some(fixture!("sync_state_idle")), None, 0),
        (None, Some(fixture!("eth_syncing")), 0x78),
        (None, Some(fixture!("eth_not_syncing")), 0),
        (None, None, 0),
    ] {
        let server = Server::node(move |method, _| {
            let known = match method {
                "Filecoin.ChainHead" => Some(fixture!("chain_head")),
                "Filecoin.SyncState" => syncing.clone(),
                "eth_syncing" => eth.clone(),
                _ => None,
            };
            known.ok_or_else(|| missing_method(method))
        })
        .await;
        let head = server.lotus().head().await.unwrap();
        assert_eq!(head.tipset.epoch, ChainEpoch::new(6_302_600));
        assert_eq!(head.behind, EpochDelta::new(behind));
    }
}

#[tokio::test]
async fn the_final_tipset_is_the_nodes_own_word_where_it_has_one() {
    let server = Server::node(|method, _| match method {
        "Filecoin.ChainGetFinalizedTipSet" => Ok(fixture!("genesis")),
        _ => Err(missing_method(method)),
    })
    .await;
    let finalized = server.lotus().finalized().await.unwrap();
    assert_eq!(finalized.epoch, ChainEpoch::GENESIS);
    assert_eq!(server.heard().len(), 1);
}

#[tokio::test]
async fn an_old_node_counts_down_from_the_head() {
    let server = Server::node(|method, params| match method {
        "Filecoin.ChainHead" => Ok(fixture!("chain_head")),
        "Filecoin.ChainGetTipSetByHeight" => {
            assert_eq!(params[0], 6_302_600 - 900);
            assert_eq!(params[1], fixture!("chain_head")["Cids"]);
            // The round asked for was null; what comes is the one before.
            let mut tipset = fixture!("chain_head");
            tipset["Height"] = json!(6_301_699);
            Ok(tipset)
        }
        _ => Err(missing_method(method)),
    })
    .await;
    assert_eq!(server.lotus().finalized().await.unwrap().epoch, ChainEpoch::new(6_301_699));
}

#[tokio::test]
async fn the_network_has_a_name_and_a_version() {
    let server = Server::node(|method, params| match method {
        "Filecoin.StateNetworkName" => {
            assert_eq!(params, &json!([]), "by position, even if there are none");
            Ok(json!("testnetnet"))
        }
        "Filecoin.StateNetworkVersion" => {
            assert_eq!(params, &json!([[]]));
            Ok(json!(28))
        }
        _ => Err(missing_method(method)),
    })
    .await;
    let network = Network { name: "testnetnet".to_owned(), version: 28 };
    assert_eq!(server.lotus().network().await.unwrap(), network);
}

#[tokio::test]
async fn the_token_goes_along_with_every_request() {
    let server = market().await;
    let mut config = server.config();
    config.token = Some(Token::new("eyJhbGciOi.secret\n"));
    let lotus = raas_lotus_jsonrpc::JsonRpcLotus::new(config).unwrap();
    lotus.deals(&deal_ids([7]), &some_tipset()).await;
    let heard = server.heard();
    let bearer = Some("Bearer eyJhbGciOi.secret".to_owned());
    assert_eq!(heard.len(), 2);
    assert!(heard.iter().all(|heard| heard.authorization == bearer), "{heard:?}");
}
