//! Wires the stages to the memory adapters and the Google clients to the sandbox.

use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::AtomicBool},
};

use anyhow::Result;
use tryon_core::{
    catalogue::{Backend, Catalogue},
    chain::Step,
    gates::{Mode, Rules},
    lane::LaneRules,
    memory::{
        Chaos, MemoryAttempts, MemoryAudit, MemoryBoard, MemoryBus, MemoryCatalogue,
        MemoryDatabase, MemoryHealth, MemoryLinks, MemoryObjects, MemoryQueues, MemorySecrets,
        MemorySettings, Rule, SeededRandom,
    },
    money::Micros,
    ports::{
        Clock, HttpTransport, Knobs, Links, OnlineProvider, Random, Secret, SecretName,
        SettingsSource,
    },
    render::ChainRules,
    settings::WhenBudgetExhausted,
    stages::{
        Accumulator, Buyer, Courier, Distributor, Imagen, LiveCatalogue, Ops, Pulse, Reconciler,
        Replicate, Report, Rollout, Router, RouterConfig,
    },
};
use tryon_lambda::{
    AccumulatorHandler, DistributorHandler, ImagenHandler, ReconcilerHandler, ReplicateHandler,
    RolloutHandler, RouterHandler, http::HttpConfig,
};
use tryon_providers::{
    google::{Connection, GeminiBatch, GeminiOnline, SelfCheck, VertexPredict},
    replicate::ReplicateClient,
};
use tryon_sandbox::Sandbox;

use super::{Functions, World, WorldConfig, api::OPERATOR, bucket::LocalBucket};
use crate::{
    google::{Google, Way},
    replicate::InlineLinks,
};

impl World {
    /// Builds a world on `clock`, against a sandbox in this process.
    pub fn new(config: WorldConfig, clock: Arc<dyn Clock>) -> Result<Self> {
        Self::with_transport(config, clock, |sandbox| sandbox.transport())
    }

    /// The same, with something between the provider clients and the sandbox.
    pub fn with_transport(
        config: WorldConfig,
        clock: Arc<dyn Clock>,
        transport: impl FnOnce(&Sandbox) -> Arc<dyn HttpTransport>,
    ) -> Result<Self> {
        let catalogue = match config.catalogue {
            Some(catalogue) => catalogue,
            None => Arc::new(Catalogue::built_in()?),
        };
        let sandbox = Sandbox::new(config.sandbox.priced_by(&catalogue), clock.clone());
        let chaos = Arc::new(Chaos::seeded(config.seed));
        let queues = Arc::new(MemoryQueues::new(clock.clone(), chaos.clone()));
        let bus =
            MemoryBus::new(clock.clone(), chaos.clone(), queues.clone(), Rule::of_the_house());
        let objects = MemoryObjects::new(chaos.clone());
        let settings = Arc::new(MemorySettings::new(config.settings));
        let secrets = Arc::new(MemorySecrets::new(chaos.clone(), google_keys(&sandbox)));
        let parts = Parts {
            secrets,
            bucket_catalogue: Arc::new(MemoryCatalogue::new(chaos.clone())),
            database: Arc::new(MemoryDatabase::new(chaos.clone())),
            audit: Arc::new(MemoryAudit::new(chaos.clone())),
            attempts: Arc::new(MemoryAttempts::new(chaos.clone())),
            bus: Arc::new(if config.record_events { bus.recording() } else { bus }),
            objects: Arc::new(if config.weigh_results {
                objects.digest_only("out/")
            } else {
                objects
            }),
            settings: config.knobs.unwrap_or_else(|| settings.clone()),
            turns: config.turns.unwrap_or_else(|| settings.clone()),
            rollout: config.rollout,
            board: Arc::default(),
            health: Arc::new(MemoryHealth::new(chaos.clone())),
            random: Arc::new(SeededRandom::new(config.seed)),
            transport: transport(&sandbox),
            google: config.google,
            replicate: config.replicate,
            lanes: LaneRules::default(),
            steps: config.steps,
            salt: config.salt,
            hourly_limit: config.hourly_limit,
            rescue_budget: config.rescue_budget,
            links: Arc::new(MemoryLinks::new(
                config.pictures_url,
                &config.seed.to_le_bytes(),
                clock.clone(),
            )),
            queues,
            chaos,
            catalogue,
            sandbox,
            clock,
        };
        let functions = parts.functions();
        let bucket = LocalBucket { links: parts.links.clone(), objects: parts.objects.clone() };
        parts.sandbox.set_bucket(Arc::new(bucket));
        Ok(Self {
            clock: parts.clock,
            chaos: parts.chaos,
            database: parts.database,
            audit: parts.audit,
            attempts: parts.attempts,
            queues: parts.queues,
            bus: parts.bus,
            objects: parts.objects,
            links: parts.links,
            settings,
            board: parts.board,
            health: parts.health,
            sandbox: parts.sandbox,
            secrets: parts.secrets,
            catalogue: parts.catalogue,
            bucket_catalogue: parts.bucket_catalogue,
            functions,
            rollout_every: config.rollout_every,
        })
    }
}

struct Parts {
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    chaos: Arc<Chaos>,
    database: Arc<MemoryDatabase>,
    audit: Arc<MemoryAudit>,
    attempts: Arc<MemoryAttempts>,
    queues: Arc<MemoryQueues>,
    bus: Arc<MemoryBus>,
    objects: Arc<MemoryObjects>,
    settings: Arc<dyn SettingsSource>,
    turns: Arc<dyn Knobs>,
    rollout: Mode,
    board: Arc<MemoryBoard>,
    health: Arc<MemoryHealth>,
    sandbox: Sandbox,
    secrets: Arc<MemorySecrets>,
    transport: Arc<dyn HttpTransport>,
    google: Google,
    replicate: Option<Way>,
    catalogue: Arc<Catalogue>,
    bucket_catalogue: Arc<MemoryCatalogue>,
    links: Arc<MemoryLinks>,
    lanes: LaneRules,
    steps: &'static [Step],
    salt: String,
    hourly_limit: u32,
    rescue_budget: Micros,
}

impl Parts {
    fn functions(&self) -> Functions {
        Functions {
            router: Arc::new(self.front()),
            accumulator: Arc::new(AccumulatorHandler::new(
                Arc::new(self.accumulator()),
                self.queues.clone(),
            )),
            imagen: Arc::new(ImagenHandler::new(Arc::new(self.imagen()), self.queues.clone())),
            replicate: Arc::new(ReplicateHandler::new(
                Arc::new(self.replicate()),
                self.queues.clone(),
            )),
            distributor: Arc::new(DistributorHandler::new(
                Arc::new(self.distributor()),
                self.queues.clone(),
            )),
            reconciler: Arc::new(ReconcilerHandler::new(Arc::new(self.reconciler()))),
            rollout: Arc::new(RolloutHandler::new(Arc::new(self.rollout()))),
        }
    }

    /// Each function looks for itself.
    fn catalogue(&self) -> Arc<LiveCatalogue> {
        let (store, clock) = (self.bucket_catalogue.clone(), self.clock.clone());
        Arc::new(LiveCatalogue::new(store, clock, self.catalogue.clone()))
    }

    fn courier(&self, catalogue: Arc<LiveCatalogue>) -> Courier {
        Courier {
            renders: self.database.clone(),
            batches: self.database.clone(),
            queue: self.queues.clone(),
            bus: self.bus.clone(),
            clock: self.clock.clone(),
            catalogue,
            rules: Arc::new(ChainRules {
                available: self.steps,
                batch_min_deadline: self.lanes.batch_min_deadline,
                rescue_lead: self.lanes.rescue_lead,
                when_budget_exhausted: WhenBudgetExhausted::default(),
                catalogue: self.catalogue.clone(),
            }),
        }
    }

    fn router(&self) -> Router {
        Router {
            renders: self.database.clone(),
            ratings: self.database.clone(),
            objects: self.objects.clone(),
            links: self.links.clone(),
            ledger: self.attempts.clone(),
            pulse: self.pulse(),
            backlogs: self.queues.clone(),
            settings: self.settings.clone(),
            clock: self.clock.clone(),
            random: self.random.clone(),
            courier: self.courier(self.catalogue()),
            config: RouterConfig {
                salt: self.salt.clone(),
                lanes: self.lanes,
                hourly_limit: self.hourly_limit,
            },
        }
    }

    /// The router with its routes for operators, of whom there is one.
    fn front(&self) -> RouterHandler {
        let router = Arc::new(self.router());
        let ops = Ops {
            router: router.clone(),
            attempts: self.attempts.clone(),
            board: self.board.clone(),
            knobs: self.turns.clone(),
            audit: self.audit.clone(),
            redrive: self.queues.clone(),
        };
        let ops_principals = vec![OPERATOR.to_owned()];
        let config = HttpConfig { ops_principals, ..HttpConfig::default() };
        RouterHandler::with_config(router, config).with_ops(Arc::new(ops))
    }

    fn accumulator(&self) -> Accumulator {
        Accumulator {
            batches: self.database.clone(),
            queue: self.queues.clone(),
            settings: self.settings.clone(),
            clock: self.clock.clone(),
            random: self.random.clone(),
        }
    }

    fn buyer(&self) -> Buyer {
        Buyer {
            attempts: self.attempts.clone(),
            queue: self.queues.clone(),
            bus: self.bus.clone(),
            objects: self.objects.clone(),
            settings: self.settings.clone(),
            clock: self.clock.clone(),
            random: self.random.clone(),
            catalogue: self.catalogue(),
            rescue_budget: self.rescue_budget,
        }
    }

    /// Each function looks for itself.
    fn pulse(&self) -> Pulse {
        Pulse::new(self.health.clone(), self.clock.clone())
    }

    /// A secret that this function alone may read.
    fn secret(&self, name: SecretName, text: impl Into<String>) -> Arc<MemorySecrets> {
        Arc::new(MemorySecrets::new(self.chaos.clone(), [(name, Secret::new(text))]))
    }

    fn replicate(&self) -> Replicate {
        let (way, links): (_, Arc<dyn Links>) = if let Some(way) = self.replicate.clone() {
            (way, Arc::new(InlineLinks { objects: self.objects.clone() }))
        } else {
            let token = self.secret(SecretName::ReplicateToken, self.sandbox.replicate_token());
            let way = Way { transport: self.transport.clone(), secrets: token };
            (way, self.links.clone())
        };
        Replicate {
            buyer: self.buyer(),
            pulse: self.pulse(),
            predictions: Arc::new(ReplicateClient::new(
                way.transport,
                way.secrets,
                links,
                self.clock.clone(),
            )),
        }
    }

    fn imagen(&self) -> Imagen {
        let Google { way, host, batch_auth, region, image_form, user_project } =
            self.google.clone();
        let way = way.unwrap_or_else(|| self.to_sandbox());
        let google =
            Connection::new(way.transport, way.secrets, self.settings.clone(), self.clock.clone())
                .by_user_project(user_project);
        let objects = || self.objects.clone();
        let gemini: Arc<dyn OnlineProvider> = Arc::new(
            GeminiOnline::new(google.clone(), objects(), host).with_image_form(image_form),
        );
        let predict: Arc<dyn OnlineProvider> =
            Arc::new(VertexPredict::new(google.clone(), objects(), region));
        Imagen {
            buyer: self.buyer(),
            pulse: self.pulse(),
            online: BTreeMap::from([
                (Backend::GeminiOnline, gemini),
                (Backend::VertexPredict, predict),
            ]),
            batch: Arc::new(GeminiBatch::new(google.clone(), objects(), batch_auth)),
            google: Arc::new(SelfCheck { connection: google, host, batch_auth }),
        }
    }

    /// The sandbox in this process, and the keys it takes.
    fn to_sandbox(&self) -> Way {
        Way { transport: self.transport.clone(), secrets: self.secrets.clone() }
    }

    fn distributor(&self) -> Distributor {
        Distributor {
            renders: self.database.clone(),
            batches: self.database.clone(),
            settings: self.settings.clone(),
            clock: self.clock.clone(),
            courier: self.courier(self.catalogue()),
        }
    }

    fn rollout(&self) -> Rollout {
        Rollout {
            observations: self.database.clone(),
            audit: self.audit.clone(),
            ledger: self.attempts.clone(),
            settings: self.settings.clone(),
            knobs: self.turns.clone(),
            board: self.board.clone(),
            bus: self.bus.clone(),
            clock: self.clock.clone(),
            catalogue: self.catalogue.clone(),
            mode: self.rollout,
            rules: Rules::default(),
        }
    }

    fn reconciler(&self) -> Reconciler {
        let catalogue = self.catalogue();
        Reconciler {
            renders: self.database.clone(),
            batches: self.database.clone(),
            attempts: self.attempts.clone(),
            queue: self.queues.clone(),
            clock: self.clock.clone(),
            courier: self.courier(catalogue.clone()),
            report: Report {
                ledger: self.attempts.clone(),
                backlogs: self.queues.clone(),
                settings: self.settings.clone(),
                board: self.board.clone(),
                health: self.health.clone(),
                clock: self.clock.clone(),
                catalogue,
            },
            begun: AtomicBool::new(false),
        }
    }
}

/// The keys that the sandbox takes as Google.
fn google_keys(sandbox: &Sandbox) -> impl Iterator<Item = (SecretName, Secret)> {
    let account = Secret::new(sandbox.service_account_json());
    let api_key = sandbox.api_key().map(|key| (SecretName::ApiKey, Secret::new(key)));
    [(SecretName::ServiceAccount, account)].into_iter().chain(api_key)
}
