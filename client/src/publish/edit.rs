//! The next documents of a repository that exists.

use tuf_schema::model::{DelegatedRole, Delegations, FileMeta, Snapshot, Target, Targets};
use tuf_schema::verify::Authority;
use tuf_schema::verify::chain::Trusted;
use tuf_schema::version::Version;
use tuf_schema::{BaseRole, Role};

use super::draft::TARGETS_LIFETIME_SECONDS;
use super::{Part, PublishError, Publisher, RootNotice};
use crate::image::Tag;
use crate::keys::StoredKey;

impl Publisher<'_> {
    /// The parts of an upload that adds `target`; none when every role to be signed lists it already and the root does
    /// not end soon.
    pub(super) fn edit(
        &mut self,
        trusted: &Trusted,
        tag: &Tag,
        target: &Target,
        anchored: bool,
    ) -> Result<(Vec<Part>, Vec<RootNotice>), PublishError> {
        let stored = self.keys.list()?;
        let mut parts = Vec::new();
        for (role, authority) in self.roles_to_sign(trusted, tag, &stored)? {
            if let Some(next) = self.next_targets(trusted, &role, tag, target)? {
                parts.push(self.sign_with(&next, &authority, &stored)?);
            }
        }
        let (root, notices) = self.renew(trusted.root(), &stored, anchored);
        parts.extend(root);
        let snapshot = Authority::of_base(trusted.root().model(), BaseRole::Snapshot);
        if !parts.is_empty() && self.holds_any(&stored, &snapshot) {
            let next = self.next_snapshot(trusted.snapshot().model(), &parts)?;
            parts.push(self.sign_with(&next, &snapshot, &stored)?);
        }
        Ok((parts, notices))
    }

    /// The next document of a role, or `None` if it lists the target already.
    fn next_targets(
        &self,
        trusted: &Trusted,
        role: &Role,
        tag: &Tag,
        target: &Target,
    ) -> Result<Option<Targets>, PublishError> {
        if let Some(skipped) = trusted.skipped().iter().find(|skipped| &skipped.role == role) {
            return Err(PublishError::Unreadable { role: role.clone(), why: skipped.why.clone() });
        }
        let expires = self.now.plus_seconds(TARGETS_LIFETIME_SECONDS);
        let mut next = match trusted.targets(role) {
            Some(current) => {
                let current = current.model();
                let same = |listed: &Target| listed.length == target.length && listed.digests == target.digests;
                if current.targets.get(tag.as_str()).is_some_and(same) {
                    return Ok(None);
                }
                let version = next_version(current.version, role)?;
                Targets { version, expires, ..current.clone() }
            }
            None => Targets {
                version: Version::FIRST,
                expires,
                targets: std::collections::BTreeMap::new(),
                delegations: Delegations::default(),
            },
        };
        next.targets.insert(tag.as_str().to_owned(), target.clone());
        Ok(Some(next))
    }

    fn next_snapshot(&self, current: &Snapshot, parts: &[Part]) -> Result<Snapshot, PublishError> {
        let mut next = Snapshot {
            version: next_version(current.version, &Role::Snapshot)?,
            expires: self.now.plus_seconds(TARGETS_LIFETIME_SECONDS),
            meta: current.meta.clone(),
        };
        next.meta.extend(parts.iter().map(|part| (part.role.clone(), FileMeta::of(&part.bytes))));
        Ok(next)
    }

    /// Docker's choice: `targets` when nothing is delegated, else every delegation right below it that may list the tag
    /// and whose key is here.
    fn roles_to_sign(
        &self,
        trusted: &Trusted,
        tag: &Tag,
        stored: &[StoredKey],
    ) -> Result<Vec<(Role, Authority)>, PublishError> {
        let root = trusted.root().model();
        let delegations = trusted.targets(&Role::Targets).map(|targets| &targets.model().delegations);
        let Some(delegations) = delegations.filter(|d| !d.roles.is_empty()) else {
            return Ok(vec![(Role::Targets, Authority::of_base(root, BaseRole::Targets))]);
        };
        let ours = |role: &&DelegatedRole| {
            let mut keys = role.key_ids.iter().filter_map(|id| delegations.keys.get(id));
            let name = Role::Delegation(role.name.clone());
            role.allows(tag.as_str()) && keys.any(|key| self.held(stored, &name, key).is_some())
        };
        let parent = trusted.targets(&Role::Targets).map(|targets| targets.model());
        let authority = |role: &DelegatedRole| {
            let authority = parent.and_then(|parent| Authority::of_delegation(parent, &role.name))?;
            Some((Role::Delegation(role.name.clone()), authority))
        };
        let roles: Vec<_> = delegations.roles.iter().filter(ours).filter_map(authority).collect();
        if roles.is_empty() { Err(PublishError::NoDelegationKey) } else { Ok(roles) }
    }
}

pub(super) fn next_version(current: Version, role: &Role) -> Result<Version, PublishError> {
    current.next().ok_or_else(|| PublishError::VersionsExhausted(role.clone()))
}
