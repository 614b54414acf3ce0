//! The story's acts: store, replicate, fault and repair, renew, retrieve.

use std::{
    collections::BTreeSet,
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use raas_api_types::{Span, StoreQuery};
use raas_devnet::{DealTruth, ProviderAction};
use raas_runtime::Event;
use raas_types::{Cause, DealId, EpochDelta, ProviderId, VerdictKind};
use serde::Serialize;
use serde_json::json;

use super::{stage::Stage, teller::Teller, truth::Turns};

/// Replicas in the story.
const REPLICAS: usize = 3;
/// How long before its end a deal is renewed.
const RENEW_WITHIN: EpochDelta = EpochDelta::days(30);
/// How long a replica may go unproven.
const REPAIR_AFTER: EpochDelta = EpochDelta::DAY;
/// Steps that an act may take: of half an hour when a deal is awaited, an order and its deal take
/// about five. Of two hours when a fault is, two days of waiting and the repair take about forty.
const PATIENCE: u32 = 150;

/// The story so far.
pub(super) struct Plot<'a> {
    stage: Stage,
    teller: &'a mut Teller,
    file: PathBuf,
    bytes: u64,
    cid: String,
    turns: Turns,
    verified: bool,
    /// Whether a provider sent corrupt bytes, was named for it, and another one gave the data.
    seen_through: bool,
    /// Whether every act came to its end.
    complete: bool,
}

/// The last line: what ground truth says of it all.
#[derive(Debug, Serialize)]
pub(super) struct Summary {
    event: &'static str,
    pub(super) ok: bool,
    pub(super) cid: String,
    pub(super) bytes: u64,
    pub(super) replicas: usize,
    pub(super) repairs: usize,
    pub(super) renewals: usize,
    pub(super) verified: bool,
    pub(super) deals: usize,
    pub(super) seconds: f64,
}

impl<'a> Plot<'a> {
    pub(super) fn new(stage: Stage, file: PathBuf, teller: &'a mut Teller) -> Self {
        Self {
            stage,
            teller,
            file,
            bytes: 0,
            cid: String::new(),
            turns: Turns::default(),
            verified: false,
            seen_through: false,
            complete: false,
        }
    }

    /// All acts in order.
    pub(super) async fn play(&mut self) -> Result<()> {
        self.store().await?;
        self.replicate().await?;
        self.fault_and_repair().await?;
        self.renew().await?;
        self.retrieve().await?;
        self.complete = true;
        Ok(())
    }

    /// What the devnet knows to be true, held against what the story set out to show.
    pub(super) fn judge(&self, took: Duration) -> Summary {
        // Without truth there is nothing that could be well.
        let live = self.stage.live(&self.cid).unwrap_or_default();
        let deals = self.stage.deals(&self.cid).unwrap_or_default();
        let providers: BTreeSet<_> = live.iter().map(|deal| &deal.provider).collect();
        let faulted = deals.iter().find(|deal| Some(deal.id) == self.turns.lost);
        let repairs = self.turns.repairs(&deals);
        let renewals = self.turns.renewals(&deals);
        // Three, one more for the repair, one more for each renewal: none twice, none too many.
        let sound = deals.len() == REPLICAS + 1 + REPLICAS
            && live.len() == REPLICAS
            && providers.len() == REPLICAS
            && faulted.is_some_and(|deal| !providers.contains(&deal.provider))
            && (repairs, renewals) == (1, REPLICAS);
        Summary {
            event: "summary",
            ok: self.complete && sound && self.verified && self.seen_through,
            cid: self.cid.clone(),
            bytes: self.bytes,
            replicas: providers.len(),
            repairs,
            renewals,
            verified: self.verified,
            deals: deals.len(),
            seconds: (took.as_secs_f64() * 10.0).round() / 10.0,
        }
    }

    async fn store(&mut self) -> Result<()> {
        let query = StoreQuery {
            replicas: Some(REPLICAS as i64),
            renew_within: Some(Span::Epochs(RENEW_WITHIN.get())),
            repair_after: Some(Span::Epochs(REPAIR_AFTER.get())),
            ..StoreQuery::default()
        };
        let size = std::fs::metadata(&self.file)?.len();
        self.teller.act("Storing the file", size);
        let meter = self.teller.meter();
        let stored = self.stage.client.store_file(&self.file, &query, meter).await?;
        let job = stored.job.context("the node registered no job")?;
        self.bytes = stored.bytes;
        self.cid = stored.cid;
        self.teller.event("stored", json!({ "cid": self.cid, "bytes": self.bytes }));
        self.teller
            .event("registered", json!({ "cid": self.cid, "job": job, "replicas": REPLICAS }));
        Ok(())
    }

    async fn replicate(&mut self) -> Result<()> {
        self.teller.act("Making three replicas", REPLICAS as u64);
        for _ in 0..PATIENCE {
            self.step(60).await?;
            let live = self.stage.live(&self.cid)?;
            self.teller.progress(live.len() as u64);
            if live.len() == REPLICAS && self.node_agrees(&live).await? {
                return Ok(());
            }
        }
        bail!("three replicas were not made in time")
    }

    async fn fault_and_repair(&mut self) -> Result<()> {
        let live = self.stage.live(&self.cid)?;
        let victim = live.first().context("there is no replica to lose")?.clone();
        self.turns.fault_at = self.stage.now().get();
        self.turns.lost = Some(victim.id);
        self.turns.before_fault = live;
        self.stage.do_to(victim.provider.parse()?, ProviderAction::Fault)?;
        let injected = json!({ "provider": victim.provider, "deal": victim.id.get() });
        self.teller.act("Waiting for the node to notice and repair", 1);
        self.teller.event("fault_injected", injected);
        for _ in 0..PATIENCE {
            self.step(240).await?;
            let live = self.stage.live(&self.cid)?;
            let repaired = self.turns.repairs(&self.stage.deals(&self.cid)?) > 0;
            if live.len() == REPLICAS && repaired && self.node_agrees(&live).await? {
                return Ok(());
            }
        }
        bail!("the lost replica was not repaired in time")
    }

    async fn renew(&mut self) -> Result<()> {
        let ending = self.stage.live(&self.cid)?;
        let ends: Vec<i64> = ending.iter().map(|deal| deal.end).collect();
        let (Some(first), Some(last)) = (ends.iter().min(), ends.iter().max()) else {
            bail!("there is no deal to renew");
        };
        self.turns.window_at = first - RENEW_WITHIN.get();
        let near = json!({ "deals": ending.iter().map(|deal| deal.id.get()).collect::<Vec<_>>(),
            "days_left": RENEW_WITHIN.get() / EpochDelta::DAY.get() });
        self.turns.ending = ending;
        self.teller.act("Half a year passes, and the deals near their end", REPLICAS as u64);
        self.skip(self.turns.window_at - self.stage.now().get()).await?;
        self.teller.event("near_expiry", near);
        self.until_renewed().await?;
        // Past the end of the last old deal, only the successors hold the data.
        self.skip(last + 1 - self.stage.now().get()).await
    }

    async fn until_renewed(&mut self) -> Result<()> {
        for _ in 0..PATIENCE {
            self.step(240).await?;
            let renewed = self.turns.renewals(&self.stage.deals(&self.cid)?);
            self.teller.progress(renewed as u64);
            let live = self.stage.live(&self.cid)?;
            if renewed == REPLICAS && self.node_agrees(&live).await? {
                return Ok(());
            }
        }
        bail!("the deals were not renewed in time")
    }

    /// Lets a long time pass in leaps, the node looking in between. No leap is longer than the
    /// shortest time in which the story's terms could be missed: a quarter of the renewal window.
    async fn skip(&mut self, epochs: i64) -> Result<()> {
        let mut left = u32::try_from(epochs.max(0)).context("too long a time")?;
        let leap = u32::try_from(RENEW_WITHIN.get() / 4).context("too long a leap")?;
        while left > 0 {
            let now = left.min(leap);
            self.step(now).await?;
            left -= now;
        }
        Ok(())
    }

    /// Lets epochs pass, has the node look, and tells what happened.
    async fn step(&mut self, epochs: u32) -> Result<()> {
        for event in self.stage.step(epochs).await? {
            self.tell(&event);
        }
        Ok(())
    }

    /// The hard way: the node's own copy wiped, the aggregator's gateway off, and the provider that
    /// is asked first serving corrupt bytes.
    async fn retrieve(&mut self) -> Result<()> {
        self.teller.act("Bringing it back from the providers", self.bytes);
        self.stage.wipe().await?;
        self.stage.close_gateway()?;
        let liar = self.stage.asked_first(&self.cid)?.context("nobody has the data")?;
        self.stage.do_to(liar, ProviderAction::Corrupt)?;
        let back = tempfile::NamedTempFile::new()?;
        let meter = self.teller.meter();
        let got = self.stage.client.get(&self.cid, back.path(), meter).await?;
        self.verified = same_bytes(&self.file, back.path())?;
        let source = got.source.unwrap_or_default();
        let provider = self.stage.provider_in(&source);
        let caught = got.tried.iter().any(|tried| self.stage.provider_in(tried) == Some(liar));
        self.seen_through = caught && provider.is_some_and(|provider| provider != liar);
        let text = |provider: ProviderId| provider.to_string();
        self.teller.event(
            "retrieved",
            json!({ "cid": self.cid, "bytes": got.bytes, "provider": provider.map(text),
                "source": source, "corrupt": text(liar), "corrupt_asked": caught,
                "tried": got.tried, "verified": self.verified }),
        );
        Ok(())
    }

    /// Whether the node has seen what ground truth says: that these deals are active.
    async fn node_agrees(&self, live: &[DealTruth]) -> Result<bool> {
        let jobs = self.stage.client.jobs(None).await?;
        let job = jobs.jobs.first().context("the node has no job")?;
        let job = self.stage.client.job(&job.id).await?;
        let active = job.replicas.iter().filter(|r| r.verdict == "active").map(|r| r.deal);
        let active: BTreeSet<u64> = active.collect();
        Ok(live.iter().all(|deal| active.contains(&deal.id.get())))
    }

    fn tell(&mut self, event: &Event) {
        match event {
            Event::Ordered { cause, aggregator, order, .. } => {
                let name = match cause {
                    Cause::Replication => "ordered",
                    Cause::Repair { .. } => "repair_ordered",
                    Cause::Renewal { .. } => "renewal_ordered",
                };
                let replaces = cause.replaces().map(DealId::get);
                self.teller.event(
                    name,
                    json!({ "aggregator": aggregator, "order": order, "replaces": replaces }),
                );
            }
            Event::Judged { deal, provider, to: VerdictKind::Active, replaces, from, .. }
                if *from != Some(VerdictKind::Faulty) =>
            {
                let name = match replaces {
                    None => "deal_active",
                    Some(_) if *replaces == self.turns.lost => "repaired",
                    Some(_) => "renewed",
                };
                let replaced = replaces.map(DealId::get);
                self.teller.event(
                    name,
                    json!({ "deal": deal.get(), "provider": provider.to_string(),
                        "replaces": replaced }),
                );
            }
            _ => {}
        }
    }
}

fn same_bytes(a: &Path, b: &Path) -> io::Result<bool> {
    let (mut a, mut b) = (File::open(a)?, File::open(b)?);
    let (mut left, mut right) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    loop {
        let n = a.read(&mut left)?;
        if n == 0 {
            return Ok(b.read(&mut right)? == 0);
        }
        if b.read_exact(&mut right[..n]).is_err() || left[..n] != right[..n] {
            return Ok(false);
        }
    }
}
