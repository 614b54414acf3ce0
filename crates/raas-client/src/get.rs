//! Getting a file back, verified.
//!
//! The DAG is fetched as a CAR into a temporary store that checks every block against the CID, and
//! the file is made of what was checked. That costs the file's size on disk twice for a while, and
//! spares the reader from believing anyone.

use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use futures::{StreamExt, stream};
use raas_retrieval::{BlobStore, ByteStream, FileBody};
use raas_types::Cid;
use reqwest::{Method, Response, header::HeaderMap};
use tokio::io::{AsyncWrite, AsyncWriteExt};

use crate::{Client, Error, Result};

/// Bytes that do not come for this long are given up.
const IDLE: Duration = Duration::from_secs(60);
/// How long the node may take before the first byte: it may have to fetch all from elsewhere, 64 GiB
/// at 20 MB/s in 55 minutes.
const FIRST_BYTE: Duration = Duration::from_secs(60 * 60);
/// What temporary names beside the output begin with.
const TEMPORARY: &str = ".raas-get-";

/// A file that came back, verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retrieved {
    /// Its length in bytes.
    pub bytes: u64,
    /// Who the node had it from: itself (`local store`), a gateway, a provider.
    pub source: Option<String>,
    /// Who it asked before in vain, and what they said.
    pub tried: Vec<String>,
}

impl Client {
    /// Gets the file under a CID and writes it to `output`, replacing what is there. The name
    /// appears when the file is whole and verified, and never otherwise. `progress` is told how many
    /// bytes have come, which is a little more than the file has.
    pub async fn get(
        &self,
        cid: &str,
        output: impl AsRef<Path>,
        progress: impl Fn(u64) + Send + 'static,
    ) -> Result<Retrieved> {
        let output = output.as_ref();
        match tokio::fs::metadata(output).await {
            Ok(metadata) if metadata.is_dir() => {
                let source = io::Error::from(io::ErrorKind::IsADirectory);
                let what = format!("cannot write to {}", output.display());
                return Err(Error::Io { what, source });
            }
            // A pipe or a device: not to be replaced by a file.
            Ok(metadata) if !metadata.is_file() => {
                let file = tokio::fs::OpenOptions::new().write(true).open(output).await;
                let mut file = file.map_err(Error::at("open", output))?;
                return self.get_to(cid, &mut file, progress).await;
            }
            _ => {}
        }
        let dir = directory_of(output);
        let temporary = tempfile::Builder::new().prefix(TEMPORARY).tempdir_in(&dir);
        let temporary = temporary.map_err(Error::at("write in", &dir))?;
        let (retrieved, body) = self.fetch(cid, temporary.path(), progress).await?;
        let part = temporary.path().join("file");
        write_part(&part, body).await.map_err(|error| at_output(error, output))?;
        tokio::fs::rename(&part, output).await.map_err(Error::at("write", output))?;
        clear(temporary).await;
        Ok(retrieved)
    }

    /// The same into a writer, by way of the directory for temporary files. Nothing is written
    /// before all of it is verified.
    pub async fn get_to(
        &self,
        cid: &str,
        writer: &mut (impl AsyncWrite + Unpin + Send),
        progress: impl Fn(u64) + Send + 'static,
    ) -> Result<Retrieved> {
        let temporary = tempfile::Builder::new().prefix(TEMPORARY).tempdir();
        let temporary = temporary.map_err(Error::io("cannot make a temporary directory"))?;
        let (retrieved, body) = self.fetch(cid, temporary.path(), progress).await?;
        copy(body, writer).await.map_err(|error| match error {
            Error::Io { source, .. } => Error::Io { what: "cannot write".to_owned(), source },
            error => error,
        })?;
        clear(temporary).await;
        Ok(retrieved)
    }

    /// Fetches the DAG into a store in `dir`, and opens the file in it.
    async fn fetch(
        &self,
        text: &str,
        dir: &Path,
        progress: impl Fn(u64) + Send + 'static,
    ) -> Result<(Retrieved, FileBody)> {
        let cid = Cid::try_from(text).map_err(|error| {
            Error::Protocol(format!(
                "{text:?} is no CID ({error}): write it as bafy…, bafk… or Qm…"
            ))
        })?;
        let request = self.request(Method::GET, &["ipfs", text])?.query(&[("format", "car")]);
        let response = self.within(FIRST_BYTE, request.send()).await?;
        let response = self.accept(response.map_err(Error::of_transport)?).await?;
        let (source, tried) = source_of(response.headers());
        let blobs = open_store(dir.join("blobs")).await?;
        let mut staging = blobs.stage(&cid).await.map_err(data)?;
        staging.put_car(bytes_of(response, progress)).await.map_err(data)?;
        staging.require_complete().await.map_err(data)?;
        staging.commit().await.map_err(data)?;
        let body = blobs.file(&cid, None).await.map_err(data)?;
        let body = body.ok_or_else(|| Error::Protocol(format!("{cid} vanished from the disk")))?;
        Ok((Retrieved { bytes: body.total, source, tried }, body))
    }
}

/// The body's bytes; one that stalls ends with an error.
fn bytes_of(response: Response, progress: impl Fn(u64) + Send + 'static) -> ByteStream {
    stream::unfold(Some((response, 0, progress)), |state| async move {
        let (mut response, received, progress) = state?;
        let broken = match tokio::time::timeout(IDLE, response.chunk()).await {
            Ok(Ok(Some(bytes))) => {
                let received = received + bytes.len() as u64;
                progress(received);
                return Some((Ok(bytes), Some((response, received, progress))));
            }
            Ok(Ok(None)) => return None,
            Ok(Err(error)) => io::Error::other(error.without_url()),
            Err(_) => {
                let idle = format!("nothing came for {} seconds", IDLE.as_secs());
                io::Error::new(io::ErrorKind::TimedOut, idle)
            }
        };
        Some((Err(broken), None))
    })
    .boxed()
}

fn source_of(headers: &HeaderMap) -> (Option<String>, Vec<String>) {
    let text = |value: &reqwest::header::HeaderValue| value.to_str().ok().map(str::to_owned);
    let source = headers.get("x-raas-source").and_then(text);
    (source, headers.get_all("x-raas-tried").iter().filter_map(text).collect())
}

/// What went wrong on the way, by whose fault it is.
fn data(error: raas_retrieval::Error) -> Error {
    match error {
        raas_retrieval::Error::Store(source) => {
            Error::Io { what: "cannot write temporary files".to_owned(), source }
        }
        error => Error::Data(error),
    }
}

async fn open_store(dir: PathBuf) -> Result<BlobStore> {
    let opened = tokio::task::spawn_blocking(move || BlobStore::open(dir)).await;
    opened.map_err(io::Error::other).flatten().map_err(Error::io("cannot write temporary files"))
}

async fn write_part(part: &Path, body: FileBody) -> Result<()> {
    let mut file = tokio::fs::File::create_new(part).await.map_err(Error::at("make", part))?;
    copy(body, &mut file).await?;
    file.sync_all().await.map_err(Error::at("write", part))
}

async fn copy(body: FileBody, writer: &mut (impl AsyncWrite + Unpin + Send)) -> Result<()> {
    let mut bytes = body.stream;
    while let Some(next) = bytes.next().await {
        let next = next.map_err(|error| data(raas_retrieval::Error::from_stream(error)))?;
        writer.write_all(&next).await.map_err(Error::io("cannot write"))?;
    }
    writer.flush().await.map_err(Error::io("cannot write"))
}

/// Names the output in place of the temporary file, of which the caller knows nothing.
fn at_output(error: Error, output: &Path) -> Error {
    match error {
        Error::Io { source, .. } => Error::at("write", output)(source),
        error => error,
    }
}

fn directory_of(output: &Path) -> PathBuf {
    match output.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => dir.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// Removes temporary files off the runtime's threads. What cannot be removed harms nobody.
async fn clear(temporary: tempfile::TempDir) {
    let _ = tokio::task::spawn_blocking(move || drop(temporary)).await;
}
