//! A prediction as the API shows it, with the oddities of the wire: which of them one has follows
//! from the seed and its input.

use axum::response::Response;
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use http::StatusCode;
use serde_json::{Map, Value, json};
use tryon_core::{catalogue::PredictionPrice, picture::Mime};

use super::prediction::{End, Phase, Prediction, run};
use crate::{app::App, lots, rpc::reply};

const API: &str = "//api.replicate.com";
const DELIVERY: &str = "https://replicate.delivery";

/// Whose view it is: the time, and the address under which the caller reached us.
#[derive(Clone, Copy, Debug)]
pub(super) struct View<'a> {
    pub(super) app: &'a App,
    pub(super) now: DateTime<Utc>,
    pub(super) base: &'a str,
}

impl View<'_> {
    pub(super) fn object(&self, prediction: &Prediction) -> Value {
        self.object_in(prediction, prediction.phase(self.now))
    }

    pub(super) fn object_in(&self, prediction: &Prediction, phase: Phase<'_>) -> Value {
        let removed = prediction.is_removed(self.now);
        let call = format!("{}/v1/predictions/{}", self.base, prediction.id);
        let mut object = Map::new();
        let mut put = |name: &str, value: Value| drop(object.insert(name.to_owned(), value));
        put("id", prediction.id.clone().into());
        put("model", self.model(prediction).into());
        put("version", prediction.version.clone().into());
        put("input", if removed { json!({}) } else { prediction.input.clone().into() });
        put("logs", if removed { Value::Null } else { "".into() });
        put("created_at", self.created(prediction).into());
        put("urls", json!({"get": call, "cancel": format!("{call}/cancel")}));
        if !self.odd(prediction, "no source", 4) {
            put("source", "api".into());
        }
        if removed || !self.odd(prediction, "no data_removed", 3) {
            put("data_removed", removed.into());
        }
        if let Some(deadline) = prediction.deadline {
            put("deadline", time(deadline).into());
        }
        put("error", Value::Null);
        let status = match phase {
            Phase::Starting => "starting",
            Phase::Processing { since } => {
                put("started_at", time(since).into());
                "processing"
            }
            Phase::Ended { how, started, at } => {
                if let Some(started) = started {
                    put("started_at", time(started).into());
                }
                put("completed_at", time(at).into());
                if let Some(metrics) = self.metrics(prediction, how, started, at) {
                    put("metrics", metrics);
                }
                match how {
                    End::Succeeded(_) => "succeeded",
                    End::Failed(error) => {
                        put("error", error.clone().into());
                        "failed"
                    }
                    End::Canceled => "canceled",
                    End::Aborted => "aborted",
                }
            }
        };
        put("status", status.into());
        if let Phase::Ended { .. } = phase {
            put("output", self.output(prediction));
        } else if self.odd(prediction, "empty metrics", 4) {
            put("metrics", json!({}));
        } else if !self.odd(prediction, "no output", 2) {
            put("output", Value::Null);
        }
        Value::Object(object)
    }

    /// As a create held open answers once the pictures are there: before the end is written down, and
    /// with the pictures in the answer itself.
    pub(super) fn with_pictures(&self, prediction: &Prediction, pictures: Vec<String>) -> Value {
        let since = prediction.plan.runs.map_or(prediction.created, |(starts, _)| starts);
        let mut object = self.object_in(prediction, Phase::Processing { since });
        object["output"] = output(prediction.several, pictures);
        object
    }

    /// The answer that shows `object`. Some begin with the model, which comes again further on.
    pub(super) fn reply(
        &self,
        status: StatusCode,
        prediction: &Prediction,
        object: &Value,
    ) -> Response {
        let mut response = reply(status, object);
        if self.odd(prediction, "twice the model", 16) {
            let model = Value::from(self.model(prediction));
            let text = object.to_string().replacen('{', &format!("{{\"model\":{model},"), 1);
            *response.body_mut() = text.into();
        }
        response
    }

    fn output(&self, prediction: &Prediction) -> Value {
        let count = prediction.pictures(self.now);
        let made = matches!(
            prediction.phase(self.now),
            Phase::Ended { how: End::Succeeded(_), .. } if !prediction.is_removed(self.now)
        );
        if !made {
            return Value::Null;
        }
        let delivery = match &self.app.config.delivery_url {
            Some(url) => url.trim_end_matches('/'),
            None if self.base.ends_with(API) => DELIVERY,
            None => self.base,
        };
        let token = token(self.app.config.seed, &prediction.id);
        let folder = if prediction.several { "pbxt" } else { "xezq" };
        let mime = prediction.drawing.as_ref().map_or(Mime::Jpeg, |drawing| drawing.mime);
        let kind = mime.extension();
        let address = |i: usize| format!("{delivery}/{folder}/{token}/out-{i}.{kind}");
        output(prediction.several, (0..count).map(address).collect())
    }

    /// A model that is billed by the second is always told how long it ran.
    fn metrics(
        &self,
        prediction: &Prediction,
        how: &End,
        started: Option<DateTime<Utc>>,
        at: DateTime<Utc>,
    ) -> Option<Value> {
        let by_picture = matches!(prediction.price, PredictionPrice::PictureMicros(_));
        if how == &End::Aborted || (by_picture && self.odd(prediction, "no metrics", 8)) {
            return None;
        }
        let seconds = |milliseconds: i64| TimeDelta::milliseconds(milliseconds).as_seconds_f64();
        let mut metrics = json!({
            "predict_time": seconds(run(started, at)),
            "total_time": seconds((at - prediction.created).num_milliseconds()),
        });
        if self.odd(prediction, "small metric", 2) {
            metrics["queue_time"] = 3e-6.into();
        }
        Some(metrics)
    }

    /// Some are shown by a name that only Replicate itself knows.
    fn model(&self, prediction: &Prediction) -> String {
        let model = prediction.model.as_str();
        if self.odd(prediction, "internal name", 16) {
            return format!("replicate-internal/{}", model.replace('/', "-"));
        }
        model.to_owned()
    }

    fn created(&self, prediction: &Prediction) -> String {
        let at = prediction.created;
        match lots::draw(self.app.config.seed, "digits", &prediction.about) % 4 {
            0 => at.to_rfc3339_opts(SecondsFormat::Millis, true),
            1 => at.to_rfc3339_opts(SecondsFormat::Micros, true),
            2 => at.to_rfc3339_opts(SecondsFormat::Nanos, true),
            _ => format!(
                "{}{:08}Z",
                at.format("%Y-%m-%dT%H:%M:%S."),
                at.timestamp_subsec_nanos() / 10
            ),
        }
    }

    /// One in `n`.
    fn odd(&self, prediction: &Prediction, what: &str, n: u64) -> bool {
        lots::draw(self.app.config.seed, what, &prediction.about).is_multiple_of(n)
    }
}

/// The part of an address that cannot be guessed; begins with the id.
pub(super) fn token(seed: u64, id: &str) -> String {
    format!("{id}{}", lots::name(seed, "delivery", id.as_bytes(), 18))
}

fn output(several: bool, pictures: Vec<String>) -> Value {
    if several {
        return pictures.into();
    }
    pictures.into_iter().next().map_or(Value::Null, Value::from)
}

fn time(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}
