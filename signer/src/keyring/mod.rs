//! The keyring: makes, describes, uses and deletes keys for callers. Every use leaves one audit line, also a refused one.

use std::collections::hash_map::DefaultHasher;
use std::error::Error;
use std::hash::{Hash as _, Hasher as _};
use std::sync::Arc;
use std::time::Duration;

use bulla_traces::{SpanKind, carried, child, note, within};
use tokio::sync::{Mutex, MutexGuard};
use tuf_schema::key::{KeyId, KeyType, PublicKey};
use tuf_schema::sign::RawSignature;
use tuf_schema::{Gun, Role, Sha256, UtcTime};

use crate::audit::{Actor, Audit, AuditError, KeyUse, Operation, Outcome};
use crate::backend::{BackendError, KeyBackend};
use crate::clock::Clock;
use crate::grpc::peer::Caller;
use crate::rate::{RateLimits, Rates, TooMany};
use crate::rights::Outside;
use crate::store::roles::{KeyRoles, Taken};
use crate::store::wrapped::WrappedKeys;
use crate::store::{Algorithm, KeyKind, KeyStore, Purpose, StoreError};

mod audited;
mod canaries;
pub(crate) mod document;
mod policy;
mod readiness;
mod records;
mod roleless;
mod unreadable;
mod uses;

use canaries::{Asked, Canaries};
pub(crate) use canaries::{Kind, Told};
pub(crate) use policy::ContentRefusal;
use readiness::Readiness;
pub(crate) use readiness::{NotReady, Report, Service, Standing, canary};
use records::Records;
use roleless::TakenRoles;
use uses::Uses;

/// Creations that can go on at the same time; one purpose is always the same lane.
const LANES: usize = 64;

/// All keys of a signer.
pub(crate) struct Keyring {
    store: Arc<dyn KeyStore>,
    wrapped: Arc<dyn WrappedKeys>,
    backend: Box<dyn KeyBackend>,
    clock: Arc<dyn Clock>,
    audit: Audit,
    limits: RateLimits,
    readiness: Readiness,
    records: Records,
    taken_roles: TakenRoles,
    uses: Uses,
    canaries: Mutex<Canaries>,
    creating: [Mutex<()>; LANES],
}

/// A key that may be signed with, as a caller may know it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Described {
    /// The public half.
    pub(crate) key: PublicKey,
    /// What it was made for.
    pub(crate) purpose: Purpose,
}

/// A signature and the key that made it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Signed {
    /// The public half of the key.
    pub(crate) key: PublicKey,
    /// What it made.
    pub(crate) signature: RawSignature,
}

/// Why the keyring did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeyringError {
    /// No such key; the text is the reference's.
    #[error("key {0} not found")]
    KeyNotFound(KeyId),
    /// No such key to sign with; the text is the reference's.
    #[error("signing key not found: {0}")]
    SigningKeyNotFound(KeyId),
    /// Keys of this role are their owners', not the signer's.
    #[error("keys of role {0} are not made here: only of snapshot, timestamp or no role")]
    RoleNotServed(Role),
    /// The key is another caller's. What it is for is told to the log and not to the caller.
    #[error("key {key} is not this caller's to use")]
    NotYours {
        /// The key.
        key: KeyId,
        /// Why not.
        source: Outside,
    },
    /// The caller asked for a key that it may not have.
    #[error("this caller makes no such keys: its entry in callers says which")]
    NotYoursToMake(#[source] Outside),
    /// The caller asks too often, or the key signs too often.
    #[error(transparent)]
    TooMany(#[from] TooMany),
    /// The key was retired.
    #[error("key {key} was retired at {since} and signs no more: `keys retire --undo` takes that back", since = since.to_rfc3339())]
    Retired {
        /// The key.
        key: KeyId,
        /// Since when.
        since: UtcTime,
    },
    /// The content is not the key's to sign.
    #[error("key {key} does not sign this: {reason}")]
    ContentRefused {
        /// The key.
        key: KeyId,
        /// Why not.
        reason: ContentRefusal,
    },
    /// A key could not be made, because the store failed; the text is the reference's.
    #[error("Key creation failed")]
    CreationFailed(#[source] StoreError),
    /// New keys would be sealed with another passphrase than the stored ones.
    #[error("no key is made")]
    NotReady(#[source] NotReady),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The secret half could not be used.
    #[error(transparent)]
    Backend(#[from] BackendError),
    /// What was done, or was to be done, could not be recorded.
    #[error(transparent)]
    Audit(#[from] AuditError),
}

/// What a signature's record tells beside the request, as far as it has been found out.
#[derive(Default)]
struct Known {
    purpose: Option<Purpose>,
    /// The version that the content says it is.
    version: Option<i64>,
}

impl Keyring {
    /// A keyring over a store and what opens its keys.
    #[must_use]
    pub(crate) fn new(
        store: Arc<dyn KeyStore>,
        wrapped: Arc<dyn WrappedKeys>,
        roles: Arc<dyn KeyRoles>,
        backend: Box<dyn KeyBackend>,
        clock: Arc<dyn Clock>,
        audit: Audit,
    ) -> Self {
        Self {
            store,
            wrapped,
            backend,
            limits: RateLimits::new(&Rates::default(), [], &clock),
            clock,
            audit,
            readiness: Readiness::default(),
            records: Records::new(Duration::ZERO),
            taken_roles: TakenRoles::new(roles),
            uses: Uses::default(),
            canaries: Mutex::new(Canaries::new(None)),
            creating: std::array::from_fn(|_| Mutex::new(())),
        }
    }

    /// The same keyring, believing a record for this long after it was asked for; without it each signature asks.
    #[must_use]
    pub(crate) fn with_record_life(self, life: Duration) -> Self {
        Self { records: Records::new(life), ..self }
    }

    /// The same, with other limits than the usual.
    #[must_use]
    pub(crate) fn limited_by(self, limits: RateLimits) -> Self {
        Self { limits, ..self }
    }

    /// The same, trying keys from another place on than the lowest id.
    #[must_use]
    pub(crate) fn trying_from(self, start: KeyId) -> Self {
        Self { canaries: Mutex::new(Canaries::new(Some(start))), ..self }
    }

    /// Where uses of keys are recorded.
    pub(crate) fn audit(&self) -> &Audit {
        &self.audit
    }

    /// Hands out the unused key of this purpose and algorithm with the lowest id, or makes one.
    ///
    /// A key is handed out only if it opens: a signer with a wrong passphrase makes no keys beside those it has lost.
    ///
    /// # Errors
    /// [`KeyringError`].
    pub(crate) async fn create(
        self: &Arc<Self>,
        caller: &Caller,
        algorithm: Algorithm,
        purpose: &Purpose,
    ) -> Result<PublicKey, KeyringError> {
        let (keyring, caller, purpose) = (Arc::clone(self), caller.clone(), purpose.clone());
        to_its_end(async move {
            let of_caller =
                KeyUse { purpose: Some(&purpose), ..KeyUse::new(Actor::Client(&caller), Operation::Create) };
            let name = caller.shared_name();
            let counted = keyring.limits.count_request(name).and_then(|()| keyring.limits.count_new_key(name));
            keyring.refuse_too_many(&caller, &of_caller, counted)?;
            let created = keyring.create_unrecorded(&caller, algorithm, &purpose).await;
            let key_use = KeyUse { key: created.as_ref().ok().map(PublicKey::id), ..of_caller };
            keyring.record(&caller, &key_use, &created).await?;
            created
        })
        .await
    }

    /// What is known of a key.
    ///
    /// # Errors
    /// [`KeyringError`].
    pub(crate) async fn describe(&self, caller: &Caller, id: &KeyId) -> Result<Described, KeyringError> {
        self.limits
            .count_request(caller.shared_name())
            .inspect_err(|error| self.turn_away(caller.shared_name(), error))?;
        let record = self.store.find(id).await?.ok_or_else(|| KeyringError::KeyNotFound(id.clone()))?;
        let purpose = self.taken_roles.purpose(&record).await?;
        let reached = caller.rights().reach(record.key.key_type(), &purpose);
        reached.map_err(|source| KeyringError::NotYours { key: id.clone(), source })?;
        Ok(Described { key: record.key, purpose })
    }

    /// Signs a document of the key's role.
    ///
    /// That a key was used for the first time is on the disk before its signature is answered: it decides whether
    /// the key is handed out again.
    ///
    /// # Errors
    /// [`KeyringError`].
    pub(crate) async fn sign(
        self: &Arc<Self>,
        caller: &Caller,
        id: &KeyId,
        gun: Option<Gun>,
        content: impl Into<Vec<u8>>,
    ) -> Result<Signed, KeyringError> {
        let (keyring, caller, id, content) = (Arc::clone(self), caller.clone(), id.clone(), content.into());
        to_its_end(async move {
            let of_caller = KeyUse { key: Some(&id), ..KeyUse::new(Actor::Client(&caller), Operation::Sign) };
            let counted = keyring.limits.count_request(caller.shared_name());
            keyring.refuse_too_many(&caller, &of_caller, counted)?;
            let mut known = Known::default();
            let signed = keyring.sign_unrecorded(&caller, &id, gun.as_ref(), &content, &mut known).await;
            let (purpose, version, content) = (known.purpose.as_ref(), known.version, Some(Sha256::of(&content)));
            let key_use = KeyUse { purpose, content, version, ..of_caller };
            child("audit.record", SpanKind::Internal, keyring.record(&caller, &key_use, &signed)).await?;
            signed
        })
        .await
    }

    /// Deletes one key. An unknown key is as good as a deleted one, as in the reference.
    ///
    /// # Errors
    /// [`KeyringError`].
    pub(crate) async fn delete(self: &Arc<Self>, caller: &Caller, id: &KeyId) -> Result<(), KeyringError> {
        let (keyring, caller, id) = (Arc::clone(self), caller.clone(), id.clone());
        to_its_end(async move {
            let key_use = KeyUse { key: Some(&id), ..KeyUse::new(Actor::Client(&caller), Operation::Delete) };
            let counted = keyring.limits.count_request(caller.shared_name());
            keyring.refuse_too_many(&caller, &key_use, counted)?;
            keyring.audit.record(&key_use, Outcome::Begun).await?;
            let deleted = keyring.delete_unrecorded(&caller, &id).await;
            keyring.audit.record(&key_use, Outcome::of(&deleted)).await?;
            deleted
        })
        .await
    }

    /// Whether keys can be made and used, condition by condition.
    pub(crate) async fn look(&self) -> Report {
        let looking =
            self.readiness.look(self.store.as_ref(), self.wrapped.as_ref(), self.backend.as_ref(), self.now());
        let mut report = looking.await;
        report.0.extend(audited::standings(&self.audit));
        report
    }

    /// Tells the log which keys have no role yet. To be called at the start.
    pub(crate) async fn tell_roleless(&self) {
        self.taken_roles.tell().await;
    }

    /// Has a few keys, `at_once` at most, show that they sign, and says how keys of each kind stand. That is no use of a key:
    /// it leaves no record, and a key that waits for its first use goes on waiting.
    ///
    /// # Errors
    /// When the store fails: nothing is found out about keys then.
    pub(crate) async fn try_keys(&self, at_once: u32) -> Result<Vec<Told>, StoreError> {
        let (store, wrapped, backend) = (self.store.as_ref(), self.wrapped.as_ref(), self.backend.as_ref());
        self.canaries.lock().await.round(&Asked { store, wrapped, backend }, at_once, self.now()).await
    }

    /// Says which rows are in no form that could be opened, and how many there are, if the store says.
    pub(crate) async fn tell_unreadable(&self) -> Option<u64> {
        unreadable::tell(self.wrapped.as_ref()).await
    }

    /// Drops opened keys that were held for too long. To be called every second or so.
    pub(crate) fn sweep(&self) {
        self.backend.sweep();
    }

    /// Writes down when keys were used. To be called now and then.
    ///
    /// # Errors
    /// [`StoreError`]; the uses are kept for the next time.
    pub(crate) async fn tidy(&self) -> Result<(), StoreError> {
        self.uses.write_down(async |batch| self.store.mark_used(batch).await).await
    }

    /// Records what was done, or why not; of refusals beyond those that a caller gets in good faith only how many.
    async fn record<T>(
        &self,
        caller: &Caller,
        key_use: &KeyUse<'_>,
        done: &Result<T, KeyringError>,
    ) -> Result<(), KeyringError> {
        match done {
            Err(error)
                if matches!(error, KeyringError::TooMany(_)) || !self.limits.is_recorded(caller.shared_name()) =>
            {
                self.audit.count_refused(key_use);
                self.turn_away(caller.shared_name(), error);
                Ok(())
            }
            done => Ok(self.audit.record(key_use, Outcome::of(done)).await?),
        }
    }

    /// Refuses what is asked for too often. Such refusals are counted and have no records of their own.
    fn refuse_too_many(
        &self,
        caller: &Caller,
        key_use: &KeyUse<'_>,
        counted: Result<(), TooMany>,
    ) -> Result<(), KeyringError> {
        counted.map_err(|error| {
            self.audit.count_refused(key_use);
            self.turn_away(caller.shared_name(), &error);
            error.into()
        })
    }

    /// Counts a request that does not get to a key for the audit, and tells the log of a few of a flood of them.
    pub(crate) fn turn_away(&self, caller: &Arc<str>, why: &(dyn Error + 'static)) {
        self.audit.count_turned_away(caller, why, self.limits.is_logged(caller));
    }

    async fn create_unrecorded(
        &self,
        caller: &Caller,
        algorithm: Algorithm,
        purpose: &Purpose,
    ) -> Result<PublicKey, KeyringError> {
        if let Some(role) = purpose.role.as_ref().filter(|role| !policy::is_served(role)) {
            return Err(KeyringError::RoleNotServed(role.clone()));
        }
        let key_type = KeyType::parse(algorithm.name());
        caller.rights().cover(&key_type, purpose).map_err(KeyringError::NotYoursToMake)?;
        let kind = self.backend.kind(algorithm, purpose)?;
        let _lane = self.lane(algorithm, purpose).await;
        if let Some(pending) = self.store.pending(purpose, &kind).await.map_err(KeyringError::CreationFailed)? {
            self.backend.prove(&pending).await?;
            return Ok(pending.key);
        }
        if matches!(kind, KeyKind::Software(_)) {
            self.look().await.into_result(Service::KeyManagement).map_err(|amiss| match amiss {
                NotReady::Store(error) => KeyringError::CreationFailed(error),
                amiss => KeyringError::NotReady(amiss),
            })?;
        }
        // on a token, what is made has signed before it comes here
        let record = self.backend.generate(algorithm, purpose).await?;
        match self.store.insert_unless_pending(&record, self.now()).await {
            Ok(None) => Ok(record.key),
            Ok(Some(of_another_signer)) => {
                self.backend.discard(&record).await;
                self.backend.prove(&of_another_signer).await?;
                Ok(of_another_signer.key)
            }
            Err(error) => {
                // it may have been stored when the store does not answer, and then its secret half must be there
                if !matches!(error, StoreError::Unavailable(_)) {
                    self.backend.discard(&record).await;
                }
                Err(KeyringError::CreationFailed(error))
            }
        }
    }

    async fn delete_unrecorded(&self, caller: &Caller, id: &KeyId) -> Result<(), KeyringError> {
        if caller.rights().are_restricted() {
            let Some(record) = self.store.find(id).await? else { return Ok(()) };
            let purpose = self.taken_roles.purpose(&record).await?;
            let covered = caller.rights().cover(record.key.key_type(), &purpose);
            covered.map_err(|source| KeyringError::NotYours { key: id.clone(), source })?;
        }
        let deleted = self.store.delete(id, self.now()).await;
        // also what a question that is under way has seen before
        self.records.forget(id);
        self.backend.forget(id);
        deleted.map(|_| ()).map_err(KeyringError::from)
    }

    async fn sign_unrecorded(
        &self,
        caller: &Caller,
        id: &KeyId,
        gun: Option<&Gun>,
        content: &[u8],
        known: &mut Known,
    ) -> Result<Signed, KeyringError> {
        let finding = self.records.find(id, self.now(), || self.store.find(id));
        let Some(record) = child("store.find", SpanKind::Internal, finding).await? else {
            // another process may have deleted it while it was held open here
            self.backend.forget(id);
            return Err(KeyringError::SigningKeyNotFound(id.clone()));
        };
        let purpose = self.taken_roles.purpose(&record).await?;
        known.purpose = Some(purpose.clone());
        note("bulla.key", || id.as_str());
        note("bulla.gun", || purpose.gun_text());
        note("bulla.role", || purpose.role_text());
        let not_yours = |source| KeyringError::NotYours { key: id.clone(), source };
        caller.rights().reach(record.key.key_type(), &purpose).map_err(not_yours)?;
        if let Some(since) = record.retired {
            return Err(KeyringError::Retired { key: id.clone(), since });
        }
        let refused = |reason| KeyringError::ContentRefused { key: id.clone(), reason };
        policy::may_sign_for(purpose.gun.as_ref(), gun).map_err(refused)?;
        let role = match policy::may_sign(purpose.role.as_ref(), content, self.now()) {
            Ok(document) => {
                known.version = Some(document.version.number().into());
                let of_document = Purpose { role: Some(document.role.clone()), ..purpose.clone() };
                caller.rights().cover(record.key.key_type(), &of_document).map_err(not_yours)?;
                Some(document.role)
            }
            Err(reason) if caller.rights().signs_any_document && reason.is_of_content() => {
                caller.rights().cover(record.key.key_type(), &purpose).map_err(not_yours)?;
                tracing::warn!(caller = caller.name(), key_id = %id, %reason, "signed, as the caller signs any document");
                None
            }
            Err(reason) => return Err(refused(reason)),
        };
        // who may not sign with a key does not keep its owner from it
        self.limits.count_signature(id)?;
        let signature = child("key.sign", SpanKind::Internal, self.backend.sign(&record, content)).await?;
        if let (None, Some(role)) = (purpose.role, role) {
            let taking = Taken { role: role.clone(), gun: gun.cloned() };
            // another signer, or another question, may have been first with another document
            let purpose = known.purpose.insert(self.taken_roles.take(&record, &taking, self.now()).await?);
            policy::may_sign_for(purpose.gun.as_ref(), gun).map_err(refused)?;
            policy::may_sign(purpose.role.as_ref(), content, self.now()).map_err(refused)?;
        }
        match record.last_used {
            None => {
                self.store.mark_used(&[(id.clone(), self.now())]).await?;
                // deleted since it was found, its row does not tell of the use, and goes with those that never signed
                if self.store.find(id).await?.is_none() {
                    self.backend.forget(id);
                    return Err(KeyringError::SigningKeyNotFound(id.clone()));
                }
            }
            Some(_) => self.uses.note(id, self.now()),
        }
        Ok(Signed { key: record.key.clone(), signature })
    }

    /// Of two calls for one purpose the second waits, and then finds the first one's key.
    async fn lane(&self, algorithm: Algorithm, purpose: &Purpose) -> Option<MutexGuard<'_, ()>> {
        let mut hasher = DefaultHasher::new();
        (algorithm, purpose).hash(&mut hasher);
        let index = usize::from(hasher.finish() as u8) % LANES;
        Some(self.creating.get(index)?.lock().await)
    }

    fn now(&self) -> UtcTime {
        self.clock.now()
    }
}

/// Does the work whether or not its caller waits for it: a client that goes away neither stops what has begun in the
/// middle nor takes it off the record.
async fn to_its_end<T: Send + 'static>(
    work: impl Future<Output = Result<T, KeyringError>> + Send + 'static,
) -> Result<T, KeyringError> {
    tokio::spawn(within(carried(), work)).await.unwrap_or_else(|_| Err(BackendError::Ended.into()))
}

#[cfg(test)]
mod tests;
