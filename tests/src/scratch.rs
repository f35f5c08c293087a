//! A server's database of a story's own on each engine, and the way to look into it past the server.
//!
//! `BULLA_TEST_POSTGRES` and `BULLA_TEST_MYSQL` hold addresses of accounts that may make databases
//! (`tests/with-engines.sh` sets them). Without one its engine is left out with a printed line; with `CI=true` or
//! `BULLA_TEST_ENGINES=required` that is a failure.

#![expect(clippy::print_stdout, reason = "what is left out is said")]

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context as _, bail, ensure};
use bulla_database::dsn::{MySqlDsn, PostgresDsn};
use bulla_database::{Database, PoolSettings, Row, Statement};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

/// An engine, with the account that makes databases.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Engine {
    /// Files.
    Sqlite,
    /// PostgreSQL.
    Postgres(String),
    /// MySQL or MariaDB.
    MySql(String),
}

/// A database that ends with the value; a SQLite file stays where it is.
#[derive(Debug)]
pub struct Scratch {
    place: Place,
}

#[derive(Debug)]
enum Place {
    Sqlite(PathBuf),
    Postgres { account: String, name: String },
    MySql { account: String, name: String },
}

impl Engine {
    /// SQLite, and the servers that the environment names.
    pub fn all() -> anyhow::Result<Vec<Self>> {
        let servers =
            [account("BULLA_TEST_POSTGRES")?.map(Self::Postgres), account("BULLA_TEST_MYSQL")?.map(Self::MySql)];
        Ok([Self::Sqlite].into_iter().chain(servers.into_iter().flatten()).collect())
    }
}

fn account(variable: &str) -> anyhow::Result<Option<String>> {
    let is_required =
        value("CI").as_deref() == Some("true") || value("BULLA_TEST_ENGINES").as_deref() == Some("required");
    let account = value(variable);
    ensure!(account.is_some() || !is_required, "{variable} is not set, and the tests of engines are required");
    if account.is_none() {
        println!("left out: {variable} is not set");
    }
    Ok(account)
}

#[expect(clippy::disallowed_methods, reason = "what the stories run on is no configuration of the programs")]
fn value(variable: &str) -> Option<String> {
    std::env::var(variable).ok().filter(|value| !value.is_empty())
}

impl Scratch {
    /// A database without tables; on SQLite the name of a file in `folder` that is not there yet.
    pub async fn new(engine: &Engine, folder: &Path) -> anyhow::Result<Self> {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let name = format!("bulla_story_{}_{}", std::process::id(), MADE.fetch_add(1, Ordering::Relaxed));
        let place = match engine {
            Engine::Sqlite => Place::Sqlite(folder.join(format!("{name}.db"))),
            Engine::Postgres(account) => {
                as_postgres(account, &format!("CREATE DATABASE {name}")).await?;
                Place::Postgres { account: account.clone(), name }
            }
            Engine::MySql(account) => {
                as_mysql(account, &format!("CREATE DATABASE {name}")).await?;
                Place::MySql { account: account.clone(), name }
            }
        };
        Ok(Self { place })
    }

    /// This SQLite file.
    #[must_use]
    pub fn at(path: PathBuf) -> Self {
        Self { place: Place::Sqlite(path) }
    }

    /// The `storage` section of a server's configuration.
    #[must_use]
    pub fn storage(&self) -> Value {
        match &self.place {
            Place::Sqlite(path) => json!({"backend": "sqlite", "db_url": path}),
            Place::Postgres { account, name } => json!({"backend": "postgres", "db_url": address(account, name)}),
            Place::MySql { account, name } => json!({"backend": "mysql", "db_url": address(account, name)}),
        }
    }

    /// Copies the database as docs/operations.md says, into another one without tables; false where the program for it
    /// is not installed.
    pub async fn back_up(&self, into: &Self) -> anyhow::Result<bool> {
        let (mut dump, mut load) = match (&self.place, &into.place) {
            (Place::Sqlite(from), Place::Sqlite(to)) => {
                let mut command = Command::new("sqlite3");
                command.arg("-cmd").arg(".timeout 10000").arg(from).arg(format!("VACUUM INTO '{}'", to.display()));
                return ended(command.output().await, "sqlite3");
            }
            (Place::Postgres { account, name }, Place::Postgres { name: to, .. }) => {
                let (mut dump, mut load) = (Command::new("pg_dump"), Command::new("psql"));
                dump.arg(address(account, name));
                load.args(["-q", "-v", "ON_ERROR_STOP=1", "-d"]).arg(address(account, to));
                (dump, load)
            }
            (Place::MySql { account, name }, Place::MySql { name: to, .. }) => {
                let mut dump = mariadb("mariadb-dump", account)?;
                dump.args(["--single-transaction", name]);
                let mut load = mariadb("mariadb", account)?;
                load.arg(to);
                (dump, load)
            }
            _ => bail!("a backup does not change the engine"),
        };
        let dump = match dump.stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn() {
            Err(error) if error.kind() == ErrorKind::NotFound => return left_out("pg_dump or mariadb-dump"),
            dump => dump?.wait_with_output().await?,
        };
        ensure!(dump.status.success(), "the dump failed");
        let mut load = load.stdin(Stdio::piped()).stdout(Stdio::null()).spawn()?;
        let mut input = load.stdin.take().context("no standard input")?;
        input.write_all(&dump.stdout).await?;
        drop(input);
        ensure!(load.wait().await?.success(), "the dump cannot be loaded");
        Ok(true)
    }

    /// The rows that a statement answers.
    pub async fn fetch(&self, text: &str) -> anyhow::Result<Vec<Row>> {
        Ok(match &self.place {
            Place::Sqlite(path) => Database::sqlite(path, 1).await?.fetch(&Statement::new(text), &[]).await?,
            Place::Postgres { account, name } => {
                postgres(&address(account, name)).await?.fetch(&Statement::new(text), &[]).await?
            }
            Place::MySql { account, name } => {
                mysql(&address(account, name)).await?.fetch(&Statement::new(text), &[]).await?
            }
        })
    }

    /// Runs a statement and says how many rows it changed.
    pub async fn execute(&self, text: &str) -> anyhow::Result<u64> {
        Ok(match &self.place {
            Place::Sqlite(path) => Database::sqlite(path, 1).await?.execute(&Statement::new(text), &[]).await?,
            Place::Postgres { account, name } => as_postgres(&address(account, name), text).await?,
            Place::MySql { account, name } => as_mysql(&address(account, name), text).await?,
        })
    }

    /// The number that a statement answers.
    pub async fn number(&self, text: &str) -> anyhow::Result<i64> {
        let rows = self.fetch(text).await?;
        rows.first().context("no row")?.number(0)?.context("no number")
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let removed = async || match &self.place {
            Place::Sqlite(_) => Ok(0),
            Place::Postgres { account, name } => {
                as_postgres(account, &format!("DROP DATABASE {name} WITH (FORCE)")).await
            }
            Place::MySql { account, name } => as_mysql(account, &format!("DROP DATABASE {name}")).await,
        };
        // The story's own runtime cannot be waited for here.
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                // One that stays goes with its server.
                drop(runtime.map(|runtime| runtime.block_on(removed())));
            });
        });
    }
}

/// A client program of MariaDB with the account of `user:password@tcp(host:port)/`.
fn mariadb(program: &str, account: &str) -> anyhow::Result<Command> {
    let (user, rest) = account.split_once(':').context("no user")?;
    let (password, rest) = rest.split_once("@tcp(").context("no password")?;
    let (host, port) = rest.split_once(')').and_then(|(place, _)| place.split_once(':')).context("no place")?;
    let mut command = Command::new(program);
    command.env("MYSQL_PWD", password).args(["--no-defaults", "-h", host, "-P", port, "-u", user]);
    Ok(command)
}

/// Whether a program that was looked for did its work.
fn ended(output: std::io::Result<Output>, program: &str) -> anyhow::Result<bool> {
    match output {
        Err(error) if error.kind() == ErrorKind::NotFound => left_out(program),
        output => {
            let output = output?;
            ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            Ok(true)
        }
    }
}

fn left_out(program: &str) -> anyhow::Result<bool> {
    ensure!(value("CI").as_deref() != Some("true"), "{program} is not installed");
    println!("left out: {program} is not installed");
    Ok(false)
}

/// The address of a database of the account's server.
fn address(account: &str, name: &str) -> String {
    let (account, parameters) = account.split_once('?').unwrap_or((account, ""));
    let server = account.rsplit_once('/').map_or(account, |(server, _)| server);
    format!("{server}/{name}?{parameters}")
}

async fn postgres(address: &str) -> anyhow::Result<Database<bulla_database::Postgres>> {
    Ok(Database::postgres(&PostgresDsn::parse(address)?, PoolSettings::default()).await?)
}

async fn mysql(address: &str) -> anyhow::Result<Database<bulla_database::MySql>> {
    Ok(Database::mysql(&MySqlDsn::parse(address)?, PoolSettings::default()).await?)
}

async fn as_postgres(address: &str, text: &str) -> anyhow::Result<u64> {
    Ok(postgres(address).await?.execute(&Statement::new(text), &[]).await?)
}

async fn as_mysql(address: &str, text: &str) -> anyhow::Result<u64> {
    Ok(mysql(address).await?.execute(&Statement::new(text), &[]).await?)
}
