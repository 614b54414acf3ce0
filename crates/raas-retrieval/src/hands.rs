//! Who does the work that touches the disk or hashes: a thread that may block, or the caller itself.

use crate::{Error, Result};

/// Who works.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Hands {
    /// A thread that may block, so that the caller's runtime serves others meanwhile.
    #[default]
    Thread,
    /// The caller, at once: what is done, and in which order, then depends on no other thread.
    Caller,
}

impl Hands {
    /// Has the work done.
    pub(crate) async fn run<T: Send + 'static>(
        self,
        work: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<T> {
        match self {
            Self::Caller => work(),
            Self::Thread => tokio::task::spawn_blocking(work)
                .await
                .unwrap_or_else(|error| Err(Error::Store(std::io::Error::other(error)))),
        }
    }
}
