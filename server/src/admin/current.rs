//! What clients read now: timestamp, snapshot, and every file that the snapshot lists, each held against the one above.

use std::collections::{BTreeMap, BTreeSet};

use tuf_schema::dialect::Document;
use tuf_schema::key::x509::Expiry;
use tuf_schema::model::{FileMeta, Root, Snapshot, Targets, Timestamp};
use tuf_schema::verify::{Authority, StaleError, Verified, trust_first};
use tuf_schema::{BaseRole, Dialect, Envelope, Gun, Role, Sha256, UtcTime, Version};

use super::finding::{Finding, Next, Trouble};
use crate::store::{MetadataStore, Newest, StoreError, Stored};

/// Whether the signer holds the snapshot key: it decides who can mend a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SnapshotHand {
    /// The server signs snapshots.
    Ours,
    /// The publisher does.
    Publishers,
    /// Nobody could be asked.
    Unknown,
}

/// Reads what is current of one repository.
pub(super) struct CurrentState<'a> {
    pub(super) store: &'a dyn MetadataStore,
    pub(super) gun: &'a Gun,
    pub(super) newest: &'a Newest,
    pub(super) hand: SnapshotHand,
    pub(super) now: UtcTime,
    pub(super) findings: Vec<Finding>,
}

impl CurrentState<'_> {
    /// Walks down from the newest root and timestamp.
    ///
    /// # Errors
    /// The store's, when it does not answer; what it holds is a finding.
    pub(super) async fn examine(&mut self) -> Result<(), StoreError> {
        let Some(root) = self.root() else { return Ok(()) };
        let Some(timestamp) = self.newest.timestamp.clone() else {
            self.note(&Role::Timestamp, None, Trouble::NoFile, self.resigning(&Role::Timestamp));
            return Ok(());
        };
        let authority = Authority::of_base(root.model(), BaseRole::Timestamp);
        let timestamp = self.verified::<Timestamp>(&Role::Timestamp, &timestamp, &authority);
        let Some(timestamp) = timestamp else { return Ok(()) };
        let listed = timestamp.model().snapshot.clone();
        let Some(snapshot) = self.listed(&Role::Timestamp, &Role::Snapshot, &listed, true).await? else {
            return Ok(());
        };
        let authority = Authority::of_base(root.model(), BaseRole::Snapshot);
        let Some(snapshot) = self.verified::<Snapshot>(&Role::Snapshot, &snapshot, &authority) else { return Ok(()) };
        self.files_of(&snapshot, &root).await
    }

    /// The newest root, believed by itself as every reader and publish of the server does.
    fn root(&mut self) -> Option<Verified<Root>> {
        let Some(stored) = self.newest.root.clone() else {
            self.note(&Role::Root, None, Trouble::NoRoot, Next::Restore);
            return None;
        };
        let envelope = self.envelope::<Root>(&Role::Root, &stored)?;
        // What is wrong with the root itself was told when its row was looked at.
        let root = envelope.decode(Role::Root).ok()?;
        let root = trust_first(root, self.gun, self.now, Expiry::Ignored).ok()?;
        self.check_date(&root, stored.version);
        Some(root)
    }

    /// Every file that the snapshot lists, from the top down, so that whoever declares a role is known before it.
    async fn files_of(&mut self, snapshot: &Verified<Snapshot>, root: &Verified<Root>) -> Result<(), StoreError> {
        let mut entries: Vec<(&Role, &FileMeta)> = snapshot.model().meta.iter().collect();
        entries.sort_by_key(|(role, _)| role.depth());
        let mut authorities = BTreeMap::from([(Role::Targets, Authority::of_base(root.model(), BaseRole::Targets))]);
        for (role, listed) in entries {
            let authority = authorities.remove(role);
            let is_read = authority.is_some() || *role == Role::Root;
            let Some(stored) = self.listed(&Role::Snapshot, role, listed, is_read).await? else { continue };
            // Nobody declares it any more: it is listed and read by nobody.
            let Some(authority) = authority else { continue };
            let Some(targets) = self.verified::<Targets>(role, &stored, &authority) else { continue };
            for delegated in &targets.model().delegations.roles {
                if let Some(authority) = Authority::of_delegation(targets.model(), &delegated.name) {
                    authorities.insert(Role::Delegation(delegated.name.clone()), authority);
                }
            }
        }
        Ok(())
    }

    /// The file that `by` lists for `role`, if it is there and is what is listed. `is_read`: clients come to it.
    async fn listed(
        &mut self,
        by: &Role,
        role: &Role,
        listed: &FileMeta,
        is_read: bool,
    ) -> Result<Option<Stored>, StoreError> {
        let (gun, next) = (self.gun, self.resigning(by));
        let newest = self.store.newest_of(gun, &BTreeSet::from([role.clone()])).await?.remove(role);
        // Decoding demands a SHA-256 of every role.
        let Some(sha256) = listed.digests.sha256() else { return Ok(None) };
        let stored = match self.store.by_sha256(gun, role, &sha256).await {
            Ok(stored) => stored,
            // The row itself was told when it was looked at.
            Err(StoreError::Corrupt { .. }) => None,
            Err(error) => return Err(error),
        };
        let Some(stored) = stored else {
            if is_read {
                let next = match (&newest, next) {
                    (None, _) => Next::Restore,
                    (Some((newest, _)), Next::Repair) => Next::RestoreOrRepair(*newest),
                    (Some(_), next) => next,
                };
                let trouble = Trouble::PointsToNothing { by: by.clone(), listed: sha256, newest };
                self.note(role, None, trouble, next);
            }
            return Ok(None);
        };
        if let Err(mismatch) = listed.check(&stored.bytes) {
            self.note(role, Some(stored.version.number().into()), Trouble::Differs { by: by.clone(), mismatch }, next);
            return Ok(None);
        }
        self.check_newest(by, role, &stored, newest, next);
        Ok(Some(stored))
    }

    /// Whether what is listed is the newest there is.
    fn check_newest(&mut self, by: &Role, role: &Role, stored: &Stored, newest: Option<(Version, Sha256)>, next: Next) {
        let Some((newest, _)) = newest.filter(|(newest, _)| *newest > stored.version) else { return };
        let listed = stored.version;
        let trouble = match (self.hand, role) {
            (SnapshotHand::Publishers | SnapshotHand::Unknown, Role::Targets | Role::Delegation(_)) => {
                Trouble::OlderListed { listed }
            }
            _ => Trouble::NotListed { by: by.clone(), listed },
        };
        self.note(role, Some(newest.number().into()), trouble, next);
    }

    /// The document in force, believed under `authority`.
    fn verified<M: Document>(&mut self, role: &Role, stored: &Stored, authority: &Authority) -> Option<Verified<M>> {
        let envelope = self.envelope::<M>(role, stored)?;
        let document = match envelope.decode::<M>(role.clone()) {
            Ok(document) => document,
            Err(error) => {
                self.at(role, stored, Trouble::NoMeaning(error));
                return None;
            }
        };
        match document.verify(authority) {
            Ok(verified) => {
                self.check_date(&verified, stored.version);
                Some(verified)
            }
            Err(error) => {
                let is_delegation = matches!(role, Role::Delegation(_));
                let trouble = if is_delegation { Trouble::PassedOver(error) } else { Trouble::NotSigned(error) };
                self.at(role, stored, trouble);
                None
            }
        }
    }

    /// The document as it came, with a note if the reference would write it differently.
    fn envelope<M: Document>(&mut self, role: &Role, stored: &Stored) -> Option<Envelope> {
        let envelope = match Envelope::parse(Dialect::Notary, stored.bytes.clone()) {
            Ok(envelope) => envelope,
            Err(error) => {
                self.at(role, stored, Trouble::NoDocument(error));
                return None;
            }
        };
        if !envelope.is_reference_encoding::<M>() {
            self.note(role, Some(stored.version.number().into()), Trouble::OtherEncoding, Next::BeforeGoingBack);
        }
        Some(envelope)
    }

    fn check_date<M: Document>(&mut self, document: &Verified<M>, version: Version) {
        let Err(StaleError::Expired { role, expired }) = document.check_fresh(self.now) else { return };
        let next = match (&role, self.hand) {
            (Role::Timestamp, _) | (Role::Snapshot, SnapshotHand::Ours) => Next::Nothing,
            (Role::Snapshot, SnapshotHand::Unknown) => Next::AskSigner,
            (Role::Snapshot, SnapshotHand::Publishers) => Next::PublisherSigns,
            (Role::Root | Role::Targets | Role::Delegation(_), _) => Next::PublisherOfRole,
        };
        self.note(&role, Some(version.number().into()), Trouble::Expired(expired), next);
    }

    /// A trouble of a stored file that is in force.
    fn at(&mut self, role: &Role, stored: &Stored, trouble: Trouble) {
        let next = match role {
            Role::Timestamp | Role::Snapshot => self.resigning(role),
            Role::Root | Role::Targets | Role::Delegation(_) => Next::PublisherOfRole,
        };
        self.note(role, Some(stored.version.number().into()), trouble, next);
    }

    fn note(&mut self, role: &Role, version: Option<i64>, trouble: Trouble, next: Next) {
        let finding = Finding { gun: self.gun.to_string(), role: role.as_str().to_owned(), version, trouble, next };
        self.findings.push(finding);
    }

    /// Who can sign `role`, which is snapshot or timestamp, anew.
    fn resigning(&self, role: &Role) -> Next {
        match (self.hand, role) {
            (SnapshotHand::Unknown, _) => Next::AskSigner,
            (SnapshotHand::Ours, _) | (SnapshotHand::Publishers, Role::Timestamp) => Next::Repair,
            (SnapshotHand::Publishers, _) => Next::PublisherSigns,
        }
    }
}
