//! What a verdict is known from: who was asked, where on the chain, and the fields that were read.

use serde::{Deserialize, Serialize};

/// What a verdict is known from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EvidenceView {
    /// The pinned epoch.
    pub epoch: i64,
    /// The block CIDs of the pinned tipset.
    pub tipset: Vec<String>,
    /// Whether the tipset was final.
    pub finalized: bool,
    /// Who was asked.
    pub endpoint: String,
    /// What it answered; absent where an earlier version did not keep it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub said: Option<SaidView>,
    /// Who else was asked at the same tipset, before money was spent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub witness: Option<WitnessView>,
}

/// A second endpoint's word.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WitnessView {
    /// Who was asked.
    pub endpoint: String,
    /// What it answered.
    pub said: SaidView,
}

/// What an endpoint said of a replica.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SaidView {
    /// Of the deal.
    pub deal: DealAnswer,
    /// Of the sector, where it was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sector: Option<SectorAnswer>,
}

/// Whether a question was answered, and how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// It is there; the other fields say how it stands.
    Found,
    /// The chain does not have it.
    NotFound,
    /// There was no answer; `error` says why.
    #[default]
    Failed,
}

/// What the market said of a deal. What it did not say is absent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DealAnswer {
    /// The method that was called.
    pub method: String,
    /// Whether it is there.
    pub answer: Answer,
    /// The provider of the proposal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// The piece of the proposal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub piece: Option<String>,
    /// The epoch by which it was to be activated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start: Option<i64>,
    /// The epoch at which it ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end: Option<i64>,
    /// The sector that holds it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sector: Option<u64>,
    /// The epoch of its activation; absent while it is published only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub activated: Option<i64>,
    /// The epoch at which it was slashed, of deals before network version 22.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slashed: Option<i64>,
    /// Where it is not found: the id that the market gives next. A deal below it was made once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_id: Option<u64>,
    /// The method by which that id is learned; present where the deal is not found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_id_method: Option<String>,
    /// Why there was no answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// What the provider's state said of a sector. What it did not say is absent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SectorAnswer {
    /// The method by which its health was learned; where there is no health to tell, those of which one
    /// was called.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// Whether the provider knows it.
    pub answer: Answer,
    /// `active`, `unproven` (new, and no fault), `faulty` or `dead`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health: Option<String>,
    /// Its deadline, 0 to 47.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deadline: Option<u64>,
    /// Its partition within the deadline.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub partition: Option<u64>,
    /// The last epoch of the first deadline that was not proven, where the endpoint can tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_missed: Option<i64>,
    /// The method by which that epoch was learned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_missed_method: Option<String>,
    /// When the sector expires.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expiration: Option<i64>,
    /// The epoch at which its deadline has ended again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_deadline_end: Option<i64>,
    /// Why there was no answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

    use serde_json::json;

    use super::*;

    #[test]
    fn what_was_not_said_is_absent_and_reads_back() {
        let deal = DealAnswer {
            method: "StateMarketStorageDeal".to_owned(),
            answer: Answer::NotFound,
            next_id: Some(9),
            ..DealAnswer::default()
        };
        let evidence = EvidenceView {
            epoch: 5,
            tipset: vec![],
            finalized: true,
            endpoint: "a".to_owned(),
            said: Some(SaidView { deal, sector: None }),
            witness: None,
        };
        let written = serde_json::to_value(&evidence).unwrap();
        let deal = json!({"method": "StateMarketStorageDeal", "answer": "not_found", "next_id": 9});
        assert_eq!(written["said"], json!({ "deal": deal }));
        assert!(written.get("witness").is_none(), "{written}");
        assert_eq!(serde_json::from_value::<EvidenceView>(written).unwrap(), evidence);
    }

    #[test]
    fn evidence_of_earlier_versions_is_read() {
        let before = json!({"epoch": 5, "tipset": [], "finalized": true, "endpoint": "a"});
        let evidence: EvidenceView = serde_json::from_value(before).unwrap();
        assert_eq!((evidence.said, evidence.witness), (None, None));
    }
}
