//! What the adapter needs to know: an endpoint, a contract, limits.

use std::{fmt, time::Duration};

use raas_types::ChainEpoch;
use url::Url;

use crate::ContractAddress;

/// 5 nanoFIL a unit of gas: fifty million times the lowest base fee, and five times a base fee at
/// which Filecoin is busy. A `complete` of 50 million units costs 0.25 FIL at most.
const MAX_FEE_PER_GAS: u128 = 5_000_000_000;

/// An Ethereum JSON-RPC endpoint of a Filecoin node, such as `http://127.0.0.1:1234/rpc/v1`.
#[derive(Clone)]
pub struct EndpointSettings {
    /// Where it is.
    pub url: Url,
    /// A bearer token, where it asks for one. Never printed.
    pub token: Option<String>,
    /// How long one request may take, answer read; connecting 5 s of it at most. Default: 30 s,
    /// Filecoin's block time.
    pub timeout: Duration,
    /// The time between two looks at a transaction that is awaited. Default: 5 s, six a block.
    pub poll: Duration,
    /// The most that a transaction may pay, in attoFIL a unit of gas. Default: 5 nanoFIL.
    pub max_fee_per_gas: u128,
}

impl EndpointSettings {
    /// The endpoint with the defaults.
    pub fn new(url: Url) -> Self {
        Self {
            url,
            token: None,
            timeout: Duration::from_secs(30),
            poll: Duration::from_secs(5),
            max_fee_per_gas: MAX_FEE_PER_GAS,
        }
    }
}

/// Host and port only: paths and user names of hosted nodes hold keys.
impl fmt::Debug for EndpointSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { url, token, timeout, poll, max_fee_per_gas } = self;
        f.debug_struct("EndpointSettings")
            .field("host", &url.host_str())
            .field("port", &url.port_or_known_default())
            .field("token", &token.as_ref().map(|_| "…"))
            .field("timeout", timeout)
            .field("poll", poll)
            .field("max_fee_per_gas", max_fee_per_gas)
            .finish()
    }
}

/// A contract behind an endpoint.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The node that is asked, and written through. More nodes to read from are given to
    /// [`EvmDealStatus::also`](crate::EvmDealStatus::also).
    pub endpoint: EndpointSettings,
    /// The contract.
    pub contract: ContractAddress,
    /// Requests older than this are not looked for: the epoch at which the contract was deployed,
    /// or 0.
    pub from_epoch: ChainEpoch,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_print_no_secret() {
        let url = Url::parse("https://user:hunter2@node.example/rpc/v1?key=hunter2").unwrap();
        let settings =
            EndpointSettings { token: Some("hunter2".into()), ..EndpointSettings::new(url) };
        let printed = format!("{settings:?}");
        assert!(printed.contains("node.example") && !printed.contains("hunter2"), "{printed}");
    }
}
