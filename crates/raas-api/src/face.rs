//! What a face is made of, and what its requests share.

use raas_runtime::{Node, retrieval::ImportProfile};
use tokio::sync::Semaphore;

use crate::{Token, flights::Flights, keys::Keys};

/// The largest upload, in bytes: what fits into the largest piece, that of a 64 GiB sector, of which
/// 127 bytes in 128 are data.
pub const DEFAULT_MAX_UPLOAD: u64 = (64 << 30) / 128 * 127;

/// Uploads read at the same time. Each holds an index of up to 34 MB (2^18 blocks of 130 bytes) and
/// a chunk of 256 KiB: at most 16 * 34 = 544 MB, for sixteen files of 64 GiB.
const UPLOADS_AT_ONCE: usize = 16;

/// CIDs fetched from elsewhere at the same time, for the same reason: 8 * 34 = 272 MB.
const FETCHES_AT_ONCE: usize = 8;

/// A node and how it is shown to the world.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Face {
    /// The node.
    pub node: Node,
    /// What callers must show.
    pub token: Token,
    /// The largest upload that is taken, in bytes.
    pub max_upload: u64,
    /// Whether `GET /ipfs/{cid}` asks for no token. Strangers then get what is stored here and the
    /// data of jobs; they cannot make the node fetch just anything.
    pub public_retrieval: bool,
    /// How uploads become DAGs, and so which CIDs they get.
    pub import_profile: ImportProfile,
}

impl Face {
    /// A face with the usual settings: uploads up to [`DEFAULT_MAX_UPLOAD`], retrieval for callers
    /// with the token only, and the CIDs of kubo's `ipfs add --cid-version=1`.
    pub fn new(node: Node, token: Token) -> Self {
        Self {
            node,
            token,
            max_upload: DEFAULT_MAX_UPLOAD,
            public_retrieval: false,
            import_profile: ImportProfile::default(),
        }
    }
}

/// What the requests to one face share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) face: Face,
    /// Idempotency keys seen.
    pub(crate) keys: Keys,
    pub(crate) uploads: Semaphore,
    pub(crate) fetches: Semaphore,
    pub(crate) flights: Flights,
}

impl Shared {
    pub(crate) fn new(face: Face) -> Self {
        Self {
            face,
            keys: Keys::default(),
            uploads: Semaphore::new(UPLOADS_AT_ONCE),
            fetches: Semaphore::new(FETCHES_AT_ONCE),
            flights: Flights::default(),
        }
    }

    pub(crate) fn node(&self) -> &Node {
        &self.face.node
    }
}
