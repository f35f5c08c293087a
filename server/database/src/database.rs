//! An opened database: its pools, and the settings of each session.

use std::future::Future;
use std::path::Path;
use std::time::Duration;

use sqlx::mysql::MySqlConnection;
use sqlx::pool::PoolOptions;
use sqlx::postgres::PgConnection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{Connection as _, MySql, Pool, Postgres, Sqlite};

use crate::dsn::{MySqlDsn, PostgresDsn};
use crate::engine::Engine;
use crate::failure::Failure;
use crate::lender::{Lender, TRUSTED_IDLE, acquired};
use crate::session::{Transaction, arguments};
use crate::statement::Statement;
use crate::value::{Row, Value};

/// How much longer than the database itself we wait for the end of a statement: its own word is the better one.
const GRACE: Duration = Duration::from_secs(2);

/// How long a SQLite connection waits for another process that holds the file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// How a server is talked to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolSettings {
    /// The most connections of this process.
    pub max_connections: u32,
    /// How long to wait for one, also for a new one to come about.
    pub acquire_timeout: Duration,
    /// How long a statement may take, and a lock may be waited for. Whole milliseconds; MySQL's locks whole seconds.
    pub statement_timeout: Duration,
}

impl Default for PoolSettings {
    fn default() -> Self {
        Self {
            max_connections: 16,
            acquire_timeout: Duration::from_secs(5),
            statement_timeout: Duration::from_secs(10),
        }
    }
}

/// What connections are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Reading only.
    Reads,
    /// Writing only.
    Writes,
    /// Both.
    Both,
}

/// How much of a pool is in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolUse {
    /// What its connections are for.
    pub purpose: Purpose,
    /// How many are lent now, or being made.
    pub in_use: usize,
    /// How many there may be.
    pub at_most: usize,
}

/// An opened database.
///
/// What was begun here comes to its end and gives its connection back, also when nobody waits for it any more: a
/// connection that is broken off in the middle could only be thrown away, and a new one is dear to the database.
pub struct Database<E: Engine> {
    reads: Lender<E>,
    writes: Lender<E>,
    timeout: Option<Duration>,
}

impl<E: Engine> Clone for Database<E> {
    fn clone(&self) -> Self {
        Self { reads: self.reads.clone(), writes: self.writes.clone(), timeout: self.timeout }
    }
}

impl<E: Engine> Database<E> {
    /// The rows that a statement answers that only reads. A connection that turns out to be broken is replaced.
    ///
    /// # Errors
    /// [`Failure`] says in which of its classes.
    pub async fn fetch(&self, statement: &Statement<E>, values: &[Value<'_>]) -> Result<Vec<Row>, Failure> {
        let fetched = async |is_tested| {
            let (text, arguments) = (statement.sql(), arguments::<E>(statement, values)?);
            let (turn, reads, timeout) = (self.reads.turn().await?, self.reads.clone(), self.timeout);
            let work = async move {
                let mut lent = reads.lent(turn, is_tested, timeout).await?;
                lent.session(timeout)?.fetch_with(text, arguments).await
            };
            ended(work).await
        };
        match fetched(false).await {
            Err(Failure::Broken(_)) => fetched(true).await,
            done => done,
        }
    }

    /// Begins a transaction for writing.
    ///
    /// # Errors
    /// [`Failure`] says in which of its classes.
    pub async fn begin(&self) -> Result<Transaction<E>, Failure> {
        self.begun_by(E::BEGIN, &self.writes).await
    }

    /// Begins a transaction that sees the database as it is at one moment, however long it reads.
    ///
    /// # Errors
    /// [`Failure`] says in which of its classes.
    pub async fn begin_reading(&self) -> Result<Transaction<E>, Failure> {
        self.begun_by(E::BEGIN_READING, &self.reads).await
    }

    async fn begun_by(&self, text: &'static str, lender: &Lender<E>) -> Result<Transaction<E>, Failure> {
        let begun = async |is_tested| {
            let (turn, lender, timeout) = (lender.turn().await?, lender.clone(), self.timeout);
            let work = async move {
                let lent = lender.lent(turn, is_tested, timeout).await?;
                Transaction::begun_by(text, lent, timeout).await
            };
            ended(work).await
        };
        match begun(false).await {
            Err(Failure::Broken(_)) => begun(true).await,
            begun => begun,
        }
    }

    /// Runs one statement that writes, by itself.
    ///
    /// # Errors
    /// [`Failure`] says in which of its classes. After [`Failure::Broken`] or [`Failure::Silent`] it is not known
    /// whether it was done.
    pub async fn execute(&self, statement: &Statement<E>, values: &[Value<'_>]) -> Result<u64, Failure> {
        let (text, arguments) = (statement.sql(), arguments::<E>(statement, values)?);
        let (turn, writes, timeout) = (self.writes.turn().await?, self.writes.clone(), self.timeout);
        let work = async move {
            let mut lent = writes.lent(turn, false, timeout).await?;
            lent.session(timeout)?.execute_with(text, arguments).await
        };
        ended(work).await
    }

    /// How much of each pool is in use now.
    #[must_use]
    pub fn pools(&self) -> Vec<PoolUse> {
        let told = |purpose, lender: &Lender<E>| {
            let (in_use, at_most) = lender.in_use();
            PoolUse { purpose, in_use, at_most }
        };
        if self.reads.is_same(&self.writes) {
            vec![told(Purpose::Both, &self.writes)]
        } else {
            vec![told(Purpose::Reads, &self.reads), told(Purpose::Writes, &self.writes)]
        }
    }

    /// Waits for what is being written and closes every connection.
    pub async fn close(&self) {
        self.reads.close().await;
        self.writes.close().await;
    }

    /// The driver's pool of the connections that write.
    pub(crate) fn writes(&self) -> &Pool<E> {
        self.writes.pool()
    }
}

/// Does work that goes on when nobody waits for it. `None` when the runtime is ending.
pub async fn to_its_end<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> Option<T> {
    match tokio::spawn(work).await {
        Ok(done) => Some(done),
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => None,
        },
    }
}

/// The same for work at the database.
async fn ended<T: Send + 'static>(
    work: impl Future<Output = Result<T, Failure>> + Send + 'static,
) -> Result<T, Failure> {
    to_its_end(work).await.unwrap_or(Err(Failure::Unavailable(sqlx::Error::PoolClosed)))
}

impl Database<Postgres> {
    /// Opens a PostgreSQL database. At least one connection must come about.
    ///
    /// # Errors
    /// [`Failure`] says in which of its classes.
    pub async fn postgres(dsn: &PostgresDsn, settings: PoolSettings) -> Result<Self, Failure> {
        let millis = settings.statement_timeout.as_millis();
        let session = format!(
            "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL READ COMMITTED; SET TimeZone = 'UTC'; \
             SET statement_timeout = {millis}; SET lock_timeout = {}; \
             SET idle_in_transaction_session_timeout = {millis}; {QUICK_COMPRESSION}",
            // Below the other, so that a wait for another writer ends as what it is.
            (millis / 2).max(1)
        );
        let pool = server_pool::<Postgres>(settings, dsn.timeout()).after_connect(move |connection, _| {
            let session = session.clone();
            Box::pin(async move { postgres_session(connection, session).await })
        });
        Self::of_server(pool.connect_lazy_with(dsn.connect_options()), settings).await
    }
}

impl Database<MySql> {
    /// Opens a MySQL or MariaDB database. At least one connection must come about.
    ///
    /// # Errors
    /// [`Failure`] says in which of its classes.
    pub async fn mysql(dsn: &MySqlDsn, settings: PoolSettings) -> Result<Self, Failure> {
        let variables: Vec<String> = dsn.session_variables().iter().map(|variable| variable.statement()).collect();
        let pool = server_pool::<MySql>(settings, dsn.timeout()).after_connect(move |connection, _| {
            let variables = variables.clone();
            Box::pin(async move { mysql_session(connection, variables, settings.statement_timeout).await })
        });
        Self::of_server(pool.connect_lazy_with(dsn.connect_options()), settings).await
    }
}

impl Database<Sqlite> {
    /// Opens a SQLite file, which must be there. One connection writes, `readers` others cannot.
    ///
    /// # Errors
    /// [`Failure`] says in which of its classes.
    pub async fn sqlite(path: &Path, readers: u32) -> Result<Self, Failure> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .journal_mode(SqliteJournalMode::Wal)
            // FULL: in WAL mode NORMAL would lose answered commits when the power goes.
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(BUSY_TIMEOUT);
        // A pool of one: writers queue here and not at the file's lock.
        let writes = PoolOptions::new().max_connections(1).connect_with(options.clone()).await;
        let writes = writes.map_err(|error| Failure::of(error, Sqlite::class))?;
        let reads = PoolOptions::new().max_connections(readers).connect_lazy_with(options.pragma("query_only", "on"));
        Ok(Self { reads: Lender::new(reads), writes: Lender::new(writes), timeout: None })
    }
}

impl<E: Engine> Database<E> {
    async fn of_server(pool: Pool<E>, settings: PoolSettings) -> Result<Self, Failure> {
        let lender = Lender::new(pool);
        drop(acquired(lender.pool()).await?);
        Ok(Self { reads: lender.clone(), writes: lender, timeout: Some(settings.statement_timeout + GRACE) })
    }
}

/// `timeout`: what the address says about how long a connection may take to come about.
fn server_pool<E: Engine>(settings: PoolSettings, timeout: Option<Duration>) -> PoolOptions<E> {
    PoolOptions::new()
        .max_connections(settings.max_connections)
        .acquire_timeout(timeout.map_or(settings.acquire_timeout, |timeout| timeout.min(settings.acquire_timeout)))
        // Only where it is worth the way to the database and back; what breaks otherwise is found by its first use.
        .test_before_acquire(false)
        .before_acquire(|connection: &mut E::Connection, state| {
            Box::pin(async move {
                if state.idle_for > TRUSTED_IDLE {
                    connection.ping().await?;
                }
                Ok(true)
            })
        })
}

/// Long values that this session stores are compressed by LZ4, where the server has it (PostgreSQL 14): that of its own
/// making, the default, takes more time than all the rest of a publish of ten thousand tags. Whoever reads notices nothing.
const QUICK_COMPRESSION: &str = "SELECT set_config(name, 'lz4', false) FROM pg_settings \
                                 WHERE name = 'default_toast_compression' AND 'lz4' = ANY (enumvals)";

async fn postgres_session(connection: &mut PgConnection, session: String) -> Result<(), sqlx::Error> {
    run::<Postgres>(connection, session).await
}

async fn mysql_session(
    connection: &mut MySqlConnection,
    variables: Vec<String>,
    statement_timeout: Duration,
) -> Result<(), sqlx::Error> {
    for variable in variables {
        run::<MySql>(connection, variable).await?;
    }
    let seconds = statement_timeout.as_secs().max(1);
    run::<MySql>(
        connection,
        format!(
            "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED; SET NAMES utf8mb4; \
             SET SESSION time_zone = '+00:00', \
             sql_mode = 'STRICT_ALL_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION', \
             innodb_lock_wait_timeout = {}",
            (seconds / 2).max(1)
        ),
    )
    .await?;
    // Galera: a session sees what any node has acknowledged (reads, updates and deletes, inserts).
    if_known(run::<MySql>(connection, "SET SESSION wsrep_sync_wait = 7".to_owned()).await)?;
    // MariaDB's name and unit, then MySQL's, which counts for reads only.
    if !if_known(run::<MySql>(connection, format!("SET SESSION max_statement_time = {seconds}")).await)? {
        let millis = statement_timeout.as_millis();
        if_known(run::<MySql>(connection, format!("SET SESSION max_execution_time = {millis}")).await)?;
    }
    Ok(())
}

async fn run<E: Engine>(connection: &mut E::Connection, text: String) -> Result<(), sqlx::Error> {
    E::run(connection, sqlx::SqlSafeStr::into_sql_str(sqlx::AssertSqlSafe(text))).await
}

/// Whether a variable was set; false when this server does not have it.
fn if_known(set: Result<(), sqlx::Error>) -> Result<bool, sqlx::Error> {
    const UNKNOWN_VARIABLE: u16 = 1193;
    match set {
        Ok(()) => Ok(true),
        Err(sqlx::Error::Database(error))
            if error
                .try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>()
                .is_some_and(|error| error.number() == UNKNOWN_VARIABLE) =>
        {
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use super::*;

    fn said<E: Engine>(opened: Result<Database<E>, Failure>) -> String {
        let failure = opened.err().unwrap();
        format!("{failure}: {}", failure.source().unwrap())
    }

    #[tokio::test]
    async fn a_file_has_one_connection_that_writes_and_others_that_read() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.db");
        std::fs::write(&path, "").unwrap();
        let database = Database::<Sqlite>::sqlite(&path, 4).await.unwrap();
        let transaction = database.begin().await.unwrap();
        let told = |purpose, in_use, at_most| PoolUse { purpose, in_use, at_most };
        assert_eq!(database.pools(), [told(Purpose::Reads, 0, 4), told(Purpose::Writes, 1, 1)]);
        transaction.rollback().await.unwrap();
        assert_eq!(database.pools(), [told(Purpose::Reads, 0, 4), told(Purpose::Writes, 0, 1)]);
    }

    #[tokio::test]
    async fn a_database_that_refuses_connections_says_so() {
        // bound and not listening: nobody else gets the port, and it refuses
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let port = socket.local_addr().unwrap().port();
        let settings = PoolSettings { acquire_timeout: Duration::from_millis(50), ..PoolSettings::default() };
        let address = format!("postgres://u:geheim@127.0.0.1:{port}/d?sslmode=disable");
        let postgres = Database::<Postgres>::postgres(&PostgresDsn::parse(&address).unwrap(), settings).await;
        let address = format!("u:geheim@tcp(127.0.0.1:{port})/d?parseTime=true&tls=false");
        let mysql = Database::<MySql>::mysql(&MySqlDsn::parse(&address).unwrap(), settings).await;
        for said in [said(postgres), said(mysql)] {
            assert!(said.starts_with("the database failed: ") && said.contains("Connection refused"), "{said}");
            assert!(!said.contains("geheim"), "{said}");
        }
    }
}
