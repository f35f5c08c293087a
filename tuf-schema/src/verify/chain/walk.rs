//! The walk over the targets roles: `targets`, then its delegations, depth first in the order of the files.

use bytes::Bytes;

use super::{Answer, Chain, ChainError, PassedOver, Skipped, State, Unsigned, decode};
use crate::dialect::Dialect;
use crate::envelope::{Envelope, Unverified};
use crate::model::{FileMeta, FileMismatch, Snapshot, Targets};
use crate::role::{BaseRole, Role};
use crate::verify::limits::MAX_DELEGATED_ROLES;
use crate::verify::{Authority, Floor, StaleError, Verified};
use crate::version::Version;

/// A targets role that is to be visited, with those who may sign it and what the snapshot lists for it: nothing any
/// more, if only the cached one lists it.
#[derive(Debug, Clone)]
pub(super) struct Pending {
    pub(super) role: Role,
    authority: Authority,
    listed: Option<FileMeta>,
}

impl Pending {
    /// The version of a cached document, if those who may sign the role signed it and it is not at or below `known`: then
    /// it would say nothing new, and neither its signatures nor its content, which may be large, are looked at.
    fn signed_version(&self, cached: Bytes, known: Option<Version>) -> Option<Version> {
        let is_known = |known: Version| {
            Dialect::Notary.glance(&cached).is_some_and(|claimed| claimed <= i64::from(known.number()))
        };
        if known.is_some_and(is_known) {
            return None;
        }
        let document = Envelope::parse(Dialect::Notary, cached).ok()?.decode::<Targets>(self.role.clone()).ok()?;
        document.verify(&self.authority).ok().map(|document| document.model().version)
    }
}

impl Chain {
    /// Holds the trusted root against the snapshot and goes on to `targets`.
    pub(super) fn enter(&mut self, snapshot: Verified<Snapshot>) -> Result<(), ChainError> {
        let root = self.trusted_root()?;
        let listed_root = snapshot.model().meta.get(&Role::Root).ok_or(ChainError::Unlisted(Role::Root))?;
        root.check_listed(Floor { version: None, listed: Some(listed_root) })?;
        let listed = snapshot.model().meta.get(&Role::Targets).ok_or(ChainError::Unlisted(Role::Targets))?.clone();
        let authority = Authority::of_base(root.model(), BaseRole::Targets);
        self.snapshot = Some(snapshot);
        self.targets.clear();
        self.skipped.clear();
        self.passed_over.clear();
        self.pending = vec![Pending { role: Role::Targets, authority, listed: Some(listed) }];
        self.visited = 0;
        self.visit_next();
        Ok(())
    }

    fn visit_next(&mut self) {
        self.state = match self.pending.pop() {
            Some(visit) => State::CachedTargets { visit },
            None => State::Done,
        };
    }

    pub(super) fn cached_targets(&mut self, answer: Answer, visit: Pending) -> Result<(), ChainError> {
        let bytes = match answer {
            Answer::Bytes(bytes) => Some(bytes),
            Answer::Absent | Answer::Unreachable => None,
        };
        if let (Some(listed), Some(bytes)) = (&visit.listed, &bytes)
            && let is_listed @ Ok(()) = listed.check(bytes)
        {
            let document = decode(&visit.role, bytes.clone());
            let outcome = document.and_then(|document| self.targets(&visit, document, is_listed, None));
            return self.settle(visit, outcome, false);
        }
        if let Some(listed) = visit.listed.clone() {
            self.state = State::Targets { visit, listed, cached: bytes };
            return Ok(());
        }
        match bytes.and_then(|bytes| visit.signed_version(bytes, None)) {
            // Delegated as ever, to keys that signed it before: whoever leaves it out would have it forgotten.
            Some(_) => Err(ChainError::Unlisted(visit.role)),
            None => {
                self.visit_next();
                Ok(())
            }
        }
    }

    /// `is_listed` is what came of holding `document` against the snapshot, done once: it may be large. `cached` is another
    /// one, which gives the floor.
    pub(super) fn targets(
        &mut self,
        visit: &Pending,
        document: Unverified<Targets>,
        is_listed: Result<(), FileMismatch>,
        cached: Option<Bytes>,
    ) -> Result<Verified<Targets>, ChainError> {
        let document = match document.verify_or_return(&visit.authority) {
            Ok(document) => document,
            Err(refused) => {
                let (document, source) = *refused;
                let unsigned = Unsigned::listed(document, &is_listed);
                self.passed_over.extend(unsigned.map(|u| (visit.role.clone(), PassedOver::UnderSigned(u))));
                return Err(ChainError::Signature { role: visit.role.clone(), source });
            }
        };
        is_listed.map_err(|mismatch| StaleError::Unlisted { role: visit.role.clone(), mismatch })?;
        let version = cached.and_then(|cached| visit.signed_version(cached, Some(document.model().version)));
        document.check_listed(Floor { version, listed: None })?;
        if let Err(e) = self.check_date(&document) {
            self.passed_over.insert(visit.role.clone(), PassedOver::Expired(document));
            return Err(e.into());
        }
        Ok(document)
    }

    /// Takes a visited role in, or passes over a delegation that is expired or under-signed (as the reference does);
    /// anything else ends the update, or for `targets` leads to a newer root.
    pub(super) fn settle(
        &mut self,
        visit: Pending,
        outcome: Result<Verified<Targets>, ChainError>,
        was_fetched: bool,
    ) -> Result<(), ChainError> {
        match outcome {
            Ok(targets) => {
                if was_fetched {
                    self.fetched.insert(visit.role.clone());
                }
                self.delegate(targets.model())?;
                self.targets.insert(visit.role, targets);
            }
            Err(e) if visit.role == Role::Targets => return self.stumble(e),
            Err(why @ (ChainError::Signature { .. } | ChainError::Stale(StaleError::Expired { .. }))) => {
                self.skipped.push(Skipped { role: visit.role, why });
            }
            Err(e) => return Err(e),
        }
        self.visit_next();
        Ok(())
    }

    /// Puts the delegations of a role before all that is still to be visited, in the order of the file. A delegation
    /// that neither the snapshot nor the cached one lists was never published, and is passed over.
    fn delegate(&mut self, parent: &Targets) -> Result<(), ChainError> {
        let Some(snapshot) = &self.snapshot else { return Err(ChainError::Unlisted(Role::Snapshot)) };
        for delegated in parent.delegations.roles.iter().rev() {
            let role = Role::Delegation(delegated.name.clone());
            let listed = snapshot.model().meta.get(&role).cloned();
            if listed.is_none() && !self.known.contains(&role) {
                continue;
            }
            let Some(authority) = Authority::of_delegation(parent, &delegated.name) else { continue };
            self.visited = self.visited.saturating_add(1);
            if self.visited > MAX_DELEGATED_ROLES {
                return Err(ChainError::TooManyRoles);
            }
            self.pending.push(Pending { role, authority, listed });
        }
        Ok(())
    }
}
