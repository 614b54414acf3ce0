//! Asking sources, one after the other, until the DAG is whole.

use std::fmt;
use std::sync::Arc;

use raas_types::{Cid, PieceInfo, ProviderId, SegmentProof};

use crate::{BlobStore, DataSource, Error};

/// What is wanted, and what is known of where it may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The root of the DAG.
    pub cid: Cid,
    /// Pieces that are said to hold it.
    pub pieces: Vec<PieceHint>,
}

impl Wanted {
    /// A CID of which nothing more is known.
    pub fn new(cid: Cid) -> Self {
        Self { cid, pieces: Vec::new() }
    }
}

/// A piece that is said to hold what is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PieceHint {
    /// The deal's piece.
    pub piece: PieceInfo,
    /// Who stores it, where that is known.
    pub provider: Option<ProviderId>,
    /// Which part of the piece is meant, where it is an aggregate.
    pub segment: Option<SegmentProof>,
}

/// That a source completed a staging.
#[derive(Debug)]
pub struct Served {
    /// Who the bytes came from, for people: a gateway's or a provider's name.
    pub by: String,
    /// Parties that the source asked before in vain.
    pub attempts: Vec<Attempt>,
}

impl Served {
    /// Served by this party, without detours.
    pub fn by(name: impl Into<String>) -> Self {
        Self { by: name.into(), attempts: Vec::new() }
    }
}

/// A party that was asked in vain.
#[derive(Debug)]
pub struct Attempt {
    /// Its name, for people.
    pub source: String,
    /// What went wrong.
    pub error: Error,
}

impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.source, self.error)
    }
}

/// How a DAG came to be in the store.
#[derive(Debug)]
pub struct Fetched {
    /// Who completed it, or [`LOCAL`] where it was there already.
    pub by: String,
    /// Who was asked before in vain, in order.
    pub attempts: Vec<Attempt>,
}

/// Nobody had all of it, or the local store failed. Nothing was stored.
#[derive(Debug)]
pub struct Unavailable {
    /// What was wanted.
    pub cid: Cid,
    /// Who was asked, in order, and what went wrong.
    pub attempts: Vec<Attempt>,
}

impl Unavailable {
    /// Whether asking again later may help.
    pub fn is_temporary(&self) -> bool {
        self.attempts.iter().any(|attempt| attempt.error.is_temporary())
    }
}

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "nobody could serve {}", self.cid)?;
        if self.attempts.is_empty() {
            return f.write_str(": there was no source to ask");
        }
        self.attempts.iter().try_for_each(|attempt| write!(f, "; {attempt}"))
    }
}

impl std::error::Error for Unavailable {}

/// What the local store is called among the attempts.
pub const LOCAL: &str = "local store";

/// Brings a DAG into the store: asks the sources in order, lets each add what the ones before it
/// lacked, and commits when all is there. Nothing incomplete and nothing unverified is stored.
pub async fn fetch_into(
    store: &BlobStore,
    wanted: &Wanted,
    sources: &[Arc<dyn DataSource>],
) -> Result<Fetched, Unavailable> {
    let mut attempts = Vec::new();
    if store.has(&wanted.cid).await {
        return Ok(Fetched { by: LOCAL.to_owned(), attempts });
    }
    match collect(store, wanted, sources, &mut attempts).await {
        Ok(Some(by)) => Ok(Fetched { by, attempts }),
        Ok(None) => Err(Unavailable { cid: wanted.cid, attempts }),
        Err(error) => {
            attempts.push(Attempt { source: LOCAL.to_owned(), error });
            Err(Unavailable { cid: wanted.cid, attempts })
        }
    }
}

/// Who completed it; `None` where nobody did. An error is one of the local store.
async fn collect(
    store: &BlobStore,
    wanted: &Wanted,
    sources: &[Arc<dyn DataSource>],
    attempts: &mut Vec<Attempt>,
) -> Result<Option<String>, Error> {
    let mut staging = store.stage(&wanted.cid).await?;
    if staging.is_complete() {
        // An identity CID is its own data.
        staging.commit().await?;
        return Ok(Some(LOCAL.to_owned()));
    }
    for source in sources {
        let error = match source.fetch(wanted, &mut staging).await {
            Ok(served) => {
                attempts.extend(served.attempts);
                match staging.require_complete().await {
                    Ok(()) => {
                        staging.commit().await?;
                        return Ok(Some(served.by));
                    }
                    // Said to be served, and is not: the word of a source is worth nothing here.
                    Err(error) => Attempt { source: served.by, error },
                }
            }
            Err(Error::Tried(tried)) if !tried.is_empty() => {
                attempts.extend(tried);
                continue;
            }
            Err(error) => Attempt { source: source.name(), error },
        };
        attempts.push(error);
    }
    Ok(None)
}
