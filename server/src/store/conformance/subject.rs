//! The stores that the suite runs on.

use std::sync::Arc;

use tuf_schema::UtcTime;

use crate::clock::TestClock;
use crate::store::MetadataStore;
use crate::store::memory::MemoryStore;
use crate::store::sql::SqliteStore;
use crate::store::test_databases::{self, Before, TestDatabase};

/// An empty store and what it needs to live.
pub(super) struct Subject {
    pub(super) store: Arc<dyn MetadataStore>,
    pub(super) clock: Arc<TestClock>,
    /// It keeps whole seconds of times.
    in_seconds: bool,
    _directory: Option<tempfile::TempDir>,
    _database: Option<TestDatabase>,
}

impl Subject {
    fn new(store: Arc<dyn MetadataStore>, clock: Arc<TestClock>) -> Self {
        Self { store, clock, in_seconds: false, _directory: None, _database: None }
    }

    /// A time as the store gives it back.
    pub(super) fn kept(&self, time: UtcTime) -> UtcTime {
        if self.in_seconds { UtcTime::from_unix_seconds(time.unix_seconds()).unwrap() } else { time }
    }
}

fn clock() -> Arc<TestClock> {
    TestClock::at("2026-11-21T21:05:00.123456Z")
}

pub(super) async fn memory() -> Option<Subject> {
    let clock = clock();
    Some(Subject::new(Arc::new(MemoryStore::new(clock.clone())), clock))
}

pub(super) async fn sqlite() -> Option<Subject> {
    let clock = clock();
    let directory = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&directory.path().join("server.db"), clock.clone()).await.unwrap();
    Some(Subject { _directory: Some(directory), ..Subject::new(Arc::new(store), clock) })
}

pub(super) async fn postgres() -> Option<Subject> {
    on_postgres(Before::Empty).await
}

pub(super) async fn postgres_taken_over() -> Option<Subject> {
    on_postgres(Before::Tables).await
}

pub(super) async fn mariadb() -> Option<Subject> {
    on_mysql(Before::Empty).await
}

pub(super) async fn mariadb_taken_over() -> Option<Subject> {
    on_mysql(Before::Tables).await
}

async fn on_postgres(before: Before) -> Option<Subject> {
    let clock = clock();
    let database = test_databases::postgres(before).await?;
    let store = database.postgres_store(test_databases::settings(), clock.clone()).await;
    Some(Subject { _database: Some(database), ..Subject::new(Arc::new(store), clock) })
}

async fn on_mysql(before: Before) -> Option<Subject> {
    let clock = clock();
    let database = test_databases::mysql(before).await?;
    let store = database.mysql_store(test_databases::settings(), clock.clone()).await;
    Some(Subject { in_seconds: true, _database: Some(database), ..Subject::new(Arc::new(store), clock) })
}
