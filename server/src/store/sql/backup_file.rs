//! A SQLite file that is a backup: whole by itself, and the server's.

use std::path::Path;

use bulla_database::{Database, Failure, Statement, Value};

/// Writes what the database `from` holds into the new file `to`, beside which there is no journal.
pub(crate) async fn write_whole(from: &Path, to: &Path) -> Result<(), Failure> {
    let database = Database::sqlite(from, 1).await?;
    let to = to.to_string_lossy();
    let done = database.execute(&Statement::new("VACUUM INTO $1"), &[Value::Text(&to)]).await;
    database.close().await;
    done.map(|_| ())
}

/// Whether it has the table that every server's database has; the signer's has not.
pub(crate) async fn is_servers(path: &Path) -> Result<bool, Failure> {
    let database = Database::sqlite(path, 1).await?;
    let text = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'tuf_files'";
    let rows = database.fetch(&Statement::new(text), &[]).await;
    database.close().await;
    Ok(!rows?.is_empty())
}
