//! The clock: which rounds are null, what the blocks of the others are called, and back from a name
//! to an epoch. Everything follows from the seed; nothing is stored.
//!
//! A block's CID is made up, not the hash of a header: nobody who reads over RPC can tell. Its
//! digest carries the epoch in disguise, so that any key ever given out can be read back.

use std::collections::BTreeSet;

use multihash_codetable::Multihash;
use raas_types::Cid;

/// Codec of chain objects: DAG-CBOR.
const DAG_CBOR: u64 = 0x71;
/// Multihash of chain objects: BLAKE2b-256.
const BLAKE2B_256: u64 = 0xb220;
/// Bytes of a digest that are drawn by hash; the rest hides epoch (8) and fork (2).
const DRAWN: usize = 22;
/// Epochs stay below 2^40 for a million years; the number of a fork goes above.
const FORK_SHIFT: u32 = 40;

/// Names and times of tipsets.
#[derive(Clone, Debug)]
pub(crate) struct Clock {
    pub seed: u64,
    /// One round in so many is null; 0 means none.
    pub null_every: u64,
    /// Unix seconds of epoch 0.
    pub genesis_timestamp: i64,
    /// The world begins here: never a null round, so that there is a head from the start.
    pub start_epoch: i64,
    /// Where the chain was reorganised; see [`Clock::fork`].
    pub forks: Forks,
}

/// The reorganisations of a chain.
#[derive(Clone, Debug, Default)]
pub(crate) struct Forks {
    /// Epochs after which the chain was replaced.
    after: Vec<i64>,
    /// Epochs of the heads that replaced others: never null rounds.
    heads: BTreeSet<i64>,
    /// After this epoch a node that forked has names of its own.
    own_names_after: Option<i64>,
}

impl Clock {
    /// Seconds between two epochs.
    pub(crate) const BLOCK_DELAY: i64 = 30;

    /// Whether the round has no blocks.
    pub(crate) fn is_null(&self, epoch: i64) -> bool {
        epoch > 0
            && epoch != self.start_epoch
            && self.null_every != 0
            && !self.forks.heads.contains(&epoch)
            && self
                .draw(b"null", epoch ^ (i64::from(self.fork_at(epoch)) << FORK_SHIFT))
                .is_multiple_of(self.null_every)
    }

    /// The chain after `epoch` is replaced by another, up to a head at `head` and beyond.
    pub(crate) fn fork(&mut self, epoch: i64, head: i64) {
        self.forks.after.push(epoch);
        self.forks.heads.insert(head);
    }

    /// The last epoch at or before `epoch` that has blocks.
    pub(crate) fn at_or_before(&self, epoch: i64) -> i64 {
        (0..=epoch.max(0)).rev().find(|at| !self.is_null(*at)).unwrap_or(0)
    }

    /// The first epoch at or after `epoch` that has blocks.
    pub(crate) fn at_or_after(&self, epoch: i64) -> i64 {
        (epoch..).find(|at| !self.is_null(*at)).unwrap_or(epoch)
    }

    /// The chain of a node that left the others after `epoch`: the same rounds under other names.
    pub(crate) fn forked_node(&self, epoch: i64) -> Self {
        let mut clock = self.clone();
        clock.forks.own_names_after = Some(epoch);
        clock
    }

    /// The tipset before the one at `epoch`. Genesis is its own parent.
    pub(crate) fn parent(&self, epoch: i64) -> i64 {
        self.at_or_before(epoch - 1)
    }

    /// Unix seconds.
    pub(crate) fn timestamp(&self, epoch: i64) -> i64 {
        self.genesis_timestamp + epoch * Self::BLOCK_DELAY
    }

    /// The key of the tipset at `epoch`: one to three block CIDs.
    pub(crate) fn key(&self, epoch: i64) -> Vec<Cid> {
        let own = self.forks.own_names_after.is_some_and(|after| epoch > after);
        // No world is reorganised as often as to reach the upper half of the numbers.
        let fork = self.fork_at(epoch) | if own { 1 << 15 } else { 0 };
        let blocks = if epoch == 0 { 1 } else { 1 + self.draw(b"blocks", epoch) % 3 };
        (0..blocks).map(|index| self.block(epoch, fork, index)).collect()
    }

    /// The epoch of the tipset with that key; `None` when there never was one.
    pub(crate) fn epoch_of_key(&self, key: &[Cid]) -> Option<i64> {
        let first = key.first()?;
        let digest = first.hash().digest();
        if digest.len() != 32 {
            return None;
        }
        let mask = self.mask(&digest[..DRAWN]);
        let hidden: Vec<_> = digest[DRAWN..].iter().zip(mask).map(|(a, b)| a ^ b).collect();
        let epoch = i64::from_be_bytes(hidden[..8].try_into().ok()?);
        (epoch >= 0 && !self.is_null(epoch) && self.key(epoch) == key).then_some(epoch)
    }

    /// The Ethereum hash of the tipset at `epoch`: the digest of its key's CID, which is the hash of
    /// the key as one CBOR byte string (`lotus chain/types/tipset_key.go`).
    pub(crate) fn block_hash(&self, epoch: i64) -> [u8; 32] {
        let key: Vec<u8> = self.key(epoch).iter().flat_map(Cid::to_bytes).collect();
        let mut cbor = cbor_bytes_header(key.len());
        cbor.extend(key);
        blake2b(&[&cbor])
    }

    /// Some CID that stands for a thing nobody looks into (a state root, a list of messages).
    pub(crate) fn root(&self, what: &str, epoch: i64) -> Cid {
        chain_cid(&blake2b(&[&self.seed.to_be_bytes(), what.as_bytes(), &epoch.to_be_bytes()]))
    }

    /// A number that follows from seed, purpose and position.
    pub(crate) fn draw(&self, purpose: &[u8], position: i64) -> u64 {
        // SplitMix64 over a small FNV-1a of the purpose: cheap, because null rounds are asked often.
        let purpose = purpose.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
        });
        let mut z = (self.seed ^ purpose)
            .wrapping_add(position.cast_unsigned().wrapping_mul(0x9e37_79b9_7f4a_7c15));
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// How often the chain was reorganised below `epoch`. Blocks of different forks have different
    /// names.
    fn fork_at(&self, epoch: i64) -> u16 {
        let forks = self.forks.after.iter().filter(|after| **after < epoch).count();
        u16::try_from(forks).unwrap_or(u16::MAX)
    }

    fn block(&self, epoch: i64, fork: u16, index: u64) -> Cid {
        let mut digest = blake2b(&[
            b"block",
            &self.seed.to_be_bytes(),
            &epoch.to_be_bytes(),
            &fork.to_be_bytes(),
            &index.to_be_bytes(),
        ]);
        let mask = self.mask(&digest[..DRAWN]);
        let hidden = epoch.to_be_bytes().into_iter().chain(fork.to_be_bytes());
        for ((byte, hidden), mask) in digest[DRAWN..].iter_mut().zip(hidden).zip(mask) {
            *byte = hidden ^ mask;
        }
        chain_cid(&digest)
    }

    fn mask(&self, drawn: &[u8]) -> [u8; 32] {
        blake2b(&[b"mask", &self.seed.to_be_bytes(), drawn])
    }
}

/// BLAKE2b-256 of the parts, one after the other.
pub(crate) fn blake2b(parts: &[&[u8]]) -> [u8; 32] {
    let mut state = blake2b_simd::Params::new().hash_length(32).to_state();
    for part in parts {
        state.update(part);
    }
    let mut digest = [0; 32];
    digest.copy_from_slice(state.finalize().as_bytes());
    digest
}

/// The CID of a chain object with that digest (`bafy2bzace…`).
fn chain_cid(digest: &[u8; 32]) -> Cid {
    match Multihash::wrap(BLAKE2B_256, digest) {
        Ok(hash) => Cid::new_v1(DAG_CBOR, hash),
        Err(_) => unreachable!("32 bytes fit a multihash"),
    }
}

/// The header of a CBOR byte string (major type 2). Keys have 38 to 114 bytes.
fn cbor_bytes_header(len: usize) -> Vec<u8> {
    match u8::try_from(len) {
        Ok(len) if len < 24 => vec![0x40 | len],
        Ok(len) => vec![0x58, len],
        Err(_) => {
            let [high, low] = u16::try_from(len).unwrap_or(u16::MAX).to_be_bytes();
            vec![0x59, high, low]
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clock() -> Clock {
        Clock {
            seed: 7,
            null_every: 20,
            genesis_timestamp: 0,
            start_epoch: 1_000,
            forks: Forks::default(),
        }
    }

    #[test]
    fn every_key_leads_back_to_its_epoch() {
        let clock = clock();
        for epoch in (0..3_000).filter(|epoch| !clock.is_null(*epoch)) {
            assert_eq!(clock.epoch_of_key(&clock.key(epoch)), Some(epoch));
        }
    }

    #[test]
    fn a_key_of_another_chain_or_of_half_a_tipset_is_unknown() {
        let clock = clock();
        let other = Clock { seed: 8, ..clock.clone() };
        assert_eq!(clock.epoch_of_key(&other.key(50)), None);
        let wide = (0..).find(|e| !clock.is_null(*e) && clock.key(*e).len() > 1).unwrap_or(0);
        assert_eq!(clock.epoch_of_key(&clock.key(wide)[..1]), None);
        assert_eq!(clock.epoch_of_key(&[]), None);
    }

    #[test]
    fn about_one_round_in_twenty_is_null_and_genesis_and_start_are_not() {
        let clock = clock();
        let nulls = (0..20_000).filter(|epoch| clock.is_null(*epoch)).count();
        assert!((800..1_200).contains(&nulls), "{nulls} of 20 000");
        assert!(!clock.is_null(0) && !clock.is_null(1_000));
        let none = Clock { null_every: 0, ..clock };
        assert!((0..20_000).all(|epoch| !none.is_null(epoch)));
    }

    #[test]
    fn parents_jump_over_null_rounds() {
        let clock = clock();
        let null = (1..).find(|epoch| clock.is_null(*epoch)).unwrap_or(1);
        let child = clock.at_or_after(null);
        assert!(clock.parent(child) < null);
        assert_eq!(clock.parent(0), 0);
    }

    #[test]
    fn a_fork_renames_all_above_and_nothing_below() {
        let old = clock();
        let mut new = old.clone();
        new.fork(1_000, 1_050);
        for epoch in 900..=1_000 {
            assert_eq!((new.is_null(epoch), new.key(epoch)), (old.is_null(epoch), old.key(epoch)));
        }
        for epoch in 1_001..1_200 {
            assert_ne!(new.key(epoch), old.key(epoch));
            assert_eq!(new.epoch_of_key(&old.key(epoch)), None);
        }
        assert!((1_001..1_200).any(|epoch| new.is_null(epoch) != old.is_null(epoch)));
        assert!(!new.is_null(1_050));
        // A deeper one, and one above the first.
        let first = new.clone();
        new.fork(990, 1_060);
        assert_ne!(new.key(995), first.key(995));
        assert_ne!(new.key(1_020), first.key(1_020));
        assert_ne!(new.key(1_020), old.key(1_020));
    }

    #[test]
    fn names_look_like_those_of_the_chain() {
        let key = clock().key(1_000);
        assert!(key.iter().all(|cid| cid.to_string().starts_with("bafy2bzace")));
    }
}
