//! What the tests of this crate share: the repository's events, and stages on memory adapters.

use std::sync::{Arc, atomic::AtomicBool};

use bytes::Bytes;
use serde_json::Value;
use tryon_core::{
    catalogue::Catalogue,
    chain::Step,
    contract::fixtures::{canned_jpeg, live_catalogue, rules, start},
    gates::{Mode, Rules},
    lane::LaneRules,
    memory::{
        Chaos, MemoryAttempts, MemoryAudit, MemoryBoard, MemoryBus, MemoryDatabase, MemoryHealth,
        MemoryLinks, MemoryObjects, MemoryQueues, MemorySettings, Rule, SeededRandom, TokioClock,
    },
    picture::Mime,
    ports::{Clock, Objects},
    render::ChainRules,
    routing::Percent,
    settings::Settings,
    stages::{
        Courier, LiveCatalogue, Ops, Pulse, Reconciler, Report, Rollout, Router, RouterConfig,
    },
};

/// An event of the repository's `events/`.
pub(crate) fn event(name: &str) -> Value {
    let path = format!("{}/../../events/{name}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// The names of all events of a function.
pub(crate) fn events(function: &str) -> Vec<String> {
    let files = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../../events")).unwrap();
    let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    let names = names.map(|name| name.strip_suffix(".json").unwrap().to_owned());
    let names: Vec<String> =
        names.filter(|name| name.split('.').next() == Some(function)).collect();
    assert!(!names.is_empty(), "{function}");
    names
}

pub(crate) struct House {
    pub(crate) chaos: Arc<Chaos>,
    pub(crate) queues: Arc<MemoryQueues>,
    pub(crate) clock: Arc<TokioClock>,
    pub(crate) database: Arc<MemoryDatabase>,
    pub(crate) objects: Arc<MemoryObjects>,
    pub(crate) links: Arc<MemoryLinks>,
    pub(crate) settings: Arc<MemorySettings>,
    pub(crate) health: Arc<MemoryHealth>,
    pub(crate) board: Arc<MemoryBoard>,
    pub(crate) audit: Arc<MemoryAudit>,
    pub(crate) attempts: Arc<MemoryAttempts>,
    /// What it can run.
    pub(crate) available: &'static [Step],
}

/// Everyone goes to Google.
pub(crate) fn settings() -> Settings {
    Settings { enable_gemini_batch: true, traffic_percent: Percent::FULL, ..Settings::default() }
}

impl House {
    pub(crate) fn new() -> Self {
        let chaos = Arc::new(Chaos::seeded(1));
        let clock = Arc::new(TokioClock::starting_at(start()));
        Self {
            queues: Arc::new(MemoryQueues::new(clock.clone(), chaos.clone())),
            database: Arc::new(MemoryDatabase::new(chaos.clone())),
            objects: Arc::new(MemoryObjects::new(chaos.clone())),
            links: Arc::new(MemoryLinks::new("https://pictures.test", b"secret", clock.clone())),
            settings: Arc::new(MemorySettings::new(settings())),
            health: Arc::new(MemoryHealth::new(chaos.clone())),
            board: Arc::default(),
            audit: Arc::new(MemoryAudit::new(chaos.clone())),
            attempts: Arc::new(MemoryAttempts::new(chaos.clone())),
            available: rules().available,
            chaos,
            clock,
        }
    }

    pub(crate) async fn upload(&self, keys: &[&str]) {
        for key in keys {
            self.put(key, canned_jpeg(1_000)).await;
        }
    }

    pub(crate) async fn put(&self, key: &str, bytes: Vec<u8>) {
        self.objects.put(key, Bytes::from(bytes), Mime::Jpeg).await.unwrap();
    }

    pub(crate) fn router(&self) -> Arc<Router> {
        Arc::new(Router {
            renders: self.database.clone(),
            ratings: self.database.clone(),
            objects: self.objects.clone(),
            links: self.links.clone(),
            ledger: Arc::new(MemoryAttempts::new(self.chaos.clone())),
            pulse: Pulse::new(self.health.clone(), self.clock.clone()),
            backlogs: self.queues.clone(),
            settings: self.settings.clone(),
            clock: self.clock.clone(),
            random: Arc::new(SeededRandom::new(1)),
            courier: self.courier(),
            config: RouterConfig {
                salt: "salt".to_owned(),
                lanes: LaneRules::default(),
                hourly_limit: 20,
            },
        })
    }

    pub(crate) fn ops(&self, router: Arc<Router>) -> Arc<Ops> {
        Arc::new(Ops {
            router,
            attempts: self.attempts.clone(),
            board: self.board.clone(),
            knobs: self.settings.clone(),
            audit: self.audit.clone(),
            redrive: self.queues.clone(),
        })
    }

    pub(crate) fn reconciler(&self) -> Arc<Reconciler> {
        Arc::new(Reconciler {
            renders: self.database.clone(),
            batches: self.database.clone(),
            attempts: Arc::new(MemoryAttempts::new(self.chaos.clone())),
            queue: self.queues.clone(),
            clock: self.clock.clone(),
            courier: self.courier(),
            report: self.report(),
            begun: AtomicBool::new(false),
        })
    }

    fn catalogue(&self) -> Arc<LiveCatalogue> {
        let clock: Arc<dyn Clock> = self.clock.clone();
        live_catalogue(&clock)
    }

    pub(crate) fn rollout(&self) -> Arc<Rollout> {
        let rules_of_bus = Rule::of_the_house();
        let (clock, chaos, queues) = (self.clock.clone(), self.chaos.clone(), self.queues.clone());
        Arc::new(Rollout {
            observations: self.database.clone(),
            audit: Arc::new(MemoryAudit::new(self.chaos.clone())),
            ledger: Arc::new(MemoryAttempts::new(self.chaos.clone())),
            settings: self.settings.clone(),
            knobs: self.settings.clone(),
            board: Arc::new(MemoryBoard::default()),
            bus: Arc::new(MemoryBus::new(clock, chaos, queues, rules_of_bus)),
            clock: self.clock.clone(),
            catalogue: Arc::new(Catalogue::built_in().unwrap()),
            mode: Mode::Manual,
            rules: Rules::default(),
        })
    }

    fn report(&self) -> Report {
        Report {
            ledger: Arc::new(MemoryAttempts::new(self.chaos.clone())),
            backlogs: self.queues.clone(),
            settings: self.settings.clone(),
            board: Arc::new(MemoryBoard::default()),
            health: self.health.clone(),
            clock: self.clock.clone(),
            catalogue: self.catalogue(),
        }
    }

    fn courier(&self) -> Courier {
        let rules_of_bus = Rule::of_the_house();
        let (clock, chaos, queues) = (self.clock.clone(), self.chaos.clone(), self.queues.clone());
        Courier {
            renders: self.database.clone(),
            batches: self.database.clone(),
            queue: self.queues.clone(),
            bus: Arc::new(MemoryBus::new(clock, chaos, queues, rules_of_bus)),
            clock: self.clock.clone(),
            catalogue: self.catalogue(),
            rules: Arc::new(ChainRules { available: self.available, ..rules() }),
        }
    }
}
