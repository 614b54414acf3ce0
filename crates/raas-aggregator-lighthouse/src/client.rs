//! The adapter itself.

use std::fmt;

use async_trait::async_trait;
use cid::Cid;
use raas_aggregator::{Aggregator, Capabilities, Error, Found, Payload, Repeat, Result};
use raas_types::{AggregatorDeal, AggregatorName, Order, Ticket};
use reqwest::StatusCode;
use serde_json::Value;
use url::Url;

use crate::{
    config::LighthouseConfig,
    http::{Effect, Http, endpoint},
    merge::merge,
    upload,
    wire::{self, Added, Entry, PinRequest, Proofs},
};

/// The most entries of one answer that are looked at: ten times what the largest job has.
const MAX_ENTRIES: usize = 10_000;

/// An account at a Lighthouse service.
pub struct LighthouseAggregator {
    config: LighthouseConfig,
    http: Http,
}

impl fmt::Debug for LighthouseAggregator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LighthouseAggregator").field("config", &self.config).finish_non_exhaustive()
    }
}

impl LighthouseAggregator {
    /// Prepares the account; asks nothing of the service yet. [`Error::Misconfigured`] when the key
    /// cannot be sent at all.
    pub fn new(config: LighthouseConfig) -> Result<Self> {
        Ok(Self { http: Http::new(&config)?, config })
    }

    /// Where files are downloaded, `{gateway}/ipfs/{cid}`; what comes from there must be verified.
    pub fn gateway_url(&self) -> &Url {
        &self.config.gateway_url
    }

    /// Whether the account or the service has the file.
    async fn is_known(&self, cid: &Cid) -> Result<bool> {
        let request = self.http.get(self.question("file_info", cid));
        let answer = self.http.send(request, Effect::None).await?;
        match answer.status {
            status if status.is_success() => Ok(true),
            StatusCode::NOT_FOUND => Ok(false),
            _ => Err(self.http.refused(&answer, Effect::None)),
        }
    }

    async fn pin(&self, cid: &Cid) -> Result<()> {
        let cid = cid.to_string();
        let request = self.http.post(endpoint(&self.config.api_url, "api/lighthouse/pin"));
        let request = request.json(&PinRequest { cid: &cid, file_name: &cid });
        // What a success says is not documented: its status is the answer.
        self.http.succeed(request, Effect::Order).await.map(drop)
    }

    async fn upload(&self, cid: &Cid, payload: &dyn Payload) -> Result<()> {
        let unreadable =
            |source| Error::Payload { aggregator: self.config.name.to_string(), source };
        let (form, breakage) = upload::form(payload, cid.to_string()).await.map_err(unreadable)?;
        let mut url = endpoint(&self.config.upload_url, "api/v0/add");
        url.set_query(Some("wrap-with-directory=false&cid-version=1"));
        let time = self.config.timeout + upload::allowance(payload.size());
        let request = self.http.post(url).timeout(time).multipart(form);
        let answer = self.http.succeed(request, Effect::Order).await;
        if let Some(source) = breakage.take() {
            return Err(unreadable(source));
        }
        let added: Added = self.http.json(&answer?, Effect::Order)?;
        match Cid::try_from(added.hash.as_str()) {
            Ok(stored) if same_block(&stored, cid) => Ok(()),
            _ => Err(self.rechunked(cid, &added.hash)),
        }
    }

    fn rechunked(&self, cid: &Cid, stored: &str) -> Error {
        let stored: String = stored.chars().take(128).collect();
        let reason = format!(
            "it re-chunked the upload: {cid} was sent, {stored} is what it stores; import the file \
             with the profile that it uses (CIDv1, 256 KiB chunks, raw leaves)"
        );
        Error::Rejected { aggregator: self.config.name.to_string(), reason }
    }

    /// What `get_proof` shows; nothing for a CID that it does not know.
    async fn proofs(&self, cid: &Cid) -> Result<Vec<Entry>> {
        let mut url = self.question("get_proof", cid);
        if let Some(network) = &self.config.network {
            url.query_pairs_mut().append_pair("network", network);
        }
        let answer = self.http.send(self.http.get(url), Effect::None).await?;
        if answer.status == StatusCode::NOT_FOUND {
            return Ok(Vec::new());
        }
        if !answer.status.is_success() {
            return Err(self.http.refused(&answer, Effect::None));
        }
        let proofs: Proofs = self.http.json(&answer, Effect::None)?;
        Ok(self.entries(proofs.deal_info.unwrap_or_default(), |value| {
            let (entry, malformed) = wire::proof_entry(value)?;
            if let Some(error) = malformed {
                tracing::warn!(aggregator = %self.config.name, %cid, deal = ?entry.deal, %error,
                    "a proof cannot be read");
            }
            Ok(entry)
        }))
    }

    /// What `deal_status` shows; nothing for a CID that it does not know.
    async fn statuses(&self, cid: &Cid) -> Result<Vec<Entry>> {
        let request = self.http.get(self.question("deal_status", cid));
        let answer = self.http.send(request, Effect::None).await?;
        if answer.status == StatusCode::NOT_FOUND {
            return Ok(Vec::new());
        }
        if !answer.status.is_success() {
            return Err(self.http.refused(&answer, Effect::None));
        }
        let list: Option<Vec<Value>> = self.http.json(&answer, Effect::None)?;
        Ok(self.entries(list.unwrap_or_default(), wire::status_entry))
    }

    /// Reads a list entry by entry, leaving out what cannot be read.
    fn entries(
        &self,
        list: Vec<Value>,
        read: impl Fn(Value) -> std::result::Result<Entry, wire::Malformed>,
    ) -> Vec<Entry> {
        let read = list.into_iter().take(MAX_ENTRIES).map(read);
        read.filter_map(|entry| {
            entry
                .inspect_err(|error| {
                    tracing::warn!(aggregator = %self.config.name, %error, "a deal cannot be read");
                })
                .ok()
        })
        .collect()
    }

    fn question(&self, what: &str, cid: &Cid) -> Url {
        let mut url = endpoint(&self.config.api_url, &format!("api/lighthouse/{what}"));
        url.query_pairs_mut().append_pair("cid", &cid.to_string());
        url
    }
}

/// There is no order id to ask for: the ticket only says how the order went out.
fn ticket(how: &str, cid: &Cid) -> Ticket {
    Ticket(format!("{how} {cid}"))
}

/// Whether two CIDs name the same block: `Qm…` and its version 1 twin do.
fn same_block(one: &Cid, other: &Cid) -> bool {
    one.hash() == other.hash() && one.codec() == other.codec()
}

#[async_trait]
impl Aggregator for LighthouseAggregator {
    fn name(&self) -> AggregatorName {
        self.config.name.clone()
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            idempotent: false,
            excludes_providers: false,
            copies: 1,
            repeat: Repeat::Undocumented,
            proofs: true,
            latency: self.config.latency,
            deal_duration: self.config.deal_duration,
        }
    }

    /// Pins what the service knows, uploads what it does not.
    async fn submit(&self, order: &Order, payload: &dyn Payload) -> Result<Ticket> {
        if self.is_known(&order.cid).await? {
            self.pin(&order.cid).await?;
            return Ok(ticket("pinned", &order.cid));
        }
        self.upload(&order.cid, payload).await?;
        Ok(ticket("uploaded", &order.cid))
    }

    /// Landed when a deal shows that was not there at the intent; absent when the service does not
    /// know the file, even after a while; otherwise there is no telling a repeated pin that was
    /// lost from one that was taken and waits.
    async fn find(&self, order: &Order) -> Result<Found> {
        let new = |deals: Vec<AggregatorDeal>| {
            let mut ids = deals.into_iter().filter_map(|deal| deal.deal);
            ids.any(|deal| !order.known_deals.contains(&deal))
        };
        let deals = self.deals(&order.cid).await?;
        if !deals.is_empty() || self.is_known(&order.cid).await? {
            let landed = new(deals).then(|| Found::Landed(ticket("found", &order.cid)));
            return Ok(landed.unwrap_or(Found::CannotTell));
        }
        tokio::time::sleep(self.config.grace).await;
        let known = self.is_known(&order.cid).await?;
        Ok(if known { Found::CannotTell } else { Found::Absent })
    }

    async fn deals(&self, cid: &Cid) -> Result<Vec<AggregatorDeal>> {
        let (proofs, statuses) = futures::try_join!(self.proofs(cid), self.statuses(cid))?;
        Ok(merge(proofs, statuses))
    }
}
