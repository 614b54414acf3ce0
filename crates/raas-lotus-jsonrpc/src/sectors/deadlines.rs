//! What was read of whole deadlines at one tipset. The sectors of a deadline are asked after in many
//! readings, as they belong to many CIDs; at one tipset the answer cannot change, and is asked for once.
//! Whoever reads at another tipset begins anew; nothing is kept of two.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use raas_types::ProviderId;

use crate::wire;

/// Memory for partitions: those of 10 000 deadlines with one partition each of 100 runs in four sets of
/// 16 bytes a run are 64 MB. What has no room is asked for again.
const LIMIT: usize = 64 << 20;

/// What a deadline takes besides its partitions: its key and a pointer in the map, 24 bytes twice over
/// for the map's room for growth, and the list that is pointed to, 40.
const ENTRY: usize = 24 * 2 + 40;

/// The deadlines that were read at the tipset that is read at.
#[derive(Debug)]
pub(crate) struct Deadlines {
    /// The most that is kept, in bytes.
    limit: usize,
    known: Mutex<AtTipset>,
}

#[derive(Debug, Default)]
struct AtTipset {
    key: wire::Key,
    read: HashMap<(ProviderId, u64), Arc<Vec<wire::Partition>>>,
    bytes: usize,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self::of(LIMIT)
    }
}

impl Deadlines {
    /// Keeps no more than so many bytes.
    fn of(limit: usize) -> Self {
        Self { limit, known: Mutex::default() }
    }

    /// The partitions of a deadline, where they were read at this tipset.
    pub(super) fn get(
        &self,
        at: &wire::Key,
        provider: ProviderId,
        deadline: u64,
    ) -> Option<Arc<Vec<wire::Partition>>> {
        let known = self.lock();
        if known.key != *at {
            return None;
        }
        known.read.get(&(provider, deadline)).cloned()
    }

    /// Keeps them while this tipset is read at, in place of what was kept of that deadline, and where
    /// there is room.
    pub(super) fn keep(
        &self,
        at: &wire::Key,
        provider: ProviderId,
        deadline: u64,
        partitions: &Arc<Vec<wire::Partition>>,
    ) {
        let mut known = self.lock();
        if known.key != *at {
            *known = AtTipset { key: at.clone(), ..AtTipset::default() };
        }
        if let Some(before) = known.read.remove(&(provider, deadline)) {
            known.bytes -= bytes(&before);
        }
        let bytes = known.bytes.saturating_add(bytes(partitions));
        if bytes <= self.limit {
            known.bytes = bytes;
            known.read.insert((provider, deadline), Arc::clone(partitions));
        }
    }

    // What is lost is asked for again, so whatever a panic elsewhere left is good enough.
    fn lock(&self) -> MutexGuard<'_, AtTipset> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What keeping a deadline takes.
fn bytes(partitions: &[wire::Partition]) -> usize {
    ENTRY + partitions.iter().map(wire::Partition::bytes).sum::<usize>()
}

#[cfg(test)]
mod tests {
    use raas_types::{Cid, SectorNumber, TipsetKey};

    use super::*;

    const PROVIDER: ProviderId = ProviderId::new(1000);

    /// The keys of two tipsets.
    fn keys() -> [wire::Key; 2] {
        let blocks = [
            "bafy2bzacecnamqgqmifpluoeldx7zzglxcljo6oja4vrmtj7432rphldpdmm2",
            "bafy2bzacecyaggy24wol5ruvs6qm73gjibs2l2iyhcqmvi7r7a4ph7zx3yqd4",
        ];
        let key = |block| TipsetKey::new(vec![Cid::try_from(block).expect("a CID")]);
        blocks.map(|block| wire::Key::from(&key(block)))
    }

    /// A partition of these run lengths, all of them live and none faulty.
    fn partitions(runs: &[u64]) -> Arc<Vec<wire::Partition>> {
        let partition = serde_json::json!({"AllSectors": runs, "FaultySectors": [0],
            "LiveSectors": runs, "ActiveSectors": runs});
        Arc::new(vec![serde_json::from_value(partition).expect("a partition")])
    }

    fn holds(kept: &Deadlines, at: &wire::Key, deadline: u64, sector: u64) -> bool {
        let partitions = kept.get(at, PROVIDER, deadline);
        partitions.is_some_and(|all| all[0].health(SectorNumber::new(sector)).is_some())
    }

    #[test]
    fn what_was_read_at_one_tipset_is_not_said_of_another() {
        let ([first, second], kept) = (keys(), Deadlines::default());
        kept.keep(&first, PROVIDER, 3, &partitions(&[7, 1]));
        assert!(holds(&kept, &first, 3, 7));
        assert_eq!(kept.get(&first, PROVIDER, 4), None);
        assert_eq!(kept.get(&first, ProviderId::new(1001), 3), None);
        assert_eq!(kept.get(&second, PROVIDER, 3), None);
        assert!(holds(&kept, &first, 3, 7), "asking alone takes nothing away");

        kept.keep(&second, PROVIDER, 3, &partitions(&[8, 1]));
        assert!(holds(&kept, &second, 3, 8) && !holds(&kept, &second, 3, 7));
        assert_eq!(kept.get(&first, PROVIDER, 3), None);
    }

    #[test]
    fn no_more_is_kept_than_there_is_room_for() {
        let [first, second] = keys();
        let one = bytes(&partitions(&[7, 1]));
        let kept = Deadlines::of(2 * one);
        for at in [first, second] {
            for deadline in 0..5 {
                kept.keep(&at, PROVIDER, deadline, &partitions(&[7, 1]));
            }
            let there: Vec<_> = (0..5).map(|deadline| holds(&kept, &at, deadline, 7)).collect();
            assert_eq!(there, [true, true, false, false, false], "another tipset has all the room");
            assert_eq!(kept.lock().bytes, 2 * one);
        }
        let nothing = Arc::new(Vec::new());
        let kept = Deadlines::of(3 * ENTRY);
        for deadline in 0..100 {
            kept.keep(&keys()[0], PROVIDER, deadline, &nothing);
        }
        assert_eq!(kept.lock().read.len(), 3, "deadlines without partitions take room as well");
    }

    #[test]
    fn what_is_read_again_takes_the_place_of_what_was_read_before() {
        let [at, _] = keys();
        let (small, large) = (partitions(&[7, 1]), partitions(&[1; 199]));
        let kept = Deadlines::of(bytes(&small));
        for _ in 0..10 {
            kept.keep(&at, PROVIDER, 3, &small);
        }
        assert!(holds(&kept, &at, 3, 7), "it takes its room once");
        kept.keep(&at, PROVIDER, 3, &large);
        assert_eq!(kept.get(&at, PROVIDER, 3), None, "the old answer is not right any more");
        assert_eq!(kept.lock().bytes, 0);
    }
}
