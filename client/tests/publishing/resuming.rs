//! A first publish that never reached the server: its root is kept, the server answers 404.

use bulla::keys::{Derivation, KeyRole};
use bulla::publish::{PublishError, Published};
use bulla::trust::{Offline, UpdateError, released, update};
use ring::rand::SystemRandom;
use tuf_schema::model::{Delegations, Root, Snapshot, Targets};
use tuf_schema::sign::{Passphrase, SecretKey};
use tuf_schema::testing::signed;
use tuf_schema::version::Version;
use tuf_schema::{Role, Sha256, SigningKey as _};

use crate::world::{Person, Server, add_signer, cached, gun, now, roles, tag};

/// What docker keeps of a first publish before it sends anything: root, and empty targets of version 1.
async fn begin(owner: &Person, server: &Server) -> Vec<u8> {
    owner.sign(server, "gone", b"gone").await.unwrap();
    let targets: Targets = server.current("targets");
    let empty = Targets { version: Version::FIRST, targets: Default::default(), ..targets };
    let mut keys = owner.keyring();
    let stored = keys.list().unwrap().into_iter().find(|key| key.role == KeyRole::Targets).unwrap();
    let bytes = signed(&empty, &[keys.open(&stored).unwrap()]);
    owner.cache().write(&Role::Targets, &bytes, &SystemRandom::new()).unwrap();
    forget(server);
    owner.cache().read(&Role::Root).unwrap().unwrap()
}

fn forget(server: &Server) {
    *server.state.lock().unwrap() = Default::default();
}

pub(crate) fn hold(person: &Person, key: &SecretKey, role: &KeyRole) {
    let passphrase = Passphrase::from_text("repository passphrase".into());
    let text =
        bulla::keys::seal::seal(key, role, Some(&gun()), &passphrase, Derivation::Compatible, &SystemRandom::new())
            .unwrap();
    std::fs::write(person.directory().private_key(key.public().id()), text.as_bytes()).unwrap();
}

#[tokio::test]
async fn a_first_publish_that_failed_is_carried_on_with_the_very_root_that_is_kept() {
    let (server, owner) = (Server::new(), Person::new());
    let root = begin(&owner, &server).await;
    let published = owner.sign(&server, "1", b"one").await.unwrap();
    assert_eq!(
        published,
        Published { initialised: true, roles: vec![Role::Targets], root: Vec::new(), unsignable: Vec::new() }
    );
    assert_eq!(server.posts(), [roles(&["root", "targets"])]);
    assert_eq!(server.state.lock().unwrap().current[&Role::Root], root);
    assert_eq!(owner.cache().read(&Role::Root).unwrap().unwrap(), root);
    assert_eq!(server.current::<Targets>("targets").version.number(), 2);
    assert_eq!(owner.key_files(), 2);
    let trusted = Person::new().read(&server).await.unwrap();
    assert_eq!(released(&trusted, &tag("1")).unwrap().unwrap().1.digests.sha256(), Some(Sha256::of(b"one")));
    // And from there as usual.
    owner.sign(&server, "2", b"two").await.unwrap();
    assert_eq!(server.posts()[1], roles(&["targets"]));
}

#[tokio::test]
async fn a_snapshot_key_of_our_own_signs_the_first_snapshot_too() {
    let (server, owner) = (Server::new(), Person::new());
    begin(&owner, &server).await;
    hold(&owner, &server.snapshot, &KeyRole::Snapshot);
    owner.sign(&server, "1", b"one").await.unwrap();
    assert_eq!(server.posts(), [roles(&["root", "snapshot", "targets"])]);
    assert_eq!(server.current::<Snapshot>("snapshot").version, Version::FIRST);
    Person::new().read(&server).await.unwrap();
}

#[tokio::test]
async fn kept_targets_that_the_root_s_keys_did_not_sign_are_not_carried_on() {
    let (server, owner) = (Server::new(), Person::new());
    begin(&owner, &server).await;
    let expires = now().plus_seconds(9999);
    let evil = manifest_of(b"evil");
    let targets = Targets {
        version: Version::new(7).unwrap(),
        expires,
        targets: [("evil".to_owned(), evil)].into(),
        delegations: Delegations::default(),
    };
    let bytes = signed(&targets, &[&server.snapshot]);
    owner.cache().write(&Role::Targets, &bytes, &SystemRandom::new()).unwrap();
    owner.sign(&server, "1", b"one").await.unwrap();
    let targets: Targets = server.current("targets");
    assert_eq!(targets.version.number(), 2);
    assert_eq!(targets.targets.keys().collect::<Vec<_>>(), ["1"]);
}

#[tokio::test]
async fn without_the_kept_root_s_key_nothing_is_sent_and_no_other_root_is_made() {
    let (server, owner) = (Server::new(), Person::new());
    begin(&owner, &server).await;
    let keys = owner.keyring().list().unwrap();
    let root_key = keys.iter().find(|key| key.role == KeyRole::Root).unwrap();
    std::fs::remove_file(owner.directory().private_key(&root_key.id)).unwrap();
    let before = cached(&owner);
    let error = owner.sign(&server, "1", b"one").await.unwrap_err();
    assert!(matches!(&error, PublishError::NoKey(ids) if ids[..] == [root_key.id.clone()]), "{error}");
    assert_eq!((server.posts().len(), owner.key_files()), (0, 1));
    assert_eq!(cached(&owner), before);
}

#[tokio::test]
async fn what_a_server_served_before_is_not_published_anew_when_it_says_404() {
    let (server, owner) = (Server::new(), Person::new());
    owner.sign(&server, "1", b"one").await.unwrap();
    owner.read(&server).await.unwrap();
    forget(&server);
    let before = cached(&owner);
    let error = owner.sign(&server, "2", b"two").await.unwrap_err();
    assert!(matches!(error, PublishError::Vanished { .. }), "{error}");
    assert!(error.to_string().contains("/trust/tuf/registry.test:5000/team/app/metadata to begin anew"), "{error}");
    assert_eq!((server.posts().len(), owner.key_files()), (0, 2));
    assert_eq!(cached(&owner), before);
}

#[tokio::test]
async fn kept_delegations_show_that_the_repository_was_public() {
    let (server, owner) = (Server::new(), Person::new());
    owner.sign(&server, "1", b"one").await.unwrap();
    add_signer(&Person::new(), &owner, &server, "bob", &[""]);
    let targets = server.state.lock().unwrap().current[&Role::Targets].clone();
    owner.cache().write(&Role::Targets, &targets, &SystemRandom::new()).unwrap();
    forget(&server);
    let error = owner.sign(&server, "2", b"two").await.unwrap_err();
    assert!(matches!(error, PublishError::Vanished { .. }), "{error}");
    assert_eq!(server.posts().len(), 0);
}

#[tokio::test]
async fn a_reader_of_a_lost_repository_is_told_so_and_keeps_its_anchor() {
    let (server, owner, reader) = (Server::new(), Person::new(), Person::new());
    owner.sign(&server, "1", b"one").await.unwrap();
    reader.read(&server).await.unwrap();
    let root: Root = server.current("root");
    forget(&server);
    for (person, offline) in [
        (&reader, Offline::Refuse),
        (&reader, Offline::UseCache),
        (&owner, Offline::Refuse),
        (&owner, Offline::UseCache),
    ] {
        let before = cached(person);
        let error =
            update(&gun(), Ok(&server), &person.cache(), offline, now(), &SystemRandom::new()).await.unwrap_err();
        let UpdateError::Vanished { gun: lost, anchor } = &error else { panic!("{error}") };
        assert_eq!((lost, anchor.model().version), (&gun(), root.version));
        assert!(error.to_string().starts_with("no trust data for registry.test:5000/team/app"), "{error}");
        assert_eq!(cached(person), before);
    }
    // The anchor still refuses another root.
    Person::new().sign(&server, "1", b"evil").await.unwrap();
    assert!(matches!(reader.read(&server).await, Err(UpdateError::Chain(_))));
}

fn manifest_of(content: &[u8]) -> tuf_schema::model::Target {
    let digests = tuf_schema::Digests::from_sha256(&Sha256::of(content));
    tuf_schema::model::Target { length: content.len() as u64, digests, custom: None }
}
