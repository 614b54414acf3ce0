//! The harness that the suite runs the fake with, whole or broken.

use std::sync::{
    Arc,
    atomic::{AtomicI64, AtomicU64, Ordering},
};

use async_trait::async_trait;
use cid::{Cid, multihash::Multihash};
use raas_deal_status::{
    DealRecorder, DealStatusSource, FakeDealStatus,
    conformance::{Harness, Material},
};
use raas_types::{
    ChainEpoch, Commitment, DealId, InclusionProof, ListedDeal, MerkleProof, PaddedSize, PieceInfo,
    ProviderId, SegmentProof, Tipset, TipsetKey,
};

/// Where the chain stands when a check begins.
const FIRST_PIN: ChainEpoch = ChainEpoch::new(100);

/// A world around a fake: the chain grows by one tipset when it is told to.
pub(crate) struct World {
    fake: FakeDealStatus,
    source: Arc<dyn DealStatusSource>,
    recorder: Arc<dyn DealRecorder>,
    head: AtomicI64,
    made: AtomicU64,
}

impl World {
    /// `adapter` is what is tested; it stands for `fake`.
    pub(crate) fn new<A: DealStatusSource + DealRecorder>(
        fake: FakeDealStatus,
        adapter: A,
    ) -> Self {
        let adapter = Arc::new(adapter);
        fake.mine(FIRST_PIN);
        Self {
            fake,
            source: adapter.clone(),
            recorder: adapter,
            head: AtomicI64::new(FIRST_PIN.get()),
            made: AtomicU64::new(0),
        }
    }
}

#[async_trait]
impl Harness for World {
    fn source(&self) -> Arc<dyn DealStatusSource> {
        Arc::clone(&self.source)
    }

    fn recorder(&self) -> Arc<dyn DealRecorder> {
        Arc::clone(&self.recorder)
    }

    async fn pin(&self) -> Tipset {
        tipset(self.head.load(Ordering::Relaxed))
    }

    async fn advance(&self) {
        let head = self.head.fetch_add(1, Ordering::Relaxed) + 1;
        self.fake.mine(ChainEpoch::new(head));
    }

    async fn material(&self) -> Material {
        let n = self.made.fetch_add(1, Ordering::Relaxed) + 1;
        let deal = ListedDeal { deal: DealId::new(n), provider: ProviderId::new(1000 + n % 3) };
        Material { cid: data(n), deal, proof: proof(n) }
    }
}

/// A tipset whose key is made from its epoch.
pub(crate) fn tipset(epoch: i64) -> Tipset {
    let key = |epoch: i64| TipsetKey::new(vec![data(epoch.unsigned_abs())]);
    Tipset { key: key(epoch), epoch: ChainEpoch::new(epoch), parents: key(epoch - 1) }
}

/// The CID of some raw data, by number.
pub(crate) fn data(n: u64) -> Cid {
    // raw (0x55) over sha2-256 (0x12); what the digest is of does not matter here.
    Cid::new_v1(0x55, hash(0x12, n))
}

/// A proof of the right shape.
pub(crate) fn proof(n: u64) -> SegmentProof {
    let path = MerkleProof { index: n, path: vec![Commitment([7; 32])] };
    let cid = Cid::new_v1(0xf101, hash(0x1012, n));
    SegmentProof {
        segment: PieceInfo { cid, size: PaddedSize::MIN },
        inclusion: InclusionProof { subtree: path.clone(), index: path },
    }
}

fn hash(code: u64, n: u64) -> Multihash<64> {
    let mut digest = [0; 32];
    digest[..8].copy_from_slice(&n.to_be_bytes());
    Multihash::wrap(code, &digest).expect("32 bytes fit into a multihash of 64")
}
