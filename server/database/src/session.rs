//! Statements over one connection, each with an end to waiting, and transactions.

use std::future::Future;
use std::time::Duration;

use sqlx::{Arguments as _, Connection as _, SqlSafeStr as _, SqlStr};
use tokio::runtime::Handle;

use crate::engine::Engine;
use crate::failure::Failure;
use crate::lender::{Condition, Lent};
use crate::statement::Statement;
use crate::value::{Row, Value};

/// One connection.
pub struct Session<'c, E: Engine> {
    connection: &'c mut E::Connection,
    condition: &'c mut Condition,
    timeout: Option<Duration>,
}

impl<'c, E: Engine> Session<'c, E> {
    pub(crate) fn new(
        connection: &'c mut E::Connection,
        condition: &'c mut Condition,
        timeout: Option<Duration>,
    ) -> Self {
        Self { connection, condition, timeout }
    }

    /// The rows that a statement answers.
    ///
    /// # Errors
    /// [`Failure`] says in which of its classes.
    pub async fn fetch(&mut self, statement: &Statement<E>, values: &[Value<'_>]) -> Result<Vec<Row>, Failure> {
        self.fetch_with(statement.sql(), arguments::<E>(statement, values)?).await
    }

    pub(crate) async fn fetch_with(&mut self, text: SqlStr, arguments: E::Arguments) -> Result<Vec<Row>, Failure> {
        let work = E::fetch(self.connection, text, arguments);
        let rows = bounded::<E, _>(self.condition, self.timeout, work).await?;
        rows.iter().map(|row| to_row::<E>(row)).collect()
    }

    /// Runs a statement and says how many rows it wrote or removed.
    ///
    /// # Errors
    /// [`Failure`] says in which of its classes.
    pub async fn execute(&mut self, statement: &Statement<E>, values: &[Value<'_>]) -> Result<u64, Failure> {
        self.execute_with(statement.sql(), arguments::<E>(statement, values)?).await
    }

    pub(crate) async fn execute_with(&mut self, text: SqlStr, arguments: E::Arguments) -> Result<u64, Failure> {
        let work = E::execute(self.connection, text, arguments);
        bounded::<E, _>(self.condition, self.timeout, work).await
    }

    /// Runs a text of ours, of one or more statements without parameters.
    ///
    /// # Errors
    /// [`Failure`] says in which of its classes.
    pub async fn run(&mut self, text: &'static str) -> Result<(), Failure> {
        bounded::<E, _>(self.condition, self.timeout, E::run(self.connection, text.into_sql_str())).await
    }

    /// Asks the database whether it is there.
    pub(crate) async fn ping(&mut self) -> Result<(), Failure> {
        bounded::<E, _>(self.condition, self.timeout, self.connection.ping()).await
    }
}

/// Changes that are made together or not at all. Dropped without an end, they are taken back, after which another one
/// may use the connection.
pub struct Transaction<E: Engine> {
    connection: Option<Lent<E>>,
    timeout: Option<Duration>,
}

impl<E: Engine> Transaction<E> {
    pub(crate) async fn begun_by(
        text: &'static str,
        connection: Lent<E>,
        timeout: Option<Duration>,
    ) -> Result<Self, Failure> {
        let mut transaction = Self { connection: Some(connection), timeout };
        transaction.session()?.run(text).await?;
        Ok(transaction)
    }

    /// The connection it is on.
    ///
    /// # Errors
    /// Never, as long as the transaction is there.
    pub fn session(&mut self) -> Result<Session<'_, E>, Failure> {
        match &mut self.connection {
            Some(connection) => connection.session(self.timeout),
            None => Err(Failure::Unavailable(sqlx::Error::PoolClosed)),
        }
    }

    /// Makes the changes count. After an error it is not known whether they do.
    ///
    /// # Errors
    /// [`Failure`] says in which of its classes; a conflict means that they do not.
    pub async fn commit(mut self) -> Result<(), Failure> {
        self.session()?.run("COMMIT").await?;
        drop(self.connection.take());
        Ok(())
    }

    /// Takes the changes back. A connection that broke or fell silent is not asked: its end takes them back.
    ///
    /// # Errors
    /// [`Failure`] says in which of its classes; the changes are taken back all the same.
    pub async fn rollback(mut self) -> Result<(), Failure> {
        match self.connection.take() {
            Some(connection) => take_back(connection, self.timeout).await,
            None => Ok(()),
        }
    }
}

impl<E: Engine> Drop for Transaction<E> {
    fn drop(&mut self) {
        let Some(connection) = self.connection.take_if(|connection| !connection.is_spoiled()) else { return };
        // On its own, as whoever began it is gone. It ends within the statement's time.
        match Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn(take_back(connection, self.timeout))),
            Err(_) => drop(connection.throw_away()),
        }
    }
}

async fn take_back<E: Engine>(mut connection: Lent<E>, timeout: Option<Duration>) -> Result<(), Failure> {
    if connection.is_spoiled() {
        return Ok(());
    }
    let done = connection.session(timeout)?.run("ROLLBACK").await;
    if done.is_err() {
        drop(connection.throw_away());
    }
    done
}

/// The connection is spoiled also where the work is broken off.
async fn bounded<E: Engine, T>(
    condition: &mut Condition,
    timeout: Option<Duration>,
    work: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, Failure> {
    let before = std::mem::replace(condition, Condition::Spoiled);
    let done = match timeout {
        Some(timeout) => tokio::time::timeout(timeout, work).await.map_err(|_| Failure::Silent)?,
        None => work.await,
    };
    let done = done.map_err(|error| Failure::of(error, E::class));
    *condition = match &done {
        Ok(_) => before,
        Err(failure) if failure.spoils_connection() => Condition::Spoiled,
        Err(_) => Condition::Doubtful,
    };
    done
}

pub(crate) fn arguments<E: Engine>(statement: &Statement<E>, values: &[Value<'_>]) -> Result<E::Arguments, Failure> {
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
