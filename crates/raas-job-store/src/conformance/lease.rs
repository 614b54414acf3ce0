//! Checks of leases: one holder at a time, fences that tell an old holder from a new one, and changes
//! that only the holder may make.

use raas_types::ChainEpoch;

use super::samples::ODD_TEXT;
use crate::{Change, Error, JobStore, Lease};

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

/// What names a lease is written under the last grant, renewed or lapsed, and under no earlier one.
pub async fn a_change_under_a_lease_is_written_while_that_was_granted_last(store: &dyn JobStore) {
    let first = lease(store, "ann", 0, 10).await.expect("a free lease is granted");
    write(store, &first, 1).await.expect("the holder writes");
    let renewed = lease(store, "ann", 5, 20).await.expect("a holder may renew");
    write(store, &first, 2).await.expect("a renewal is the same grant");
    write(store, &renewed, 3).await.expect("the holder writes after renewing");
    let second = lease(store, "bob", 20, 30).await.expect("a lease that is over is granted");
    refused(store, &renewed, 3, "an old holder writes nothing").await;
    write(store, &second, 4).await.expect("the new holder writes");
    let third = lease(store, "bob", 30, 40).await.expect("a lease that is over is granted");
    refused(store, &second, 4, "a grant that lapsed and was followed by another is over").await;
    write(store, &third, 5).await.expect("the last grant writes");
    lease(store, "bob", 35, 35).await.expect("a holder may give up");
    write(store, &third, 6).await.expect("nobody was granted it since");
}

/// What names a lease that nobody was granted, or that is someone else's, is refused.
pub async fn a_change_under_a_lease_that_was_never_granted_is_refused(store: &dyn JobStore) {
    let until = ChainEpoch::new(10);
    let invented = Lease { name: "pass".to_owned(), owner: "ann".to_owned(), until, fence: 1 };
    store
        .commit(&Change { cursors: vec![("x".to_owned(), 1)], ..Change::default() })
        .await
        .expect("written");
    refused(store, &invented, 1, "a lease that nobody was granted lets nobody write").await;
    let granted = lease(store, "bob", 0, 10).await.expect("a free lease is granted");
    let stolen = Lease { owner: "ann".to_owned(), ..granted.clone() };
    refused(store, &stolen, 1, "another's lease lets nobody write").await;
    let of_another_name = Lease { name: "other".to_owned(), ..granted };
    refused(store, &of_another_name, 1, "leases are told apart by their names").await;
}

/// Writes a cursor under a lease.
async fn write(store: &dyn JobStore, lease: &Lease, value: i64) -> crate::Result<()> {
    let cursors = vec![("x".to_owned(), value)];
    store.commit(&Change { lease: Some(lease.clone()), cursors, ..Change::default() }).await
}

async fn refused(store: &dyn JobStore, lease: &Lease, before: i64, why: &str) {
    let written = write(store, lease, 99).await;
    assert!(
        matches!(&written, Err(Error::LeaseLost(name)) if *name == lease.name),
        "{why}: {written:?}"
    );
    let now = store.cursor("x").await.expect("a cursor can be read");
    assert_eq!(now, Some(before), "{why}, not a part of a change either");
}

async fn lease(store: &dyn JobStore, owner: &str, now: i64, until: i64) -> Option<Lease> {
    let (now, until) = (ChainEpoch::new(now), ChainEpoch::new(until));
    store.lease("pass", owner, now, until).await.expect("leases can be asked for")
}

async fn fence(store: &dyn JobStore, owner: &str, now: i64, until: i64) -> u64 {
    lease(store, owner, now, until).await.expect("the lease is granted").fence
}
