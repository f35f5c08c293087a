//! Databases of the tests: each its own, on the servers that the environment names.
//!
//! `BULLA_TEST_POSTGRES` and `BULLA_TEST_MYSQL` hold addresses of accounts that may make databases. Without one the tests
//! of its engine are left out with a printed line; with `CI=true` or `BULLA_TEST_ENGINES=required` they fail.

use std::sync::atomic::{AtomicU32, Ordering};

use bulla_database::dsn::{MySqlDsn, PostgresDsn};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection as _, Executor};

/// A database that ends with the value.
pub(crate) struct Scratch {
    engine: Server,
    /// The address of the account that makes databases.
    account: String,
    name: String,
}

/// The servers that the environment may name.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Server {
    Postgres,
    MySql,
}

impl Server {
    /// An empty database, or `None` where the environment names no server.
    pub(crate) async fn scratch(self) -> Option<Scratch> {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let account = self.account()?;
        let name = format!("bulla_signer_{}_{}", std::process::id(), MADE.fetch_add(1, Ordering::Relaxed));
        let scratch = Scratch { engine: self, account, name };
        scratch.as_account(&format!("CREATE DATABASE {}", scratch.name)).await;
        Some(scratch)
    }

    fn account(self) -> Option<String> {
        let variable = match self {
            Self::Postgres => "BULLA_TEST_POSTGRES",
            Self::MySql => "BULLA_TEST_MYSQL",
        };
        let is_required =
            value("CI").as_deref() == Some("true") || value("BULLA_TEST_ENGINES").as_deref() == Some("required");
        let account = value(variable);
        assert!(account.is_some() || !is_required, "{variable} is not set, and the tests of engines are required");
        if account.is_none() {
            println!("left out: {variable} is not set");
        }
        account
    }
}

#[expect(clippy::disallowed_methods, reason = "what the tests run on is no configuration of the program")]
fn value(variable: &str) -> Option<String> {
    std::env::var(variable).ok().filter(|value| !value.is_empty())
}

impl Scratch {
    /// The address of the database, to which further parameters may be added.
    pub(crate) fn address(&self) -> String {
        let (account, parameters) = self.account.split_once('?').unwrap_or((&self.account, ""));
        let (server, _) = account.rsplit_once('/').unwrap();
        let and = if parameters.is_empty() { "" } else { "&" };
        format!("{server}/{}?{parameters}{and}", self.name)
    }

    /// Runs statements on the database.
    pub(crate) async fn run(&self, statements: &str) {
        run(self.engine, &self.address(), statements).await;
    }

    async fn as_account(&self, statement: &str) {
        run(self.engine, &self.account, statement).await;
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // A session with a transaction open would hold it up, and nothing of the test runs any more to end that.
        let statement = match self.engine {
            Server::Postgres => format!("DROP DATABASE {} WITH (FORCE)", self.name),
            Server::MySql => format!(
                "BEGIN NOT ATOMIC FOR one IN (SELECT id FROM information_schema.processlist WHERE db = '{name}') DO \
                 BEGIN DECLARE CONTINUE HANDLER FOR SQLEXCEPTION BEGIN END; KILL one.id; END; END FOR; \
                 DROP DATABASE {name}; END",
                name = self.name
            ),
        };
        // the test's own runtime cannot be waited for here
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                runtime.block_on(self.as_account(&statement));
            });
        });
    }
}

async fn run(engine: Server, address: &str, statements: &str) {
    match engine {
        Server::Postgres => run_with(PostgresDsn::parse(address).unwrap().connect_options(), statements).await,
        Server::MySql => run_with(MySqlDsn::parse(address).unwrap().connect_options(), statements).await,
    }
}

async fn run_with<O: ConnectOptions>(options: O, statements: &str)
where
    O::Connection: Sized,
    for<'c> &'c mut O::Connection: Executor<'c>,
{
    let mut connection = options.connect().await.unwrap();
    (&mut connection).execute(sqlx::raw_sql(AssertSqlSafe(statements.to_owned()))).await.unwrap();
    connection.close().await.unwrap();
}
