//! `admin copy`: everything that one database holds into another.

use std::io::Write;
use std::sync::Arc;

use super::error::AdminError;
use super::open;
use crate::clock::Clock;
use crate::config::StorageConfig;
use crate::store::sql::copy::{Opened, Progress};

/// After how many rows of a table a line is printed.
const TOLD_EACH: u64 = 10_000;

/// Copies everything from `source` into `target`, which must be empty, and prints how far it is. Both are brought up to
/// date as at a start. The server may go on serving `source`: what is copied is as of the moment of the beginning.
///
/// # Errors
/// [`AdminError`]; nothing is in the target then.
pub async fn copy(
    source: &StorageConfig,
    target: &StorageConfig,
    clock: Arc<dyn Clock>,
    output: &mut (dyn Write + Send),
) -> Result<(), AdminError> {
    let from = opened("source", source, open::existing(source, &clock).await.map_err(in_copy("source"))?).await?;
    let to = opened("target", target, open::store(target, &clock).await.map_err(in_copy("target"))?).await?;
    writeln!(output, "copying what is stored at this moment; what is published from now on is not in the copy")?;
    let mut told = 0;
    let mut tell = |progress: Progress| match progress {
        Progress::Sent { table, rows } if rows / TOLD_EACH > told => {
            told = rows / TOLD_EACH;
            writeln!(output, "{table}: {rows} rows sent")
        }
        Progress::Sent { .. } => Ok(()),
        Progress::Compared { table, rows, digest } => {
            told = 0;
            writeln!(output, "{table}: {rows} rows sent, read back and found the same, digest {digest}")
        }
    };
    from.copy_into(&to, &mut tell).await?;
    writeln!(output, "done")?;
    Ok(output.flush()?)
}

/// An error that says of which database it speaks.
fn in_copy(which: &'static str) -> impl Fn(AdminError) -> AdminError {
    move |error| AdminError::Copied { which, source: Box::new(error) }
}

/// Opens a database once more, with time for a copy. `store` brought its tables up to date.
async fn opened<S>(which: &'static str, storage: &StorageConfig, store: S) -> Result<Opened, AdminError> {
    let opened = match storage {
        StorageConfig::Memory => return Err(in_copy(which)(AdminError::Memory)),
        StorageConfig::Sqlite { path } => Opened::sqlite(path).await,
        StorageConfig::Postgres(database) => Opened::postgres(&database.dsn).await,
        StorageConfig::MySql(database) => Opened::mysql(&database.dsn).await,
    };
    drop(store);
    opened.map_err(|source| AdminError::Open { which, source })
}
