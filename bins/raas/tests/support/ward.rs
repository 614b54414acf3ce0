//! A devnet in the test's own process: several nodes of different kinds over one world, each of which
//! can be made ill.

use std::{fs, path::Path, time::Duration};

use raas_deal_status_evm::{EndpointSettings, SigningKey, deploy};
use raas_devnet::{Devnet, DevnetConfig, NodeConfig, NodeKind};

/// The API key of the aggregator.
pub(crate) const API_KEY: &str = "sesame-of-the-aggregator";

/// A devnet with a node of each kind and a final contract, and where a configuration is written.
pub(crate) struct Ward {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) devnet: Devnet,
    pub(crate) contract: String,
}

impl Ward {
    /// A Lotus node, a Forest node and a gateway, in this order.
    pub(crate) async fn open() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let mut config = DevnetConfig::new(dir.path().join("devnet"));
        let node = |kind| NodeConfig { kind, ..NodeConfig::default() };
        config.nodes = [NodeKind::Lotus, NodeKind::Forest, NodeKind::Gateway].map(node).to_vec();
        let devnet = Devnet::start(config).await.expect("a devnet");
        let key = SigningKey::from_bytes(&devnet.funded_key()).expect("a key");
        let contract = deployed(&devnet, &key).await;
        secret(&dir.path().join("contract-key"), &hex::encode(devnet.funded_key()));
        secret(&dir.path().join("aggregator-key"), API_KEY);
        Self { dir, devnet, contract }
    }

    /// The URL of a node; one that is not the first is named so that it is another host.
    pub(crate) fn node(&self, index: usize) -> String {
        let url = self.devnet.urls().nodes[index].clone();
        if index == 0 { url } else { url.replace("127.0.0.1", "localhost") }
    }

    /// A configuration with these endpoints of the chain. The contract is asked at the first of them.
    pub(crate) fn config(&self, endpoints: &[String]) -> String {
        let urls = self.devnet.urls();
        let endpoints: String =
            endpoints.iter().map(|url| format!("[[lotus.endpoint]]\nurl = \"{url}\"\n")).collect();
        format!(
            "[node]\ndir = \"node\"\nperiod = 0.05\n[lotus]\nnetwork = \"devnet\"\n{endpoints}\
             [contract]\naddress = \"{}\"\nkey_file = \"contract-key\"\n[[aggregator]]\n\
             name = \"devnet\"\napi = \"{}\"\nupload = \"{}\"\ngateway = \"{}\"\n\
             key_file = \"aggregator-key\"\nlatency = 480\n[retrieval]\nipni = \"{}\"\n\
             allow = [\"127.0.0.1\"]\n",
            self.contract,
            urls.aggregator.api,
            urls.aggregator.upload,
            urls.aggregator.gateway,
            urls.ipni
        )
    }
}

/// A file that its owner alone may read.
pub(crate) fn secret(path: &Path, text: &str) {
    fs::write(path, text).expect("written");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).expect("a mode");
    }
}

/// Deploys the contract, and waits as long as it takes to become final.
pub(crate) async fn deployed(devnet: &Devnet, key: &SigningKey) -> String {
    let mut endpoint = EndpointSettings::new(devnet.urls().eth.parse().expect("a URL"));
    endpoint.poll = Duration::from_millis(10);
    let deployment = deploy(endpoint, key, Duration::from_secs(60));
    tokio::pin!(deployment);
    let deployed = loop {
        tokio::select! {
            deployed = &mut deployment => break deployed.expect("deployed"),
            () = tokio::time::sleep(Duration::from_millis(10)) => {
                devnet.advance(1).await;
            }
        }
    };
    devnet.advance(60).await;
    deployed.contract.to_string()
}
