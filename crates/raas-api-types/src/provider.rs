//! `/v1/providers`: what an operator knows of providers, and the chain does not.

use serde::{Deserialize, Serialize};

/// What is said of a provider, by `PUT /v1/providers/{id}`: all of it, in place of whatever was said
/// before. What is absent or `null` is not known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ProviderFacts {
    /// Who owns it: the owner's address, spelt alike for all that are its.
    pub owner: Option<String>,
    /// The organisation that runs it, spelt alike for all that are its.
    pub organisation: Option<String>,
    /// The country that it is in: two letters, ISO 3166-1.
    pub country: Option<String>,
    /// The share of its sectors that are lost in a year, in millionths.
    pub yearly_loss_ppm: Option<u32>,
}

/// The providers that something is known of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProviderList {
    /// In the order of their ids.
    pub providers: Vec<ProviderView>,
}

/// A provider and what is known of it; `null` is what is not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProviderView {
    /// Its id, such as `f01000`.
    pub provider: String,
    /// Who owns it.
    pub owner: Option<String>,
    /// The organisation that runs it.
    pub organisation: Option<String>,
    /// The country that it is in.
    pub country: Option<String>,
    /// The share of its sectors that are lost in a year, in millionths.
    pub yearly_loss_ppm: Option<u32>,
    /// Who says so.
    pub source: FactsSource,
}

/// Who says what is known of a provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FactsSource {
    /// An operator, by a call. It stands in place of all that a file says of the provider.
    Call,
    /// The file that the node is configured with.
    File,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_not_known_is_null_and_not_left_out() {
        let view = ProviderView {
            provider: "f01000".to_owned(),
            owner: None,
            organisation: Some("Acme".to_owned()),
            country: None,
            yearly_loss_ppm: None,
            source: FactsSource::File,
        };
        let written = json!({
            "provider": "f01000", "owner": null, "organisation": "Acme", "country": null,
            "yearly_loss_ppm": null, "source": "file",
        });
        assert_eq!(serde_json::to_value(view).unwrap(), written);
    }

    #[test]
    fn facts_may_be_left_out_and_not_misspelt() {
        let facts: ProviderFacts = serde_json::from_value(json!({"country": "DE"})).unwrap();
        assert_eq!((facts.country.as_deref(), facts.owner), (Some("DE"), None));
        assert!(serde_json::from_value::<ProviderFacts>(json!({"organization": "Acme"})).is_err());
    }
}
