//! The bytes of an upload, from a raw body or from the `file` field of a form.

use std::{io, time::Duration};

use axum::{
    body::{Body, Bytes},
    extract::{FromRequest, Multipart, Request, multipart::Field},
};
use futures::{Stream, StreamExt, TryStreamExt, stream};
use raas_runtime::retrieval::ByteStream;
use tokio::sync::mpsc;

use crate::problem::Failure;

/// An upload of which nothing comes for this long is given up. Clients that send anything at all,
/// however slowly, are not in a hurry here.
const IDLE: Duration = Duration::from_secs(60);
/// Pieces of a form's file on their way from the parser to the importer; each is what one read of
/// the socket brought, some 64 KiB at most, so 512 KiB together.
const IN_FLIGHT: usize = 8;
/// The form field that holds the file.
const FIELD: &str = "file";

/// The bytes of a raw body.
pub(crate) fn raw(body: Body) -> ByteStream {
    patient(body.into_data_stream().map_err(io::Error::other))
}

/// A form that is being read.
pub(crate) struct Form {
    multipart: Multipart,
    file: mpsc::Sender<io::Result<Bytes>>,
}

/// The bytes of a form's file, and the form that feeds them: [`Form::feed`] must run beside whoever
/// reads the bytes.
pub(crate) async fn form(request: Request) -> Result<(Form, ByteStream), Failure> {
    let request = request.map(|body| Body::from_stream(raw(body)));
    let multipart = Multipart::from_request(request, &()).await.map_err(|error| {
        Failure::bad_request(format!("the form cannot be read: {}", error.body_text()))
    })?;
    let (file, bytes) = mpsc::channel(IN_FLIGHT);
    let bytes = stream::unfold(bytes, |mut bytes| async move {
        let next = bytes.recv().await?;
        Some((next, bytes))
    });
    Ok((Form { multipart, file }, bytes.boxed()))
}

impl Form {
    /// Feeds the file to whoever reads it. On any error the reader is told that the bytes broke off,
    /// so that it keeps nothing.
    pub(crate) async fn feed(mut self) -> Result<(), Failure> {
        let result = self.read().await;
        if let Err(failure) = &result {
            let broken = io::Error::other(failure.problem().detail);
            // The reader may be gone already, and then keeps nothing either.
            let _ = self.file.send(Err(broken)).await;
        }
        result
    }

    async fn read(&mut self) -> Result<(), Failure> {
        let field = self.multipart.next_field().await.map_err(unreadable)?;
        match field {
            Some(field) if field.name() == Some(FIELD) => pass_on(field, &self.file).await?,
            Some(field) => return Err(unknown(field.name())),
            None => {
                return Err(Failure::bad_request(
                    "the form has no field \"file\": send the file in it",
                ));
            }
        }
        match self.multipart.next_field().await.map_err(unreadable)? {
            None => Ok(()),
            Some(field) => Err(unknown(field.name())),
        }
    }
}

async fn pass_on(
    mut field: Field<'_>,
    file: &mpsc::Sender<io::Result<Bytes>>,
) -> Result<(), Failure> {
    while let Some(bytes) = field.chunk().await.map_err(unreadable)? {
        if file.send(Ok(bytes)).await.is_err() {
            // The reader gave up, and says why.
            break;
        }
    }
    Ok(())
}

fn unreadable(error: axum::extract::multipart::MultipartError) -> Failure {
    Failure::bad_request(format!("the form cannot be read: {}", error.body_text()))
}

fn unknown(name: Option<&str>) -> Failure {
    Failure::bad_request(format!(
        "the form has a field {:?}: send one field \"file\", and terms in the query",
        name.unwrap_or_default()
    ))
}

/// Ends with an error when nothing comes for [`IDLE`].
fn patient(bytes: impl Stream<Item = io::Result<Bytes>> + Send + Unpin + 'static) -> ByteStream {
    stream::unfold(Some(bytes), |bytes| async move {
        let mut bytes = bytes?;
        match tokio::time::timeout(IDLE, bytes.next()).await {
            Ok(Some(Ok(next))) => Some((Ok(next), Some(bytes))),
            Ok(Some(Err(error))) => Some((Err(error), None)),
            Ok(None) => None,
            Err(_) => {
                let idle = format!("nothing came for {} seconds", IDLE.as_secs());
                Some((Err(io::Error::new(io::ErrorKind::TimedOut, idle)), None))
            }
        }
    })
    .boxed()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_upload_that_stalls_is_given_up() {
        let bytes = stream::iter([Ok(Bytes::from_static(b"a"))]).chain(stream::pending());
        let mut bytes = patient(bytes.boxed());
        assert_eq!(bytes.next().await.unwrap().unwrap(), "a");
        let error = bytes.next().await.unwrap().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(bytes.next().await.is_none());
    }
}
