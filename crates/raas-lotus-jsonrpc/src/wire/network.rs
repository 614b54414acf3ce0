//! What a node says of itself.

use serde::Deserialize;

/// `Filecoin.Version`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct NodeVersion {
    version: String,
    /// Says which software it is; older nodes do not.
    #[serde(default)]
    agent: Option<String>,
}

impl NodeVersion {
    /// Software and version, in one line.
    pub(crate) fn text(&self) -> String {
        match &self.agent {
            Some(agent) if !agent.is_empty() && !self.version.contains(agent.as_str()) => {
                format!("{agent} {}", self.version)
            }
            _ => self.version.clone(),
        }
    }

    pub(crate) fn says(&self, name: &str) -> bool {
        self.text().to_lowercase().contains(name)
    }
}
