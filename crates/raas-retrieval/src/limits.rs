//! How much a DAG may be.

/// Bounds on what is fetched, staged and walked, so that no source makes the node fill its memory
/// or disk.
#[derive(Clone, Debug)]
pub struct Limits {
    /// The largest block, in bytes.
    pub block_bytes: usize,
    /// The most blocks of one DAG, staged or wanted.
    pub blocks: usize,
    /// The most bytes of one DAG's blocks.
    pub total_bytes: u64,
    /// The most blocks on a way from the root.
    pub depth: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            // Bitswap carries blocks of 2 MiB at most; twice that leaves room for importers with
            // another habit.
            block_bytes: 4 << 20,
            // 64 GiB in chunks of 256 KiB; at some 130 bytes of index each, 34 MB of memory.
            blocks: 1 << 18,
            // The largest sector, and so the largest piece, is 64 GiB.
            total_bytes: 64 << 30,
            // A file of 64 GiB is 4 levels deep; a path of 4096 bytes has at most 2048 names.
            depth: 2048,
        }
    }
}
