//! What the story is played on: a devnet, a node on it with its HTTP face, a client.

use std::{path::Path, sync::Arc};

use anyhow::{Context, Result};
use raas_client::Client;
use raas_devnet::{DealState, DealTruth, Devnet, NodeKind, ProviderAction};
use raas_runtime::{Event, Node, Planner};
use raas_types::{ChainEpoch, ProviderId};
use serde_json::json;

use crate::{
    commands::run::Serving,
    sandbox::{Sandbox, devnet_settings},
    wiring,
};

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
    pub(super) async fn set(
        dir: &Path,
        chain: NodeKind,
        planner: Arc<dyn Planner>,
    ) -> Result<Self> {
        let Sandbox { devnet, config, .. } =
            Sandbox::start(dir, devnet_settings(dir, chain)).await?;
        let node = wiring::node_from_config(&config, planner)?;
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

    /// The deals that hold a CID, by ground truth, providers as the node spells them.
    pub(super) fn deals(&self, cid: &str) -> Result<Vec<DealTruth>> {
        let holds = |deal: &DealTruth| deal.cids.iter().any(|c| c == cid);
        let mut deals: Vec<_> = self.devnet.deals().into_iter().filter(holds).collect();
        for deal in &mut deals {
            deal.provider = deal.provider.parse::<ProviderId>()?.to_string();
        }
        Ok(deals)
    }

    /// The deals that hold a CID and are proven now, by ground truth.
    pub(super) fn live(&self, cid: &str) -> Result<Vec<DealTruth>> {
        let live =
            |deal: &DealTruth| deal.state == DealState::Active && self.now().get() < deal.end;
        Ok(self.deals(cid)?.into_iter().filter(live).collect())
    }

    /// The provider that the index names first of all that have a CID: it goes by their ids, and
    /// knows sectors, which outlive deals.
    pub(super) fn asked_first(&self, cid: &str) -> Result<Option<ProviderId>> {
        let stands =
            |deal: &&DealTruth| deal.activated.is_some() && deal.state != DealState::Terminated;
        let deals = self.deals(cid)?;
        let ids = deals.iter().filter(stands).map(|deal| deal.provider.parse());
        let ids = ids.collect::<Result<Vec<ProviderId>, _>>()?;
        Ok(ids.into_iter().min())
    }

    pub(super) fn do_to(&self, provider: ProviderId, action: ProviderAction) -> Result<()> {
        self.devnet.control_provider(provider, action).context("the devnet refused")?;
        Ok(())
    }

    /// The provider whose server's host and port a text mentions.
    pub(super) fn provider_in(&self, text: &str) -> Option<ProviderId> {
        let providers = self.devnet.providers();
        let mentioned = |url: &str| {
            let server = url.split("//").nth(1).unwrap_or(url).trim_end_matches('/');
            // Port 4021 is not 40213.
            text.match_indices(server).any(|(at, _)| {
                !text[at + server.len()..].starts_with(|next: char| next.is_ascii_digit())
            })
        };
        providers.iter().find(|provider| mentioned(&provider.url))?.id.parse().ok()
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
