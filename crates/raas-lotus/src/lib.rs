//! What the chain says of deals and sectors: the [`LotusChain`] port and an in-memory chain.
//!
//! Implement [`LotusChain`] to read Filecoin some other way, then run `conformance::all` (feature
//! `test-util`) against it. Feature `mock` generates `MockLotusChain` for tests of code that *uses*
//! a chain; for tests of behaviour, prefer [`FakeLotusChain`].
//!
//! The port reads and never judges: what a reading means is `raas-core`'s to say.

mod error;
mod fake;

#[cfg(feature = "test-util")]
pub mod conformance;

pub use error::{Error, Result};
pub use fake::{FakeCalls, FakeFault, FakeLotusChain};

use std::fmt;

use async_trait::async_trait;
use raas_types::{
    ChainEpoch, DealId, DealReading, EpochDelta, Network, RpcUsage, SectorId, SectorReading, Tipset,
};

/// Reads the Filecoin chain through one endpoint.
///
/// # Contract
///
/// - Everything that is read of deals and sectors is read at the tipset given, never at a later
///   one: two reads at one tipset agree.
/// - State at a tipset is the state before its own messages (the parent state): what happened at
///   epoch `e` shows at tipsets of epochs above `e`.
/// - [`deals`](Self::deals) and [`sectors`](Self::sectors) answer every item, in the order asked;
///   one item that cannot be read is a `Failed` of its own and spoils no other.
/// - *Not found* is said only when the chain says so. Whatever else goes wrong - time-outs,
///   unknown errors, replies that do not parse - is `Failed`, never *not found*.
/// - No retries: the next pass is the retry, and nothing that failed is kept.
/// - What was read at a tipset may be kept and said again of that tipset, where it cannot change; of no
///   other one. Beyond that only what helps to ask less may be kept, such as where a sector was found
///   last, where the answer shows whether it still holds.
#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait LotusChain: fmt::Debug + Send + Sync + 'static {
    /// Who is asked, for evidence: a host, never a token.
    fn endpoint(&self) -> String;

    /// Which network the endpoint speaks for.
    async fn network(&self) -> Result<Network>;

    /// The heaviest tipset, and how far it is from where the endpoint knows the chain to be.
    async fn head(&self) -> Result<Head>;

    /// The newest tipset that is final by the endpoint's word, or by a configured distance from the
    /// head where the endpoint has no word for it.
    async fn finalized(&self) -> Result<Tipset>;

    /// The tipset at `epoch` on the endpoint's heaviest chain, or the last one before it where that
    /// round was null. Two endpoints that are on one chain answer the same for what is final.
    async fn tipset_at(&self, epoch: ChainEpoch) -> Result<Tipset>;

    /// What the market actor says of each deal at `at`.
    async fn deals(&self, ids: &[DealId], at: &Tipset) -> Vec<DealReading>;

    /// Where each sector stands in its provider's partitions at `at`.
    async fn sectors(&self, ids: &[SectorId], at: &Tipset) -> Vec<SectorReading>;

    /// What the endpoint was asked so far; nothing where nobody counts.
    fn usage(&self) -> RpcUsage {
        RpcUsage::default()
    }
}

/// The head of the chain as one endpoint sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The heaviest tipset.
    pub tipset: Tipset,
    /// How far the endpoint knows itself to be behind the network; zero when in sync.
    pub behind: EpochDelta,
}
