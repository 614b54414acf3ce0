//! `raas.toml`: what the binary reads, and nothing below it sees. Relative paths are relative to the
//! file. Secrets stand in files of their own, named here.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use raas_api::DEFAULT_MAX_UPLOAD;
use raas_retrieval::ImportProfile;
use raas_runtime::{Settings, core::BreakerLimits};
use raas_types::EpochDelta;
use serde::{Deserialize, Serialize};
use url::Url;

use crate::output::BadInput;

/// The whole file.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    pub(crate) node: NodeConfig,
    pub(crate) lotus: LotusConfig,
    pub(crate) contract: ContractConfig,
    #[serde(default)]
    pub(crate) breaker: BreakerConfig,
    #[serde(rename = "aggregator", default)]
    pub(crate) aggregators: Vec<AggregatorConfig>,
    #[serde(default)]
    pub(crate) retrieval: RetrievalConfig,
    #[serde(default)]
    pub(crate) api: ApiConfig,
}

/// The node itself.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NodeConfig {
    /// Where all its state is kept: database, bytes, token.
    pub(crate) dir: PathBuf,
    /// Who it is, for leases.
    #[serde(default = "default_name")]
    pub(crate) name: String,
    /// Seconds between passes.
    #[serde(default = "default_period")]
    pub(crate) period: f64,
    /// Decisions that are kept to be replayed.
    #[serde(default = "default_decisions")]
    pub(crate) decisions_kept: usize,
    /// A file with what is known of providers, a table each.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) providers: Option<PathBuf>,
}

/// When more seems lost at once than is believed, and nothing is ordered until it has passed or somebody
/// has looked.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct BreakerConfig {
    /// More of the replicas that were proven than this, in percent, within a day.
    pub(crate) share_percent: u32,
    /// More providers than this that lose all they hold.
    pub(crate) providers: u32,
    /// Fewer replicas than this are never too many.
    pub(crate) fewest: u32,
}

impl Default for BreakerConfig {
    fn default() -> Self {
        let BreakerLimits { share_percent, providers, fewest } = BreakerLimits::default();
        Self { share_percent, providers, fewest }
    }
}

impl BreakerConfig {
    fn check(&self) -> Result<(), String> {
        let Self { share_percent, fewest, .. } = self;
        if !(1..=100).contains(share_percent) {
            let how = "write 1 to 100, as in share_percent = 10";
            return Err(format!("breaker.share_percent is {share_percent}: {how}"));
        }
        if *fewest == 0 {
            let how = "write 1 to have a single loss counted, or leave it out";
            return Err(format!("breaker.fewest is 0: {how}"));
        }
        Ok(())
    }
}

impl From<BreakerConfig> for BreakerLimits {
    fn from(BreakerConfig { share_percent, providers, fewest }: BreakerConfig) -> Self {
        Self { share_percent, providers, fewest }
    }
}

/// The chain.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LotusConfig {
    /// The network that all endpoints must be on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) network: Option<String>,
    /// How far behind the head is final where an endpoint does not say.
    #[serde(default = "default_finality")]
    pub(crate) finality: EpochDelta,
    /// How many endpoints must say a thing before money is spent on it, where there are so many.
    #[serde(default = "default_witnesses")]
    pub(crate) witnesses: usize,
    /// Who is asked; the first is read, the others stand in for it and bear witness.
    #[serde(rename = "endpoint", default)]
    pub(crate) endpoints: Vec<EndpointConfig>,
}

/// A node of the chain.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct EndpointConfig {
    /// Lotus or Forest JSON-RPC, such as `http://127.0.0.1:1234/rpc/v1`.
    pub(crate) url: Url,
    /// A file with the bearer token, where one is needed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) token_file: Option<PathBuf>,
    /// HTTP requests a second that it may be sent; as many as it answers when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) requests_per_second: Option<f64>,
    /// HTTP requests under way at a time; the adapter's own number when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) in_flight: Option<usize>,
}

/// The DealStatus contract.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ContractConfig {
    /// Ethereum JSON-RPC; when left out the chain's endpoints with their tokens, of which the first is
    /// written through.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) url: Option<Url>,
    /// Its address, `0x…`.
    pub(crate) address: String,
    /// The epoch it was deployed at.
    #[serde(default)]
    pub(crate) from_epoch: i64,
    /// A file with the private key that writes to it; without one the node only reads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) key_file: Option<PathBuf>,
}

/// An aggregator with the Lighthouse API.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AggregatorConfig {
    pub(crate) name: String,
    pub(crate) api: Url,
    pub(crate) upload: Url,
    pub(crate) gateway: Url,
    /// A file with the API key.
    pub(crate) key_file: PathBuf,
    /// Which network's deals to ask for; mainnet when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) network: Option<String>,
    /// From order to deal, at the worst that is usual.
    #[serde(default = "default_latency")]
    pub(crate) latency: EpochDelta,
    /// The shortest deal it makes.
    #[serde(default = "default_duration")]
    pub(crate) deal_duration: EpochDelta,
    /// Seconds after which an upload that does not show was certainly not taken.
    #[serde(default = "default_grace")]
    pub(crate) grace: f64,
}

/// Where bytes are fetched from, besides the aggregators' gateways.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RetrievalConfig {
    /// Trustless gateways.
    #[serde(default)]
    pub(crate) gateways: Vec<Url>,
    /// An IPNI index, such as `https://cid.contact`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) ipni: Option<Url>,
    /// Private addresses, networks and host names that may be asked all the same.
    #[serde(default)]
    pub(crate) allow: Vec<String>,
}

/// The HTTP face.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ApiConfig {
    pub(crate) listen: SocketAddr,
    /// Whether `GET /ipfs` asks for no token.
    pub(crate) public_retrieval: bool,
    /// The largest upload, in bytes.
    pub(crate) max_upload: u64,
    /// How uploads become DAGs, and so which CIDs they get.
    pub(crate) profile: Profile,
}

impl Default for ApiConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8787)),
            public_retrieval: false,
            max_upload: DEFAULT_MAX_UPLOAD,
            profile: Profile::KuboV1,
        }
    }
}

/// Import profiles by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Profile {
    /// As `ipfs add --cid-version=1` of kubo.
    #[serde(rename = "kubo-v1")]
    KuboV1,
    /// As `ipfs add --cid-version=0` of kubo.
    #[serde(rename = "kubo-v0")]
    KuboV0,
}

impl From<Profile> for ImportProfile {
    fn from(profile: Profile) -> Self {
        match profile {
            Profile::KuboV1 => Self::KUBO_V1,
            Profile::KuboV0 => Self::KUBO_V0,
        }
    }
}

fn default_name() -> String {
    "raas".to_owned()
}

/// Filecoin's block time.
fn default_period() -> f64 {
    30.0
}

fn default_decisions() -> usize {
    Settings::default().decisions_kept
}

fn default_finality() -> EpochDelta {
    EpochDelta::EC_FINALITY
}

/// One beside the first: what only one endpoint says may be its mistake.
fn default_witnesses() -> usize {
    2
}

fn default_latency() -> EpochDelta {
    EpochDelta::DAY
}

fn default_duration() -> EpochDelta {
    EpochDelta::MIN_DEAL_DURATION
}

fn default_grace() -> f64 {
    10.0
}

impl Config {
    /// Reads a configuration; its paths become absolute.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path)
            .map_err(|error| BadInput(format!("cannot read {}: {error}", path.display())))?;
        let mut config = Self::parse(&text)
            .map_err(|why| BadInput(format!("{} is not as it should be: {why}", path.display())))?;
        let base = path.parent().unwrap_or(Path::new("."));
        let base =
            fs::canonicalize(if base.as_os_str().is_empty() { Path::new(".") } else { base })
                .with_context(|| format!("cannot find the directory of {}", path.display()))?;
        config.rebase(&base);
        Ok(config)
    }

    fn parse(text: &str) -> Result<Self, String> {
        let config: Self = toml::from_str(text)
            .map_err(|error| written_before(text).unwrap_or_else(|| error.to_string()))?;
        if config.lotus.endpoints.is_empty() {
            return Err(format!("it names no endpoint of the chain: {HOW_TO_NAME_ONE}"));
        }
        if config.lotus.witnesses == 0 {
            let how = "write 1 to believe the first endpoint alone, or 2 to have a second one \
                       asked before money is spent";
            return Err(format!("lotus.witnesses is 0: {how}"));
        }
        config.breaker.check()?;
        Ok(config)
    }

    fn rebase(&mut self, base: &Path) {
        let node = [Some(&mut self.node.dir), self.node.providers.as_mut()];
        let paths = node
            .into_iter()
            .chain([self.contract.key_file.as_mut()])
            .flatten()
            .chain(self.lotus.endpoints.iter_mut().filter_map(|e| e.token_file.as_mut()))
            .chain(self.aggregators.iter_mut().map(|a| &mut a.key_file));
        for path in paths {
            *path = base.join(&*path);
        }
    }
}

/// What to write, in words that fit into a line.
const HOW_TO_NAME_ONE: &str = "add a section [[lotus.endpoint]] with url = \
     \"http://127.0.0.1:1234/rpc/v1\" (and token_file = \"…\" where it asks for a token)";

/// What to change in a file that names its one endpoint as it was done before there could be several.
fn written_before(text: &str) -> Option<String> {
    let table: toml::Table = text.parse().ok()?;
    let lotus = table.get("lotus")?.as_table()?;
    let name = ["url", "token_file"].into_iter().find(|name| lotus.contains_key(*name))?;
    Some(format!(
        "[lotus] has {name}, but endpoints of the chain have sections of their own, for there may be \
         several: move url and token_file from [lotus] into a section [[lotus.endpoint]] below it"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINIMAL: &str = r#"
        [node]
        dir = "state"
        [[lotus.endpoint]]
        url = "http://127.0.0.1:1234/rpc/v1"
        [contract]
        address = "0x0000000000000000000000000000000000000001"
    "#;

    #[test]
    fn what_is_left_out_has_a_default_and_paths_are_relative_to_the_file() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("raas.toml");
        fs::write(&path, MINIMAL).expect("written");
        let config = Config::read(&path).expect("a configuration");
        assert_eq!(config.node.dir, fs::canonicalize(dir.path()).expect("a path").join("state"));
        assert_eq!(config.lotus.finality, EpochDelta::new(900));
        assert_eq!((config.lotus.witnesses, config.lotus.endpoints.len()), (2, 1));
        assert_eq!(config.api.listen.port(), 8787);
        assert!(!config.api.public_retrieval);
        assert_eq!(config.api.max_upload, DEFAULT_MAX_UPLOAD);
        assert_eq!(ImportProfile::from(config.api.profile), ImportProfile::KUBO_V1);
    }

    #[test]
    fn the_face_is_set_by_name() {
        let api: ApiConfig =
            toml::from_str("max_upload = 1024\nprofile = \"kubo-v0\"").expect("settings");
        assert_eq!((api.max_upload, api.profile), (1024, Profile::KuboV0));
        assert_eq!(ImportProfile::from(api.profile), ImportProfile::KUBO_V0);
        let error = toml::from_str::<ApiConfig>("profile = \"v2\"").expect_err("no such profile");
        assert!(error.to_string().contains("kubo-v1"), "{error}");
    }

    fn refusal(text: &str) -> String {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("raas.toml");
        fs::write(&path, text).expect("written");
        let error = Config::read(&path).expect_err("it cannot be used");
        assert!(error.is::<BadInput>(), "{error}");
        error.to_string()
    }

    #[test]
    fn a_misspelt_setting_is_bad_input_that_names_it() {
        let error = refusal(&MINIMAL.replace("url =", "ulr ="));
        assert!(error.contains("ulr"), "{error}");
    }

    #[test]
    fn an_endpoint_written_as_before_is_told_how_to_write_it_now() {
        let before = MINIMAL.replace("[[lotus.endpoint]]", "[lotus]");
        let error = refusal(&before);
        assert!(
            error.contains("[lotus] has url") && error.contains("[[lotus.endpoint]]"),
            "{error}"
        );
        // Beside a new one too, and the token alone.
        let both = format!("{MINIMAL}\n[lotus]\ntoken_file = \"token\"\n");
        let error = refusal(&both);
        assert!(error.contains("[lotus] has token_file"), "{error}");
    }

    #[test]
    fn a_chain_without_endpoints_or_witnesses_is_refused() {
        let error = refusal(&MINIMAL.replace("[[lotus.endpoint]]", "[lotus]").replace("url", "# "));
        assert!(error.contains("names no endpoint") && error.contains("url = "), "{error}");
        let error = refusal(&format!("lotus.witnesses = 0\n{MINIMAL}"));
        assert!(error.contains("write 1"), "{error}");
    }

    #[test]
    fn the_breaker_is_as_in_the_runtime_unless_it_is_set() {
        let config = Config::parse(MINIMAL).expect("a configuration");
        assert_eq!(BreakerLimits::from(config.breaker), BreakerLimits::default());
        assert_eq!(config.node.decisions_kept, Settings::default().decisions_kept);
        let set = format!("{MINIMAL}\n[breaker]\nshare_percent = 100\nproviders = 0\nfewest = 1\n");
        let config = Config::parse(&set).expect("a configuration");
        let limits = BreakerLimits { share_percent: 100, providers: 0, fewest: 1 };
        assert_eq!(BreakerLimits::from(config.breaker), limits);
    }

    #[test]
    fn limits_that_cannot_be_meant_are_refused() {
        for (setting, says) in [
            ("share_percent = 0", "breaker.share_percent is 0: write 1 to 100"),
            ("share_percent = 101", "breaker.share_percent is 101: write 1 to 100"),
            ("share_percent = -1", "share_percent"),
            ("fewest = 0", "breaker.fewest is 0: write 1"),
            ("providers = -1", "providers"),
            ("percent = 5", "share_percent"),
        ] {
            let error = refusal(&format!("{MINIMAL}\n[breaker]\n{setting}\n"));
            assert!(error.contains(says), "{setting}: {error}");
        }
        let kept = MINIMAL.replace("[node]", "[node]\ndecisions_kept = -1");
        assert!(refusal(&kept).contains("decisions_kept"));
    }

    /// The sample in the README, taken from there.
    #[test]
    fn the_readme_shows_every_setting_as_it_is() {
        let readme = include_str!("../../../README.md");
        let sample = readme.split("```toml").nth(1).and_then(|rest| rest.split("```").next());
        let sample = sample.expect("a sample");
        let config: Config = toml::from_str(sample).expect("a configuration");
        let all = toml::Table::try_from(&config).expect("a table");
        assert_eq!(settings(&sample.parse().expect("a table")), settings(&all));
        // What may be left out is not.
        let endpoint = &config.lotus.endpoints[0];
        assert!(config.lotus.network.is_some() && endpoint.token_file.is_some());
        assert!(endpoint.requests_per_second.is_some() && endpoint.in_flight.is_some());
        assert!(config.contract.url.is_some() && config.contract.key_file.is_some());
        assert!(config.aggregators[0].network.is_some() && config.retrieval.ipni.is_some());
        assert_eq!(config.api.max_upload, DEFAULT_MAX_UPLOAD);
    }

    /// The names of all settings; of an array, those of its first table.
    fn settings(table: &toml::Table) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for (name, value) in table {
            let value = match value {
                toml::Value::Array(all) => all.first(),
                value => Some(value),
            };
            match value.and_then(toml::Value::as_table) {
                Some(below) => names.extend(settings(below).iter().map(|n| format!("{name}.{n}"))),
                None => names.push(name.clone()),
            }
        }
        names.sort_unstable();
        names
    }
}
