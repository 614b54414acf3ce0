//! The gate: no pass without an endpoint that is on the right network, in sync, and not behind what
//! this node has already seen. What gets through is one final tipset, to which all reads of the
//! pass are pinned.

use raas_job_store::{Change, Lease};
use raas_types::{ChainEpoch, EpochDelta, Tipset};
use sha2::{Digest, Sha256};

use crate::{
    AlertCode, EndpointStatus, Event, Node,
    selection::{Expectations, Selection},
};

/// The cursor that keeps the last epoch that was agreed to be final, so that a restart against an
/// endpoint that is behind is noticed.
const LAST_PIN: &str = "last_pinned_epoch";

/// The cursor that marks the network that a store was made on: the first 8 bytes of the digest of its
/// name.
const NETWORK: &str = "network";

/// What a node leases to work on a store.
const LEASE_NAME: &str = "pass";

/// A pass holds its lease for a day of the chain: longer than any pass, short enough that another
/// node takes over on the next day should this one be gone for good.
const LEASE: EpochDelta = EpochDelta::DAY;

impl Node {
    /// The tipset to pin a pass to, whom to read, and the lease to act under; or why there is none.
    pub(crate) async fn select(
        &self,
        events: &mut Vec<Event>,
    ) -> Result<(Selection, Lease), String> {
        let mark = self.cursor(NETWORK).await?;
        let last_pin = self.cursor(LAST_PIN).await?.map(ChainEpoch::new);
        let expected = Expectations {
            network: self.settings().network.clone(),
            is_foreign: Box::new(move |name| mark.is_some_and(|mark| mark != mark_of(name))),
            max_behind: self.settings().max_behind,
            last_pin,
            witnesses: self.settings().witnesses.min(self.endpoints().len()),
        };
        let selected = self.endpoints().select(&expected, events).await;
        self.alert_endpoints();
        let selection = selected?;
        let lease = self.lease(&selection.pin).await?;
        let mut cursors = Vec::new();
        if mark.is_none() {
            cursors.push((NETWORK.to_owned(), mark_of(&selection.network)));
        }
        if last_pin.is_none_or(|last| last < selection.anchor) {
            cursors.push((LAST_PIN.to_owned(), selection.anchor.get()));
        }
        if !cursors.is_empty() {
            let change = Change { lease: Some(lease.clone()), cursors, ..Change::default() };
            self.store().commit(&change).await.map_err(|e| e.to_string())?;
        }
        Ok((selection, lease))
    }

    async fn cursor(&self, name: &str) -> Result<Option<i64>, String> {
        self.store().cursor(name).await.map_err(|e| e.to_string())
    }

    fn alert_endpoints(&self) {
        let at = self.status().epoch;
        for EndpointStatus { endpoint, set_aside, .. } in self.endpoints_status() {
            match set_aside {
                Some(why) => self.alerts().raise(AlertCode::EndpointAside, endpoint, why, at),
                None => self.alerts().clear(AlertCode::EndpointAside, endpoint),
            }
        }
    }

    /// Gives the store up, so that another node need not wait for the lease to end.
    pub(crate) async fn release(&self) {
        let Some(epoch) = self.status().epoch else { return };
        let released = self.store().lease(LEASE_NAME, &self.settings().name, epoch, epoch).await;
        if let Err(error) = released {
            tracing::warn!(%error, "the store's lease could not be given up");
        }
    }

    /// One node at a time works on a store.
    async fn lease(&self, pin: &Tipset) -> Result<Lease, String> {
        let until = pin.epoch + LEASE;
        let lease = self.store().lease(LEASE_NAME, &self.settings().name, pin.epoch, until).await;
        match lease {
            Ok(Some(lease)) => Ok(lease),
            Ok(None) => Err("another node is working on this store".to_owned()),
            Err(error) => Err(error.to_string()),
        }
    }
}

/// The mark of a network in the store, which keeps numbers.
fn mark_of(network: &str) -> i64 {
    let mut first = [0; 8];
    first.copy_from_slice(&Sha256::digest(network.as_bytes())[..8]);
    i64::from_be_bytes(first)
}
