//! A fake endpoint: as many deals as wanted, all in healthy sectors, answered after a while.

use std::{
    fmt::Write as _,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use axum::{Router, body::Bytes, extract::State, http::header, routing::post};
use raas_types::{Cid, DealId, ListedDeal, ProviderId};
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::net::TcpListener;
use url::Url;

const FIRST_DEAL: u64 = 1_000_000;
const FIRST_PROVIDER: u64 = 1_000;
const DEADLINES: u64 = 48;
const HEAD: i64 = 6_300_000;

/// Which deals there are, and where.
#[derive(Clone, Copy, Debug)]
pub(crate) struct World {
    pub(crate) deals: u64,
    providers: u64,
}

impl World {
    /// Two thousand deals a provider, as a middling one has; at least three providers.
    pub(crate) fn of(deals: u64) -> Self {
        Self { deals, providers: (deals / 2_000).max(3) }
    }

    /// The deals, in the order of their ids.
    pub(crate) fn listed(self) -> impl Iterator<Item = ListedDeal> {
        (0..self.deals).map(move |n| ListedDeal {
            deal: DealId::new(FIRST_DEAL + n),
            provider: ProviderId::new(FIRST_PROVIDER + n % self.providers),
        })
    }

    /// The sector of a deal.
    pub(crate) fn sector(self, deal: DealId) -> u64 {
        (deal.get() - FIRST_DEAL) / self.providers
    }

    /// The (provider, deadline) pairs that hold a sector.
    pub(crate) fn groups(self) -> Vec<(u64, u64)> {
        let provider = |p| {
            let deadlines = self.sectors_of(p).min(DEADLINES);
            (0..deadlines).map(move |deadline| (FIRST_PROVIDER + p, deadline))
        };
        (0..self.providers).flat_map(provider).collect()
    }

    /// What a cold pass may ask for: deals + 2 x sectors + groups.
    pub(crate) fn most_elements(self) -> u64 {
        3 * self.deals + self.groups().len() as u64
    }

    fn sectors_of(self, provider: u64) -> u64 {
        (self.deals + self.providers - 1 - provider) / self.providers
    }

    fn partitions(self, provider: u64, deadline: u64) -> String {
        let mut runs = String::new();
        let sectors = self.sectors_of(provider - FIRST_PROVIDER);
        let mut end = 0;
        for sector in (deadline..sectors).step_by(DEADLINES as usize) {
            let _ = write!(runs, "{}{},1", if end == 0 { "" } else { "," }, sector - end);
            end = sector + 1;
        }
        format!(
            r#"[{{"AllSectors":[{runs}],"FaultySectors":[0],"RecoveringSectors":[0],"LiveSectors":[{runs}],"ActiveSectors":[{runs}]}}]"#
        )
    }
}

/// A running endpoint.
pub(crate) struct Endpoint {
    pub(crate) url: Url,
    pub(crate) world: World,
    shared: Arc<Shared>,
}

struct Shared {
    world: World,
    latency: Duration,
    head: AtomicI64,
}

impl Endpoint {
    pub(crate) async fn start(world: World, latency: Duration) -> Self {
        let shared = Arc::new(Shared { world, latency, head: AtomicI64::new(HEAD) });
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let url = format!("http://{}/rpc/v1", listener.local_addr().expect("an address"));
        let router = Router::new()
            .route("/rpc/v1", post(serve))
            .layer(axum::extract::DefaultBodyLimit::disable())
            .with_state(Arc::clone(&shared));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url: url.parse().expect("a URL"), world, shared }
    }

    /// Lets epochs pass.
    pub(crate) fn advance(&self, epochs: i64) {
        self.shared.head.fetch_add(epochs, Ordering::Relaxed);
    }
}

#[derive(Deserialize)]
struct Request<'a> {
    #[serde(borrow)]
    id: &'a RawValue,
    method: &'a str,
    #[serde(borrow, default)]
    params: Option<&'a RawValue>,
}

async fn serve(
    State(shared): State<Arc<Shared>>,
    body: Bytes,
) -> ([(header::HeaderName, &'static str); 1], String) {
    tokio::time::sleep(shared.latency).await;
    let text = std::str::from_utf8(&body).expect("UTF-8");
    let mut answer = String::new();
    if text.trim_start().starts_with('[') {
        let requests: Vec<Request<'_>> = serde_json::from_str(text).expect("a batch");
        answer.push('[');
        for (n, request) in requests.iter().enumerate() {
            if n > 0 {
                answer.push(',');
            }
            shared.answer(request, &mut answer);
        }
        answer.push(']');
    } else {
        let request = serde_json::from_str(text).expect("a call");
        shared.answer(&request, &mut answer);
    }
    ([(header::CONTENT_TYPE, "application/json")], answer)
}

impl Shared {
    fn answer(&self, request: &Request<'_>, out: &mut String) {
        let Request { id, method, params } = request;
        let result = self.result(method, params.map_or("[]", RawValue::get));
        let _ = match result {
            Some(result) => write!(out, r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#),
            None => write!(
                out,
                r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":-32601,"message":"method '{method}' not found"}}}}"#
            ),
        };
    }

    fn result(&self, method: &str, params: &str) -> Option<String> {
        let head = self.head.load(Ordering::Relaxed);
        Some(match method.strip_prefix("Filecoin.").unwrap_or(method) {
            "ChainHead" => tipset(head),
            "ChainGetFinalizedTipSet" => tipset(head - 30),
            "ChainGetTipSetByHeight" => {
                let (epoch, _): (i64, &RawValue) = serde_json::from_str(params).expect("params");
                tipset(epoch)
            }
            "StateNetworkName" => r#""benchnet""#.to_owned(),
            "StateNetworkVersion" => "28".to_owned(),
            "Version" => {
                r#"{"Version":"1.36.0+bench","APIVersion":131840,"BlockDelay":30}"#.to_owned()
            }
            "SyncState" => r#"{"ActiveSyncs":[],"VMApplied":0}"#.to_owned(),
            "StateMarketStorageDeal" => {
                let (deal, _): (u64, &RawValue) = serde_json::from_str(params).expect("params");
                self.deal(DealId::new(deal))
            }
            "StateSectorPartition" => {
                let (_, sector, _): (&str, u64, &RawValue) =
                    serde_json::from_str(params).expect("params");
                format!(r#"{{"Deadline":{},"Partition":0}}"#, sector % DEADLINES)
            }
            "StateMinerPartitions" => {
                let (provider, deadline, _): (&str, u64, &RawValue) =
                    serde_json::from_str(params).expect("params");
                self.world.partitions(number(provider), deadline)
            }
            "StateMinerProvingDeadline" => format!(
                r#"{{"CurrentEpoch":{head},"PeriodStart":{HEAD},"Index":0,"Open":{HEAD},"Close":{},"Challenge":0,"FaultCutoff":0,"WPoStPeriodDeadlines":48,"WPoStProvingPeriod":2880,"WPoStChallengeWindow":60,"WPoStChallengeLookback":20,"FaultDeclarationCutoff":70}}"#,
                HEAD + 60
            ),
            _ => return None,
        })
    }

    fn deal(&self, deal: DealId) -> String {
        let n = deal.get() - FIRST_DEAL;
        let (provider, sector) =
            (FIRST_PROVIDER + n % self.world.providers, self.world.sector(deal));
        format!(
            r#"{{"Proposal":{{"PieceCID":{{"/":"baga6ea4seaqdomn3tgwgrh3g532zopskstnbrd2n3sxfqbze7rxt7vqn7veigmy"}},"PieceSize":34359738368,"VerifiedDeal":true,"Client":"f01860352","Provider":"f0{provider}","Label":"bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi","StartEpoch":{},"EndEpoch":{},"StoragePricePerEpoch":"0","ProviderCollateral":"3350549236814358","ClientCollateral":"0"}},"State":{{"SectorNumber":{sector},"SectorStartEpoch":{},"LastUpdatedEpoch":-1,"SlashEpoch":-1}}}}"#,
            HEAD - 10_000,
            HEAD + 1_500_000,
            HEAD - 20_000,
        )
    }
}

fn number(address: &str) -> u64 {
    address.get(2..).and_then(|digits| digits.parse().ok()).expect("an address")
}

fn tipset(epoch: i64) -> String {
    let (key, parent) = (block(epoch), block(epoch - 1));
    format!(
        r#"{{"Cids":[{{"/":"{key}"}}],"Blocks":[{{"Miner":"f01000","Parents":[{{"/":"{parent}"}}],"Height":{epoch}}}],"Height":{epoch}}}"#
    )
}

/// One block an epoch; its CID spells the epoch and only looks like a hash.
fn block(epoch: i64) -> Cid {
    let mut digest = [7; 32];
    digest[24..].copy_from_slice(&epoch.to_be_bytes());
    let hash = cid::multihash::Multihash::wrap(0xb220, &digest).expect("32 bytes fit");
    Cid::new_v1(0x71, hash)
}
