use std::time::Duration;

use tryon_core::catalogue::Catalogue;

use crate::{Faults, ReplicateModel, models::Model};

/// How a sandbox behaves.
#[derive(Clone, Debug)]
pub struct SandboxConfig {
    /// What all chance is drawn from.
    pub seed: u64,
    /// The project of the service account; other projects are refused.
    pub project: String,
    /// Accepted beside bearer tokens on the Developer API, where set.
    pub api_key: Option<String>,
    /// How long a token lives.
    pub token_life: Duration,
    /// Google's models on offer with their prices.
    pub models: Vec<Model>,
    /// Whether a download can begin at any byte. Nobody documents it of Google's.
    pub ranges: bool,
    /// What Replicate takes as an API token.
    pub replicate_token: String,
    /// Replicate's models on offer with their prices.
    pub predictions: Vec<ReplicateModel>,
    /// Whether the account at Replicate has less than $5 of credit: 6 predictions a minute, one at a
    /// time.
    pub low_credit: bool,
    /// How old a prediction or a batch job is before it is listed.
    pub list_lag: Duration,
    /// The base of the addresses of predictions' pictures. Absent: Replicate's own for whoever calls
    /// Replicate's own host, else the address that was called.
    pub delivery_url: Option<String>,
    pub latency: Latency,
    pub job_time: JobTime,
    pub pictures: Pictures,
    /// Bytes of drawn pictures kept for repeated use.
    pub cache_bytes: usize,
    /// The rules the fault script starts with.
    pub faults: Faults,
}

impl Default for SandboxConfig {
    fn default() -> Self {
        Self {
            seed: 0,
            project: "sandbox".to_owned(),
            api_key: None,
            token_life: Duration::from_secs(3_599),
            models: Model::documented(),
            ranges: true,
            replicate_token: "r8_sandbox".to_owned(),
            predictions: ReplicateModel::documented(),
            low_credit: false,
            list_lag: Duration::ZERO,
            delivery_url: None,
            latency: Latency::default(),
            job_time: JobTime::default(),
            pictures: Pictures::default(),
            cache_bytes: 64 << 20,
            faults: Faults::default(),
        }
    }
}

impl SandboxConfig {
    /// Takes this many seconds for every picture and every job; left out, as long as the providers do.
    #[must_use]
    pub fn taking(mut self, seconds: Option<u32>) -> Self {
        (self.latency, self.job_time) = match seconds {
            Some(seconds) => {
                let time = Duration::from_secs(seconds.into());
                (Latency::Fixed(time), JobTime::Fixed(time))
            }
            None => (Latency::Documented, JobTime::LongTail),
        };
        self
    }

    /// Takes models, versions, sizes and prices from a catalogue, over those documented.
    #[must_use]
    pub fn priced_by(mut self, catalogue: &Catalogue) -> Self {
        for (_, entry) in catalogue.entries() {
            Model::adopt(&mut self.models, entry);
        }
        for (_, step) in catalogue.predictions() {
            ReplicateModel::adopt(&mut self.predictions, step);
        }
        self
    }
}

/// How long an online call takes, or a prediction, whose documented times differ by model. Drawn from
/// the seed and the request's bytes, so that it does not depend on what came before.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Latency {
    /// 15-60 s for 1K and 2K, 60-180 s for 4K, most of them near the lower end.
    #[default]
    Documented,
    /// The documented times multiplied.
    Scaled(f64),
    Fixed(Duration),
    None,
}

/// How long a batch job takes. Drawn from the seed and the job's display name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum JobTime {
    /// From 90 s; four of five within 10 minutes, one of twenty over an hour, rarely a day.
    #[default]
    LongTail,
    Fixed(Duration),
}

/// What the pictures are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pictures {
    /// Drawn from the inputs at true size.
    #[default]
    Drawn,
    /// A small valid JPEG, padded to about `bytes`; inputs may be any bytes and are not kept.
    Canned { bytes: usize },
}
