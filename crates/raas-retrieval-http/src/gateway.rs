//! Trustless gateways: a DAG as a CAR, and what the CAR lacks block by block.

use async_trait::async_trait;
use futures::StreamExt;
use raas_retrieval::{DataSource, Error, Result, Served, Staging, Wanted};
use raas_types::Cid;
use url::Url;

use crate::HttpError;
use crate::client::{ClientOptions, Http, below, host, parse_base};

/// What is asked for, as the specification of trustless gateways writes it; sent as header and as
/// parameter, since gateways differ in which they read.
const ACCEPT_CAR: &str = "application/vnd.ipld.car; version=1; order=dfs; dups=n";
const ACCEPT_RAW: &str = "application/vnd.ipld.raw";
/// How many blocks are asked for at once.
const RAW_PARALLEL: usize = 8;
/// The longest block. The staging has its own limit, which may be lower; twice the 2 MiB that
/// Bitswap carries.
const MAX_BLOCK: usize = 4 << 20;
/// With so few blocks missing, asking for them is cheaper than for the whole DAG again: 16 MiB in
/// leaves of 256 KiB.
const FEW: usize = 64;

/// One trustless gateway, named by the operator: `GET /ipfs/{cid}?format=car`.
#[derive(Debug)]
pub struct GatewaySource {
    name: String,
    base: Url,
    http: Http,
}

impl GatewaySource {
    /// A gateway at a base URL, such as `https://gateway.lighthouse.storage`.
    pub fn new(base_url: &str, options: ClientOptions) -> Result<Self, HttpError> {
        let base = parse_base(base_url)?;
        let name = format!("gateway {}", host(&base));
        Ok(Self { name, base, http: Http::trusted(options)? })
    }
}

#[async_trait]
impl DataSource for GatewaySource {
    fn name(&self) -> String {
        self.name.clone()
    }

    async fn fetch(&self, wanted: &Wanted, staging: &mut Staging) -> Result<Served> {
        self.http.within(fetch_dag(&self.http, &self.base, &wanted.cid, staging)).await?;
        Ok(Served::by(&self.name))
    }
}

/// Completes a staging from the gateway at a base URL.
pub(crate) async fn fetch_dag(
    http: &Http,
    base: &Url,
    root: &Cid,
    staging: &mut Staging,
) -> Result<()> {
    if staging.is_complete() {
        return Ok(());
    }
    let mut requests = http.options.max_raw_requests;
    let begun = staging.missing(1).await?.first() != Some(root);
    if begun && staging.missing_count() <= FEW {
        fetch_blocks(http, base, staging, &mut requests).await?;
        if staging.is_complete() {
            return Ok(());
        }
    }
    let why = match fetch_car(http, base, root, staging).await {
        Ok(()) => None,
        Err(error) => {
            let begun = staging.missing(1).await?.first() != Some(root);
            if !worth_asking_for_blocks(&error, begun) {
                return Err(error);
            }
            Some(error)
        }
    };
    fetch_blocks(http, base, staging, &mut requests).await?;
    match (staging.require_complete().await, why) {
        (Ok(()), _) => Ok(()),
        // That the CAR broke off says more than that blocks are missing after it.
        (Err(_), Some(why)) => Err(why),
        (Err(error), None) => Err(error),
    }
}

/// A gateway that breaks off, or has no CARs, may still have blocks; one that sends wrong bytes or
/// is not there is not asked again, nor one that has nothing to begin with.
fn worth_asking_for_blocks(error: &Error, begun: bool) -> bool {
    match error {
        Error::Unavailable { .. } => begun && !is_unreachable(error),
        Error::NotFound { .. } => begun,
        Error::Refused(_) => true,
        _ => false,
    }
}

/// Whether no connection came about.
pub(crate) fn is_unreachable(error: &Error) -> bool {
    match error {
        Error::Unavailable { source: Some(inner), .. } => {
            inner.downcast_ref().is_some_and(reqwest::Error::is_connect)
        }
        _ => false,
    }
}

async fn fetch_car(http: &Http, base: &Url, root: &Cid, staging: &mut Staging) -> Result<()> {
    let mut url = below(base, &format!("ipfs/{root}"));
    url.set_query(Some("format=car&car-version=1&car-order=dfs&car-dups=n"));
    let response = http.send(http.get(url).header("accept", ACCEPT_CAR), root).await?;
    let body = http.body(response, http.options.max_bytes)?;
    staging.put_car(body).await?;
    Ok(())
}

/// Asks for what is missing block by block, as long as that helps and requests are left.
async fn fetch_blocks(
    http: &Http,
    base: &Url,
    staging: &mut Staging,
    requests: &mut usize,
) -> Result<()> {
    // What this gateway lacks stays at the front of the missing: look past it.
    let mut absent = Vec::new();
    while !staging.is_complete() && *requests > 0 {
        let missing = staging.missing(absent.len() + RAW_PARALLEL).await?;
        let wanted: Vec<Cid> =
            missing.into_iter().filter(|cid| !absent.contains(cid)).take(*requests).collect();
        if wanted.is_empty() {
            break;
        }
        *requests -= wanted.len();
        let blocks = futures::stream::iter(wanted)
            .map(|cid| async move { (cid, fetch_block(http, base, &cid).await) })
            .buffered(RAW_PARALLEL);
        let blocks: Vec<_> = blocks.collect().await;
        for (cid, block) in blocks {
            match block {
                Ok(block) => staging.put(cid, block).await?,
                Err(Error::NotFound { .. }) => absent.push(cid),
                Err(error) => return Err(error),
            }
        }
    }
    Ok(())
}

async fn fetch_block(http: &Http, base: &Url, cid: &Cid) -> Result<bytes::Bytes> {
    let mut url = below(base, &format!("ipfs/{cid}"));
    url.set_query(Some("format=raw"));
    let response = http.send(http.get(url).header("accept", ACCEPT_RAW), cid).await?;
    http.bytes(response, MAX_BLOCK).await
}
