//! A store that can be watched and can fail.

use std::sync::atomic::{AtomicBool, AtomicUsize};

use async_trait::async_trait;
use tokio::sync::RwLock;

use super::*;
use crate::store::KeyRecord;
use crate::store::memory::MemoryKeyStore;
use crate::store::roles::Roleless;
use crate::store::wrapped::{AliasUse, Replacement, WrappedKey};

/// A store in memory that counts writes of uses, questions for a key and searches for samples, and fails when told to.
#[derive(Default)]
pub(in crate::keyring) struct Watched {
    pub(super) keys: MemoryKeyStore,
    pub(super) marks: AtomicUsize,
    pub(super) samples: AtomicUsize,
    pub(super) finds: AtomicUsize,
    pub(in crate::keyring) failing: AtomicBool,
    /// Another process deletes a key between its being found and its use being noted.
    pub(super) deleting: AtomicBool,
    /// Keeps creations, signatures and deletions waiting while it is held for writing.
    pub(super) gate: RwLock<()>,
}

impl Watched {
    fn answer(&self) -> Result<(), StoreError> {
        if self.failing.load(Ordering::SeqCst) { Err(StoreError::Unavailable("told to fail".into())) } else { Ok(()) }
    }
}

#[async_trait]
impl KeyStore for Watched {
    async fn find(&self, id: &KeyId) -> Result<Option<KeyRecord>, StoreError> {
        let _open = self.gate.read().await;
        self.finds.fetch_add(1, Ordering::SeqCst);
        self.keys.find(id).await
    }
    async fn pending(&self, purpose: &Purpose, kind: &KeyKind) -> Result<Option<KeyRecord>, StoreError> {
        let _open = self.gate.read().await;
        self.keys.pending(purpose, kind).await
    }
    async fn insert_unless_pending(&self, record: &KeyRecord, now: UtcTime) -> Result<Option<KeyRecord>, StoreError> {
        self.answer()?;
        self.keys.insert_unless_pending(record, now).await
    }
    async fn insert(&self, record: &KeyRecord, now: UtcTime) -> Result<(), StoreError> {
        self.keys.insert(record, now).await
    }
    async fn mark_used(&self, uses: &[(KeyId, UtcTime)]) -> Result<(), StoreError> {
        self.answer()?;
        self.marks.fetch_add(1, Ordering::SeqCst);
        if self.deleting.load(Ordering::SeqCst) {
            for (id, now) in uses {
                self.keys.delete(id, *now).await?;
            }
        }
        self.keys.mark_used(uses).await
    }
    async fn delete(&self, id: &KeyId, now: UtcTime) -> Result<bool, StoreError> {
        let _open = self.gate.read().await;
        self.keys.delete(id, now).await
    }
    async fn sealed_under(&self, alias: &Alias, limit: u32) -> Result<Vec<KeyRecord>, StoreError> {
        self.samples.fetch_add(1, Ordering::SeqCst);
        self.keys.sealed_under(alias, limit).await
    }
    async fn newest(&self, limit: u32) -> Result<Vec<KeyId>, StoreError> {
        self.answer()?;
        self.keys.newest(limit).await
    }
    async fn probe(&self) -> Result<(), StoreError> {
        self.answer()
    }
}

#[async_trait]
impl WrappedKeys for Watched {
    async fn aliases(&self) -> Result<Vec<AliasUse>, StoreError> {
        self.keys.aliases().await
    }
    async fn page(&self, after: Option<&KeyId>, limit: u32) -> Result<Vec<WrappedKey>, StoreError> {
        self.keys.page(after, limit).await
    }
    async fn rewrap(&self, read: &KeyRecord, wrapping: &Replacement, now: UtcTime) -> Result<bool, StoreError> {
        self.keys.rewrap(read, wrapping, now).await
    }
}

#[async_trait]
impl KeyRoles for Watched {
    async fn taken(&self, id: &KeyId) -> Result<Option<Taken>, StoreError> {
        self.answer()?;
        self.keys.taken(id).await
    }
    async fn take(&self, id: &KeyId, taking: &Taken, now: UtcTime) -> Result<Taken, StoreError> {
        self.answer()?;
        self.keys.take(id, taking, now).await
    }
    async fn roleless(&self, limit: u32) -> Result<Roleless, StoreError> {
        self.keys.roleless(limit).await
    }
}
