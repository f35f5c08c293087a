//! What an operator asks and changes of keys, beside signers that are running: no passphrase is needed for any of it.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use tuf_schema::key::KeyId;

use super::{Due, Entry, LimitError, Limits, PENDING_DAYS, State};
use crate::audit::{Actor, Audit, AuditError, KeyUse, Operation, Outcome};
use crate::clock::Clock;
use crate::config::{Config, Storage};
use crate::store::stored::{LifeStore, StoredKey};
use crate::store::{OpenStoreError, StoreError, open_life};
use crate::{Randomness, StartError, operator_audit};

/// How many rows are in memory at a time.
const PAGE: u32 = 500;

/// The keys of the configured store, to be looked at. No passphrase is needed.
pub struct Keys {
    store: Arc<dyn LifeStore>,
    clock: Arc<dyn Clock>,
}

/// The same, to be changed. Each change is on record before it is done: where there is an audit chain, that takes the
/// passphrase under which the chain's key is sealed.
pub struct KeyChanges {
    keys: Keys,
    audit: Audit,
    operator: String,
}

/// A key that a purge took, or would have taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Purged {
    /// The key as it was.
    pub entry: Entry,
    /// What became of it.
    pub due: Due,
}

/// Why an operator's request was not done.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// Keys in memory are those of the process that made them.
    #[error("storage.backend memory has no keys but those of the running signer")]
    InMemory,
    /// A file that is not there is not made for a look into it.
    #[error("there is no key store {0}")]
    NoStore(PathBuf),
    /// There is no row of this id.
    #[error("there is no key {0}; give the whole id")]
    NoSuchKey(KeyId),
    /// The key is not where it would have to be in its life.
    #[error("key {key} is {found}, {asked}", found = found.name())]
    NotSo {
        /// The key.
        key: KeyId,
        /// Where it is.
        found: State,
        /// What would have had to be.
        asked: &'static str,
    },
    /// The store cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenStoreError),
    /// The store failed.
    #[error("the key store failed")]
    Store(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// What was asked for is not on record, and was not done.
    #[error("it was not done, as it cannot be recorded")]
    Audit(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// There is nothing to record in.
    #[error("nothing can be changed, as it could not be recorded")]
    Start(#[from] StartError),
    /// A purge that nobody may ask for.
    #[error(transparent)]
    Limit(#[from] LimitError),
    /// The output cannot be written.
    #[error("the output cannot be written")]
    Output(#[from] io::Error),
}

impl Keys {
    /// Opens the configured store.
    ///
    /// # Errors
    /// [`KeysError`].
    pub async fn open(config: &Config, clock: Arc<dyn Clock>) -> Result<Self, KeysError> {
        if let Storage::Sqlite(file) = &config.storage
            && !file.exists()
        {
            return Err(KeysError::NoStore(file.clone()));
        }
        let store = open_life(&config.storage).await?.ok_or(KeysError::InMemory)?;
        Ok(Self { store, clock })
    }

    /// Tells every key that `is_wanted`, in the order they were stored. Holds a page of them at a time.
    ///
    /// # Errors
    /// [`KeysError`], also that of `tell`.
    pub async fn list(
        &self,
        is_wanted: impl Fn(&Entry) -> bool,
        mut tell: impl FnMut(Entry) -> io::Result<()>,
    ) -> Result<(), KeysError> {
        let mut after = 0;
        loop {
            let rows = self.store.rows(after, PAGE).await?;
            let Some(last) = rows.last() else { return Ok(()) };
            after = last.place;
            for entry in rows.into_iter().map(Entry::from).filter(&is_wanted) {
                tell(entry)?;
            }
        }
    }

    /// The key of this id, also a deleted one.
    ///
    /// # Errors
    /// [`KeysError`].
    pub async fn show(&self, id: &KeyId) -> Result<Entry, KeysError> {
        let row = self.store.row(id).await?;
        row.map(Entry::from).ok_or_else(|| KeysError::NoSuchKey(id.clone()))
    }

    /// Tells what a purge would take.
    ///
    /// # Errors
    /// [`KeysError`].
    pub async fn due(
        &self,
        deleted_days: u32,
        pending_days: Option<u32>,
        mut tell: impl FnMut(Purged) -> io::Result<()>,
    ) -> Result<(), KeysError> {
        let limits = Limits::new(self.clock.now(), deleted_days, pending_days)?;
        let due = |entry: Entry| limits.due(&entry.times).map(|due| Purged { entry, due });
        self.list(|_| true, |entry| due(entry).map_or(Ok(()), &mut tell)).await
    }
}

impl KeyChanges {
    /// Opens the configured store and what changes are recorded in.
    ///
    /// # Errors
    /// [`KeysError`].
    pub async fn open(
        config: &Config,
        clock: Arc<dyn Clock>,
        rng: Randomness,
        operator: String,
    ) -> Result<Self, KeysError> {
        let keys = Keys::open(config, Arc::clone(&clock)).await?;
        let audit = operator_audit(config, "keys", clock, rng).await?;
        Ok(Self { keys, audit, operator })
    }

    /// Ends the record in order.
    pub async fn close(&self) {
        self.audit.close().await;
    }

    /// Takes a key out of use: it signs no more, and if it never signed it is not handed out.
    ///
    /// # Errors
    /// [`KeysError`].
    pub async fn retire(&self, id: &KeyId) -> Result<Entry, KeysError> {
        let is_wanted = |state| matches!(state, State::Pending | State::Active);
        let asked = "and only one that may sign is retired";
        self.change(id, Operation::Retire, is_wanted, asked, self.keys.store.retire(id, self.keys.clock.now())).await
    }

    /// Lets a retired key sign again.
    ///
    /// # Errors
    /// [`KeysError`].
    pub async fn reactivate(&self, id: &KeyId) -> Result<Entry, KeysError> {
        let is_wanted = |state| state == State::Retired;
        self.change(id, Operation::Reactivate, is_wanted, "and not retired", self.keys.store.reactivate(id)).await
    }

    /// Brings a deleted key back, as it was before.
    ///
    /// # Errors
    /// [`KeysError`].
    pub async fn undelete(&self, id: &KeyId) -> Result<Entry, KeysError> {
        let is_wanted = |state| state == State::Deleted;
        let undelete = self.keys.store.undelete(id, self.keys.clock.now());
        self.change(id, Operation::Undelete, is_wanted, "and not deleted", undelete).await
    }

    /// Deletes keys that never signed and removes rows of deleted keys, as far as they are due, and tells each.
    ///
    /// # Errors
    /// [`KeysError`]; what was told before it is done.
    pub async fn purge(
        &self,
        deleted_days: u32,
        pending_days: Option<u32>,
        mut tell: impl FnMut(Purged) -> io::Result<()>,
    ) -> Result<(), KeysError> {
        let limits = Limits::new(self.keys.clock.now(), deleted_days, pending_days)?;
        let mut after = 0;
        loop {
            let rows = self.keys.store.rows(after, PAGE).await?;
            let Some(last) = rows.last() else { return Ok(()) };
            after = last.place;
            for entry in rows.into_iter().map(Entry::from) {
                let Some(due) = limits.due(&entry.times) else { continue };
                if self.take(&entry, due, &limits).await? {
                    tell(Purged { entry, due })?;
                }
            }
        }
    }

    /// Does what is due; false if somebody changed the key meanwhile.
    async fn take(&self, entry: &Entry, due: Due, limits: &Limits) -> Result<bool, KeysError> {
        let id = KeyId::from_wire(&entry.id);
        let (operation, now) = (Operation::of(due), self.keys.clock.now());
        self.record(&id, operation, Outcome::Begun).await?;
        let done = match (due, limits.pending_days) {
            (Due::Deletion, Some(days)) => self.keys.store.delete_unused(&id, limits.ago(days), now).await,
            (Due::Deletion, None) => Ok(false),
            (Due::Removal, _) => self.keys.store.remove(&id, limits.deleted_before(), limits.ago(PENDING_DAYS)).await,
        };
        if !matches!(done, Ok(false)) {
            self.record(&id, operation, Outcome::of(&done)).await?;
        }
        Ok(done?)
    }

    async fn change(
        &self,
        id: &KeyId,
        operation: Operation,
        is_wanted: impl Fn(State) -> bool,
        asked: &'static str,
        work: impl Future<Output = Result<bool, StoreError>>,
    ) -> Result<Entry, KeysError> {
        let not_so = |found| KeysError::NotSo { key: id.clone(), found, asked };
        let found = self.keys.show(id).await?.times.state();
        if !is_wanted(found) {
            return Err(not_so(found));
        }
        self.record(id, operation, Outcome::Begun).await?;
        let done = work.await;
        // of two who change it at once the second finds it changed, and the first has recorded it
        if !matches!(done, Ok(false)) {
            self.record(id, operation, Outcome::of(&done)).await?;
        }
        let is_done = done?;
        let entry = self.keys.show(id).await?;
        if is_done { Ok(entry) } else { Err(not_so(entry.times.state())) }
    }

    async fn record(&self, id: &KeyId, operation: Operation, outcome: Outcome<'_>) -> Result<(), AuditError> {
        let key_use = KeyUse { key: Some(id), ..KeyUse::new(Actor::Operator(&self.operator), operation) };
        self.audit.record(&key_use, outcome).await
    }
}

impl Operation {
    fn of(due: Due) -> Self {
        match due {
            Due::Deletion => Self::Delete,
            Due::Removal => Self::Purge,
        }
    }
}

impl From<StoredKey> for Entry {
    fn from(row: StoredKey) -> Self {
        let StoredKey { key_id: id, algorithm, alias, gun, role, times, .. } = row;
        Self { id, algorithm, alias, gun, role, times }
    }
}

impl From<StoreError> for KeysError {
    fn from(error: StoreError) -> Self {
        Self::Store(Box::new(error))
    }
}

impl From<AuditError> for KeysError {
    fn from(error: AuditError) -> Self {
        Self::Audit(Box::new(error))
    }
}
