//! The client update, fed from a server and a cache that are maps: real repositories, and one thing broken at a time.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails where it stands")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use tuf_schema::dialect::{DecodeError, Fault};
use tuf_schema::model::{DelegatedRole, Delegations, FileMeta, FileMismatch, KeyGrant, Snapshot, Timestamp};
use tuf_schema::sign::SecretKey;
use tuf_schema::testing::{Publisher, root_key, secret_key, signed};
use tuf_schema::verify::chain::{Answer, Chain, ChainError, DocumentName, Reach, Request, Trusted, Which};
use tuf_schema::verify::{FirstRootError, RootError, SignatureError, StaleError};
use tuf_schema::version::Version;
use tuf_schema::{DelegationName, Gun, Role, Sha256, SigningKey as _, UtcTime};

#[path = "chain/renewal.rs"]
mod renewal;

fn at(text: &str) -> UtcTime {
    UtcTime::parse(text).unwrap()
}

fn now() -> UtcTime {
    at("2026-11-22T00:00:00Z")
}

fn version(number: i64) -> Version {
    Version::new(number).unwrap()
}

fn gun() -> Gun {
    Gun::parse("registry.test:5000/team/app").unwrap()
}

/// Documents by the name a server has for them, what a client has cached, and every name that was fetched.
#[derive(Default, Clone)]
struct World {
    served: BTreeMap<String, Bytes>,
    cached: BTreeMap<String, Bytes>,
    down: bool,
    fetched: Vec<String>,
}

impl World {
    /// Serves a document under all of its names.
    fn serve(&mut self, role: &str, number: u32, bytes: &Bytes) {
        self.served.insert(format!("{role}.json"), bytes.clone());
        self.served.insert(format!("{role}.{}.json", Sha256::of(bytes)), bytes.clone());
        self.served.insert(format!("{number}.{role}.json"), bytes.clone());
    }

    fn update_at(&mut self, gun: &Gun, now: UtcTime) -> Result<Trusted, ChainError> {
        let mut chain = Chain::new(gun.clone(), now);
        self.fetched.clear();
        while let Some(request) = chain.request() {
            let answer = match &request {
                Request::Cached(role) => self.cached.get(role.as_str()).cloned(),
                Request::Fetch { .. } if self.down => {
                    chain.feed(Answer::Unreachable)?;
                    continue;
                }
                Request::Fetch { name, cap } => {
                    self.fetched.push(short(name));
                    let bytes = self.served.get(&name.to_string()).cloned();
                    assert!(bytes.as_ref().is_none_or(|b| b.len() as u64 <= *cap), "a client would not read so much");
                    bytes
                }
            };
            let fed = chain.feed(answer.map_or(Answer::Absent, Answer::Bytes));
            if let Some(root) = chain.newer_root() {
                self.cached.insert("root".into(), root.clone());
            }
            if let Err(e) = fed {
                assert!(chain.finish().is_none(), "a failed update has no result");
                return Err(e);
            }
        }
        let trusted = chain.finish().expect("a complete update has a result");
        for (role, bytes) in trusted.fetched() {
            self.cached.insert(role.to_string(), bytes.clone());
        }
        Ok(trusted)
    }

    fn update(&mut self) -> Result<Trusted, ChainError> {
        self.update_at(&gun(), now())
    }
}

/// The name without the digest.
fn short(name: &DocumentName) -> String {
    match &name.which {
        Which::Digest(_) => format!("{}.#.json", name.role),
        Which::Current | Which::Version(_) => name.to_string(),
    }
}

// ---- repositories of the reference

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures")
}

fn read_versions(directory: &Path, prefix: &str, world: &mut World) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if path.is_dir() {
            read_versions(&path, &format!("{prefix}{name}/"), world);
            continue;
        }
        let Some((number, leaf)) = name.split_once('.') else { continue };
        let Some(leaf) = leaf.strip_suffix(".json") else { continue };
        let bytes = Bytes::from(std::fs::read(&path).unwrap());
        let role = format!("{prefix}{leaf}");
        let number: u32 = number.parse().unwrap();
        let newest = world.cached.get(&format!("newest {role}")).and_then(|b| b.first().copied()).unwrap_or(0);
        let current = world.served.get(&format!("{role}.json")).cloned();
        world.serve(&role, number, &bytes);
        if u32::from(newest) > number {
            world.served.insert(format!("{role}.json"), current.unwrap());
        } else {
            world.cached.insert(format!("newest {role}"), Bytes::from(vec![u8::try_from(number).unwrap()]));
        }
    }
}

/// A repository of the reference with all its versions served.
fn real(name: &str) -> (Gun, World) {
    let mut world = World::default();
    let (directory, gun) = match name.strip_prefix("extra/") {
        Some(extra) => (fixtures().join("tuf-extra").join(extra), format!("example.com/{}", extra.replace('-', "/"))),
        None => (fixtures().join("tuf").join(name).join("versions"), format!("example.com/fix/{name}")),
    };
    read_versions(&directory, "", &mut world);
    world.cached.clear();
    (Gun::parse(&gun).unwrap(), world)
}

#[test]
fn every_real_repository_is_trusted_on_first_use_and_needs_one_request_afterwards() {
    let mut seen = 0;
    for entry in std::fs::read_dir(fixtures().join("tuf")).unwrap() {
        let path = entry.unwrap().path();
        if !path.is_dir() {
            continue;
        }
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let (gun, mut world) = real(&name);
        let trusted = world.update_at(&gun, now()).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert!(trusted.skipped().is_empty(), "{name}: {:?}", trusted.skipped());
        assert_eq!(world.fetched[..2], ["root.json", "timestamp.json"], "{name}");
        world.update_at(&gun, now()).unwrap();
        assert_eq!(world.fetched, ["timestamp.json"], "{name}");
        seen += 1;
    }
    assert_eq!(seen, 15);
}

#[test]
fn delegations_are_visited_depth_first_and_walked_level_by_level() {
    let (gun, mut world) = real("delegations");
    let trusted = world.update_at(&gun, now()).unwrap();
    assert_eq!(
        world.fetched[4..],
        [
            "targets/releases.#.json",
            "targets/releases/qa.#.json",
            "targets/alice.#.json",
            "targets/alice/sub.#.json",
            "targets/carol.#.json"
        ]
    );
    let walked: Vec<_> = trusted.walk().iter().map(|v| v.role.to_string()).collect();
    assert_eq!(
        walked,
        ["targets", "targets/releases", "targets/alice", "targets/carol", "targets/releases/qa", "targets/alice/sub"]
    );
}

#[test]
fn a_reader_three_roots_behind_follows_every_root_in_between() {
    let (gun, mut world) = real("root-rotated");
    world.cached.insert("root".into(), world.served["1.root.json"].clone());
    let trusted = world.update_at(&gun, now()).unwrap();
    assert_eq!(trusted.root().model().version, version(4));
    assert_eq!(world.cached["root"], world.served["4.root.json"]);
    let roots: Vec<_> = world.fetched.iter().filter(|name| name.contains("root")).cloned().collect();
    assert_eq!(roots, ["root.json", "2.root.json", "3.root.json"]);
}

#[test]
fn a_missing_root_in_between_is_passed_over_only_if_the_newest_bears_our_keys() {
    let (gun, mut world) = real("root-rotated");
    world.cached.insert("root".into(), world.served["1.root.json"].clone());
    world.served.remove("2.root.json");
    let error = world.update_at(&gun, now()).unwrap_err();
    assert!(matches!(error, ChainError::Root(RootError::NotSignedByPrevious(_))), "{error}");
    assert_eq!(world.cached["root"], world.served["1.root.json"]);
    // This one was rotated with the keys of three older versions signing as well.
    let (gun, mut world) = real("extra/t5-a");
    world.cached.insert("root".into(), world.served["1.root.json"].clone());
    world.served.remove("2.root.json");
    let newest = world.served["root.json"].clone();
    assert_eq!(world.update_at(&gun, now()).unwrap().root().raw(), &newest);
}

#[test]
fn an_expired_real_timestamp_is_refused() {
    let (gun, mut world) = real("simple");
    let error = world.update_at(&gun, at("2027-01-01T00:00:00Z")).unwrap_err();
    assert!(matches!(error, ChainError::Stale(StaleError::Expired { role: Role::Timestamp, .. })), "{error}");
}

// ---- repositories made here

struct Repository {
    publisher: Publisher,
    snapshot_key: SecretKey,
    timestamp_key: SecretKey,
    number: i64,
    snapshot: Snapshot,
    timestamp: Timestamp,
    /// The signed root, made once for each version: signatures are random.
    root: Option<(Version, Bytes)>,
}

impl Repository {
    fn new() -> Self {
        let (snapshot_key, timestamp_key) = (secret_key(), secret_key());
        let mut publisher = Publisher::new(&gun(), snapshot_key.public(), timestamp_key.public(), now());
        publisher.tag("1", b"one");
        let snapshot = Snapshot { version: version(1), expires: publisher.root.expires, meta: BTreeMap::new() };
        let timestamp = Timestamp { version: version(1), expires: publisher.root.expires, snapshot: FileMeta::of(b"") };
        Self { publisher, snapshot_key, timestamp_key, number: 0, snapshot, timestamp, root: None }
    }

    /// Publishes the publisher's root and targets as they are now, with the next snapshot and timestamp, which `adjust`
    /// may change first; what is `extra` is listed and served as well.
    fn publish_with(
        &mut self,
        world: &mut World,
        extra: &[(Role, Bytes)],
        adjust: impl FnOnce(&mut Snapshot, &mut Timestamp),
    ) {
        self.number += 1;
        let number = u32::try_from(self.number).unwrap();
        let root = match self.root.take() {
            Some((version, bytes)) if version == self.publisher.root.version => bytes,
            _ => self.publisher.root_bytes(),
        };
        self.root = Some((self.publisher.root.version, root.clone()));
        let targets = self.publisher.targets_bytes();
        world.serve("root", self.publisher.root.version.number(), &root);
        world.serve("targets", self.publisher.targets.version.number(), &targets);
        self.snapshot.version = version(self.number);
        self.snapshot.expires = self.publisher.root.expires;
        for (role, bytes) in [(Role::Root, &root), (Role::Targets, &targets)] {
            self.snapshot.meta.insert(role, FileMeta::of(bytes));
        }
        for (role, bytes) in extra {
            world.serve(role.as_str(), number, bytes);
            self.snapshot.meta.insert(role.clone(), FileMeta::of(bytes));
        }
        self.timestamp.version = version(self.number);
        self.timestamp.expires = self.publisher.root.expires;
        adjust(&mut self.snapshot, &mut self.timestamp);
        let snapshot = signed(&self.snapshot, &[&self.snapshot_key]);
        self.timestamp.snapshot = FileMeta::of(&snapshot);
        let timestamp = signed(&self.timestamp, &[&self.timestamp_key]);
        world.serve("snapshot", number, &snapshot);
        world.serve("timestamp", number, &timestamp);
    }

    fn publish(&mut self, world: &mut World) {
        self.publish_with(world, &[], |_, _| {});
    }

    /// Rotates the root key; the old one signs too.
    fn rotate_root(&mut self) -> Bytes {
        let old = std::mem::replace(&mut self.publisher.root_key, root_key(&gun(), now()));
        let new = self.publisher.root_key.public().clone();
        let root = &mut self.publisher.root;
        root.version = root.version.next().unwrap();
        root.keys.insert(new.id().clone(), new.clone());
        root.root = KeyGrant::single(new.id().clone());
        let bytes = signed(root, &[&self.publisher.root_key, &old]);
        self.root = Some((root.version, bytes.clone()));
        bytes
    }
}

fn published() -> (Repository, World) {
    let (mut repository, mut world) = (Repository::new(), World::default());
    repository.publish(&mut world);
    (repository, world)
}

/// A repository, and a reader who has read it.
fn read_once() -> (Repository, World) {
    let (repository, mut world) = published();
    world.update().unwrap();
    (repository, world)
}

#[test]
fn a_repository_that_the_server_does_not_know_has_no_trust_data() {
    assert_eq!(World::default().update().unwrap_err(), ChainError::NoTrustData(gun()));
}

#[test]
fn a_first_root_for_another_repository_is_refused() {
    let (_, mut world) = published();
    let other = Gun::parse("registry.test:5000/team/other").unwrap();
    let error = world.update_at(&other, now()).unwrap_err();
    assert!(matches!(error, ChainError::FirstRoot(FirstRootError::NoValidCertificate(_))), "{error}");
}

#[test]
fn an_older_timestamp_is_a_rollback() {
    let (mut repository, mut world) = published();
    let old = world.served["timestamp.json"].clone();
    repository.publish(&mut world);
    world.update().unwrap();
    world.served.insert("timestamp.json".into(), old);
    let error = world.update().unwrap_err();
    let expected = StaleError::Rollback { role: Role::Timestamp, offered: version(1), trusted: version(2) };
    assert_eq!(error, ChainError::Stale(expected));
    // A newer root was looked for, once, and there is none.
    assert_eq!(world.fetched, ["timestamp.json", "root.json"]);
}

#[test]
fn an_older_snapshot_or_targets_under_a_new_timestamp_is_a_rollback() {
    let (mut repository, mut world) = published();
    repository.publisher.next_targets();
    repository.publish(&mut world);
    world.update().unwrap();
    repository.publish_with(&mut world, &[], |snapshot, _| snapshot.version = version(1));
    let error = world.update().unwrap_err();
    assert!(matches!(error, ChainError::Stale(StaleError::Rollback { role: Role::Snapshot, .. })), "{error}");
    repository.publisher.targets.version = version(1);
    repository.publish(&mut world);
    let error = world.update().unwrap_err();
    assert!(matches!(error, ChainError::Stale(StaleError::Rollback { role: Role::Targets, .. })), "{error}");
}

#[test]
fn one_changed_byte_is_not_what_is_listed() {
    let (repository, mut world) = published();
    for role in ["snapshot", "targets"] {
        let mut broken = world.clone();
        let digest = Sha256::of(&world.served[&format!("{role}.json")]);
        let name = format!("{role}.{digest}.json");
        let text = String::from_utf8(world.served[&name].to_vec()).unwrap();
        // The version inside the signed part.
        let changed = text.replacen("\"version\":1", "\"version\":2", 1);
        assert_ne!(text, changed);
        broken.served.insert(name, Bytes::from(changed));
        let error = broken.update().unwrap_err();
        assert!(matches!(error, ChainError::Signature(SignatureError::BelowThreshold { .. })), "{role}: {error}");
    }
    // Well signed, but another document than the listed one.
    let mut other = Publisher::new(&gun(), repository.snapshot_key.public(), repository.timestamp_key.public(), now());
    other.targets = repository.publisher.targets.clone();
    other.targets.version = version(9);
    let digest = Sha256::of(&world.served["targets.json"]);
    let replaced = signed(&other.targets, &[&repository.publisher.targets_key]);
    world.served.insert(format!("targets.{digest}.json"), replaced);
    let error = world.update().unwrap_err();
    let ChainError::Stale(StaleError::Unlisted { role: Role::Targets, mismatch }) = error else { panic!("{error}") };
    assert!(matches!(mismatch, FileMismatch::Digest(_)), "{mismatch}");
}

#[test]
fn each_expired_document_is_refused_by_its_role() {
    let past = at("2026-11-21T23:59:59Z");
    let refused = |change: fn(&mut Repository, &mut World, UtcTime), role: Role| {
        let (mut repository, mut world) = (Repository::new(), World::default());
        change(&mut repository, &mut world, past);
        let error = world.update().unwrap_err();
        assert_eq!(error, ChainError::Stale(StaleError::Expired { role, expired: past }));
    };
    refused(|r, w, t| r.publish_with(w, &[], |_, timestamp| timestamp.expires = t), Role::Timestamp);
    refused(|r, w, t| r.publish_with(w, &[], |snapshot, _| snapshot.expires = t), Role::Snapshot);
    refused(
        |r, w, t| {
            r.publisher.targets.expires = t;
            r.publish(w);
        },
        Role::Targets,
    );
    refused(
        |r, w, t| {
            r.publisher.root.expires = t;
            r.publish(w);
        },
        Role::Root,
    );
}

#[test]
fn a_snapshot_that_lists_no_root_or_no_targets_is_refused() {
    for role in [Role::Root, Role::Targets] {
        let (mut repository, mut world) = (Repository::new(), World::default());
        repository.publish_with(&mut world, &[], |snapshot, _| drop(snapshot.meta.remove(&role)));
        let error = world.update().unwrap_err();
        let ChainError::Decode(DecodeError { fault: Fault::MissingChecksum(missing), .. }) = error else {
            panic!("{error}")
        };
        assert_eq!(missing, role);
    }
}

#[test]
fn a_repository_made_anew_under_another_root_is_refused_and_nothing_is_kept() {
    let (_, mut world) = read_once();
    let before = world.cached.clone();
    let mut other = Repository::new();
    other.publish(&mut world);
    let error = world.update().unwrap_err();
    assert!(matches!(error, ChainError::Root(RootError::NotSignedByPrevious(_))), "{error}");
    assert_eq!(world.cached, before);
    // Not with a higher version either.
    other.rotate_root();
    other.publish(&mut world);
    let error = world.update().unwrap_err();
    assert!(matches!(error, ChainError::Root(RootError::NotSignedByPrevious(_))), "{error}");
    assert_eq!(world.cached, before);
}

#[test]
fn a_rotated_root_is_found_through_the_snapshot_and_kept() {
    let (mut repository, mut world) = read_once();
    let root = repository.rotate_root();
    repository.publish(&mut world);
    let trusted = world.update().unwrap();
    assert_eq!(trusted.root().raw(), &root);
    assert_eq!(world.cached["root"], root);
    // Nothing but the snapshot told of it: timestamp and snapshot keys are the same.
    assert_eq!(world.fetched[..3], ["timestamp.json", "snapshot.#.json", "root.json"]);
}

#[test]
fn a_rotated_snapshot_key_is_found_through_the_root_and_frees_the_version() {
    let (mut repository, mut world) = published();
    repository.number = 7;
    repository.publish(&mut world);
    world.update().unwrap();
    let new = secret_key();
    let root = &mut repository.publisher.root;
    root.version = version(2);
    root.keys.insert(new.public().id().clone(), new.public().clone());
    root.snapshot = KeyGrant::single(new.public().id().clone());
    repository.snapshot_key = new;
    repository.publish_with(&mut world, &[], |snapshot, _| snapshot.version = version(1));
    let trusted = world.update().unwrap();
    assert_eq!(trusted.snapshot().model().version, version(1));
    assert_eq!(trusted.root().model().version, version(2));
}

#[test]
fn another_root_with_the_trusted_version_is_refused_even_if_well_signed() {
    let (mut repository, mut world) = read_once();
    repository.publisher.root.expires = now().plus_seconds(5);
    repository.root = None;
    repository.publish(&mut world);
    assert_eq!(world.update().unwrap_err(), ChainError::RootReplaced(version(1)));
}

#[test]
fn a_damaged_cached_root_is_an_error_and_not_a_first_use() {
    let (_, mut world) = read_once();
    world.cached.insert("root".into(), Bytes::from_static(b"{"));
    let error = world.update().unwrap_err();
    assert!(matches!(error, ChainError::CachedRoot(_)), "{error}");
    assert!(world.fetched.is_empty());
}

#[test]
fn other_damaged_cache_files_are_fetched_again() {
    let (_, mut world) = read_once();
    let before = world.cached.clone();
    for role in ["timestamp", "snapshot", "targets"] {
        world.cached.insert(role.into(), Bytes::from_static(b"{\"signed\""));
    }
    world.update().unwrap();
    assert_eq!(world.cached, before);
}

#[test]
fn without_a_server_the_cache_serves_until_its_timestamp_expires() {
    let (_, mut world) = read_once();
    world.down = true;
    let trusted = world.update().unwrap();
    assert_eq!(trusted.reach(), Reach::CacheOnly);
    assert_eq!(trusted.fetched().count(), 0);
    let error = world.update_at(&gun(), at("2099-01-01T00:00:00Z")).unwrap_err();
    assert!(matches!(error, ChainError::Unreachable(_)), "the root has expired too: {error}");
    world.cached.clear();
    assert!(matches!(world.update().unwrap_err(), ChainError::Unreachable(_)));
}

#[test]
fn without_a_server_an_expired_timestamp_ends_it() {
    let (mut repository, mut world) = (Repository::new(), World::default());
    repository.publish_with(&mut world, &[], |_, timestamp| timestamp.expires = at("2026-11-23T00:00:00Z"));
    world.update().unwrap();
    world.down = true;
    let error = world.update_at(&gun(), at("2026-11-24T00:00:00Z")).unwrap_err();
    assert!(matches!(error, ChainError::Stale(StaleError::Expired { role: Role::Timestamp, .. })), "{error}");
}

#[test]
fn a_server_that_lost_the_timestamp_is_not_the_same_as_no_server() {
    let (_, mut world) = read_once();
    world.served.remove("timestamp.json");
    let error = world.update().unwrap_err();
    assert_eq!(error, ChainError::Missing(DocumentName::current(Role::Timestamp)));
}

// ---- delegations

fn delegate(repository: &mut Repository, name: &str, key: &SecretKey, paths: &[&str]) -> Role {
    let name = DelegationName::parse(name).unwrap();
    let delegations = &mut repository.publisher.targets.delegations;
    delegations.keys.insert(key.public().id().clone(), key.public().clone());
    delegations.roles.push(DelegatedRole {
        name: name.clone(),
        key_ids: vec![key.public().id().clone()],
        threshold: std::num::NonZeroU32::MIN,
        paths: paths.iter().map(|p| (*p).to_owned()).collect(),
    });
    Role::Delegation(name)
}

fn delegated_targets(repository: &Repository, tag: &str, key: &SecretKey, expires: UtcTime) -> Bytes {
    let mut targets = repository.publisher.targets.clone();
    targets.delegations = Delegations::default();
    let one = targets.targets.remove("1").unwrap();
    targets.targets.insert(tag.to_owned(), one);
    targets.expires = expires;
    signed(&targets, &[key])
}

#[test]
fn a_delegation_may_list_only_what_its_paths_allow() {
    let (mut repository, mut world, key) = (Repository::new(), World::default(), secret_key());
    let role = delegate(&mut repository, "targets/qa", &key, &["qa/"]);
    let bytes = delegated_targets(&repository, "prod", &key, now().plus_seconds(60));
    repository.publish_with(&mut world, &[(role.clone(), bytes)], |_, _| {});
    let trusted = world.update().unwrap();
    let walk = trusted.walk();
    let qa = walk.iter().find(|v| v.role == &role).unwrap();
    assert_eq!((qa.target("prod"), qa.targets().count()), (None, 0));
}

#[test]
fn a_delegation_that_was_never_published_is_no_difficulty() {
    let (mut repository, mut world, key) = (Repository::new(), World::default(), secret_key());
    let role = delegate(&mut repository, "targets/new", &key, &[""]);
    repository.publish(&mut world);
    let trusted = world.update().unwrap();
    assert!(trusted.targets(&role).is_none() && trusted.skipped().is_empty());
}

#[test]
fn a_delegation_that_was_there_and_is_still_delegated_cannot_be_left_out() {
    let (mut repository, mut world, key) = (Repository::new(), World::default(), secret_key());
    let role = delegate(&mut repository, "targets/releases", &key, &[""]);
    let bytes = delegated_targets(&repository, "1", &key, now().plus_seconds(60));
    repository.publish_with(&mut world, &[(role.clone(), bytes)], |_, _| {});
    world.update().unwrap();
    let before = world.cached.clone();
    repository.publish_with(&mut world, &[], |snapshot, _| drop(snapshot.meta.remove(&role)));
    // Again and again: what leaves it out is not kept.
    for _ in 0..2 {
        assert_eq!(world.update().unwrap_err(), ChainError::Unlisted(role.clone()));
        assert_eq!(world.cached, before);
    }
}

#[test]
fn a_delegation_that_was_taken_away_or_given_to_others_may_be_left_out() {
    for successor in [None, Some(secret_key())] {
        let (mut repository, mut world, key) = (Repository::new(), World::default(), secret_key());
        let role = delegate(&mut repository, "targets/releases", &key, &[""]);
        let bytes = delegated_targets(&repository, "1", &key, now().plus_seconds(60));
        repository.publish_with(&mut world, &[(role.clone(), bytes)], |_, _| {});
        world.update().unwrap();
        repository.publisher.targets.delegations = Delegations::default();
        if let Some(key) = &successor {
            delegate(&mut repository, "targets/releases", key, &[""]);
        }
        repository.publisher.next_targets();
        repository.publish_with(&mut world, &[], |snapshot, _| drop(snapshot.meta.remove(&role)));
        assert!(world.update().unwrap().targets(&role).is_none());
    }
}

#[test]
fn an_expired_or_foreign_delegation_is_passed_over_and_named() {
    let (mut repository, mut world) = (Repository::new(), World::default());
    let (key, stranger) = (secret_key(), secret_key());
    let expired = delegate(&mut repository, "targets/expired", &key, &[""]);
    let foreign = delegate(&mut repository, "targets/foreign", &key, &[""]);
    let late = delegated_targets(&repository, "1", &key, at("2026-11-01T00:00:00Z"));
    let forged = delegated_targets(&repository, "1", &stranger, now().plus_seconds(60));
    repository.publish_with(&mut world, &[(expired.clone(), late), (foreign.clone(), forged)], |_, _| {});
    for _ in 0..2 {
        let trusted = world.update().unwrap();
        let skipped: Vec<_> = trusted.skipped().iter().map(|s| s.role.clone()).collect();
        assert_eq!(skipped, [expired.clone(), foreign.clone()]);
        assert!(matches!(trusted.skipped()[0].why, ChainError::Stale(StaleError::Expired { .. })));
        assert!(matches!(
            trusted.skipped()[1].why,
            ChainError::Signature(SignatureError::BelowThreshold { got: 0, .. })
        ));
        assert_eq!(trusted.walk().len(), 1);
    }
}

#[test]
fn a_tampered_delegation_ends_the_update() {
    let (mut repository, mut world, key) = (Repository::new(), World::default(), secret_key());
    let role = delegate(&mut repository, "targets/a", &key, &[""]);
    let bytes = delegated_targets(&repository, "1", &key, now().plus_seconds(60));
    repository.publish_with(&mut world, &[(role.clone(), bytes.clone())], |_, _| {});
    let other = delegated_targets(&repository, "2", &key, now().plus_seconds(60));
    world.served.insert(format!("targets/a.{}.json", Sha256::of(&bytes)), other);
    let error = world.update().unwrap_err();
    assert!(matches!(error, ChainError::Stale(StaleError::Unlisted { .. })), "{error}");
    world.served.remove(&format!("targets/a.{}.json", Sha256::of(&bytes)));
    assert!(matches!(world.update().unwrap_err(), ChainError::Missing(DocumentName { role: r, .. }) if r == role));
}
