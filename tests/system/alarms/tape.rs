//! Numbers as they come in a run, kept as `CloudWatch` would: ours with the function that prints them,
//! and of AWS's own those that a run on memory adapters has.

use std::{
    collections::{BTreeMap, BTreeSet},
    pin::pin,
    sync::{Arc, Mutex, OnceLock},
    time::Duration,
};

use async_trait::async_trait;
use futures_util::future::{Either, select};
use metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder,
    SharedString, Unit,
};
use serde_json::Value;
use tokio::time::Instant;
use tryon_core::{ports::QueueName, stages::Invocation};
use tryon_lambda::{Handler, HandlerError};
use tryon_local::world::World;

use crate::resolve::STAGE;

/// One metric with its dimensions.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Series {
    pub(crate) namespace: String,
    pub(crate) metric: String,
    pub(crate) dimensions: BTreeMap<String, String>,
}

/// Values with their times, in milliseconds.
type Values = BTreeMap<Series, Vec<(i64, f64)>>;

/// What was recorded, by series.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tape {
    values: Arc<Mutex<Values>>,
    start: Arc<OnceLock<Instant>>,
}

const MINUTE: Duration = Duration::from_secs(60);

tokio::task_local! {
    /// Whose call is under way.
    static FUNCTION: &'static str;
}

impl Series {
    pub(crate) fn of(namespace: &str, metric: &str, dimensions: &[(&str, &str)]) -> Self {
        let dimensions = dimensions.iter().map(|(name, value)| ((*name).into(), (*value).into()));
        let dimensions = dimensions.collect();
        Self { namespace: namespace.to_owned(), metric: metric.to_owned(), dimensions }
    }
}

impl Tape {
    /// Runs `work` under virtual time, and records.
    pub(crate) fn record(work: impl AsyncFnOnce(&Self)) -> Self {
        let tape = Self::default();
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
        metrics::with_local_recorder(&tape, || {
            runtime.unwrap().block_on(async {
                tape.start.get_or_init(Instant::now);
                work(&tape).await;
                tape.put(&Series::of("test", "end", &[]), 0.0);
            });
        });
        tape
    }

    pub(crate) fn put(&self, series: &Series, value: f64) {
        let at = self.start.get_or_init(Instant::now).elapsed().as_millis();
        self.put_at(series, i64::try_from(at).unwrap(), value);
    }

    pub(crate) fn put_at(&self, series: &Series, at: i64, value: f64) {
        self.values.lock().unwrap().entry(series.clone()).or_default().push((at, value));
    }

    /// The values later than `from`, up to `to`, in milliseconds.
    pub(crate) fn between(&self, series: &Series, from: i64, to: i64) -> Vec<f64> {
        let all = self.values.lock().unwrap();
        let values = all.get(series).map_or(&[][..], Vec::as_slice);
        let place = |end: i64| values.partition_point(|(at, _)| *at <= end);
        values[place(from)..place(to).max(place(from))].iter().map(|(_, value)| *value).collect()
    }

    /// The whole minutes of the run.
    pub(crate) fn minutes(&self) -> i64 {
        let all = self.values.lock().unwrap();
        let end = all.values().filter_map(|values| values.last()).map(|(at, _)| *at).max();
        end.unwrap_or_default() / 60_000
    }

    /// Everything that was recorded in a namespace.
    pub(crate) fn series(&self, namespace: &str) -> BTreeSet<Series> {
        let all = self.values.lock().unwrap();
        all.keys().filter(|series| series.namespace == namespace).cloned().collect()
    }

    /// Has the functions of a world say who they are, and counts their calls.
    pub(crate) fn watch(&self, world: &mut World) {
        let functions = &mut world.functions;
        for (name, handler) in [
            ("router", &mut functions.router),
            ("accumulator", &mut functions.accumulator),
            ("imagen", &mut functions.imagen),
            ("replicate", &mut functions.replicate),
            ("distributor", &mut functions.distributor),
            ("reconciler", &mut functions.reconciler),
            ("rollout", &mut functions.rollout),
        ] {
            *handler = Arc::new(Watched { name, inner: handler.clone(), tape: self.clone() });
        }
    }

    /// Runs the world until `script` is done, and measures its queues by the minute.
    pub(crate) async fn play(&self, world: &World, script: impl Future<Output = ()>) {
        let script = async {
            self.measured(world, script).await;
            Ok(())
        };
        world.serve_until(script).await.unwrap();
    }

    /// Measures the world's queues by the minute until `script` is done.
    pub(crate) async fn measured(&self, world: &World, script: impl Future<Output = ()>) {
        let look = async {
            loop {
                world.clock.sleep(MINUTE).await;
                self.measure(world);
            }
        };
        match select(pin!(script), pin!(look)).await {
            Either::Left(((), _)) => {}
            Either::Right((never, _)) => never,
        }
    }

    fn measure(&self, world: &World) {
        for queue in QueueName::ALL {
            let stem = queue.as_str().trim_end_matches(".fifo");
            let end = if queue.is_fifo() { ".fifo" } else { "" };
            let put = |metric, name: String, value| {
                self.put(&Series::of("AWS/SQS", metric, &[("QueueName", &name)]), value);
            };
            let age = world.queues.oldest_age(queue).unwrap_or_default().as_seconds_f64();
            put("ApproximateAgeOfOldestMessage", format!("{stem}-{STAGE}{end}"), age);
            let dead = world.queues.dlq(queue).len() as f64;
            put("ApproximateNumberOfMessagesVisible", format!("{stem}-{STAGE}-dlq{end}"), dead);
        }
    }
}

/// A function whose calls Lambda counts.
#[derive(Debug)]
struct Watched {
    name: &'static str,
    inner: Arc<dyn Handler>,
    tape: Tape,
}

/// A call that was neither answered nor counted as an error yet: it ran out of time.
struct Call<'a>(&'a Watched, bool);

impl Watched {
    fn count(&self, metric: &str) {
        let name = format!("tryon-{}-{STAGE}", self.name);
        self.tape.put(&Series::of("AWS/Lambda", metric, &[("FunctionName", &name)]), 1.0);
    }
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        if !self.1 {
            self.0.count("Errors");
        }
    }
}

#[async_trait]
impl Handler for Watched {
    async fn call(&self, event: Value, invocation: Invocation) -> Result<Value, HandlerError> {
        self.count("Invocations");
        let mut call = Call(self, false);
        let answer = FUNCTION.scope(self.name, self.inner.call(event, invocation)).await;
        call.1 = answer.is_ok();
        let status = answer.as_ref().ok().and_then(|answer| answer["statusCode"].as_u64());
        if status.is_some_and(|status| status >= 500) {
            self.tape.put(&Series::of("AWS/ApiGateway", "5xx", &[("ApiId", "Api")]), 1.0);
        }
        answer
    }
}

/// Where the numbers of one metric go.
struct Pen(Tape, Series);

impl Tape {
    fn pen(&self, key: &Key) -> Arc<Pen> {
        let function = FUNCTION.try_with(|name| *name).unwrap_or("nobody");
        let mut dimensions = vec![("function", function), ("stage", STAGE)];
        dimensions.extend(key.labels().map(|label| (label.key(), label.value())));
        Arc::new(Pen(self.clone(), Series::of("tryon", key.name(), &dimensions)))
    }
}

impl CounterFn for Pen {
    /// No count is no line.
    fn increment(&self, value: u64) {
        if value > 0 {
            self.0.put(&self.1, value as f64);
        }
    }

    fn absolute(&self, _: u64) {
        panic!("nobody sets a counter");
    }
}

impl GaugeFn for Pen {
    fn increment(&self, _: f64) {
        panic!("nobody moves a level");
    }

    fn decrement(&self, _: f64) {
        panic!("nobody moves a level");
    }

    fn set(&self, value: f64) {
        self.0.put(&self.1, value);
    }
}

impl HistogramFn for Pen {
    fn record(&self, value: f64) {
        self.0.put(&self.1, value);
    }
}

impl Recorder for Tape {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.pen(key))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.pen(key))
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(self.pen(key))
    }
}
