//! Keys that are stored without a role, as signers of the reference on MySQL left them: the role that each takes with the
//! first document that it signs, and keeps.

use async_trait::async_trait;
use tuf_schema::key::KeyId;
use tuf_schema::{Gun, Role, UtcTime};

use super::StoreError;

/// The roles that keys without one have taken.
#[async_trait]
pub(crate) trait KeyRoles: Send + Sync {
    /// What a key has taken; `None` for one that has not signed since such things are noted.
    async fn taken(&self, id: &KeyId) -> Result<Option<Taken>, StoreError>;

    /// Notes what a key takes, unless something is noted, and gives what is noted then; durable on return. Of several
    /// signers that note at once one does, and the others get the same.
    async fn take(&self, id: &KeyId, taking: &Taken, now: UtcTime) -> Result<Taken, StoreError>;

    /// The keys that have no role and have taken none: how many, and the ids of `limit` of them.
    async fn roleless(&self, limit: u32) -> Result<Roleless, StoreError>;
}

/// What a key took.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Taken {
    /// The role of its first document.
    pub(crate) role: Role,
    /// The repository that it signed for, if the caller named one.
    pub(crate) gun: Option<Gun>,
}

/// Keys without a role.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Roleless {
    /// How many there are.
    pub(crate) count: u64,
    /// Some of them.
    pub(crate) some: Vec<KeyId>,
}
