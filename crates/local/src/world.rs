//! The whole system in one process: every function's own Lambda handler, on memory adapters as
//! unkind as AWS, against the sandbox.

mod api;
mod bucket;
mod build;

pub(crate) use self::api::{ApiCall, Caller, Text};
pub use self::api::{Refused, post_renders};

use std::{future::Future, sync::Arc, time::Duration};

use anyhow::Result;
use tryon_core::{
    catalogue::Catalogue,
    chain::Step,
    gates::Mode,
    memory::{
        Chaos, MemoryAttempts, MemoryAudit, MemoryBoard, MemoryBus, MemoryCatalogue,
        MemoryDatabase, MemoryHealth, MemoryLinks, MemoryObjects, MemoryQueues, MemorySecrets,
        MemorySettings,
    },
    money::Micros,
    ports::{Clock, Knobs, QueueName, SettingsSource},
    settings::Settings,
};
use tryon_lambda::Handler;
use tryon_sandbox::{Sandbox, SandboxConfig};

use crate::{
    google::{Google, Way},
    pump::{Mapping, Pump, Schedule},
};

/// Time limits of the functions and visibility of their queues, as deployed.
const IMAGEN_TIMEOUT: Duration = Duration::from_secs(240);
pub(crate) const TIMEOUT: Duration = Duration::from_secs(50);
const VISIBILITY_MARGIN: Duration = Duration::from_secs(20);
const FIFO_VISIBILITY: Duration = Duration::from_secs(300);
const RECONCILE_EVERY: Duration = Duration::from_secs(60);
const ROLLOUT_EVERY: Duration = Duration::from_secs(300);
/// Where signed addresses lead in a world without a network.
pub const PICTURES_URL: &str = "https://pictures.local";
const BATCH_SIZE: usize = 10;
const CONCURRENCY: usize = 20;
/// One call a message group at a time.
const SHARD_CONCURRENCY: usize = 4;

/// What a world is made from.
#[derive(Debug)]
pub struct WorldConfig {
    pub seed: u64,
    pub settings: Settings,
    /// Where the functions read their knobs, where that is not [`World::settings`].
    pub knobs: Option<Arc<dyn SettingsSource>>,
    /// Where the rollout and operators turn them, where that is not [`World::settings`].
    pub turns: Option<Arc<dyn Knobs>>,
    /// Who takes the next step of the ramp.
    pub rollout: Mode,
    /// How often the rollout looks.
    pub rollout_every: Duration,
    pub sandbox: SandboxConfig,
    /// How Google is reached.
    pub google: Google,
    /// How Replicate is reached; none: the sandbox.
    pub replicate: Option<Way>,
    /// The models; none for those that ship with the code.
    pub catalogue: Option<Arc<Catalogue>>,
    /// The salt of the rollout.
    pub salt: String,
    /// What the deployment can run.
    pub steps: &'static [Step],
    /// Where the signed addresses of pictures lead.
    pub pictures_url: String,
    /// How many renders a user may have in an hour.
    pub hourly_limit: u32,
    /// What rescues may cost on a day.
    pub rescue_budget: Micros,
    /// Keep of result pictures only what they weigh, so that long runs stay flat.
    pub weigh_results: bool,
    /// Keep every event, for whoever wants to look at them afterwards.
    pub record_events: bool,
}

/// Every function, as Lambda would call it.
#[derive(Clone, Debug)]
pub struct Functions {
    pub router: Arc<dyn Handler>,
    pub accumulator: Arc<dyn Handler>,
    pub imagen: Arc<dyn Handler>,
    pub replicate: Arc<dyn Handler>,
    pub distributor: Arc<dyn Handler>,
    pub reconciler: Arc<dyn Handler>,
    pub rollout: Arc<dyn Handler>,
}

/// The system: its ports, and the functions on top of them.
#[derive(Debug)]
pub struct World {
    pub clock: Arc<dyn Clock>,
    pub chaos: Arc<Chaos>,
    pub database: Arc<MemoryDatabase>,
    pub audit: Arc<MemoryAudit>,
    pub attempts: Arc<MemoryAttempts>,
    pub queues: Arc<MemoryQueues>,
    pub bus: Arc<MemoryBus>,
    pub objects: Arc<MemoryObjects>,
    pub links: Arc<MemoryLinks>,
    pub settings: Arc<MemorySettings>,
    pub board: Arc<MemoryBoard>,
    pub health: Arc<MemoryHealth>,
    pub sandbox: Sandbox,
    /// Where the sandbox's keys as Google are stored.
    pub secrets: Arc<MemorySecrets>,
    /// The built-in one.
    pub catalogue: Arc<Catalogue>,
    /// Where another may take its place.
    pub bucket_catalogue: Arc<MemoryCatalogue>,
    pub functions: Functions,
    rollout_every: Duration,
}

impl Default for WorldConfig {
    /// For one process without a network; no user has too many renders.
    fn default() -> Self {
        Self {
            seed: 0,
            settings: Settings::default(),
            knobs: None,
            turns: None,
            rollout: Mode::Manual,
            rollout_every: ROLLOUT_EVERY,
            sandbox: SandboxConfig::default(),
            google: Google::default(),
            replicate: None,
            catalogue: None,
            salt: crate::cli::SALT.to_owned(),
            steps: &Step::ALL,
            pictures_url: PICTURES_URL.to_owned(),
            hourly_limit: u32::MAX,
            rescue_budget: Micros::new(10_000_000),
            weigh_results: false,
            record_events: false,
        }
    }
}

impl World {
    /// Puts something around every function.
    pub fn wrap_functions(&mut self, wrap: impl Fn(Arc<dyn Handler>) -> Arc<dyn Handler>) {
        let functions = self.functions.clone();
        self.functions = Functions {
            router: wrap(functions.router),
            accumulator: wrap(functions.accumulator),
            imagen: wrap(functions.imagen),
            replicate: wrap(functions.replicate),
            distributor: wrap(functions.distributor),
            reconciler: wrap(functions.reconciler),
            rollout: wrap(functions.rollout),
        };
    }

    /// Runs queues and schedules until `work` is done.
    pub async fn serve_until<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        self.pump().run_until(work).await
    }

    /// Whether nothing is owed and nobody has anything left to do or say.
    pub fn is_quiet(&self) -> bool {
        QueueName::ALL.iter().all(|queue| self.queues.depth(*queue).total() == 0)
            && self
                .database
                .renders()
                .iter()
                .all(|render| render.owed.is_empty() && render.open_attempts.is_empty())
            && self.attempts.attempts().iter().all(|attempt| attempt.announced)
    }

    /// The event-source mappings and schedules, as deployed.
    fn pump(&self) -> Pump {
        let mapping = |queue, handler: &Arc<dyn Handler>, timeout| Mapping {
            queue,
            handler: handler.clone(),
            batch_size: BATCH_SIZE,
            timeout,
            visibility: timeout + VISIBILITY_MARGIN,
            concurrency: CONCURRENCY,
        };
        let functions = &self.functions;
        let distributor = Mapping {
            visibility: FIFO_VISIBILITY,
            concurrency: SHARD_CONCURRENCY,
            ..mapping(QueueName::GeminiBatch, &functions.distributor, TIMEOUT)
        };
        Pump {
            queues: self.queues.clone(),
            clock: self.clock.clone(),
            mappings: vec![
                mapping(QueueName::Accumulator, &functions.accumulator, TIMEOUT),
                mapping(QueueName::ImagenOnline, &functions.imagen, IMAGEN_TIMEOUT),
                mapping(QueueName::ImagenJobs, &functions.imagen, IMAGEN_TIMEOUT),
                mapping(QueueName::Replicate, &functions.replicate, TIMEOUT),
                distributor,
            ],
            schedules: vec![
                Schedule {
                    handler: functions.reconciler.clone(),
                    every: RECONCILE_EVERY,
                    timeout: TIMEOUT,
                },
                Schedule {
                    handler: functions.rollout.clone(),
                    every: self.rollout_every,
                    timeout: TIMEOUT,
                },
            ],
        }
    }
}
