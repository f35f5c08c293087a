//! What an update asks for and takes, and what of root, timestamp, snapshot and targets it refuses.

use bytes::Bytes;
use tuf_schema::dialect::{DecodeError, Fault};
use tuf_schema::model::{FileMismatch, KeyGrant};
use tuf_schema::testing::{Publisher, secret_key, signed};
use tuf_schema::verify::chain::{ChainError, DocumentName, Reach};
use tuf_schema::verify::{FirstRootError, RootError, SignatureError, StaleError};
use tuf_schema::{Gun, Role, Sha256, SigningKey as _, UtcTime};

use crate::world::{Repository, World, at, fixtures, gun, now, published, read_once, real, version};

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
fn a_cached_document_that_others_signed_rules_no_version_out() {
    let (repository, world) = read_once();
    let mut newer = repository.publisher.targets.clone();
    newer.version = version(2);
    let outcome = |key: &_| {
        let mut world = world.clone();
        world.cached.insert("targets".into(), signed(&newer, &[key]));
        world.update().map(|trusted| trusted.targets(&Role::Targets).unwrap().model().version)
    };
    assert_eq!(outcome(&secret_key()).unwrap(), version(1));
    let expected = StaleError::Rollback { role: Role::Targets, offered: version(1), trusted: version(2) };
    assert_eq!(outcome(&repository.publisher.targets_key).unwrap_err(), ChainError::Stale(expected));
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
        assert!(
            matches!(error, ChainError::Signature { source: SignatureError::BelowThreshold { .. }, .. }),
            "{role}: {error}"
        );
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
    let trusted = Sha256::of(&world.served["root.json"]);
    repository.publisher.root.expires = now().plus_seconds(5);
    repository.root = None;
    repository.publish(&mut world);
    let offered = Sha256::of(&world.served["root.json"]);
    assert_eq!(world.refused(), ChainError::RootReplaced { version: version(1), trusted, offered });
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
