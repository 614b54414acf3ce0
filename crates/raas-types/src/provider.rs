//! Providers as they are in the world: what is known of them apart from the chain, and where a
//! client wants replicas.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::ProviderId;

/// What is known of a provider. None of it is on the chain: an operator says so, and what nobody
/// says is absent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ProviderFacts {
    /// Who owns it: the owner's address, as the operator spells it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// The organisation that runs it. Replicas of one organisation are taken to fail together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub organisation: Option<String>,
    /// The country that it is in: two letters, ISO 3166-1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub country: Option<String>,
    /// The share of its sectors that are lost in a year, in millionths.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub yearly_loss_ppm: Option<u32>,
}

impl ProviderFacts {
    /// What it is in one respect; `None` where that is absent.
    pub fn group(&self, by: Grouping) -> Option<&str> {
        match by {
            Grouping::Owner => self.owner.as_deref(),
            Grouping::Organisation => self.organisation.as_deref(),
            Grouping::Country => self.country.as_deref(),
        }
    }
}

/// What is known of providers, by their ids.
pub type ProviderBook = BTreeMap<ProviderId, ProviderFacts>;

/// In what respect providers are told apart, beside their ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Grouping {
    /// By [`ProviderFacts::owner`].
    Owner,
    /// By [`ProviderFacts::organisation`].
    Organisation,
    /// By [`ProviderFacts::country`].
    Country,
}

impl Grouping {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Owner, Self::Organisation, Self::Country];

    /// Its name, as terms write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Organisation => "organisation",
            Self::Country => "country",
        }
    }
}

/// Where replicas may be, and how many may be together.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Placement {
    /// At most so many replicas with the providers of one owner.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_owner: Option<u32>,
    /// At most so many replicas with the providers of one organisation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_organisation: Option<u32>,
    /// At most so many replicas in one country.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_country: Option<u32>,
    /// Providers to ask for first, where an aggregator lets one choose.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub prefer: BTreeSet<ProviderId>,
    /// Providers to leave out until an order without them came to nothing.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub avoid: BTreeSet<ProviderId>,
    /// Providers never to order from. A replica that one of them holds is counted as safe while it
    /// lives, and another is made beside it.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub exclude: BTreeSet<ProviderId>,
}

impl Placement {
    /// Whether any provider will do.
    pub fn is_free(&self) -> bool {
        // Each by its name, so that none is forgotten when another is added. Asked for every job in
        // every plan: nothing is built to compare with.
        let Self { per_owner, per_organisation, per_country, prefer, avoid, exclude } = self;
        [per_owner, per_organisation, per_country].iter().all(|cap| cap.is_none())
            && [prefer, avoid, exclude].iter().all(|providers| providers.is_empty())
    }

    /// The cap on replicas that are alike in one respect.
    pub const fn cap(&self, by: Grouping) -> Option<u32> {
        match by {
            Grouping::Owner => self.per_owner,
            Grouping::Organisation => self.per_organisation,
            Grouping::Country => self.per_country,
        }
    }

    /// The caps that are set.
    pub fn caps(&self) -> impl Iterator<Item = (Grouping, u32)> {
        Grouping::ALL.into_iter().filter_map(|by| Some((by, self.cap(by)?)))
    }
}

/// What may be spent on a CID in any one day of the chain (2880 epochs). What is beyond waits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Budget {
    /// Deals ordered at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deals_per_day: Option<u32>,
    /// Bytes handed to aggregators at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes_per_day: Option<u64>,
}

impl Budget {
    /// Whether there is no limit.
    pub fn is_unlimited(&self) -> bool {
        *self == Self::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_placement_is_free_until_it_says_anything() {
        assert!(Placement::default().is_free());
        let some = BTreeSet::from([ProviderId::new(1000)]);
        let wishes = [
            Placement { per_owner: Some(1), ..Placement::default() },
            Placement { per_organisation: Some(1), ..Placement::default() },
            Placement { per_country: Some(0), ..Placement::default() },
            Placement { prefer: some.clone(), ..Placement::default() },
            Placement { avoid: some.clone(), ..Placement::default() },
            Placement { exclude: some, ..Placement::default() },
        ];
        for wish in wishes {
            assert!(!wish.is_free(), "{wish:?}");
        }
    }
}
