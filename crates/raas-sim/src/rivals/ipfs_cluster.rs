//! IPFS Cluster (ipfs-cluster/ipfs-cluster), with providers as its peers and deals as its pins.
//!
//! - Data is allocated to as many peers as `replication_factor_max` says; as long as
//!   `replication_factor_min` of them are alive nothing is allocated anew, below it as many as are
//!   missing to the maximum (`allocate.go`, `obtainAllocations`).
//! - A peer whose ping is missing raises an alert, and its pins are allocated anew without it
//!   (`cluster.go`, `alertsHandler`, `repinFromPeer`). There is no grace; what the peer holds is not
//!   counted again when it is back.
//! - A peer that is alive and does not hold a pin any more pins it again (`pin_recover_interval`).
//! - It knows nothing of a chain: no ends of terms, no proofs.
//!
//! In its favour: repinning is on, which its configuration turns off; the minimum is the job's and the
//! maximum its target; a peer that lost a pin says so at once, and any peer may take its place.

use raas_types::ProviderId;

use super::{Care, Eyes, Rules, Wish};

/// IPFS Cluster.
pub(crate) struct IpfsCluster;

impl Rules for IpfsCluster {
    type Note = ();
    /// Pins that could not be made yet.
    type File = u32;

    fn look(care: &mut Care<Self>, eyes: &mut Eyes<'_>) -> Vec<Wish> {
        let target = care.target();
        // A pin that a living peer lost is pinned again; the allocation is the new one's.
        let before = care.replicas.len();
        care.replicas.retain(|r| !eyes.answers(r.provider) || eyes.is_held(r.deal));
        let lost = (before - care.replicas.len()) as u32;
        let failed = lost + care.given_up + std::mem::take(&mut care.file);
        let alive: Vec<ProviderId> =
            care.providers().into_iter().filter(|peer| eyes.answers(*peer)).collect();
        let held = alive.len() as u32 + care.under_way();
        let recovered = failed.min(target.saturating_sub(held));
        let valid = held + recovered;
        let allocated = care.replicas.len() as u32 + care.under_way() + recovered;
        let fresh = allocated == 0;
        let missing = match valid < care.wanted.min || fresh {
            true => {
                care.replicas.retain(|replica| alive.contains(&replica.provider));
                target.saturating_sub(valid)
            }
            false => 0,
        };
        let exclude: Vec<_> = care.providers().into_iter().chain(down(eyes)).collect();
        Wish::more(missing + recovered, &exclude)
    }

    fn ordered(care: &mut Care<Self>, _wish: &Wish, taken: bool) {
        care.file += u32::from(!taken);
    }
}

/// Peers that are not alive: the allocator never sees them.
fn down(eyes: &Eyes<'_>) -> Vec<ProviderId> {
    let providers = eyes.world.providers.iter();
    providers.map(|p| p.id).filter(|id| !eyes.answers(*id)).collect()
}
