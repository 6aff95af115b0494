//! Databases to test with, each test's own, on the server that `tests/with-services` starts.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use tryon_core::{
    audit::AuditEntry,
    batch::{Batch, BatchPolicy},
    catalogue::BatchKey,
    ids::{BatchId, RenderId, UserId},
    memory::TokioClock,
    messages::RenderOrder,
    ops::Share,
    ports::{Audit, Batches, Clock, HourlyLimit, Inserted, PortError, Random, Ratings, Renders},
    rating::Rating,
    render::Render,
};
use tryon_postgres::{Database, DatabaseConfig, TlsMode};

#[expect(clippy::disallowed_methods, reason = "where the services are")]
pub(crate) fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run tests/with-services"))
}

pub(crate) fn server_url() -> String {
    variable("TRYON_TEST_POSTGRES_URL")
}

pub(crate) fn clock() -> Arc<dyn Clock> {
    Arc::new(TokioClock::real())
}

/// A database of a test's own.
#[derive(Clone, Debug)]
pub(crate) struct Home {
    pub(crate) url: String,
}

impl Home {
    /// Empty, without tables.
    pub(crate) async fn bare(name: &str) -> Self {
        let server = server_url();
        let mut admin = PgConnection::connect(&server).await.unwrap();
        let drop = format!("DROP DATABASE IF EXISTS test_{name} WITH (FORCE)");
        admin.execute(AssertSqlSafe(drop)).await.unwrap();
        admin.execute(AssertSqlSafe(format!("CREATE DATABASE test_{name}"))).await.unwrap();
        let (base, _) = server.rsplit_once('/').unwrap();
        Self { url: format!("{base}/test_{name}") }
    }

    /// With tables.
    pub(crate) async fn new(name: &str) -> Self {
        let home = Self::bare(name).await;
        home.client().migrate().await.unwrap();
        home
    }

    pub(crate) fn client(&self) -> Database {
        Database::new(DatabaseConfig::new(&self.url, TlsMode::Off).unwrap())
    }

    pub(crate) fn turns(&self, clients: usize) -> Turns {
        Turns { clients: (0..clients).map(|_| self.client()).collect(), next: AtomicUsize::new(0) }
    }

    /// A session that knows nothing of our rules.
    pub(crate) async fn session(&self) -> PgConnection {
        PgConnection::connect(&self.url).await.unwrap()
    }

    pub(crate) async fn run(&self, sql: &str) {
        self.session().await.execute(AssertSqlSafe(sql)).await.unwrap();
    }
}

/// Several clients, which take turns.
#[derive(Debug)]
pub(crate) struct Turns {
    pub(crate) clients: Vec<Database>,
    next: AtomicUsize,
}

impl Turns {
    fn client(&self) -> &Database {
        &self.clients[self.next.fetch_add(1, Ordering::Relaxed) % self.clients.len()]
    }
}

#[async_trait]
impl Renders for Turns {
    async fn insert(&self, render: Render, limit: HourlyLimit) -> Result<Inserted, PortError> {
        self.client().insert(render, limit).await
    }
    async fn list(
        &self,
        user: &UserId,
        before: Option<&RenderId>,
        most: usize,
    ) -> Result<Vec<Render>, PortError> {
        self.client().list(user, before, most).await
    }
    async fn by_key(&self, user: &UserId, key: &str) -> Result<Option<Render>, PortError> {
        self.client().by_key(user, key).await
    }
    async fn get(&self, ids: &[RenderId]) -> Result<Vec<Render>, PortError> {
        Renders::get(self.client(), ids).await
    }
    async fn update(&self, renders: &[Render]) -> Result<Vec<bool>, PortError> {
        Renders::update(self.client(), renders).await
    }
    async fn due(&self, now: DateTime<Utc>, most: usize) -> Result<Vec<Render>, PortError> {
        Renders::due(self.client(), now, most).await
    }
    async fn shares(&self, since: DateTime<Utc>) -> Result<Vec<Share>, PortError> {
        self.client().shares(since).await
    }
    async fn erase(&self, ids: &[RenderId]) -> Result<u64, PortError> {
        self.client().erase(ids).await
    }
}

#[async_trait]
impl Batches for Turns {
    async fn append(
        &self,
        key: &BatchKey,
        orders: Vec<RenderOrder>,
        now: DateTime<Utc>,
        policy: &BatchPolicy,
        random: &dyn Random,
    ) -> Result<Vec<Batch>, PortError> {
        self.client().append(key, orders, now, policy, random).await
    }
    async fn get(&self, id: &BatchId) -> Result<Option<Batch>, PortError> {
        Batches::get(self.client(), id).await
    }
    async fn open(&self) -> Result<u64, PortError> {
        self.client().open().await
    }
    async fn jobs(&self) -> Result<u64, PortError> {
        self.client().jobs().await
    }
    async fn under_way(&self, most: usize) -> Result<Vec<Batch>, PortError> {
        self.client().under_way(most).await
    }
    async fn of_render(
        &self,
        render: &RenderId,
        from: DateTime<Utc>,
        to: DateTime<Utc>,
    ) -> Result<Vec<Batch>, PortError> {
        self.client().of_render(render, from, to).await
    }
    async fn update(&self, batch: &Batch) -> Result<bool, PortError> {
        Batches::update(self.client(), batch).await
    }
    async fn due(&self, now: DateTime<Utc>, most: usize) -> Result<Vec<Batch>, PortError> {
        Batches::due(self.client(), now, most).await
    }
}

#[async_trait]
impl Ratings for Turns {
    async fn rate(
        &self,
        render: &RenderId,
        rating: Rating,
        now: DateTime<Utc>,
    ) -> Result<Option<Rating>, PortError> {
        self.client().rate(render, rating, now).await
    }
}

#[async_trait]
impl Audit for Turns {
    async fn record(&self, entry: &AuditEntry) -> Result<bool, PortError> {
        self.client().record(entry).await
    }
    async fn recent(
        &self,
        since: DateTime<Utc>,
        most: usize,
    ) -> Result<Vec<AuditEntry>, PortError> {
        self.client().recent(since, most).await
    }
    async fn acts(
        &self,
        kinds: &[&str],
        since: DateTime<Utc>,
        most: usize,
    ) -> Result<Vec<AuditEntry>, PortError> {
        self.client().acts(kinds, since, most).await
    }
}
