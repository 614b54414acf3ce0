//! [`JobStore`](raas_job_store::JobStore) in an embedded SQLite database: the default of a node on
//! its own.
//!
//! One file, one node. A thread of its own writes and reads, so callers never block their runtime;
//! commands wait in a short queue. Every write is in the disk's keeping when it returns (write-ahead
//! log, `synchronous=FULL`); a node killed at any instant finds all that was confirmed.
//!
//! While a store is open it holds a lock on `<file>.lock`. A second one waits a second for it and is
//! then refused, for two nodes on one file would both act. The operating system lets go of the lock
//! when its holder dies, however it dies; the file itself stays behind and means nothing. Reading
//! with SQLite's own tools is possible meanwhile, and with [`SqliteJobStore::open_to_read`]. Nodes that are to share a store need a database
//! server, not this crate.
//!
//! The file is made readable by its owner alone. Its schema carries a version; an older one is
//! brought up to date on opening, a newer one is refused and left as it is.

mod changes;
mod decisions;
mod dossiers;
mod failure;
mod file;
mod packed;
mod rows;
mod schema;
mod sql;
mod store;
mod worker;

pub use store::SqliteJobStore;
