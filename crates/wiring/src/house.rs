//! The adapters that more than one function needs.

use std::sync::Arc;

use tryon_aws::{
    Clients, DynamoAttempts, DynamoHealth, EventBridgeBus, ParameterSecrets, ParameterSettings,
    Parameters, S3Catalogue, S3Links, S3Objects, SqsQueues, Tables,
};
use tryon_core::{
    catalogue::Catalogue,
    chain::Step,
    lane::LaneRules,
    money::Micros,
    ports::{Clock, Random},
    render::ChainRules,
    settings::WhenBudgetExhausted,
    stages::{Buyer, Courier, LiveCatalogue, Pulse},
};
use tryon_lambda::{
    bootstrap,
    shutdown::before_exit,
    system::{SystemClock, SystemRandom},
};
use tryon_postgres::{Database, DatabaseConfig};

use crate::{
    WiringError,
    config::{Base, DatabaseAt, Queues},
    safe::DatabaseSecret,
};

/// What every function has.
pub(crate) struct House {
    pub(crate) clients: Arc<Clients>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) random: Arc<dyn Random>,
    pub(crate) settings: Arc<ParameterSettings>,
    pub(crate) catalogue: Arc<Catalogue>,
    pub(crate) stage: String,
}

impl House {
    pub(crate) async fn new(function: &'static str, base: Base) -> Result<Self, WiringError> {
        bootstrap::init_metrics(&base.stage, function);
        let clients = Arc::new(Clients::from_env().await);
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let ssm = clients.ssm().clone();
        let settings = ParameterSettings::new(ssm, clock.clone(), &base.stage, base.knobs);
        Ok(Self {
            clients,
            clock,
            random: Arc::new(SystemRandom),
            settings: Arc::new(settings),
            catalogue: Arc::new(Catalogue::built_in()?),
            stage: base.stage,
        })
    }

    pub(crate) fn secrets(&self) -> ParameterSecrets {
        let ssm = self.clients.ssm().clone();
        ParameterSecrets::new(ssm, self.clock.clone(), &self.stage)
    }

    pub(crate) fn parameters(&self) -> Arc<Parameters> {
        Arc::new(Parameters::new(self.clients.ssm().clone(), &self.stage))
    }

    pub(crate) fn queues(&self, urls: Queues) -> Arc<SqsQueues> {
        let (sqs, clock) = (self.clients.sqs().clone(), self.clock.clone());
        Arc::new(SqsQueues::new(sqs, clock, self.random.clone(), urls))
    }

    pub(crate) fn bus(&self, name: String) -> Arc<EventBridgeBus> {
        let (client, clock) = (self.clients.eventbridge().clone(), self.clock.clone());
        Arc::new(EventBridgeBus::new(client, clock, self.random.clone(), name))
    }

    pub(crate) fn objects(&self, bucket: &str) -> Arc<S3Objects> {
        Arc::new(S3Objects::new(self.clients.s3().clone(), bucket))
    }

    pub(crate) fn links(&self, bucket: &str) -> Arc<S3Links> {
        Arc::new(S3Links::new(self.clients.s3().clone(), self.clock.clone(), bucket))
    }

    /// Looks into the bucket for one that takes the place of the built-in catalogue.
    pub(crate) fn live_catalogue(&self, bucket: &str) -> Arc<LiveCatalogue> {
        let store = Arc::new(S3Catalogue::new(self.clients.s3().clone(), bucket));
        Arc::new(LiveCatalogue::new(store, self.clock.clone(), self.catalogue.clone()))
    }

    pub(crate) fn attempts(&self, tables: Tables) -> Arc<DynamoAttempts> {
        let (clients, clock) = (self.clients.clone(), self.clock.clone());
        Arc::new(DynamoAttempts::new(clients, tables, clock, self.random.clone()))
    }

    pub(crate) fn health(&self, table: String) -> Arc<DynamoHealth> {
        Arc::new(DynamoHealth::new(self.clients.clone(), table))
    }

    pub(crate) fn pulse(&self, table: String) -> Pulse {
        Pulse::new(self.health(table), self.clock.clone())
    }

    /// Reads no secret and connects to nothing yet: a function starts without waiting for others.
    pub(crate) async fn database(&self, at: DatabaseAt) -> Result<Arc<Database>, WiringError> {
        let secret = Arc::new(DatabaseSecret(Arc::new(self.secrets().with_database(at.secret))));
        let config = if let Some(url) = at.url {
            let config = DatabaseConfig::new(&url, at.tls);
            config.map_err(WiringError::Database)?.with_passwords(secret, self.clock.clone())
        } else {
            DatabaseConfig::in_secret(secret, at.tls, self.clock.clone())
        };
        let database = Arc::new(Database::new(config));
        let last = database.clone();
        before_exit(move || async move { last.close().await }).await;
        Ok(database)
    }

    pub(crate) fn courier(
        &self,
        database: &Arc<Database>,
        queues: &Arc<SqsQueues>,
        bus: &Arc<EventBridgeBus>,
        lanes: LaneRules,
        catalogue: Arc<LiveCatalogue>,
    ) -> Courier {
        Courier {
            renders: database.clone(),
            batches: database.clone(),
            queue: queues.clone(),
            bus: bus.clone(),
            clock: self.clock.clone(),
            catalogue,
            rules: Arc::new(ChainRules {
                available: &Step::ALL,
                batch_min_deadline: lanes.batch_min_deadline,
                rescue_lead: lanes.rescue_lead,
                when_budget_exhausted: WhenBudgetExhausted::default(),
                catalogue: self.catalogue.clone(),
            }),
        }
    }

    pub(crate) fn buyer(
        &self,
        attempts: Arc<DynamoAttempts>,
        queues: &Arc<SqsQueues>,
        bus: Arc<EventBridgeBus>,
        objects: Arc<S3Objects>,
        rescue_budget: Micros,
        catalogue: Arc<LiveCatalogue>,
    ) -> Buyer {
        Buyer {
            attempts,
            queue: queues.clone(),
            bus,
            objects,
            settings: self.settings.clone(),
            clock: self.clock.clone(),
            random: self.random.clone(),
            catalogue,
            rescue_budget,
        }
    }
}
