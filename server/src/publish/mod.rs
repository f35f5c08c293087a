//! A publish: from uploaded parts to a validated update, and into the store.

use std::sync::Arc;

use bytes::Bytes;
use tuf_schema::Role;

use crate::auth::{Access, Push};
use crate::clock::Clock;
use crate::signer::RoleSigner;
use crate::store::MetadataStore;

mod error;
mod update;

pub use error::{PublishError, Violation};
pub use update::{NewFile, ValidatedUpdate};

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

/// What a publish may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PublishLimits {
    /// How far a version may be above the newest stored one (above 0 when none is stored).
    pub version_step: u32,
}

impl Default for PublishLimits {
    fn default() -> Self {
        Self { version_step: 10_000 }
    }
}

/// Validates uploads, makes what the server signs, and stores both.
pub struct Publisher {
    store: Arc<dyn MetadataStore>,
    signer: Arc<dyn RoleSigner>,
    clock: Arc<dyn Clock>,
    limits: PublishLimits,
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
        Self { store, signer, clock, limits }
    }

    /// Validates and stores `upload`, or stores nothing of it.
    ///
    /// # Errors
    /// [`PublishError`] says which rule is broken or what failed.
    pub async fn publish(&self, access: &Access<Push>, upload: Upload) -> Result<(), PublishError> {
        let _ = (&self.store, &self.signer, &self.clock, self.limits, access, upload);
        Err(PublishError::Validation(Violation::NoRoot))
    }
}
