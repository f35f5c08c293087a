//! What a rotation would do to a repository, worked out before anything is made.

use std::collections::BTreeSet;
use std::path::PathBuf;

use ring::rand::SecureRandom;
use tuf_schema::sign::{SecretKey, SecretKind, SigningKey as _};
use tuf_schema::{BaseRole, DelegationName, Gun, KeyId, Role};

use super::edit::{Exchange, RotateKeys};
use super::{Request, RotationError};
use crate::keys::{KeyRole, KeyringError, StoredKey};
use crate::publish::{Edit as _, EditError, PublishError, Working};

/// What a rotation would do to one repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The repository.
    pub gun: Gun,
    /// What happens to each role, in the order in which they were named.
    pub steps: Vec<Step>,
    /// The roles that get a new version, signed with the keys here.
    pub signed: Vec<Role>,
    /// The old private keys that are here.
    pub old_keys: Vec<OldKey>,
    /// The keys of how many older roots sign the new one, too.
    pub older_roots: u32,
}

/// What happens to one role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The role.
    pub role: Role,
    /// Where its new keys come from.
    pub source: Source,
    /// What the files of new keys say that they are for.
    pub(super) key_role: Option<KeyRole>,
    /// The keys that go, by the ids of the bare public keys.
    pub old: Vec<KeyId>,
    /// Other delegations that have the keys that go: they get the new ones, too.
    pub with: Vec<DelegationName>,
}

/// Where new keys come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// Made here.
    Made,
    /// Made by the trust server.
    Server,
    /// Read from these files.
    Files(Vec<PathBuf>),
}

/// An old private key that is here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OldKey {
    /// The key.
    pub key: StoredKey,
    /// Whether it is removed when the rotation counts.
    pub is_removed: bool,
}

impl Plan {
    /// Works out what `request` does to the repository.
    ///
    /// # Errors
    /// [`RotationError`] when it cannot be done here.
    pub(super) fn of(request: &Request, working: &Working, rng: &dyn SecureRandom) -> Result<Self, RotationError> {
        let mut roles: Vec<Role> = Vec::new();
        request.roles.iter().for_each(|role| {
            if !roles.contains(role) {
                roles.push(role.clone())
            }
        });
        let steps: Vec<_> = roles.iter().map(|role| Step::of(role, request, working)).collect::<Result<_, _>>()?;
        let takes_files = steps.iter().filter(|step| matches!(step.source, Source::Files(_))).count();
        if !request.files.is_empty() && takes_files != 1 {
            return Err(RotationError::WhoseFiles);
        }
        // Tried without the key of whoever gives it, a delegation would look as if it were not there.
        for giver in steps.iter().filter_map(|step| step.role.parent()) {
            if !steps.iter().any(|step| step.role == giver) && !working.can_sign(&giver) {
                return Err(none_for(working, &giver).into());
            }
        }
        let signed = signed_by(&steps, working, rng)?;
        for role in &signed {
            // The new keys of these are made first; whoever is above them must be here already.
            let is_given_anew = steps
                .iter()
                .any(|step| &step.role == role || step.with.iter().any(|w| *role == Role::Delegation(w.clone())));
            if (*role == Role::Root || !is_given_anew) && !working.can_sign(role) {
                return Err(none_for(working, role).into());
            }
        }
        let old_keys = old_keys(&steps, working, request.keep_old);
        Ok(Self { gun: working.gun().clone(), steps, signed, old_keys, older_roots: request.older_roots })
    }

    /// Whether a new root key is among it, which everybody who reads the repository will have to follow.
    #[must_use]
    pub fn rotates_root(&self) -> bool {
        self.steps.iter().any(|step| step.role == Role::Root)
    }
}

impl Step {
    fn of(role: &Role, request: &Request, working: &Working) -> Result<Self, RotationError> {
        let source = source(role, request)?;
        let (old, key_role) = match role {
            Role::Delegation(name) => {
                let old = keys_to_exchange(name, working)?;
                let held = old.iter().find_map(|id| working.keys().all().iter().find(|key| &key.id == id));
                let role =
                    held.map_or_else(|| KeyRole::Signer(name.below_targets().to_owned()), |key| key.role.clone());
                (old, Some(role))
            }
            _ => (working.authority(role)?.keys().map(|(_, key)| key.canonical_id()).collect(), file_role(role)),
        };
        let threshold = working.authority(role)?.threshold();
        let given = if let Source::Files(files) = &source { files.len() } else { 1 };
        // As many as before, where several must sign: neither must become other than it was by a rotation.
        if threshold > 1 && given != old.len() {
            return Err(RotationError::OtherCount { role: role.clone(), threshold, keys: old.len(), given });
        }
        let with = match role {
            Role::Delegation(name) => {
                let exchange = Exchange { role: name.clone(), old: old.clone(), new: Vec::new() };
                let others = exchange.concerned(working).into_iter().map(|(other, _)| other);
                others.filter(|other| other != name).collect()
            }
            _ => Vec::new(),
        };
        Ok(Self { role: role.clone(), source, key_role, old, with })
    }
}

fn source(role: &Role, request: &Request) -> Result<Source, RotationError> {
    let alone = request.roles.len() == 1;
    match role {
        Role::Timestamp if !request.server_managed => Err(RotationError::NotForClients),
        Role::Timestamp => Ok(Source::Server),
        Role::Snapshot if request.server_managed => Ok(Source::Server),
        Role::Root | Role::Targets | Role::Delegation(_) if request.server_managed && alone => {
            Err(RotationError::NotForServers(role.clone()))
        }
        Role::Root | Role::Targets | Role::Snapshot | Role::Delegation(_) if request.files.is_empty() => {
            Ok(Source::Made)
        }
        Role::Root | Role::Targets | Role::Snapshot | Role::Delegation(_) => Ok(Source::Files(request.files.clone())),
    }
}

/// What the file of a base role's new key says.
fn file_role(role: &Role) -> Option<KeyRole> {
    match role {
        Role::Root => Some(KeyRole::Root),
        Role::Targets => Some(KeyRole::Targets),
        Role::Snapshot => Some(KeyRole::Snapshot),
        Role::Timestamp | Role::Delegation(_) => None,
    }
}

/// The only key of a delegation; of several, those that are here: the others are other people's.
fn keys_to_exchange(name: &DelegationName, working: &Working) -> Result<Vec<KeyId>, RotationError> {
    let role = Role::Delegation(name.clone());
    working.check_readable(&name.parent())?;
    let authority = working.authority(&role)?;
    let keys: Vec<_> = authority.keys().map(|(_, key)| (key.canonical_id(), key)).collect();
    if keys.len() < 2 {
        return Ok(keys.into_iter().map(|(id, _)| id).collect());
    }
    let here: Vec<_> = keys.iter().filter(|(_, key)| working.keys().held(&role, key).is_some()).collect();
    if here.is_empty() {
        let keys = keys.into_iter().map(|(id, _)| id).collect();
        return Err(RotationError::WhoseKey { role: name.clone(), keys });
    }
    Ok(here.into_iter().map(|(id, _)| id.clone()).collect())
}

/// The roles that the rotation touches, found by doing it with keys that are thrown away.
fn signed_by(steps: &[Step], working: &Working, rng: &dyn SecureRandom) -> Result<Vec<Role>, RotationError> {
    let stand_in = SecretKey::generate(SecretKind::EcdsaP256, rng).map_err(KeyringError::from)?.public().clone();
    let mut edit = RotateKeys::default();
    for step in steps {
        match &step.role {
            Role::Delegation(name) => {
                let (role, old) = (name.clone(), step.old.clone());
                edit.delegations.push(Exchange { role, old, new: vec![stand_in.clone()] });
            }
            base => edit.bases.extend(base_role(base).map(|role| (role, vec![stand_in.clone()]))),
        }
    }
    let mut next = working.clone();
    edit.apply(&mut next)?;
    let mut signed: Vec<_> = next.touched().iter().cloned().collect();
    // The snapshot is signed with each upload where its key is.
    let snapshot = steps.iter().find(|step| step.role == Role::Snapshot).map(|step| &step.source);
    if snapshot.map_or_else(|| working.can_sign(&Role::Snapshot), |source| *source != Source::Server) {
        signed.push(Role::Snapshot);
    }
    Ok(signed)
}

/// A role that root names keys for.
pub(super) fn base_role(role: &Role) -> Option<BaseRole> {
    BaseRole::ALL.into_iter().find(|base| Role::from(*base) == *role)
}

/// The old private keys that are here; removed are those that are of this repository's targets or snapshot alone.
fn old_keys(steps: &[Step], working: &Working, keep: bool) -> Vec<OldKey> {
    let rotated: BTreeSet<_> = steps.iter().map(|step| &step.role).collect();
    let going: BTreeSet<_> = steps.iter().flat_map(|step| &step.old).collect();
    let still_named = |id: &KeyId| {
        let bases = BaseRole::ALL.into_iter().filter(|base| !rotated.contains(&Role::from(*base)));
        let mut named = bases.flat_map(|base| working.root().keys_of(base).map(|(_, key)| key.canonical_id()));
        let mut delegated = working.all_delegated();
        named.any(|named| &named == id) || delegated.any(|role| working.has_key(&role.name, id))
    };
    let of_here = working.keys().all().iter().filter(|key| going.contains(&key.id));
    let judged = of_here.map(|key| {
        let is_of_repository = key.gun.as_ref() == Some(working.gun());
        let is_removed = !keep
            && is_of_repository
            && matches!(key.role, KeyRole::Targets | KeyRole::Snapshot)
            && !still_named(&key.id);
        OldKey { key: key.clone(), is_removed }
    });
    judged.collect()
}

/// That no key that may sign `role` is here.
fn none_for(working: &Working, role: &Role) -> PublishError {
    match working.authority(role) {
        Ok(authority) => working.keys().none_for(&authority),
        Err(e) => EditError::into(e),
    }
}
