//! Every row of one moment, and a store that is filled from nothing.

use async_trait::async_trait;

use super::StoreError;
use super::stored::StoredKey;

/// What a backup is made of and brought back into.
#[async_trait]
pub(crate) trait BackupStore: Send + Sync {
    /// The store as it is now, however long it is read.
    async fn moment(&self) -> Result<Box<dyn Moment>, StoreError>;

    /// Begins to fill the store: nothing counts before [`Filling::commit`].
    async fn filling(&self) -> Result<Box<dyn Filling>, StoreError>;
}

/// A store that does not change while it is read.
#[async_trait]
pub(crate) trait Moment: Send {
    /// How many rows there are.
    async fn count(&mut self) -> Result<u64, StoreError>;

    /// The next rows behind a place, at most `limit`.
    async fn rows(&mut self, after: i64, limit: u32) -> Result<Vec<StoredKey>, StoreError>;
}

/// A store that is being filled, with what is in it so far.
#[async_trait]
pub(crate) trait Filling: Moment {
    /// Adds a row behind the others; its place is not kept.
    async fn insert(&mut self, row: &StoredKey) -> Result<(), StoreError>;

    /// Makes all of it count.
    async fn commit(self: Box<Self>) -> Result<(), StoreError>;
}
