//! Resumable upload: begun, sent in pieces, finalized.

use std::sync::Arc;

use axum::{
    body::to_bytes,
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use futures_util::StreamExt;
use http::{HeaderValue, StatusCode, Uri, request::Parts};
use serde_json::{Value, json};

use super::{files::Upload, rows::Reader};
use crate::{
    app::App,
    auth::Product,
    faults::{Call, CallKind},
    rpc::{ApiError, ok},
    web,
};

/// The longest file, in bytes.
const MAX_FILE: u64 = 2 << 30;
const COMMAND: &str = "x-goog-upload-command";

/// `POST /upload/v1beta/files`, to begin, and with `upload_id` for the bytes.
pub(crate) async fn upload(State(app): State<Arc<App>>, request: Request) -> Response {
    match web::query(request.uri(), "upload_id") {
        Some(id) => send(&app, &id, request).await,
        None => begin(&app, request).await,
    }
}

async fn begin(app: &App, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, 64 << 10).await.unwrap_or_default();
    let described: Value = serde_json::from_slice(&body).unwrap_or_default();
    let file = &described["file"];
    let name = file["displayName"].as_str().or(file["display_name"].as_str()).unwrap_or_default();
    let call = Call { display_name: Some(name), ..Call::new(CallKind::Upload, name.as_bytes()) };
    app.run(&call, async |_| {
        let (headers, now) = (&parts.headers, app.now());
        app.tokens.check(headers, Product::Developer, app.config.api_key.as_deref(), now)?;
        let header = |name| web::text(headers, name);
        if header("x-goog-upload-protocol") != Some("resumable") || header(COMMAND) != Some("start")
        {
            return Err(ApiError::invalid("Only resumable uploads are supported here."));
        }
        let announced = header("x-goog-upload-header-content-length");
        let announced = announced.map(str::parse::<u64>).transpose();
        let announced = announced.map_err(|_| ApiError::invalid("The length is no number."))?;
        if announced.is_some_and(|length| length > MAX_FILE) {
            return Err(too_long());
        }
        app.files.sweep(&app.jobs.finished_files(now), now);
        let upload = Upload {
            display_name: name.to_owned(),
            mime: header("x-goog-upload-header-content-type").unwrap_or("jsonl").to_owned(),
            announced,
            received: 0,
            reader: Reader::default(),
        };
        let id = app.files.begin(upload, app.config.seed, now);
        let base = web::base(&parts.uri, headers);
        let url = format!("{base}/upload/v1beta/files?upload_id={id}&upload_protocol=resumable");
        let mut response = status(ok(&json!({})), "active");
        let url = HeaderValue::try_from(url).map_err(|_| ApiError::invalid("Bad host."))?;
        response.headers_mut().insert("x-goog-upload-url", url);
        Ok(response)
    })
    .await
}

async fn send(app: &App, id: &str, request: Request) -> Response {
    let Some(upload) = app.files.upload(id) else {
        return ApiError::not_found("The upload").into_response();
    };
    // One at a time: pieces follow each other.
    let mut upload = upload.lock_owned().await;
    let name = upload.display_name.clone();
    let call = Call { display_name: Some(&name), ..Call::new(CallKind::Upload, id.as_bytes()) };
    let (parts, body) = request.into_parts();
    app.run(&call, async |_| {
        let command = web::text(&parts.headers, COMMAND).unwrap_or_default();
        let finalize = match command {
            "query" => {
                let mut response = status(ok(&json!({})), "active");
                let received = HeaderValue::from(upload.received);
                response.headers_mut().insert("x-goog-upload-size-received", received);
                return Ok(response);
            }
            "upload" => false,
            "upload, finalize" | "upload,finalize" | "finalize" => true,
            _ => return Err(ApiError::invalid("Unknown upload command.")),
        };
        check_offset(&parts, &upload)?;
        let mut body = body.into_data_stream();
        while let Some(piece) = body.next().await {
            let piece = piece.map_err(|_| ApiError::invalid("The body broke off."))?;
            upload.received += piece.len() as u64;
            if upload.received > upload.announced.unwrap_or(MAX_FILE).min(MAX_FILE) {
                return Err(too_long());
            }
            upload.reader.feed(&piece, &app.shelf)?;
        }
        if !finalize {
            return Ok(status(ok(&json!({})), "active"));
        }
        if upload.announced.is_some_and(|length| length != upload.received) {
            return Err(ApiError::invalid("The file has not the length announced."));
        }
        let rows = std::mem::take(&mut upload.reader).finish(&app.shelf);
        let file = app.files.finish(id, rows, app.now());
        let described = describe(&parts.uri, &parts, &file.name, &upload);
        Ok(status(ok(&described), "final"))
    })
    .await
}

fn describe(uri: &Uri, parts: &Parts, name: &str, upload: &Upload) -> Value {
    json!({"file": {
        "name": name,
        "displayName": upload.display_name,
        "mimeType": upload.mime,
        "sizeBytes": upload.received.to_string(),
        "uri": format!("{}/v1beta/{name}", web::base(uri, &parts.headers)),
        "state": "ACTIVE",
    }})
}

fn check_offset(parts: &Parts, upload: &Upload) -> Result<(), ApiError> {
    let offset = web::text(&parts.headers, "x-goog-upload-offset");
    if offset.and_then(|offset| offset.parse().ok()) == Some(upload.received) {
        return Ok(());
    }
    let received = upload.received;
    Err(ApiError::invalid(format!("The next piece begins at byte {received}.")))
}

fn too_long() -> ApiError {
    ApiError::invalid("The file is longer than announced, or than 2 GB.")
}

fn status(mut response: Response, status: &'static str) -> Response {
    *response.status_mut() = StatusCode::OK;
    response.headers_mut().insert("x-goog-upload-status", HeaderValue::from_static(status));
    response
}
