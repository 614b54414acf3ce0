//! `POST /v1/data`: storing bytes.

use serde::{Deserialize, Serialize};

use crate::{BudgetTerms, ByteSize, PlacementTerms, Span};

/// The query of `POST /v1/data`: terms for a job over what is uploaded. None: the bytes are kept
/// and no job is registered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoreQuery {
    /// Replicas wanted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replicas: Option<i64>,
    /// Renew deals this long before their end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub renew_within: Option<Span>,
    /// Repair replicas this long after the first missed proof.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repair_after: Option<Span>,
    /// At most so many replicas with the providers of one owner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_owner: Option<i64>,
    /// At most so many replicas with the providers of one organisation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_organisation: Option<i64>,
    /// At most so many replicas in one country.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_country: Option<i64>,
    /// Providers to ask for first, such as `"f01000,f01001"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefer: Option<String>,
    /// Providers to leave out until an order without them came to nothing, with commas between.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub avoid: Option<String>,
    /// Providers never to order from, with commas between.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exclude: Option<String>,
    /// Deals ordered for the data at most, in any day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deals_per_day: Option<i64>,
    /// Bytes handed over for the data at most, in any day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes_per_day: Option<ByteSize>,
}

impl StoreQuery {
    /// The same terms, with replicas at these places only.
    #[must_use]
    pub fn placed(self, placement: &PlacementTerms) -> Self {
        let PlacementTerms { per_owner, per_organisation, per_country, .. } = *placement;
        let list = |all: &[String]| (!all.is_empty()).then(|| all.join(","));
        Self {
            per_owner,
            per_organisation,
            per_country,
            prefer: list(&placement.prefer),
            avoid: list(&placement.avoid),
            exclude: list(&placement.exclude),
            ..self
        }
    }

    /// The same terms, with no more spent than this.
    #[must_use]
    pub fn within(self, BudgetTerms { deals_per_day, bytes_per_day }: BudgetTerms) -> Self {
        Self { deals_per_day, bytes_per_day, ..self }
    }
}

/// The answer of `POST /v1/data`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stored {
    /// The CID: that of kubo's `ipfs add --cid-version=1`.
    pub cid: String,
    /// The size of the file in bytes.
    pub bytes: u64,
    /// The id of the job, where terms were given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<String>,
    /// What will not be as it seems.
    #[serde(default)]
    pub warnings: Vec<String>,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

    use serde_json::json;

    use super::*;

    #[test]
    fn a_query_says_what_is_asked_for_and_nothing_else() {
        let placement = PlacementTerms {
            per_country: Some(1),
            exclude: vec!["f01000".to_owned(), "f01001".to_owned()],
            ..PlacementTerms::default()
        };
        let budget = BudgetTerms {
            deals_per_day: Some(2),
            bytes_per_day: Some(ByteSize::Text("1GiB".to_owned())),
        };
        let query = StoreQuery { replicas: Some(3), ..StoreQuery::default() };
        assert_eq!(
            serde_json::to_value(query.placed(&placement).within(budget)).unwrap(),
            json!({"replicas": 3, "per_country": 1, "exclude": "f01000,f01001",
                "deals_per_day": 2, "bytes_per_day": "1GiB"})
        );
        assert_eq!(serde_json::to_value(StoreQuery::default()).unwrap(), json!({}));
    }
}
