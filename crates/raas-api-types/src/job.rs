//! `GET /v1/jobs` and `GET /v1/jobs/{id}`.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{BudgetTerms, EvidenceView, PlacementTerms};

/// A page of jobs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobList {
    /// The jobs, in the order of their ids, without replicas, orders and looks.
    pub jobs: Vec<JobView>,
    /// Where the next page starts (`?after=`); absent on the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// A job and all that is known of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobView {
    /// Its id.
    pub id: String,
    /// The data.
    pub cid: String,
    /// What is asked for.
    pub terms: TermsView,
    /// The number the contract gave it.
    pub submission: Option<u64>,
    /// The epoch of the next look; `null` is as soon as can be.
    pub next_look: Option<i64>,
    /// The deals known to hold the data, or said to.
    #[serde(default)]
    pub replicas: Vec<ReplicaView>,
    /// The orders made for the data, oldest first.
    #[serde(default)]
    pub orders: Vec<OrderView>,
    /// What was written to the contract for the job, oldest first.
    #[serde(default)]
    pub transactions: Vec<TransactionView>,
    /// What the last look saw and decided.
    #[serde(default)]
    pub last_look: Option<Look>,
    /// The last decision about the data that is in the log; absent where none is, and in lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_decision: Option<LoggedDecision>,
}

/// A decision in the log: a plan that did something, with all that it was made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoggedDecision {
    /// Its number; the newest has the highest.
    pub number: u64,
    /// The pinned epoch.
    pub epoch: i64,
}

/// What is asked for; spans in epochs. Placement and budget are absent where anything goes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "each is the term with its name")]
pub struct TermsView {
    pub target: Option<u32>,
    pub min: Option<u32>,
    pub max: Option<u32>,
    pub renewal_threshold: Option<i64>,
    pub repair_threshold: Option<i64>,
    pub until: Option<i64>,
    pub aggregators: Vec<String>,
    pub trust: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub placement: Option<PlacementTerms>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<BudgetTerms>,
}

/// A deal that is said to hold the data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplicaView {
    /// The deal.
    pub deal: u64,
    /// Its provider.
    pub provider: String,
    /// What is true of it: the verdict's name, such as `active` or `faulty`; `unknown` before the
    /// first look.
    pub verdict: String,
    /// The verdict with its particulars.
    pub particulars: Value,
    /// What the verdict is known from.
    pub evidence: Option<EvidenceView>,
    /// `ordered`, `shown` (by an aggregator) or `contract`: how we came to know of it.
    pub known_from: String,
    /// The deal it replaces.
    pub replaces: Option<u64>,
    /// Its sector, once activated.
    pub sector: Option<u64>,
    /// The epoch by which it was to be activated.
    pub start: Option<i64>,
    /// The epoch at which it ends.
    pub end: Option<i64>,
    /// The piece that its sector holds.
    pub piece: Option<String>,
}

/// An order to an aggregator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderView {
    /// Its id.
    pub id: String,
    /// Who was asked.
    pub aggregator: String,
    /// `replication`, `repair` or `renewal`.
    pub cause: String,
    /// The deal it replaces.
    pub replaces: Option<u64>,
    /// The epoch of the decision.
    pub created: i64,
    /// `intended`, `sending`, `sent`, `landed`, `withdrawn` or `failed`.
    pub state: String,
    /// The deal that it has landed as; of several the last.
    pub deal: Option<u64>,
    /// All deals that came of it so far.
    #[serde(default)]
    pub deals: Vec<u64>,
    /// Why it failed.
    pub reason: Option<String>,
}

/// Something written to the contract.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransactionView {
    /// Its hash.
    pub hash: String,
    /// `submit` or `complete`.
    pub kind: String,
    /// The deal that it records.
    pub deal: Option<u64>,
    /// `prepared`, `done` or `failed`.
    pub state: String,
    /// Why it failed.
    pub reason: Option<String>,
}

/// What a look saw and decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Look {
    /// The pinned epoch.
    pub epoch: i64,
    /// The reasons in words.
    pub words: Vec<String>,
    /// What was to be done: steps as data.
    pub steps: Value,
    /// The reasons as data: codes with their numbers.
    pub reasons: Value,
    /// What the contract answered.
    pub contract: ContractAnswers,
    /// How the data came to be here, where this look fetched it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fetched: Option<FetchedView>,
}

/// How the data came to be here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FetchedView {
    /// Who had it: a gateway, a provider.
    pub by: String,
    /// Who was asked before, and what they said.
    pub tried: Vec<String>,
}

/// What the contract answered to the three questions of a look.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContractAnswers {
    /// Which deals are recorded for the CID?
    pub all: ContractAnswer,
    /// Which of them are active?
    pub active: ContractAnswer,
    /// Which end within the renewal threshold?
    pub expiring: ContractAnswer,
}

/// One answer of the contract: `{"deals": [7, 8]}` or `{"error": "…"}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ContractAnswer {
    /// These deal ids.
    Deals(Vec<u64>),
    /// Why it could not say.
    Error(String),
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

    use serde_json::json;

    use super::*;

    #[test]
    fn an_answer_of_the_contract_names_its_deals_or_its_error() {
        let answers = ContractAnswers {
            all: ContractAnswer::Deals(vec![7, 8]),
            active: ContractAnswer::Error("a listed deal is gone".to_owned()),
            expiring: ContractAnswer::Deals(vec![]),
        };
        let written = json!({
            "all": {"deals": [7, 8]},
            "active": {"error": "a listed deal is gone"},
            "expiring": {"deals": []},
        });
        assert_eq!(serde_json::to_value(&answers).unwrap(), written);
        assert_eq!(serde_json::from_value::<ContractAnswers>(written).unwrap(), answers);
    }

    #[test]
    fn a_look_says_how_the_data_came_only_where_it_fetched_it() {
        let deals = || ContractAnswer::Deals(vec![]);
        let mut look = Look {
            epoch: 5,
            words: vec![],
            steps: Value::Null,
            reasons: Value::Null,
            contract: ContractAnswers { all: deals(), active: deals(), expiring: deals() },
            fetched: None,
        };
        let written = serde_json::to_value(&look).unwrap();
        assert!(written.get("fetched").is_none(), "{written}");
        assert_eq!(serde_json::from_value::<Look>(written).unwrap(), look);
        let tried = vec!["a.example: it is not there".to_owned()];
        look.fetched = Some(FetchedView { by: "b.example".to_owned(), tried: tried.clone() });
        let written = serde_json::to_value(&look).unwrap();
        assert_eq!(written["fetched"], json!({"by": "b.example", "tried": tried}));
        assert_eq!(serde_json::from_value::<Look>(written).unwrap(), look);
    }
}
