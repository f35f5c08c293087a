//! `admin backup` and `admin restore`: everything that a database of any engine holds into one file, and back.
//!
//! The file is a SQLite database with the server's tables, so that other programs can look into it, too.

use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;

use super::advance::{AdvanceRequest, Ready, advance_with};
use super::copy::copy;
use super::error::AdminError;
use super::verify::Verdict;
use crate::clock::Clock;
use crate::config::{Config, StorageConfig};
use crate::store::sql::backup_file;

/// Nobody but its owner reads a backup.
const MODE: u32 = 0o600;

/// Copies everything from `source` as of this moment into `file`, which must not exist and appears when it is whole. The
/// server may go on.
///
/// # Errors
/// [`AdminError`]; there is no `file` then.
pub async fn backup(
    source: &StorageConfig,
    file: &Path,
    clock: Arc<dyn Clock>,
    output: &mut (dyn Write + Send),
) -> Result<(), AdminError> {
    let failed = |source| AdminError::File { path: file.to_owned(), source };
    if file.symlink_metadata().is_ok() {
        return Err(failed(io::Error::from(io::ErrorKind::AlreadyExists)));
    }
    let beside = file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let folder = tempfile::Builder::new().prefix(".bulla-backup-").tempdir_in(beside).map_err(failed)?;
    let (copied, whole) = (folder.path().join("copied.db"), folder.path().join("whole.db"));
    copy(source, &StorageConfig::Sqlite { path: copied.clone() }, clock, output).await?;
    // Nothing of it lies in a journal beside it afterwards.
    backup_file::write_whole(&copied, &whole)
        .await
        .map_err(|source| AdminError::Backup { path: file.to_owned(), source })?;
    fs::set_permissions(&whole, Permissions::from_mode(MODE)).map_err(failed)?;
    File::open(&whole).and_then(|whole| whole.sync_all()).map_err(failed)?;
    // unlike a renaming, this never takes the place of another file
    fs::hard_link(&whole, file).map_err(failed)?;
    File::open(beside).and_then(|beside| beside.sync_all()).map_err(failed)?;
    writeln!(output, "{}", file.display())?;
    Ok(output.flush()?)
}

/// Copies everything from the backup `file`, which is only read, into the configured database, which must be empty; then
/// goes on as `admin advance`, if that is asked for.
///
/// # Errors
/// [`AdminError`]; nothing is in the database then, unless it is [`AdminError::NotAdvanced`].
pub async fn restore(
    config: &Config,
    file: &Path,
    request: Option<&AdvanceRequest>,
    clock: Arc<dyn Clock>,
    output: &mut (dyn Write + Send),
) -> Result<Verdict, AdminError> {
    let Some(request) = request else {
        put_back(file, &config.storage, clock, output).await?;
        return Ok(Verdict::Whole);
    };
    let ready = Ready::look(config, request).await?;
    put_back(file, &config.storage, Arc::clone(&clock), output).await?;
    let advanced = advance_with(ready, config, request, clock, output).await;
    advanced.map_err(|error| AdminError::NotAdvanced(Box::new(error)))
}

async fn put_back(
    file: &Path,
    target: &StorageConfig,
    clock: Arc<dyn Clock>,
    output: &mut (dyn Write + Send),
) -> Result<(), AdminError> {
    let failed = |source| AdminError::File { path: file.to_owned(), source };
    // A backup of an earlier release is brought up to date, and stays what it was.
    let folder = tempfile::Builder::new().prefix("bulla-restore-").tempdir().map_err(failed)?;
    let copied = folder.path().join("copied.db");
    fs::copy(file, &copied).map_err(failed)?;
    fs::set_permissions(&copied, Permissions::from_mode(MODE)).map_err(failed)?;
    match backup_file::is_servers(&copied).await {
        Ok(true) => {}
        Ok(false) => return Err(AdminError::NoBackup(file.to_owned())),
        Err(source) => return Err(AdminError::Backup { path: file.to_owned(), source }),
    }
    copy(&StorageConfig::Sqlite { path: copied }, target, clock, output).await
}
