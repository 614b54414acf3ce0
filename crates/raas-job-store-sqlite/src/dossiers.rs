//! Reading all that is stored of many CIDs: four queries for the batch, however many CIDs it holds.

use raas_job_store::Dossier;
use rusqlite::{Connection, Row, TransactionBehavior};

use crate::{
    failure::{Failure, Result},
    rows::{body, memory, stored_job},
    sql,
};

/// CIDs read at once. A memory is 0.3 to 3 kB (with a proof) and a CID has some three, so a batch is at
/// most 256 x 3 x 3 kB = 2.3 MB, and 40 to 120 ms of the thread in an unoptimised build. Writes that wait
/// get their turn between batches.
pub(crate) const BATCH: usize = 256;

/// The dossiers of the CIDs `asked`, all as of one moment. What cannot be read of one CID fails its
/// own dossier alone.
///
/// # Errors
///
/// When nothing can be read at all.
pub(crate) fn read(db: &mut Connection, asked: &[String]) -> Result<Vec<Result<Dossier>>> {
    // One snapshot for all queries: dropped without a commit, for nothing is written.
    let db = db.transaction_with_behavior(TransactionBehavior::Deferred)?;
    match read_together(&db, asked) {
        // A torn page ends a query for everybody: who does not need the page is answered alone.
        Err(failure) if failure.is_damage() => Ok(asked
            .iter()
            .map(|cid| read_together(&db, std::slice::from_ref(cid))?.remove(0))
            .collect()),
        dossiers => dossiers,
    }
}

fn read_together(db: &Connection, asked: &[String]) -> Result<Vec<Result<Dossier>>> {
    let mut batch = Batch {
        db,
        asked: array(asked)?,
        dossiers: asked.iter().map(|_| Ok(Dossier::default())).collect(),
    };
    batch.fill(sql::JOBS_OF_EACH, stored_job, |dossier| &mut dossier.jobs)?;
    batch.fill(sql::MEMORIES_OF_EACH, memory, |dossier| &mut dossier.memories)?;
    batch.fill(sql::ORDERS_OF_EACH, body("order"), |dossier| &mut dossier.orders)?;
    batch.fill(sql::TRANSACTIONS_OF_EACH, body("transaction"), |dossier| {
        &mut dossier.transactions
    })?;
    Ok(batch.dossiers)
}

/// CIDs as the queries take them: a JSON array, which one parameter can hold at any length.
fn array(asked: &[String]) -> Result<String> {
    serde_json::to_string(asked).map_err(|error| Failure::Row {
        kind: "list of",
        key: "CIDs".to_owned(),
        reason: error.to_string(),
    })
}

struct Batch<'a> {
    db: &'a Connection,
    asked: String,
    dossiers: Vec<Result<Dossier>>,
}

impl Batch<'_> {
    /// Adds each row that a query gives to the dossier of the CID whose place among those asked for
    /// stands in the row's last column.
    fn fill<T>(
        &mut self,
        sql: &str,
        read: impl Fn(&Row<'_>) -> Result<T>,
        list: impl Fn(&mut Dossier) -> &mut Vec<T>,
    ) -> Result<()> {
        let mut statement = self.db.prepare_cached(sql)?;
        let last = statement.column_count() - 1;
        let mut rows = statement.query([&self.asked])?;
        while let Some(row) = rows.next()? {
            let place: u32 = row.get(last)?;
            let dossier = &mut self.dossiers[place as usize];
            // The first row that could not be read stands for all of the CID.
            let Ok(readable) = dossier else { continue };
            match read(row) {
                Ok(value) => list(readable).push(value),
                Err(failure) => *dossier = Err(failure),
            }
        }
        Ok(())
    }
}
