//! A whole database into another, empty one: every row as it is, all of one moment, and all of them or none.
//!
//! The source is read in one transaction and the target written in one. Before that one counts, what arrived is read
//! back and compared with what was sent.

mod databases;
mod rows;
mod table;
mod tally;

use bulla_database::{Database, Engine, Failure};

pub(crate) use self::databases::Opened;
use self::rows::Rows;
use self::table::{TABLES, Table};
use self::tally::Tally;

/// Why nothing was copied.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// The target holds something.
    #[error("the target is not empty: there are rows in its table {0}; copy into a database that no server has used")]
    NotEmpty(&'static str),
    /// The source failed.
    #[error("cannot read from the source")]
    Source(#[source] Failure),
    /// The target failed.
    #[error("cannot write into the target, which stays empty")]
    Target(#[source] Failure),
    /// Rows that the target's tables cannot hold.
    #[error("the target, which stays empty, cannot hold a row of {table} between {first} and {last}")]
    DoesNotFit {
        /// The table.
        table: &'static str,
        /// The first row of the batch: its id, or its GUN.
        first: String,
        /// The last one.
        last: String,
        /// What the target says.
        #[source]
        source: Failure,
    },
    /// What arrived is not what was sent.
    #[error(
        "table {table} did not arrive in the target, which stays empty, as it was sent: {sent} rows were sent and \
         {arrived} arrived"
    )]
    Differs {
        /// The table.
        table: &'static str,
        /// Rows sent.
        sent: u64,
        /// Rows there.
        arrived: u64,
    },
    /// Progress cannot be told.
    #[error("cannot write the output; the target stays empty")]
    Output(#[from] std::io::Error),
}

/// How far the copy is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Progress {
    /// So many rows of a table are sent.
    Sent { table: &'static str, rows: u64 },
    /// All of a table was read back and is what was sent.
    Compared { table: &'static str, rows: u64, digest: String },
}

/// Copies everything between databases whose tables are up to date. `progress` is told after each batch; its error ends the copy, and the target stays empty.
async fn copy<A: Engine, B: Engine>(
    source: &Database<A>,
    target: &Database<B>,
    progress: &mut (dyn FnMut(Progress) -> std::io::Result<()> + Send),
) -> Result<(), CopyError> {
    let mut reading = source.begin_reading().await.map_err(CopyError::Source)?;
    let mut writing = target.begin().await.map_err(CopyError::Target)?;
    let mut from = reading.session().map_err(CopyError::Source)?;
    let mut to = writing.session().map_err(CopyError::Target)?;
    for table in &TABLES {
        if !table.is_empty(&mut to).await.map_err(CopyError::Target)? {
            return Err(CopyError::NotEmpty(table.name));
        }
    }
    // What one of them cannot hold is not compared.
    let new_tally = || Tally::new([A::ENGINE, B::ENGINE]);
    for table in &TABLES {
        let (mut sent, mut rows) = (new_tally(), Rows::new(table));
        while let Some(batch) = rows.next(&mut from).await.map_err(CopyError::Source)? {
            table.insert(&mut to, &batch).await.map_err(|error| refusal(table, &batch, error))?;
            sent.add(&batch);
            progress(Progress::Sent { table: table.name, rows: sent.rows() })?;
        }
        table.move_numbers_on(&mut to).await.map_err(CopyError::Target)?;
        let (mut arrived, mut rows) = (new_tally(), Rows::new(table));
        while let Some(batch) = rows.next(&mut to).await.map_err(CopyError::Target)? {
            arrived.add(&batch);
        }
        let (rows, there) = (sent.rows(), arrived.rows());
        let digest = sent.digest();
        if rows != there || digest != arrived.digest() {
            return Err(CopyError::Differs { table: table.name, sent: rows, arrived: there });
        }
        progress(Progress::Compared { table: table.name, rows, digest })?;
    }
    writing.commit().await.map_err(CopyError::Target)?;
    // Nothing was written there: whether its end arrives does not matter.
    drop(reading.rollback().await);
    Ok(())
}

fn refusal(table: &Table, batch: &[table::Cells], source: Failure) -> CopyError {
    let name = |row: Option<&table::Cells>| row.map(|row| table.name_of(row)).unwrap_or_default();
    match source {
        Failure::DoesNotFit(_) => {
            CopyError::DoesNotFit { table: table.name, first: name(batch.first()), last: name(batch.last()), source }
        }
        source => CopyError::Target(source),
    }
}
