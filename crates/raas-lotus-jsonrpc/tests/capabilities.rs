//! What an endpoint is found to be able to do, what that costs, and when it is asked again.

#![expect(clippy::unwrap_used, reason = "a test that cannot set up its world should stop")]

mod support;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use raas_lotus::{Error, LotusChain as _};
use raas_lotus_jsonrpc::{
    Capabilities, Dialect, FaultDating, FinalitySource, JsonRpcLotus, LookBack, SectorAccess,
};
use raas_types::{EpochDelta, Network, SectorReading};
use serde_json::{Value, json};
use support::{Reply, Server, each, gateway, missing_method, sector, some_tipset, tipset};

type Answered = Result<Value, (i64, String)>;

/// How a node answers what it is probed with.
#[derive(Clone, Copy)]
struct Node {
    agent: &'static str,
    /// What it numbers errors with that have no number.
    code: i64,
    network_version: u32,
    missing: &'static [&'static str],
    looks_back_a_day: bool,
}

const LOTUS: Node =
    Node { agent: "lotus", code: 1, network_version: 28, missing: &[], looks_back_a_day: false };

const HIDDEN: &[&str] = &[
    "Filecoin.StateSectorPartition",
    "Filecoin.StateMinerPartitions",
    "Filecoin.StateSectorExpiration",
    "Filecoin.SyncState",
];

const GATEWAY: Node = Node { missing: HIDDEN, looks_back_a_day: true, ..LOTUS };

impl Node {
    fn answer(&self, method: &str, params: &Value) -> Answered {
        if self.missing.contains(&method) {
            return Err(missing_method(method));
        }
        match method {
            "Filecoin.Version" => Ok(json!({"Version": "1.2.3+mainnet", "APIVersion": 131840,
                "BlockDelay": 30, "Agent": self.agent})),
            "Filecoin.StateNetworkName" => Ok(json!("testnetnet")),
            "Filecoin.StateNetworkVersion" => Ok(json!(self.network_version)),
            "Filecoin.ChainHead" | "Filecoin.ChainGetFinalizedTipSet" => Ok(fixture!("chain_head")),
            "Filecoin.ChainGetTipSetByHeight" => {
                assert_eq!(params[0], 6_302_600 - 2 * 2_880);
                if self.looks_back_a_day {
                    let what = "bad tipset height: lookbacks of more than 24h0m0s are disallowed";
                    return Err((self.code, what.to_owned()));
                }
                Ok(fixture!("genesis"))
            }
            "Filecoin.StateCall" => Ok(json!({"MsgRct": {"ExitCode": 0, "Return": null}})),
            _ => Err((self.code, "unknown actor code".to_owned())),
        }
    }

    async fn serve(self) -> Server {
        Server::node(move |method, params| self.answer(method, params)).await
    }

    async fn capabilities(self) -> Capabilities {
        self.serve().await.lotus().capabilities().await.unwrap()
    }
}

#[tokio::test]
async fn a_full_node_can_do_all() {
    let found = LOTUS.capabilities().await;
    let network = Network { name: "testnetnet".to_owned(), version: 28 };
    assert_eq!(found.network, Some(network));
    assert_eq!(found.node.as_deref(), Some("lotus 1.2.3+mainnet"));
    assert_eq!(found.dialect, Dialect::Lotus);
    assert_eq!(found.finality, FinalitySource::Endpoint);
    assert_eq!(found.max_batch, Some(100));
    assert_eq!(found.sectors, SectorAccess::Partitions);
    assert_eq!(found.faults, FaultDating::Exact);
    assert_eq!(found.look_back, LookBack::Unlimited);
    assert_eq!(found.deadlines, Some(true));
    let said = found.to_string();
    for words in ["testnetnet", "a Lotus node", "batches of 100", "faults dated exactly"] {
        assert!(said.contains(words), "{said}");
    }
}

#[tokio::test]
async fn a_node_is_told_by_its_word_or_by_how_it_numbers_errors() {
    let mute = Node { missing: &["Filecoin.Version"], ..LOTUS };
    for (node, dialect) in [
        (Node { agent: "forest", code: -32603, ..LOTUS }, Dialect::Forest),
        (Node { code: -32603, ..mute }, Dialect::Forest),
        (mute, Dialect::Lotus),
        (Node { code: 7, ..mute }, Dialect::Unknown),
        (GATEWAY, Dialect::Gateway),
    ] {
        assert_eq!(node.capabilities().await.dialect, dialect, "{} {}", node.agent, node.code);
    }
    assert_eq!(mute.capabilities().await.node, None);
}

#[tokio::test]
async fn a_gateway_reads_sectors_one_by_one_and_dates_no_faults() {
    let found = GATEWAY.capabilities().await;
    assert_eq!(found.sectors, SectorAccess::Location);
    assert_eq!(found.faults, FaultDating::Observed);
    assert_eq!(found.look_back, LookBack::Day);
    assert_eq!(found.deadlines, Some(true));
    let said = found.to_string();
    assert!(said.contains("faults dated by observation, within 2880 epochs"), "{said}");
    assert!(said.contains("24 hours"), "{said}");
}

#[tokio::test]
async fn what_cannot_be_had_is_said_with_its_reason() {
    let old = Node { network_version: 27, ..GATEWAY }.capabilities().await;
    let SectorAccess::Nothing { why } = &old.sectors else { panic!("{:?}", old.sectors) };
    assert!(why.contains("28") && why.contains("27"), "{why}");

    let hidden: &[&str] = &[
        "Filecoin.StateSectorPartition",
        "Filecoin.StateMinerPartitions",
        "Filecoin.StateCall",
        "Filecoin.StateMinerProvingDeadline",
        "Filecoin.ChainGetFinalizedTipSet",
    ];
    let bare = Node { missing: hidden, ..LOTUS };
    let found = bare.capabilities().await;
    assert!(matches!(&found.sectors, SectorAccess::Nothing { why } if why.contains("StateCall")));
    assert_eq!(found.deadlines, Some(false));
    assert_eq!(found.finality, FinalitySource::Distance(EpochDelta::EC_FINALITY));
    // And a reading says so for every sector.
    let lotus = bare.serve().await.lotus();
    let readings = lotus.sectors(&[sector(1, 1), sector(1, 2)], &some_tipset()).await;
    for reading in readings {
        assert!(matches!(&reading, SectorReading::Failed(why) if why.contains("StateCall")));
    }
}

#[tokio::test]
async fn it_is_asked_once_and_costs_a_handful_of_requests() {
    let server = LOTUS.serve().await;
    let lotus = server.lotus();
    let first = lotus.capabilities().await.unwrap();
    let usage = lotus.usage();
    assert_eq!(usage.requests, 4, "probes, a batch of the largest size, head, look-back");
    assert_eq!(usage.elements(), 9 + 100 + 2);
    assert_eq!(lotus.capabilities().await.unwrap(), first);
    assert_eq!(lotus.usage(), usage);
}

#[tokio::test]
async fn a_reading_of_sectors_asks_for_no_more_than_it_needs() {
    let server = GATEWAY.serve().await;
    let lotus = server.lotus();
    lotus.sectors(&[sector(1, 1)], &some_tipset()).await;
    let usage = lotus.usage();
    // Six probes; the sector, and its provider's schedule.
    assert_eq!((usage.requests, usage.elements()), (3, 8), "{usage:?}");
}

/// A server that takes batches of at most so many.
async fn taking(most: usize) -> Server {
    Server::start(move |request| match request.as_array() {
        Some(items) if items.len() > most => {
            let error = json!({"code": -32010, "message": "too large"});
            Reply::Json(json!({"jsonrpc": "2.0", "id": null, "error": error}))
        }
        _ => Reply::Json(each(request, &|method, params| LOTUS.answer(method, params))),
    })
    .await
}

#[tokio::test]
async fn the_size_of_batches_is_found_by_halving() {
    for (most, found) in [(100, 100), (99, 50), (30, 25), (10, 6), (1, 1), (0, 1)] {
        let lotus = taking(most).await.lotus();
        let capabilities = lotus.capabilities().await.unwrap();
        assert_eq!(capabilities.max_batch, Some(found), "takes {most}");
        assert_eq!(capabilities.sectors, SectorAccess::Partitions, "asked singly if need be");
    }
}

#[tokio::test]
async fn neither_a_hang_nor_429_is_a_verdict_on_size() {
    for hang in [true, false] {
        let well = Arc::new(AtomicBool::new(false));
        let now_well = well.clone();
        let server = Server::start(move |request| match request.as_array() {
            Some(items) if items.len() > 50 && !now_well.load(Ordering::Relaxed) => {
                if hang {
                    Reply::Hang
                } else {
                    Reply::TooMany(Some("0".to_owned()))
                }
            }
            _ => Reply::Json(each(request, &|method, params| LOTUS.answer(method, params))),
        })
        .await;
        let mut config = server.config();
        config.request_timeout = Duration::from_millis(300);
        let lotus = JsonRpcLotus::new(config).unwrap();
        let error = lotus.capabilities().await.unwrap_err();
        assert!(matches!(&error, Error::Unavailable { .. }), "{error}");
        well.store(true, Ordering::Relaxed);
        assert_eq!(lotus.capabilities().await.unwrap().max_batch, Some(100));
    }
}

#[tokio::test]
async fn what_is_not_answered_is_not_known_and_asked_again() {
    let half = Arc::new(AtomicBool::new(true));
    let still_half = half.clone();
    let server = Server::start(move |request| {
        let mut replies = each(request, &|method, params| LOTUS.answer(method, params));
        if let (Some(replies), true) = (replies.as_array_mut(), still_half.load(Ordering::Relaxed))
        {
            let mut at = 0;
            replies.retain(|_| {
                at += 1;
                at % 2 == 1
            });
        }
        Reply::Json(replies)
    })
    .await;
    let lotus = server.lotus();
    let first = lotus.capabilities().await.unwrap();
    assert_eq!(first.network, None, "the name came and the version did not");
    assert_eq!(first.finality, FinalitySource::Unknown);
    // Of the two partition methods one is not known to be there.
    assert_eq!(first.sectors, SectorAccess::Unknown);
    assert!(first.to_string().contains("not known yet"), "{first}");
    let reading = &lotus.sectors(&[sector(1, 1)], &some_tipset()).await[0];
    assert!(matches!(reading, SectorReading::Failed(_)), "{reading:?}");

    half.store(false, Ordering::Relaxed);
    let found = lotus.capabilities().await.unwrap();
    assert_eq!(found, LOTUS.capabilities().await);
}

#[tokio::test]
async fn a_method_that_is_gone_makes_it_look_again() {
    let behind_gateway = Arc::new(AtomicBool::new(false));
    let now = behind_gateway.clone();
    let server = Server::node(move |method, params| {
        if now.load(Ordering::Relaxed) {
            return gateway(method, params);
        }
        match method {
            "Filecoin.StateSectorPartition" if params[0] != "f00" => {
                Ok(json!({"Deadline": 42, "Partition": 0}))
            }
            "Filecoin.StateMinerPartitions" if params[0] != "f00" => {
                Ok(fixture!("miner_partitions"))
            }
            _ => LOTUS.answer(method, params),
        }
    })
    .await;
    let lotus = server.lotus();
    let ids = [sector(1000, 0)];
    let found = |readings: &[SectorReading]| matches!(readings[0], SectorReading::Found(_));
    assert!(found(&lotus.sectors(&ids, &tipset(0)).await));

    behind_gateway.store(true, Ordering::Relaxed);
    let lost = lotus.sectors(&ids, &tipset(1)).await;
    assert!(matches!(lost[0], SectorReading::Failed(_)), "{lost:?}");
    assert!(found(&lotus.sectors(&ids, &tipset(1)).await), "the other way, without a restart");
    assert_eq!(lotus.capabilities().await.unwrap().sectors, SectorAccess::Location);
}

#[tokio::test]
async fn an_endpoint_that_was_away_may_come_back_as_another() {
    let requests = Arc::new(AtomicUsize::new(0));
    let count = requests.clone();
    let server = Server::start(move |request| match count.fetch_add(1, Ordering::Relaxed) {
        0 => Reply::Json(each(request, &|method, params| GATEWAY.answer(method, params))),
        1..=3 => Reply::Hang,
        _ => Reply::Json(each(request, &|method, params| LOTUS.answer(method, params))),
    })
    .await;
    let mut config = server.config();
    config.request_timeout = Duration::from_millis(200);
    let lotus = JsonRpcLotus::new(config).unwrap();
    lotus.sectors(&[sector(1, 1)], &some_tipset()).await;
    assert!(lotus.head().await.is_err());
    assert_eq!(lotus.capabilities().await.unwrap().sectors, SectorAccess::Partitions);
}

#[tokio::test]
async fn another_network_makes_it_forget_and_look_again() {
    let other = Arc::new(AtomicBool::new(false));
    let now_other = other.clone();
    let server = Server::node(move |method, params| {
        let mut answer = LOTUS.answer(method, params)?;
        if now_other.load(Ordering::Relaxed) && method == "Filecoin.StateNetworkName" {
            answer = json!("calibrationnet");
        }
        Ok(answer)
    })
    .await;
    let lotus = server.lotus();
    lotus.capabilities().await.unwrap();
    let before = lotus.usage();
    lotus.network().await.unwrap();
    lotus.capabilities().await.unwrap();
    assert_eq!(lotus.usage().since(&before).requests, 2, "nothing changed");

    other.store(true, Ordering::Relaxed);
    assert_eq!(lotus.network().await.unwrap().name, "calibrationnet");
    let before = lotus.usage();
    let found = lotus.capabilities().await.unwrap();
    assert_eq!(found.network.unwrap().name, "calibrationnet");
    assert_eq!(lotus.usage().since(&before).requests, 4, "all is asked again");
}

#[tokio::test]
async fn proxies_say_in_words_that_a_method_is_missing() {
    for said in ["the method StateSectorPartition is not available", "Method Not Supported"] {
        let server = Server::node(move |method, params| match method {
            "Filecoin.StateSectorPartition" => Err((-32000, said.to_owned())),
            _ => LOTUS.answer(method, params),
        })
        .await;
        let found = server.lotus().capabilities().await.unwrap();
        assert_eq!(found.sectors, SectorAccess::Location, "{said}");
    }
}

#[tokio::test]
async fn the_final_tipset_is_found_by_distance_however_its_method_is_said_to_be_missing() {
    let missing = [
        (-32601, "what?"),
        (-32003, "missing permission"),
        (-32000, "method not found"),
        (-32000, "Method ChainGetFinalizedTipSet is not allowed"),
        (1, "the method is not supported"),
    ];
    for (code, said) in missing {
        let server = Server::node(move |method, params| match method {
            "Filecoin.ChainGetFinalizedTipSet" => Err((code, said.to_owned())),
            "Filecoin.ChainGetTipSetByHeight" => {
                assert_eq!(params[0], 6_302_600 - 900);
                Ok(fixture!("genesis"))
            }
            _ => LOTUS.answer(method, params),
        })
        .await;
        let lotus = server.lotus();
        for _ in 0..2 {
            assert_eq!(lotus.finalized().await.unwrap().epoch.get(), 0, "{code} {said}");
        }
        assert_eq!(server.calls("Filecoin.ChainGetFinalizedTipSet"), 1, "{code} {said}");
    }
}

#[tokio::test]
async fn every_call_has_parameters_in_batches_too() {
    let server = LOTUS.serve().await;
    server.lotus().capabilities().await.unwrap();
    let heard = server.heard();
    let calls = heard.iter().flat_map(|heard| match &heard.body {
        Value::Array(calls) => calls.as_slice(),
        call => std::slice::from_ref(call),
    });
    for call in calls {
        assert!(call["params"].is_array(), "{call}");
    }
}

#[tokio::test]
async fn many_who_read_at_once_probe_once() {
    let server = GATEWAY.serve().await;
    let lotus = server.lotus();
    let ids: Vec<_> = (0..10).map(|number| [sector(1, number)]).collect();
    let at = some_tipset();
    let all = ids.iter().map(|ids| lotus.sectors(ids, &at));
    futures::future::join_all(all).await;
    let usage = lotus.usage();
    assert_eq!(usage.methods["Filecoin.StateNetworkVersion"].elements, 1);
}
