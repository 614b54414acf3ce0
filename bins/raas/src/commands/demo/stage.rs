//! What the story is played on: a devnet, a node on it with its HTTP face, a client.

use std::path::Path;

use anyhow::{Context, Result};
use raas_client::Client;
use raas_devnet::{DealState, DealTruth, Devnet, DevnetConfig, ProviderAction};
use raas_runtime::{Event, Node, Without};
use raas_types::{ChainEpoch, ProviderId};
use serde_json::json;

use crate::{commands::run::Serving, sandbox::Sandbox, wiring};

/// Devnet, node, face and client in one process, over real sockets.
pub(super) struct Stage {
    devnet: Devnet,
    node: Node,
    pub(super) client: Client,
    // Held for its server.
    _serving: Serving,
}

impl Stage {
    /// Starts everything. Time stands still but for [`step`](Self::step).
    pub(super) async fn set(dir: &Path, without: Without) -> Result<Self> {
        let Sandbox { devnet, config, .. } =
            Sandbox::start(dir, DevnetConfig::new(dir.join("devnet"))).await?;
        let node = wiring::node_from_config(&config, without)?;
        let listen = config.api.listen;
        let serving = Serving::start(&config, listen, node.clone(), false).await?;
        let client = Client::new(&serving.api(), &serving.token)?;
        Ok(Self { devnet, node, client, _serving: serving })
    }

    /// Lets epochs pass, then has the node look. What happened, in order.
    pub(super) async fn step(&self, epochs: u32) -> Result<Vec<Event>> {
        self.devnet.advance(epochs).await;
        let report = self.node.pass().await;
        if let Some(reason) = report.gated {
            anyhow::bail!("the node did not look: {reason}");
        }
        Ok(report.events)
    }

    pub(super) fn now(&self) -> ChainEpoch {
        self.devnet.head().head
    }

    /// The deals that hold a CID, by ground truth.
    pub(super) fn deals(&self, cid: &str) -> Vec<DealTruth> {
        let holds = |deal: &DealTruth| deal.cids.iter().any(|c| c == cid);
        self.devnet.deals().into_iter().filter(holds).collect()
    }

    /// The deals that hold a CID and are proven now, by ground truth.
    pub(super) fn live(&self, cid: &str) -> Vec<DealTruth> {
        let live =
            |deal: &DealTruth| deal.state == DealState::Active && self.now().get() < deal.end;
        self.deals(cid).into_iter().filter(live).collect()
    }

    pub(super) fn do_to(&self, provider: &str, action: ProviderAction) -> Result<()> {
        let id: ProviderId = provider.parse()?;
        self.devnet.control_provider(id, action).context("the devnet refused")?;
        Ok(())
    }

    /// Host and port of a provider's server.
    pub(super) fn server_of(&self, provider: &str) -> Option<String> {
        let providers = self.devnet.providers();
        let found = providers.iter().find(|p| p.id == provider)?;
        found.url.split("//").nth(1).map(|rest| rest.trim_end_matches('/').to_owned())
    }

    pub(super) fn close_gateway(&self) -> Result<()> {
        self.devnet
            .configure_aggregator(json!({ "gateway": "off" }))
            .context("the devnet refused")?;
        Ok(())
    }

    /// Forgets the node's own copy of the bytes.
    pub(super) async fn wipe(&self) -> Result<()> {
        for cid in self.node.blobs().list().await? {
            self.node.blobs().remove(&cid).await?;
        }
        Ok(())
    }
}
