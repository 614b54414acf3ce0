//! Every statement, and that the frequent ones are answered by an index.

macro_rules! select_jobs {
    ($rest:literal) => {
        concat!("SELECT id, version, next_look, submission, last_plan, body FROM jobs ", $rest)
    };
}

/// What a selection gives of each CID in the JSON array `?1`; `place`, the last column, is where in
/// the array the CID stands. The CROSS keeps the array on the outside, so that each CID is looked
/// up by index.
macro_rules! of_each {
    ($columns:literal, $from:literal, $order:literal) => {
        concat!(
            "SELECT ",
            $columns,
            ", place FROM (SELECT key AS place, value AS asked FROM json_each(?1)) CROSS JOIN ",
            $from,
            " ORDER BY place, ",
            $order
        )
    };
}

pub(crate) const INSERT_JOB: &str =
    "INSERT INTO jobs (id, cid, version, body) VALUES (?1, ?2, 1, ?3) ON CONFLICT (id) DO NOTHING";
pub(crate) const JOB: &str = select_jobs!("WHERE id = ?1");
pub(crate) const JOBS_OF_EACH: &str =
    of_each!("id, version, next_look, submission, last_plan, body", "jobs ON cid = asked", "id");
pub(crate) const FIRST_JOBS: &str = select_jobs!("ORDER BY id LIMIT ?1");
pub(crate) const JOBS_AFTER: &str = select_jobs!("WHERE id > ?1 ORDER BY id LIMIT ?2");
pub(crate) const JOBS_OF: &str = select_jobs!("WHERE cid = ?1 ORDER BY id");
// Of the row, what stands before its plan and body: neither is read, so neither can be in the way.
pub(crate) const NEVER_LOOKED_AT: &str =
    "SELECT id, cid FROM jobs WHERE next_look IS NULL ORDER BY id LIMIT ?1";
pub(crate) const DUE: &str =
    "SELECT id, cid FROM jobs WHERE next_look <= ?1 ORDER BY next_look, id LIMIT ?2";
// All but the CID, which hardly ever changes: what is not set leaves its index alone.
pub(crate) const UPDATE_JOB_IN_PLACE: &str = "UPDATE jobs SET version = version + 1, \
     next_look = ?4, submission = ?5, last_plan = ?6, body = ?7 \
     WHERE id = ?1 AND version = ?2 AND cid = ?3";
pub(crate) const UPDATE_JOB: &str = "UPDATE jobs SET version = version + 1, cid = ?3, \
     next_look = ?4, submission = ?5, last_plan = ?6, body = ?7 WHERE id = ?1 AND version = ?2";
pub(crate) const WAKE: &str =
    "UPDATE jobs SET version = version + 1, next_look = NULL WHERE id = ?1";
pub(crate) const REMOVE_JOB: &str = "DELETE FROM jobs WHERE id = ?1";

// Ids above 2^63 - 1 are stored as negative numbers, and come after the others.
pub(crate) const DEAL_MEMORIES: &str = "SELECT cid || ' deal ' || deal, body FROM deal_memories \
     WHERE cid = ?1 ORDER BY deal < 0, deal";
pub(crate) const MEMORIES_OF_EACH: &str =
    of_each!("cid || ' deal ' || deal, body", "deal_memories ON cid = asked", "deal < 0, deal");
// Not REPLACE, which would take the row out of the table and its index and put it at the end.
pub(crate) const PUT_MEMORY: &str = "INSERT INTO deal_memories (cid, deal, body) \
     VALUES (?1, ?2, ?3) ON CONFLICT (cid, deal) DO UPDATE SET body = excluded.body";
pub(crate) const FORGET_MEMORY: &str = "DELETE FROM deal_memories WHERE cid = ?1 AND deal = ?2";

pub(crate) const ORDER: &str = "SELECT id, body FROM orders WHERE id = ?1";
pub(crate) const ORDERS_OF: &str =
    "SELECT id, body FROM orders WHERE cid = ?1 ORDER BY created, id";
pub(crate) const ORDERS_OF_EACH: &str =
    of_each!("id, body", "orders ON cid = asked", "created, id");
pub(crate) const OUTSTANDING_ORDERS: &str =
    "SELECT id, body FROM orders WHERE outstanding = 1 ORDER BY created, id";
pub(crate) const PUT_ORDER: &str = "INSERT OR REPLACE INTO orders \
     (id, cid, created, outstanding, body) VALUES (?1, ?2, ?3, ?4, ?5)";

pub(crate) const TRANSACTION: &str = "SELECT hash, body FROM transactions WHERE hash = ?1";
pub(crate) const TRANSACTIONS_OF: &str =
    "SELECT hash, body FROM transactions WHERE job = ?1 ORDER BY seq";
pub(crate) const TRANSACTIONS_OF_EACH: &str = of_each!(
    "hash, transactions.body",
    "jobs ON jobs.cid = asked CROSS JOIN transactions ON transactions.job = jobs.id",
    "jobs.id, seq"
);
pub(crate) const OPEN_TRANSACTIONS: &str =
    "SELECT hash, body FROM transactions WHERE open = 1 ORDER BY seq";
// Not REPLACE, which would move the row to the end.
pub(crate) const PUT_TRANSACTION: &str = "INSERT INTO transactions (hash, job, open, body) \
     VALUES (?1, ?2, ?3, ?4) ON CONFLICT (hash) DO UPDATE \
     SET job = excluded.job, open = excluded.open, body = excluded.body";

pub(crate) const CURSOR: &str = "SELECT name, value FROM cursors WHERE name = ?1";
pub(crate) const PUT_CURSOR: &str = "INSERT OR REPLACE INTO cursors (name, value) VALUES (?1, ?2)";

pub(crate) const NOTE: &str = "SELECT value FROM notes WHERE name = ?1";
pub(crate) const PUT_NOTE: &str = "INSERT OR REPLACE INTO notes (name, value) VALUES (?1, ?2)";

pub(crate) const PUT_DECISION: &str = "INSERT INTO decisions (cid, at, body) VALUES (?1, ?2, ?3)";
pub(crate) const DECISIONS: &str = "SELECT CAST(number AS TEXT), number, cid, at, body \
     FROM decisions WHERE number < ?1 ORDER BY number DESC LIMIT ?2";
pub(crate) const DECISIONS_OF: &str = "SELECT CAST(number AS TEXT), number, cid, at, body \
     FROM decisions WHERE cid = ?1 AND number < ?2 ORDER BY number DESC LIMIT ?3";
pub(crate) const TRIM_DECISIONS: &str =
    "DELETE FROM decisions WHERE number <= (SELECT max(number) FROM decisions) - ?1";

// On the left of `=` the new row; on the right, a bare column is the old one.
pub(crate) const LEASE: &str = "INSERT INTO leases (name, owner, until, fence) \
     VALUES (?1, ?2, ?4, 1) ON CONFLICT (name) DO UPDATE \
     SET fence = CASE WHEN until > ?3 THEN fence ELSE fence + 1 END, \
         owner = excluded.owner, until = excluded.until \
     WHERE owner = excluded.owner OR until <= ?3 \
     RETURNING name, fence";

/// The lease's name and fence, where this owner was the last to be granted it under this fence.
pub(crate) const HELD_LEASE: &str =
    "SELECT name, fence FROM leases WHERE name = ?1 AND owner = ?2 AND fence = ?3";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema;

    /// How SQLite will run a statement.
    fn plan(statement: &str) -> String {
        let dir = tempfile::tempdir().expect("a directory can be made");
        let path = dir.path().join("jobs.db");
        std::fs::write(&path, "").expect("a file can be made");
        let db = schema::open(&path).expect("an empty file becomes a store");
        let mut explain =
            db.prepare(&format!("EXPLAIN QUERY PLAN {statement}")).expect("the statement is SQL");
        let nulls = vec![rusqlite::types::Null; explain.parameter_count()];
        let steps = explain.query_map(rusqlite::params_from_iter(nulls), |row| row.get(3));
        let steps: Result<Vec<String>, _> = steps.expect("a plan is made").collect();
        steps.expect("a plan is text").join("; ")
    }

    #[test]
    fn what_is_due_is_found_by_index_and_never_sorted() {
        let never = plan(NEVER_LOOKED_AT);
        assert_eq!(never, "SEARCH jobs USING INDEX jobs_by_look (next_look=?)");
        assert_eq!(plan(DUE), "SEARCH jobs USING INDEX jobs_by_look (next_look<?)");
    }

    #[test]
    fn outstanding_orders_and_open_transactions_are_read_from_partial_indices() {
        let orders = plan(OUTSTANDING_ORDERS);
        assert_eq!(orders, "SCAN orders USING INDEX orders_outstanding");
        let transactions = plan(OPEN_TRANSACTIONS);
        assert_eq!(transactions, "SEARCH transactions USING INDEX transactions_open (open=?)");
    }

    #[test]
    fn each_cid_of_a_dossier_is_looked_up_by_index() {
        let asked = "SCAN json_each VIRTUAL TABLE INDEX 1:";
        let jobs = "SEARCH jobs USING INDEX jobs_by_cid (cid=?)";
        let memories = "SEARCH deal_memories USING PRIMARY KEY (cid=?)";
        let orders = "SEARCH orders USING INDEX orders_by_cid (cid=?)";
        for (statement, search) in
            [(JOBS_OF_EACH, jobs), (MEMORIES_OF_EACH, memories), (ORDERS_OF_EACH, orders)]
        {
            let plan = plan(statement);
            assert!(plan.starts_with(&format!("{asked}; {search}")), "{plan}");
        }
        let plan = plan(TRANSACTIONS_OF_EACH);
        let jobs = "SEARCH jobs USING COVERING INDEX jobs_by_cid (cid=?)";
        let transactions = "SEARCH transactions USING INDEX transactions_by_job (job=?)";
        assert!(plan.starts_with(&format!("{asked}; {jobs}; {transactions}")), "{plan}");
    }

    #[test]
    fn decisions_are_read_and_dropped_from_their_ends_and_never_sorted() {
        let by_number = "SEARCH decisions USING INTEGER PRIMARY KEY (rowid<?)";
        assert_eq!(plan(DECISIONS), by_number);
        let by_cid = "SEARCH decisions USING INDEX decisions_by_cid (cid=? AND number<?)";
        assert_eq!(plan(DECISIONS_OF), by_cid);
        let trim = plan(TRIM_DECISIONS);
        assert!(trim.starts_with(by_number), "{trim}");
        assert!(trim.ends_with("SEARCH decisions"), "the greatest is the last, not sought: {trim}");
    }

    #[test]
    fn no_read_goes_through_a_whole_table_or_sorts() {
        for statement in [
            JOB,
            FIRST_JOBS,
            JOBS_AFTER,
            JOBS_OF,
            ORDER,
            ORDERS_OF,
            TRANSACTION,
            TRANSACTIONS_OF,
            CURSOR,
            NOTE,
        ] {
            let plan = plan(statement);
            assert!(plan.contains("INDEX"), "{statement}: {plan}");
            assert!(!plan.contains("TEMP B-TREE"), "{statement}: {plan}");
        }
        // The few deals of one CID are sorted, for ids that wrapped.
        assert!(plan(DEAL_MEMORIES).contains("(cid=?)"));
    }
}
