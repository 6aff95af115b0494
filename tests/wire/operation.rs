//! What a call asks of which service, and what it weighs.

use std::ops::AddAssign;

use axum::http::{Method, request::Parts};
use bytes::Bytes;
use serde::Serialize;
use serde_json::Value;

/// What AWS bills as one request of SQS, or one event.
const CHUNK: usize = 64 * 1024;

/// What a call carries.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct Weight {
    /// Messages, events or items; 1 where a call carries no list.
    entries: u64,
    /// Of 64 KB: in all for messages, each event on its own.
    chunks: u64,
    bytes: u64,
}

impl AddAssign for Weight {
    fn add_assign(&mut self, other: Self) {
        self.entries += other.entries;
        self.chunks += other.chunks;
        self.bytes += other.bytes;
    }
}

/// `service.Operation`.
pub(crate) fn name(head: &Parts) -> String {
    let target = head.headers.get("x-amz-target").and_then(|target| target.to_str().ok());
    let Some((service, operation)) = target.and_then(|target| target.split_once('.')) else {
        return format!("s3.{}", of_s3(head));
    };
    let service = match service {
        "AmazonSQS" => "sqs",
        "AmazonSSM" => "ssm",
        "AWSEvents" => "events",
        service if service.starts_with("DynamoDB") => "dynamodb",
        service => service,
    };
    format!("{service}.{operation}")
}

fn of_s3(head: &Parts) -> &'static str {
    let query = head.uri.query().unwrap_or_default();
    let has = |name: &str| query.split('&').any(|pair| pair.split('=').next() == Some(name));
    let in_bucket = head.uri.path().trim_matches('/').contains('/');
    match head.method {
        Method::HEAD => "HeadObject",
        Method::DELETE => "DeleteObject",
        Method::GET if in_bucket => "GetObject",
        Method::GET => "ListObjects",
        Method::PUT if has("partNumber") => "UploadPart",
        Method::PUT if in_bucket => "PutObject",
        Method::PUT => "CreateBucket",
        Method::POST if has("uploads") => "CreateMultipartUpload",
        Method::POST if has("uploadId") => "CompleteMultipartUpload",
        Method::POST => "DeleteObjects",
        _ => "Other",
    }
}

pub(crate) fn weight(operation: &str, body: &Bytes) -> Weight {
    let asked = match operation {
        name if name.starts_with("s3.") => Value::Null,
        _ => serde_json::from_slice(body).unwrap_or_default(),
    };
    let list = ["Entries", "TransactItems", "Names"].iter().find_map(|name| asked[name].as_array());
    let chunks = |bytes: usize| bytes.div_ceil(CHUNK).max(1) as u64;
    let chunks = match (operation, list) {
        ("events.PutEvents", Some(events)) => {
            let sizes = events.iter().map(|event| event["Detail"].as_str().map_or(0, str::len));
            sizes.map(chunks).sum()
        }
        _ => chunks(body.len()),
    };
    Weight { entries: list.map_or(1, Vec::len) as u64, chunks, bytes: body.len() as u64 }
}
