//! A server that means harm and holds the snapshot and timestamp keys, and a repository that means harm to its signers.

use bulla::keys::KeyRole;
use bulla::publish::{PublishError, RootNotice};
use bulla::remote::Part;
use bulla::trust::{UpdateError, released};
use ring::rand::SystemRandom;
use tuf_schema::model::{Root, Snapshot, Targets};
use tuf_schema::sign::{CertifiedKey, self_signed_root_certificate};
use tuf_schema::testing::signed;
use tuf_schema::verify::chain::ChainError;
use tuf_schema::{Gun, PublicKey, Role, SigningKey as _};

use crate::world::{Person, Server, add_signer, cached, decode, gun, now, roles, tag};

/// Makes a key of a person and gives its public part; with `certified`, its root certificate for the repository.
fn key(person: &Person, role: KeyRole, of: Option<&Gun>, certified: bool) -> PublicKey {
    let (mut keys, rng) = (person.keyring(), SystemRandom::new());
    let stored = keys.create(role, of, &rng).unwrap();
    let secret = keys.open(&stored).unwrap();
    if certified { self_signed_root_certificate(secret, &gun(), now(), &rng).unwrap() } else { secret.public().clone() }
}

/// Puts another root on the server, signed by the key of the one that is there.
pub(crate) fn restate(server: &Server, owner: &Person, change: impl FnOnce(&mut Root)) {
    let mut root: Root = server.current("root");
    let certificate = root.keys[&root.root.key_ids[0]].clone();
    change(&mut root);
    let mut keys = owner.keyring();
    let stored = keys.list().unwrap().into_iter().find(|key| key.role == KeyRole::Root).unwrap();
    let signer = CertifiedKey::new(keys.open(&stored).unwrap(), certificate).unwrap();
    let parts = [Part { role: Role::Root, bytes: signed(&root, &[&signer]).to_vec() }];
    server.store(&mut server.state.lock().unwrap(), &parts);
}

#[tokio::test]
async fn a_key_of_another_repository_signs_nothing_here() {
    let elsewhere = Gun::parse("registry.test:5000/team/other").unwrap();
    for (role, of) in
        [(KeyRole::Targets, Some(&elsewhere)), (KeyRole::Root, None), (KeyRole::Signer("victim".to_owned()), None)]
    {
        let (server, evil, victim) = (Server::new(), Person::new(), Person::new());
        evil.sign(&server, "1", b"one").await.unwrap();
        let key = key(&victim, role.clone(), of, false);
        restate(&server, &evil, |root| {
            root.targets.key_ids.push(key.id().clone());
            root.keys.insert(key.id().clone(), key.clone());
        });
        let error = victim.sign(&server, "2", b"two").await.unwrap_err();
        let kept_for = of.map_or_else(|| role.to_string(), Gun::to_string);
        assert!(
            matches!(&error, PublishError::KeyOfOther { key: k, of, .. } if k == key.id() && *of == kept_for),
            "{error}"
        );
        assert_eq!(server.posts().len(), 1);
    }
}

#[tokio::test]
async fn a_root_that_others_made_is_not_signed_anew_though_it_names_our_key() {
    let (server, evil, victim) = (Server::new(), Person::new(), Person::new());
    evil.sign(&server, "1", b"one").await.unwrap();
    add_signer(&victim, &evil, &server, "victim", &[""]);
    let ours = key(&victim, KeyRole::Root, None, true);
    let expires = now().plus_seconds(86_400);
    restate(&server, &evil, |root| {
        root.root.key_ids.push(ours.id().clone());
        root.keys.insert(ours.id().clone(), ours.clone());
        root.expires = expires;
    });
    victim.read(&server).await.unwrap();
    let published = victim.sign(&server, "2", b"two").await.unwrap();
    let [RootNotice::NotRenewed { expires: told, why }] = published.root.as_slice() else { panic!("{published:?}") };
    assert_eq!(*told, expires);
    assert!(why.starts_with("the keys here did not sign the root"), "{why}");
    assert_eq!(server.posts().last().unwrap(), &roles(&["targets/releases", "targets/victim"]));
}

/// A tag that `targets` lists as it was before there were signers, and `targets/releases` as it is now.
async fn released_twice() -> (Server, Person) {
    let (server, owner, bob) = (Server::new(), Person::new(), Person::new());
    owner.sign(&server, "1", b"old").await.unwrap();
    add_signer(&bob, &owner, &server, "bob", &[""]);
    bob.sign(&server, "1", b"new").await.unwrap();
    (server, owner)
}

#[tokio::test]
async fn releases_that_cannot_be_believed_do_not_bring_back_what_targets_lists() {
    let (server, _) = released_twice().await;
    let reader = Person::new();
    let releases = Role::parse("targets/releases").unwrap();
    let junk: Targets = server.current("targets/releases");
    let parts = [Part { role: releases.clone(), bytes: signed(&junk, &[&server.snapshot]).to_vec() }];
    server.store(&mut server.state.lock().unwrap(), &parts);
    let trusted = reader.read(&server).await.unwrap();
    assert_eq!(released(&trusted, &tag("1")).unwrap_err().role, releases);
}

#[tokio::test]
async fn releases_that_are_left_out_do_not_bring_back_what_targets_lists() {
    let (server, _) = released_twice().await;
    let reader = Person::new();
    reader.read(&server).await.unwrap();
    let releases = Role::parse("targets/releases").unwrap();
    {
        let mut state = server.state.lock().unwrap();
        state.current.remove(&releases);
        server.store(&mut state, &[]);
        let mut snapshot: Snapshot = decode(Role::Snapshot, &state.current[&Role::Snapshot]);
        snapshot.version = snapshot.version.next().unwrap();
        let parts = [Part { role: Role::Snapshot, bytes: signed(&snapshot, &[&server.snapshot]).to_vec() }];
        server.store(&mut state, &parts);
    }
    let error = reader.read(&server).await.unwrap_err();
    assert!(matches!(&error, UpdateError::Chain(ChainError::Unlisted(role)) if *role == releases), "{error}");
}

#[tokio::test]
async fn a_root_that_got_lost_from_the_cache_is_not_a_first_use() {
    let (server, owner) = (Server::new(), Person::new());
    owner.sign(&server, "1", b"one").await.unwrap();
    owner.read(&server).await.unwrap();
    let place = owner.cache().place();
    std::fs::remove_file(place.join("root.json")).unwrap();
    std::fs::remove_file(place.join("timestamp.json")).unwrap();
    let before = cached(&owner);
    let error = owner.read(&server).await.unwrap_err();
    assert!(matches!(&error, UpdateError::RootLost { metadata, .. } if *metadata == place), "{error}");
    let error = owner.sign(&server, "2", b"two").await.unwrap_err();
    assert!(matches!(error, PublishError::Update(UpdateError::RootLost { .. })), "{error}");
    assert_eq!(cached(&owner), before);
    std::fs::remove_dir_all(place).unwrap();
    owner.read(&server).await.unwrap();
}

#[tokio::test]
async fn a_size_beyond_all_measure_is_not_asked_for() {
    let (server, owner, reader) = (Server::new(), Person::new(), Person::new());
    owner.sign(&server, "1", b"one").await.unwrap();
    reader.read(&server).await.unwrap();
    owner.sign(&server, "2", b"two").await.unwrap();
    let mut snapshot: Snapshot = server.current("snapshot");
    snapshot.version = snapshot.version.next().unwrap();
    snapshot.meta.get_mut(&Role::Targets).unwrap().length = 1 << 50;
    let parts = [Part { role: Role::Snapshot, bytes: signed(&snapshot, &[&server.snapshot]).to_vec() }];
    server.store(&mut server.state.lock().unwrap(), &parts);
    let before = cached(&reader);
    // The server in memory refuses to be asked for more than a document may have.
    let error = reader.read(&server).await.unwrap_err();
    assert!(matches!(error, UpdateError::Chain(ChainError::Stale(_))), "{error}");
    assert_eq!(cached(&reader), before);
}
