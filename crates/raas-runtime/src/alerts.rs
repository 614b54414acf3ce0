//! Alerts: what an operator should know, from when it began until it is over.

use std::collections::{BTreeMap, BTreeSet};

use cid::Cid;
use raas_types::ChainEpoch;
use serde::Serialize;

/// The most alerts that are kept: a thousand are more than anyone reads, and some 300 kB.
const LIMIT: usize = 1_000;

/// What an alert is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AlertCode {
    /// An endpoint of the chain is not believed now.
    EndpointAside,
    /// Two endpoints say different things of one deal at one tipset.
    Disagreement,
    /// What would be ordered waits for the word of a second endpoint.
    WitnessMissing,
    /// More of the world seems to die at once than is plausible: nothing is ordered.
    SpendingStopped,
}

impl AlertCode {
    /// All of them.
    pub const ALL: [Self; 4] =
        [Self::EndpointAside, Self::Disagreement, Self::WitnessMissing, Self::SpendingStopped];

    /// The code as JSON and metrics write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::EndpointAside => "endpoint_aside",
            Self::Disagreement => "disagreement",
            Self::WitnessMissing => "witness_missing",
            Self::SpendingStopped => "spending_stopped",
        }
    }
}

/// Something that an operator should know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Alert {
    /// What it is about.
    pub code: AlertCode,
    /// Whom or what: an endpoint, a deal, a CID.
    pub about: String,
    /// In words, as of the last time it was seen.
    pub words: String,
    /// The pinned epoch at which it was first seen; `None` when none was pinned yet.
    pub since: Option<ChainEpoch>,
}

/// The alerts that stand.
#[derive(Debug, Default)]
pub(crate) struct Alerts {
    standing: BTreeMap<Key, Alert>,
    /// What looks at CIDs raised. One alert may be several CIDs': a deal that they share.
    of_cids: BTreeMap<Cid, BTreeSet<Key>>,
}

type Key = (AlertCode, String);

impl Alerts {
    /// Raises an alert, or keeps it standing with new words.
    pub(crate) fn raise(
        &mut self,
        code: AlertCode,
        about: impl Into<String>,
        words: impl Into<String>,
        at: Option<ChainEpoch>,
    ) {
        let (about, words) = (about.into(), words.into());
        let key = (code, about.clone());
        if let Some(alert) = self.standing.get_mut(&key) {
            alert.words = words;
        } else if self.standing.len() < LIMIT {
            tracing::warn!(code = code.name(), about, words, "alert");
            self.standing.insert(key, Alert { code, about, words, since: at });
        }
    }

    /// Ends an alert.
    pub(crate) fn clear(&mut self, code: AlertCode, about: impl Into<String>) {
        self.end(&(code, about.into()));
    }

    /// What a look at a CID found: raises these, each with what it is about and in words, and ends
    /// what earlier looks at it raised and this one does not, unless another CID raised it too.
    pub(crate) fn looked(
        &mut self,
        cid: &Cid,
        found: Vec<(AlertCode, String, String)>,
        at: Option<ChainEpoch>,
    ) {
        let before = self.of_cids.remove(cid).unwrap_or_default();
        let mut now = BTreeSet::new();
        for (code, about, words) in found {
            self.raise(code, about.clone(), words, at);
            if self.standing.contains_key(&(code, about.clone())) {
                now.insert((code, about));
            }
        }
        for key in before.difference(&now) {
            if !self.of_cids.values().any(|keys| keys.contains(key)) {
                self.end(key);
            }
        }
        if !now.is_empty() {
            self.of_cids.insert(*cid, now);
        }
    }

    /// Those that stand, by code and subject.
    pub(crate) fn list(&self) -> Vec<Alert> {
        self.standing.values().cloned().collect()
    }

    fn end(&mut self, key: &Key) {
        if self.standing.remove(key).is_some() {
            let (code, about) = key;
            tracing::info!(code = code.name(), about, "the alert is over");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alert_stands_from_when_it_was_raised_until_it_is_cleared() {
        let mut alerts = Alerts::default();
        let at = |epoch| Some(ChainEpoch::new(epoch));
        alerts.raise(AlertCode::EndpointAside, "a", "down", at(1));
        alerts.raise(AlertCode::EndpointAside, "a", "late", at(2));
        let expected = Alert {
            code: AlertCode::EndpointAside,
            about: "a".to_owned(),
            words: "late".to_owned(),
            since: at(1),
        };
        assert_eq!(alerts.list(), [expected]);
        alerts.clear(AlertCode::EndpointAside, "a");
        alerts.clear(AlertCode::EndpointAside, "never raised");
        assert_eq!(alerts.list(), []);
    }

    #[test]
    fn alerts_are_bounded() {
        let mut alerts = Alerts::default();
        for n in 0..2 * LIMIT {
            alerts.raise(AlertCode::Disagreement, n.to_string(), "", None);
        }
        assert_eq!(alerts.list().len(), LIMIT);
    }

    #[test]
    fn an_alert_of_several_cids_stands_until_the_last_of_them_is_well() {
        let mut alerts = Alerts::default();
        let cid = |n| Cid::new_v1(0x55, cid::multihash::Multihash::wrap(0, &[n]).expect("short"));
        let disputed = || vec![(AlertCode::Disagreement, "101".to_owned(), "two say".to_owned())];
        alerts.looked(&cid(1), disputed(), None);
        alerts.looked(&cid(2), disputed(), None);
        alerts.looked(&cid(1), Vec::new(), None);
        assert_eq!(alerts.list().len(), 1);
        alerts.looked(&cid(3), Vec::new(), None);
        alerts.looked(&cid(2), Vec::new(), None);
        assert_eq!(alerts.list(), []);
    }
}
