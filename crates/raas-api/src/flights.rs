//! One fetch a CID: whoever asks for it meanwhile waits for the same one.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use futures::{
    FutureExt,
    future::{BoxFuture, Shared, WeakShared},
};
use raas_runtime::Retrieved;
use raas_types::Cid;

use crate::problem::Failure;

/// What a fetch brings, for all who wait for it.
pub(crate) type Outcome = Result<Retrieved, Failure>;

/// The fetches that are under way. Each is driven by those who wait for it, and ends with the last
/// of them.
#[derive(Debug, Default)]
pub(crate) struct Flights {
    /// Under the CID of version 1, since both versions name the same bytes.
    flights: Mutex<BTreeMap<Cid, WeakShared<BoxFuture<'static, Outcome>>>>,
}

impl Flights {
    /// Waits for the fetch of this CID that is under way, or else for this one.
    pub(crate) async fn join(
        &self,
        cid: &Cid,
        fetch: impl Future<Output = Outcome> + Send + 'static,
    ) -> Outcome {
        let flight = self.board(cid, fetch);
        flight.await
    }

    fn board(
        &self,
        cid: &Cid,
        fetch: impl Future<Output = Outcome> + Send + 'static,
    ) -> Shared<BoxFuture<'static, Outcome>> {
        let name = Cid::new_v1(cid.codec(), *cid.hash());
        let mut flights = self.flights.lock().unwrap_or_else(PoisonError::into_inner);
        // One that has ended has told those who waited; who comes later may find things changed.
        let mut under_way = None;
        flights.retain(|other, flight| match flight.upgrade().filter(|f| f.peek().is_none()) {
            Some(flight) => {
                under_way = under_way.take().or((*other == name).then_some(flight));
                true
            }
            None => false,
        });
        under_way.unwrap_or_else(|| {
            let flight = fetch.boxed().shared();
            flights.extend(flight.downgrade().map(|weak| (name, weak)));
            flight
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };

    use tokio::sync::Notify;

    use super::*;

    /// A fetch that counts itself and waits to be let go.
    fn fetch(begun: &Arc<AtomicUsize>, go: &Arc<Notify>) -> impl Future<Output = Outcome> + use<> {
        let (begun, go) = (begun.clone(), go.clone());
        async move {
            begun.fetch_add(1, Ordering::Relaxed);
            go.notified().await;
            Ok(Retrieved { by: "s".to_owned(), tried: Vec::new() })
        }
    }

    #[tokio::test]
    async fn those_who_ask_at_once_share_one_fetch_which_outlives_the_first_of_them() {
        let v0: Cid = "QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn".parse().unwrap();
        let v1 = Cid::new_v1(v0.codec(), *v0.hash());
        let (begun, go) = <(Arc<AtomicUsize>, Arc<Notify>)>::default();
        let flights = Flights::default();
        let mut first = Box::pin(flights.join(&v0, fetch(&begun, &go)));
        assert!(futures::poll!(&mut first).is_pending());
        let mut second = Box::pin(flights.join(&v1, fetch(&begun, &go)));
        assert!(futures::poll!(&mut second).is_pending());
        drop(first);
        go.notify_one();
        assert_eq!(second.await.unwrap().by, "s");
        assert_eq!(begun.load(Ordering::Relaxed), 1);

        // That one has ended; the next is its own, and so is that of another CID.
        let other: Cid = "bafkqaaa".parse().unwrap();
        let mut next = Box::pin(flights.join(&v0, fetch(&begun, &go)));
        let mut of_other = Box::pin(flights.join(&other, fetch(&begun, &go)));
        assert!(
            futures::poll!(&mut next).is_pending() && futures::poll!(&mut of_other).is_pending()
        );
        assert_eq!(begun.load(Ordering::Relaxed), 3);
        drop((next, of_other));
        // Nobody waits any more: nothing is left of them.
        let mut again = Box::pin(flights.join(&v0, fetch(&begun, &go)));
        assert!(futures::poll!(&mut again).is_pending());
        assert_eq!(begun.load(Ordering::Relaxed), 4);
        assert_eq!(flights.flights.lock().unwrap().len(), 1);
    }
}
