//! Backups: every row of one moment in a file, still sealed, and the way back into an empty store, which begins with the
//! proof that every key opens and signs.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tuf_schema::UtcTime;

use crate::backend::KeyBackend;
use crate::clock::Clock;
use crate::config::{Config, Storage};
use crate::store::backup::Moment;
use crate::store::{OpenStoreError, StoreError, open_backups, open_life, sound};
use crate::{Randomness, StartError, backend};

mod file;
mod proof;
mod restore;
#[cfg(test)]
mod tests;

use file::BackupWriter;
pub use file::{Contents, FileError};
use proof::Prover;
pub use proof::Unproved;
pub use restore::{RestoreError, Restored, restore};

/// How many rows are in memory at a time.
const PAGE: u32 = 500;

/// A backup that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backup {
    /// What is in the file.
    pub contents: Contents,
    /// Keys whose rows are none that a signer can use: they are in the file as they are, and nothing will prove them.
    pub unsound: Vec<String>,
}

/// Why there is no backup, or nothing was looked at.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// Keys in memory are those of the process that made them.
    #[error("storage.backend memory has no keys but those of the running signer")]
    InMemory,
    /// A file that is not there is not made for a look into it.
    #[error("there is no key store {0}")]
    NoStore(PathBuf),
    /// An older backup is not written over.
    #[error("{0} is there already")]
    Exists(PathBuf),
    /// The file cannot be written.
    #[error("{file} cannot be written")]
    Write {
        /// The file.
        file: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The store cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenStoreError),
    /// The store failed.
    #[error("the key store failed")]
    Store(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// What opens keys cannot be made ready.
    #[error(transparent)]
    Start(#[from] StartError),
    /// Nothing can be told.
    #[error("the output cannot be written")]
    Output(#[source] io::Error),
}

/// Writes every row of the configured store, as it is at one moment, into a new file that its owner only reads. Signers
/// may be running; no passphrase is needed, as every key stays sealed.
///
/// # Errors
/// [`BackupError`]; there is no file then.
pub async fn backup(config: &Config, file: &Path, clock: &dyn Clock) -> Result<Backup, BackupError> {
    is_there(&config.storage)?;
    if file.exists() {
        return Err(BackupError::Exists(file.to_owned()));
    }
    let store = open_backups(&config.storage).await?.ok_or(BackupError::InMemory)?;
    let mut moment = store.moment().await?;
    let half = half_written(file);
    let written = write(moment.as_mut(), &half, clock.now()).await;
    let finished = written.and_then(|backup| {
        let named = std::fs::rename(&half, file).and_then(|()| folder_of(file)?.sync_all());
        named.map(|()| backup).map_err(|source| BackupError::Write { file: file.to_owned(), source })
    });
    if finished.is_err() {
        // what is left over is of no use to anybody, and the first error is the one to tell
        drop(std::fs::remove_file(&half));
    }
    finished
}

/// Opens every key of the configured store, signs with it and verifies that. Tells those that fail; gives how many keys
/// there are.
///
/// # Errors
/// [`BackupError`] when it cannot look.
pub async fn verify(
    config: &Config,
    clock: Arc<dyn Clock>,
    rng: Randomness,
    mut tell: impl FnMut(Unproved) -> io::Result<()>,
) -> Result<u64, BackupError> {
    is_there(&config.storage)?;
    let store = open_life(&config.storage).await?.ok_or(BackupError::InMemory)?;
    let mut prover = Prover::new(proving_backend(config, clock, rng)?);
    let (mut after, mut keys) = (0, 0_u64);
    loop {
        let rows = store.rows(after, PAGE).await?;
        let Some(last) = rows.last() else { break };
        after = last.place;
        for row in rows {
            keys = keys.saturating_add(1);
            prover.prove(row).await.map_or(Ok(()), &mut tell).map_err(BackupError::Output)?;
        }
    }
    while let Some(ended) = prover.next().await {
        ended.map_or(Ok(()), &mut tell).map_err(BackupError::Output)?;
    }
    Ok(keys)
}

async fn write(moment: &mut dyn Moment, half: &Path, now: UtcTime) -> Result<Backup, BackupError> {
    let failed = |source| BackupError::Write { file: half.to_owned(), source };
    let created = OpenOptions::new().write(true).create_new(true).mode(0o600).open(half).map_err(failed)?;
    let (mut writer, made) =
        BackupWriter::begin(BufWriter::new(created), now, moment.count().await?).map_err(failed)?;
    let mut unsound = Vec::new();
    let mut after = 0;
    loop {
        let rows = moment.rows(after, PAGE).await?;
        let Some(last) = rows.last() else { break };
        after = last.place;
        for row in &rows {
            writer.key(row).map_err(failed)?;
            if sound(row).is_err() {
                unsound.push(row.key_id.clone());
            }
        }
    }
    let (written, contents) = writer.end(made).map_err(failed)?;
    let written = written.into_inner().map_err(|error| failed(error.into_error()))?;
    written.sync_all().map_err(failed)?;
    Ok(Backup { contents, unsound })
}

/// What opens keys as a signer of this configuration does.
fn proving_backend(config: &Config, clock: Arc<dyn Clock>, rng: Randomness) -> Result<Arc<dyn KeyBackend>, StartError> {
    backend(config, &crate::metrics::Metrics::new(false), clock, rng).map(Arc::from)
}

fn is_there(storage: &Storage) -> Result<(), BackupError> {
    match storage {
        Storage::Sqlite(file) if !file.exists() => Err(BackupError::NoStore(file.clone())),
        Storage::Memory | Storage::Sqlite(_) | Storage::MySql(..) | Storage::Postgres(..) => Ok(()),
    }
}

/// Beside the file, so that giving it its name is one step.
fn half_written(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(format!(".{}.partial", std::process::id()));
    name.into()
}

fn folder_of(file: &Path) -> io::Result<File> {
    File::open(file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new(".")))
}

impl From<StoreError> for BackupError {
    fn from(error: StoreError) -> Self {
        Self::Store(Box::new(error))
    }
}
