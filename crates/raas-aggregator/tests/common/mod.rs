//! The harness that the suite runs the fake with, whole or broken.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use async_trait::async_trait;
use cid::{Cid, multihash::Multihash};
use raas_aggregator::{Aggregator, BytesPayload, FakeAggregator, Payload, conformance::Harness};

/// A world around a fake: everything ordered lands when it settles.
pub(crate) struct World {
    fake: FakeAggregator,
    adapter: Arc<dyn Aggregator>,
    made: AtomicU64,
}

impl World {
    /// `adapter` is what is tested; it stands for `fake`.
    pub(crate) fn new(fake: FakeAggregator, adapter: impl Aggregator) -> Self {
        Self { fake, adapter: Arc::new(adapter), made: AtomicU64::new(0) }
    }
}

#[async_trait]
impl Harness for World {
    fn aggregator(&self) -> Arc<dyn Aggregator> {
        Arc::clone(&self.adapter)
    }

    async fn data(&self) -> (Cid, Arc<dyn Payload>) {
        let n = self.made.fetch_add(1, Ordering::Relaxed) + 1;
        (data(n), Arc::new(BytesPayload::new(format!("data number {n}"))))
    }

    async fn settle(&self) {
        self.fake.land_all();
    }
}

/// The CID of some raw data, by number.
pub(crate) fn data(n: u64) -> Cid {
    let mut digest = [0; 32];
    digest[..8].copy_from_slice(&n.to_be_bytes());
    // raw (0x55) over sha2-256 (0x12); what the digest is of does not matter here.
    let hash = Multihash::wrap(0x12, &digest).expect("32 bytes fit into a multihash of 64");
    Cid::new_v1(0x55, hash)
}
