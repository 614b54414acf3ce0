//! Control that builds exact worlds: planted deals, single sectors, reorganisations, finality.

use axum::{
    Json,
    extract::{Path, State},
};
use bytes::Bytes;
use raas_types::{ChainEpoch, Cid, DealId, PaddedSize, PieceInfo, ProviderId, SectorNumber};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{ControlError, ProviderTruth, bad_input, parse};
use crate::{
    chain::{DealSpec, Planting, Refused, UnknownProvider, deadline::DEADLINES, lock},
    devnet::{Devnet, Head, Parts},
};

/// What a planted deal is about unless something else is said: 508 bytes of FRC-0069's first vector,
/// 512 when padded. Nobody serves it.
const PIECE: &str = "baga6ea4seaqes3nobte6ezpp4wqan2age2s5yxcatzotcvobhgcmv5wi2xh5mbi";
const PIECE_SIZE: u64 = 512;

/// A deal that is published at the present epoch, exactly as it is written. No aggregator knows of
/// it. Unlike on a real market it may last as long or short as is wished.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plant {
    /// Who promises to store it.
    pub provider: ProviderId,
    /// The epoch by which it must be activated; not before the present one.
    pub start: ChainEpoch,
    /// The first epoch at which it is over.
    pub end: ChainEpoch,
    /// The piece it is about. `None`: some piece of 512 padded bytes.
    pub piece: Option<PieceInfo>,
    /// When it is activated: in the first tipset at or after this epoch, if the provider proves
    /// then. `None`: never.
    pub activate: Option<ChainEpoch>,
    /// The deadline, 0 to 47, of its sector. `None`: the chain chooses one.
    pub deadline: Option<u64>,
}

impl Plant {
    /// A deal of that provider from `start` to `end` that is never activated.
    pub fn new(provider: ProviderId, start: ChainEpoch, end: ChainEpoch) -> Self {
        Self { provider, start, end, piece: None, activate: None, deadline: None }
    }
}

/// What can be done to a sector.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum SectorAction {
    DeclareFault,
    Recover,
    LoseDispute,
    Terminate,
}

impl Devnet {
    /// Replaces the tipsets of the last `depth` epochs by another fork: other keys and hashes, and
    /// the old ones are unknown from then on; null rounds fall elsewhere. Nothing final is replaced.
    ///
    /// What cron and proofs did in the orphaned tipsets is as it was. All their other messages -
    /// publications, activations, terminations, declarations, settlements and Ethereum transactions
    /// - are undone, and happen again in the first tipset after the present one.
    pub fn reorg(&self, depth: u32) -> Result<Head, ControlError> {
        self.parts().reorg(depth)
    }

    /// While finality is stalled the finalized tipset stays where it is, but never more than 900
    /// epochs (EC finality) behind the head.
    pub fn stall_finality(&self, stalled: bool) -> Head {
        self.parts().stall_finality(stalled)
    }

    /// Publishes a deal at the present epoch.
    pub fn plant(&self, plant: Plant) -> Result<DealId, ControlError> {
        self.parts().plant(plant)
    }

    /// `DeclareFaults` of one sector: it is faulty at once, and the fault's age counts from the end
    /// of its next deadline. Refused after that deadline's fault cutoff (70 epochs before it opens).
    pub fn declare_fault(
        &self,
        provider: ProviderId,
        sector: SectorNumber,
    ) -> Result<(), ControlError> {
        let mut world = lock(&self.parts().world);
        world.declare_fault(provider, sector).map_err(refused)
    }

    /// `DeclareFaultsRecovered` of one sector: it is recovering, and the proof of its next deadline
    /// clears the fault, if the provider proves then. Refused after the fault cutoff.
    pub fn recover(&self, provider: ProviderId, sector: SectorNumber) -> Result<(), ControlError> {
        let mut world = lock(&self.parts().world);
        world.declare_recovery(provider, sector).map_err(refused)
    }

    /// `DisputeWindowedPoSt` of the last proof of a sector, and the proof turns out to be wrong: all
    /// that it proved - the sectors of one partition - is faulty at once, and the fault's age counts
    /// from the last epoch of the deadline that the proof was sent in, after which the sectors were
    /// active all the same. Refused while that deadline is open and from 1800 epochs after it closed.
    pub fn lose_dispute(
        &self,
        provider: ProviderId,
        sector: SectorNumber,
    ) -> Result<(), ControlError> {
        let mut world = lock(&self.parts().world);
        world.lose_dispute(provider, sector).map_err(refused)
    }

    /// `TerminateSectors` of one sector. With `swallow_deal` its deal stays in the market, as when
    /// cron terminates a sector and the message to the market fails.
    pub fn terminate_sector(
        &self,
        provider: ProviderId,
        sector: SectorNumber,
        swallow_deal: bool,
    ) -> Result<(), ControlError> {
        let mut world = lock(&self.parts().world);
        world.terminate_sector(provider, sector, swallow_deal).map_err(refused)
    }

    /// `CompactPartitions` of a deadline: terminated sectors leave all tables, the others move
    /// together into the first partitions in the order of their numbers. Refused while one of them
    /// is faulty or not proven yet, and while the deadline is open or opens within 60 epochs.
    pub fn compact(&self, provider: ProviderId, deadline: u64) -> Result<(), ControlError> {
        lock(&self.parts().world).compact(provider, deadline).map_err(refused)
    }
}

impl Parts {
    fn reorg(&self, depth: u32) -> Result<Head, ControlError> {
        lock(&self.world).reorg(i64::from(depth)).map_err(ControlError::BadInput)?;
        Ok(self.head())
    }

    fn stall_finality(&self, stalled: bool) -> Head {
        lock(&self.world).stall_finality(stalled);
        self.head()
    }

    fn plant(&self, plant: Plant) -> Result<DealId, ControlError> {
        let (start, end) = (plant.start.get(), plant.end.get());
        let refuse = |why: String| Err(ControlError::BadInput(why));
        if end <= start {
            return refuse(format!(
                "the deal ends at {end}: write an epoch after its start, {start}"
            ));
        }
        if let Some(activate) = plant.activate.filter(|activate| activate.get() > start) {
            return refuse(format!(
                "activate is {activate}: write an epoch up to the start, {start}, or nothing"
            ));
        }
        if let Some(deadline) = plant.deadline.filter(|deadline| *deadline >= DEADLINES) {
            return refuse(format!(
                "there is no deadline {deadline}: write 0 to {}",
                DEADLINES - 1
            ));
        }
        let piece = plant.piece.map_or_else(some_piece, Ok)?;
        let planting = Planting {
            spec: DealSpec {
                piece,
                provider: plant.provider,
                label: "planted".to_owned(),
                duration: end - start,
                payload: Vec::new(),
            },
            start,
            activate: plant.activate.map(ChainEpoch::get),
            deadline: plant.deadline,
        };
        lock(&self.world).plant(planting).map_err(refused)
    }
}

/// The body of `POST /devnet/reorg`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Reorg {
    depth: u32,
}

/// The body of `POST /devnet/finality`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Finality {
    stalled: bool,
}

/// The body of `POST /devnet/plant`: a [`Plant`] with its piece in two fields.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PlantBody {
    /// As `t01000`.
    provider: String,
    start: i64,
    end: i64,
    piece: Option<String>,
    piece_size: Option<PaddedSize>,
    activate: Option<i64>,
    deadline: Option<u64>,
}

/// The body of `POST /devnet/providers/{id}/sectors/{sector}/terminate`, which may be empty.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Terminate {
    #[serde(default)]
    swallow_deal: bool,
}

impl PlantBody {
    fn plant(self) -> Result<Plant, ControlError> {
        let piece = match (self.piece, self.piece_size) {
            (None, None) => None,
            (Some(cid), Some(size)) => {
                Some(PieceInfo { cid: cid.parse().map_err(bad_input)?, size })
            }
            _ => {
                let text = "piece and piece_size (padded bytes) go together: write both or neither";
                return Err(ControlError::BadInput(text.to_owned()));
            }
        };
        Ok(Plant {
            provider: self.provider.parse().map_err(bad_input)?,
            start: ChainEpoch::new(self.start),
            end: ChainEpoch::new(self.end),
            piece,
            activate: self.activate.map(ChainEpoch::new),
            deadline: self.deadline,
        })
    }
}

/// `POST /devnet/reorg`.
pub(super) async fn reorg(
    State(parts): State<Parts>,
    body: Bytes,
) -> Result<Json<Head>, ControlError> {
    let Reorg { depth } = parse(&body)?;
    parts.reorg(depth).map(Json)
}

/// `POST /devnet/finality`.
pub(super) async fn finality(
    State(parts): State<Parts>,
    body: Bytes,
) -> Result<Json<Head>, ControlError> {
    let Finality { stalled } = parse(&body)?;
    Ok(Json(parts.stall_finality(stalled)))
}

/// `POST /devnet/plant`.
pub(super) async fn plant(
    State(parts): State<Parts>,
    body: Bytes,
) -> Result<Json<Value>, ControlError> {
    let id = parts.plant(parse::<PlantBody>(&body)?.plant()?)?;
    Ok(Json(json!({"deal": id.get()})))
}

/// `POST /devnet/providers/{id}/sectors/{sector}/{action}`.
pub(super) async fn sector(
    State(parts): State<Parts>,
    Path((id, sector, action)): Path<(String, String, String)>,
    body: Bytes,
) -> Result<Json<ProviderTruth>, ControlError> {
    let provider = id.parse().map_err(bad_input)?;
    let number = sector.parse().map(SectorNumber::new);
    let number =
        number.map_err(|_| ControlError::BadInput(format!("{sector:?} is no sector number")))?;
    let action: SectorAction = serde_json::from_value(json!(action)).map_err(|_| {
        ControlError::BadInput(format!(
            "nothing called {action:?} can be done to a sector: write declare_fault, recover, \
             lose_dispute or terminate"
        ))
    })?;
    let options: Terminate = if body.is_empty() { Terminate::default() } else { parse(&body)? };
    let done = {
        let mut world = lock(&parts.world);
        match action {
            SectorAction::DeclareFault => world.declare_fault(provider, number),
            SectorAction::Recover => world.declare_recovery(provider, number),
            SectorAction::LoseDispute => world.lose_dispute(provider, number),
            SectorAction::Terminate => {
                world.terminate_sector(provider, number, options.swallow_deal)
            }
        }
    };
    done.map_err(refused)?;
    let unknown = ControlError::UnknownProvider(provider);
    parts.provider_truth(provider).map(Json).ok_or(unknown)
}

/// `POST /devnet/providers/{id}/deadlines/{deadline}/compact`.
pub(super) async fn compact(
    State(parts): State<Parts>,
    Path((id, deadline)): Path<(String, String)>,
) -> Result<Json<ProviderTruth>, ControlError> {
    let provider = id.parse().map_err(bad_input)?;
    let deadline = deadline.parse().map_err(|_| {
        ControlError::BadInput(format!("{deadline:?} is no deadline: write 0 to 47"))
    })?;
    lock(&parts.world).compact(provider, deadline).map_err(refused)?;
    let unknown = ControlError::UnknownProvider(provider);
    parts.provider_truth(provider).map(Json).ok_or(unknown)
}

fn some_piece() -> Result<PieceInfo, ControlError> {
    let cid: Cid = PIECE.parse().map_err(bad_input)?;
    let size = PaddedSize::try_from(PIECE_SIZE).map_err(bad_input)?;
    Ok(PieceInfo { cid, size })
}

fn refused(error: Refused) -> ControlError {
    match error {
        Refused::Unknown(UnknownProvider(id)) => ControlError::UnknownProvider(id),
        Refused::Because(why) => ControlError::BadInput(why),
    }
}
