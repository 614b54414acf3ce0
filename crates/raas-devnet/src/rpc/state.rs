//! `Filecoin.State*`: market and miner state.
//!
//! State at a tipset's key is the state *before* that tipset ran, which is the state after its
//! parent (deferred execution): a message in tipset N shows with the key of the tipset after N.

use raas_types::{DealId, ProviderId, SectorNumber};
use serde_json::{Value, json};

use super::{
    Node,
    error::RpcError,
    json::{Params, bitfield, cid, id_address},
    lie, state_call,
};
use crate::{
    chain::{
        ChainDeal, ChainView as _, Condition, Expiry, MarketDeal, Miner, Sector,
        deadline::{CHALLENGE_LOOKBACK, CHALLENGE_WINDOW, DEADLINES, FAULT_CUTOFF, PERIOD},
    },
    config::NodeKind,
};

/// Actor id of the market.
const MARKET: u64 = 5;
/// Owners and workers of the providers are the actors 900 below them: 1000 belongs to 100.
const OWNER_OFFSET: u64 = 900;
/// 512 MiB sectors: seal proof 7, window proof 12 (`StackedDrg512MiBV1P1`, `V1P1` window proof).
const SECTOR_SIZE: u64 = 512 << 20;

/// Answers the methods of this module; `None` when `method` is none of them.
pub(super) fn call(
    node: &Node<'_>,
    method: &str,
    values: &[Value],
) -> Option<Result<Value, RpcError>> {
    let params = |want| Params::new(method, values, want);
    Some(match method {
        "Filecoin.StateMarketStorageDeal" => {
            params(2).and_then(|p| deal(node, p.unsigned(0)?, node.state_at(&p.key(1)?)?))
        }
        "Filecoin.StateReadState" => {
            params(2).and_then(|p| read_state(node, p.actor(0)?, node.state_at(&p.key(1)?)?))
        }
        "Filecoin.StateLookupID" => params(2).and_then(|p| {
            node.state_at(&p.key(1)?)?;
            Ok(id_address(p.actor(0)?.get()))
        }),
        "Filecoin.StateListMiners" => params(1).and_then(|p| {
            node.state_at(&p.key(0)?)?;
            let ids = node.view.world().providers();
            Ok(ids.into_iter().map(|id| id_address(id.get())).collect())
        }),
        "Filecoin.StateCall" => {
            params(2).and_then(|p| state_call::call(node, &p, node.state_at(&p.key(1)?)?))
        }
        "Filecoin.StateSectorGetInfo" => params(3).and_then(|p| {
            let at = node.state_at(&p.key(2)?)?;
            let miner = node.miner(p.actor(0)?)?;
            let sector = miner.sector(SectorNumber::new(p.unsigned(1)?));
            Ok(sector
                .filter(|s| s.partition_after(at).is_some())
                .map_or(Value::Null, |s| info(node, &miner, s)))
        }),
        "Filecoin.StateSectorPartition" => params(3).and_then(|p| {
            let at = node.state_at(&p.key(2)?)?;
            let miner = node.miner(p.actor(0)?)?;
            partition_of(&miner, p.unsigned(1)?, at)
        }),
        "Filecoin.StateSectorExpiration" => params(3).and_then(|p| {
            let at = node.state_at(&p.key(2)?)?;
            expiration(node, p.actor(0)?, p.unsigned(1)?, at)
        }),
        "Filecoin.StateMinerPartitions" => params(3).and_then(|p| {
            let at = node.state_at(&p.key(2)?)?;
            let miner = node.miner(p.actor(0)?)?;
            partitions(node, &miner, p.unsigned(1)?, at)
        }),
        "Filecoin.StateMinerProvingDeadline" => params(2).and_then(|p| {
            let height = node.tipset_of(&p.key(1)?)?;
            let miner = node.miner(p.actor(0)?)?;
            Ok(proving_deadline(&miner, height))
        }),
        "Filecoin.StateMinerInfo" => params(2).and_then(|p| {
            node.state_at(&p.key(1)?)?;
            let miner = node.miner(p.actor(0)?)?;
            Ok(miner_info(node, &miner))
        }),
        "Filecoin.StateMinerFaults" => params(2).and_then(|p| {
            let at = node.state_at(&p.key(1)?)?;
            let miner = node.miner(p.actor(0)?)?;
            Ok(sectors_with(&miner, at, |c| c.fault.is_some()))
        }),
        "Filecoin.StateMinerRecoveries" => params(2).and_then(|p| {
            let at = node.state_at(&p.key(1)?)?;
            let miner = node.miner(p.actor(0)?)?;
            Ok(sectors_with(&miner, at, |c| c.recovering))
        }),
        "Filecoin.StateMinerSectors" => params(3).and_then(|p| {
            let at = node.state_at(&p.key(2)?)?;
            let wanted = p.bits(1)?;
            let miner = node.miner(p.actor(0)?)?;
            Ok(sector_list(node, &miner, at, |sector, _| {
                let wanted = wanted.as_ref();
                wanted.is_none_or(|wanted| wanted.contains(&sector.number.get()))
            }))
        }),
        "Filecoin.StateMinerActiveSectors" => params(2).and_then(|p| {
            let at = node.state_at(&p.key(1)?)?;
            let miner = node.miner(p.actor(0)?)?;
            Ok(sector_list(node, &miner, at, |_, condition| condition.is_active()))
        }),
        "Filecoin.StateMinerSectorCount" => params(2).and_then(|p| {
            let at = node.state_at(&p.key(1)?)?;
            let miner = node.miner(p.actor(0)?)?;
            Ok(sector_count(&miner, at))
        }),
        _ => return None,
    })
}

fn deal(node: &Node<'_>, id: u64, at: i64) -> Result<Value, RpcError> {
    match lie::deal(node, DealId::new(id), at) {
        MarketDeal::Found(deal) => Ok(deal_json(&deal)),
        // One text for four cases, on purpose: that is all a node says.
        MarketDeal::Gone | MarketDeal::Never => Err(RpcError::application(format!(
            "deal {id} not found - deal may not have completed sealing before deal proposal \
             start epoch, or deal may have been slashed"
        ))),
    }
}

fn deal_json(deal: &ChainDeal) -> Value {
    let (sector, activated, last_updated) = match deal.activation {
        Some(activation) => (activation.sector.get(), activation.at, activation.last_updated),
        None => (0, -1, -1),
    };
    json!({
        "Proposal": {
            "PieceCID": cid(&deal.piece.cid),
            "PieceSize": deal.piece.size.get(),
            "VerifiedDeal": deal.verified,
            "Client": id_address(deal.client),
            "Provider": id_address(deal.provider.get()),
            "Label": deal.label,
            "StartEpoch": deal.start,
            "EndEpoch": deal.end,
            "StoragePricePerEpoch": deal.price_per_epoch.to_string(),
            "ProviderCollateral": deal.provider_collateral.to_string(),
            "ClientCollateral": deal.client_collateral.to_string(),
        },
        "State": {
            "SectorNumber": sector,
            "SectorStartEpoch": activated,
            "LastUpdatedEpoch": last_updated,
            "SlashEpoch": -1,
        },
    })
}

fn read_state(node: &Node<'_>, actor: ProviderId, at: i64) -> Result<Value, RpcError> {
    if actor.get() != MARKET {
        let message = format!("the devnet shows the state of t05 only, not of t0{}", actor.get());
        return Err(RpcError::application(message));
    }
    let clock = node.view.clock();
    let root = |what: &str| cid(&clock.root(what, at));
    Ok(json!({
        "Balance": "0",
        "Code": cid(&clock.root("market code", 0)),
        "State": {
            "Proposals": root("Proposals"),
            "States": root("States"),
            "PendingProposals": root("PendingProposals"),
            "EscrowTable": root("EscrowTable"),
            "LockedTable": root("LockedTable"),
            "NextID": node.view.next_deal_id_after(at).get(),
            "DealOpsByEpoch": root("DealOpsByEpoch"),
            "LastCron": at,
            "TotalClientLockedCollateral": "0",
            "TotalProviderLockedCollateral": "0",
            "TotalClientStorageFee": "0",
            "PendingDealAllocationIds": root("PendingDealAllocationIds"),
            "ProviderSectors": root("ProviderSectors"),
        },
    }))
}

fn info(node: &Node<'_>, miner: &Miner, sector: &Sector) -> Value {
    let sealed = format!("sealed {}", sector.number);
    json!({
        "SectorNumber": sector.number.get(),
        "SealProof": 7,
        "SealedCID": cid(&node.view.clock().root(&sealed, miner.id.get().cast_signed())),
        "Activation": sector.activation,
        "Expiration": sector.expiration,
        "DealWeight": "0",
        "VerifiedDealWeight": "0",
        "InitialPledge": "1",
        "ExpectedDayReward": null,
        "ExpectedStoragePledge": null,
        "PowerBaseEpoch": sector.activation,
        "ReplacedDayReward": null,
        "SectorKeyCID": null,
        "Flags": 1,
        "DailyFee": "0",
    })
}

fn partition_of(miner: &Miner, sector: u64, at: i64) -> Result<Value, RpcError> {
    match miner.location_after(SectorNumber::new(sector), at).location {
        Some((deadline, partition)) => Ok(json!({"Deadline": deadline, "Partition": partition})),
        None => Err(RpcError::application(format!("sector {sector} not due at any deadline"))),
    }
}

fn expiration(node: &Node<'_>, id: ProviderId, sector: u64, at: i64) -> Result<Value, RpcError> {
    let miner = node.miner(id)?;
    let number = SectorNumber::new(sector);
    match miner.expiry_after(number, at) {
        Some(Expiry::OnTime(epoch)) => Ok(json!({"OnTime": epoch, "Early": 0})),
        Some(Expiry::Early(epoch)) => Ok(json!({"OnTime": 0, "Early": epoch})),
        // Forest looks for the sector's place first.
        None if node.dialect.kind == NodeKind::Forest => {
            partition_of(&miner, sector, at)?;
            Err(RpcError::application(format!("failed to find sector {sector}")))
        }
        None => Err(RpcError::application(format!("failed to find sector {sector}"))),
    }
}

fn partitions(node: &Node<'_>, miner: &Miner, deadline: u64, at: i64) -> Result<Value, RpcError> {
    if deadline >= DEADLINES {
        let message = format!(
            "failed to load the deadline: invalid deadline index {deadline} of {DEADLINES}"
        );
        return Err(RpcError::application(message));
    }
    let partitions = miner.partitions_after(deadline, at);
    if partitions.is_empty() && node.dialect.empty_list_is_null {
        return Ok(Value::Null);
    }
    let bits = |sectors: &[(SectorNumber, Condition)], member: fn(&Condition) -> bool| {
        bitfield(sectors.iter().filter(|(_, c)| member(c)).map(|(number, _)| number.get()))
    };
    let lists = partitions.iter().map(|sectors| {
        json!({
            "AllSectors": bits(sectors, |_| true),
            "FaultySectors": bits(sectors, |c| c.fault.is_some()),
            "RecoveringSectors": bits(sectors, |c| c.recovering),
            "LiveSectors": bits(sectors, |c| !c.terminated),
            "ActiveSectors": bits(sectors, |c| c.is_active()),
        })
    });
    Ok(lists.collect())
}

fn proving_deadline(miner: &Miner, height: i64) -> Value {
    let window = miner.schedule.current(height);
    json!({
        "CurrentEpoch": height,
        "PeriodStart": window.period_start,
        "Index": window.index,
        "Open": window.open,
        "Close": window.close,
        "Challenge": window.challenge(),
        "FaultCutoff": window.fault_cutoff(),
        "WPoStPeriodDeadlines": DEADLINES,
        "WPoStProvingPeriod": PERIOD,
        "WPoStChallengeWindow": CHALLENGE_WINDOW,
        "WPoStChallengeLookback": CHALLENGE_LOOKBACK,
        "FaultDeclarationCutoff": FAULT_CUTOFF,
    })
}

fn miner_info(node: &Node<'_>, miner: &Miner) -> Value {
    let owner = id_address(miner.id.get() - OWNER_OFFSET);
    json!({
        "Owner": owner,
        "Worker": owner,
        "NewWorker": "<empty>",
        "ControlAddresses": null,
        "WorkerChangeEpoch": -1,
        "PeerId": null,
        "Multiaddrs": null,
        "WindowPoStProofType": 12,
        "SectorSize": SECTOR_SIZE,
        "WindowPoStPartitionSectors": node.view.world().config().partition_size,
        "ConsensusFaultElapsed": -1,
        "PendingOwnerAddress": null,
        "Beneficiary": owner,
        "BeneficiaryTerm": {"Quota": "0", "UsedQuota": "0", "Expiration": 0},
        "PendingBeneficiaryTerm": null,
    })
}

fn sectors_with(miner: &Miner, at: i64, member: fn(Condition) -> bool) -> Value {
    let sectors = miner.sectors().filter(|sector| sector.after(at).is_some_and(member));
    bitfield(sectors.map(|sector| sector.number.get()))
}

/// A list of sectors is `null` when there are none, on every kind of node.
fn sector_list(
    node: &Node<'_>,
    miner: &Miner,
    at: i64,
    wanted: impl Fn(&Sector, Condition) -> bool,
) -> Value {
    let there = miner.sectors().filter(|sector| sector.partition_after(at).is_some());
    let there = there.filter_map(|sector| Some((sector, sector.after(at)?)));
    let wanted = there.filter(|(sector, condition)| wanted(sector, *condition));
    let list: Vec<_> = wanted.map(|(sector, _)| info(node, miner, sector)).collect();
    if list.is_empty() { Value::Null } else { Value::Array(list) }
}

fn sector_count(miner: &Miner, at: i64) -> Value {
    let count = |member: fn(Condition) -> bool| {
        miner.sectors().filter(|sector| sector.after(at).is_some_and(member)).count()
    };
    json!({
        "Live": count(|c| !c.terminated),
        "Active": count(Condition::is_active),
        "Faulty": count(|c| c.fault.is_some()),
    })
}
