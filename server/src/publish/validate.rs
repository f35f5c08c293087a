//! Whether an upload may be published: a pure function of what came, what is stored, and the time.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use tuf_schema::key::x509::Expiry;
use tuf_schema::model::{FileMeta, Root, Snapshot, Targets};
use tuf_schema::verify::{Authority, Verified, follow, trust_first};
use tuf_schema::{BaseRole, DelegationName, Gun, Role, UtcTime, Version};

use super::load::Known;
use super::parts::{Part, Parts};
use super::update::NewFile;
use super::{PublishError, PublishLimits, Violation};

/// An upload that keeps every rule; what the server signs is still missing.
pub(super) struct Accepted {
    /// The root that counts from now on.
    pub(super) root: Arc<Verified<Root>>,
    /// The uploaded files.
    pub(super) files: Vec<NewFile>,
    /// The snapshot that will list them.
    pub(super) snapshot: NextSnapshot,
    /// Delegations that list targets which nobody let them list; clients ignore those.
    pub(super) outside_paths: Vec<OutsidePaths>,
}

/// Where the next snapshot comes from.
pub(super) enum NextSnapshot {
    /// It was uploaded, and is among the files.
    Uploaded(Bytes),
    /// The server makes it of this list.
    Made(BTreeMap<Role, FileMeta>),
}

/// Targets outside the paths that their delegation may use.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct OutsidePaths {
    pub(super) role: DelegationName,
    pub(super) count: usize,
    pub(super) example: String,
}

/// The most comparisons of paths that one delegation is worth. They only serve a line in the log, and an upload must
/// not keep the server busy for ever.
const MAX_PATH_COMPARISONS: usize = 1_000_000;

/// Judges an upload, in the reference's order.
pub(super) fn validate(
    gun: &Gun,
    parts: Parts,
    known: &Known,
    now: UtcTime,
    limits: PublishLimits,
) -> Result<Accepted, PublishError> {
    limits.check(&parts)?;
    let mut files = Vec::new();
    let parts_have_root = parts.root.is_some();
    let (root, root_bytes) = match (parts.root, &known.root) {
        (Some(part), stored) => {
            let raw = part.raw.clone();
            let stored = stored.as_ref().map(|stored| &*stored.root);
            let root = next_root(part, stored, gun, now).map_err(PublishError::BadRoot)?;
            files.push(NewFile::new(Role::Root, root.model().version, raw.clone()));
            (Arc::new(root), raw)
        }
        (None, Some(stored)) => (stored.root.clone(), stored.bytes.clone()),
        (None, None) => return Err(PublishError::Validation(Violation::NoRoot)),
    };

    let mut tree = Tree { root: root.model(), known, loaded: BTreeMap::new() };
    let mut outside_paths = Vec::new();
    for part in parts.targets {
        let (role, raw) = (part.role.clone(), part.raw.clone());
        let targets = tree.next_targets(part, now, limits).map_err(PublishError::BadTargets)?;
        files.push(NewFile::new(role.clone(), targets.model().version, raw.clone()));
        let (outside, node) = tree.place(role.clone(), targets, raw.clone());
        outside_paths.extend(outside);
        tree.loaded.insert(role, node);
    }

    // What this upload shows or needs of each role: the snapshot must agree with it.
    let mut shown: BTreeMap<Role, Bytes> =
        tree.loaded.iter().map(|(role, node)| (role.clone(), node.bytes.clone())).collect();
    shown.insert(Role::Root, root_bytes);
    let snapshot = match parts.snapshot {
        Some(part) => {
            let raw = part.raw.clone();
            let snapshot =
                next_snapshot(part, root.model(), &shown, known, now, limits).map_err(PublishError::BadSnapshot)?;
            files.push(NewFile::new(Role::Snapshot, snapshot.model().version, raw.clone()));
            NextSnapshot::Uploaded(raw)
        }
        None => NextSnapshot::Made(list(&shown, known, limits)?),
    };
    if parts_have_root {
        check_thresholds(root.model()).map_err(PublishError::BadRoot)?;
    }
    for file in &files {
        let newest = known.newest.get(file.role()).copied();
        if newest.is_some_and(|newest| newest >= file.version()) {
            return Err(PublishError::VersionConflict { role: file.role().clone(), current: newest });
        }
    }
    Ok(Accepted { root, files, snapshot, outside_paths })
}

/// Steps 2 and 3: the version, then structure, certificates, signatures of the previous and of its own keys, the date.
fn next_root(
    part: Part<Root>,
    stored: Option<&Verified<Root>>,
    gun: &Gun,
    now: UtcTime,
) -> Result<Verified<Root>, Violation> {
    let current = stored.map_or(Version::FIRST, |root| root.model().version);
    let offered = part.claimed_version;
    let allowed = [Some(current), current.next()].into_iter().flatten().map(|version| i64::from(version.number()));
    if !allowed.into_iter().any(|version| version == offered) {
        return Err(Violation::RootStep { current, offered });
    }
    let document = part.document?;
    let candidate = document.clone();
    let root = match stored {
        Some(previous) => follow(previous, document, gun, now)?,
        None => trust_first(document, gun, now, Expiry::Checked)?,
    };
    root.check_fresh(now)?;
    if !part.encoding_suits {
        return Err(Violation::NotReferenceEncoding(Role::Root));
    }
    // Once stored it is believed whatever the dates of its certificates. Keys whose certificates are expired take part
    // in that, and one of them may be listed in a way that makes the root unreadable for ever.
    trust_first(candidate, gun, now, Expiry::Ignored)?;
    Ok(root)
}

/// The reference takes a root that nobody can satisfy and refuses what it then cannot verify; such a refusal comes
/// first, so this is asked last.
fn check_thresholds(root: &Root) -> Result<(), Violation> {
    let Some((role, keys)) = root.unreachable_threshold() else { return Ok(()) };
    Err(Violation::ThresholdAboveKeys { role, threshold: root.grant(role).threshold.get(), keys })
}

/// The targets roles seen so far, from `targets` downwards.
struct Tree<'a> {
    root: &'a Root,
    known: &'a Known,
    loaded: BTreeMap<Role, Node>,
}

/// One targets role and the paths that it may use.
struct Node {
    targets: Verified<Targets>,
    /// As it came, or as it is stored.
    bytes: Bytes,
    paths: Vec<String>,
}

impl Tree<'_> {
    /// Step 5 for one part: structure and version, signatures by what the role above says, the date.
    fn next_targets(
        &mut self,
        part: Part<Targets>,
        now: UtcTime,
        limits: PublishLimits,
    ) -> Result<Verified<Targets>, Violation> {
        self.load_ancestors(&part.role)?;
        let document = part.document?;
        let targets = document.verify(&self.authority(&part.role)?)?;
        check_step(&part.role, targets.model().version, self.known, limits)?;
        targets.check_fresh(now)?;
        if !part.encoding_suits {
            return Err(Violation::NotReferenceEncoding(part.role));
        }
        Ok(targets)
    }

    /// Believes the stored roles above `role`, whatever their date.
    fn load_ancestors(&mut self, role: &Role) -> Result<(), Violation> {
        let Some(parent) = role.parent() else { return Ok(()) };
        if self.loaded.contains_key(&parent) {
            return Ok(());
        }
        // One that is not stored is missed when the role below asks who declares it.
        let Some(ancestor) = self.known.ancestors.get(&parent) else { return Ok(()) };
        self.load_ancestors(&parent)?;
        let targets = ancestor.document.clone().verify(&self.authority(&parent)?)?;
        let (_, node) = self.place(parent.clone(), targets, ancestor.bytes.clone());
        self.loaded.insert(parent, node);
        Ok(())
    }

    fn authority(&self, role: &Role) -> Result<Authority, Violation> {
        let Role::Delegation(name) = role else { return Ok(Authority::of_base(self.root, BaseRole::Targets)) };
        let parent = self.loaded.get(&name.parent());
        let declared = parent.and_then(|node| Authority::of_delegation(node.targets.model(), name));
        declared.ok_or_else(|| Violation::Undeclared(name.clone()))
    }

    /// Works out the paths that a believed role may use, and which of its targets lie outside.
    fn place(&self, role: Role, targets: Verified<Targets>, bytes: Bytes) -> (Option<OutsidePaths>, Node) {
        let Role::Delegation(name) = role else { return (None, Node { targets, bytes, paths: vec![String::new()] }) };
        let too_many = |a: usize, b: usize| a.saturating_mul(b) > MAX_PATH_COMPARISONS;
        let parent = self.loaded.get(&name.parent());
        let paths = parent.and_then(|node| {
            let declared = node.targets.model().delegations.role(&name)?;
            Some(if too_many(declared.paths.len(), node.paths.len()) {
                declared.paths.clone()
            } else {
                declared.paths_within(&node.paths)
            })
        });
        let paths = paths.unwrap_or_default();
        if too_many(paths.len(), targets.model().targets.len()) {
            return (None, Node { targets, bytes, paths });
        }
        let allowed = |target: &&String| paths.iter().any(|prefix| target.starts_with(prefix.as_str()));
        let mut outside = targets.model().targets.keys().filter(|target| !allowed(target));
        let outside = outside.next().map(|example| OutsidePaths {
            role: name,
            example: example.clone(),
            count: outside.count().saturating_add(1),
        });
        (outside, Node { targets, bytes, paths })
    }
}

/// Step 6a: structure, signatures, the date, and that everything listed is there.
fn next_snapshot(
    part: Part<Snapshot>,
    root: &Root,
    shown: &BTreeMap<Role, Bytes>,
    known: &Known,
    now: UtcTime,
    limits: PublishLimits,
) -> Result<Verified<Snapshot>, Violation> {
    let snapshot = part.document?.verify(&Authority::of_base(root, BaseRole::Snapshot))?;
    check_step(&Role::Snapshot, snapshot.model().version, known, limits)?;
    snapshot.check_fresh(now)?;
    let listed = &snapshot.model().meta;
    if let Some(role) = shown.keys().find(|role| !listed.contains_key(role)) {
        return Err(Violation::NotListed(role.clone()));
    }
    for (role, file) in listed {
        let checked = match shown.get(role) {
            Some(bytes) => file.check(bytes),
            None => known.listed.get(role).cloned().ok_or_else(|| Violation::NeverUploaded(role.clone()))?,
        };
        checked.map_err(|mismatch| Violation::Checksum { role: role.clone(), mismatch })?;
    }
    if !part.encoding_suits {
        return Err(Violation::NotReferenceEncoding(Role::Snapshot));
    }
    Ok(snapshot)
}

/// Step 6b: what the server's snapshot lists, over the bytes that are stored.
fn list(
    shown: &BTreeMap<Role, Bytes>,
    known: &Known,
    limits: PublishLimits,
) -> Result<BTreeMap<Role, FileMeta>, PublishError> {
    let mut meta = known.carried.clone();
    let before = meta.len();
    meta.extend(shown.iter().map(|(role, bytes)| (role.clone(), FileMeta::of(bytes))));
    limits.check_roles(meta.len(), before).map_err(PublishError::BadTargets)?;
    if meta.contains_key(&Role::Targets) { Ok(meta) } else { Err(PublishError::Validation(Violation::NoTargets)) }
}

fn check_step(role: &Role, offered: Version, known: &Known, limits: PublishLimits) -> Result<(), Violation> {
    let newest = known.newest.get(role).copied();
    let from = newest.map_or(0, Version::number);
    if offered.number().saturating_sub(from) <= limits.version_step {
        return Ok(());
    }
    Err(Violation::VersionStep { role: role.clone(), newest, offered, limit: limits.version_step })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delegations(numbers: std::ops::Range<usize>) -> impl Iterator<Item = Role> {
        numbers.map(|number| Role::parse(&format!("targets/{number}")).unwrap())
    }

    /// What the server's snapshot lists of `shown` new delegations beside `stored` roles, one of them targets.
    fn listed(stored: usize, shown: usize) -> Result<usize, PublishError> {
        let file = FileMeta::of(b"content");
        let meta = delegations(1..stored).chain([Role::Targets]).map(|role| (role, file.clone())).collect();
        let known = Known { carried: meta, ..Known::default() };
        let new = delegations(stored..stored + shown).chain([Role::Targets]);
        list(&new.map(|role| (role, Bytes::from_static(b"new"))).collect(), &known, PublishLimits::default())
            .map(|meta| meta.len())
    }

    #[test]
    fn a_snapshot_lists_at_most_4000_roles() {
        assert_eq!(listed(3_990, 10).unwrap(), 4_000);
        let refused = listed(3_990, 11);
        let expected = Violation::TooManyRoles { roles: 4_001, limit: 4_000 };
        assert!(matches!(refused, Err(PublishError::BadTargets(violation)) if violation == expected));
        // What is listed already can be published again.
        assert_eq!(listed(4_005, 0).unwrap(), 4_005);
        assert!(listed(4_005, 1).is_err());
    }
}
