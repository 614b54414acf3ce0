//! Between the vocabulary and what the contract and the chain write.

use std::collections::BTreeSet;

use alloy::primitives::{B256, Bytes, U256};
use cid::Cid;
use raas_types::{DealId, ListedDeal, MerkleProof, ProviderId, SegmentProof, TipsetKey, TxHash};

use crate::contract::DealStatus::{
    Deal as WireDeal, InclusionProof, InclusionVerifierData, ProofData,
};

/// The Ethereum block hash of a tipset: the BLAKE2b-256 digest of its key as one CBOR byte string
/// (lotus `chain/types/tipset_key.go`, `TipSetKey.Cid`). `None` for the empty key.
pub(crate) fn block_hash(key: &TipsetKey) -> Option<B256> {
    if key.blocks().is_empty() {
        return None;
    }
    let bytes: Vec<u8> = key.blocks().iter().flat_map(Cid::to_bytes).collect();
    let mut state = blake2b_simd::Params::new().hash_length(32).to_state();
    state.update(&cbor_bytes_head(bytes.len())).update(&bytes);
    Some(B256::from_slice(state.finalize().as_bytes()))
}

/// The head of a CBOR byte string (major type 2), in its shortest form.
fn cbor_bytes_head(length: usize) -> Vec<u8> {
    // A tipset has at most a few dozen blocks of 38 bytes; two bytes tell any length it can have.
    match u16::try_from(length).unwrap_or(u16::MAX) {
        short @ 0..=23 => vec![0x40 | short.to_be_bytes()[1]],
        byte @ 24..=0xff => vec![0x58, byte.to_be_bytes()[1]],
        two => [&[0x59][..], &two.to_be_bytes()].concat(),
    }
}

/// The keys under which a contract may hold a CID: its text, as the starter kit's clients write it,
/// and its bytes.
pub(crate) fn keys(cid: &Cid) -> [Bytes; 2] {
    [text_key(cid), cid.to_bytes().into()]
}

/// The key under which we write.
pub(crate) fn text_key(cid: &Cid) -> Bytes {
    cid.to_string().into_bytes().into()
}

/// The deals of a list in its order, without the zeroed entries that the kit's contract leaves and
/// without repeats.
pub(crate) fn deals(lists: impl IntoIterator<Item = Vec<WireDeal>>) -> Vec<ListedDeal> {
    let (mut deals, mut seen) = (Vec::new(), BTreeSet::new());
    for WireDeal { dealId, minerId } in lists.into_iter().flatten() {
        let deal = ListedDeal { deal: DealId::new(dealId), provider: ProviderId::new(minerId) };
        if dealId != 0 && seen.insert(deal) {
            deals.push(deal);
        }
    }
    deals
}

/// The proof as `complete` takes it: subtree first, then index.
pub(crate) fn proof(proof: &SegmentProof) -> (InclusionProof, InclusionVerifierData) {
    let path = |proof: &MerkleProof| ProofData {
        index: proof.index,
        path: proof.path.iter().map(|node| B256::from(node.0)).collect(),
    };
    let inclusion = InclusionProof {
        proofSubtree: path(&proof.inclusion.subtree),
        proofIndex: path(&proof.inclusion.index),
    };
    let segment = InclusionVerifierData {
        commPc: proof.segment.cid.to_bytes().into(),
        sizePc: proof.segment.size.get(),
    };
    (inclusion, segment)
}

/// A transaction's hash as text.
pub(crate) fn tx_hash(hash: B256) -> TxHash {
    TxHash(hash.to_string())
}

/// A number of the contract; one that does not fit is as large as any.
pub(crate) fn saturated(number: U256) -> u64 {
    number.saturating_to()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_hash_is_the_digest_of_the_tipsets_cid() {
        // The CID of a key is CIDv1 DAG-CBOR BLAKE2b-256; its prefix in bytes is 0171a0e40220.
        let genesis = "bafy2bzacecnamqgqmifpluoeldx7zzglxcljo6oja4vrmtj7432rphldpdmm2";
        let genesis = Cid::try_from(genesis).unwrap();
        assert_eq!(hex::encode(&genesis.to_bytes()[..6]), "0171a0e40220");
        assert_eq!(genesis.to_bytes().len(), 38);

        let hash = block_hash(&TipsetKey::new(vec![genesis])).unwrap();
        let cbor = [&[0x58, 38][..], &genesis.to_bytes()].concat();
        let mut state = blake2b_simd::Params::new().hash_length(32).to_state();
        assert_eq!(hash.as_slice(), state.update(&cbor).finalize().as_bytes());
        // A mainnet tipset of seven blocks has more than 255 bytes.
        let seven = block_hash(&TipsetKey::new(vec![genesis; 7])).unwrap();
        let cbor = [&[0x59, 1, 10][..], &genesis.to_bytes().repeat(7)].concat();
        let mut state = blake2b_simd::Params::new().hash_length(32).to_state();
        assert_eq!(seven.as_slice(), state.update(&cbor).finalize().as_bytes());
        assert_eq!(block_hash(&TipsetKey::default()), None);
    }

    #[test]
    fn holes_and_repeats_are_left_out() {
        let wire = |deal, provider| WireDeal { dealId: deal, minerId: provider };
        let lists = [
            vec![wire(5, 1000), wire(0, 0), wire(3, 1001)],
            vec![wire(3, 1001), wire(0, 0), wire(9, 1000)],
        ];
        let ids: Vec<_> = deals(lists).iter().map(|listed| listed.deal.get()).collect();
        assert_eq!(ids, [5, 3, 9]);
    }

    #[test]
    fn long_lists_that_repeat_each_other_are_joined() {
        // Compared each with each, these would take some 10^10 comparisons: minutes.
        let many = |first: u64| {
            let deals = first..first + 100_000;
            deals.map(|deal| WireDeal { dealId: deal, minerId: 1000 }).collect()
        };
        let ids: Vec<_> = deals([many(1), many(50_001)]).iter().map(|d| d.deal.get()).collect();
        assert_eq!(ids, (1..=150_000).collect::<Vec<_>>());
    }
}
