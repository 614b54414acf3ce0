//! Where replicas may be and what may be spent on them: the same in a request and in a job's terms.

use serde::{Deserialize, Serialize};

/// Where replicas may be, and how many may be together. Providers are written `"f01000"`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlacementTerms {
    /// At most so many replicas with the providers of one owner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_owner: Option<i64>,
    /// At most so many replicas with the providers of one organisation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_organisation: Option<i64>,
    /// At most so many replicas in one country.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_country: Option<i64>,
    /// Providers to ask for first, where an aggregator lets one choose.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub prefer: Vec<String>,
    /// Providers to leave out until an order without them came to nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub avoid: Vec<String>,
    /// Providers never to order from.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exclude: Vec<String>,
}

/// What may be spent on a CID in any one day of the chain (2880 epochs).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BudgetTerms {
    /// Deals ordered at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deals_per_day: Option<i64>,
    /// Bytes handed to aggregators at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes_per_day: Option<ByteSize>,
}

/// A number of bytes, or text such as `"64GiB"` or `"10GB"`. Answers have the number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ByteSize {
    /// A number of bytes.
    Bytes(u64),
    /// A whole number with a unit.
    Text(String),
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

    use serde_json::json;

    use super::*;
    use crate::RegisterRequest;

    #[test]
    fn what_is_not_asked_for_is_not_written() {
        let free = RegisterRequest { cid: "c".to_owned(), ..RegisterRequest::default() };
        assert_eq!(serde_json::to_value(&free).unwrap(), json!({"cid": "c"}));
        let placement = PlacementTerms { per_country: Some(2), ..PlacementTerms::default() };
        let budget = BudgetTerms {
            bytes_per_day: Some(ByteSize::Text("64GiB".to_owned())),
            ..BudgetTerms::default()
        };
        let asked =
            RegisterRequest { placement: Some(placement), budget: Some(budget), ..free.clone() };
        let written = json!({
            "cid": "c",
            "placement": {"per_country": 2},
            "budget": {"bytes_per_day": "64GiB"},
        });
        assert_eq!(serde_json::to_value(&asked).unwrap(), written);
        assert_eq!(serde_json::from_value::<RegisterRequest>(written).unwrap(), asked);
    }

    #[test]
    fn bytes_are_a_number_or_text_and_misspelt_terms_are_refused() {
        let read = |bytes| serde_json::from_value::<ByteSize>(bytes);
        assert_eq!(read(json!(1_u64 << 40)).unwrap(), ByteSize::Bytes(1 << 40));
        assert_eq!(read(json!("1TiB")).unwrap(), ByteSize::Text("1TiB".to_owned()));
        assert!(read(json!(-1)).is_err() && read(json!([1])).is_err());
        let misspelt = json!({"per_contry": 1});
        let error = serde_json::from_value::<PlacementTerms>(misspelt).unwrap_err().to_string();
        assert!(error.contains("per_contry") && error.contains("per_country"), "{error}");
    }
}
