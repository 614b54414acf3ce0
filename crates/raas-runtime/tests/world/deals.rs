//! What happens to deals: made of orders, sealed, faulty, recovered, terminated, settled.

use std::{collections::BTreeSet, time::Duration};

use bytes::Bytes;
use futures::{StreamExt, stream};
use raas_aggregator::Aggregator;
use raas_job_store::JobStore;
use raas_piece::{Aggregate, piece_cid_v1};
use raas_retrieval::{ImportProfile, file_blocks};
use raas_runtime::PassReport;
use raas_types::{
    ChainEpoch, Cid, Commitment, DealActivation, DealId, DealProposal, EpochDelta, ListedDeal,
    OnChainDeal, PaddedSize, PieceInfo, ProviderId, SectorHealth, SectorId, SectorNumber,
    SectorStatus, SegmentProof,
};

use super::World;

/// A contract lists deals from this id on; nobody here makes them.
pub(crate) const STRANGERS: u64 = 1_000_000;

impl World {
    /// Brings a file into the node's own store.
    pub(crate) async fn store_file(&self, bytes: &'static [u8]) -> Cid {
        let stream = stream::iter([Ok(Bytes::from_static(bytes))]).boxed();
        let cid = self.blobs.import(stream, &ImportProfile::default(), None).await.unwrap().cid;
        self.know(cid);
        cid
    }

    /// Aggregators show true proofs for the CID from now on.
    pub(crate) fn know(&self, cid: Cid) {
        for aggregator in &self.aggregators {
            aggregator.set_proof(cid, proof_of(&cid));
        }
    }

    pub(crate) fn advance(&self, epochs: EpochDelta) {
        self.chain.advance(epochs);
    }

    /// Time passes on the chain, and as much of it on the node's own clock, which stands still
    /// otherwise (`start_paused`).
    pub(crate) async fn wait(&self, epochs: EpochDelta) {
        self.advance(epochs);
        let seconds = u64::try_from(epochs.get()).unwrap() * 30;
        tokio::time::advance(Duration::from_secs(seconds)).await;
    }

    /// Orders become deals, time passes everywhere, and the node makes a pass.
    pub(crate) async fn live(&mut self, span: EpochDelta) -> PassReport {
        self.land();
        self.wait(span).await;
        self.pass().await
    }

    pub(crate) fn now(&self) -> ChainEpoch {
        self.chain.epoch()
    }

    /// What was ordered of the aggregators becomes deals, published and activated in healthy
    /// sectors at the current epoch.
    pub(crate) fn land(&mut self) -> Vec<ListedDeal> {
        let landed = self.publish();
        for listed in &landed {
            self.activate(listed.deal);
        }
        landed
    }

    /// What was ordered becomes deals that are published and not yet in a sector.
    pub(crate) fn publish(&mut self) -> Vec<ListedDeal> {
        let mut all = Vec::new();
        for aggregator in self.aggregators.clone() {
            let duration = aggregator.capabilities().deal_duration;
            for (cid, listed) in aggregator.land_all() {
                self.make_deal(cid, listed, duration);
                all.push(listed);
            }
        }
        all
    }

    /// A deal is published, whoever made it.
    pub(crate) fn make_deal(&mut self, cid: Cid, listed: ListedDeal, duration: EpochDelta) {
        let start = self.now() + EpochDelta::days(2);
        let proposal = DealProposal {
            piece: piece_of(&cid),
            provider: listed.provider,
            start,
            end: start + duration,
            verified: true,
            label: cid.to_string(),
        };
        self.set_deal(listed.deal, OnChainDeal { proposal, activation: None });
    }

    pub(crate) fn activate(&mut self, deal: DealId) {
        let mut found = self.deals[&deal].clone();
        let sector = SectorNumber::new(deal.get());
        found.activation = Some(DealActivation { sector, at: self.now(), slashed: None });
        self.set_deal(deal, found);
        self.recover(deal);
    }

    pub(crate) fn set_deal(&mut self, deal: DealId, found: OnChainDeal) {
        self.chain.set_deal(deal, Some(found.clone()));
        self.deals.insert(deal, found);
    }

    /// A deal of somebody else's data, in a healthy sector.
    pub(crate) fn strangers_deal(&mut self, n: u64, provider: u64) -> ListedDeal {
        let listed =
            ListedDeal { deal: DealId::new(STRANGERS + n), provider: ProviderId::new(provider) };
        let (other, _) = file_blocks(&n.to_be_bytes(), &ImportProfile::default());
        self.make_deal(other, listed, EpochDelta::MIN_DEAL_DURATION);
        self.activate(listed.deal);
        listed
    }

    /// The deal's sector stops being proven now.
    pub(crate) fn fault(&self, deal: DealId) {
        let now = self.now();
        let status = SectorStatus { first_missed: Some(now), ..healthy(SectorHealth::Faulty) };
        self.chain.set_sector(self.sector(deal), Some(status));
    }

    /// The deal's sector is proven.
    pub(crate) fn recover(&self, deal: DealId) {
        self.chain.set_sector(self.sector(deal), Some(healthy(SectorHealth::Active)));
    }

    /// The deal's sector is terminated, and the market forgets the deal.
    pub(crate) fn terminate(&self, deal: DealId) {
        self.chain.set_sector(self.sector(deal), Some(healthy(SectorHealth::Dead)));
        self.chain.set_deal(deal, None);
    }

    /// Somebody settles the deal, which is past its end.
    pub(crate) fn settle(&self, deal: DealId) {
        self.chain.set_deal(deal, None);
    }

    /// The deal as the market has it.
    pub(crate) fn deal(&self, deal: DealId) -> OnChainDeal {
        self.deals[&deal].clone()
    }

    pub(crate) fn sector(&self, deal: DealId) -> SectorId {
        let provider = self.deals[&deal].proposal.provider;
        SectorId { provider, number: SectorNumber::new(deal.get()) }
    }

    pub(crate) fn end_of(&self, deal: DealId) -> ChainEpoch {
        self.deals[&deal].proposal.end
    }

    /// Orders become deals, some time passes, and the node makes a pass.
    pub(crate) async fn step(&mut self, span: EpochDelta) -> PassReport {
        self.land();
        self.advance(span);
        self.pass().await
    }

    /// Steps of a quarter of a day until the job's last look says that all slots are held and all
    /// is recorded.
    pub(crate) async fn settle_down(&mut self, cid: Cid, target: usize) {
        // Twice the patience and the pauses that an order without an answer costs.
        for _ in 0..80 {
            self.step(EpochDelta::new(720)).await;
            let active: BTreeSet<DealId> = self.lasting(&cid).await.into_iter().collect();
            let recorded = self.contract.recorded(&cid);
            let is_recorded = |deal: &DealId| recorded.iter().any(|r| r.deal == *deal);
            let open = self.inner_store.open_transactions().await.unwrap();
            let ordered = self.inner_store.outstanding_orders().await.unwrap();
            if active.len() >= target
                && (!self.records || active.iter().all(is_recorded))
                && open.is_empty()
                && ordered.is_empty()
            {
                return;
            }
        }
        let (words, orders) = (self.words_of(&cid).await, self.told(&cid).await);
        panic!("{target} replicas did not come to be: {words:#?} {orders:#?}");
    }
}

/// The segment of a CID: any commitment will do, since proofs are about pieces alone.
fn segment_of(cid: &Cid) -> (Commitment, PaddedSize) {
    let mut node: [u8; 32] = cid.hash().digest().try_into().unwrap();
    // The top two bits of every node are clear (Fr32).
    node[31] &= 0b0011_1111;
    (Commitment(node), PaddedSize::new(2048).unwrap())
}

fn aggregate_of(cid: &Cid) -> Aggregate {
    let segments = [segment_of(cid)];
    Aggregate::pack(&segments, Aggregate::smallest(&segments).unwrap()).unwrap()
}

/// The piece that deals of a CID are made of.
pub(crate) fn piece_of(cid: &Cid) -> PieceInfo {
    aggregate_of(cid).piece()
}

/// A proof that holds for [`piece_of`] the CID.
pub(crate) fn proof_of(cid: &Cid) -> SegmentProof {
    let (commitment, size) = segment_of(cid);
    let segment = PieceInfo { cid: piece_cid_v1(commitment), size };
    SegmentProof { segment, inclusion: aggregate_of(cid).proof(0).unwrap() }
}

pub(crate) fn healthy(health: SectorHealth) -> SectorStatus {
    SectorStatus { deadline: Some(0), partition: Some(0), ..SectorStatus::of(health) }
}
