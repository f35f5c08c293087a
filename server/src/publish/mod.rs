//! A publish: from uploaded parts to a validated update, and into the store.

use std::sync::Arc;

use bytes::Bytes;
use tuf_schema::{Gun, Role};

use self::parts::Parts;
use self::regenerate::Maker;
use self::roots::TrustedRoots;
use self::validate::OutsidePaths;
use crate::auth::{Access, Push};
use crate::clock::Clock;
use crate::gun_turns::GunTurns;
use crate::signer::RoleSigner;
use crate::store::{MetadataStore, Newest, StoreError};

mod allowance;
mod error;
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
const MAX_ATTEMPTS: u32 = 10;

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
    turns: GunTurns,
    roots: TrustedRoots,
}

impl Publisher {
    /// Publishes into `store` what `signer` vouches for.
    #[must_use]
    pub fn new(
        store: Arc<dyn MetadataStore>,
        signer: Arc<dyn RoleSigner>,
        clock: Arc<dyn Clock>,
        limits: PublishLimits,
    ) -> Self {
        Self { store, signer, clock, limits, turns: GunTurns::default(), roots: TrustedRoots::new() }
    }

    /// Validates and stores `upload`, or stores nothing of it.
    ///
    /// # Errors
    /// [`PublishError`] says which rule is broken or what failed.
    pub async fn publish(&self, access: &Access<Push>, upload: Upload) -> Result<(), PublishError> {
        let gun = access.gun();
        // Only this process's publishers wait here; against others the store decides.
        let _turn = self.turns.take(gun).await;
        let mut lost = PublishError::VersionConflict { role: Role::Timestamp, current: None };
        for _ in 0..MAX_ATTEMPTS {
            // Read before everything else: whatever changes later changes it as well.
            let newest = self.store.newest(gun).await?;
            let update = match self.prepare(gun, &newest, &upload).await {
                Ok(update) => update,
                Err(PublishError::Store(error)) => return Err(error.into()),
                Err(PublishError::Signer(error)) => return Err(error.into()),
                Err(refusal) => {
                    let now = self.store.latest(gun, &Role::Timestamp).await?;
                    let current = now.as_ref().map(|stored| stored.version);
                    if now.map(|stored| stored.sha256) == newest.timestamp.map(|stored| stored.sha256) {
                        return Err(refusal);
                    }
                    // Judged by a mixture of two states.
                    lost = PublishError::VersionConflict { role: Role::Timestamp, current };
                    continue;
                }
            };
            match self.store.commit(&update).await {
                Ok(()) => return Ok(()),
                Err(StoreError::Conflict { role, current }) => {
                    let uploaded = upload.parts.iter().any(|part| part.role == role && role != Role::Timestamp);
                    if uploaded {
                        return Err(PublishError::VersionConflict { role, current });
                    }
                    tracing::debug!(%gun, %role, "somebody else published; preparing again");
                    lost = PublishError::VersionConflict { role, current };
                }
                Err(error) => return Err(error.into()),
            }
        }
        // Others won again and again: nothing is wrong with the server.
        tracing::warn!(%gun, attempts = MAX_ATTEMPTS, "the repository changed each time an upload was prepared");
        Err(lost)
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
        let known = load::load(&*self.store, gun, newest, root, &parts).await?;
        let judged = aside(size, {
            let (gun, limits) = (gun.clone(), self.limits);
            move || (validate::validate(&gun, parts, &known, now, limits), known.newest)
        });
        let (accepted, versions) = judged.await;
        let accepted = accepted?;
        for outside in &accepted.outside_paths {
            let OutsidePaths { role, count, example } = outside;
            let example: String = example.chars().take(LOGGED_CHARACTERS).collect();
            tracing::warn!(%gun, %role, count, ?example, "a delegation lists targets outside its paths; clients ignore them");
        }
        let root = accepted.root.clone();
        let base = newest.timestamp.as_ref().map(|stored| stored.sha256);
        let maker = Maker { gun, root: root.model(), signer: &*self.signer, base, newest: &versions, now };
        maker.complete(accepted).await
    }
}

/// Does work on an upload of `size` bytes where it does not hold up other requests.
async fn aside<T: Send + 'static>(size: usize, work: impl FnOnce() -> T + Send + 'static) -> T {
    if size <= SMALL_UPLOAD_BYTES {
        return work();
    }
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}
