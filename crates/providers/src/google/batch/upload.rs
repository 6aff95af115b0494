//! The rows as one file, sent in chunks while their pictures are read.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use chrono::TimeDelta;
use futures_util::{StreamExt, TryStreamExt, stream};
use http::{Request, Response, Uri, header::CONTENT_TYPE};
use serde::Deserialize;
use serde_json::json;
use tryon_core::{
    catalogue::Entry,
    ids::{AttemptId, RenderId},
    messages::RenderOrder,
    outcome::FailClass,
    ports::{Body, ByteStream, CallError, Uploaded},
};

use super::{GeminiBatch, MOST, PAUSE, TIMEOUT};
use crate::{
    errors::{Purpose, not_created, ours_away, rejected},
    google::{body::Segments, connection::Access, pictures, request},
    read::whole,
    url::is_resource,
};

/// Bytes of one chunk; held in memory, so that it can be sent again.
pub(super) const CHUNK: usize = 8 << 20;
/// How often one chunk is sent before the upload is given up.
const SENDS: u32 = 4;
/// A chunk that failed later than this is left: there is an end to the time of who uploads.
const SOON: TimeDelta = TimeDelta::seconds(30);
/// For the answer to a question after what has arrived.
const QUERY_TIMEOUT: Duration = Duration::from_secs(10);
/// How many rows have their pictures looked up at once.
const ROWS_AT_ONCE: usize = 8;
const JSONL: &str = "application/jsonl";

#[derive(Default, Deserialize)]
#[serde(default)]
struct FileAnswer {
    file: UploadedFile,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct UploadedFile {
    name: String,
}

/// The renders whose pictures are not what their references say: no fault of their neighbours.
async fn incomplete(
    batch: &GeminiBatch,
    rows: &[(&RenderOrder, &Entry)],
) -> Result<Vec<RenderId>, CallError> {
    let looks: Vec<_> = rows
        .iter()
        .map(|(order, _)| async {
            match pictures::check(batch.objects.as_ref(), order.request.pictures()).await {
                Ok(()) => Ok(None),
                Err(CallError::Unfit(_)) => Ok(Some(order.render_id.clone())),
                Err(error) => Err(error),
            }
        })
        .collect();
    let found = stream::iter(looks).buffered(ROWS_AT_ONCE);
    found.try_filter_map(|id| async { Ok(id) }).try_collect().await
}

pub(super) async fn upload(
    batch: &GeminiBatch,
    name: &AttemptId,
    rows: &[(&RenderOrder, &Entry)],
) -> Result<Uploaded, CallError> {
    let left_out = incomplete(batch, rows).await?;
    if left_out.len() == rows.len() {
        return Err(CallError::Unfit("every row lacks an input picture".to_owned()));
    }
    let mut segments = Segments::default();
    for (order, entry) in rows.iter().filter(|(o, _)| !left_out.contains(&o.render_id)) {
        request::line(&mut segments, order, entry)
            .map_err(|_| rejected(FailClass::Invalid, "a row could not be written as JSON"))?;
    }
    let length = segments.length();
    let target = start(batch, name, length).await?;
    let mut chunks =
        Chunks { source: segments.into_stream(batch.objects.clone()), rest: Bytes::new() };
    let mut offset = 0;
    loop {
        let chunk = chunks.next(length - offset).await?;
        let end = offset + chunk.len() as u64;
        let answer = deliver(batch, &target, offset, chunk, end == length).await?;
        if end == length {
            let answer =
                answer.ok_or_else(|| not_created("the end of an upload was lost", None))?;
            return Ok(Uploaded { file: file_name(answer).await?, left_out });
        }
        offset = end;
    }
}

/// Announces the file; the answer says where its bytes go.
async fn start(batch: &GeminiBatch, name: &AttemptId, length: u64) -> Result<Target, CallError> {
    let base = batch.base().await;
    let url = format!("{base}/upload/v1beta/files");
    let body = Bytes::from(json!({"file": {"display_name": format!("{name}.jsonl")}}).to_string());
    let make = |_: &Access| {
        Request::post(&url)
            .header("x-goog-upload-protocol", "resumable")
            .header("x-goog-upload-command", "start")
            .header("x-goog-upload-header-content-length", length)
            .header("x-goog-upload-header-content-type", JSONL)
            .header(CONTENT_TYPE, "application/json")
            .body(Body::from(body.clone()))
    };
    let access = batch.connection.access(batch.auth).await?;
    let response = batch.connection.call(access, Purpose::Free, TIMEOUT, &make).await?;
    let header = response.headers().get("x-goog-upload-url");
    let target = header.and_then(|value| value.to_str().ok()?.parse::<Uri>().ok());
    let target = target.filter(|uri| uri.host().is_some());
    let uri = target.ok_or_else(|| not_created("the upload was given no place to go", None))?;
    let home = base.parse::<Uri>().ok();
    let ours = home
        .is_some_and(|home| (home.scheme(), home.authority()) == (uri.scheme(), uri.authority()));
    Ok(Target { uri, ours })
}

struct Target {
    uri: Uri,
    /// Whether it is the host we authenticate to: others never see our credentials.
    ours: bool,
}

/// Sends a chunk until it has arrived. One whose answer was lost may have: then the target says how
/// far it got, and the rest goes on from there. None where the answer alone is missing.
async fn deliver(
    batch: &GeminiBatch,
    target: &Target,
    mut offset: u64,
    mut chunk: Bytes,
    last: bool,
) -> Result<Option<Response<ByteStream>>, CallError> {
    let soon = batch.connection.clock.now() + SOON;
    for n in 1..SENDS {
        match send(batch, target, offset, chunk.clone(), last).await {
            Err(CallError::NotCreated { reason, ours: false, .. })
                if batch.connection.clock.now() < soon =>
            {
                tracing::warn!(reason, offset, "a piece of an upload did not arrive");
            }
            result => return result.map(Some),
        }
        batch.connection.clock.sleep(PAUSE * 2_u32.pow(n - 1)).await;
        let Some(received) = received(batch, target).await else { continue };
        let taken = received.checked_sub(offset).and_then(|taken| usize::try_from(taken).ok());
        let Some(taken) = taken.filter(|taken| *taken <= chunk.len()) else {
            return Err(not_created("an upload has got elsewhere", None));
        };
        (offset, chunk) = (received, chunk.split_off(taken));
        if chunk.is_empty() && !last {
            return Ok(None);
        }
    }
    send(batch, target, offset, chunk, last).await.map(Some)
}

/// How many bytes have arrived, where the target says so.
async fn received(batch: &GeminiBatch, target: &Target) -> Option<u64> {
    let answer = command(batch, target, "query", None, QUERY_TIMEOUT).await.ok()?;
    answer.headers().get("x-goog-upload-size-received")?.to_str().ok()?.parse().ok()
}

async fn send(
    batch: &GeminiBatch,
    target: &Target,
    offset: u64,
    chunk: Bytes,
    last: bool,
) -> Result<Response<ByteStream>, CallError> {
    let word = if last { "upload, finalize" } else { "upload" };
    command(batch, target, word, Some((offset, chunk)), TIMEOUT).await
}

async fn command(
    batch: &GeminiBatch,
    target: &Target,
    command: &str,
    piece: Option<(u64, Bytes)>,
    timeout: Duration,
) -> Result<Response<ByteStream>, CallError> {
    let make = |_: &Access| {
        let request = Request::post(target.uri.clone());
        let (request, body) = match piece.clone() {
            Some((offset, chunk)) => {
                (request.header("x-goog-upload-offset", offset), Body::from(chunk))
            }
            None => (request, Body::empty()),
        };
        request.header("x-goog-upload-command", command).body(body)
    };
    let access =
        if target.ours { batch.connection.access(batch.auth).await? } else { Access::Open };
    batch.connection.call(access, Purpose::Part, timeout, &make).await
}

async fn file_name(answer: Response<ByteStream>) -> Result<String, CallError> {
    let body = whole(answer.into_body(), MOST).await;
    let body = body.map_err(|error| Purpose::Free.lost(error.to_string()))?;
    named(&body).ok_or_else(|| not_created("the upload was answered without a file name", None))
}

/// The file that an answer names.
pub(super) fn named(body: &[u8]) -> Option<String> {
    let uploaded: FileAnswer = serde_json::from_slice(body).ok()?;
    is_resource(&uploaded.file.name, "files").then_some(uploaded.file.name)
}

struct Chunks {
    source: ByteStream,
    rest: Bytes,
}

impl Chunks {
    /// The next chunk of the `left` bytes.
    async fn next(&mut self, left: u64) -> Result<Bytes, CallError> {
        let size = usize::try_from(left).unwrap_or(CHUNK).min(CHUNK);
        let mut chunk = BytesMut::with_capacity(size);
        loop {
            let fits = self.rest.len().min(size - chunk.len());
            chunk.extend_from_slice(&self.rest.split_to(fits));
            if chunk.len() == size {
                return Ok(chunk.freeze());
            }
            let piece = self.source.try_next().await;
            // The source ends with an error unless it has given the length that was counted ahead.
            let Ok(Some(piece)) = piece else {
                return Err(ours_away("an input picture broke off while it was sent"));
            };
            self.rest = piece;
        }
    }
}
