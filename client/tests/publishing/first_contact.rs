//! On first contact the server chooses what it shows: nothing of that is signed anew by a run that knew nothing before.

use std::collections::BTreeMap;
use std::path::Path;

use bulla::cache::Cache;
use bulla::changelist::Change;
use bulla::config::{Config, Flags};
use bulla::keys::KeyRole;
use bulla::publish::{Changes, EditError, PublishError, Publisher};
use bulla::renew::{self, Plan, RenewalError, Renewed, What};
use bulla::rotate::{self, Request, Rotated, RotationError};
use bulla::trust::anchors;
use ring::rand::SystemRandom;
use tuf_schema::model::Targets;
use tuf_schema::{DelegationName, Gun, Role, SigningKey as _};

use crate::world::{NoPause, Person, Server, add_signer, cached, gun};

const THREE_YEARS: i64 = 1095 * 24 * 3600;

/// A repository whose owner has all keys and lost the cache.
async fn forgotten() -> (Server, Person) {
    let (server, owner) = (Server::new(), Person::new());
    owner.sign(&server, "1", b"one").await.unwrap();
    std::fs::remove_dir_all(owner.cache().place()).unwrap();
    (server, owner)
}

fn expire(server: &Server) {
    let now = server.now().plus_seconds(THREE_YEARS + 1);
    *server.clock.lock().unwrap() = now;
    server.renew_own();
}

/// One run of a renewal.
async fn renew(owner: &Person, cache: &Cache, server: &Server) -> Result<Renewed, RenewalError> {
    let (gun, mut keys, rng, now) = (gun(), owner.keyring(), SystemRandom::new(), server.now());
    let mut publisher =
        Publisher { gun: &gun, remote: server, cache, keys: &mut keys, now, rng: &rng, pacing: &NoPause };
    let plan = renew::plan(&mut publisher).await?;
    renew::carry_out(&mut publisher, &plan).await
}

/// One run of a rotation.
async fn rotate(owner: &Person, server: &Server, role: Role) -> Result<Rotated, RotationError> {
    let request = Request { roles: vec![role], ..Request::default() };
    let rotated = async |publisher: &mut Publisher<'_>| {
        let plan = rotate::plan(publisher, &request).await?;
        rotate::carry_out(publisher, &plan).await
    };
    owner.publishing(server, rotated).await
}

fn is_first_contact(error: &PublishError) -> bool {
    matches!(error, PublishError::FirstContact { gun: of } if *of == gun())
}

/// The cache of a person who pins the root certificate `id`.
fn pinned(person: &Person, of: &Gun, id: &str) -> Cache {
    let directory = person.directory();
    std::fs::write(directory.own_file(), format!("{{\"pins\": {{\"certs\": {{\"{of}\": [\"{id}\"]}}}}}}")).unwrap();
    let flags = Flags { trust_directory: Some(directory.as_path().to_owned()), ..Flags::default() };
    let home = |name: &str| (name == "HOME").then(|| Path::new("/nonexistent").into());
    Config::read(&flags, home).unwrap().cache(of).unwrap()
}

#[tokio::test]
async fn what_was_never_seen_before_is_not_renewed() {
    let (server, owner) = forgotten().await;
    expire(&server);
    let error = renew(&owner, &owner.cache(), &server).await.unwrap_err();
    assert!(matches!(&error, RenewalError::Publish(e) if is_first_contact(e)), "{error}");
    assert_eq!(server.posts().len(), 1);
    assert!(cached(&owner).is_empty());
}

#[tokio::test]
async fn what_was_never_seen_before_is_renewed_under_a_pin() {
    let (server, owner) = forgotten().await;
    let shown = anchors(&Person::new().read(&server).await.unwrap(), &gun(), server.now());
    expire(&server);
    let pinned = pinned(&owner, &gun(), &shown.first().unwrap().id.to_string());
    assert_eq!(renew(&owner, &pinned, &server).await.unwrap().renewed.len(), 1);
    assert_eq!(server.posts().len(), 2);
}

/// Plans a renewal on a machine that knows nothing but the pin, and carries it out when the server shows `then`.
async fn planned_before(server: &Server, owner: &Person, then: BTreeMap<String, Vec<u8>>) -> (Plan, RenewalError) {
    let shown = anchors(&Person::new().read(server).await.unwrap(), &gun(), server.now());
    std::fs::remove_dir_all(owner.cache().place()).unwrap();
    let now = server.now().plus_seconds(THREE_YEARS - 150 * 24 * 3600);
    *server.clock.lock().unwrap() = now;
    let cache = pinned(owner, &gun(), &shown.first().unwrap().id.to_string());
    let (gun, mut keys, rng) = (gun(), owner.keyring(), SystemRandom::new());
    let mut publisher =
        Publisher { gun: &gun, remote: server, cache: &cache, keys: &mut keys, now, rng: &rng, pacing: &NoPause };
    let plan = renew::plan(&mut publisher).await.unwrap();
    server.state.lock().unwrap().served = then;
    let error = renew::carry_out(&mut publisher, &plan).await.unwrap_err();
    (plan, error)
}

#[tokio::test]
async fn what_comes_older_than_it_was_planned_is_not_renewed() {
    let (server, owner) = (Server::new(), Person::new());
    owner.sign(&server, "1", b"one").await.unwrap();
    let version = server.current::<Targets>("targets").version;
    let old = server.state.lock().unwrap().served.clone();
    owner.sign(&server, "2", b"two").await.unwrap();
    let (_, error) = planned_before(&server, &owner, old).await;
    assert!(
        matches!(&error, RenewalError::Publish(PublishError::Edit(EditError::Older { role: Role::Targets, found, known }))
            if (*found, Some(*known)) == (version, version.next())),
        "{error}"
    );
    assert_eq!(server.posts().len(), 2);
}

#[tokio::test]
async fn nothing_is_renewed_beside_what_comes_older_than_it_was_seen() {
    let (server, owner, alice) = (Server::new(), Person::new(), Person::new());
    owner.sign(&server, "1", b"one").await.unwrap();
    add_signer(&alice, &owner, &server, "alice", &[""]);
    *server.clock.lock().unwrap() = server.now().plus_seconds(100 * 24 * 3600);
    server.renew_own();
    alice.sign(&server, "1", b"one").await.unwrap();
    let old = server.state.lock().unwrap().served.clone();
    alice.sign(&server, "2", b"two").await.unwrap();
    let posts = server.posts().len();
    let (plan, error) = planned_before(&server, &owner, old).await;
    assert!(plan.here().all(|item| item.what == What::Document(Role::Targets)), "{:?}", plan.items);
    assert!(
        matches!(&error, RenewalError::Publish(PublishError::Edit(EditError::Older { role: Role::Snapshot, .. }))),
        "{error}"
    );
    assert_eq!(server.posts().len(), posts);
}

#[tokio::test]
async fn no_root_follows_one_that_was_seen_in_the_same_run() {
    for role in [Role::Root, Role::Targets] {
        let (server, owner) = forgotten().await;
        let before = owner.key_files();
        let error = rotate(&owner, &server, role.clone()).await.unwrap_err();
        assert!(matches!(&error, RotationError::Publish(e) if is_first_contact(e)), "{error}");
        assert_eq!((server.posts().len(), owner.key_files()), (1, before), "nothing sent, no key left behind");
        // What a run refused to follow is no anchor for the next one.
        assert!(cached(&owner).is_empty(), "{:?}", cached(&owner).keys());
        let again = rotate(&owner, &server, role.clone()).await.unwrap_err();
        assert!(matches!(&again, RotationError::Publish(e) if is_first_contact(e)), "{again}");
        // What somebody looked at in an earlier run is.
        owner.read(&server).await.unwrap();
        rotate(&owner, &server, role).await.unwrap();
    }
}

#[tokio::test]
async fn what_leaves_the_root_alone_is_published_at_once() {
    let (server, owner) = forgotten().await;
    let mut keys = owner.keyring();
    let stored = keys.create(KeyRole::Signer("bob".into()), None, &SystemRandom::new()).unwrap();
    let key = keys.open(&stored).unwrap().public().clone();
    let name = DelegationName::parse("targets/bob").unwrap();
    let grant = Change::GrantDelegation { name, threshold: None, keys: vec![key], paths: vec![String::new()] };
    owner.publish(&server, &Changes(vec![grant])).await.unwrap();
    assert_eq!(server.current::<Targets>("targets").delegations.roles.len(), 1);
}
