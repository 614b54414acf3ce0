//! The adapter over the devnet's sockets: the port's suite, and what the suite cannot know.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use cid::Cid;
use raas_aggregator::{
    Aggregator, BytesPayload, Error, Found, Payload, Repeat,
    conformance::{self, Harness, test_order},
};
use raas_aggregator_lighthouse::{ApiKey, LighthouseAggregator, LighthouseConfig};
use raas_devnet::{Devnet, DevnetConfig};
use raas_piece::verify;
use raas_retrieval::{ImportProfile, file_blocks};
use raas_types::{AggregatorName, EpochDelta, Order};
use serde_json::{Value, json};
use tempfile::TempDir;

struct Lab {
    devnet: Devnet,
    aggregator: Arc<LighthouseAggregator>,
    data: AtomicU64,
    _dir: TempDir,
}

impl Lab {
    async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let devnet = Devnet::start(DevnetConfig::new(dir.path())).await.unwrap();
        let urls = &devnet.urls().aggregator;
        let mut config = LighthouseConfig::at(
            AggregatorName::new("lighthouse"),
            urls.api.parse().unwrap(),
            urls.upload.parse().unwrap(),
            urls.gateway.parse().unwrap(),
            ApiKey::new("sesame"),
        );
        config.grace = Duration::from_millis(1);
        config.latency = EpochDelta::HOUR;
        let aggregator = Arc::new(LighthouseAggregator::new(config).unwrap());
        Self { devnet, aggregator, data: AtomicU64::new(0), _dir: dir }
    }

    fn configure(&self, patch: Value) {
        self.devnet.configure_aggregator(patch).unwrap();
    }

    /// Past the delay of orders, and past activation.
    async fn pass_time(&self) {
        self.devnet.advance(500).await;
    }
}

#[async_trait]
impl Harness for Lab {
    fn aggregator(&self) -> Arc<dyn Aggregator> {
        self.aggregator.clone()
    }

    async fn data(&self) -> (Cid, Arc<dyn Payload>) {
        let number = self.data.fetch_add(1, Ordering::Relaxed);
        let bytes = Bytes::from(format!("data number {number} ").repeat(20_000));
        let (cid, _) = file_blocks(&bytes, &ImportProfile::KUBO_V1);
        (cid, Arc::new(BytesPayload::new(bytes)))
    }

    async fn settle(&self) {
        self.pass_time().await;
    }
}

fn order(cid: Cid, id: &str, known: &[raas_types::AggregatorDeal]) -> Order {
    let known_deals = known.iter().filter_map(|deal| deal.deal).collect();
    Order { known_deals, ..test_order(cid, id) }
}

#[tokio::test]
async fn the_adapter_passes_the_ports_suite() {
    conformance::all(async || Lab::start().await).await;
}

#[tokio::test]
async fn the_adapter_passes_the_ports_suite_where_repeats_are_ignored() {
    conformance::all(async || {
        let lab = Lab::start().await;
        lab.configure(json!({ "repeat_pin": "ignored" }));
        lab
    })
    .await;
}

#[tokio::test]
async fn an_unknown_file_is_uploaded_and_a_known_one_pinned_without_its_bytes() {
    let lab = Lab::start().await;
    let (cid, payload) = lab.data().await;
    let first = lab.aggregator.submit(&order(cid, "one", &[]), payload.as_ref()).await.unwrap();
    assert_eq!(first.0, format!("uploaded {cid}"));
    lab.pass_time().await;
    let known = lab.aggregator.deals(&cid).await.unwrap();

    struct Untouched;
    #[async_trait]
    impl Payload for Untouched {
        fn size(&self) -> u64 {
            panic!("nobody needs the bytes")
        }
        async fn open(
            &self,
        ) -> std::io::Result<futures::stream::BoxStream<'static, std::io::Result<Bytes>>> {
            panic!("nobody needs the bytes")
        }
    }
    let again = lab.aggregator.submit(&order(cid, "two", &known), &Untouched).await.unwrap();
    assert_eq!(again.0, format!("pinned {cid}"));
    lab.pass_time().await;
    assert_eq!(lab.aggregator.deals(&cid).await.unwrap().len(), 2);
}

#[tokio::test]
async fn the_proof_of_each_deal_verifies_to_the_piece_that_the_chain_has_for_it() {
    let lab = Lab::start().await;
    let (cid, payload) = lab.data().await;
    for id in ["one", "two", "three"] {
        lab.aggregator.submit(&order(cid, id, &[]), payload.as_ref()).await.unwrap();
    }
    lab.pass_time().await;
    let deals = lab.aggregator.deals(&cid).await.unwrap();
    let truth = lab.devnet.deals();
    assert_eq!((deals.len(), truth.len()), (3, 3));
    for deal in deals {
        let truth = truth.iter().find(|truth| Some(truth.id) == deal.deal).unwrap();
        assert_eq!(deal.provider, truth.provider.parse().ok());
        let proof = deal.proof.unwrap();
        assert_eq!(verify(&proof.segment, &proof.inclusion), Ok(truth.piece.clone()));
    }
}

#[tokio::test]
async fn deals_on_the_way_are_shown_once_and_without_an_id() {
    let lab = Lab::start().await;
    let (cid, payload) = lab.data().await;
    let order = order(cid, "one", &[]);
    lab.aggregator.submit(&order, payload.as_ref()).await.unwrap();
    // No epoch passes, but what was ordered is packed.
    lab.devnet.advance(0).await;
    let deals = lab.aggregator.deals(&cid).await.unwrap();
    assert_eq!(deals.len(), 1);
    assert_eq!(deals[0].deal, None);
    assert!(deals[0].proof.is_some());
    assert_eq!(lab.aggregator.find(&order).await.unwrap(), Found::CannotTell);
}

#[tokio::test]
async fn a_repeated_order_that_was_ignored_cannot_be_told_from_one_that_waits() {
    let lab = Lab::start().await;
    assert_eq!(lab.aggregator.capabilities().repeat, Repeat::Undocumented);
    lab.configure(json!({ "repeat_pin": "ignored" }));
    let (cid, payload) = lab.data().await;
    lab.aggregator.submit(&order(cid, "one", &[]), payload.as_ref()).await.unwrap();
    lab.pass_time().await;
    let known = lab.aggregator.deals(&cid).await.unwrap();
    let second = order(cid, "two", &known);
    lab.aggregator.submit(&second, payload.as_ref()).await.unwrap();
    lab.pass_time().await;
    assert_eq!(lab.aggregator.find(&second).await.unwrap(), Found::CannotTell);
    assert_eq!(lab.aggregator.deals(&cid).await.unwrap(), known);
}

#[tokio::test]
async fn data_of_another_import_profile_is_rejected_as_re_chunked() {
    let lab = Lab::start().await;
    let bytes = Bytes::from_static(b"the same bytes");
    let profile = ImportProfile { raw_leaves: false, ..ImportProfile::KUBO_V1 };
    let (cid, _) = file_blocks(&bytes, &profile);
    let error = lab.aggregator.submit(&order(cid, "one", &[]), &BytesPayload::new(bytes)).await;
    match error.unwrap_err() {
        Error::Rejected { reason, .. } => {
            assert!(reason.contains("re-chunked") && reason.contains(&cid.to_string()), "{reason}");
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_service_that_is_switched_off_is_unavailable_and_nothing_was_sent() {
    let lab = Lab::start().await;
    lab.configure(json!({ "api": "off" }));
    let (cid, payload) = lab.data().await;
    let order = order(cid, "one", &[]);
    let error = lab.aggregator.submit(&order, payload.as_ref()).await.unwrap_err();
    assert!(error.was_not_sent() && error.is_temporary(), "{error}");
    assert!(lab.aggregator.deals(&cid).await.unwrap_err().is_temporary());
    lab.configure(json!({ "api": "on" }));
    assert_eq!(lab.aggregator.find(&order).await.unwrap(), Found::Absent);
}
