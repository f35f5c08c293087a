//! Databases of a test's own on the servers that the environment names; dropped with the value.
//!
//! `BULLA_TEST_POSTGRES` and `BULLA_TEST_MYSQL` are addresses of accounts that may make databases. Without them a test
//! says that it is left out; with `CI=true` or `BULLA_TEST_ENGINES=required` it fails instead.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bulla_database::dsn::{MySqlDsn, PostgresDsn};
use bulla_database::{Database, Engine, MySql, PoolSettings, Postgres, Statement};

use super::sql::{MySqlStore, PostgresStore};
use crate::clock::Clock;

/// What a database holds when it is handed out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Before {
    /// Nothing.
    Empty,
    /// The reference's tables without a row.
    Tables,
    /// What the reference left.
    Recorded,
}

/// A server and how to reach a database on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Server {
    Postgres,
    MySql,
}

/// A database that is gone when this value is.
pub(crate) struct TestDatabase {
    server: Server,
    pub(crate) name: String,
}

pub(crate) fn settings() -> PoolSettings {
    PoolSettings { max_connections: 10, ..PoolSettings::default() }
}

/// A PostgreSQL database; `None` when there is no server.
pub(crate) async fn postgres(before: Before) -> Option<TestDatabase> {
    let made = TestDatabase::make(Server::Postgres).await?;
    match before {
        Before::Empty => {}
        Before::Tables => {
            load(made.postgres().await, include_str!("../../../tests/fixtures/db/notaryserver.postgres.schema.sql"))
                .await;
        }
        Before::Recorded => {
            load(made.postgres().await, include_str!("../../../tests/fixtures/db/notaryserver.postgres.sql")).await;
        }
    }
    Some(made)
}

/// An empty PostgreSQL database whose encoding has few characters; `None` when there is no server.
pub(crate) async fn postgres_in_latin1() -> Option<TestDatabase> {
    TestDatabase::make_with(Server::Postgres, " ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0").await
}

/// A MySQL or MariaDB database; `None` when there is no server.
pub(crate) async fn mysql(before: Before) -> Option<TestDatabase> {
    let made = TestDatabase::make(Server::MySql).await?;
    let recorded = include_str!("../../../tests/fixtures/db/notaryserver.mariadb.sql");
    match before {
        Before::Empty => {}
        Before::Tables => {
            load(made.mysql().await, recorded).await;
            load(made.mysql().await, "TRUNCATE TABLE tuf_files; TRUNCATE TABLE changefeed").await;
        }
        Before::Recorded => load(made.mysql().await, recorded).await,
    }
    Some(made)
}

impl TestDatabase {
    async fn make(server: Server) -> Option<Self> {
        Self::make_with(server, "").await
    }

    async fn make_with(server: Server, options: &str) -> Option<Self> {
        static LAST: AtomicU32 = AtomicU32::new(0);
        address(server)?;
        let name = format!("bulla_store_{}_{}", std::process::id(), LAST.fetch_add(1, Ordering::Relaxed));
        on_server(server, format!("CREATE DATABASE {name}{options}")).await;
        Some(Self { server, name })
    }

    /// The address of this database.
    pub(crate) fn address(&self) -> String {
        let server = address(self.server).unwrap();
        match self.server {
            Server::Postgres => {
                let (before, parameters) = server
                    .split_once('?')
                    .map_or((&*server, String::new()), |(before, after)| (before, format!("?{after}")));
                format!("{}/{}{parameters}", before.rsplit_once('/').unwrap().0, self.name)
            }
            Server::MySql => format!("{}{}", server.split_once('/').unwrap().0, "/") + &self.name,
        }
    }

    /// Another way to it than the store's.
    pub(crate) async fn postgres(&self) -> Database<Postgres> {
        Database::postgres(&PostgresDsn::parse(&self.address()).unwrap(), settings()).await.unwrap()
    }

    pub(crate) async fn mysql(&self) -> Database<MySql> {
        Database::mysql(&MySqlDsn::parse(&self.address()).unwrap(), settings()).await.unwrap()
    }

    pub(crate) async fn postgres_store(&self, settings: PoolSettings, clock: Arc<dyn Clock>) -> PostgresStore {
        PostgresStore::open(&PostgresDsn::parse(&self.address()).unwrap(), settings, clock).await.unwrap()
    }

    pub(crate) async fn mysql_store(&self, settings: PoolSettings, clock: Arc<dyn Clock>) -> MySqlStore {
        MySqlStore::open(&MySqlDsn::parse(&self.address()).unwrap(), settings, clock).await.unwrap()
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let (server, name) = (self.server, self.name.clone());
        let force = if server == Server::Postgres { " WITH (FORCE)" } else { "" };
        let dropped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                if server == Server::MySql {
                    cut_sessions(&name).await;
                }
                on_server(server, format!("DROP DATABASE {name}{force}")).await;
            });
        });
        dropped.join().unwrap();
    }
}

/// The address of a server; without one the test is left out, if it may be.
#[expect(clippy::disallowed_methods, reason = "tests have no configuration but their environment")]
fn address(server: Server) -> Option<String> {
    let variable = match server {
        Server::Postgres => "BULLA_TEST_POSTGRES",
        Server::MySql => "BULLA_TEST_MYSQL",
    };
    if let Ok(address) = std::env::var(variable) {
        return Some(address);
    }
    let is = |name: &str, value: &str| std::env::var(name).is_ok_and(|set| set == value);
    assert!(!is("CI", "true") && !is("BULLA_TEST_ENGINES", "required"), "{variable} is not set");
    eprintln!("left out: {variable} is not set");
    None
}

/// Ends the sessions at a MySQL database, as FORCE does on PostgreSQL: one with a transaction open would hold it up, and
/// nothing of the test that is being taken down runs any more to end that.
async fn cut_sessions(name: &str) {
    let address = address(Server::MySql).unwrap();
    let database = Database::mysql(&MySqlDsn::parse(&address).unwrap(), settings()).await.unwrap();
    let sessions = format!("SELECT CAST(id AS SIGNED) FROM information_schema.processlist WHERE db = '{name}'");
    for row in database.fetch(&Statement::new(&sessions), &[]).await.unwrap() {
        let id = row.number(0).unwrap().unwrap();
        // one that has ended by itself is no longer known
        let _ended = database.execute(&Statement::new(&format!("KILL {id}")), &[]).await;
    }
    database.close().await;
}

async fn on_server(server: Server, statement: String) {
    let settings = PoolSettings { statement_timeout: Duration::from_secs(60), ..settings() };
    let address = address(server).unwrap();
    match server {
        Server::Postgres => {
            let database = Database::postgres(&PostgresDsn::parse(&address).unwrap(), settings).await.unwrap();
            database.execute(&Statement::new(&statement), &[]).await.unwrap();
            database.close().await;
        }
        Server::MySql => {
            let database = Database::mysql(&MySqlDsn::parse(&address).unwrap(), settings).await.unwrap();
            database.execute(&Statement::new(&statement), &[]).await.unwrap();
            database.close().await;
        }
    }
}

/// Runs a dump, over a connection that nobody uses after it.
async fn load<E: Engine>(database: Database<E>, dump: &'static str) {
    let mut transaction = database.begin().await.unwrap();
    transaction.session().unwrap().run(dump).await.unwrap();
    transaction.commit().await.unwrap();
    database.close().await;
}
