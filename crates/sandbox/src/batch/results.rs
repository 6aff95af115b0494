//! The result file, made line by line while it is read.

use std::{io, sync::Arc, time::Duration};

use axum::{
    body::Body,
    extract::{Path, State},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::{
    HeaderMap, StatusCode, Uri,
    header::{CONTENT_RANGE, RANGE},
};
use serde_json::{Map, Value};

use super::{calls::authorized, job::Job};
use crate::{
    app::App,
    faults::{Call, CallKind, Fault},
    generate::{Outcome, answer},
    rpc::ApiError,
    web,
};

/// Pieces of the stream are no longer than this; lines end where they end.
const PIECE: usize = 256 << 10;

/// `GET /download/v1beta/files/batch-ID:download?alt=media`
pub(crate) async fn download(
    State(app): State<Arc<App>>,
    Path(call): Path<String>,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    let id = call.strip_prefix("batch-").and_then(|call| call.strip_suffix(":download"));
    let Some(id) = id.map(str::to_owned) else {
        return ApiError::not_found(uri.path()).into_response();
    };
    let name = app.jobs.with(&id, |job| Ok(job.display_name.clone())).ok();
    let about = Call::new(CallKind::Download, id.as_bytes());
    let about = Call { display_name: name.as_deref(), ..about };
    app.run(&about, async |fault| {
        authorized(&app, &headers)?;
        let now = app.now();
        let places = app.jobs.with(&id, |job| {
            if job.has_results(now) {
                return Ok(places(job, job.done(now).len()));
            }
            Err(ApiError::not_found(&format!("files/batch-{id}")))
        })?;
        let cut = match fault {
            Some(Fault::CutDownload { after_rows }) => after_rows,
            _ => usize::MAX,
        };
        let pause = match fault {
            Some(Fault::SlowDownload { row_seconds }) => Duration::from_secs(row_seconds),
            _ => Duration::ZERO,
        };
        let mut head = Response::builder();
        let from = web::text(&headers, RANGE.as_str()).filter(|_| app.config.ranges);
        let from = from.and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-'));
        let from = from.and_then(|from| from.parse::<usize>().ok());
        if let Some(from) = from {
            let length: usize = places.iter().map(|place| length(&app, &id, *place)).sum();
            if from >= length {
                return Err(ApiError::new(416, "The range cannot be satisfied."));
            }
            head = head.status(StatusCode::PARTIAL_CONTENT);
            head = head.header(CONTENT_RANGE, format!("bytes {from}-{}/{length}", length - 1));
        }
        let (mut skip, mut sent) = (from.unwrap_or_default(), 0);
        let (rows, clock, id) = (app.clone(), app.clock.clone(), id.clone());
        let rows = places.into_iter().flat_map(move |place| {
            let length = if skip > 0 { length(&rows, &id, place) } else { 0 };
            if skip > 0 && skip >= length {
                skip -= length;
                return Vec::new();
            }
            sent += 1;
            row(&rows, &id, place, std::mem::take(&mut skip), sent > cut)
        });
        let rows = stream::iter(rows).then(move |piece| {
            let clock = clock.clone();
            async move {
                let ends = piece.as_ref().is_ok_and(|piece| piece.ends_with(b"\n"));
                if ends && !pause.is_zero() {
                    clock.sleep(pause).await;
                }
                piece
            }
        });
        // Whatever follows the break is never asked for.
        let response = head.body(Body::from_stream(rows));
        response.map_err(|error| ApiError::new(500, error.to_string()))
    })
    .await
}

/// How long a row's line is, in bytes.
fn length(app: &App, id: &str, place: usize) -> usize {
    line(app, id, place, true).map_or(0, |line| line.len())
}

/// Which rows stand in the file, and in which order.
fn places(job: &Job, done: usize) -> Vec<usize> {
    let times = |fault: &Option<Fault>| match fault {
        Some(Fault::MissingRow { .. }) => 0,
        Some(Fault::DuplicateRow) => 2,
        _ => 1,
    };
    let rows = job.rows.iter().enumerate().take(done);
    let mut places: Vec<_> =
        rows.flat_map(|(at, row)| std::iter::repeat_n(at, times(&row.fault))).collect();
    if job.reversed {
        places.reverse();
    }
    places
}

/// A row in pieces, from one of its bytes on; where `cut`, half of the rest and then the break.
fn row(app: &App, id: &str, place: usize, from: usize, cut: bool) -> Vec<io::Result<Bytes>> {
    let line = match line(app, id, place, cut) {
        Ok(line) => line,
        Err(error) => return vec![Err(io::Error::other(error.message))],
    };
    let end = if cut { usize::midpoint(from, line.len()) } else { line.len() };
    let piece = |from: usize| Ok(line.slice(from..end.min(from + PIECE)));
    let mut pieces: Vec<_> = (from..end).step_by(PIECE).map(piece).collect();
    if cut {
        pieces.push(Err(io::ErrorKind::ConnectionReset.into()));
    }
    pieces
}

fn line(app: &App, id: &str, place: usize, cut: bool) -> Result<Bytes, ApiError> {
    let gone = || ApiError::not_found("The row");
    // The picture is drawn without holding the jobs.
    let (model, key, work, fault) = app.jobs.with(id, |job| {
        let row = job.rows.get_mut(place).ok_or_else(gone)?;
        row.answered |= !cut;
        let work = match (row.error(), &row.work) {
            (None, Ok(order)) => Ok(order.clone()),
            (error, _) => Err(error.unwrap_or_default()),
        };
        Ok((job.model.clone(), row.key.clone(), work, row.fault.clone()))
    })?;
    let mut line = Map::new();
    match work {
        Ok(order) => {
            let outcome = Outcome::of(&order, fault.as_ref(), app.config.seed);
            let name = key.as_deref().unwrap_or_default();
            let response = answer(app, &model, name, &order, &outcome);
            line.insert("response".to_owned(), response);
        }
        Err(error) => drop(line.insert("error".to_owned(), error)),
    }
    if let Some(key) = key {
        line.insert("key".to_owned(), key.into());
    }
    let line = Value::Object(line);
    let line = match &fault {
        Some(fault) if fault.rewrites() => fault.rewritten(line),
        _ => line,
    };
    let mut text = line.to_string();
    if fault == Some(Fault::GarbleRow) {
        text.truncate(text.len() / 2);
    }
    text.push('\n');
    Ok(text.into())
}
