//! What nodes were seen to do that a client must survive, one test and one reply of
//! `testdata/lotus/` each. What shapes alone show is tested in `src/wire`.

#![expect(clippy::unwrap_used, reason = "a test that cannot set up its world should stop")]

mod support;

use raas_lotus::{Error, LotusChain as _};
use raas_types::{ChainEpoch, DealReading, SectorHealth, SectorReading};
use serde_json::{Value, json};
use support::{Reply, Server, deal_ids, each, missing_method, schedule, sector, some_tipset};

macro_rules! reply {
    ($name:literal) => {
        serde_json::from_str::<Value>(include_str!(concat!(
            "../../../testdata/lotus/",
            $name,
            ".json"
        )))
        .unwrap()
    };
}

/// The code and message of an error.
fn error(reply: &Value) -> (i64, String) {
    let error = &reply["error"];
    (error["code"].as_i64().unwrap(), error["message"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn a_terminated_sector_still_has_its_place_and_no_life() {
    let server = Server::full_node(|method, params| match method {
        "Filecoin.StateSectorPartition" => Ok(json!({"Deadline": 3, "Partition": 0})),
        "Filecoin.StateMinerPartitions" => Ok(fixture!("miner_partitions_terminated")),
        "Filecoin.StateMinerProvingDeadline" => Ok(schedule(6_300_000)),
        "Filecoin.StateSectorExpiration" if params[1] == 8 => {
            Err(error(&reply!("sector_expiration_terminated")))
        }
        _ => Err(missing_method(method)),
    })
    .await;
    let readings =
        server.lotus().sectors(&[sector(1000, 8), sector(1000, 9)], &some_tipset()).await;
    let healths = readings.iter().map(|reading| match reading {
        SectorReading::Found(status) => (status.health, status.deadline),
        other => panic!("{other:?}"),
    });
    let expected = [(SectorHealth::Dead, Some(3)), (SectorHealth::Active, Some(3))];
    assert_eq!(healths.collect::<Vec<_>>(), expected);
}

#[tokio::test]
async fn a_provider_without_partitions_has_null_for_them() {
    let server = Server::full_node(|method, _| match method {
        "Filecoin.StateSectorPartition" => Ok(json!({"Deadline": 3, "Partition": 0})),
        "Filecoin.StateMinerPartitions" => Ok(fixture!("miner_partitions_none")),
        _ => Err(missing_method(method)),
    })
    .await;
    // It contradicts itself, so nothing is known; and nothing is missing.
    let readings = server.lotus().sectors(&[sector(1000, 8)], &some_tipset()).await;
    assert!(matches!(&readings[..], [SectorReading::Failed(_)]), "{readings:?}");
}

#[tokio::test]
async fn a_provider_that_does_not_exist_has_no_sectors() {
    let server = Server::full_node(|_, _| Err(error(&reply!("actor_not_found")))).await;
    let readings = server.lotus().sectors(&[sector(9999, 8)], &some_tipset()).await;
    assert_eq!(readings, [SectorReading::NotFound]);
}

#[tokio::test]
async fn a_tipset_that_the_node_does_not_know_fails_every_item() {
    let server = Server::full_node(|_, _| Err(error(&reply!("unknown_tipset")))).await;
    let lotus = server.lotus();
    let deals = lotus.deals(&deal_ids([1]), &some_tipset()).await;
    assert!(matches!(&deals[..], [DealReading::Failed(why)] if why.contains("Key for header")));
    let sectors = lotus.sectors(&[sector(1000, 8)], &some_tipset()).await;
    assert!(matches!(&sectors[..], [SectorReading::Failed(_)]), "{sectors:?}");
}

#[tokio::test]
async fn a_batch_over_the_limit_is_refused_with_one_object_and_sent_in_parts() {
    let server = Server::start(|request| match request.as_array() {
        Some(batch) if batch.len() > 50 => Reply::Json(reply!("batch_too_large")),
        _ => Reply::Json(each(request, &|_, _| Ok(fixture!("deal_active")))),
    })
    .await;
    let readings = server.lotus().deals(&deal_ids(0..100), &some_tipset()).await;
    assert!(readings.iter().all(|reading| matches!(reading, DealReading::Found(_))));
}

#[tokio::test]
async fn too_little_permission_is_refused_with_what_to_change() {
    let server = Server::node(|_, _| Err(error(&reply!("missing_permission")))).await;
    let refused = server.lotus().network().await.unwrap_err();
    assert!(matches!(&refused, Error::Refused { reason, .. } if reason.contains("permissions")));
}

#[tokio::test]
async fn a_node_that_knows_no_tipset_at_a_null_round_is_asked_again_later() {
    let server = Server::node(|_, _| Err(error(&reply!("null_round")))).await;
    let error = server.lotus().tipset_at(ChainEpoch::new(6_302_599)).await.unwrap_err();
    assert!(error.is_temporary() && error.to_string().contains("null round"), "{error}");
}
