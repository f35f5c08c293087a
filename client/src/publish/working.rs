//! A repository's documents while they are edited: what was touched gets the next version and is signed.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use tuf_schema::model::{Delegations, Root, Snapshot, Targets};
use tuf_schema::verify::chain::{PassedOver, Renewable, Skipped, Trusted};
use tuf_schema::verify::{Authority, Verified};
use tuf_schema::version::Version;
use tuf_schema::{BaseRole, DelegationName, Dialect, Envelope, Gun, Role, UtcTime};

use super::{EditError, KeysAtHand};

/// How long a signed targets role or snapshot lasts: the reference's three years, in seconds.
pub(crate) const TARGETS_LIFETIME_SECONDS: i64 = 1095 * 24 * 60 * 60;
/// How long a root lasts: the reference's ten years, in seconds.
pub(crate) const ROOT_LIFETIME_SECONDS: i64 = 3650 * 24 * 60 * 60;

/// Copies of the documents of one repository that may be edited, and which of them were.
#[derive(Debug, Clone)]
pub struct Working {
    pub(super) origin: Origin,
    pub(super) root: Root,
    pub(super) targets: BTreeMap<Role, Targets>,
    pub(super) snapshot: Option<Snapshot>,
    pub(super) keys: KeysAtHand,
    touched: BTreeSet<Role>,
    /// Delegations whose first document this will be.
    begun: BTreeSet<Role>,
    removed: BTreeSet<Role>,
    skipped: Vec<Skipped>,
    /// What the snapshot lists for delegations that were passed over.
    passed_over: BTreeMap<Role, PassedOver>,
    /// In which version a delegation that was passed over counted when it was last kept here.
    kept: BTreeMap<Role, Version>,
    timestamp_ends: Option<UtcTime>,
    /// Root keys of long ago that sign the next root, too.
    pub(super) older_roots: Vec<Authority>,
    /// The documents that were read, as they came.
    came: BTreeMap<Role, Bytes>,
    gun: Gun,
    now: UtcTime,
}

/// Where the documents come from.
#[derive(Debug, Clone)]
pub(super) enum Origin {
    /// The trust server.
    Published(Verified<Root>),
    /// A first publish that was begun here and never reached the server: this root is sent as it is.
    Begun(Verified<Root>),
    /// Nowhere: the repository is made now.
    New,
}

impl Working {
    /// What is published.
    #[must_use]
    pub(super) fn published(trusted: &Trusted, gun: Gun, keys: KeysAtHand, now: UtcTime) -> Self {
        let targets: Vec<_> =
            trusted.walk().into_iter().map(|visible| (visible.role, visible.document.verified())).collect();
        let passed_over = |skipped: &Skipped| Some((skipped.role.clone(), trusted.passed_over(&skipped.role)?.clone()));
        Self {
            skipped: trusted.skipped().to_vec(),
            passed_over: trusted.skipped().iter().filter_map(passed_over).collect(),
            timestamp_ends: Some(trusted.timestamp().model().expires),
            ..Self::of(trusted.root().verified(), trusted.snapshot().model(), &targets, gun, keys, now)
        }
    }

    /// What is published and may have expired.
    #[must_use]
    pub(super) fn of_renewable(renewable: &Renewable, keys: KeysAtHand, now: UtcTime) -> Self {
        let targets: Vec<_> = renewable.all_targets().collect();
        let passed_over =
            |skipped: &Skipped| Some((skipped.role.clone(), renewable.passed_over(&skipped.role)?.clone()));
        let (root, snapshot) = (renewable.root(), renewable.snapshot().model());
        Self {
            skipped: renewable.skipped().to_vec(),
            passed_over: renewable.skipped().iter().filter_map(passed_over).collect(),
            timestamp_ends: Some(renewable.timestamp().model().expires),
            ..Self::of(root, snapshot, &targets, renewable.gun().clone(), keys, now)
        }
    }

    fn of(
        root: &Verified<Root>,
        snapshot: &Snapshot,
        targets: &[(&Role, &Verified<Targets>)],
        gun: Gun,
        keys: KeysAtHand,
        now: UtcTime,
    ) -> Self {
        Self {
            origin: Origin::Published(root.clone()),
            root: root.model().clone(),
            targets: targets.iter().map(|(role, document)| ((*role).clone(), document.model().clone())).collect(),
            snapshot: Some(snapshot.clone()),
            keys,
            touched: BTreeSet::new(),
            begun: BTreeSet::new(),
            removed: BTreeSet::new(),
            skipped: Vec::new(),
            passed_over: BTreeMap::new(),
            kept: BTreeMap::new(),
            timestamp_ends: None,
            older_roots: Vec::new(),
            came: targets.iter().map(|(role, document)| ((*role).clone(), document.raw().clone())).collect(),
            gun,
            now,
        }
    }

    /// What a first publish begins with: this root, and `targets` of the version before the first to be sent.
    #[must_use]
    pub(super) fn first(
        origin: Origin,
        root: Root,
        targets: Targets,
        gun: Gun,
        keys: KeysAtHand,
        now: UtcTime,
    ) -> Self {
        let mut touched = BTreeSet::from([Role::Targets]);
        if matches!(origin, Origin::New) {
            touched.insert(Role::Root);
        }
        Self {
            origin,
            root,
            targets: BTreeMap::from([(Role::Targets, targets)]),
            snapshot: None,
            keys,
            touched,
            begun: BTreeSet::new(),
            removed: BTreeSet::new(),
            skipped: Vec::new(),
            passed_over: BTreeMap::new(),
            kept: BTreeMap::new(),
            timestamp_ends: None,
            older_roots: Vec::new(),
            came: BTreeMap::new(),
            gun,
            now,
        }
    }

    /// Whether the repository is made now.
    pub(super) fn is_new(&self) -> bool {
        matches!(self.origin, Origin::New)
    }

    /// Whether the trust server has it.
    pub(super) fn was_published(&self) -> bool {
        matches!(self.origin, Origin::Published(_))
    }

    /// The repository.
    #[must_use]
    pub fn gun(&self) -> &Gun {
        &self.gun
    }

    /// The time of this run.
    #[must_use]
    pub fn now(&self) -> UtcTime {
        self.now
    }

    /// The keys at hand.
    #[must_use]
    pub fn keys(&self) -> &KeysAtHand {
        &self.keys
    }

    /// The root.
    #[must_use]
    pub fn root(&self) -> &Root {
        &self.root
    }

    /// The root, to be edited; it is then signed by the keys of the root before and by its own.
    pub fn root_mut(&mut self) -> &mut Root {
        self.touched.insert(Role::Root);
        &mut self.root
    }

    /// Has those of these root keys that are here sign the next root, too, if there is one.
    pub fn also_signed_by(&mut self, older_roots: &[Authority]) {
        self.older_roots.extend_from_slice(older_roots);
    }

    /// The document of a targets role, if it was published and can be read.
    #[must_use]
    pub fn targets(&self, role: &Role) -> Option<&Targets> {
        self.targets.get(role)
    }

    /// All targets roles that were published and can be read, `targets` first.
    pub fn all_targets(&self) -> impl Iterator<Item = (&Role, &Targets)> {
        self.targets.iter()
    }

    /// The snapshot, if one is published.
    #[must_use]
    pub fn snapshot(&self) -> Option<&Snapshot> {
        self.snapshot.as_ref()
    }

    /// When the timestamp ends, if one is published.
    #[must_use]
    pub fn timestamp_ends(&self) -> Option<UtcTime> {
        self.timestamp_ends
    }

    /// Delegations that were passed over in reading, and why.
    #[must_use]
    pub fn skipped(&self) -> &[Skipped] {
        &self.skipped
    }

    /// The document of a targets role, to be edited. A delegation that was given and never published begins empty.
    ///
    /// # Errors
    /// [`EditError`] if the role cannot be read, was given to nobody, or lists no targets.
    pub fn targets_mut(&mut self, role: &Role) -> Result<&mut Targets, EditError> {
        self.check_readable(role)?;
        if !self.targets.contains_key(role) && self.declared(role)?.is_none() {
            return Err(match role {
                Role::Delegation(name) => EditError::Undeclared(name.clone()),
                other => EditError::NeverPublished(other.clone()),
            });
        }
        self.touched.insert(role.clone());
        let expires = self.now;
        Ok(self.targets.entry(role.clone()).or_insert_with(|| {
            self.begun.insert(role.clone());
            Targets { version: Version::FIRST, expires, targets: BTreeMap::new(), delegations: Delegations::default() }
        }))
    }

    /// That a role was not passed over in reading.
    ///
    /// # Errors
    /// [`EditError::Unreadable`], or [`EditError::ListsNoTargets`].
    pub fn check_readable(&self, role: &Role) -> Result<(), EditError> {
        if !role.lists_targets() {
            return Err(EditError::ListsNoTargets(role.clone()));
        }
        match self.skipped.iter().find(|skipped| &skipped.role == role) {
            Some(skipped) => Err(EditError::Unreadable {
                gun: self.gun.clone(),
                role: role.clone(),
                why: Box::new(skipped.why.clone()),
            }),
            None => Ok(()),
        }
    }

    /// Has a role signed anew as it is; a snapshot only where it is signed here.
    ///
    /// # Errors
    /// As [`targets_mut`](Self::targets_mut).
    pub fn touch(&mut self, role: &Role) -> Result<(), EditError> {
        if matches!(role, Role::Root | Role::Snapshot) {
            self.touched.insert(role.clone());
            return Ok(());
        }
        self.targets_mut(role).map(|_| ())
    }

    /// What the snapshot lists for a delegation that was passed over in reading.
    #[must_use]
    pub fn passed_over(&self, role: &Role) -> Option<&PassedOver> {
        self.passed_over.get(role)
    }

    /// Takes note of the version in which a delegation that was passed over counted when it was last kept here.
    pub(super) fn was_kept(&mut self, role: Role, version: Version) {
        self.kept.insert(role, version);
    }

    /// That what the snapshot lists for a delegation that was passed over is not older than what counted before. Its
    /// keys may have changed since, so no signature says which is the newer one.
    ///
    /// # Errors
    /// [`EditError::Older`].
    pub fn check_not_older(&self, role: &Role) -> Result<(), EditError> {
        let (Some(listed), Some(known)) = (self.passed_over.get(role), self.kept.get(role)) else { return Ok(()) };
        let (found, known) = (listed.claims().version, *known);
        if found < known { Err(EditError::Older { role: role.clone(), found, known }) } else { Ok(()) }
    }

    /// Has a delegation that was passed over in reading signed anew as the snapshot lists it; any other as it is.
    ///
    /// Whoever signs what too few of the delegation's keys signed answers for all that it lists: they should have seen
    /// it. What lies below the delegation stays as it is.
    ///
    /// # Errors
    /// [`EditError::Unreadable`] if what is listed did not come either; else as [`targets_mut`](Self::targets_mut).
    pub fn adopt(&mut self, role: &Role) -> Result<(), EditError> {
        if let Some(listed) = self.passed_over.remove(role) {
            self.targets.insert(role.clone(), listed.claims().clone());
            self.skipped.retain(|skipped| &skipped.role != role);
        }
        self.touch(role)
    }

    /// Whether the document of `role`, as it was read, lacks signatures by what has been edited since; it does not
    /// count then until it is [touched](Self::touch) or [its holders](Self::authority) sign it.
    ///
    /// # Errors
    /// [`EditError`] if it is a delegation that nobody gave.
    pub fn lost_its_signature(&self, role: &Role) -> Result<bool, EditError> {
        let Some(came) = self.came.get(role).filter(|_| !self.touched.contains(role)) else { return Ok(false) };
        let authority = self.authority(role)?;
        let read = Envelope::parse(Dialect::Notary, came.clone()).ok();
        let read = read.and_then(|envelope| envelope.decode::<Targets>(role.clone()).ok());
        Ok(read.is_none_or(|document| document.check_signed_by(&authority).is_err()))
    }

    /// What will be published.
    #[must_use]
    pub fn touched(&self) -> &BTreeSet<Role> {
        &self.touched
    }

    /// Takes a delegation's document out of the repository, with those below it; who gave the role takes it out of its
    /// own document.
    pub fn forget(&mut self, name: &DelegationName) {
        let below = format!("{name}/");
        let gone = |role: &Role| role.as_str() == name.as_str() || role.as_str().starts_with(&below);
        self.removed.extend(self.targets.keys().filter(|role| gone(role)).cloned());
        self.removed.extend(self.skipped.iter().map(|skipped| &skipped.role).filter(|role| gone(role)).cloned());
        self.targets.retain(|role, _| !gone(role));
        self.skipped.retain(|skipped| !gone(&skipped.role));
        self.touched.retain(|role| !gone(role));
        self.begun.retain(|role| !gone(role));
    }

    /// Who may sign `role` as things stand.
    ///
    /// # Errors
    /// [`EditError`] if it is a delegation that nobody gave.
    pub fn authority(&self, role: &Role) -> Result<Authority, EditError> {
        match role {
            Role::Root => Ok(Authority::of_base(&self.root, BaseRole::Root)),
            Role::Targets => Ok(Authority::of_base(&self.root, BaseRole::Targets)),
            Role::Snapshot => Ok(Authority::of_base(&self.root, BaseRole::Snapshot)),
            Role::Timestamp => Ok(Authority::of_base(&self.root, BaseRole::Timestamp)),
            Role::Delegation(name) => self.declared(role)?.ok_or_else(|| EditError::Undeclared(name.clone())),
        }
    }

    /// Whether a key that may sign `role` as things stand is here.
    #[must_use]
    pub fn can_sign(&self, role: &Role) -> bool {
        self.authority(role).is_ok_and(|authority| self.keys.holds_any(&authority))
    }

    /// Who may sign a delegation, by the document of the role that gave it.
    fn declared(&self, role: &Role) -> Result<Option<Authority>, EditError> {
        let Role::Delegation(name) = role else { return Ok(None) };
        let parent = name.parent();
        self.check_readable(&parent)?;
        Ok(self.targets.get(&parent).and_then(|parent| Authority::of_delegation(parent, name)))
    }

    /// The document of a targets role as it came.
    pub(super) fn came(&self, role: &Role) -> Option<&Bytes> {
        self.came.get(role)
    }

    /// Puts a document in the place of what is published of a targets role, readable or not.
    pub(super) fn put_targets(&mut self, role: &Role, document: &Targets) {
        self.passed_over.remove(role);
        self.skipped.retain(|skipped| &skipped.role != role);
        self.targets.insert(role.clone(), document.clone());
        self.touched.insert(role.clone());
    }

    /// The version with which a document of `role` is to be sent.
    pub(super) fn next_version(&self, role: &Role) -> Result<Version, EditError> {
        let next = |version: Version| version.next().ok_or_else(|| EditError::VersionsExhausted(role.clone()));
        let current = match role {
            Role::Root if matches!(self.origin, Origin::New) => None,
            Role::Root => Some(self.root.version),
            Role::Snapshot => self.snapshot.as_ref().map(|snapshot| snapshot.version),
            // Docker's first targets are version 2: its version 1 is the empty one that it never sends.
            Role::Targets | Role::Delegation(_) if !self.begun.contains(role) => {
                self.targets.get(role).map(|targets| targets.version)
            }
            Role::Targets | Role::Delegation(_) | Role::Timestamp => None,
        };
        current.map_or(Ok(Version::FIRST), next)
    }

    /// Roles whose documents were taken out.
    pub(super) fn removed(&self) -> &BTreeSet<Role> {
        &self.removed
    }
}
