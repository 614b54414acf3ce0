//! The gate: no pass without an endpoint that is on the right network, in sync, and not behind what
//! this node has already seen. What gets through is one final tipset, to which all reads of the
//! pass are pinned.

use raas_types::{ChainEpoch, EpochDelta, Tipset};
use sha2::{Digest, Sha256};

use crate::Node;

/// The cursor that keeps the last pinned epoch, so that a restart against an endpoint that is behind
/// is noticed.
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
    /// The tipset to pin a pass to, or why there is none.
    pub(crate) async fn pin(&self) -> Result<Tipset, String> {
        let chain = &self.ports().chain;
        let network = chain.network().await.map_err(|e| e.to_string())?;
        if let Some(expected) = &self.settings().network
            && network.name != *expected
        {
            return Err(format!(
                "{} is on network {:?}, not {expected:?}: point the configuration at an endpoint \
                 of that network",
                chain.endpoint(),
                network.name
            ));
        }
        let head = chain.head().await.map_err(|e| e.to_string())?;
        if head.behind > self.settings().max_behind {
            return Err(format!(
                "{} is {} behind the network: waiting until it is in sync",
                chain.endpoint(),
                head.behind
            ));
        }
        let pin = chain.finalized().await.map_err(|e| e.to_string())?;
        if pin.epoch > head.tipset.epoch {
            return Err(format!(
                "{} says epoch {} is final, beyond its head at {}: it contradicts itself",
                chain.endpoint(),
                pin.epoch,
                head.tipset.epoch
            ));
        }
        self.same_chain(&network.name).await?;
        self.never_back(&pin).await?;
        self.lease(&pin).await?;
        Ok(pin)
    }

    /// A store belongs to one network: what is remembered of one must not be judged by another.
    async fn same_chain(&self, network: &str) -> Result<(), String> {
        let digest = Sha256::digest(network.as_bytes());
        let mut first = [0; 8];
        first.copy_from_slice(&digest[..8]);
        let mark = i64::from_be_bytes(first);
        match self.store().cursor(NETWORK).await.map_err(|e| e.to_string())? {
            Some(known) if known == mark => Ok(()),
            Some(_) => Err(format!(
                "{} is on network {network:?}, and this store was made on another: point the \
                 configuration at an endpoint of that network, or use another store",
                self.ports().chain.endpoint()
            )),
            None => self.set_cursor(NETWORK, mark).await,
        }
    }

    async fn set_cursor(&self, name: &str, value: i64) -> Result<(), String> {
        let cursors = vec![(name.to_owned(), value)];
        let change = raas_job_store::Change { cursors, ..Default::default() };
        self.store().commit(&change).await.map_err(|e| e.to_string())
    }

    /// What was seen once is not unseen: a final tipset older than the last one pinned is stale.
    async fn never_back(&self, pin: &Tipset) -> Result<(), String> {
        let last = self.store().cursor(LAST_PIN).await.map_err(|e| e.to_string())?;
        match last.map(ChainEpoch::new) {
            Some(last) if pin.epoch < last => Err(format!(
                "{} says epoch {} is final, but epoch {last} was seen before: it is behind",
                self.ports().chain.endpoint(),
                pin.epoch
            )),
            Some(last) if pin.epoch == last => Ok(()),
            _ => self.set_cursor(LAST_PIN, pin.epoch.get()).await,
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
    async fn lease(&self, pin: &Tipset) -> Result<(), String> {
        let until = pin.epoch + LEASE;
        let lease = self.store().lease(LEASE_NAME, &self.settings().name, pin.epoch, until).await;
        match lease {
            Ok(Some(_)) => Ok(()),
            Ok(None) => Err("another node is working on this store".to_owned()),
            Err(error) => Err(error.to_string()),
        }
    }
}
