//! Makes a node of a configuration: one function an adapter. Nothing below sees the configuration.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, Result};
use raas_aggregator::Aggregator;
use raas_aggregator_lighthouse::{ApiKey, LighthouseAggregator, LighthouseConfig};
use raas_api::{Face, Token};
use raas_deal_status_evm::{
    EndpointSettings, EvmDealRecorder, EvmDealStatus, Settings as ContractSettings, SigningKey,
};
use raas_job_store_sqlite::SqliteJobStore;
use raas_lotus_jsonrpc::{JsonRpcLotus, JsonRpcLotusConfig};
use raas_retrieval::{BlobStore, DataSource};
use raas_retrieval_http::{AddressPolicy, ClientOptions, GatewaySource, IpniSource};
use raas_runtime::{Node, Planner, Settings};
use raas_types::{AggregatorName, ChainEpoch, ProviderBook};
use url::Url;

use crate::{
    config::{AggregatorConfig, Config, ContractConfig, EndpointConfig, LotusConfig},
    output::BadInput,
    providers,
    secret::{read_secret, write_secret},
};

/// The file in the node's directory that holds the API token.
const TOKEN_FILE: &str = "api-token";

/// A node with all its adapters.
pub(crate) fn node_from_config(config: &Config, planner: Arc<dyn Planner>) -> Result<Node> {
    let dir = &config.node.dir;
    fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
    let store = SqliteJobStore::open(store_path(config))
        .with_context(|| format!("cannot open the database in {}", dir.display()))?;
    let blobs = BlobStore::open(dir.join("blobs"))
        .with_context(|| format!("cannot open the blobs in {}", dir.display()))?;
    let mut builder = Node::builder()
        .settings(settings_from_config(config)?)
        .planner(planner)
        .store(Arc::new(store))
        .blobs(blobs)
        .providers(providers_from_config(config)?);
    for endpoint in &config.lotus.endpoints {
        builder = builder.chain(Arc::new(chain_from_config(&config.lotus, endpoint)?));
    }
    builder = builder.contract(Arc::new(contract_from_config(config)?));
    if let Some(key) = key_from_config(&config.contract)? {
        let settings = contract_settings_from_config(config)?;
        builder = builder.recorder(Arc::new(EvmDealRecorder::new(settings, key)?));
    }
    for aggregator in &config.aggregators {
        builder = builder.aggregator(aggregator_from_config(aggregator)?);
    }
    for source in sources_from_config(config)? {
        builder = builder.source(source);
    }
    // Each of these is a matter of the configuration.
    Ok(builder.build().map_err(|error| BadInput(error.to_string()))?)
}

/// What is known of providers by the file that is configured; nothing where none is.
pub(crate) fn providers_from_config(config: &Config) -> Result<ProviderBook> {
    config.node.providers.as_deref().map(providers::read).transpose().map(Option::unwrap_or_default)
}

pub(crate) fn settings_from_config(config: &Config) -> Result<Settings> {
    let period = Duration::try_from_secs_f64(config.node.period)
        .ok()
        .filter(|period| !period.is_zero())
        .ok_or_else(|| {
            BadInput(format!("node.period is {}: give seconds above 0", config.node.period))
        })?;
    Ok(Settings {
        name: config.node.name.clone(),
        network: config.lotus.network.clone(),
        witnesses: config.lotus.witnesses,
        period,
        breaker: config.breaker.clone().into(),
        decisions_kept: config.node.decisions_kept,
        ..Settings::default()
    })
}

/// One endpoint of the chain.
pub(crate) fn chain_from_config(
    config: &LotusConfig,
    endpoint: &EndpointConfig,
) -> Result<JsonRpcLotus> {
    let mut lotus = JsonRpcLotusConfig::new(endpoint.url.clone());
    lotus.finality_fallback = config.finality;
    lotus.requests_per_second = endpoint.requests_per_second;
    if let Some(in_flight) = endpoint.in_flight {
        lotus.max_in_flight = in_flight;
    }
    if let Some(path) = &endpoint.token_file {
        lotus.token = Some(raas_lotus_jsonrpc::Token::new(read_secret(path)?));
    }
    // Nothing is asked yet: it is the configuration that cannot be used.
    let refused = |error| BadInput(format!("lotus.endpoint: {error}"));
    Ok(JsonRpcLotus::new(lotus).map_err(refused)?)
}

/// The contract, read at all endpoints that it may be asked at.
fn contract_from_config(config: &Config) -> Result<EvmDealStatus> {
    let contract = EvmDealStatus::new(contract_settings_from_config(config)?)?;
    let others = contract_endpoints_from_config(config)?.into_iter().skip(1);
    others.into_iter().try_fold(contract, |contract, other| Ok(contract.also(other)?))
}

/// The contract behind the first of its endpoints, which is the one to write through.
pub(crate) fn contract_settings_from_config(config: &Config) -> Result<ContractSettings> {
    let ContractConfig { address, from_epoch, .. } = &config.contract;
    let first = contract_endpoints_from_config(config)?.into_iter().next();
    let endpoint = first.ok_or_else(|| BadInput("contract.url is missing".to_owned()))?;
    let contract =
        address.parse().map_err(|error| BadInput(format!("contract.address: {error}")))?;
    Ok(ContractSettings { endpoint, contract, from_epoch: ChainEpoch::new(*from_epoch) })
}

/// Where the contract may be asked, best first: where it is said, else wherever the chain is.
pub(crate) fn contract_endpoints_from_config(config: &Config) -> Result<Vec<EndpointSettings>> {
    if let Some(url) = &config.contract.url {
        return Ok(vec![EndpointSettings::new(url.clone())]);
    }
    let of_chain = config.lotus.endpoints.iter().map(|endpoint| {
        let mut settings = EndpointSettings::new(endpoint.url.clone());
        settings.token = endpoint.token_file.as_deref().map(read_secret).transpose()?;
        Ok(settings)
    });
    of_chain.collect()
}

pub(crate) fn key_from_config(config: &ContractConfig) -> Result<Option<SigningKey>> {
    let Some(path) = &config.key_file else { return Ok(None) };
    let key = read_secret(path)?.parse();
    Ok(Some(key.map_err(|error| BadInput(format!("{}: {error}", path.display())))?))
}

pub(crate) fn aggregator_from_config(config: &AggregatorConfig) -> Result<Arc<dyn Aggregator>> {
    let mut lighthouse = LighthouseConfig::at(
        AggregatorName::new(config.name.clone()),
        config.api.clone(),
        config.upload.clone(),
        config.gateway.clone(),
        ApiKey::new(read_secret(&config.key_file)?),
    );
    lighthouse.network.clone_from(&config.network);
    lighthouse.latency = config.latency;
    lighthouse.deal_duration = config.deal_duration;
    lighthouse.grace = Duration::try_from_secs_f64(config.grace)
        .map_err(|_| BadInput(format!("aggregator.grace is {}: give seconds", config.grace)))?;
    Ok(Arc::new(LighthouseAggregator::new(lighthouse)?))
}

/// The aggregators' gateways first, then other gateways, then whoever IPNI knows.
pub(crate) fn sources_from_config(config: &Config) -> Result<Vec<Arc<dyn DataSource>>> {
    let mut sources: Vec<Arc<dyn DataSource>> = Vec::new();
    let gateways = config.aggregators.iter().map(|a| &a.gateway);
    for gateway in gateways.chain(&config.retrieval.gateways) {
        sources.push(Arc::new(GatewaySource::new(gateway.as_str(), ClientOptions::default())?));
    }
    if let Some(ipni) = &config.retrieval.ipni {
        let policy = AddressPolicy::allowing(&config.retrieval.allow)
            .map_err(|error| BadInput(format!("retrieval.allow: {error}")))?;
        sources.push(Arc::new(IpniSource::new(ipni.as_str(), policy, ClientOptions::default())?));
    }
    Ok(sources)
}

/// The HTTP face of a node, and the token that it asks for.
pub(crate) fn face_from_config(config: &Config, node: Node) -> Result<(Face, String)> {
    let token = token_in(&token_path(config))?;
    let mut face = Face::new(node, Token::new(token.clone()));
    face.public_retrieval = config.api.public_retrieval;
    face.max_upload = config.api.max_upload;
    face.import_profile = config.api.profile.into();
    Ok((face, token))
}

/// Where the database is.
pub(crate) fn store_path(config: &Config) -> PathBuf {
    config.node.dir.join("raas.sqlite")
}

/// Where the API token is kept.
pub(crate) fn token_path(config: &Config) -> PathBuf {
    config.node.dir.join(TOKEN_FILE)
}

/// The API token: made at the first start, kept in a file that only its owner may read. An empty
/// file is none: a token that is empty opens nothing.
fn token_in(path: &Path) -> Result<String> {
    if path.exists() {
        let token = read_secret(path)?;
        if !token.is_empty() {
            return Ok(token);
        }
    }
    let mut bytes = [0_u8; 32];
    getrandom::fill(&mut bytes).map_err(|e| anyhow::anyhow!("no randomness to be had: {e}"))?;
    let token = hex::encode(bytes);
    write_secret(path, &token)?;
    Ok(token)
}

/// A URL of this machine's own devnet, which is well formed.
pub(crate) fn url(text: &str) -> Result<Url> {
    Url::parse(text).with_context(|| format!("{text:?} is no URL"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_made_once_and_an_empty_one_anew() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join(TOKEN_FILE);
        let token = token_in(&path).expect("a token");
        assert_eq!(token.len(), 64);
        assert_eq!(token_in(&path).expect("the same token"), token);
        write_secret(&path, "\n").expect("emptied");
        let other = token_in(&path).expect("another token");
        assert_eq!(token_in(&path).expect("the same token"), other);
        assert!(other.len() == 64 && other != token);
    }
}
