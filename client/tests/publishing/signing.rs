//! Signing: what is sent, with which keys, and what happens when others are faster.

use bulla::config::EnvironmentPassphrases;
use bulla::keys::{Derivation, KeyRole, Keyring, Passphrases};
use bulla::publish::{EditError, MAX_ATTEMPTS, PublishError, Published};
use bulla::remote::{Part, Remote as _, RemoteError};
use bulla::trust::{Offline, Report, UpdateError, released, update};
use ring::rand::SystemRandom;
use tuf_schema::model::{Root, Snapshot, Targets};
use tuf_schema::sign::Passphrase;
use tuf_schema::testing::signed;
use tuf_schema::verify::chain::{ChainError, Reach};
use tuf_schema::{BaseRole, Role, Sha256, SigningKey as _};

use crate::world::{Nobody, Person, Server, add_signer, cached, gun, now, roles, tag};

#[tokio::test]
async fn the_first_signature_makes_a_repository_as_docker_does() {
    let (server, owner) = (Server::new(), Person::new());
    let published = owner.sign(&server, "1", b"one").await.unwrap();
    assert!(published.initialised);
    assert_eq!(server.posts(), [roles(&["root", "targets"])]);
    let root: Root = server.current("root");
    let targets: Targets = server.current("targets");
    assert_eq!((root.version.number(), targets.version.number()), (1, 2));
    assert_eq!(root.expires, now().plus_seconds(3650 * 86_400));
    assert_eq!(targets.expires, now().plus_seconds(1095 * 86_400));
    // Files are named by the bare keys; the root key stands in root under its certificate's id.
    assert_eq!(owner.key_files(), 2);
    let targets_id = &root.targets.key_ids[0];
    assert!(owner.directory().private_key(targets_id).is_file());
    assert!(!owner.directory().private_key(&root.root.key_ids[0]).exists());
    let bare = root.keys[&root.root.key_ids[0]].bare().unwrap();
    assert!(owner.directory().private_key(bare.id()).is_file());
    // What we published ourselves is the anchor, byte for byte.
    assert_eq!(owner.cache().read(&Role::Root).unwrap().unwrap(), server.state.lock().unwrap().current[&Role::Root]);
    let trusted = Person::new().read(&server).await.unwrap();
    let (role, target) = released(&trusted, &tag("1")).unwrap().unwrap();
    assert_eq!((role, target.digests.sha256()), (&Role::Targets, Some(Sha256::of(b"one"))));
}

#[tokio::test]
async fn a_second_repository_reuses_the_root_key() {
    let (server, owner) = (Server::new(), Person::new());
    owner.sign(&server, "1", b"one").await.unwrap();
    let other = Server::new();
    std::fs::remove_dir_all(owner.directory().as_path().join("tuf")).unwrap();
    owner.sign(&other, "1", b"one").await.unwrap();
    assert_eq!(owner.keyring().list().unwrap().iter().filter(|key| key.role == KeyRole::Root).count(), 1);
    let bare = |root: &Root| root.keys[&root.root.key_ids[0]].bare().unwrap().id().clone();
    assert_eq!(bare(&server.current("root")), bare(&other.current("root")));
}

#[tokio::test]
async fn another_tag_sends_targets_only_and_keeps_the_others() {
    let (server, owner) = (Server::new(), Person::new());
    owner.sign(&server, "1", b"one").await.unwrap();
    let published = owner.sign(&server, "2", b"two").await.unwrap();
    assert_eq!(
        published,
        Published { initialised: false, roles: vec![Role::Targets], root: Vec::new(), unsignable: Vec::new() }
    );
    assert_eq!(server.posts()[1], roles(&["targets"]));
    let targets: Targets = server.current("targets");
    assert_eq!(targets.version.number(), 3);
    assert_eq!(targets.targets.keys().collect::<Vec<_>>(), ["1", "2"]);
    assert_eq!(owner.key_files(), 2);
}

#[tokio::test]
async fn what_is_signed_already_is_not_published_again() {
    let (server, owner) = (Server::new(), Person::new());
    owner.sign(&server, "1", b"one").await.unwrap();
    let published = owner.sign(&server, "1", b"one").await.unwrap();
    assert!(published.roles.is_empty());
    assert_eq!(server.posts().len(), 1);
    owner.sign(&server, "1", b"another").await.unwrap();
    assert_eq!(server.posts().len(), 2);
}

#[tokio::test]
async fn a_conflict_is_tried_again_from_fresh_data_and_not_for_ever() {
    let (server, owner) = (Server::new(), Person::new());
    owner.sign(&server, "1", b"one").await.unwrap();
    server.state.lock().unwrap().conflicts = usize::try_from(MAX_ATTEMPTS).unwrap() - 1;
    owner.sign(&server, "2", b"two").await.unwrap();
    server.state.lock().unwrap().conflicts = usize::try_from(MAX_ATTEMPTS).unwrap();
    let error = owner.sign(&server, "3", b"three").await.unwrap_err();
    assert!(matches!(error, PublishError::Contended), "{error}");
    assert_eq!(server.posts().len(), 2);
}

#[tokio::test]
async fn without_the_key_nothing_is_sent_and_the_missing_key_is_named() {
    let (server, owner, stranger) = (Server::new(), Person::new(), Person::new());
    owner.sign(&server, "1", b"one").await.unwrap();
    let error = stranger.sign(&server, "1", b"evil").await.unwrap_err();
    let root: Root = server.current("root");
    let expected = format!(
        "could not find necessary signing keys, at least one of these keys must be available: {}; go on where one is, or \
         bring it here with: bulla key import FILE",
        root.targets.key_ids[0]
    );
    assert_eq!(error.to_string(), expected);
    assert_eq!((server.posts().len(), stranger.key_files()), (1, 0));
}

#[tokio::test]
async fn a_signer_signs_into_its_own_role_and_the_releases() {
    let (server, owner, bob) = (Server::new(), Person::new(), Person::new());
    owner.sign(&server, "0", b"zero").await.unwrap();
    add_signer(&bob, &owner, &server, "bob", &[""]);
    bob.sign(&server, "1", b"one").await.unwrap();
    assert_eq!(server.posts()[2], roles(&["targets/bob", "targets/releases"]));
    // First files of a delegation are version 1.
    assert_eq!(server.current::<Targets>("targets/bob").version.number(), 1);
    let trusted = Person::new().read(&server).await.unwrap();
    let report = Report::of(&trusted, None);
    let tags: Vec<_> = report.tags.iter().map(|t| (t.name.as_str(), t.signers.join("+"))).collect();
    assert_eq!(tags, [("0", String::new()), ("1", "bob".to_owned())]);
    assert_eq!(report.signers.iter().map(|s| s.name.as_str()).collect::<Vec<_>>(), ["bob"]);
    assert_eq!(released(&trusted, &tag("1")).unwrap().unwrap().0.as_str(), "targets/releases");
    // The owner holds no delegation key, and once there are delegations nobody signs into targets.
    let error = owner.sign(&server, "2", b"two").await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "no valid signing keys for delegation roles; sign where a signer's key is, or bring it here with: bulla trust key \
         load FILE"
    );
}

#[tokio::test]
async fn a_tag_outside_the_signers_paths_is_refused() {
    let (server, owner, bob) = (Server::new(), Person::new(), Person::new());
    owner.sign(&server, "0", b"zero").await.unwrap();
    add_signer(&bob, &owner, &server, "bob", &["qa-"]);
    let error = bob.sign(&server, "prod-1", b"one").await.unwrap_err();
    assert!(matches!(error, PublishError::Edit(EditError::NoDelegationKey)), "{error}");
    bob.sign(&server, "qa-1", b"one").await.unwrap();
}

#[tokio::test]
async fn a_signers_tag_that_nobody_released_does_not_count() {
    let (server, owner, bob) = (Server::new(), Person::new(), Person::new());
    owner.sign(&server, "0", b"zero").await.unwrap();
    add_signer(&bob, &owner, &server, "bob", &[""]);
    bob.sign(&server, "1", b"one").await.unwrap();
    let mut releases: Targets = server.current("targets/releases");
    releases.version = releases.version.next().unwrap();
    releases.targets.clear();
    let mut keys = bob.keyring();
    let stored = keys.list().unwrap().remove(0);
    let role = Role::parse("targets/releases").unwrap();
    let parts = vec![Part { role, bytes: signed(&releases, &[keys.open(&stored).unwrap()]).to_vec() }];
    server.store(&mut server.state.lock().unwrap(), &parts);
    server.state.lock().unwrap().posts.push(parts);
    let trusted = Person::new().read(&server).await.unwrap();
    assert!(released(&trusted, &tag("1")).unwrap().is_none());
    assert_eq!(Report::of(&trusted, Some(&tag("1"))).tags, []);
}

#[tokio::test]
async fn a_snapshot_key_of_our_own_signs_the_snapshot() {
    let (server, owner) = (Server::new(), Person::new());
    owner.sign(&server, "1", b"one").await.unwrap();
    // The server's snapshot key in our hands, as after `notary init`.
    let rng = SystemRandom::new();
    let text = bulla::keys::seal::seal(
        &server.snapshot,
        &KeyRole::Snapshot,
        Some(&gun()),
        &Passphrase::from_text("repository passphrase".into()),
        Derivation::Compatible,
        &rng,
    );
    let path = owner.directory().private_key(server.snapshot.public().id());
    std::fs::write(path, text.unwrap().as_bytes()).unwrap();
    owner.sign(&server, "2", b"two").await.unwrap();
    assert_eq!(server.posts()[1], roles(&["targets", "snapshot"]));
    assert_eq!(server.current::<Snapshot>("snapshot").version.number(), 2);
    Person::new().read(&server).await.unwrap();
}

#[tokio::test]
async fn a_wrong_passphrase_signs_nothing_and_says_so_without_the_passphrase() {
    let (server, owner) = (Server::new(), Person::new());
    owner.sign(&server, "1", b"one").await.unwrap();
    let environment =
        EnvironmentPassphrases { targets: vec![Passphrase::from_text("sesame".into())], ..Default::default() };
    let keys = Keyring::new(owner.directory(), Passphrases::new(environment, Box::new(Nobody)));
    let error = owner.sign_with(keys, &server, "2", b"two").await.unwrap_err();
    assert!(matches!(error, PublishError::Keyring(_)), "{error}");
    assert!(!format!("{error} {error:?}").contains("sesame"));
    assert_eq!(server.posts().len(), 1);
}

#[tokio::test]
async fn a_failed_first_publish_leaves_no_anchor() {
    let (server, owner) = (Server::new(), Person::new());
    server.state.lock().unwrap().conflicts = usize::try_from(MAX_ATTEMPTS).unwrap();
    owner.sign(&server, "1", b"one").await.unwrap_err();
    assert_eq!(owner.cache().read(&Role::Root).unwrap(), None);
}

#[tokio::test]
async fn reading_without_a_server_is_refused_unless_the_cache_is_allowed() {
    let (server, owner) = (Server::new(), Person::new());
    owner.sign(&server, "1", b"one").await.unwrap();
    owner.read(&server).await.unwrap();
    server.state.lock().unwrap().down = true;
    assert!(matches!(owner.read(&server).await, Err(UpdateError::Remote(RemoteError::Unreachable { .. }))));
    let rng = SystemRandom::new();
    let cached = update(&gun(), Ok(&server), &owner.cache(), Offline::UseCache, now(), &rng).await.unwrap();
    assert_eq!(cached.trusted.reach(), Reach::CacheOnly);
    let stranger = update(&gun(), Ok(&server), &Person::new().cache(), Offline::UseCache, now(), &rng).await;
    assert!(matches!(stranger, Err(UpdateError::Remote(RemoteError::Unreachable { .. }))));
}

#[tokio::test]
async fn the_cache_holds_the_bytes_as_served_and_is_left_alone_by_a_refusal() {
    let (server, owner, reader) = (Server::new(), Person::new(), Person::new());
    owner.sign(&server, "1", b"one").await.unwrap();
    reader.read(&server).await.unwrap();
    for role in [Role::Root, Role::Timestamp, Role::Snapshot, Role::Targets] {
        assert_eq!(reader.cache().read(&role).unwrap().unwrap(), server.state.lock().unwrap().current[&role], "{role}");
    }
    let before = cached(&reader);
    let (other, stranger) = (Server::new(), Person::new());
    stranger.sign(&other, "1", b"evil").await.unwrap();
    assert!(matches!(reader.read(&other).await, Err(UpdateError::Chain(ChainError::Root(_)))));
    assert_eq!(cached(&reader), before);
}

#[tokio::test]
async fn the_root_of_a_first_publish_is_what_its_maker_trusts_from_then_on() {
    let (server, owner) = (Server::new(), Person::new());
    owner.sign(&server, "1", b"one").await.unwrap();
    *server.state.lock().unwrap() = Default::default();
    Person::new().sign(&server, "1", b"of others").await.unwrap();
    let error = owner.read(&server).await.unwrap_err();
    assert!(matches!(error, UpdateError::Chain(ChainError::Root(_))), "{error:?}");
}

#[tokio::test]
async fn a_damaged_anchor_is_an_error_and_stays_as_it_is() {
    let (server, owner) = (Server::new(), Person::new());
    owner.sign(&server, "1", b"one").await.unwrap();
    let path = owner.directory().metadata(&gun(), &Role::Root);
    std::fs::write(&path, b"{\"signed\"").unwrap();
    let error = owner.read(&server).await.unwrap_err();
    let place = owner.cache().place();
    assert_eq!(
        error.to_string(),
        format!(
            "the cached root is damaged: root is malformed; restore {}, or remove {} to trust the root that the server shows",
            path.display(),
            place.display()
        )
    );
    assert_eq!(std::fs::read(&path).unwrap(), b"{\"signed\"");
}

#[tokio::test]
async fn that_the_server_has_not_the_snapshot_s_key_is_told_with_what_to_do() {
    let (server, owner) = (Server::new(), Person::new());
    owner.sign(&server, "1", b"one").await.unwrap();
    let of = |role| server.server_key(role);
    let (snapshot, timestamp) = (of(BaseRole::Snapshot).await.unwrap(), of(BaseRole::Timestamp).await.unwrap());
    for (key, is_told) in [(snapshot, true), (timestamp, false)] {
        let why = format!("rpc error: code = NotFound desc = key {} not found", key.id());
        server.state.lock().unwrap().refusals.push(RemoteError::Rejected(why.clone()));
        let error = owner.sign(&server, "2", b"two").await.unwrap_err();
        assert_eq!(matches!(error, PublishError::NoSnapshotKey { .. }), is_told, "{error:?}");
        let said = error.to_string();
        assert!(said.starts_with(&format!("trust server rejected operation: {why}")), "{said}");
        let next = format!("where the root key is: bulla key rotate {} snapshot -r", gun());
        assert_eq!(said.ends_with(&next), is_told, "{said}");
    }
}
