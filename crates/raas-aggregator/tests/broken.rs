//! The suite can fail: each flaw here is rejected, by the sentence that names the broken promise.

mod common;

use async_trait::async_trait;
use cid::Cid;
use common::World;
use raas_aggregator::{
    Aggregator, BytesPayload, Capabilities, Error, FakeAggregator, Found, Payload, Repeat, Result,
    conformance,
};
use raas_types::{AggregatorDeal, AggregatorName, Order, Ticket};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flaw {
    OrdersOnFind,
    ForgetsOrderIds,
    InventsLanded,
    LandsOnOldDeals,
    DeniesOrders,
    MixesCids,
    UsesExcluded,
    MakesFewer,
    IgnoresRepeats,
    HonoursRepeats,
    ShowsNoProofs,
    SwallowsReadErrors,
    OrdersUnread,
}

/// A fake with one flaw.
#[derive(Debug)]
struct Broken {
    fake: FakeAggregator,
    flaw: Flaw,
}

impl Broken {
    /// Orders as if the data had come.
    async fn order_anyway(&self, order: &Order) -> Result<Ticket> {
        self.fake.hold(order.cid, 1);
        self.fake.submit(order, &BytesPayload::default()).await
    }
}

#[async_trait]
impl Aggregator for Broken {
    fn name(&self) -> AggregatorName {
        self.fake.name()
    }

    fn capabilities(&self) -> Capabilities {
        let honest = self.fake.capabilities();
        match self.flaw {
            Flaw::ForgetsOrderIds => Capabilities { idempotent: true, ..honest },
            Flaw::UsesExcluded => Capabilities { excludes_providers: true, ..honest },
            Flaw::MakesFewer => Capabilities { copies: 2, ..honest },
            Flaw::IgnoresRepeats => Capabilities { repeat: Repeat::NewDeal, ..honest },
            Flaw::HonoursRepeats => Capabilities { repeat: Repeat::Ignored, ..honest },
            Flaw::ShowsNoProofs => Capabilities { proofs: true, ..honest },
            _ => honest,
        }
    }

    async fn submit(&self, order: &Order, payload: &dyn Payload) -> Result<Ticket> {
        match (self.fake.submit(order, payload).await, self.flaw) {
            (Err(Error::Payload { .. }), Flaw::SwallowsReadErrors) => {
                self.order_anyway(order).await
            }
            (Err(error @ Error::Payload { .. }), Flaw::OrdersUnread) => {
                self.order_anyway(order).await?;
                Err(error)
            }
            (answer, _) => answer,
        }
    }

    async fn find(&self, order: &Order) -> Result<Found> {
        let landed = Found::Landed(Ticket("invented".to_owned()));
        match self.flaw {
            Flaw::OrdersOnFind => {
                self.order_anyway(order).await?;
            }
            Flaw::InventsLanded => return Ok(landed),
            Flaw::LandsOnOldDeals => {
                let any =
                    self.fake.deals(&order.cid).await?.iter().any(|shown| shown.deal.is_some());
                return Ok(if any { landed } else { Found::Absent });
            }
            Flaw::DeniesOrders => return Ok(Found::Absent),
            _ => {}
        }
        self.fake.find(order).await
    }

    async fn deals(&self, cid: &Cid) -> Result<Vec<AggregatorDeal>> {
        let mut shown = self.fake.deals(cid).await?;
        if self.flaw == Flaw::MixesCids {
            for order in self.fake.orders().iter().filter(|order| order.cid != *cid) {
                shown.extend(self.fake.deals(&order.cid).await?);
            }
        }
        Ok(shown)
    }
}

/// The flaw in an aggregator that can do little: its lies are about what it can do.
fn modest(flaw: Flaw) -> World {
    let capabilities = Capabilities {
        idempotent: false,
        excludes_providers: false,
        proofs: false,
        ..FakeAggregator::new("").capabilities()
    };
    let fake = FakeAggregator::with("modest", capabilities);
    fake.repeats_make_deals(flaw != Flaw::IgnoresRepeats);
    World::new(fake.clone(), Broken { fake, flaw })
}

/// The flaw in an aggregator that can do everything.
fn able(flaw: Flaw) -> World {
    let fake = FakeAggregator::new("able");
    World::new(fake.clone(), Broken { fake, flaw })
}

#[tokio::test]
#[should_panic(expected = "find() must never order")]
async fn a_find_that_orders_is_rejected() {
    conformance::finding_never_orders(&able(Flaw::OrdersOnFind)).await;
}

#[tokio::test]
#[should_panic(
    expected = "where capabilities() claims idempotency, the same order twice must be one"
)]
async fn a_lie_about_idempotency_is_rejected() {
    let world = modest(Flaw::ForgetsOrderIds);
    conformance::the_same_order_twice_is_one_where_that_is_claimed(&world).await;
}

#[tokio::test]
#[should_panic(expected = "must not be called landed without a deal that is new")]
async fn an_invented_landing_is_rejected() {
    conformance::nothing_old_lands_an_order(&able(Flaw::InventsLanded)).await;
}

#[tokio::test]
#[should_panic(expected = "must not be called landed without a deal that is new")]
async fn a_landing_on_a_deal_that_was_known_is_rejected() {
    conformance::nothing_old_lands_an_order(&modest(Flaw::LandsOnOldDeals)).await;
}

#[tokio::test]
#[should_panic(expected = "an order that was taken must not be called absent")]
async fn an_order_denied_is_rejected() {
    conformance::an_order_sent_is_found(&able(Flaw::DeniesOrders)).await;
}

#[tokio::test]
#[should_panic(expected = "deals() must not show the deals of another CID")]
async fn deals_of_other_data_are_rejected() {
    conformance::deals_of_one_cid_are_not_shown_for_another(&able(Flaw::MixesCids)).await;
}

#[tokio::test]
#[should_panic(expected = "where capabilities() claims that providers can be excluded")]
async fn an_excluded_provider_in_use_is_rejected() {
    let world = modest(Flaw::UsesExcluded);
    conformance::excluded_providers_are_not_used_where_that_is_claimed(&world).await;
}

#[tokio::test]
#[should_panic(expected = "an order must make as many deals as capabilities() claims")]
async fn fewer_copies_than_claimed_are_rejected() {
    conformance::an_order_makes_as_many_copies_as_claimed(&modest(Flaw::MakesFewer)).await;
}

#[tokio::test]
#[should_panic(expected = "claims that a repeat makes a new deal, it must")]
async fn a_repeat_ignored_against_the_claim_is_rejected() {
    conformance::a_repeated_order_does_what_is_claimed(&modest(Flaw::IgnoresRepeats)).await;
}

#[tokio::test]
#[should_panic(expected = "claims that a repeat is ignored, it must be")]
async fn a_repeat_honoured_against_the_claim_is_rejected() {
    conformance::a_repeated_order_does_what_is_claimed(&modest(Flaw::HonoursRepeats)).await;
}

#[tokio::test]
#[should_panic(expected = "where capabilities() claims proofs, deal 1 must have one")]
async fn a_deal_without_its_proof_is_rejected() {
    conformance::landed_deals_have_proofs_where_that_is_claimed(&modest(Flaw::ShowsNoProofs)).await;
}

#[tokio::test]
#[should_panic(expected = "data that fails while it is read must fail the order")]
async fn a_swallowed_read_error_is_rejected() {
    let world = able(Flaw::SwallowsReadErrors);
    conformance::data_that_cannot_be_read_is_not_ordered(&world).await;
}

#[tokio::test]
#[should_panic(expected = "data that fails while it is read must not become a deal")]
async fn an_order_of_unread_data_is_rejected() {
    conformance::data_that_cannot_be_read_is_not_ordered(&able(Flaw::OrdersUnread)).await;
}

/// The frame is sound: a flaw fails the checks of its own promise and no others.
#[tokio::test]
async fn a_flaw_that_does_not_matter_to_a_check_passes_it() {
    conformance::an_order_becomes_a_deal(&modest(Flaw::ForgetsOrderIds)).await;
    conformance::nothing_old_lands_an_order(&modest(Flaw::MakesFewer)).await;
    conformance::a_repeated_order_does_what_is_claimed(&modest(Flaw::OrdersOnFind)).await;
    conformance::an_order_sent_is_found(&able(Flaw::OrdersUnread)).await;
    conformance::data_that_cannot_be_read_is_not_ordered(&able(Flaw::UsesExcluded)).await;
    conformance::finding_never_orders(&able(Flaw::SwallowsReadErrors)).await;
}
