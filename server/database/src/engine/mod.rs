//! The engines, and how they differ below the text of a statement.

use std::future::Future;

use sqlx::SqlStr;
use sqlx::error::{BoxDynError, DatabaseError};

use crate::failure::Class;
use crate::value::{Cell, Value};

mod mysql;
mod postgres;
mod sqlite;

/// Which engine it is, where statements differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EngineName {
    /// SQLite in a file of this machine.
    Sqlite,
    /// PostgreSQL.
    Postgres,
    /// MySQL or MariaDB.
    MySql,
}

/// An SQL engine: the few things that are not the same for all of them. Stores are written once, over this.
pub trait Engine: sqlx::Database {
    /// Which one it is.
    const ENGINE: EngineName;

    /// Adds a parameter.
    ///
    /// # Errors
    /// When the driver cannot write it.
    fn bind(arguments: &mut Self::Arguments, value: Value<'_>) -> Result<(), BoxDynError>;

    /// Reads a column.
    ///
    /// # Errors
    /// When it is of no [`Kind`](crate::value::Kind).
    fn cell(row: &Self::Row, place: usize) -> Result<Cell, sqlx::Error>;

    /// Runs a statement that answers rows.
    fn fetch(
        connection: &mut Self::Connection,
        statement: SqlStr,
        arguments: Self::Arguments,
    ) -> impl Future<Output = Result<Vec<Self::Row>, sqlx::Error>> + Send;

    /// Runs a statement and says how many rows it wrote or removed.
    fn execute(
        connection: &mut Self::Connection,
        statement: SqlStr,
        arguments: Self::Arguments,
    ) -> impl Future<Output = Result<u64, sqlx::Error>> + Send;

    /// Runs a text of one or more statements without parameters.
    fn run(connection: &mut Self::Connection, text: SqlStr) -> impl Future<Output = Result<(), sqlx::Error>> + Send;

    /// What an error of the database means.
    fn class(error: &dyn DatabaseError) -> Class;

    /// The statement that opens a transaction for writing.
    const BEGIN: &'static str;

    /// The statements that open a transaction which sees one moment of the database and writes nothing.
    const BEGIN_READING: &'static str;
}

/// The three ways of running a statement, which the driver's bounds do not let us write once.
macro_rules! runs_statements {
    () => {
        async fn fetch(
            connection: &mut Self::Connection,
            statement: sqlx::SqlStr,
            arguments: Self::Arguments,
        ) -> Result<Vec<Self::Row>, sqlx::Error> {
            sqlx::query_with(statement, arguments).fetch_all(connection).await
        }

        async fn execute(
            connection: &mut Self::Connection,
            statement: sqlx::SqlStr,
            arguments: Self::Arguments,
        ) -> Result<u64, sqlx::Error> {
            Ok(sqlx::query_with(statement, arguments).execute(connection).await?.rows_affected())
        }

        async fn run(connection: &mut Self::Connection, text: sqlx::SqlStr) -> Result<(), sqlx::Error> {
            sqlx::raw_sql(text).execute(connection).await.map(|_| ())
        }
    };
}
pub(crate) use runs_statements;
