//! Statements over one connection, each with an end to waiting, and transactions.

use std::future::Future;
use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::{Arguments as _, Connection as _, SqlSafeStr as _};

use crate::engine::Engine;
use crate::failure::Failure;
use crate::statement::Statement;
use crate::value::{Row, Value};

/// One connection.
pub struct Session<'c, E: Engine> {
    connection: &'c mut E::Connection,
    timeout: Option<Duration>,
}

impl<'c, E: Engine> Session<'c, E> {
    pub(crate) fn new(connection: &'c mut E::Connection, timeout: Option<Duration>) -> Self {
        Self { connection, timeout }
    }

    /// The rows that a statement answers.
    ///
    /// # Errors
    /// [`Failure`] says in which of its classes.
    pub async fn fetch(&mut self, statement: &Statement<E>, values: &[Value<'_>]) -> Result<Vec<Row>, Failure> {
        let arguments = arguments::<E>(statement, values)?;
        let rows = bounded::<E, _>(self.timeout, E::fetch(self.connection, statement.sql(), arguments)).await?;
        rows.iter().map(|row| to_row::<E>(row)).collect()
    }

    /// Runs a statement and says how many rows it wrote or removed.
    ///
    /// # Errors
    /// [`Failure`] says in which of its classes.
    pub async fn execute(&mut self, statement: &Statement<E>, values: &[Value<'_>]) -> Result<u64, Failure> {
        let arguments = arguments::<E>(statement, values)?;
        bounded::<E, _>(self.timeout, E::execute(self.connection, statement.sql(), arguments)).await
    }

    /// Runs a text of ours, of one or more statements without parameters.
    ///
    /// # Errors
    /// [`Failure`] says in which of its classes.
    pub async fn run(&mut self, text: &'static str) -> Result<(), Failure> {
        bounded::<E, _>(self.timeout, E::run(self.connection, text.into_sql_str())).await
    }

    /// Asks the database whether it is there.
    pub(crate) async fn ping(&mut self) -> Result<(), Failure> {
        bounded::<E, _>(self.timeout, self.connection.ping()).await
    }
}

/// Changes that are made together or not at all. Dropped without an end, it takes its connection with it, which is
/// how the database learns that nothing of it counts.
pub struct Transaction<E: Engine> {
    connection: Lent<E>,
    timeout: Option<Duration>,
}

impl<E: Engine> Transaction<E> {
    pub(crate) async fn begin(connection: PoolConnection<E>, timeout: Option<Duration>) -> Result<Self, Failure> {
        Self::begun_by(E::BEGIN, connection, timeout).await
    }

    pub(crate) async fn begin_reading(
        connection: PoolConnection<E>,
        timeout: Option<Duration>,
    ) -> Result<Self, Failure> {
        Self::begun_by(E::BEGIN_READING, connection, timeout).await
    }

    async fn begun_by(
        text: &'static str,
        connection: PoolConnection<E>,
        timeout: Option<Duration>,
    ) -> Result<Self, Failure> {
        let mut transaction = Self { connection: Lent(Some(connection)), timeout };
        transaction.session()?.run(text).await?;
        Ok(transaction)
    }

    /// The connection it is on.
    ///
    /// # Errors
    /// Never, as long as the transaction is there.
    pub fn session(&mut self) -> Result<Session<'_, E>, Failure> {
        match &mut self.connection.0 {
            Some(connection) => Ok(Session::new(&mut **connection, self.timeout)),
            None => Err(Failure::Unavailable(sqlx::Error::PoolClosed)),
        }
    }

    /// Makes the changes count. After an error it is not known whether they do.
    ///
    /// # Errors
    /// [`Failure`] says in which of its classes; a conflict means that they do not.
    pub async fn commit(mut self) -> Result<(), Failure> {
        self.session()?.run("COMMIT").await?;
        self.connection.give_back();
        Ok(())
    }

    /// Takes the changes back.
    ///
    /// # Errors
    /// [`Failure`] says in which of its classes; the changes are taken back all the same.
    pub async fn rollback(mut self) -> Result<(), Failure> {
        self.session()?.run("ROLLBACK").await?;
        self.connection.give_back();
        Ok(())
    }
}

/// A connection that is thrown away unless it is given back: what was broken off in the middle is never used again.
pub(crate) struct Lent<E: Engine>(pub(crate) Option<PoolConnection<E>>);

impl<E: Engine> Lent<E> {
    pub(crate) fn give_back(&mut self) {
        drop(self.0.take());
    }
}

impl<E: Engine> Drop for Lent<E> {
    fn drop(&mut self) {
        if let Some(connection) = self.0.take() {
            // Out of the pool at once, and closed: the driver would first ask a database that may not answer.
            drop(connection.detach());
        }
    }
}

async fn bounded<E: Engine, T>(
    timeout: Option<Duration>,
    work: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, Failure> {
    let done = match timeout {
        Some(timeout) => tokio::time::timeout(timeout, work).await.map_err(|_| Failure::Silent)?,
        None => work.await,
    };
    done.map_err(|error| Failure::of(error, E::class))
}

fn arguments<E: Engine>(statement: &Statement<E>, values: &[Value<'_>]) -> Result<E::Arguments, Failure> {
    let mut arguments = E::Arguments::default();
    let values = statement.arranged(values);
    arguments.reserve(values.len(), 0);
    for value in values {
        E::bind(&mut arguments, value).map_err(|error| Failure::Unavailable(sqlx::Error::Encode(error)))?;
    }
    Ok(arguments)
}

fn to_row<E: Engine>(row: &E::Row) -> Result<Row, Failure> {
    let cells = (0..sqlx::Row::len(row)).map(|place| E::cell(row, place));
    Ok(Row::new(cells.collect::<Result<_, _>>().map_err(Failure::Unavailable)?))
}
