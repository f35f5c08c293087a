//! A publish: from uploaded parts to a validated update, and into the store.

use std::sync::Arc;
use std::time::Duration;

use bulla_traces::{SpanKind, child};
use bytes::Bytes;
use tuf_schema::{Gun, Role};

use self::parts::Parts;
use self::regenerate::Maker;
use self::roots::TrustedRoots;
use self::validate::OutsidePaths;
use crate::auth::{Access, Admin, Push};
use crate::chance::{Chance, part_of};
use crate::clock::Clock;
use crate::gun_turns::GunTurns;
use crate::signer::RoleSigner;
use crate::store::{MetadataStore, Newest, StoreError};

mod allowance;
mod error;
pub(crate) mod listing;
pub(crate) mod load;
mod parts;
pub(crate) mod regenerate;
pub(crate) mod roots;
mod update;
mod validate;

#[cfg(test)]
mod tests;

pub use allowance::PublishLimits;
pub use error::{PublishError, Violation};
pub use update::{NewFile, Origin, ValidatedUpdate};

/// How often an upload is prepared when others publish at the same time.
///
/// Within a process they wait for each other, so that only as many race as there are replicas. Of five replicas with
/// twenty publishers each for one repository, none needed more than twelve attempts (simulated with the waits below).
const MAX_ATTEMPTS: u32 = 30;

/// Who lost a race waits a random part of this, doubled with each further loss, so that it does not lose to the same
/// rival again: about the time that a publish takes.
const FIRST_WAIT: Duration = Duration::from_millis(5);

/// No wait is longer.
const LONGEST_WAIT: Duration = Duration::from_millis(320);

/// The most roles that a snapshot may list. One is at most half a kilobyte of it, so that the snapshot stays below what
/// a signer takes at once (4 MiB), and a delegation cannot make its repository one that nobody can publish to.
pub(crate) const MAX_SNAPSHOT_ROLES: usize = 4_000;

/// How long an uploaded snapshot may be, in bytes. Reads of other roles need it parsed.
const MAX_SNAPSHOT_BYTES: usize = 4 * 1024 * 1024;

/// Uploads up to this size are worked on in place: moving them elsewhere would cost more.
const SMALL_UPLOAD_BYTES: usize = 256 * 1024;

/// How much of a target's name is written to the log.
const LOGGED_CHARACTERS: usize = 200;

/// One part of an upload.
#[derive(Debug, Clone)]
pub struct UploadPart {
    /// The role that the part's file name gives.
    pub role: Role,
    /// The part's content as it came.
    pub bytes: Bytes,
}

/// The parts of one request; no role occurs twice.
#[derive(Debug, Clone, Default)]
pub struct Upload {
    /// In order of arrival.
    pub parts: Vec<UploadPart>,
}

/// Validates uploads, makes what the server signs, and stores both.
pub struct Publisher {
    store: Arc<dyn MetadataStore>,
    signer: Arc<dyn RoleSigner>,
    clock: Arc<dyn Clock>,
    limits: PublishLimits,
    chance: Arc<dyn Chance>,
    turns: GunTurns,
    roots: TrustedRoots,
}

impl Publisher {
    /// Publishes into `store` what `signer` vouches for; `chance` keeps apart the replicas that race.
    #[must_use]
    pub fn new(
        store: Arc<dyn MetadataStore>,
        signer: Arc<dyn RoleSigner>,
        clock: Arc<dyn Clock>,
        limits: PublishLimits,
        chance: Arc<dyn Chance>,
    ) -> Self {
        Self { store, signer, clock, limits, chance, turns: GunTurns::default(), roots: TrustedRoots::new() }
    }

    /// Validates and stores `upload`, or stores nothing of it.
    ///
    /// # Errors
    /// [`PublishError`] says which rule is broken or what failed.
    pub async fn publish(&self, access: &Access<Push>, upload: Upload) -> Result<(), PublishError> {
        self.take_back(access.gun(), upload).await
    }

    /// The same for documents that were published before and that the database has lost. Nobody's access is asked for: this
    /// is for administration.
    ///
    /// # Errors
    /// The same.
    pub(crate) async fn take_back(&self, gun: &Gun, upload: Upload) -> Result<(), PublishError> {
        // Only this process's publishers wait here; against others the store decides.
        let _turn = child("publish.turn", SpanKind::Internal, self.turns.take(gun)).await;
        let mut lost = PublishError::Overtaken { role: Role::Timestamp, current: None };
        for attempt in 0..MAX_ATTEMPTS {
            self.wait(attempt).await;
            match self.attempt(gun, &upload).await {
                Err(PublishError::Store(StoreError::Conflict { role, current })) => {
                    tracing::debug!(%gun, %role, "somebody else published; preparing again");
                    lost = PublishError::Overtaken { role, current };
                }
                done => return done,
            }
        }
        // Others won again and again: nothing is wrong with the server.
        tracing::warn!(%gun, attempts = MAX_ATTEMPTS, "the repository changed each time an upload was prepared");
        Err(lost)
    }

    /// Judges, completes and stores the upload by one state of the repository; [`StoreError::Conflict`] when that state is
    /// gone and the upload is not to blame.
    async fn attempt(&self, gun: &Gun, upload: &Upload) -> Result<(), PublishError> {
        // Read before everything else: whatever changes later changes it as well.
        let newest = child("store.newest", SpanKind::Internal, self.store.newest(gun)).await?;
        let update = match self.prepare(gun, &newest, upload).await {
            Ok(update) => update,
            // Versions only rise, so it is stale whatever else changed.
            Err(stale @ PublishError::VersionConflict { .. }) => return Err(stale),
            Err(refusal) if refusal.is_refusal() => {
                let now = self.store.latest(gun, &Role::Timestamp).await?;
                let current = now.as_ref().map(|stored| stored.version);
                if now.map(|stored| stored.sha256) == newest.timestamp.map(|stored| stored.sha256) {
                    return Err(refusal);
                }
                // Judged by a mixture of two states.
                return Err(PublishError::Store(StoreError::Conflict { role: Role::Timestamp, current }));
            }
            Err(failure) => return Err(failure),
        };
        let is_uploaded = |role: &Role| upload.parts.iter().any(|part| part.role == *role && *role != Role::Timestamp);
        match child("store.commit", SpanKind::Internal, self.store.commit(&update)).await {
            Err(StoreError::Conflict { role, current }) if is_uploaded(&role) => {
                Err(PublishError::VersionConflict { role, current })
            }
            done => Ok(done?),
        }
    }

    /// Removes every file of a repository and says whether there was one.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn delete(&self, access: &Access<Admin>) -> Result<bool, StoreError> {
        let gun = access.gun();
        let _turn = self.turns.take(gun).await;
        for attempt in 1..MAX_ATTEMPTS {
            match self.store.delete(gun).await {
                // It does not matter what is deleted.
                Err(StoreError::Conflict { .. }) => self.wait(attempt).await,
                done => return done,
            }
        }
        self.store.delete(gun).await
    }

    /// Lets others end that this process does not know of, if some attempts were in vain.
    async fn wait(&self, attempts: u32) {
        if attempts > 0 {
            tokio::time::sleep(part_of(longest_wait(attempts), &*self.chance)).await;
        }
    }

    /// Judges the upload by what is stored now, and completes it with what the server signs.
    async fn prepare(&self, gun: &Gun, newest: &Newest, upload: &Upload) -> Result<ValidatedUpdate, PublishError> {
        let now = self.clock.now();
        let size = upload.parts.iter().map(|part| part.bytes.len()).sum();
        let parts = aside(size, {
            let upload = upload.clone();
            move || Parts::parse(&upload)
        });
        let parts = parts.await?;
        if newest.root.is_none() && parts.root.is_none() {
            return Err(PublishError::Validation(Violation::NoRoot));
        }
        let root = newest.root.as_ref().map(|stored| self.roots.believe(gun, stored, now)).transpose()?;
        let loading = load::load(&*self.store, gun, newest, root, &parts);
        let known = child("store.load", SpanKind::Internal, loading).await?;
        let judged = aside(size, {
            let (gun, limits) = (gun.clone(), self.limits);
            move || validate::validate(&gun, parts, &known, now, limits)
        });
        let accepted = judged.await?;
        for outside in &accepted.outside_paths {
            let OutsidePaths { role, count, example } = outside;
            let example: String = example.chars().take(LOGGED_CHARACTERS).collect();
            tracing::warn!(%gun, %role, count, ?example, "a delegation lists targets outside its paths; clients ignore them");
        }
        let root = accepted.root.clone();
        let maker = Maker { gun, root: root.model(), signer: &*self.signer, newest, now };
        maker.complete(accepted).await
    }
}

/// The longest wait after so many attempts in vain.
fn longest_wait(attempts: u32) -> Duration {
    let doubled = 2_u32.saturating_pow(attempts.saturating_sub(1));
    FIRST_WAIT.saturating_mul(doubled).min(LONGEST_WAIT)
}

/// Does work on an upload of `size` bytes where it does not hold up other requests.
pub(crate) async fn aside<T: Send + 'static>(size: usize, work: impl FnOnce() -> T + Send + 'static) -> T {
    if size <= SMALL_UPLOAD_BYTES {
        return work();
    }
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}
