//! Piece retrieval: a provider's whole piece, or the segment of it that is ours.

use std::fs::File;
use std::io::{Seek, Write};
use std::ops::Range;

use futures::StreamExt;
use raas_piece::{CommPBuilder, commitment_from_v1, placement, verify};
use raas_retrieval::{ByteStream, Error, PieceHint, Result, Staging};
use raas_types::{Commitment, PaddedSize, PieceInfo};
use reqwest::{Response, StatusCode, header};
use tokio_util::io::ReaderStream;
use url::Url;

use crate::client::{Http, below};

/// Bytes that are hashed and written at once on a blocking thread.
const BATCH: usize = 1 << 20;

/// Fetches a piece, or the segment of it that holds the data, from a provider; verifies its
/// commitment on the way to a temporary file; and reads the CAR in it into the staging.
pub(crate) async fn fetch_piece(
    http: &Http,
    base: &Url,
    hint: &PieceHint,
    staging: &mut Staging,
) -> Result<()> {
    let wanted = part(hint)?;
    let url = below(base, &format!("piece/{}", hint.piece.cid));
    let mut request = http.get(url);
    if let Some(range) = &wanted.range {
        request = request.header(header::RANGE, format!("bytes={}-{}", range.start, range.end - 1));
    }
    let response = http.send(request, &hint.piece.cid).await?;
    let cut = is_cut(&response, &wanted)?;
    let expected = if cut { &wanted.part } else { &hint.piece };
    // FRC-0066 lets a server leave the padding out, and never more come than the piece holds.
    let body = http.body(response, expected.size.unpadded())?;
    let file = download(body, expected, staging).await?;
    let start = match &wanted.range {
        Some(range) if !cut => range.start,
        _ => 0,
    };
    staging.put_car(read_from(file, start)?).await?;
    staging.require_complete().await
}

/// What is to be read of a piece.
struct Part {
    /// The piece or segment that starts with the CAR.
    part: PieceInfo,
    /// Where its data lies in the piece's; `None` where it is the whole piece.
    range: Option<Range<u64>>,
}

fn part(hint: &PieceHint) -> Result<Part> {
    let Some(proof) = &hint.segment else {
        return Ok(Part { part: hint.piece.clone(), range: None });
    };
    let unproven = |why: String| Error::Refused(format!("the segment's proof is no proof: {why}"));
    let aggregate =
        verify(&proof.segment, &proof.inclusion).map_err(|e| unproven(e.to_string()))?;
    if aggregate != hint.piece {
        return Err(unproven(format!("it is about {}", aggregate.cid)));
    }
    let at = placement(&proof.segment, &proof.inclusion).map_err(|e| unproven(e.to_string()))?;
    let start = at.unpadded_offset();
    Ok(Part { part: proof.segment.clone(), range: Some(start..start + at.unpadded_size()) })
}

/// Whether the answer is the range that was asked for, and not the whole.
fn is_cut(response: &Response, wanted: &Part) -> Result<bool> {
    if response.status() != StatusCode::PARTIAL_CONTENT {
        return Ok(false);
    }
    let given = response.headers().get(header::CONTENT_RANGE).and_then(|value| value.to_str().ok());
    let start = given
        .and_then(|text| text.strip_prefix("bytes ")?.split_once('-'))
        .and_then(|(start, _)| start.parse::<u64>().ok());
    match (start, &wanted.range) {
        (Some(start), Some(range)) if start == range.start => Ok(true),
        _ => Err(Error::Corrupt(format!(
            "answered with another range than was asked for: {}",
            given.unwrap_or("none named")
        ))),
    }
}

/// Writes a body to a temporary file and checks that, padded with zeros, it is the piece expected.
async fn download(mut body: ByteStream, expected: &PieceInfo, staging: &Staging) -> Result<File> {
    let wanted = commitment_from_v1(&expected.cid)
        .map_err(|error| Error::Refused(format!("{}: {error}", expected.cid)))?;
    let file = tempfile::tempfile_in(staging.scratch_dir())?;
    let mut sink = Sink { file, builder: CommPBuilder::new() };
    let mut batch = Vec::with_capacity(BATCH);
    while let Some(next) = body.next().await {
        batch.extend_from_slice(&next.map_err(Error::from_stream)?);
        if batch.len() >= BATCH {
            (sink, batch) = sink.take(batch).await?;
        }
    }
    let (sink, _) = sink.take(batch).await?;
    sink.finish(wanted, expected.size)
}

struct Sink {
    file: File,
    builder: CommPBuilder,
}

impl Sink {
    /// Hashes and writes bytes; gives the emptied buffer back.
    async fn take(mut self, mut batch: Vec<u8>) -> Result<(Self, Vec<u8>)> {
        let work = move || {
            self.builder.update(&batch);
            self.file.write_all(&batch)?;
            batch.clear();
            Ok((self, batch))
        };
        tokio::task::spawn_blocking(work)
            .await
            .unwrap_or_else(|error| Err(Error::Store(std::io::Error::other(error))))
    }

    fn finish(self, wanted: Commitment, size: PaddedSize) -> Result<File> {
        let bytes = self.builder.payload();
        let found = self.builder.finish().padded_to(size).map(|piece| piece.commitment);
        if found == Some(wanted) {
            Ok(self.file)
        } else {
            Err(Error::Corrupt(format!(
                "the {bytes} bytes served for the piece have another commitment"
            )))
        }
    }
}

fn read_from(mut file: File, start: u64) -> Result<ByteStream> {
    file.seek(std::io::SeekFrom::Start(start))?;
    Ok(ReaderStream::with_capacity(tokio::fs::File::from_std(file), 64 * 1024).boxed())
}
