//! What an adapter needs to know of the service and its account.

use std::{fmt, time::Duration};

use raas_types::{AggregatorName, EpochDelta};
use url::Url;

/// A key of the Lighthouse API. It prints as asterisks.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey(String);

impl ApiKey {
    /// The key with this text, as `create_api_key` answered it.
    pub fn new(key: impl Into<String>) -> Self {
        Self(key.into())
    }

    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKey(***)")
    }
}

/// A Lighthouse service and our account there.
#[derive(Clone, Debug)]
pub struct LighthouseConfig {
    /// The name under which the node's configuration knows it.
    pub name: AggregatorName,
    /// The API, such as `https://api.lighthouse.storage`.
    pub api_url: Url,
    /// Where uploads go, such as `https://upload.lighthouse.storage`.
    pub upload_url: Url,
    /// Where files are read, such as `https://gateway.lighthouse.storage`.
    pub gateway_url: Url,
    /// The account's key.
    pub api_key: ApiKey,
    /// The network as `get_proof` names it: `testnet` for calibration, `None` for mainnet.
    pub network: Option<String>,
    /// From order to a deal on the chain, at the worst that is usual: a day on mainnet, six hours
    /// on calibration, as Lighthouse says.
    pub latency: EpochDelta,
    /// How long its deals last, at the least.
    pub deal_duration: EpochDelta,
    /// How long one question may take. An upload has its own time, by size.
    pub timeout: Duration,
    /// How long to wait before a file that Lighthouse does not know after a lost upload is believed
    /// to be absent: the upload may have arrived and still be on its way into the account.
    pub grace: Duration,
}

impl LighthouseConfig {
    /// The public service on mainnet, with the usual limits.
    pub fn mainnet(api_key: ApiKey) -> Self {
        Self::at(
            AggregatorName::new("lighthouse"),
            known_url("https://api.lighthouse.storage"),
            known_url("https://upload.lighthouse.storage"),
            known_url("https://gateway.lighthouse.storage"),
            api_key,
        )
    }

    /// A service at other addresses, with the usual limits.
    pub fn at(
        name: AggregatorName,
        api_url: Url,
        upload_url: Url,
        gateway_url: Url,
        api_key: ApiKey,
    ) -> Self {
        Self {
            name,
            api_url,
            upload_url,
            gateway_url,
            api_key,
            network: None,
            latency: EpochDelta::DAY,
            deal_duration: EpochDelta::MIN_DEAL_DURATION,
            timeout: Duration::from_secs(30),
            // Ten times what importing 255 MiB takes on two cores.
            grace: Duration::from_secs(10),
        }
    }
}

#[expect(clippy::expect_used, reason = "constants of this file, pinned by a test")]
fn known_url(text: &'static str) -> Url {
    Url::parse(text).expect("a well-formed URL")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_in_no_debug_output() {
        let config = LighthouseConfig::mainnet(ApiKey::new("sesame"));
        assert!(!format!("{config:?}").contains("sesame"));
        assert_eq!(config.api_url.as_str(), "https://api.lighthouse.storage/");
    }
}
