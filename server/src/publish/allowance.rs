//! How much one upload may hold: the numbers that an operator may lower.

use tuf_schema::dialect::Document;
use tuf_schema::envelope::MAX_SIGNATURES;

use super::parts::{Part, Parts};
use super::{MAX_SNAPSHOT_ROLES, PublishError, Violation};

/// What a publish may be. The default is also the most: parsers, snapshots and signers are made for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PublishLimits {
    /// `version_step`: how far a version may be above the newest stored one (above 0 when none is stored).
    /// Default 10 000; may be set higher.
    pub version_step: u32,
    /// `signatures`: the number of signatures of one document. Default 256.
    pub signatures: usize,
    /// `delegations`: the number of roles that one document delegates to. Default 4000.
    pub delegations: usize,
    /// `snapshot_roles`: the number of roles of one repository, as its snapshot lists them. Default 4000.
    pub snapshot_roles: usize,
}

impl Default for PublishLimits {
    fn default() -> Self {
        Self {
            version_step: 10_000,
            signatures: MAX_SIGNATURES,
            delegations: MAX_SNAPSHOT_ROLES,
            snapshot_roles: MAX_SNAPSHOT_ROLES,
        }
    }
}

impl PublishLimits {
    /// Counts what was parsed; nothing of it is believed yet.
    pub(super) fn check(&self, parts: &Parts) -> Result<(), PublishError> {
        if let Some(root) = &parts.root {
            self.check_signatures(root).map_err(PublishError::BadRoot)?;
        }
        for targets in &parts.targets {
            self.check_signatures(targets).map_err(PublishError::BadTargets)?;
            let delegations = targets.document.as_ref().map_or(0, |document| document.claims().delegations.roles.len());
            if delegations > self.delegations {
                let (role, limit) = (targets.role.clone(), self.delegations);
                return Err(PublishError::BadTargets(Violation::TooManyDelegations { role, delegations, limit }));
            }
        }
        if let Some(snapshot) = &parts.snapshot {
            self.check_signatures(snapshot).map_err(PublishError::BadSnapshot)?;
            let roles = snapshot.document.as_ref().map_or(0, |document| document.claims().meta.len());
            self.check_roles(roles, 0).map_err(PublishError::BadSnapshot)?;
        }
        Ok(())
    }

    /// Whether a snapshot may list so many roles. A repository that has more already can still be published to.
    pub(super) fn check_roles(&self, roles: usize, before: usize) -> Result<(), Violation> {
        if roles <= self.snapshot_roles.max(before) {
            return Ok(());
        }
        Err(Violation::TooManyRoles { roles, limit: self.snapshot_roles })
    }

    fn check_signatures<M: Document>(&self, part: &Part<M>) -> Result<(), Violation> {
        let signatures = part.document.as_ref().map_or(0, |document| document.signatures().len());
        if signatures <= self.signatures {
            return Ok(());
        }
        Err(Violation::TooManySignatures { role: part.role.clone(), signatures, limit: self.signatures })
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use bytes::Bytes;
    use tuf_schema::model::{DelegatedRole, Delegations, FileMeta, Snapshot, Targets};
    use tuf_schema::sign::SigningKey;
    use tuf_schema::testing::{secret_key, signed};
    use tuf_schema::{Role, UtcTime, Version};

    use super::*;
    use crate::publish::{Upload, UploadPart};

    fn expires() -> UtcTime {
        UtcTime::parse("2026-11-21T21:05:00Z").unwrap()
    }

    fn targets(delegations: usize) -> Targets {
        let role = |number| match Role::parse(&format!("targets/{number}")) {
            Ok(Role::Delegation(name)) => {
                DelegatedRole { name, key_ids: Vec::new(), threshold: NonZeroU32::MIN, paths: Vec::new() }
            }
            other => panic!("{other:?}"),
        };
        let delegations = Delegations { roles: (0..delegations).map(role).collect(), ..Delegations::default() };
        Targets { version: Version::FIRST, expires: expires(), targets: [].into(), delegations }
    }

    fn snapshot(roles: usize) -> Snapshot {
        let name = |number| Role::parse(&format!("targets/{number}")).unwrap();
        let meta = (2..roles).map(name).chain([Role::Root, Role::Targets]).map(|role| (role, FileMeta::of(b"x")));
        Snapshot { version: Version::FIRST, expires: expires(), meta: meta.collect() }
    }

    fn refusal(role: Role, bytes: Bytes, limits: PublishLimits) -> Option<Violation> {
        let parts = Parts::parse(&Upload { parts: vec![UploadPart { role: role.clone(), bytes }] }).unwrap();
        match (limits.check(&parts), role) {
            (Ok(()), _) => None,
            (Err(PublishError::BadTargets(violation)), Role::Targets)
            | (Err(PublishError::BadSnapshot(violation)), Role::Snapshot) => Some(violation),
            (Err(other), role) => panic!("{role}: {other}"),
        }
    }

    #[test]
    fn a_document_bears_as_many_signatures_as_configured_and_not_one_more() {
        let limits = PublishLimits { signatures: 2, ..PublishLimits::default() };
        let keys = [secret_key(), secret_key(), secret_key()];
        let by = |count: usize| {
            let keys: Vec<&dyn SigningKey> = keys.iter().take(count).map(|key| key as _).collect();
            signed(&targets(0), &keys)
        };
        assert_eq!(refusal(Role::Targets, by(2), limits), None);
        let too_many = Violation::TooManySignatures { role: Role::Targets, signatures: 3, limit: 2 };
        assert_eq!(too_many.to_string(), "the targets has 3 signatures and at most 2 are allowed");
        assert_eq!(refusal(Role::Targets, by(3), limits), Some(too_many));
    }

    #[test]
    fn a_document_delegates_to_as_many_roles_as_configured_and_not_one_more() {
        let limits = PublishLimits { delegations: 3, ..PublishLimits::default() };
        let to = |count| signed(&targets(count), &[&secret_key()]);
        assert_eq!(refusal(Role::Targets, to(3), limits), None);
        let too_many = Violation::TooManyDelegations { role: Role::Targets, delegations: 4, limit: 3 };
        assert_eq!(too_many.to_string(), "targets delegates to 4 roles and at most 3 are allowed");
        assert_eq!(refusal(Role::Targets, to(4), limits), Some(too_many));
        let default = PublishLimits::default();
        assert_eq!(refusal(Role::Targets, to(4000), default), None);
        assert!(refusal(Role::Targets, to(4001), default).is_some());
    }

    #[test]
    fn a_repository_has_as_many_roles_as_configured_and_not_one_more() {
        let limits = PublishLimits { snapshot_roles: 5, ..PublishLimits::default() };
        let of = |count| signed(&snapshot(count), &[&secret_key()]);
        assert_eq!(refusal(Role::Snapshot, of(5), limits), None);
        let too_many = Violation::TooManyRoles { roles: 6, limit: 5 };
        assert_eq!(refusal(Role::Snapshot, of(6), limits), Some(too_many.clone()));
        assert_eq!(limits.check_roles(6, 6), Ok(()), "what is there already can be published again");
        assert_eq!(limits.check_roles(6, 5), Err(too_many));
    }
}
