//! Rows as earlier versions of the program wrote them, before values had all the parts they have
//! now. The text here is never brought up to date; a part that is added must be one that may lack.

use std::collections::BTreeSet;

use raas_job_store::{Dossier, JobRecord, JobStore, StoredJob, Versioned, conformance::samples};
use raas_job_store_sqlite::SqliteJobStore;
use raas_types::{
    ChainEpoch, DealId, DealMemory, EpochDelta, Evidence, FaultSince, Job, JobId, ListedDeal,
    Order, Provenance, ProviderId, Repair, SectorNumber, Suspicion, Terms, TipsetKey, Verdict,
    VerdictKind,
};
use rusqlite::{Connection, params};

/// Of [`samples::cid`] 1.
const CID: &str = "bafkreiabaeaqcaibaeaqcaibaeaqcaibaeaqcaibaeaqcaibaeaqcaibae";

/// Without the time of its next read, and with evidence that says neither what was answered nor
/// whether anyone else was asked.
const MEMORY: &str = r#"{"listed":{"deal":5,"provider":1000},"provenance":"contract",
    "first_heard":100,"proposal":null,"sector":7,"last_active":200,"first_faulty":300,
    "suspicion":{"kind":"faulty","first_seen":300},"proof":null,
    "last":[{"kind":"faulty","since":{"exact":250},"end":900},
        {"tipset":["bafkreiabaeaqcaibaeaqcaibaeaqcaibaeaqcaibaeaqcaibaeaqcaibae"],"epoch":300,
         "finalized":true,"endpoint":"node.example"}]}"#;

/// Never judged.
const UNJUDGED_MEMORY: &str = r#"{"listed":{"deal":6,"provider":1000},"provenance":"contract",
    "first_heard":100,"proposal":null,"sector":null,"last_active":null,"first_faulty":null,
    "suspicion":null,"proof":null,"last":null}"#;

const JOB: &str = r#"{"id":"old","cid":"bafkreiabaeaqcaibaeaqcaibaeaqcaibaeaqcaibaeaqcaibaeaqcaibae",
    "terms":{"repair":{"threshold":2880}}}"#;

const ORDER: &str = r#"{"id":"order","cid":"bafkreiabaeaqcaibaeaqcaibaeaqcaibaeaqcaibaeaqcaibaeaqcaibae",
    "aggregator":"first","cause":{"kind":"replication"},"known_deals":[7,18446744073709551615],
    "exclude":[1000],"created":100,"state":{"state":"intended"}}"#;

#[tokio::test]
async fn rows_of_earlier_versions_are_read() {
    let dir = tempfile::tempdir().expect("a directory can be made");
    let store = SqliteJobStore::open(dir.path().join("jobs.db")).expect("a store can be opened");
    let db = Connection::open(store.path()).expect("SQLite's own tools may open the file");
    for (sql, body) in [
        ("INSERT INTO jobs (id, cid, version, body) VALUES ('old', ?1, 1, ?2)", JOB),
        ("INSERT INTO deal_memories (cid, deal, body) VALUES (?1, 5, ?2)", MEMORY),
        ("INSERT INTO deal_memories (cid, deal, body) VALUES (?1, 6, ?2)", UNJUDGED_MEMORY),
        (
            "INSERT INTO orders (id, cid, created, outstanding, body) \
             VALUES ('order', ?1, 100, 1, ?2)",
            ORDER,
        ),
    ] {
        db.execute(sql, params![CID, body]).expect("a row as it once was");
    }

    let cid = samples::cid(1);
    let dossier = store.dossiers(&[cid]).await.remove(0).expect("old rows are read");
    assert_eq!(
        dossier,
        Dossier {
            jobs: vec![Versioned { value: job(), version: 1 }],
            memories: vec![
                judged(),
                DealMemory::first_heard(listed(6), Provenance::Contract, at(100))
            ],
            // Before anyone could be preferred, and before the bytes were counted.
            orders: vec![Order {
                prefer: BTreeSet::new(),
                bytes: None,
                made: Vec::new(),
                ..samples::order("order", cid, 100)
            }],
            transactions: vec![],
        }
    );
    assert_eq!(store.deal_memories(&cid).await.expect("old rows are read"), dossier.memories);
}

fn job() -> StoredJob {
    let repair = Some(Repair { threshold: EpochDelta::DAY });
    let job = Job {
        id: JobId::new("old"),
        cid: samples::cid(1),
        terms: Terms { repair, ..Terms::default() },
        registered: None,
        found: None,
    };
    StoredJob { job, record: JobRecord::default() }
}

fn judged() -> DealMemory {
    DealMemory {
        sector: Some(SectorNumber::new(7)),
        last_active: Some(at(200)),
        first_faulty: Some(at(300)),
        suspicion: Some(Suspicion { kind: VerdictKind::Faulty, first_seen: at(300) }),
        last: Some((
            Verdict::Faulty { since: FaultSince::Exact(at(250)), end: at(900) },
            Evidence {
                tipset: TipsetKey::new(vec![samples::cid(1)]),
                epoch: at(300),
                finalized: true,
                endpoint: "node.example".to_owned(),
                said: None,
                witness: None,
            },
        )),
        next_read: None,
        ..DealMemory::first_heard(listed(5), Provenance::Contract, at(100))
    }
}

fn listed(deal: u64) -> ListedDeal {
    ListedDeal { deal: DealId::new(deal), provider: ProviderId::new(1_000) }
}

fn at(epoch: i64) -> ChainEpoch {
    ChainEpoch::new(epoch)
}
