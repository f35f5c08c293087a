//! Rows as they stand, whether or not they are sound: what is listed, backed up and brought back.

use async_trait::async_trait;
use tuf_schema::UtcTime;
use tuf_schema::key::KeyId;

use super::StoreError;
use crate::life::Times;

/// A row of the reference's table and what ours has beside it. Nothing in it is checked, and nothing in it is secret
/// without the passphrase of its alias.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StoredKey {
    /// Where the row stands among the others: later rows have higher places.
    pub(crate) place: i64,
    pub(crate) key_id: String,
    pub(crate) encryption: String,
    pub(crate) key_wrap: String,
    pub(crate) algorithm: String,
    pub(crate) alias: String,
    pub(crate) gun: String,
    pub(crate) role: String,
    pub(crate) public: Vec<u8>,
    pub(crate) sealed: Vec<u8>,
    pub(crate) updated: Option<UtcTime>,
    pub(crate) times: Times,
    pub(crate) taken: Option<TakenRole>,
}

/// The role that a key stored without one took with its first document, as the row beside it has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TakenRole {
    pub(crate) role: String,
    pub(crate) gun: String,
    pub(crate) noted: UtcTime,
}

/// Reads and changes where keys are in their lives. Each change is durable on return, and of one key by its whole id.
#[async_trait]
pub(crate) trait LifeStore: Send + Sync {
    /// The next rows behind a place, at most `limit`, deleted ones among them. Before the first is place 0.
    async fn rows(&self, after: i64, limit: u32) -> Result<Vec<StoredKey>, StoreError>;

    /// The row of a key, also of a deleted one.
    async fn row(&self, id: &KeyId) -> Result<Option<StoredKey>, StoreError>;

    /// Retires a key; false if there is none, or it is retired or deleted.
    async fn retire(&self, id: &KeyId, now: UtcTime) -> Result<bool, StoreError>;

    /// Takes a retirement back; false if there was none.
    async fn reactivate(&self, id: &KeyId) -> Result<bool, StoreError>;

    /// Takes a deletion back; false if there was none.
    async fn undelete(&self, id: &KeyId, now: UtcTime) -> Result<bool, StoreError>;

    /// Deletes a key if it still is one that never signed, is not retired, and was made at `made_before` or earlier.
    async fn delete_unused(&self, id: &KeyId, made_before: UtcTime, now: UtcTime) -> Result<bool, StoreError>;

    /// Removes the row of a key for good if it still was deleted at `deleted_before` or earlier, and has signed or was
    /// made at `made_before` or earlier.
    async fn remove(&self, id: &KeyId, deleted_before: UtcTime, made_before: UtcTime) -> Result<bool, StoreError>;
}
