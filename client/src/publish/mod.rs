//! Signing a tag: which roles are signed with which keys, and one upload that all of it goes into.

use std::path::PathBuf;

use ring::rand::SecureRandom;
use tuf_schema::dialect::{DecodeError, EncodeError};
use tuf_schema::envelope::EnvelopeError;
use tuf_schema::sign::{ForeignCertificate, IssueError, SignError};
use tuf_schema::verify::SignatureError;
use tuf_schema::verify::chain::ChainError;
use tuf_schema::{Digests, Gun, KeyId, Role, UtcTime, model};

mod draft;
mod edit;
mod first;
mod resume;
mod root_age;

pub use root_age::RootNotice;

use crate::cache::{Cache, FileError};
use crate::image::Tag;
use crate::keys::{Keyring, KeyringError};
use crate::registry::Manifest;
use crate::remote::{Part, Remote, RemoteError};
use crate::trust::{Offline, UpdateError, update};

/// How often a publish is tried when others publish at the same time.
const ATTEMPTS: usize = 3;

/// Publishes to one repository.
pub struct Publisher<'a> {
    /// The repository.
    pub gun: &'a Gun,
    /// Its trust server.
    pub remote: &'a dyn Remote,
    /// Its cache.
    pub cache: &'a Cache,
    /// The keys at hand.
    pub keys: &'a mut Keyring,
    /// The time of this run.
    pub now: UtcTime,
    /// Randomness for keys and signatures.
    pub rng: &'a dyn SecureRandom,
}

/// What a publish did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// Whether the server did not know the repository, which has been initialised.
    pub initialised: bool,
    /// The roles that were signed; none when every one of them listed the target already.
    pub roles: Vec<Role>,
    /// What there is to say about a root that ends soon.
    pub root: Vec<RootNotice>,
}

/// Why a tag was not signed. Nothing was published, except after [`PublishError::NotKept`].
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// What is published now could not be read.
    #[error(transparent)]
    Update(#[from] UpdateError),
    /// The server refused, or could not be reached.
    #[error(transparent)]
    Remote(#[from] RemoteError),
    /// Others published in between, every time.
    #[error("someone else published at the same time, {ATTEMPTS} times in a row; try again")]
    Contended,
    /// The server has lost a repository that it had, or hides it, or somebody deleted it.
    #[error(
        "the trust server says that it never heard of {gun}, but served it before; if it was deleted on purpose, remove \
         {metadata} to begin anew under a new root", metadata = metadata.display()
    )]
    Vanished {
        /// The repository.
        gun: Gun,
        /// Where its trusted metadata is kept here.
        metadata: PathBuf,
    },
    /// A key could not be had.
    #[error(transparent)]
    Keyring(#[from] KeyringError),
    /// There are delegations, and none of their keys is here (docker's words).
    #[error("no valid signing keys for delegation roles")]
    NoDelegationKey,
    /// None of the keys that may sign is here (docker's words).
    #[error("could not find necessary signing keys, at least one of these keys must be available: {}", join(.0))]
    NoKey(Vec<KeyId>),
    /// A key that could sign is here, and belongs to another repository, or is a root key and this is not root.
    #[error("the key {key} is kept for {of} and signs nothing else: it is not used for {role} here")]
    KeyOfOther {
        /// The key.
        key: KeyId,
        /// The role that should have been signed.
        role: Role,
        /// What it is for: a repository, or the role `root`.
        of: String,
    },
    /// The root was made by others: the keys here did not sign it.
    #[error("the keys here did not sign the root that is to be followed: {0}")]
    ForeignRoot(SignatureError),
    /// The root came from the server in this very run, and nothing that was known before says that it is the right one.
    #[error("the root was never seen here before; the next signature may sign it anew")]
    RootFirstSeen,
    /// A delegation was passed over in reading, so nothing can be added to it.
    #[error("cannot add to {role}: {why}")]
    Unreadable {
        /// The delegation.
        role: Role,
        /// Why it was passed over.
        why: ChainError,
    },
    /// No version is left for a role.
    #[error("{0} has reached the last version")]
    VersionsExhausted(Role),
    /// Our own keys do not reach the threshold.
    #[error("the keys at hand do not suffice: {0}")]
    Threshold(SignatureError),
    /// A signature could not be made.
    #[error(transparent)]
    Sign(#[from] SignError),
    /// A root certificate could not be made.
    #[error(transparent)]
    Certificate(#[from] IssueError),
    /// A root certificate is not over the key it was made for.
    #[error(transparent)]
    ForeignCertificate(#[from] ForeignCertificate),
    /// A document cannot be written.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// A document that was just written cannot be read back.
    #[error("what was written cannot be read back: {0}")]
    ReadBack(Box<dyn std::error::Error + Send + Sync>),
    /// Published, but the new root could not be kept as the anchor for the next time.
    #[error("published, but the new root could not be kept")]
    NotKept(#[source] FileError),
}

impl Publisher<'_> {
    /// Signs `manifest` as `tag`: into the delegations whose keys are here, or into `targets` when there are none, as
    /// docker does. An unknown repository is initialised first; a first publish that was begun here is carried on.
    ///
    /// # Errors
    /// [`PublishError`].
    pub async fn sign(&mut self, tag: &Tag, manifest: &Manifest) -> Result<Published, PublishError> {
        let target =
            model::Target { length: manifest.length, digests: Digests::from_sha256(&manifest.digest), custom: None };
        let anchored = self.cache.read(&Role::Root).map_err(UpdateError::from)?.is_some();
        for _ in 0..ATTEMPTS {
            match self.attempt(tag, &target, anchored).await {
                Err(PublishError::Remote(RemoteError::VersionConflict)) => {}
                other => return other,
            }
        }
        Err(PublishError::Contended)
    }

    /// `anchored` says whether a root was kept here before this run.
    async fn attempt(&mut self, tag: &Tag, target: &model::Target, anchored: bool) -> Result<Published, PublishError> {
        let current = update(self.gun, Ok(self.remote), self.cache, Offline::Refuse, self.now, self.rng).await;
        match current {
            Ok(updated) => {
                let (parts, root) = self.edit(&updated.trusted, tag, target, anchored)?;
                let roles = parts.iter().map(|part| part.role.clone()).filter(Role::lists_targets).collect();
                if !parts.is_empty() {
                    self.remote.publish(parts).await?;
                }
                Ok(Published { initialised: false, roles, root })
            }
            Err(UpdateError::Chain(ChainError::NoTrustData(_))) => {
                let parts = self.first(tag, target).await?;
                let root = parts.iter().find(|part| part.role == Role::Root).map(|part| part.bytes.clone());
                self.remote.publish(parts).await?;
                if let Some(root) = root {
                    // We made it ourselves: from now on nobody else's root will do.
                    self.cache.write(&Role::Root, &root, self.rng).map_err(PublishError::NotKept)?;
                }
                Ok(Published::first())
            }
            Err(UpdateError::Vanished { anchor, .. }) => {
                let parts = self.resume(&anchor, tag, target)?;
                self.remote.publish(parts).await?;
                Ok(Published::first())
            }
            Err(e) => Err(e.into()),
        }
    }
}

impl Published {
    fn first() -> Self {
        Self { initialised: true, roles: vec![Role::Targets], root: Vec::new() }
    }
}

impl From<EnvelopeError> for PublishError {
    fn from(error: EnvelopeError) -> Self {
        Self::ReadBack(error.into())
    }
}

impl From<DecodeError> for PublishError {
    fn from(error: DecodeError) -> Self {
        Self::ReadBack(error.into())
    }
}

fn join(ids: &[KeyId]) -> String {
    ids.iter().map(KeyId::as_str).collect::<Vec<_>>().join(", ")
}
