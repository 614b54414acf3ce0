//! Providers whose partitions a test can change, behind a full node; and readings of their sectors.

use std::sync::{Arc, Mutex, MutexGuard};

use raas_lotus::LotusChain as _;
use raas_lotus_jsonrpc::JsonRpcLotus;
use raas_types::{RpcUsage, SectorHealth, SectorId, SectorReading, Tipset};
use serde_json::{Value, json};

use super::{Server, schedule, sector};

pub(crate) const PLACE: &str = "Filecoin.StateSectorPartition";
pub(crate) const PARTITIONS: &str = "Filecoin.StateMinerPartitions";
pub(crate) const SCHEDULE: &str = "Filecoin.StateMinerProvingDeadline";
pub(crate) const EXPIRATION: &str = "Filecoin.StateSectorExpiration";

/// Where a sector lies, and how it does.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sector {
    pub(crate) provider: u64,
    pub(crate) number: u64,
    pub(crate) deadline: u64,
    pub(crate) partition: usize,
    pub(crate) health: SectorHealth,
}

/// Providers whose partitions a test can change.
#[derive(Clone, Default)]
pub(crate) struct World(Arc<Mutex<Vec<Sector>>>);

impl World {
    /// Active sectors, 0 to `count`, in the deadline that is their number modulo 48.
    pub(crate) fn with(providers: std::ops::Range<u64>, count: u64) -> Self {
        let world = Self::default();
        for provider in providers {
            let sector = |number| Sector {
                provider,
                number,
                deadline: number % 48,
                partition: 0,
                health: SectorHealth::Active,
            };
            world.sectors().extend((0..count).map(sector));
        }
        world
    }

    pub(crate) fn add(&self, sector: Sector) {
        self.sectors().push(sector);
    }

    pub(crate) fn ids(&self) -> Vec<SectorId> {
        self.sectors().iter().map(|s| sector(s.provider, s.number)).collect()
    }

    pub(crate) fn change(&self, id: SectorId, change: impl FnOnce(&mut Sector)) {
        let mut sectors = self.sectors();
        let mut sectors = sectors.iter_mut();
        let of = |s: &&mut Sector| sector(s.provider, s.number) == id;
        change(sectors.find(of).expect("a sector that is there"));
    }

    pub(crate) fn forget(&self, id: SectorId) {
        self.sectors().retain(|s| sector(s.provider, s.number) != id);
    }

    pub(crate) fn answer(&self, method: &str, params: &Value) -> Result<Value, (i64, String)> {
        let provider: u64 = params[0].as_str().expect("an address")[2..].parse().expect("an id");
        let sectors = self.sectors();
        let own = || sectors.iter().filter(|s| s.provider == provider);
        let number = params[1].as_u64();
        let found = own().find(|s| Some(s.number) == number);
        match (method, found) {
            (PLACE, Some(s)) => Ok(json!({"Deadline": s.deadline, "Partition": s.partition})),
            (PLACE, None) => {
                Err((1, format!("sector {} not due at any deadline", number.expect("a number"))))
            }
            (PARTITIONS, _) => {
                let there: Vec<_> = own().filter(|s| Some(s.deadline) == number).collect();
                let count = there.iter().map(|s| s.partition + 1).max().unwrap_or_default();
                Ok((0..count).map(|at| partition(&there, at)).collect())
            }
            (SCHEDULE, _) => Ok(schedule(6_300_000)),
            (EXPIRATION, _) => Ok(json!({"OnTime": 0, "Early": 6_302_580 + 120_960})),
            _ => Err((1, "unknown actor code".to_owned())),
        }
    }

    pub(crate) async fn serve(&self) -> Server {
        let world = self.clone();
        Server::full_node(move |method, params| world.answer(method, params)).await
    }

    fn sectors(&self) -> MutexGuard<'_, Vec<Sector>> {
        self.0.lock().expect("no panic in the server")
    }
}

fn partition(there: &[&Sector], at: usize) -> Value {
    let set = |of: &dyn Fn(SectorHealth) -> bool| {
        let numbers = there.iter().filter(|s| s.partition == at && of(s.health));
        let mut numbers: Vec<_> = numbers.map(|s| s.number).collect();
        numbers.sort_unstable();
        run_lengths(&numbers)
    };
    json!({
        "AllSectors": set(&|_| true),
        "FaultySectors": set(&|health| health == SectorHealth::Faulty),
        "RecoveringSectors": [0],
        "LiveSectors": set(&|health| health != SectorHealth::Dead),
        "ActiveSectors": set(&|health| health == SectorHealth::Active),
    })
}

fn run_lengths(numbers: &[u64]) -> Value {
    let mut lengths = vec![];
    let mut position = 0;
    for number in numbers {
        if *number == position && !lengths.is_empty() {
            *lengths.last_mut().expect("a run") += 1;
        } else {
            lengths.extend([number - position, 1]);
        }
        position = number + 1;
    }
    if lengths.is_empty() { json!([0]) } else { json!(lengths) }
}

/// One reading, and what it cost.
pub(crate) async fn read(
    lotus: &JsonRpcLotus,
    ids: &[SectorId],
    at: &Tipset,
) -> (Vec<SectorReading>, RpcUsage) {
    let before = lotus.usage();
    let readings = lotus.sectors(ids, at).await;
    (readings, lotus.usage().since(&before))
}

pub(crate) fn elements(usage: &RpcUsage, method: &str) -> u64 {
    usage.methods.get(method).map_or(0, |method| method.elements)
}

/// How a sector does; `None` when it is not found.
pub(crate) fn health(reading: &SectorReading) -> Option<SectorHealth> {
    match reading {
        SectorReading::Found(status) => Some(status.health),
        SectorReading::NotFound => None,
        SectorReading::Failed(why) => panic!("{why}"),
    }
}
