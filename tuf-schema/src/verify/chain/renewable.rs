//! What an update for renewal gives: metadata that is right but for its dates, to be signed anew and not to be used.

use std::collections::BTreeMap;

use super::{PassedOver, Skipped};
use crate::dialect::Document;
use crate::gun::Gun;
use crate::key::KeyId;
use crate::key::x509::{Expiry, leaf_for};
use crate::model::{Root, Snapshot, Targets, Timestamp};
use crate::role::{BaseRole, Role};
use crate::time::UtcTime;
use crate::verify::Verified;

/// Metadata that is what its keys signed and its parents list, whatever its dates.
///
/// It may be signed anew. Nothing that answers what an image's digest is takes it:
///
/// ```compile_fail,E0308
/// # fn misuse(renewable: tuf_schema::verify::chain::Renewable) {
/// let trusted: tuf_schema::verify::chain::Trusted = renewable;
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Renewable {
    pub(super) gun: Gun,
    pub(super) now: UtcTime,
    pub(super) root: Verified<Root>,
    pub(super) timestamp: Verified<Timestamp>,
    pub(super) snapshot: Verified<Snapshot>,
    pub(super) targets: BTreeMap<Role, Verified<Targets>>,
    pub(super) skipped: Vec<Skipped>,
    pub(super) passed_over: BTreeMap<Role, PassedOver>,
}

/// Something that has expired.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lapsed {
    /// A role's document.
    Document {
        /// The role.
        role: Role,
        /// Its date.
        expired: UtcTime,
    },
    /// The certificate of a root key: whoever has no older root refuses the root for it.
    RootCertificate {
        /// The key, by the id under which the root lists it.
        key: KeyId,
        /// The certificate's end.
        expired: UtcTime,
    },
}

impl Renewable {
    /// The repository.
    #[must_use]
    pub fn gun(&self) -> &Gun {
        &self.gun
    }

    /// The root.
    #[must_use]
    pub fn root(&self) -> &Verified<Root> {
        &self.root
    }

    /// The timestamp.
    #[must_use]
    pub fn timestamp(&self) -> &Verified<Timestamp> {
        &self.timestamp
    }

    /// The snapshot.
    #[must_use]
    pub fn snapshot(&self) -> &Verified<Snapshot> {
        &self.snapshot
    }

    /// The document of a targets role, if the role was published and enough of its keys signed.
    #[must_use]
    pub fn targets(&self, role: &Role) -> Option<&Verified<Targets>> {
        self.targets.get(role)
    }

    /// Every targets role that was published and that enough of its keys signed.
    pub fn all_targets(&self) -> impl Iterator<Item = (&Role, &Verified<Targets>)> {
        self.targets.iter()
    }

    /// Delegations that were passed over: too few of their keys signed.
    #[must_use]
    pub fn skipped(&self) -> &[Skipped] {
        &self.skipped
    }

    /// What the snapshot lists for a delegation that was passed over.
    #[must_use]
    pub fn passed_over(&self, role: &Role) -> Option<&PassedOver> {
        self.passed_over.get(role)
    }

    /// The root keys whose certificate fits the repository, by the id under which the root lists them, with the
    /// certificate's end.
    pub fn root_certificates(&self) -> impl Iterator<Item = (&KeyId, UtcTime)> {
        self.root.model().keys_of(BaseRole::Root).filter_map(|(id, key)| {
            let leaf = leaf_for(key, &self.gun, self.now, Expiry::Ignored).ok()?;
            Some((id, leaf.not_after()))
        })
    }

    /// What has expired: base roles in the order in which they are read, root certificates after the root, then
    /// delegations by name.
    #[must_use]
    pub fn lapsed(&self) -> Vec<Lapsed> {
        let mut lapsed = Vec::new();
        lapsed.extend(self.document(&self.root));
        let ended = self.root_certificates().filter(|(_, end)| *end < self.now);
        lapsed.extend(ended.map(|(key, expired)| Lapsed::RootCertificate { key: key.clone(), expired }));
        lapsed.extend(self.document(&self.timestamp));
        lapsed.extend(self.document(&self.snapshot));
        lapsed.extend(self.targets.values().filter_map(|targets| self.document(targets)));
        lapsed
    }

    fn document<M: Document>(&self, document: &Verified<M>) -> Option<Lapsed> {
        let expired = document.model().expires();
        let is_past = document.check_fresh(self.now).is_err();
        is_past.then(|| Lapsed::Document { role: document.role().clone(), expired })
    }
}
