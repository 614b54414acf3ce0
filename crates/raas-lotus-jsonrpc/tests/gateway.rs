//! Sectors through a gateway: told one by one by their providers' actors.

#![expect(clippy::unwrap_used, reason = "a test that cannot set up its world should stop")]

mod support;

use raas_lotus::LotusChain as _;
use raas_types::{ChainEpoch, SectorHealth, SectorReading, SectorStatus, SectorWay};
use serde_json::{Value, json};
use support::{Server, gateway, located, probed, sector, some_key, some_tipset};

const CALL: &str = "Filecoin.StateCall";

/// A gateway that answers the actor's calls as told.
async fn actors(
    answer: impl Fn(&Value) -> Result<Value, (i64, String)> + Send + Sync + 'static,
) -> Server {
    Server::node(move |method, params| match method {
        CALL if probed(method, params).is_none() => answer(params),
        _ => gateway(method, params),
    })
    .await
}

async fn read_one(server: &Server) -> SectorReading {
    server.lotus().sectors(&[sector(1000, 9)], &some_tipset()).await.pop().unwrap()
}

#[tokio::test]
async fn a_sector_is_as_its_actor_says() {
    let alive = |health| SectorStatus {
        way: SectorWay::Location,
        deadline: Some(42),
        partition: Some(3),
        // 6 300 000 + 43 * 60, and one period more.
        next_deadline_end: Some(ChainEpoch::new(6_305_460)),
        ..SectorStatus::of(health)
    };
    let dead = SectorStatus { next_deadline_end: None, ..alive(SectorHealth::Dead) };
    for (returned, expected) in [
        ("ggFEghgqAw==", SectorReading::Found(alive(SectorHealth::Active))),
        ("ggJEghgqAw==", SectorReading::Found(alive(SectorHealth::Faulty))),
        ("ggBEghgqAw==", SectorReading::Found(dead)),
        ("ggBDgiAg", SectorReading::NotFound),
    ] {
        let server = actors(move |params| {
            assert_eq!(params[0]["To"], "f01000");
            assert_eq!(params[0]["Params"], "gQk=");
            assert_eq!(params[1], some_key());
            Ok(located(0, returned))
        })
        .await;
        assert_eq!(read_one(&server).await, expected, "{returned}");
        assert_eq!(server.calls("Filecoin.StateSectorExpiration"), 0, "known not to be there");
    }
}

#[tokio::test]
async fn an_actor_that_fails_is_no_dead_sector() {
    for exit_code in [1, 7, 16, 20, 22, 33] {
        let server = actors(move |_| Ok(located(exit_code, ""))).await;
        let reading = read_one(&server).await;
        let said = format!("exit code {exit_code}");
        assert!(
            matches!(&reading, SectorReading::Failed(why) if why.contains(&said)),
            "{reading:?}"
        );
    }
    for answer in [json!(null), json!({}), json!({"MsgRct": null}), located(0, "")] {
        let server = actors(move |_| Ok(answer.clone())).await;
        let reading = read_one(&server).await;
        assert!(matches!(&reading, SectorReading::Failed(_)), "{reading:?}");
    }
    for (code, message) in [
        (1, "bad tipset: lookbacks of more than 24h0m0s are disallowed"),
        (1, "server busy. Please retry"),
        (-32002, "required historical state unavailable"),
    ] {
        let server = actors(move |_| Err((code, message.to_owned()))).await;
        let reading = read_one(&server).await;
        assert!(matches!(&reading, SectorReading::Failed(why) if why.contains(message)));
    }
}

#[tokio::test]
async fn a_provider_that_is_not_there_has_no_sectors() {
    let no_actor: [(i64, &str); 2] = [
        (11, "call raw get actor: actor not found"),
        (-32603, "Actor t01000 not found at epoch 8"),
    ];
    for (code, message) in no_actor {
        let server = actors(move |_| Err((code, message.to_owned()))).await;
        assert_eq!(read_one(&server).await, SectorReading::NotFound, "{message}");
        let server = Server::full_node(move |_, _| Err((code, message.to_owned()))).await;
        assert_eq!(read_one(&server).await, SectorReading::NotFound, "{message}, a full node");
    }
    let server = actors(|_| Ok(located(5, ""))).await;
    assert_eq!(read_one(&server).await, SectorReading::NotFound);
}

#[tokio::test]
async fn many_sectors_go_in_batches_of_twenty_traces_and_all() {
    let server = actors(|_| Ok(located(0, "ggFEghgqAw=="))).await;
    let lotus = server.lotus();
    let ids: Vec<_> = (0..110).map(|number| sector(1000 + number % 3, number)).collect();
    let readings = lotus.sectors(&ids, &some_tipset()).await;
    let active = |reading: &SectorReading| matches!(reading, SectorReading::Found(status) if status.health == SectorHealth::Active);
    assert!(readings.iter().all(active));
    let heard = server.heard();
    let calls = heard.iter().filter_map(|heard| heard.body.as_array());
    let sizes = calls.filter(|batch| batch.iter().all(|call| call["method"] == CALL));
    let mut sizes: Vec<_> = sizes.map(Vec::len).collect();
    sizes.sort_unstable();
    assert_eq!(sizes, [10, 20, 20, 20, 20, 20]);
    let usage = lotus.usage();
    assert!(usage.bytes_received > 110 * 10_000, "the traces were there: {usage:?}");
    assert_eq!(usage.methods["Filecoin.StateMinerProvingDeadline"].elements, 1 + 3);

    // The second time, the schedules are known.
    let before = usage;
    lotus.sectors(&ids, &some_tipset()).await;
    assert_eq!(lotus.usage().since(&before).elements(), 110);
}

#[tokio::test]
async fn a_full_node_is_asked_for_partitions_although_it_has_the_call() {
    let server = Server::full_node(|method, params| match method {
        CALL => panic!("partitions tell more"),
        "Filecoin.StateSectorPartition" => Ok(json!({"Deadline": 42, "Partition": 1})),
        "Filecoin.StateMinerPartitions" => Ok(fixture!("miner_partitions")),
        _ => gateway(method, params),
    })
    .await;
    let reading = read_one(&server).await;
    assert!(
        matches!(&reading, SectorReading::Found(status) if status.way == SectorWay::Partition),
        "{reading:?}"
    );
}
