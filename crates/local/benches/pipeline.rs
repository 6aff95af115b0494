//! What the pipeline itself adds to a render: from the request to Google's call, and from Google's
//! answer to the event, on memory adapters, with a cached token and 1 kB pictures.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a benchmark fails as a test does")]

use std::{
    hint::black_box,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use bytes::Bytes;
use chrono::TimeDelta;
use criterion::{Criterion, criterion_group, criterion_main};
use futures_util::{StreamExt, TryStreamExt};
use serde_json::{Value, json};
use tryon_core::{
    memory::TokioClock,
    picture::Mime,
    ports::{Body, ByteStream, Clock, HttpTransport, Objects, QueueName, TransportError},
    routing::Percent,
    settings::Settings,
    stages::Invocation,
};
use tryon_local::{
    arrivals::{CANNED_PHOTO, GARMENTS, PERSON},
    pump,
    world::{World, WorldConfig, post_renders},
};
use tryon_sandbox::{Latency, Pictures, Sandbox, SandboxConfig};

const PICTURE: usize = 1_000;
const HIDDEN: Duration = Duration::from_secs(260);

/// Answers the paying call with what the sandbox once answered, and notes when it was asked.
#[derive(Debug)]
struct Canned {
    sandbox: Arc<dyn HttpTransport>,
    answer: Mutex<Option<Bytes>>,
    asked: Mutex<Option<Instant>>,
    answered: Mutex<Option<Instant>>,
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
fn instant() -> Instant {
    Instant::now()
}

#[async_trait]
impl HttpTransport for Canned {
    async fn send(
        &self,
        request: http::Request<Body>,
        timeout: Duration,
    ) -> Result<http::Response<ByteStream>, TransportError> {
        if !request.uri().path().ends_with(":generateContent") {
            return self.sandbox.send(request, timeout).await;
        }
        let (parts, body) = request.into_parts();
        let body: Vec<Bytes> = body.into_stream().try_collect().await.expect("pictures are there");
        *self.asked.lock().unwrap() = Some(instant());
        let canned = self.answer.lock().unwrap().clone();
        let bytes = if let Some(bytes) = canned {
            bytes
        } else {
            let request = http::Request::from_parts(parts, Body::from(body.concat()));
            let answer = self.sandbox.send(request, timeout).await?;
            let pieces: Vec<Bytes> = answer.into_body().try_collect().await.expect("an answer");
            let bytes = Bytes::from(pieces.concat());
            *self.answer.lock().unwrap() = Some(bytes.clone());
            bytes
        };
        let stream = futures_util::stream::once(async move { Ok(bytes) }).boxed();
        let response = http::Response::builder().header("content-type", "application/json");
        let response = response.body(stream).expect("a response");
        *self.answered.lock().unwrap() = Some(instant());
        Ok(response)
    }
}

struct Bench {
    world: World,
    google: Arc<Canned>,
    body: Value,
}

impl Bench {
    async fn new() -> Self {
        let clock: Arc<dyn Clock> = Arc::new(TokioClock::real());
        let config = WorldConfig {
            seed: 1,
            settings: Settings {
                enable_gemini_batch: true,
                traffic_percent: Percent::FULL,
                daily_budget: "1000000".parse().expect("dollars"),
                ..Settings::default()
            },
            sandbox: SandboxConfig {
                latency: Latency::None,
                pictures: Pictures::Canned { bytes: PICTURE },
                ..SandboxConfig::default()
            },
            weigh_results: true,
            record_events: false,
            ..WorldConfig::default()
        };
        let mut google = None;
        let world = World::with_transport(config, clock, |sandbox: &Sandbox| {
            let canned = Arc::new(Canned {
                sandbox: sandbox.transport(),
                answer: Mutex::default(),
                asked: Mutex::default(),
                answered: Mutex::default(),
            });
            google = Some(canned.clone());
            canned
        });
        let world = world.expect("a world");
        let canned = Bytes::from_static(CANNED_PHOTO);
        for key in [PERSON, GARMENTS[0].0] {
            world.objects.put(key, canned.clone(), Mime::Jpeg).await.expect("put");
        }
        let body = json!({
            "user_id": "alice",
            "person": {"photo": PERSON},
            "garments": [{"photo": GARMENTS[0].0, "category": "shirt"}],
            "quality": "sd",
            "lane": "online",
        });
        Self { world, google: google.expect("a transport"), body }
    }

    /// One request through the router's handler: accepted and handed on.
    async fn accept(&self, key: &str) -> Duration {
        let call = Invocation { deadline: self.world.clock.now() + TimeDelta::seconds(50) };
        let request = post_renders(&self.body, key);
        let start = instant();
        let accepted = self.world.functions.router.call(request, call).await.expect("accepted");
        let took = instant() - start;
        assert_eq!(black_box(accepted)["statusCode"], 202);
        for message in self.world.queues.receive(QueueName::ImagenOnline, 10, HIDDEN) {
            self.world.queues.delete(&message.receipt);
        }
        took
    }

    /// One render: from its request to Google's call, and from the answer to the event on the bus.
    async fn render(&self, key: &str) -> (Duration, Duration) {
        let call = Invocation { deadline: self.world.clock.now() + TimeDelta::seconds(240) };
        let request = post_renders(&self.body, key);
        let start = instant();
        let accepted = self.world.functions.router.call(request, call).await.expect("accepted");
        let batch = self.world.queues.receive(QueueName::ImagenOnline, 10, HIDDEN);
        let event = pump::sqs_event(QueueName::ImagenOnline, &batch);
        let answer = self.world.functions.imagen.call(event, call).await.expect("handled");
        let end = instant();
        black_box((accepted, answer));
        for message in batch {
            self.world.queues.delete(&message.receipt);
        }
        for message in self.world.queues.receive(QueueName::GeminiBatch, 10, HIDDEN) {
            self.world.queues.delete(&message.receipt);
        }
        let asked = self.google.asked.lock().unwrap().expect("asked");
        let answered = self.google.answered.lock().unwrap().expect("answered");
        (asked - start, end - answered)
    }
}

fn pipeline(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    let runtime = runtime.expect("a runtime");
    let bench = runtime.block_on(Bench::new());
    let mut count = 0_u64;
    let mut measure = |iterations: u64, pick: fn((Duration, Duration)) -> Duration| {
        let mut sum = Duration::ZERO;
        for _ in 0..iterations {
            count += 1;
            sum += pick(runtime.block_on(bench.render(&format!("key-{count}"))));
        }
        sum
    };
    let mut accepted = 0_u64;
    criterion.bench_function("router, end to end", |bencher| {
        bencher.iter_custom(|iterations| {
            let mut sum = Duration::ZERO;
            for _ in 0..iterations {
                accepted += 1;
                sum += runtime.block_on(bench.accept(&format!("accept-{accepted}")));
            }
            sum
        });
    });
    criterion.bench_function("accept to provider call", |bencher| {
        bencher.iter_custom(|iterations| measure(iterations, |(before, _)| before));
    });
    criterion.bench_function("answer to event", |bencher| {
        bencher.iter_custom(|iterations| measure(iterations, |(_, after)| after));
    });
}

criterion_group!(benches, pipeline);
criterion_main!(benches);
