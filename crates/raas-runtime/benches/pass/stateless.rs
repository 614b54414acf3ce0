//! The client to compare with: sends the requests of a cold pass, decodes the answers, keeps nothing.

use std::{borrow::Cow, fmt::Write as _, str::FromStr};

use futures::{StreamExt, stream};
use raas_types::{Cid, ProviderId};
use serde::{Deserialize, Deserializer};

use crate::endpoint::{Endpoint, World};

const BATCH: usize = 100;
const IN_FLIGHT: usize = 16;

/// Deals, where their sectors are, and the partitions there.
pub(crate) async fn ask_everything(endpoint: &Endpoint) {
    let client = reqwest::Client::new();
    let world = endpoint.world;
    let deals = world.listed().map(|listed| format!("[{},{KEY}]", listed.deal));
    ask::<Deal>(&client, endpoint, "StateMarketStorageDeal", deals.collect()).await;
    ask::<Location>(&client, endpoint, "StateSectorPartition", sectors(world)).await;
    let groups = world.groups().into_iter();
    let groups = groups.map(|(provider, deadline)| format!(r#"["f0{provider}",{deadline},{KEY}]"#));
    ask::<Vec<Partition>>(&client, endpoint, "StateMinerPartitions", groups.collect()).await;
}

/// A tipset key; the endpoint does not look at it.
const KEY: &str = r#"[{"/":"bafy2bzaceb3wnqzsr2yqwkzv6wy7vl6ki3ebrp3h5cilnsqkt3fnxwgxvncou"}]"#;

fn sectors(world: World) -> Vec<String> {
    let params = world.listed().map(|listed| {
        let (provider, sector) = (listed.provider.get(), world.sector(listed.deal));
        format!(r#"["f0{provider}",{sector},{KEY}]"#)
    });
    params.collect()
}

async fn ask<T: for<'de> Deserialize<'de>>(
    client: &reqwest::Client,
    endpoint: &Endpoint,
    method: &str,
    params: Vec<String>,
) {
    let batches = params.chunks(BATCH).map(|batch| {
        let mut body = String::from("[");
        for (id, params) in batch.iter().enumerate() {
            let comma = if id == 0 { "" } else { "," };
            let _ = write!(
                body,
                r#"{comma}{{"jsonrpc":"2.0","id":{id},"method":"Filecoin.{method}","params":{params}}}"#
            );
        }
        body.push(']');
        let request = client
            .post(endpoint.url.clone())
            .header("content-type", "application/json")
            .body(body);
        async move {
            let answer = request.send().await.expect("an answer").bytes().await.expect("a body");
            let replies: Vec<Reply<T>> = serde_json::from_slice(&answer).expect("replies");
            let ids = replies.iter().map(|reply| reply.id);
            assert!(ids.eq(0..batch.len() as u64), "each call has its reply");
        }
    });
    stream::iter(batches).buffer_unordered(IN_FLIGHT).collect::<Vec<()>>().await;
}

#[derive(Deserialize)]
struct Reply<T> {
    id: u64,
    #[expect(dead_code, reason = "decoded and dropped")]
    result: T,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
#[expect(dead_code, reason = "decoded and dropped")]
struct Deal {
    proposal: Proposal,
    state: State,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
#[expect(dead_code, reason = "decoded and dropped")]
struct Proposal {
    #[serde(rename = "PieceCID")]
    piece_cid: Link,
    piece_size: u64,
    #[serde(deserialize_with = "parsed")]
    provider: ProviderId,
    label: String,
    start_epoch: i64,
    end_epoch: i64,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "decoded and dropped")]
struct Link {
    #[serde(rename = "/", deserialize_with = "parsed")]
    cid: Cid,
}

/// What is written as text and is none.
fn parsed<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: FromStr<Err: std::fmt::Display>,
    D: Deserializer<'de>,
{
    let text = <Cow<'de, str>>::deserialize(deserializer)?;
    text.parse().map_err(serde::de::Error::custom)
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
#[expect(dead_code, reason = "decoded and dropped")]
struct State {
    sector_number: u64,
    sector_start_epoch: i64,
    slash_epoch: i64,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
#[expect(dead_code, reason = "decoded and dropped")]
struct Location {
    deadline: u64,
    partition: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
#[expect(dead_code, reason = "decoded and dropped")]
struct Partition {
    all_sectors: Vec<u64>,
    faulty_sectors: Vec<u64>,
    live_sectors: Vec<u64>,
    active_sectors: Vec<u64>,
}
