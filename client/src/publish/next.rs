//! The documents that follow what is published: the next version, a new date, and what a session of several signers
//! has put in their place.

use bytes::Bytes;
use tuf_schema::Role;
use tuf_schema::model::{FileMeta, Root, Snapshot, Targets};
use tuf_schema::verify::Verified;
use tuf_schema::version::Version;

use super::working::{Origin, ROOT_LIFETIME_SECONDS, TARGETS_LIFETIME_SECONDS};
use super::{EditError, Working};
use crate::remote::Part;

impl Working {
    /// The root as it is to be signed.
    pub(crate) fn next_root(&self) -> Result<Root, EditError> {
        let mut root = self.root().clone();
        root.version = self.next_version(&Role::Root)?;
        root.expires = self.now().plus_seconds(ROOT_LIFETIME_SECONDS);
        Ok(root)
    }

    /// Takes out the document of a targets role as it is to be signed, if it has one: it may be large.
    pub(crate) fn take_next_targets(&mut self, role: &Role) -> Result<Option<Targets>, EditError> {
        if self.targets(role).is_none() {
            return Ok(None);
        }
        let (version, expires) = (self.next_version(role)?, self.now().plus_seconds(TARGETS_LIFETIME_SECONDS));
        Ok(self.targets.remove(role).map(|document| Targets { version, expires, ..document }))
    }

    /// The snapshot that lists `parts` and all that stays.
    pub(super) fn next_snapshot(&self, parts: &[Part]) -> Result<Snapshot, EditError> {
        let mut meta = self.snapshot.as_ref().map(|snapshot| snapshot.meta.clone()).unwrap_or_default();
        meta.retain(|role, _| !self.removed().contains(role));
        meta.extend(parts.iter().map(|part| (part.role.clone(), FileMeta::of(&part.bytes))));
        let expires = self.now().plus_seconds(TARGETS_LIFETIME_SECONDS);
        Ok(Snapshot { version: self.next_version(&Role::Snapshot)?, expires, meta })
    }

    /// The root that the trust server has.
    pub(crate) fn published_root(&self) -> Option<&Verified<Root>> {
        match &self.origin {
            Origin::Published(root) => Some(root),
            Origin::Begun(_) | Origin::New => None,
        }
    }

    /// The version and the bytes that the trust server has of root or of a targets role; of a delegation that does not
    /// count what the snapshot lists for it.
    pub(crate) fn published_as(&self, role: &Role) -> Option<(Version, &Bytes)> {
        if *role == Role::Root {
            return self.published_root().map(|root| (root.model().version, root.raw()));
        }
        let passed_over = || self.passed_over(role).map(|listed| (listed.claims().version, listed.raw()));
        let came = self.targets(role).and_then(|document| Some((document.version, self.came(role)?)));
        came.or_else(passed_over)
    }

    /// Puts the documents that several people sign in the place of what is published, and takes out the delegations
    /// that they do not give any more.
    pub(crate) fn put<'a>(&mut self, root: Option<&Root>, targets: impl IntoIterator<Item = (&'a Role, &'a Targets)>) {
        if let Some(root) = root {
            *self.root_mut() = root.clone();
        }
        for (role, document) in targets {
            self.put_targets(role, document);
        }
        let given = |role: &Role| match role {
            Role::Delegation(name) => self.delegated(name).is_some(),
            Role::Root | Role::Targets | Role::Snapshot | Role::Timestamp => true,
        };
        let readable = self.all_targets().map(|(role, _)| role);
        let all = readable.chain(self.skipped().iter().map(|skipped| &skipped.role));
        let gone: Vec<_> = all.filter(|role| !given(role)).cloned().collect();
        for role in gone {
            if let Role::Delegation(name) = role {
                self.forget(&name);
            }
        }
    }
}
