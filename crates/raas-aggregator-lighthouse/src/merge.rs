//! One list of deals from two endpoints that overlap.

use std::collections::BTreeMap;

use raas_types::AggregatorDeal;

use crate::wire::Entry;

/// Merges what `get_proof` and `deal_status` say. A deal on the chain is one by its id. Of deals
/// that have no id yet, both endpoints show the same ones as far as the provider tells.
pub(crate) fn merge(proofs: Vec<Entry>, statuses: Vec<Entry>) -> Vec<AggregatorDeal> {
    let mut by_id = BTreeMap::new();
    let mut making = Vec::new();
    for entry in proofs {
        add(&mut by_id, &mut making, entry);
    }
    let mut shown = making.clone();
    for entry in statuses {
        let seen = entry.deal.is_none()
            && shown.iter().position(|other: &Entry| other.provider == entry.provider).is_some_and(
                |at| {
                    shown.swap_remove(at);
                    true
                },
            );
        if !seen {
            add(&mut by_id, &mut making, entry);
        }
    }
    let entries = by_id.into_values().chain(making);
    entries
        .map(|Entry { deal, provider, proof }| AggregatorDeal { deal, provider, proof })
        .collect()
}

/// A later entry of the same deal adds what earlier ones lack.
fn add(by_id: &mut BTreeMap<raas_types::DealId, Entry>, making: &mut Vec<Entry>, entry: Entry) {
    let Some(id) = entry.deal else {
        making.push(entry);
        return;
    };
    let known = by_id.entry(id).or_insert_with(|| Entry { provider: None, proof: None, ..entry });
    known.provider = known.provider.or(entry.provider);
    known.proof = known.proof.take().or(entry.proof);
}

#[cfg(test)]
mod tests {
    use raas_types::{DealId, ProviderId};

    use super::*;

    fn entry(deal: Option<u64>, provider: Option<u64>) -> Entry {
        let (deal, provider) = (deal.map(DealId::new), provider.map(ProviderId::new));
        Entry { deal, provider, proof: None }
    }

    fn ids(deals: &[AggregatorDeal]) -> Vec<(Option<u64>, Option<u64>)> {
        deals.iter().map(|d| (d.deal.map(DealId::get), d.provider.map(ProviderId::get))).collect()
    }

    #[test]
    fn a_deal_that_both_show_is_one_and_knows_what_either_knows() {
        let merged = merge(
            vec![entry(Some(7), None), entry(Some(8), Some(1000))],
            vec![entry(Some(7), Some(1001)), entry(Some(9), Some(1002))],
        );
        let expected = [(Some(7), Some(1001)), (Some(8), Some(1000)), (Some(9), Some(1002))];
        assert_eq!(ids(&merged), expected);
    }

    #[test]
    fn deals_without_an_id_are_counted_once_for_each_provider() {
        let merged = merge(
            vec![entry(None, Some(1000)), entry(None, Some(1000))],
            vec![entry(None, Some(1000)), entry(None, Some(1001)), entry(None, None)],
        );
        let expected = [(None, Some(1000)), (None, Some(1000)), (None, Some(1001)), (None, None)];
        assert_eq!(ids(&merged), expected);
    }
}
