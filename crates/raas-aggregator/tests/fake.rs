//! The fake keeps the port's promises, and does what its documentation says.

mod common;

use std::io;

use async_trait::async_trait;
use bytes::Bytes;
use common::{World, data};
use futures::{
    StreamExt as _, TryStreamExt as _,
    stream::{self, BoxStream},
};
use raas_aggregator::{
    Aggregator, Answer, BytesPayload, Capabilities, DealIds, Error, FakeAggregator, Found,
    MockAggregator, Payload, Repeat,
    conformance::{self, test_order},
};
use raas_types::{DealId, ListedDeal, Order, ProviderId, SegmentProof, Ticket};

/// As real services are: no order ids, no choice of provider, repeats as they please.
fn lighthouse_like() -> FakeAggregator {
    let capabilities = Capabilities {
        idempotent: false,
        excludes_providers: false,
        repeat: Repeat::Undocumented,
        ..FakeAggregator::new("").capabilities()
    };
    FakeAggregator::with("like a lighthouse", capabilities)
}

#[tokio::test]
async fn the_fake_passes_the_suite_in_each_of_its_natures() {
    let able = FakeAggregator::new("").capabilities();
    let natures = [
        able.clone(),
        lighthouse_like().capabilities(),
        Capabilities { copies: 2, repeat: Repeat::Ignored, ..able.clone() },
        Capabilities { idempotent: false, excludes_providers: false, copies: 3, ..able.clone() },
        Capabilities { idempotent: false, repeat: Repeat::Ignored, proofs: false, ..able },
    ];
    for capabilities in natures {
        for at_once in [false, true] {
            conformance::all(&async || {
                let fake = FakeAggregator::with("fake", capabilities.clone());
                fake.land_at_once(at_once);
                World::new(fake.clone(), fake)
            })
            .await;
        }
    }
}

#[tokio::test]
async fn deals_land_on_the_providers_in_turn_with_ids_from_one_sequence() {
    let (one, other) = (FakeAggregator::new("one"), FakeAggregator::new("other"));
    let ids = DealIds::starting_at(DealId::new(70));
    for fake in [&one, &other] {
        fake.set_deal_ids(ids.clone());
        fake.set_providers(vec![ProviderId::new(1), ProviderId::new(2)]);
    }
    for n in 1..=3 {
        submit(&one, &test_order(data(n), &format!("order {n}"))).await;
    }
    submit(&other, &test_order(data(4), "order 4")).await;
    assert_eq!(one.waiting(), 3);
    assert_eq!(one.land(&data(2)), [deal(70, 1)]);
    assert_eq!(other.land_all(), [(data(4), deal(71, 1))]);
    assert_eq!(one.land_all(), [(data(1), deal(72, 2)), (data(3), deal(73, 1))]);
    assert_eq!((one.waiting(), one.land_all()), (0, Vec::new()));
}

#[tokio::test]
async fn an_order_that_excludes_everyone_waits() {
    let fake = FakeAggregator::new("fake");
    fake.set_providers(vec![ProviderId::new(1)]);
    let exclude = [ProviderId::new(1)].into();
    submit(&fake, &Order { exclude, ..test_order(data(1), "choosy") }).await;
    assert!(fake.land_all().is_empty());
    fake.set_providers(vec![ProviderId::new(1), ProviderId::new(2)]);
    assert_eq!(fake.land_all(), [(data(1), deal(1, 2))]);
}

#[tokio::test]
async fn a_test_may_name_the_deal_or_lose_it() {
    let fake = FakeAggregator::new("fake");
    assert!(!fake.land_as(&data(1), deal(9, 9)), "nothing is ordered");
    submit(&fake, &test_order(data(1), "one")).await;
    submit(&fake, &test_order(data(1), "two")).await;
    assert!(fake.land_as(&data(1), deal(9, 9)));
    assert_eq!(fake.lose(&data(1)), 1);
    let shown = fake.deals(&data(1)).await.expect("it is up");
    assert_eq!(shown.iter().map(|shown| shown.deal).collect::<Vec<_>>(), [Some(DealId::new(9))]);
    assert!(fake.land_all().is_empty());
}

#[tokio::test]
async fn the_payload_is_read_once_for_each_cid_and_its_size_is_checked() {
    let fake = FakeAggregator::new("fake");
    let payload = BytesPayload::new(vec![7; 200_000]);
    for id in ["one", "two"] {
        fake.submit(&test_order(data(1), id), &payload).await.expect("taken");
    }
    assert_eq!((fake.calls().submits, fake.calls().uploads), (2, 1));

    let short = fake.submit(&test_order(data(2), "short"), &Announces(payload, 1)).await;
    assert!(matches!(short, Err(Error::Payload { source, .. })
        if source.to_string() == "200000 bytes came of the 200001 that were announced"));
    assert_eq!(fake.orders().len(), 2, "nothing was ordered");

    fake.hold(data(3), 1);
    submit(&fake, &test_order(data(3), "held")).await;
    assert_eq!(fake.calls().uploads, 2, "it had that already");
}

#[tokio::test]
async fn answers_that_are_set_are_used_up_one_by_one() {
    for (answer, taken) in [
        (Answer::Unavailable, false),
        (Answer::Rejected, false),
        (Answer::Misconfigured, false),
        (Answer::RequestLost, false),
        (Answer::TakenAnswerLost, true),
    ] {
        let fake = lighthouse_like();
        fake.answer_next(answer);
        let order = test_order(data(1), "one");
        let error = fake.submit(&order, &payload()).await.expect_err("it was told to fail");
        let certain = !matches!(answer, Answer::RequestLost | Answer::TakenAnswerLost);
        assert_eq!(error.was_not_sent(), certain, "{answer:?}");
        assert_eq!(!fake.orders().is_empty(), taken, "{answer:?}");
        assert_eq!(fake.deals(&data(1)).await.expect("it is up").len(), usize::from(taken));
        let found = fake.find(&order).await.expect("it is up");
        assert_eq!(found, if taken { Found::CannotTell } else { Found::Absent }, "{answer:?}");
        assert!(fake.submit(&order, &payload()).await.is_ok(), "used up");
    }
}

#[tokio::test]
async fn an_aggregator_that_is_down_answers_nothing_and_takes_nothing() {
    let fake = FakeAggregator::new("fake");
    let order = test_order(data(1), "one");
    fake.set_down(true);
    assert!(matches!(fake.submit(&order, &payload()).await, Err(Error::Unavailable { .. })));
    assert!(matches!(fake.find(&order).await, Err(Error::Unavailable { .. })));
    assert!(matches!(fake.deals(&data(1)).await, Err(Error::Unavailable { .. })));
    fake.set_down(false);
    assert_eq!(fake.find(&order).await.expect("it is up"), Found::Absent);
    fake.set_cannot_tell(true);
    assert_eq!(fake.find(&order).await.expect("it is up"), Found::CannotTell);
    assert_eq!((fake.calls().finds, fake.calls().deals), (3, 1));
}

#[tokio::test]
async fn an_undocumented_repeat_does_what_the_test_says() {
    for (on, expected) in [(false, 1), (true, 2)] {
        let fake = lighthouse_like();
        fake.repeats_make_deals(on);
        submit(&fake, &test_order(data(1), "one")).await;
        submit(&fake, &test_order(data(1), "two")).await;
        assert_eq!(fake.land_all().len(), expected);
    }
}

#[tokio::test]
async fn a_proof_is_of_the_data_s_size_unless_the_test_gives_one() {
    let fake = FakeAggregator::new("fake");
    fake.land_at_once(true);
    fake.submit(&test_order(data(1), "one"), &BytesPayload::new(vec![7; 128]))
        .await
        .expect("taken");
    let made = proof(&fake).await;
    // 128 bytes do not fit into one piece of 128, which holds 127.
    assert_eq!(made.segment.size.get(), 256);
    let mut given = made.clone();
    given.inclusion.subtree.index = 5;
    fake.set_proof(data(1), given.clone());
    assert_eq!(proof(&fake).await, given);
}

#[tokio::test]
async fn a_payload_in_memory_gives_its_bytes_each_time_it_is_opened() {
    for size in [0, 1, 65_536, 200_000] {
        let bytes: Vec<u8> = (0..size).map(|i: u32| i.to_le_bytes()[0]).collect();
        let payload = BytesPayload::new(bytes.clone());
        assert_eq!(payload.size(), u64::from(size));
        for _ in 0..2 {
            let chunks: Vec<Bytes> =
                payload.open().await.expect("memory opens").try_collect().await.expect("and reads");
            assert!(chunks.iter().all(|chunk| !chunk.is_empty()));
            assert_eq!(chunks.concat(), bytes);
        }
    }
}

#[tokio::test]
async fn the_mock_answers_what_a_test_expects() {
    let mut mock = MockAggregator::new();
    mock.expect_submit()
        .withf(|order, payload| order.cid == data(1) && payload.size() == 3)
        .times(1)
        .returning(|order, _| Ok(Ticket(order.id.to_string())));
    mock.expect_deals().returning(|_| Ok(Vec::new()));
    let aggregator: &dyn Aggregator = &mock;
    let ticket = aggregator.submit(&test_order(data(1), "one"), &payload()).await;
    assert_eq!(ticket.expect("expected"), Ticket("one".to_owned()));
    assert!(aggregator.deals(&data(1)).await.expect("expected").is_empty());
}

/// A payload that announces so many bytes more than it gives.
struct Announces(BytesPayload, u64);

#[async_trait]
impl Payload for Announces {
    fn size(&self) -> u64 {
        self.0.size() + self.1
    }

    async fn open(&self) -> io::Result<BoxStream<'static, io::Result<Bytes>>> {
        let bytes: Vec<_> = self.0.open().await?.collect().await;
        Ok(stream::iter(bytes).boxed())
    }
}

fn payload() -> BytesPayload {
    BytesPayload::new("abc")
}

fn deal(deal: u64, provider: u64) -> ListedDeal {
    ListedDeal { deal: DealId::new(deal), provider: ProviderId::new(provider) }
}

async fn submit(fake: &FakeAggregator, order: &Order) {
    fake.submit(order, &payload()).await.expect("an order in peace is taken");
}

async fn proof(fake: &FakeAggregator) -> SegmentProof {
    let mut shown = fake.deals(&data(1)).await.expect("it is up");
    shown.remove(0).proof.expect("a landed deal of an aggregator with proofs has one")
}
