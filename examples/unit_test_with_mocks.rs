//! Unit tests of one's own code with our mocks: `cargo test -p raas-examples --examples`.
//!
//! Mocks answer the question "was it called, and what if it fails?"; for how a port behaves, prefer
//! its fake.

use raas_aggregator::{Aggregator, Error};
use raas_types::{Cid, DealId};

/// Code of one's own on top of a port: the deals of a CID that one can point a customer to, and none
/// while the aggregator cannot be reached.
async fn deals_to_show(aggregator: &dyn Aggregator, cid: &Cid) -> Result<Vec<DealId>, Error> {
    match aggregator.deals(cid).await {
        Ok(deals) => Ok(deals.into_iter().filter_map(|deal| deal.deal).collect()),
        Err(error) if error.is_temporary() => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let fake = raas_aggregator::FakeAggregator::new("fake");
    let shown = deals_to_show(&fake, &Cid::default()).await?;
    #[expect(clippy::print_stdout, reason = "an example says what it saw")]
    {
        println!("{} deals to show; the tests below are the point", shown.len());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use raas_aggregator::MockAggregator;
    use raas_types::AggregatorDeal;

    use super::*;

    fn refusing(error: fn() -> Error) -> MockAggregator {
        let mut mock = MockAggregator::new();
        mock.expect_deals().times(1).returning(move |_| Err(error()));
        mock
    }

    #[tokio::test]
    async fn a_deal_in_the_making_is_not_shown() {
        let mut mock = MockAggregator::new();
        mock.expect_deals().times(1).returning(|_| {
            let deal = |deal| AggregatorDeal { deal, provider: None, proof: None };
            Ok(vec![deal(None), deal(Some(DealId::new(7)))])
        });
        let shown = deals_to_show(&mock, &Cid::default()).await.expect("an answer");
        assert_eq!(shown, [DealId::new(7)]);
    }

    #[tokio::test]
    async fn an_aggregator_that_is_away_shows_nothing_and_a_wrong_key_is_an_error() {
        let away = refusing(|| Error::Unavailable {
            aggregator: "mock".to_owned(),
            reason: "time-out".to_owned(),
        });
        assert_eq!(deals_to_show(&away, &Cid::default()).await.expect("an answer"), []);
        let wrong_key = refusing(|| Error::Misconfigured {
            aggregator: "mock".to_owned(),
            reason: "401".to_owned(),
        });
        assert!(deals_to_show(&wrong_key, &Cid::default()).await.is_err());
    }
}
