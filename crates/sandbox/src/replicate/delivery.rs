//! The host of outputs, open to whoever has an address, for as long as it leads anywhere.

use std::{io, sync::Arc, time::Duration};

use axum::{
    body::Body,
    extract::{Path, State},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::{HeaderValue, StatusCode, header};
use tryon_core::picture::Mime;

use super::{calls::names, prediction::Prediction, view::token};
use crate::{
    app::App,
    faults::{Call, CallKind, Fault},
};

/// The length of an id, with which an address's token begins.
pub(super) const ID: usize = 26;
const PIECE: usize = 64 << 10;
/// Into so many a slow picture is cut.
const PIECES: usize = 10;

/// Nothing there.
#[derive(Debug)]
struct Gone;

impl IntoResponse for Gone {
    fn into_response(self) -> Response {
        unavailable(404)
    }
}

/// `GET /pbxt/TOKEN/out-0.png`
pub(crate) async fn deliver(
    State(app): State<Arc<App>>,
    Path((address, file)): Path<(String, String)>,
) -> Response {
    let id = address.get(..ID).unwrap_or_default();
    let names = names(&app, id);
    let call = Call { key: Some(&names), ..Call::new(CallKind::Delivery, address.as_bytes()) };
    app.run(&call, async |fault| {
        let place = file.strip_prefix("out-").and_then(|file| file.split_once('.'));
        let place = place.and_then(|(place, kind)| Some((place.parse::<usize>().ok()?, kind)));
        let (place, kind) = place.ok_or(Gone)?;
        let now = app.now();
        let picture = app.predictions.with(id, |prediction| {
            let there = token(app.config.seed, id) == address && place < prediction.pictures(now);
            there.then(|| picture(prediction, place))
        });
        let picture = picture.ok().flatten().ok_or(Gone)?;
        let (mime, bytes) = picture(&app);
        if mime.extension() != kind {
            return Err(Gone);
        }
        Ok(match fault {
            Some(Fault::CutPicture { after_bytes }) => cut(mime, &bytes, after_bytes),
            Some(Fault::SlowPicture { seconds }) => slow(&app, mime, &bytes, seconds),
            _ => whole(mime, bytes),
        })
    })
    .await
}

/// What draws the picture, once the predictions are let go of.
pub(super) fn picture(
    prediction: &Prediction,
    place: usize,
) -> impl FnOnce(&App) -> (Mime, Bytes) + use<> {
    let drawing = prediction.drawing.clone();
    let key = format!("{}#{place}", prediction.name());
    move |app| match drawing {
        Some(drawing) => (drawing.mime, app.artist.picture(&drawing, &key).into()),
        None => (Mime::Jpeg, Bytes::new()),
    }
}

fn whole(mime: Mime, bytes: Bytes) -> Response {
    typed(mime, Response::new(Body::from(bytes)))
}

fn cut(mime: Mime, bytes: &Bytes, after: usize) -> Response {
    let bytes = bytes.slice(..after.min(bytes.len()));
    let pieces = (0..bytes.len()).step_by(PIECE);
    let mut pieces: Vec<_> =
        pieces.map(|from| Ok(bytes.slice(from..bytes.len().min(from + PIECE)))).collect();
    pieces.push(Err(io::Error::from(io::ErrorKind::ConnectionReset)));
    typed(mime, Response::new(Body::from_stream(stream::iter(pieces))))
}

/// In pieces, each after its part of the time.
fn slow(app: &App, mime: Mime, bytes: &Bytes, seconds: u64) -> Response {
    let length = bytes.len().div_ceil(PIECES).max(1);
    let clock = app.clock.clone();
    let pause = Duration::from_secs(seconds) / u32::try_from(PIECES).unwrap_or(1);
    let starts = (0..bytes.len()).step_by(length);
    let pieces: Vec<_> =
        starts.map(|from| bytes.slice(from..bytes.len().min(from + length))).collect();
    let pieces = stream::iter(pieces).then(move |piece| {
        let clock = clock.clone();
        async move {
            clock.sleep(pause).await;
            Ok::<_, io::Error>(piece)
        }
    });
    typed(mime, Response::new(Body::from_stream(pieces)))
}

fn typed(mime: Mime, mut response: Response) -> Response {
    let mime = HeaderValue::from_static(mime.as_str());
    response.headers_mut().insert(header::CONTENT_TYPE, mime);
    response
}

/// The host's own refusal: no JSON.
pub(crate) fn unavailable(code: u16) -> Response {
    let mut response = Response::new(Body::from("<?xml version='1.0'?><Error></Error>"));
    *response.status_mut() =
        StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let xml = HeaderValue::from_static("application/xml; charset=UTF-8");
    response.headers_mut().insert(header::CONTENT_TYPE, xml);
    response
}
