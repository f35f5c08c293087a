//! Signers are added and removed as docker's users expect it, and what was released stays pullable or nothing is done.

use bulla::keys::KeyRole;
use bulla::publish::{EditError, PublishError, SignTags};
use bulla::signers::{AddSigner, Releases, RemoveSigner, SignerName, SignersError, first_signer};
use bulla::trust::Report;
use ring::rand::SystemRandom;
use tuf_schema::model::{Root, Targets};
use tuf_schema::{DelegationName, PublicKey, Role, SigningKey as _};

use crate::world::{Person, Server, is_released, manifest, roles, signers_error, tag};

/// A key pair of a person who signs under a name.
fn key_pair(person: &Person, name: &str) -> PublicKey {
    let mut keys = person.keyring();
    let stored = keys.create(KeyRole::Signer(name.to_owned()), None, &SystemRandom::new()).unwrap();
    keys.open(&stored).unwrap().public().clone()
}

fn add(name: &str, keys: &[&PublicKey]) -> AddSigner {
    AddSigner::new(SignerName::parse(name).unwrap(), keys.iter().map(|key| (*key).clone()).collect())
}

fn remove(name: &str, releases: Releases) -> RemoveSigner {
    RemoveSigner { name: DelegationName::parse(&format!("targets/{name}")).unwrap(), releases }
}

/// The delegations that `targets` gives: name, paths, number of keys.
fn given(server: &Server) -> Vec<(String, Vec<String>, usize)> {
    let targets: Targets = server.current("targets");
    let row = |role: &tuf_schema::model::DelegatedRole| (role.name.to_string(), role.paths.clone(), role.key_ids.len());
    targets.delegations.roles.iter().map(row).collect()
}

#[tokio::test]
async fn a_signer_gets_every_tag_in_its_own_role_and_in_the_releases() {
    let (server, owner, bob) = (Server::new(), Person::new(), Person::new());
    owner.sign(&server, "0", b"zero").await.unwrap();
    let key = key_pair(&bob, "bob");
    owner.publish(&server, &add("bob", &[&key])).await.unwrap();
    assert_eq!(server.posts()[1], roles(&["targets"]));
    let every = || vec![String::new()];
    assert_eq!(given(&server), [("targets/bob".into(), every(), 1), ("targets/releases".into(), every(), 1)]);
    bob.sign(&server, "1", b"one").await.unwrap();
    assert!(is_released(&server, "1").await && is_released(&server, "0").await);
}

#[tokio::test]
async fn the_first_signer_makes_the_repository() {
    let (server, owner, bob) = (Server::new(), Person::new(), Person::new());
    let published = owner.publish(&server, &add("bob", &[&key_pair(&bob, "bob")])).await.unwrap();
    assert!(published.initialised);
    assert_eq!(server.posts(), [roles(&["root", "targets"])]);
    let targets: Targets = server.current("targets");
    assert_eq!((server.current::<Root>("root").version.number(), targets.version.number()), (1, 2));
    assert!(targets.targets.is_empty());
    bob.sign(&server, "1", b"one").await.unwrap();
    assert!(is_released(&server, "1").await);
}

#[tokio::test]
async fn keys_that_a_signer_has_already_make_no_new_version_and_others_are_added() {
    let (server, owner, bob) = (Server::new(), Person::new(), Person::new());
    let (first, second) = (key_pair(&bob, "bob"), key_pair(&bob, "bob"));
    owner.publish(&server, &add("bob", &[&first])).await.unwrap();
    let published = owner.publish(&server, &add("bob", &[&first])).await.unwrap();
    assert!(published.roles.is_empty());
    assert_eq!(server.posts().len(), 1);
    owner.publish(&server, &add("bob", &[&first, &second])).await.unwrap();
    assert_eq!(given(&server).iter().map(|(.., keys)| *keys).collect::<Vec<_>>(), [2, 2]);
}

#[tokio::test]
async fn only_who_has_the_repository_s_key_adds_a_signer() {
    let (server, owner, bob) = (Server::new(), Person::new(), Person::new());
    owner.sign(&server, "0", b"zero").await.unwrap();
    let error = bob.publish(&server, &add("bob", &[&key_pair(&bob, "bob")])).await.unwrap_err();
    assert!(matches!(&error, PublishError::NoKey(_)), "{error}");
    assert_eq!(server.posts().len(), 1);
}

/// A repository whose signers are bob and carol, each with a tag; carol signed last.
async fn bob_and_carol(server: &Server, owner: &Person, bob: &Person, carol: &Person) {
    owner.publish(server, &add("bob", &[&key_pair(bob, "bob")])).await.unwrap();
    owner.publish(server, &add("carol", &[&key_pair(carol, "carol")])).await.unwrap();
    bob.sign(server, "1", b"one").await.unwrap();
    carol.sign(server, "2", b"two").await.unwrap();
}

#[tokio::test]
async fn a_signer_who_did_not_sign_last_is_removed_and_the_releases_stay_as_they_are() {
    let (server, owner, bob, carol) = (Server::new(), Person::new(), Person::new(), Person::new());
    bob_and_carol(&server, &owner, &bob, &carol).await;
    let published = owner.publish(&server, &remove("bob", Releases::Keep)).await.unwrap();
    assert_eq!(published.roles, [Role::Targets]);
    let names: Vec<_> = given(&server).into_iter().map(|(name, ..)| name).collect();
    assert_eq!(names, ["targets/releases", "targets/carol"]);
    assert!(is_released(&server, "1").await && is_released(&server, "2").await);
    let error = bob.sign(&server, "3", b"three").await.unwrap_err();
    assert!(matches!(error, PublishError::Edit(EditError::NoDelegationKey)), "{error}");
    let reader = Person::new();
    let trusted = reader.read(&server).await.unwrap();
    let names: Vec<_> = Report::of(&trusted, None).signers.into_iter().map(|signer| signer.name).collect();
    assert_eq!(names, ["carol"]);
}

#[tokio::test]
async fn before_anybody_has_signed_a_signer_can_be_removed() {
    let (server, owner, bob, carol) = (Server::new(), Person::new(), Person::new(), Person::new());
    owner.publish(&server, &add("bob", &[&key_pair(&bob, "bob")])).await.unwrap();
    owner.publish(&server, &add("carol", &[&key_pair(&carol, "carol")])).await.unwrap();
    owner.publish(&server, &remove("bob", Releases::Keep)).await.unwrap();
    carol.sign(&server, "1", b"one").await.unwrap();
    assert!(is_released(&server, "1").await);
}

#[tokio::test]
async fn releases_that_lose_their_signature_are_signed_anew_in_the_same_publish() {
    let (server, owner, bob) = (Server::new(), Person::new(), Person::new());
    // The owner is a signer as well.
    bob_and_carol(&server, &owner, &bob, &owner).await;
    bob.sign(&server, "3", b"three").await.unwrap();
    let published = owner.publish(&server, &remove("bob", Releases::Keep)).await.unwrap();
    assert_eq!(published.roles, [Role::Targets, Role::parse("targets/releases").unwrap()]);
    for name in ["1", "2", "3"] {
        assert!(is_released(&server, name).await, "{name}");
    }
}

#[tokio::test]
async fn a_signer_whose_signature_nobody_here_can_replace_stays_and_who_can_is_named() {
    let (server, owner, bob, carol) = (Server::new(), Person::new(), Person::new(), Person::new());
    bob_and_carol(&server, &owner, &bob, &carol).await;
    bob.sign(&server, "3", b"three").await.unwrap();
    let error = owner.publish(&server, &remove("bob", Releases::Keep)).await.unwrap_err();
    let Some(SignersError::Unsigned { name, holders }) = signers_error(&error) else {
        return assert_eq!(error.to_string(), "");
    };
    let key = carol.keyring().list().unwrap().remove(0).id;
    assert_eq!(name.as_str(), "targets/bob");
    assert_eq!(holders.iter().map(ToString::to_string).collect::<Vec<_>>(), [format!("carol (key {key})")]);
    assert_eq!(given(&server).len(), 3);
    // Carol signs any tag, and bob can go.
    carol.sign(&server, "4", b"four").await.unwrap();
    owner.publish(&server, &remove("bob", Releases::Keep)).await.unwrap();
    assert!(is_released(&server, "3").await);
}

#[tokio::test]
async fn a_signer_can_be_removed_at_the_price_of_what_was_released() {
    let (server, owner, bob, carol) = (Server::new(), Person::new(), Person::new(), Person::new());
    bob_and_carol(&server, &owner, &bob, &carol).await;
    bob.sign(&server, "3", b"three").await.unwrap();
    let published = owner.publish(&server, &remove("bob", Releases::GiveUp)).await.unwrap();
    assert_eq!(published.roles, [Role::Targets]);
    assert!(!is_released(&server, "3").await && !is_released(&server, "2").await);
}

#[tokio::test]
async fn the_last_signer_goes_with_the_releases_and_only_if_that_is_wanted() {
    let (server, owner, bob) = (Server::new(), Person::new(), Person::new());
    owner.publish(&server, &add("bob", &[&key_pair(&bob, "bob")])).await.unwrap();
    bob.sign(&server, "1", b"one").await.unwrap();
    let error = owner.publish(&server, &remove("bob", Releases::Keep)).await.unwrap_err();
    assert!(matches!(signers_error(&error), Some(SignersError::LastSigner(name)) if name.as_str() == "targets/bob"));
    owner.publish(&server, &remove("bob", Releases::GiveUp)).await.unwrap();
    assert!(given(&server).is_empty());
    assert!(!is_released(&server, "1").await);
    // From now on the repository's own key signs, as before there were signers.
    owner.sign(&server, "2", b"two").await.unwrap();
    assert!(is_released(&server, "2").await);
}

#[tokio::test]
async fn a_key_that_another_signer_has_as_well_stays_in_the_releases() {
    let (server, owner, both) = (Server::new(), Person::new(), Person::new());
    let (shared, own) = (key_pair(&both, "bob"), key_pair(&both, "bob"));
    owner.publish(&server, &add("bob", &[&shared, &own])).await.unwrap();
    owner.publish(&server, &add("carol", &[&shared])).await.unwrap();
    both.sign(&server, "1", b"one").await.unwrap();
    owner.publish(&server, &remove("bob", Releases::Keep)).await.unwrap();
    let targets: Targets = server.current("targets");
    assert_eq!(targets.delegations.keys.keys().collect::<Vec<_>>(), [shared.id()]);
    assert!(is_released(&server, "1").await);
}

#[tokio::test]
async fn nobody_is_removed_where_too_few_keys_would_be_left_for_the_releases_threshold() {
    let (server, owner, bob, carol) = (Server::new(), Person::new(), Person::new(), Person::new());
    bob_and_carol(&server, &owner, &bob, &carol).await;
    let mut targets: Targets = server.current("targets");
    targets.version = targets.version.next().unwrap();
    for role in targets.delegations.roles.iter_mut().filter(|role| role.name.is_releases()) {
        role.threshold = std::num::NonZeroU32::new(2).unwrap();
    }
    server.replace_targets(&owner, &targets);
    let error = owner.publish(&server, &remove("bob", Releases::GiveUp)).await.unwrap_err();
    assert!(matches!(signers_error(&error), Some(SignersError::TooFewKeys { threshold: 2, left: 1, .. })), "{error}");
}

#[tokio::test]
async fn who_is_no_signer_cannot_be_removed() {
    let (server, owner) = (Server::new(), Person::new());
    owner.sign(&server, "0", b"zero").await.unwrap();
    let error = owner.publish(&server, &remove("bob", Releases::GiveUp)).await.unwrap_err();
    assert_eq!(error.to_string(), "no signer bob for repository registry.test:5000/team/app");
}

#[tokio::test]
async fn the_first_signature_makes_the_registry_s_user_a_signer() {
    let (server, alice) = (Server::new(), Person::new());
    let signer = async || alice.publishing(&server, async |publisher| first_signer(publisher, "alice")).await.unwrap();
    let first = signer().await;
    let edit = || SignTags::new([(tag("1"), manifest(b"one"))]).with_first_signer(first.clone());
    let published = alice.publish(&server, &edit()).await.unwrap();
    assert!(published.initialised);
    assert_eq!(server.posts(), [roles(&["root", "targets", "targets/alice", "targets/releases"])]);
    assert!(server.current::<Targets>("targets").targets.is_empty());
    assert!(is_released(&server, "1").await);
    // The key is taken again for the next repository, and a repository that is there gets no signer.
    let again = signer().await;
    assert_eq!(alice.key_files(), 3);
    let (other, owner) = (Server::new(), Person::new());
    owner.sign(&other, "0", b"zero").await.unwrap();
    let edit = SignTags::new([(tag("1"), manifest(b"one"))]).with_first_signer(again);
    owner.publish(&other, &edit).await.unwrap();
    assert!(given(&other).is_empty());
}

#[tokio::test]
async fn a_user_s_name_that_is_no_signer_s_makes_nobody_a_signer_and_no_key() {
    let (server, person) = (Server::new(), Person::new());
    for user in ["", "AWS", "releases", "root", "targets", "snapshot", "timestamp", "a b", "<token>", "j.doe"] {
        let signer = person.publishing(&server, async |publisher| first_signer(publisher, user)).await.unwrap();
        assert!(signer.is_none(), "{user}");
    }
    assert_eq!(person.key_files(), 0);
}
