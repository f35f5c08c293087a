//! Beginning a repository here, to be published later: keys, root and targets, as notary's `init` makes them.

use std::path::PathBuf;

use tuf_schema::key::x509::{CertificateError, Expiry, leaf_for, self_signed_root_certificate};
use tuf_schema::sign::IssueError;
use tuf_schema::verify::Authority;
use tuf_schema::verify::chain::ChainError;
use tuf_schema::{BaseRole, Gun, KeyId, PublicKey, Role, SigningKey as _};

use super::founding::{first_root, never_sent};
use super::working::{Origin, TARGETS_LIFETIME_SECONDS};
use super::{PublishError, Publisher, Working};
use crate::cache::FileError;
use crate::keys::{ImportError, KeyRole, KeyringError, StoredKey};
use crate::lock::{Lock, LockError};
use crate::trust::{Offline, UpdateError, update};

/// Which key a new root is to have: the first root key at hand, or a new one, unless something else is said.
#[derive(Debug, Clone, Default)]
pub struct RootOf {
    /// A file with the root key, which is then kept here, too.
    pub key_file: Option<PathBuf>,
    /// The certificates of the root key, instead of one that is made for the repository.
    pub certificate: Option<PublicKey>,
}

/// Why no repository was begun. Nothing that was there before was touched.
#[derive(Debug, thiserror::Error)]
pub enum InitialiseError {
    /// The trust server has it.
    #[error(
        "the trust server has {0} already; to begin anew under another root, delete it first: bulla repo delete --remote \
         {0}"
    )]
    Published(Gun),
    /// It was begun or read here before.
    #[error(
        "trust data of {gun} is kept here already; if it was never published, publish it: bulla repo publish {gun}; to \
         begin anew under another root, delete it first: bulla repo delete {gun}"
    )]
    Kept {
        /// The repository.
        gun: Gun,
    },
    /// What the trust server has cannot be known.
    #[error("cannot tell whether the trust server has it already: {0}")]
    Unknown(#[source] UpdateError),
    /// No key here is the certificate's (notary's rule).
    #[error(
        "the root certificate is for the key {0}, and no root key of that id is here; import it, or name it with --rootkey"
    )]
    NoKeyFor(KeyId),
    /// The named key is not the certificate's (notary's rule).
    #[error("the root certificate is for the key {certificate}, and --rootkey names the key {key}")]
    OtherKey {
        /// The certificate's key.
        certificate: KeyId,
        /// The named key.
        key: KeyId,
    },
    /// The named key cannot be had.
    #[error(transparent)]
    Import(#[from] ImportError),
    /// Nobody would accept the certificate.
    #[error("the root certificate cannot be used")]
    Certificate(#[from] CertificateError),
    /// No certificate could be made.
    #[error(transparent)]
    Issue(#[from] IssueError),
    /// A key could not be had.
    #[error(transparent)]
    Keyring(#[from] KeyringError),
    /// Another process of this client works on the repository, and takes too long.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The documents could not be made, or the server gave no key.
    #[error(transparent)]
    Make(#[from] PublishError),
    /// The documents could not be kept.
    #[error(transparent)]
    File(#[from] FileError),
}

/// A repository that was begun.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Begun {
    /// The root key.
    pub root: KeyId,
    /// Whether the root key was made now.
    pub root_is_new: bool,
    /// The key of `targets`.
    pub targets: KeyId,
    /// The key of snapshots, which stays here until it is given to the server.
    pub snapshot: KeyId,
}

impl Publisher<'_> {
    /// Makes the keys, the root and the empty targets of a repository that neither the trust server nor this directory
    /// knows, and keeps them for the first publish. The server signs timestamps; snapshots are signed here.
    ///
    /// # Errors
    /// [`InitialiseError`].
    pub async fn initialise(&mut self, root_of: &RootOf) -> Result<Begun, InitialiseError> {
        let _lock = Lock::wait(&self.cache.lock(), self.pacing).await?;
        for role in [Role::Root, Role::Targets, Role::Snapshot, Role::Timestamp] {
            if self.cache.read(&role)?.is_some() {
                return Err(InitialiseError::Kept { gun: self.gun.clone() });
            }
        }
        match update(self.gun, Ok(self.remote), self.cache, Offline::Refuse, self.now, self.rng).await {
            Ok(_) => return Err(InitialiseError::Published(self.gun.clone())),
            Err(UpdateError::Chain(ChainError::NoTrustData(_))) => {}
            Err(e) => return Err(InitialiseError::Unknown(e)),
        }
        // Asked for before any key is made, so that a server that refuses leaves no key behind.
        let timestamp = self.remote.server_key(BaseRole::Timestamp).await.map_err(PublishError::from)?;
        if let Some(certificate) = &root_of.certificate {
            leaf_for(certificate, self.gun, self.now, Expiry::Checked)?;
        }
        let (root_key, root_is_new) = self.root_key(root_of)?;
        let certificate = match &root_of.certificate {
            Some(certificate) => certificate.clone(),
            None => self_signed_root_certificate(self.keys.open(&root_key)?, self.gun, self.now, self.rng)?,
        };
        let (targets_key, targets) = self.new_key(KeyRole::Targets)?;
        let (snapshot_key, snapshot) = self.new_key(KeyRole::Snapshot)?;
        let root = first_root(self.now, &certificate, &targets, &snapshot, &timestamp);
        let mut empty = never_sent(self.now);
        empty.expires = self.now.plus_seconds(TARGETS_LIFETIME_SECONDS);

        let keys = self.keys_at_hand()?;
        let working = Working::first(Origin::New, root.clone(), empty.clone(), self.gun.clone(), keys, self.now);
        let root_part = self.sign_with(&root, &Authority::of_base(&root, BaseRole::Root), &working)?;
        let targets_part = self.sign_with(&empty, &Authority::of_base(&root, BaseRole::Targets), &working)?;
        // The root first: documents without it would count as trust that was lost.
        self.cache.write(&Role::Root, &root_part.bytes, self.rng)?;
        self.cache.write(&Role::Targets, &targets_part.bytes, self.rng)?;
        Ok(Begun { root: root_key.id, root_is_new, targets: targets_key.id, snapshot: snapshot_key.id })
    }

    /// The root key, and whether it was made now.
    fn root_key(&mut self, root_of: &RootOf) -> Result<(StoredKey, bool), InitialiseError> {
        let RootOf { key_file, certificate } = root_of;
        let certified = certificate.as_ref().map(PublicKey::canonical_id);
        if let Some(path) = key_file {
            if let Some(key) = self.keys.told_of_by(path)? {
                return match certified.filter(|certified| *certified != key.id) {
                    Some(certificate) => Err(InitialiseError::OtherKey { certificate, key: key.id }),
                    None => Ok((key, false)),
                };
            }
            let secret = self.keys.open_foreign(path, &KeyRole::Root)?;
            let key = secret.public().id().clone();
            if let Some(certificate) = certified.filter(|certified| *certified != key) {
                return Err(InitialiseError::OtherKey { certificate, key });
            }
            return Ok((self.keys.import(secret, KeyRole::Root, None, self.rng)?.key, false));
        }
        // The list is sorted by id: docker, too, takes the first root key.
        let mut stored = self.keys.list()?.into_iter().filter(|key| key.role == KeyRole::Root);
        match certified {
            Some(id) => match stored.find(|key| key.id == id) {
                Some(key) => Ok((key, false)),
                None => Err(InitialiseError::NoKeyFor(id)),
            },
            None => match stored.next() {
                Some(key) => Ok((key, false)),
                None => Ok((self.keys.create(KeyRole::Root, None, self.rng)?, true)),
            },
        }
    }

    fn new_key(&mut self, role: KeyRole) -> Result<(StoredKey, PublicKey), KeyringError> {
        let stored = self.keys.for_new_repository(role, self.gun, self.rng)?;
        let public = self.keys.open(&stored)?.public().clone();
        Ok((stored, public))
    }
}
