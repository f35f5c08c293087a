//! The keys at hand, and which of them may sign what for one repository.

use tuf_schema::verify::Authority;
use tuf_schema::{Gun, PublicKey, Role};

use super::PublishError;
use crate::keys::{KeyRole, StoredKey};

/// The private keys of a trust directory as one repository may use them.
#[derive(Debug, Clone)]
pub struct KeysAtHand {
    gun: Gun,
    stored: Vec<StoredKey>,
}

impl KeysAtHand {
    /// The keys `stored`, for `gun`.
    #[must_use]
    pub fn new(gun: Gun, stored: Vec<StoredKey>) -> Self {
        Self { gun, stored }
    }

    /// All of them, by id.
    #[must_use]
    pub fn all(&self) -> &[StoredKey] {
        &self.stored
    }

    /// The private key on disk that belongs to `key`, in whatever form that is listed, and may sign for `role`.
    #[must_use]
    pub fn held(&self, role: &Role, key: &PublicKey) -> Option<&StoredKey> {
        key.material()?;
        let id = key.canonical_id();
        self.stored.iter().find(|stored| stored.id == id && self.may_sign(stored, role))
    }

    /// Those keys of a role that are here, each with its private key.
    pub fn held_of<'a>(&'a self, authority: &'a Authority) -> impl Iterator<Item = (&'a PublicKey, &'a StoredKey)> {
        keys_that_count(authority).filter_map(|key| self.held(authority.role(), key).map(|stored| (key, stored)))
    }

    /// Whether a role is signed here or elsewhere.
    #[must_use]
    pub fn holds_any(&self, authority: &Authority) -> bool {
        self.held_of(authority).next().is_some()
    }

    /// Whether as many keys of a role are here as must sign.
    #[must_use]
    pub fn holds_enough(&self, authority: &Authority) -> bool {
        let here: std::collections::BTreeSet<_> = self.held_of(authority).map(|(_, stored)| &stored.id).collect();
        here.len() as u64 >= u64::from(authority.threshold())
    }

    /// Whether a key is for this repository, a root key for root, and a signer's key for delegations.
    ///
    /// Documents do not say of which repository they are. Whoever makes a repository chooses which keys its root names:
    /// were any key of ours good enough, what it signs there could be shown as signed for the repository it belongs to.
    fn may_sign(&self, key: &StoredKey, role: &Role) -> bool {
        let is_signers = key.gun.is_none() && matches!(key.role, KeyRole::Signer(_));
        let may_sign_role = match role {
            Role::Root => key.role == KeyRole::Root,
            Role::Delegation(_) => key.role != KeyRole::Root,
            // A signer's key is named by the owners of many repositories; none of them is thereby the signer's own.
            Role::Targets | Role::Snapshot | Role::Timestamp => key.role != KeyRole::Root && !is_signers,
        };
        key.gun.as_ref().is_none_or(|gun| gun == &self.gun) && may_sign_role
    }

    /// That no key may sign: they are not here, or they are for something else.
    #[must_use]
    pub fn none_for(&self, authority: &Authority) -> PublishError {
        let ids: Vec<_> = keys_that_count(authority).map(PublicKey::canonical_id).collect();
        match self.stored.iter().find(|stored| ids.contains(&stored.id)) {
            Some(other) => PublishError::KeyOfOther {
                key: other.id.clone(),
                role: authority.role().clone(),
                of: other.gun.as_ref().map_or_else(|| other.role.to_string(), Gun::to_string),
            },
            None => PublishError::NoKey(ids),
        }
    }
}

/// The keys of a role whose signatures count. One that is listed under an id that is not its own signs for nothing, nor
/// does one that cannot be understood.
pub(crate) fn keys_that_count(authority: &Authority) -> impl Iterator<Item = &PublicKey> {
    authority.keys().filter(|(id, key)| *id == key.id() && key.material().is_some()).map(|(_, key)| key)
}
