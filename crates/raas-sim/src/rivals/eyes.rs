//! How a system sees the world: the chain through the one endpoint it trusts, at its head or behind it;
//! providers by asking them for data.

use raas_types::{ChainEpoch, DealId, DealReading, EpochDelta, OnChainDeal, ProviderId, Tipset};

use super::care::ONLY;
use crate::world::{Truth, World};

/// What a system sees with.
pub(crate) struct Eyes<'a> {
    pub(super) world: &'a mut World,
    pub(super) endpoint: usize,
}

/// What the market says of a deal.
#[derive(Clone, Debug)]
pub(crate) enum Seen {
    Found(OnChainDeal),
    /// It is not there.
    Missing,
    /// The question was not answered.
    Failed,
}

impl Eyes<'_> {
    pub(super) const fn now(&self) -> ChainEpoch {
        self.world.now
    }

    /// The endpoint's head, and how far behind it says it is.
    pub(super) fn head(&mut self) -> Option<(Tipset, EpochDelta)> {
        self.world.head(self.endpoint).ok().map(|head| (head.tipset, head.behind))
    }

    /// The tipset so far behind the endpoint's head.
    pub(super) fn behind_head(&mut self, by: EpochDelta) -> Option<Tipset> {
        let (head, _) = self.head()?;
        self.world.tipset_at(self.endpoint, head.epoch - by).ok()
    }

    /// What the market says of a deal.
    pub(super) fn deal(&mut self, id: DealId, at: &Tipset) -> Seen {
        match self.world.read_deals(self.endpoint, &[id], at).pop() {
            Some(DealReading::Found(found)) => Seen::Found(found),
            Some(DealReading::NotFound { .. }) => Seen::Missing,
            Some(DealReading::Failed(_)) | None => Seen::Failed,
        }
    }

    /// Whether a provider serves the data of a deal, when asked for it.
    pub(super) fn can_retrieve(&self, deal: DealId) -> bool {
        self.world.deals.get(&deal).is_some_and(|deal| self.world.serves(deal))
    }

    /// Whether a provider answers at all.
    pub(super) fn answers(&self, provider: ProviderId) -> bool {
        let mut providers = self.world.providers.iter();
        providers.find(|p| p.id == provider).is_some_and(|p| p.serves(self.world.now))
    }

    /// Whether a provider that answers says that it holds the deal, or is about to.
    pub(super) fn is_held(&self, deal: DealId) -> bool {
        let truth = self.world.deals.get(&deal).map(|deal| deal.truth(self.world.now));
        truth.is_some_and(|truth| !truth.is_over() && truth != Truth::Unpublished)
    }

    /// Whether the system has a copy of its own.
    pub(super) fn has_copy(&self, datum: usize) -> bool {
        self.world.data[datum].copies[ONLY]
    }

    /// An organisation and a country, as operators know them.
    pub(super) fn home(&self, provider: ProviderId) -> Option<(String, String)> {
        let facts = self.world.providers.iter().find(|p| p.id == provider)?.facts();
        Some((facts.organisation?, facts.country?))
    }
}
