//! A create that will be carried out.

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};
use tryon_core::catalogue::PredictionPrice;

use super::{
    bucket,
    delivery::ID,
    offer::ReplicateModel,
    prediction::{End, Plan, Prediction},
    sheet::Sheet,
    times::{Times, milliseconds},
    work::{self, Material},
};
use crate::{
    app::App,
    draw::Drawing,
    faults::{Call, CallKind, Fault, Strike},
    lots,
    lots::Hash,
};

/// A model that runs for longer is stopped.
const LONGEST_RUN: Duration = Duration::from_secs(1_800);
/// How long a model takes at most to find its input wanting.
const LOOK: Duration = Duration::from_millis(300);

#[derive(Debug)]
pub(super) struct Order<'a> {
    pub(super) model: &'a ReplicateModel,
    pub(super) sheet: &'static Sheet,
    pub(super) version: String,
    pub(super) price: PredictionPrice,
    pub(super) input: Map<String, Value>,
    pub(super) attempt: Option<String>,
    pub(super) cancel_after: Option<Duration>,
}

impl Order<'_> {
    /// Fetches the pictures, meets the fault script, and keeps the prediction: its id and number.
    pub(super) async fn place(self, app: &App) -> (String, usize) {
        let seed = app.config.seed;
        let about = lots::hash(&[
            self.model.model.as_bytes(),
            Value::Object(self.input.clone()).to_string().as_bytes(),
        ]);
        let drawing = self.drawing(app).await;
        let call = Call {
            key: self.attempt.as_deref(),
            prompt: self.input.get("prompt").and_then(Value::as_str),
            ..Call::new(CallKind::Prediction, &about)
        };
        let now = app.now();
        let strike = app.faults.strike(&call, now);
        let times = Times::of(app, self.sheet, work::size(self.sheet, &self.input), &about);
        let end = match &drawing {
            Ok(_) => End::Succeeded(work::count(&self.input)),
            Err(error) => End::Failed(error.clone()),
        };
        let plan = plan(seed, times, end, strike, &about, now);
        let mut id = String::new();
        let number = app.predictions.insert(now, |number| {
            let tells = [number.to_le_bytes().as_slice(), &about].concat();
            id = lots::name(seed, "prediction", &tells, ID);
            Prediction {
                number,
                id: id.clone(),
                about,
                attempt: self.attempt,
                model: self.model.model.clone(),
                version: self.version,
                price: self.price,
                several: self.sheet.several,
                input: self.input,
                drawing: drawing.ok().map(Arc::new),
                created: now,
                plan,
                deadline: self.cancel_after.map(|after| now + after),
                cancelled: None,
                known: false,
            }
        });
        (id, number)
    }

    /// What will be drawn, or the error that the model will end with. Where nothing is drawn from its
    /// inputs, they are not fetched.
    async fn drawing(&self, app: &App) -> Result<Drawing, String> {
        let mut material = Material { input: &self.input, pictures: Vec::new() };
        if app.shelf.keeps() {
            for field in self.sheet.pictures() {
                let addresses = match self.input.get(field) {
                    Some(Value::Array(addresses)) => addresses.as_slice(),
                    Some(address) => std::slice::from_ref(address),
                    None => &[],
                };
                for address in addresses.iter().filter_map(Value::as_str) {
                    material.pictures.push((field, bucket::read(app, address).await?));
                }
            }
        }
        material.drawing(self.sheet)
    }
}

fn plan(
    seed: u64,
    mut times: Times,
    mut end: End,
    strike: Strike,
    about: &Hash,
    now: DateTime<Utc>,
) -> Plan {
    if let End::Failed(_) = end {
        times.run = times.run.min(LOOK);
    }
    match strike.fault {
        Some(Fault::Stick { seconds: None }) => return Plan { runs: None, end },
        Some(Fault::Stick { seconds: Some(seconds) }) => times.wait = Duration::from_secs(seconds),
        Some(Fault::Fail { error }) => {
            times = times.broken_off(seed, about);
            end = End::Failed(error);
        }
        Some(Fault::EmptyOutput) => end = End::Succeeded(0),
        _ => {}
    }
    times.run = times.run.saturating_add(milliseconds(strike.delay));
    if times.run > LONGEST_RUN {
        times.run = LONGEST_RUN;
        end = End::Failed("Prediction timed out".to_owned());
    }
    let starts = now + times.wait;
    Plan { runs: Some((starts, starts + times.run)), end }
}
