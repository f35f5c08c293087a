//! Bringing tables up to date. Steps only add, and what a later build has added is no reason to stop: the build before
//! still works on the tables.

use sqlx::SqlSafeStr as _;
use sqlx::migrate::{Migration, MigrationType, Migrator};

use crate::database::Database;
use crate::engine::{Engine, EngineName};
use crate::failure::Failure;
use crate::session::Session;
use crate::statement::Statement;
use crate::value::Value;

/// One step, done once for a database.
#[derive(Debug, Clone, Copy)]
pub struct Step {
    /// Ascending; never used again for something else.
    pub version: i64,
    /// What it brings, for people who look into the table.
    pub name: &'static str,
    /// What is done, in order.
    pub parts: &'static [Part],
}

/// Statements of a step.
#[derive(Debug, Clone, Copy)]
pub struct Part {
    /// The table without which they are run; with `None` they always are.
    pub only_without: Option<&'static str>,
    /// One or more statements, without parameters. On MySQL each counts at once, so that a step that was broken off is
    /// begun again: there they must not mind having been run.
    pub sql: &'static str,
}

/// Why tables are not up to date.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// Another process is at it, and does not come to an end.
    #[error("another process is changing the tables and does not come to an end")]
    Locked,
    /// A step failed.
    #[error("cannot bring the tables up to date, step {version} ({name}) failed")]
    Step {
        /// Its version.
        version: i64,
        /// What it brings.
        name: &'static str,
        /// Why.
        source: Failure,
    },
    /// The database failed otherwise.
    #[error(transparent)]
    Database(#[from] Failure),
}

/// Runs those of `steps` that the database has not had. `component` names whose they are, as several may share a
/// database. A database that is up to date is not written to, so that no right to make tables is needed.
///
/// # Errors
/// [`MigrateError`] names the step.
pub async fn migrate<E: Engine>(
    database: &Database<E>,
    component: &'static str,
    steps: &[Step],
) -> Result<(), MigrateError> {
    for _ in 1..ATTEMPTS {
        match attempt(database, component, steps).await {
            Err(
                MigrateError::Step { source: Failure::Conflict(_), .. } | MigrateError::Database(Failure::Conflict(_)),
            ) => {}
            done_or_failed => return done_or_failed,
        }
    }
    attempt(database, component, steps).await
}

/// The lock of MySQL is one node's own, so that two processes at different nodes of a Galera cluster both set out on the
/// same steps. All but one collide, and find the step done when they look again.
const ATTEMPTS: u32 = 5;

async fn attempt<E: Engine>(
    database: &Database<E>,
    component: &'static str,
    steps: &[Step],
) -> Result<(), MigrateError> {
    if missing(steps, &steps_done(database, component).await?).next().is_none() {
        return Ok(());
    }
    let mut transaction = database.begin().await?;
    let mut session = transaction.session()?;
    lock(&mut session).await?;
    let done = run_missing(&mut session, component, steps).await;
    // also after a failure: the connection goes back to its pool
    let unlocked = unlock(&mut session).await;
    done?;
    unlocked?;
    transaction.commit().await?;
    Ok(())
}

async fn run_missing<E: Engine>(
    session: &mut Session<'_, E>,
    component: &'static str,
    steps: &[Step],
) -> Result<(), MigrateError> {
    session.run(bookkeeping::<E>()).await?;
    let had = done_in(session, component).await?;
    for step in missing(steps, &had) {
        run(session, component, step).await.map_err(|source| MigrateError::Step {
            version: step.version,
            name: step.name,
            source,
        })?;
    }
    Ok(())
}

/// Runs the first step of a SQLite file, which stands in the driver's own table: the first release wrote it there, and
/// does not start when it finds others beside it.
///
/// # Errors
/// [`MigrateError::Step`] when it fails.
pub async fn first_sqlite_step(
    database: &Database<sqlx::Sqlite>,
    name: &'static str,
    sql: &'static str,
) -> Result<(), MigrateError> {
    let step = Migration::new(1, name.into(), MigrationType::Simple, sql.into_sql_str(), false);
    let done = Migrator::with_migrations(vec![step]).run(database.writes()).await;
    done.map_err(|error| MigrateError::Step {
        version: 1,
        name,
        source: Failure::Unavailable(sqlx::Error::Migrate(Box::new(error))),
    })
}

/// The versions of the steps that the database has had.
///
/// # Errors
/// [`Failure`] says in which of its classes.
pub async fn steps_done<E: Engine>(database: &Database<E>, component: &str) -> Result<Vec<i64>, Failure> {
    if !has_table(database, BOOKKEEPING).await? {
        return Ok(Vec::new());
    }
    versions(&database.fetch(&Statement::new(DONE), &[Value::Text(component)]).await?)
}

/// Whether the database has a table.
///
/// # Errors
/// [`Failure`] says in which of its classes.
pub async fn has_table<E: Engine>(database: &Database<E>, table: &str) -> Result<bool, Failure> {
    Ok(!database.fetch(&exists::<E>(), &[Value::Text(table)]).await?.is_empty())
}

fn missing<'a>(steps: &'a [Step], done: &'a [i64]) -> impl Iterator<Item = &'a Step> {
    steps.iter().filter(|step| !done.contains(&step.version))
}

async fn done_in<E: Engine>(session: &mut Session<'_, E>, component: &str) -> Result<Vec<i64>, Failure> {
    versions(&session.fetch(&Statement::new(DONE), &[Value::Text(component)]).await?)
}

fn versions(rows: &[crate::value::Row]) -> Result<Vec<i64>, Failure> {
    rows.iter().map(|row| Ok(row.number(0)?.unwrap_or_default())).collect()
}

async fn run<E: Engine>(session: &mut Session<'_, E>, component: &str, step: &Step) -> Result<(), Failure> {
    for part in step.parts {
        let is_wanted = match part.only_without {
            Some(table) => session.fetch(&exists::<E>(), &[Value::Text(table)]).await?.is_empty(),
            None => true,
        };
        if is_wanted {
            session.run(part.sql).await?;
        }
    }
    let note = Statement::new("INSERT INTO bulla_migrations (component, version, name) VALUES ($1, $2, $3)");
    let values = [Value::Text(component), Value::Number(step.version), Value::Text(step.name)];
    session.execute(&note, &values).await.map(|_| ())
}

const BOOKKEEPING: &str = "bulla_migrations";

const DONE: &str = "SELECT version FROM bulla_migrations WHERE component = $1";

fn bookkeeping<E: Engine>() -> &'static str {
    match E::ENGINE {
        EngineName::Sqlite => {
            "CREATE TABLE IF NOT EXISTS bulla_migrations (component TEXT NOT NULL, version INTEGER NOT NULL, \
             name TEXT NOT NULL, PRIMARY KEY (component, version))"
        }
        EngineName::Postgres => {
            "CREATE TABLE IF NOT EXISTS bulla_migrations (component varchar(20) NOT NULL, version bigint NOT NULL, \
             name varchar(255) NOT NULL, PRIMARY KEY (component, version))"
        }
        EngineName::MySql => {
            "CREATE TABLE IF NOT EXISTS bulla_migrations (component varchar(20) NOT NULL, version bigint NOT NULL, \
             name varchar(255) NOT NULL, PRIMARY KEY (component, version)) \
             ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin"
        }
    }
}

fn exists<E: Engine>() -> Statement<E> {
    Statement::new(match E::ENGINE {
        EngineName::Sqlite => "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = $1",
        EngineName::Postgres => "SELECT 1 WHERE to_regclass($1) IS NOT NULL",
        EngineName::MySql => {
            "SELECT 1 FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = $1"
        }
    })
}

/// One process at a time. On SQLite the transaction has the write lock already.
async fn lock<E: Engine>(session: &mut Session<'_, E>) -> Result<(), MigrateError> {
    match E::ENGINE {
        EngineName::Sqlite => Ok(()),
        EngineName::Postgres => {
            // A number of ours; locks are of one database.
            let taken = session.run("SELECT pg_advisory_xact_lock(1165325388)").await;
            taken.map_err(|failure| match failure {
                Failure::Conflict(_) => MigrateError::Locked,
                other => other.into(),
            })
        }
        EngineName::MySql => {
            let lock = Statement::new("SELECT GET_LOCK(CONCAT('bulla_migrations ', MD5(DATABASE())), 4)");
            let taken = session.fetch(&lock, &[]).await?;
            let is_taken = taken.first().and_then(|row| row.number(0).ok().flatten()) == Some(1);
            if is_taken { Ok(()) } else { Err(MigrateError::Locked) }
        }
    }
}

async fn unlock<E: Engine>(session: &mut Session<'_, E>) -> Result<(), Failure> {
    match E::ENGINE {
        // They end with the transaction.
        EngineName::Sqlite | EngineName::Postgres => Ok(()),
        EngineName::MySql => session.run("DO RELEASE_LOCK(CONCAT('bulla_migrations ', MD5(DATABASE())))").await,
    }
}
