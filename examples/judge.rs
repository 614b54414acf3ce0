//! What is true of deals, by the word of one node: `judge [--json] ENDPOINT DEAL_ID...`.

use anyhow::{Result, bail};
use raas_core::{sector_of, verdict};
use raas_lotus::LotusChain;
use raas_lotus_jsonrpc::{JsonRpcLotus, JsonRpcLotusConfig};
use raas_types::{DealId, DealMemory, DealReading, ListedDeal, Provenance, Said};
use serde_json::json;

#[tokio::main]
async fn main() -> Result<()> {
    run(std::env::args().skip(1).collect(), &mut std::io::stdout()).await
}

pub(crate) async fn run(args: Vec<String>, out: &mut impl std::io::Write) -> Result<()> {
    let (json, args): (Vec<_>, Vec<_>) = args.into_iter().partition(|arg| arg == "--json");
    let [endpoint, ids @ ..] = &args[..] else { bail!("judge [--json] ENDPOINT DEAL_ID...") };
    let ids = ids.iter().map(|id| Ok(DealId::new(id.parse()?))).collect::<Result<Vec<_>>>()?;
    let node = JsonRpcLotus::new(JsonRpcLotusConfig::new(endpoint.parse()?))?;
    let at = node.finalized().await?;
    let deals = node.deals(&ids, &at).await;
    let sectors: Vec<_> = deals.iter().filter_map(sector_of).collect();
    let mut health = node.sectors(&sectors, &at).await.into_iter();
    for (id, deal) in ids.into_iter().zip(deals) {
        let by = if let DealReading::Found(d) = &deal { Some(d.proposal.provider) } else { None };
        let said = Said { sector: sector_of(&deal).and_then(|_| health.next()), deal };
        let listed = ListedDeal { deal: id, provider: by.unwrap_or_default() };
        let memory = DealMemory::first_heard(listed, Provenance::Contract, Default::default());
        let verdict = verdict(&said.deal, said.sector.as_ref(), &memory, at.epoch);
        let (kind, known) = (verdict.kind(), json!(verdict));
        let (is, since) = known["since"].as_object().and_then(|s| s.iter().next()).unzip();
        let row = json!({"deal": id, "verdict": kind, "provider": by.map(|p| p.to_string()),
            "sector": sector_of(&said.deal).map(|s| s.number), "since": since, "since_is": is,
            "epoch": at.epoch, "finalized": true, "tipset": at.key, "endpoint": node.endpoint(),
            "said": said});
        let text = if json.is_empty() { format!("{id}: {kind} {row:#}") } else { row.to_string() };
        writeln!(out, "{text}")?;
    }
    Ok(())
}
