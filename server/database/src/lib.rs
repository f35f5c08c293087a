//! How an SQL database is named, opened, migrated and talked to: what server and signer have in common below their
//! stores. Knows nothing of metadata or of keys.
//!
//! A store is written once, over [`Engine`]: its statements are texts with numbered parameters
//! ([`Statement`]), its rows are [`Row`]s, and [`Failure`] tells it what went wrong.
//!
//! ```no_run
//! # use bulla_database::{Database, Failure, PoolSettings, Statement, Value, dsn::PostgresDsn};
//! # async fn example(dsn: &PostgresDsn) -> Result<(), Failure> {
//! let database = Database::postgres(dsn, PoolSettings::default()).await?;
//! let statement = Statement::new("SELECT version FROM tuf_files WHERE gun = $1");
//! let rows = database.fetch(&statement, &[Value::Text("registry.example/app")]).await?;
//! let mut transaction = database.begin().await?;
//! transaction.session()?.execute(&Statement::new("DELETE FROM tuf_files"), &[]).await?;
//! transaction.commit().await
//! # }
//! ```

#![forbid(unsafe_code)]

mod clock;
mod database;
pub mod dsn;
pub mod engine;
mod failure;
mod lender;
mod migrations;
mod session;
mod statement;
mod value;

pub use database::{Database, PoolSettings, PoolUse, Purpose, to_its_end};
pub use engine::{Engine, EngineName};
pub use failure::{Class, Failure};
pub use migrations::{MigrateError, Part, Step, first_sqlite_step, has_table, migrate, steps_done};
pub use session::{Session, Transaction};
pub use sqlx::{MySql, Postgres, Sqlite};
pub use statement::Statement;
pub use value::{Cell, Kind, Row, Value, WrongColumn};
