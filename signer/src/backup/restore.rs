//! From a backup back into an empty store. Before a row counts, every key was opened, has signed and was verified.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs::File;
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tuf_schema::key::KeyId;

use super::file::{BackupReader, Contents, FileError};
use super::proof::{Prover, Unproved};
use super::{BackupError, PAGE, proving_backend};
use crate::audit::{Actor, KeyUse, Operation, Outcome};
use crate::clock::Clock;
use crate::config::Config;
use crate::store::backup::Filling;
use crate::store::{OpenStoreError, StoreError, open_backups};
use crate::{Randomness, operator_audit};

/// How many keys that are not proved a refusal names.
const NAMED: usize = 20;

/// What is in the store now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    /// What was in the file.
    pub contents: Contents,
    /// Keys that were opened, have signed, and were verified.
    pub proved: u64,
    /// Keys that were taken unproved, as was asked for.
    pub unproved: Vec<Unproved>,
}

/// Why nothing was restored. The store is as empty as it was.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The file cannot be opened.
    #[error("{file} cannot be opened")]
    NoFile {
        /// The file.
        file: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is no whole backup.
    #[error(transparent)]
    File(#[from] FileError),
    /// The file is not what it was when its keys were proved.
    #[error("the backup changed while it was read")]
    Changed,
    /// There are keys.
    #[error("the key store is not empty, it has {0} keys: restore into one that no signer has used")]
    NotEmpty(u64),
    /// Keys do not open, or do not sign.
    #[error("nothing was restored: {0}")]
    Unproved(Refused),
    /// What was written is not what was read.
    #[error("the rows did not arrive in the store as they were sent; it stays empty")]
    Differs,
    /// As for a backup.
    #[error(transparent)]
    Work(#[from] BackupError),
    /// It is not on record, and was not done.
    #[error("it was not done, as it cannot be recorded")]
    Audit(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// The keys of a backup that are not proved: how many, under which aliases, and the first of them.
#[derive(Debug, Default)]
pub struct Refused {
    keys: u64,
    locked: BTreeMap<String, (u64, String)>,
    named: Vec<Unproved>,
}

/// Restores a backup into the configured store, which must be empty. A key that does not open, sign and verify ends it,
/// but for those in `unproved`, which are taken as they are.
///
/// # Errors
/// [`RestoreError`]; the store stays empty then.
pub async fn restore(
    config: &Config,
    file: &Path,
    unproved: &BTreeSet<KeyId>,
    operator: &str,
    clock: Arc<dyn Clock>,
    rng: Randomness,
) -> Result<Restored, RestoreError> {
    // a damaged file is refused before anything is made for it
    let contents = read_all(file)?;
    let backend = proving_backend(config, Arc::clone(&clock), Arc::clone(&rng)).map_err(BackupError::from)?;
    let store = open_backups(&config.storage).await?.ok_or(BackupError::InMemory)?;
    match store.moment().await?.count().await? {
        0 => {}
        keys => return Err(RestoreError::NotEmpty(keys)),
    }
    let taken = prove_all(file, Prover::new(backend), unproved).await?;
    let audit = operator_audit(config, "keys", clock, rng).await.map_err(BackupError::from)?;
    let key_use = || KeyUse::new(Actor::Operator(operator), Operation::Restore);
    audit.record(&key_use(), Outcome::Begun).await.map_err(|error| RestoreError::Audit(error.into()))?;
    let filled = fill(store.filling().await?, file, &contents).await;
    audit.record(&key_use(), Outcome::of(&filled)).await.map_err(|error| RestoreError::Audit(error.into()))?;
    audit.close().await;
    filled?;
    let proved = contents.keys.saturating_sub(taken.len() as u64);
    Ok(Restored { contents, proved, unproved: taken })
}

fn open(file: &Path) -> Result<BackupReader<BufReader<File>>, RestoreError> {
    let opened = File::open(file).map_err(|source| RestoreError::NoFile { file: file.to_owned(), source })?;
    Ok(BackupReader::begin(BufReader::new(opened))?)
}

pub(super) fn read_all(file: &Path) -> Result<Contents, RestoreError> {
    let opened = File::open(file).map_err(|source| RestoreError::NoFile { file: file.to_owned(), source })?;
    Ok(Contents::of(BufReader::new(opened))?)
}

/// Proves every key; gives those that are taken all the same.
async fn prove_all(file: &Path, mut prover: Prover, unproved: &BTreeSet<KeyId>) -> Result<Vec<Unproved>, RestoreError> {
    let (mut reader, mut refused, mut taken) = (open(file)?, Refused::default(), Vec::new());
    let mut sort = |ended: Option<Unproved>| match ended {
        Some(one) if unproved.contains(&KeyId::from_wire(&one.key)) => taken.push(one),
        Some(one) => refused.add(one),
        None => {}
    };
    while let Some(row) = reader.next()? {
        sort(prover.prove(row).await);
    }
    while let Some(ended) = prover.next().await {
        sort(ended);
    }
    if refused.keys == 0 { Ok(taken) } else { Err(RestoreError::Unproved(refused)) }
}

/// Writes all rows in one transaction and reads them back in it, before they count.
pub(super) async fn fill(mut filling: Box<dyn Filling>, file: &Path, contents: &Contents) -> Result<(), RestoreError> {
    // somebody may have made a key since the first look
    match filling.count().await? {
        0 => {}
        keys => return Err(RestoreError::NotEmpty(keys)),
    }
    let mut reader = open(file)?;
    while let Some(row) = reader.next()? {
        filling.insert(&row).await?;
    }
    if reader.contents().as_ref() != Some(contents) {
        return Err(RestoreError::Changed);
    }
    let mut sent = open(file)?;
    let mut after = 0;
    loop {
        let rows = filling.rows(after, PAGE).await?;
        let Some(last) = rows.last() else { break };
        after = last.place;
        for mut row in rows {
            row.place = 0;
            if sent.next()? != Some(row) {
                return Err(RestoreError::Differs);
            }
        }
    }
    if sent.next()?.is_some() {
        return Err(RestoreError::Differs);
    }
    Ok(filling.commit().await?)
}

impl Refused {
    fn add(&mut self, one: Unproved) {
        self.keys = self.keys.saturating_add(1);
        if one.is_locked {
            let (keys, _) = self.locked.entry(one.alias).or_insert((0, one.reason));
            *keys = keys.saturating_add(1);
        } else if self.named.len() < NAMED {
            self.named.push(one);
        }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} keys are not proved", self.keys)?;
        for (alias, (keys, reason)) in &self.locked {
            write!(f, "; {keys} under alias {alias:?} ({reason})")?;
        }
        for one in &self.named {
            write!(f, "; {} ({})", one.key.escape_debug(), one.reason)?;
        }
        Ok(())
    }
}

impl From<StoreError> for RestoreError {
    fn from(error: StoreError) -> Self {
        Self::Work(error.into())
    }
}

impl From<OpenStoreError> for RestoreError {
    fn from(error: OpenStoreError) -> Self {
        Self::Work(error.into())
    }
}
