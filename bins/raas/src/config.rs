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
}

/// The chain.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LotusConfig {
    /// Lotus or Forest JSON-RPC, such as `http://127.0.0.1:1234/rpc/v1`.
    pub(crate) url: Url,
    /// A file with the bearer token, where one is needed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) token_file: Option<PathBuf>,
    /// The network it must be on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) network: Option<String>,
    /// How far behind the head is final where the endpoint does not say.
    #[serde(default = "default_finality")]
    pub(crate) finality: EpochDelta,
}

/// The DealStatus contract.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ContractConfig {
    /// Ethereum JSON-RPC; the chain's URL when left out.
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

fn default_finality() -> EpochDelta {
    EpochDelta::EC_FINALITY
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
        let mut config: Self = toml::from_str(&text).map_err(|error| {
            BadInput(format!("{} is not as it should be: {error}", path.display()))
        })?;
        let base = path.parent().unwrap_or(Path::new("."));
        let base =
            fs::canonicalize(if base.as_os_str().is_empty() { Path::new(".") } else { base })
                .with_context(|| format!("cannot find the directory of {}", path.display()))?;
        config.rebase(&base);
        Ok(config)
    }

    fn rebase(&mut self, base: &Path) {
        let paths = [Some(&mut self.node.dir), self.lotus.token_file.as_mut()]
            .into_iter()
            .chain([self.contract.key_file.as_mut()])
            .flatten()
            .chain(self.aggregators.iter_mut().map(|a| &mut a.key_file));
        for path in paths {
            *path = base.join(&*path);
        }
    }
}

/// Reads a secret from a file of its own; nobody but its owner may read it.
pub(crate) fn read_secret(path: &Path) -> Result<String> {
    refuse_if_others_may_read(path)?;
    let text = fs::read_to_string(path)
        .map_err(|error| BadInput(format!("cannot read {}: {error}", path.display())))?;
    Ok(text.trim().to_owned())
}

/// A file that holds a secret is its owner's alone.
pub(crate) fn refuse_if_others_may_read(path: &Path) -> Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = fs::metadata(path)
            .map_err(|error| BadInput(format!("cannot read {}: {error}", path.display())))?
            .permissions()
            .mode();
        if mode & 0o077 != 0 {
            return Err(BadInput(format!(
                "{} holds a secret and may be read by others (mode {:o}): chmod 600 it",
                path.display(),
                mode & 0o777
            ))
            .into());
        }
    }
    #[cfg(not(unix))]
    let _ = path;
    Ok(())
}

/// Writes a secret to a file of its own that nobody else may read. The name appears, or changes its
/// content, when all of it is on the disk.
pub(crate) fn write_secret(path: &Path, secret: &str) -> Result<()> {
    use std::io::Write;
    let failed = || format!("cannot write {}", path.display());
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // Temporary files are their owner's alone (mode 600).
    let mut file = tempfile::NamedTempFile::new_in(dir).with_context(failed)?;
    file.write_all(secret.as_bytes()).with_context(failed)?;
    file.as_file().sync_all().with_context(failed)?;
    file.persist(path).with_context(failed)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINIMAL: &str = r#"
        [node]
        dir = "state"
        [lotus]
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

    #[test]
    fn a_misspelt_setting_is_bad_input_that_names_it() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("raas.toml");
        fs::write(&path, MINIMAL.replace("url =", "ulr =")).expect("written");
        let error = Config::read(&path).expect_err("a misspelt setting");
        assert!(error.is::<BadInput>() && error.to_string().contains("ulr"), "{error}");
    }

    /// The sample in the README, taken from there.
    #[test]
    fn the_readme_shows_every_setting_as_it_is() {
        let readme = include_str!("../../../README.md");
        let sample = readme.split("```toml").nth(1).and_then(|rest| rest.split("```").next());
        let sample = sample.expect("a sample");
        let config: Config = toml::from_str(sample).expect("a configuration");
        let keys = |value: toml::Table| -> Vec<(String, Vec<String>)> {
            let sections = value.into_iter().map(|(name, section)| {
                let section = match section {
                    toml::Value::Array(mut all) => all.remove(0),
                    section => section,
                };
                let table = section.as_table().expect("a section");
                let mut keys: Vec<String> = table.keys().cloned().collect();
                keys.sort_unstable();
                (name, keys)
            });
            sections.collect()
        };
        let all = toml::Table::try_from(&config).expect("a table");
        assert_eq!(keys(sample.parse().expect("a table")), keys(all));
        // What may be left out is not.
        assert!(config.lotus.token_file.is_some() && config.lotus.network.is_some());
        assert!(config.contract.url.is_some() && config.contract.key_file.is_some());
        assert!(config.aggregators[0].network.is_some() && config.retrieval.ipni.is_some());
        assert_eq!(config.api.max_upload, DEFAULT_MAX_UPLOAD);
    }

    #[cfg(unix)]
    #[test]
    fn a_secret_that_others_may_read_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("key");
        write_secret(&path, "sesame\n").expect("written");
        assert_eq!(read_secret(&path).expect("a secret"), "sesame");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("a mode");
        let error = read_secret(&path).expect_err("others may read it").to_string();
        assert!(error.contains("chmod 600") && !error.contains("sesame"), "{error}");
        // Written anew it is its owner's alone again.
        write_secret(&path, "sesame").expect("written");
        assert_eq!(read_secret(&path).expect("a secret"), "sesame");
        assert_eq!(fs::read_dir(dir.path()).expect("a directory").count(), 1);
    }
}
