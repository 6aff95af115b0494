//! A result file of one gigabyte, made while it is read: how fast one core takes it in, and in how much
//! memory.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a benchmark fails and tells"
)]

use std::{collections::BTreeMap, fs, hint::black_box, sync::Arc, time::Duration};

use async_trait::async_trait;
use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use criterion::{Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use futures_util::{StreamExt, stream};
use http::{Request, Response};
use tryon_core::{
    memory::{Chaos, MemoryObjects, MemorySecrets, MemorySettings, TokioClock},
    ports::{
        BatchProvider, Body, ByteStream, HttpTransport, RowAnswer, Secret, SecretName,
        TransportError,
    },
    settings::Settings,
};
use tryon_providers::google::{Auth, Connection, GeminiBatch};

/// The length of the file, in bytes; about.
const FILE: usize = 1 << 30;
/// A 1K picture, and a draft of it, in bytes.
const PICTURE: usize = 900_000;
const DRAFT: usize = 100_000;
/// What a network brings at a time, in bytes.
const PIECE: usize = 64 << 10;
/// The most that may be resident, in kB.
const MOST_RESIDENT: u64 = 128 << 10;

/// Serves the one file.
#[derive(Debug)]
struct Server {
    /// What follows a row's key.
    tail: Bytes,
    rows: usize,
}

impl Server {
    fn new() -> Self {
        let picture = |length: usize| {
            let mut jpeg = vec![0xff, 0xd8, 0xff, 0xe0];
            jpeg.extend((4..length).map(|i| u8::try_from(i * 31 % 251).unwrap()));
            BASE64_STANDARD.encode(jpeg)
        };
        let tail = format!(
            r#","response":{{"candidates":[{{"content":{{"parts":[{{"thought":true,"inlineData":{{"mimeType":"image/jpeg","data":"{}"}}}},{{"inlineData":{{"mimeType":"image/jpeg","data":"{}"}},"thoughtSignature":"c2ln"}}],"role":"model"}},"finishReason":"STOP","index":0}}],"usageMetadata":{{"promptTokenCount":2440,"candidatesTokenCount":1120,"thoughtsTokenCount":240}},"modelVersion":"m","responseId":"r"}}}}{}"#,
            picture(DRAFT),
            picture(PICTURE),
            "\n"
        );
        Self { rows: FILE / tail.len(), tail: tail.into() }
    }

    fn file(&self) -> ByteStream {
        let tail = self.tail.clone();
        let row = move |number| {
            let head = Bytes::from(format!("{{\"key\":\"r-{number}\""));
            let tail = tail.clone();
            let pieces = (0..tail.len()).step_by(PIECE);
            let pieces = pieces.map(move |at| tail.slice(at..tail.len().min(at + PIECE)));
            std::iter::once(head).chain(pieces).map(Ok)
        };
        stream::iter((0..self.rows).flat_map(row)).boxed()
    }
}

#[async_trait]
impl HttpTransport for Server {
    async fn send(
        &self,
        request: Request<Body>,
        _: Duration,
    ) -> Result<Response<ByteStream>, TransportError> {
        assert!(request.uri().path().starts_with("/download/"));
        Ok(Response::new(self.file()))
    }
}

fn batch(server: &Arc<Server>) -> GeminiBatch {
    let chaos = Arc::new(Chaos::seeded(0));
    let key = (SecretName::ApiKey, Secret::new("key"));
    let connection = Connection::new(
        server.clone(),
        Arc::new(MemorySecrets::new(chaos.clone(), [key])),
        Arc::new(MemorySettings::new(Settings::default())),
        Arc::new(TokioClock::real()),
    );
    GeminiBatch::new(connection, Arc::new(MemoryObjects::new(chaos)), Auth::ApiKey)
}

async fn read(batch: &GeminiBatch) -> usize {
    let mut rows = batch.results("files/batch-1", BTreeMap::new()).await.unwrap();
    let mut pictures = 0;
    while let Some(row) = rows.next().await {
        let RowAnswer::Picture(picture) = black_box(row.unwrap()).answer.given else { panic!() };
        assert_eq!(picture.bytes.len(), PICTURE);
        pictures += 1;
    }
    pictures
}

fn result_file(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let server = Arc::new(Server::new());
    let batch = batch(&server);
    let mut group = criterion.benchmark_group("results");
    group.sampling_mode(SamplingMode::Flat).sample_size(10);
    group.throughput(Throughput::Bytes((server.rows * server.tail.len()) as u64));
    group.bench_function("one gigabyte", |bencher| {
        bencher.iter(|| assert_eq!(runtime.block_on(read(&batch)), server.rows));
    });
    group.finish();
    if let Some(peak) = peak_resident() {
        println!("peak resident: {} MB", peak >> 10);
        assert!(peak <= MOST_RESIDENT, "{peak} kB are resident at the peak");
    }
}

/// The most that was ever resident, in kB, where the system tells.
fn peak_resident() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

criterion_group!(benches, result_file);
criterion_main!(benches);
