//! What the server signs: the next timestamp always, the next snapshot where its key is held.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use tuf_schema::dialect::{Document, EncodeError};
use tuf_schema::model::{FileMeta, Root, Snapshot, Timestamp};
use tuf_schema::verify::SignatureError;
use tuf_schema::{Dialect, Draft, Gun, KeyId, PublicKey, Role, UtcTime, Version};

use super::update::{NewFile, ValidatedUpdate};
use super::validate::{Accepted, NextSnapshot};
use super::{PublishError, Violation};
use crate::signer::{Custody, RoleSigner, ServerRole, SignerError};
use crate::store::Newest;

const DAY: i64 = 24 * 60 * 60;

/// How long a snapshot is valid, in seconds: the reference's 1095 days.
pub(crate) const SNAPSHOT_LIFETIME: i64 = 1095 * DAY;

/// How long a timestamp is valid, in seconds: the reference's 14 days.
pub(crate) const TIMESTAMP_LIFETIME: i64 = 14 * DAY;

/// For how many keys of a role the signer is asked. Roles have one or two; a root must not make the server ask for ever.
pub(crate) const MAX_KEYS_ASKED: usize = 64;

/// Makes and signs the server's documents under one root.
pub(crate) struct Maker<'a> {
    pub(crate) gun: &'a Gun,
    pub(crate) root: &'a Root,
    pub(crate) signer: &'a dyn RoleSigner,
    /// What is stored: what is made follows on its timestamp and on nothing else, and on its versions.
    pub(crate) newest: &'a Newest,
    pub(crate) now: UtcTime,
}

/// Why the server could not sign.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MakeError {
    /// The signer does not hold enough of the role's keys; one of the missing.
    #[error("the signer does not hold key {1:?} of {role}", role = .0.as_str())]
    NotHeld(ServerRole, Option<KeyId>),
    /// Root lists the role's keys in a way that makes good signatures worthless.
    #[error("root's keys of {role} cannot sign", role = .0.as_str())]
    Unusable(ServerRole, #[source] SignatureError),
    /// The last version is stored.
    #[error("{role} has no versions left", role = .0.as_str())]
    NoVersionsLeft(ServerRole),
    /// The signer failed.
    #[error(transparent)]
    Signer(#[from] SignerError),
    /// The document cannot be written.
    #[error(transparent)]
    Unwritable(#[from] EncodeError),
}

impl Maker<'_> {
    /// Completes an accepted upload.
    pub(super) async fn complete(&self, accepted: Accepted) -> Result<ValidatedUpdate, PublishError> {
        self.completed(accepted).await.map_err(|error| self.refusal(error))
    }

    /// A new timestamp of what is stored already.
    pub(crate) async fn renewed_timestamp(&self, snapshot: &Bytes) -> Result<ValidatedUpdate, MakeError> {
        let keys = self.held_keys(ServerRole::Timestamp).await?;
        Ok(self.update(self.timestamp(&keys, snapshot).await?, Vec::new()).into_renewal())
    }

    /// A new snapshot that lists `meta`, all of it stored already, and its timestamp.
    pub(crate) async fn renewed_snapshot(&self, meta: BTreeMap<Role, FileMeta>) -> Result<ValidatedUpdate, MakeError> {
        let keys = self.held_keys(ServerRole::Snapshot).await?;
        let timestamp_keys = self.held_keys(ServerRole::Timestamp).await?;
        let snapshot = self.snapshot(&keys, meta).await?;
        let timestamp = self.timestamp(&timestamp_keys, snapshot.bytes()).await?;
        Ok(self.update(timestamp, vec![snapshot]).into_renewal())
    }

    async fn completed(&self, accepted: Accepted) -> Result<ValidatedUpdate, MakeError> {
        let mut files = accepted.files;
        let (snapshot, timestamp_keys) = match accepted.snapshot {
            NextSnapshot::Uploaded(bytes) => (bytes, self.held_keys(ServerRole::Timestamp).await?),
            NextSnapshot::Made(meta) => {
                // All keys are looked for before the first one signs.
                let keys = self.held_keys(ServerRole::Snapshot).await?;
                let timestamp_keys = self.held_keys(ServerRole::Timestamp).await?;
                let made = self.snapshot(&keys, meta).await?;
                let bytes = made.bytes().clone();
                files.push(made);
                (bytes, timestamp_keys)
            }
        };
        let timestamp = self.timestamp(&timestamp_keys, &snapshot).await?;
        Ok(self.update(timestamp, files))
    }

    fn update(&self, timestamp: NewFile, others: Vec<NewFile>) -> ValidatedUpdate {
        ValidatedUpdate::new(self.gun.clone(), self.newest, timestamp, others)
    }

    async fn snapshot(&self, keys: &[PublicKey], meta: BTreeMap<Role, FileMeta>) -> Result<NewFile, MakeError> {
        let version = self.next_version(ServerRole::Snapshot)?;
        let model = Snapshot { version, expires: self.now.plus_seconds(SNAPSHOT_LIFETIME), meta };
        self.signed(ServerRole::Snapshot, keys, &model).await
    }

    async fn timestamp(&self, keys: &[PublicKey], snapshot: &Bytes) -> Result<NewFile, MakeError> {
        let version = self.next_version(ServerRole::Timestamp)?;
        let expires = self.now.plus_seconds(TIMESTAMP_LIFETIME);
        let model = Timestamp { version, expires, snapshot: FileMeta::of(snapshot) };
        self.signed(ServerRole::Timestamp, keys, &model).await
    }

    /// The version above everything that clients may have seen, also before a deletion.
    fn next_version(&self, role: ServerRole) -> Result<Version, MakeError> {
        let (stored, floor) = match role {
            ServerRole::Snapshot => (&self.newest.snapshot, self.newest.floors.snapshot),
            ServerRole::Timestamp => (&self.newest.timestamp, self.newest.floors.timestamp),
        };
        // Above the last version there is none, and a deletion is the one way out.
        let floor = floor.filter(|floor| floor.next().is_some());
        match stored.as_ref().map(|stored| stored.version).max(floor) {
            Some(newest) => newest.next().ok_or(MakeError::NoVersionsLeft(role)),
            None => Ok(Version::FIRST),
        }
    }

    /// Signs with every one of `keys`; the signer checks each signature.
    async fn signed<M: Document + Sync>(
        &self,
        role: ServerRole,
        keys: &[PublicKey],
        model: &M,
    ) -> Result<NewFile, MakeError> {
        let draft = Draft::new(Dialect::Notary, model)?;
        let mut signatures = Vec::new();
        for key in keys {
            match self.signer.sign(self.gun, key, draft.message()).await {
                Ok(signature) => signatures.push(signature),
                Err(SignerError::NotHeld(id)) => return Err(MakeError::NotHeld(role, Some(id))),
                Err(error) => return Err(MakeError::Signer(error)),
            }
        }
        Ok(NewFile::new(role.into(), model.version(), draft.finish(&signatures)))
    }

    /// The role's keys that the signer holds: enough distinct ones, each as root lists it, or an error.
    pub(crate) async fn held_keys(&self, role: ServerRole) -> Result<Vec<PublicKey>, MakeError> {
        let grant = self.root.grant(role.into());
        let mut held = Vec::new();
        let mut missing = None;
        for id in grant.key_ids.iter().take(MAX_KEYS_ASKED) {
            match self.signer.signing_key(id).await? {
                // A client would take no signature of a key whose id is not its own.
                Some(key) if self.root.keys.get(id) != Some(&key) => {
                    return Err(MakeError::Unusable(role, SignatureError::KeyIdMismatch(id.clone())));
                }
                Some(key) => held.push(key),
                None => missing = missing.or_else(|| Some(id.clone())),
            }
        }
        let distinct: BTreeSet<_> = held.iter().filter_map(PublicKey::material).collect();
        let are_enough = u32::try_from(distinct.len()).is_ok_and(|keys| keys >= grant.threshold.get());
        if are_enough { Ok(held) } else { Err(MakeError::NotHeld(role, missing)) }
    }

    /// What the publisher is told: a key that is not held is the upload's fault, a signer that fails is not.
    fn refusal(&self, error: MakeError) -> PublishError {
        match error {
            MakeError::NotHeld(role, key) => match (self.signer.custody(), role, key) {
                (Custody::Remote, _, Some(key)) => PublishError::Validation(Violation::KeyNotFound(key)),
                (_, ServerRole::Snapshot, _) => {
                    PublishError::BadHierarchy { missing: Role::Snapshot, violation: Violation::NoSnapshotKey }
                }
                (_, ServerRole::Timestamp, _) => PublishError::BadRoot(Violation::NoTimestampKey),
            },
            MakeError::Unusable(_, error) => PublishError::BadRoot(Violation::Signatures(error)),
            MakeError::NoVersionsLeft(role) => PublishError::Validation(Violation::NoVersionsLeft(role.into())),
            MakeError::Signer(error) => PublishError::Signer(error),
            MakeError::Unwritable(error) => PublishError::Unwritable(error),
        }
    }
}
