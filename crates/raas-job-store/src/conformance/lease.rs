//! Checks of leases: one holder at a time, and fences that tell an old holder from a new one.

use raas_types::ChainEpoch;

use super::samples::ODD_TEXT;
use crate::{JobStore, Lease};

/// A lease is one owner's until its last epoch has come, renewed by that owner and nobody else.
pub async fn a_lease_has_one_owner_until_it_is_over(store: &dyn JobStore) {
    let granted = lease(store, "ann", 100, 200).await.expect("a free lease is granted");
    let expected = Lease {
        name: "pass".to_owned(),
        owner: "ann".to_owned(),
        until: ChainEpoch::new(200),
        fence: granted.fence,
    };
    assert_eq!(granted, expected, "a lease says whose it is and until when");
    for now in [i64::MIN, 100, 199] {
        let second = lease(store, "bob", now, 300).await;
        assert_eq!(second, None, "a lease that is held is granted to nobody else");
    }
    let renewed = lease(store, "ann", 199, 250).await.expect("a holder may renew");
    assert_eq!(renewed.until, ChainEpoch::new(250), "a renewed lease has the new end");
    assert_eq!(
        lease(store, "bob", 249, 300).await,
        None,
        "a renewed lease is held until its new end"
    );
    let taken = lease(store, "bob", 250, 300).await.expect("a lease that is over is granted");
    assert_eq!(taken.owner, "bob");
    assert_eq!(
        lease(store, "ann", 260, 400).await,
        None,
        "an old holder cannot renew what it lost"
    );
    assert_eq!(lease(store, "Bob", 260, 400).await, None, "owners are told apart exactly");
    lease(store, "bob", 270, 270).await.expect("a holder may give up");
    let free = lease(store, "ann", 270, 400).await;
    assert!(free.is_some(), "a lease renewed until now is given up");
}

/// The fence stays with renewals and grows with everything else.
pub async fn a_fence_grows_with_every_new_grant(store: &dyn JobStore) {
    let first = fence(store, "ann", 0, 10).await;
    let renewed = fence(store, "ann", 5, 20).await;
    assert_eq!(renewed, first, "a renewal keeps its fence");
    let other = fence(store, "bob", 20, 30).await;
    assert!(
        other > renewed,
        "a new holder's fence is above the old one's: {other} after {renewed}"
    );
    let again = fence(store, "bob", 30, 40).await;
    assert!(again > other, "a lease that lapsed is granted anew, also to the last holder");
    let back = fence(store, "ann", i64::MAX - 1, i64::MAX).await;
    assert!(back > again, "a fence never goes back");
}

/// Leases of different names are independent.
pub async fn leases_do_not_touch_each_other(store: &dyn JobStore) {
    let until = ChainEpoch::new(i64::MAX);
    for (name, owner) in [("a", "ann"), ("b", "bob"), (ODD_TEXT, ODD_TEXT), ("", "")] {
        let granted = store.lease(name, owner, ChainEpoch::GENESIS, until).await;
        let granted = granted.expect("leases can be taken").expect("a free lease is granted");
        assert_eq!((granted.name.as_str(), granted.owner.as_str()), (name, owner));
    }
    let second = store.lease("b", "ann", ChainEpoch::GENESIS, until).await;
    assert_eq!(second.expect("leases can be asked for"), None, "names are told apart");
}

async fn lease(store: &dyn JobStore, owner: &str, now: i64, until: i64) -> Option<Lease> {
    let (now, until) = (ChainEpoch::new(now), ChainEpoch::new(until));
    store.lease("pass", owner, now, until).await.expect("leases can be asked for")
}

async fn fence(store: &dyn JobStore, owner: &str, now: i64, until: i64) -> u64 {
    lease(store, owner, now, until).await.expect("the lease is granted").fence
}
