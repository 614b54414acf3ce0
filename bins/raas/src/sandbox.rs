//! A devnet with the contract deployed and a configuration for a node on it: what `demo` and `dev`
//! run on.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result};
use raas_deal_status_evm::{Deployment, EndpointSettings, SigningKey, deploy};
use raas_devnet::{Devnet, DevnetConfig, NodeConfig as DevnetNode, NodeKind};
use raas_runtime::Settings;
use raas_types::EpochDelta;

use crate::{
    config::{
        AggregatorConfig, ApiConfig, BreakerConfig, Config, ContractConfig, EndpointConfig,
        LotusConfig, NodeConfig, RetrievalConfig,
    },
    output::BadInput,
    secret::write_secret,
    wiring::url,
};

/// The name of the devnet's aggregator.
pub(crate) const AGGREGATOR: &str = "devnet";

/// How long the deployment of the contract may take in all.
const DEPLOY_PATIENCE: Duration = Duration::from_secs(60);

/// What the directory of a sandbox holds.
const CONFIG_FILE: &str = "raas.toml";
const NODE_DIR: &str = "node";
const DEVNET_DIR: &str = "devnet";

/// A devnet and the configuration of a node on it.
#[derive(Debug)]
pub(crate) struct Sandbox {
    pub(crate) devnet: Devnet,
    pub(crate) config: Config,
    pub(crate) config_path: PathBuf,
}

impl Sandbox {
    /// A devnet that is started again is a new world, in which an earlier one's deals never were: a
    /// directory with the state of an earlier run is refused.
    pub(crate) fn refuse_used(dir: &Path) -> Result<()> {
        let used = [CONFIG_FILE, NODE_DIR].iter().any(|name| dir.join(name).exists())
            || holds_files(&dir.join(DEVNET_DIR));
        if used {
            return Err(BadInput(format!(
                "{} holds the state of an earlier run, and a devnet that is started again is a new \
                 world: name an empty directory",
                dir.display()
            ))
            .into());
        }
        Ok(())
    }

    /// Starts a devnet, deploys the contract, and writes `raas.toml` into `dir`.
    pub(crate) async fn start(dir: &Path, settings: DevnetConfig) -> Result<Self> {
        fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
        let devnet = Devnet::start(settings).await.context("the devnet did not start")?;
        let deployment = deploy_contract(&devnet).await.context("the contract was not deployed")?;
        let config = config_for(&devnet, &deployment, dir)?;
        let config_path = dir.join(CONFIG_FILE);
        let text =
            toml::to_string_pretty(&config).context("the configuration cannot be written")?;
        fs::write(&config_path, text)
            .with_context(|| format!("cannot write {}", config_path.display()))?;
        let config = Config::read(&config_path)?;
        Ok(Self { devnet, config, config_path })
    }
}

/// The settings of a devnet with one node of this kind.
pub(crate) fn devnet_settings(dir: &Path, kind: NodeKind) -> DevnetConfig {
    let mut settings = DevnetConfig::new(dir.join(DEVNET_DIR));
    settings.nodes = vec![DevnetNode { kind, token: None }];
    settings
}

/// Whether there is any file below a directory.
fn holds_files(dir: &Path) -> bool {
    let Ok(mut entries) = fs::read_dir(dir) else { return false };
    entries.any(|entry| {
        entry.is_ok_and(|entry| {
            let path = entry.path();
            !path.is_dir() || holds_files(&path)
        })
    })
}

/// The devnet never embeds the contract: it is deployed by a transaction, as on any network. Time is
/// moved meanwhile, for transactions are executed by tipsets.
async fn deploy_contract(devnet: &Devnet) -> Result<Deployment> {
    let key = SigningKey::from_bytes(&devnet.funded_key())?;
    let mut endpoint = EndpointSettings::new(url(&devnet.urls().eth)?);
    endpoint.poll = Duration::from_millis(10);
    let deployment = deploy(endpoint, &key, DEPLOY_PATIENCE);
    tokio::pin!(deployment);
    loop {
        tokio::select! {
            deployed = &mut deployment => break Ok(deployed?),
            () = tokio::time::sleep(Duration::from_millis(10)) => {
                devnet.advance(1).await;
            }
        }
    }
}

fn config_for(devnet: &Devnet, deployment: &Deployment, dir: &Path) -> Result<Config> {
    let urls = devnet.urls();
    let key_file = PathBuf::from("contract-key");
    write_secret(&dir.join(&key_file), &hex::encode(devnet.funded_key()))?;
    let api_key_file = PathBuf::from("aggregator-key");
    write_secret(&dir.join(&api_key_file), "devnet")?;
    Ok(Config {
        node: NodeConfig {
            dir: NODE_DIR.into(),
            name: "raas".to_owned(),
            period: 0.25,
            decisions_kept: Settings::default().decisions_kept,
            providers: None,
        },
        breaker: BreakerConfig::default(),
        lotus: LotusConfig {
            network: Some("devnet".to_owned()),
            finality: EpochDelta::new(30),
            witnesses: 2,
            endpoints: vec![EndpointConfig {
                url: url(&urls.lotus)?,
                token_file: None,
                requests_per_second: None,
                in_flight: None,
            }],
        },
        contract: ContractConfig {
            url: None,
            address: deployment.contract.to_string(),
            from_epoch: deployment.epoch.get(),
            key_file: Some(key_file),
        },
        aggregators: vec![AggregatorConfig {
            name: AGGREGATOR.to_owned(),
            api: url(&urls.aggregator.api)?,
            upload: url(&urls.aggregator.upload)?,
            gateway: url(&urls.aggregator.gateway)?,
            key_file: api_key_file,
            network: None,
            latency: EpochDelta::HOUR.times(4),
            deal_duration: EpochDelta::MIN_DEAL_DURATION,
            grace: 10.0,
        }],
        retrieval: RetrievalConfig {
            gateways: Vec::new(),
            ipni: Some(url(&urls.ipni)?),
            allow: vec!["127.0.0.1".to_owned()],
        },
        api: ApiConfig { listen: ([127, 0, 0, 1], 0).into(), ..ApiConfig::default() },
    })
}
