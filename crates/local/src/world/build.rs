//! Wires the stages to the memory adapters and the Google clients to the sandbox.

use std::{collections::BTreeMap, sync::Arc};

use anyhow::Result;
use tryon_core::{
    catalogue::{Backend, Catalogue},
    chain::Step,
    lane::LaneRules,
    memory::{
        Chaos, MemoryAttempts, MemoryBus, MemoryDatabase, MemoryObjects, MemoryQueues,
        MemorySecrets, MemorySettings, Rule, SeededRandom,
    },
    ports::{Clock, HttpTransport, OnlineProvider, Random, Secret, SecretName},
    render::ChainRules,
    stages::{Accumulator, Courier, Distributor, Imagen, Reconciler, Router, RouterConfig},
};
use tryon_lambda::{
    AccumulatorHandler, DistributorHandler, ImagenHandler, ReconcilerHandler, RouterHandler,
};
use tryon_providers::google::{Auth, Connection, GeminiBatch, GeminiOnline, Host};
use tryon_sandbox::Sandbox;

use super::{Functions, World, WorldConfig};

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
        let catalogue = Arc::new(Catalogue::built_in()?);
        let sandbox = Sandbox::new(config.sandbox.priced_by(&catalogue), clock.clone());
        let chaos = Arc::new(Chaos::seeded(config.seed));
        let queues = Arc::new(MemoryQueues::new(clock.clone(), chaos.clone()));
        let bus =
            MemoryBus::new(clock.clone(), chaos.clone(), queues.clone(), Rule::of_the_house());
        let objects = MemoryObjects::new(chaos.clone());
        let parts = Parts {
            database: Arc::new(MemoryDatabase::new(chaos.clone())),
            attempts: Arc::new(MemoryAttempts::new(chaos.clone())),
            bus: Arc::new(if config.record_events { bus.recording() } else { bus }),
            objects: Arc::new(if config.weigh_results {
                objects.digest_only("out/")
            } else {
                objects
            }),
            settings: Arc::new(MemorySettings::new(config.settings)),
            random: Arc::new(SeededRandom::new(config.seed)),
            transport: transport(&sandbox),
            lanes: LaneRules::default(),
            salt: config.salt,
            queues,
            chaos,
            catalogue,
            sandbox,
            clock,
        };
        let functions = parts.functions();
        Ok(Self {
            clock: parts.clock,
            chaos: parts.chaos,
            database: parts.database,
            attempts: parts.attempts,
            queues: parts.queues,
            bus: parts.bus,
            objects: parts.objects,
            settings: parts.settings,
            sandbox: parts.sandbox,
            catalogue: parts.catalogue,
            functions,
        })
    }
}

struct Parts {
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    chaos: Arc<Chaos>,
    database: Arc<MemoryDatabase>,
    attempts: Arc<MemoryAttempts>,
    queues: Arc<MemoryQueues>,
    bus: Arc<MemoryBus>,
    objects: Arc<MemoryObjects>,
    settings: Arc<MemorySettings>,
    sandbox: Sandbox,
    transport: Arc<dyn HttpTransport>,
    catalogue: Arc<Catalogue>,
    lanes: LaneRules,
    salt: String,
}

impl Parts {
    fn functions(&self) -> Functions {
        Functions {
            router: Arc::new(RouterHandler::new(Arc::new(self.router()))),
            accumulator: Arc::new(AccumulatorHandler::new(
                Arc::new(self.accumulator()),
                self.queues.clone(),
            )),
            imagen: Arc::new(ImagenHandler::new(Arc::new(self.imagen()), self.queues.clone())),
            distributor: Arc::new(DistributorHandler::new(
                Arc::new(self.distributor()),
                self.queues.clone(),
            )),
            reconciler: Arc::new(ReconcilerHandler::new(Arc::new(self.reconciler()))),
        }
    }

    fn courier(&self) -> Courier {
        Courier {
            renders: self.database.clone(),
            batches: self.database.clone(),
            queue: self.queues.clone(),
            bus: self.bus.clone(),
            clock: self.clock.clone(),
            catalogue: self.catalogue.clone(),
            rules: Arc::new(ChainRules {
                available: vec![Step::Gemini],
                batch_min_deadline: self.lanes.batch_min_deadline,
            }),
        }
    }

    fn router(&self) -> Router {
        Router {
            renders: self.database.clone(),
            objects: self.objects.clone(),
            settings: self.settings.clone(),
            clock: self.clock.clone(),
            random: self.random.clone(),
            courier: self.courier(),
            config: RouterConfig { salt: self.salt.clone(), lanes: self.lanes },
        }
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

    fn imagen(&self) -> Imagen {
        let key = Secret::new(self.sandbox.service_account_json());
        let secrets = MemorySecrets::new(self.chaos.clone(), [(SecretName::ServiceAccount, key)]);
        let google = Connection::new(
            self.transport.clone(),
            Arc::new(secrets),
            self.settings.clone(),
            self.clock.clone(),
        );
        let online: Arc<dyn OnlineProvider> =
            Arc::new(GeminiOnline::new(google.clone(), self.objects.clone(), Host::Vertex));
        Imagen {
            attempts: self.attempts.clone(),
            queue: self.queues.clone(),
            bus: self.bus.clone(),
            objects: self.objects.clone(),
            settings: self.settings.clone(),
            clock: self.clock.clone(),
            random: self.random.clone(),
            catalogue: self.catalogue.clone(),
            online: BTreeMap::from([(Backend::GeminiOnline, online)]),
            batch: Arc::new(GeminiBatch::new(google, self.objects.clone(), Auth::Bearer)),
        }
    }

    fn distributor(&self) -> Distributor {
        Distributor {
            renders: self.database.clone(),
            batches: self.database.clone(),
            clock: self.clock.clone(),
            courier: self.courier(),
        }
    }

    fn reconciler(&self) -> Reconciler {
        Reconciler {
            renders: self.database.clone(),
            batches: self.database.clone(),
            attempts: self.attempts.clone(),
            queue: self.queues.clone(),
            clock: self.clock.clone(),
            courier: self.courier(),
        }
    }
}
