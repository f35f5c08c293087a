//! Edits of a repository: what they touch is signed by whom it must be, and nothing else is sent.

use std::num::NonZeroU32;

use bulla::changelist::{Change, DelegationEdit};
use bulla::keys::KeyRole;
use bulla::publish::{Changes, Edit, EditError, MAX_ATTEMPTS, PublishError, SignTags, Working};
use ring::rand::SystemRandom;
use tuf_schema::model::{KeyGrant, Root, Snapshot, Target, Targets};
use tuf_schema::{DelegationName, Digests, PublicKey, Role, SigningKey as _};

use crate::world::{Person, Server, add_signer, manifest, roles, tag};

fn delegation(text: &str) -> DelegationName {
    DelegationName::parse(text).unwrap()
}

fn target(content: &[u8]) -> Target {
    Target { length: content.len() as u64, digests: Digests::of(content), custom: None }
}

fn key_of(person: &Person) -> PublicKey {
    let mut keys = person.keyring();
    let stored = keys.create(KeyRole::Signer("bob".into()), None, &SystemRandom::new()).unwrap();
    keys.open(&stored).unwrap().public().clone()
}

fn grant(name: &str, keys: Vec<PublicKey>, paths: &[&str]) -> Change {
    let paths = paths.iter().map(|path| (*path).to_owned()).collect();
    Change::GrantDelegation { name: delegation(name), threshold: None, keys, paths }
}

fn edit(name: &str, edit: DelegationEdit) -> Changes {
    Changes(vec![Change::EditDelegation { name: delegation(name), edit }])
}

#[tokio::test]
async fn many_tags_go_into_one_version() {
    let (server, owner) = (Server::new(), Person::new());
    owner.sign(&server, "0", b"zero").await.unwrap();
    let tags = (0..50).map(|number| (tag(&number.to_string()), manifest(number.to_string().as_bytes())));
    owner.publish(&server, &SignTags::new(tags)).await.unwrap();
    assert_eq!(server.posts().len(), 2);
    let targets: Targets = server.current("targets");
    assert_eq!((targets.version.number(), targets.targets.len()), (3, 50));
}

#[tokio::test]
async fn a_repository_that_is_made_under_contention_has_the_keys_of_the_first_attempt() {
    let (server, owner) = (Server::new(), Person::new());
    server.state.lock().unwrap().conflicts = usize::try_from(MAX_ATTEMPTS).unwrap() - 1;
    owner.sign(&server, "1", b"one").await.unwrap();
    assert_eq!(owner.key_files(), 2);
}

#[tokio::test]
async fn a_delegation_is_given_changed_and_taken_away() {
    let (server, owner, bob) = (Server::new(), Person::new(), Person::new());
    owner.sign(&server, "0", b"zero").await.unwrap();
    let (first, second) = (key_of(&bob), key_of(&bob));
    owner.publish(&server, &Changes(vec![grant("targets/qa", vec![first.clone()], &["qa/", "qa/"])])).await.unwrap();
    assert_eq!(server.posts()[1], roles(&["targets"]));
    let given = |server: &Server| server.current::<Targets>("targets").delegations;
    assert_eq!(given(&server).roles[0].paths, ["qa/"]);
    let add = Change::AddTarget { role: Role::parse("targets/qa").unwrap(), name: "qa/1".into(), target: target(b"1") };
    bob.publish(&server, &Changes(vec![add])).await.unwrap();
    assert_eq!(server.current::<Targets>("targets/qa").version.number(), 1);

    let exchange = DelegationEdit {
        add_keys: vec![second.clone()],
        remove_keys: vec![first.id().clone()],
        add_paths: vec!["test/".into()],
        remove_paths: vec!["qa/".into()],
        clear_paths: false,
    };
    owner.publish(&server, &edit("targets/qa", exchange)).await.unwrap();
    let now = given(&server);
    assert_eq!(
        (now.roles[0].paths.as_slice(), now.roles[0].key_ids.as_slice()),
        (&["test/".to_owned()][..], &[second.id().clone()][..])
    );
    assert_eq!(now.keys.keys().collect::<Vec<_>>(), [second.id()]);

    let not_held = DelegationEdit { remove_keys: vec![first.id().clone()], ..Default::default() };
    let error = owner.publish(&server, &edit("targets/qa", not_held)).await.unwrap_err();
    assert!(matches!(error, PublishError::Edit(EditError::NotAKeyOf { key, .. }) if key == *first.id()));
    let last = DelegationEdit { remove_keys: vec![second.id().clone()], ..Default::default() };
    owner.publish(&server, &edit("targets/qa", last)).await.unwrap();
    assert!(given(&server).roles[0].key_ids.is_empty() && given(&server).keys.is_empty());
    let delete = || Changes(vec![Change::DeleteDelegation { name: delegation("targets/qa") }]);
    owner.publish(&server, &delete()).await.unwrap();
    assert!(given(&server).roles.is_empty() && given(&server).keys.is_empty());
    let error = owner.publish(&server, &delete()).await.unwrap_err();
    assert!(matches!(error, PublishError::Edit(EditError::Undeclared(name)) if name == delegation("targets/qa")));
}

#[tokio::test]
async fn a_delegation_cannot_begin_without_a_key() {
    let (server, owner) = (Server::new(), Person::new());
    owner.sign(&server, "0", b"zero").await.unwrap();
    let error = owner.publish(&server, &Changes(vec![grant("targets/qa", Vec::new(), &["qa/"])])).await.unwrap_err();
    assert!(matches!(error, PublishError::Edit(EditError::WithoutKey(_))), "{error}");
    assert_eq!(server.posts().len(), 1);
}

#[tokio::test]
async fn a_target_that_readers_would_pass_over_is_not_added() {
    let (server, owner, bob) = (Server::new(), Person::new(), Person::new());
    owner.sign(&server, "0", b"zero").await.unwrap();
    let keys = vec![key_of(&bob)];
    owner.publish(&server, &Changes(vec![grant("targets/qa", keys.clone(), &["qa/"])])).await.unwrap();
    let role = Role::parse("targets/qa").unwrap();
    let add =
        |name: &str| Changes(vec![Change::AddTarget { role: role.clone(), name: name.into(), target: target(b"1") }]);
    bob.publish(&server, &add("qa/1")).await.unwrap();
    let error = bob.publish(&server, &add("prod/1")).await.unwrap_err();
    assert!(matches!(error, PublishError::Edit(EditError::TargetOutside { target, .. }) if target == "prod/1"));
    assert_eq!(server.posts().len(), 3);
}

#[tokio::test]
async fn a_delegation_is_given_no_path_that_the_role_above_has_not_got() {
    let (server, owner, bob) = (Server::new(), Person::new(), Person::new());
    owner.sign(&server, "0", b"zero").await.unwrap();
    let keys = vec![key_of(&bob)];
    owner.publish(&server, &Changes(vec![grant("targets/qa", keys.clone(), &["qa/"])])).await.unwrap();
    bob.publish(&server, &Changes(vec![grant("targets/qa/deep", keys.clone(), &["qa/deep/"])])).await.unwrap();
    for outside in ["prod/", ""] {
        let change = grant("targets/qa/deep", keys.clone(), &["qa/more/", outside]);
        let error = bob.publish(&server, &Changes(vec![change])).await.unwrap_err();
        assert!(matches!(error, PublishError::Edit(EditError::PathOutside { path, .. }) if path == outside));
    }
    assert_eq!(server.posts().len(), 3);
}

#[tokio::test]
async fn a_role_that_nobody_gave_is_not_published() {
    let (server, owner) = (Server::new(), Person::new());
    owner.sign(&server, "0", b"zero").await.unwrap();
    let role = Role::parse("targets/nobody").unwrap();
    let add = Change::AddTarget { role, name: "1".into(), target: target(b"1") };
    let error = owner.publish(&server, &Changes(vec![add])).await.unwrap_err();
    assert!(matches!(error, PublishError::Edit(EditError::Undeclared(name)) if name == delegation("targets/nobody")));
    let add = Change::AddTarget { role: Role::Snapshot, name: "1".into(), target: target(b"1") };
    let error = owner.publish(&server, &Changes(vec![add])).await.unwrap_err();
    assert!(matches!(error, PublishError::Edit(EditError::ListsNoTargets(Role::Snapshot))), "{error}");
}

#[tokio::test]
async fn a_purge_takes_a_key_from_every_delegation_that_has_it() {
    let (server, owner, bob) = (Server::new(), Person::new(), Person::new());
    owner.sign(&server, "0", b"zero").await.unwrap();
    let (bobs, others) = (key_of(&bob), key_of(&bob));
    let both = vec![bobs.clone(), others.clone()];
    let changes = vec![
        grant("targets/a", both.clone(), &[""]),
        grant("targets/b", both, &[""]),
        grant("targets/c", vec![others.clone()], &[""]),
        Change::PurgeKeys { below: Role::Targets, keys: vec![bobs.id().clone()] },
    ];
    owner.publish(&server, &Changes(changes)).await.unwrap();
    let delegations = server.current::<Targets>("targets").delegations;
    let left: Vec<_> = delegations.roles.iter().map(|role| role.key_ids.as_slice()).collect();
    assert_eq!(left, [std::slice::from_ref(others.id()); 3]);
    assert_eq!(delegations.keys.len(), 1);
}

#[tokio::test]
async fn a_witnessed_role_is_signed_anew_as_it_is() {
    let (server, owner) = (Server::new(), Person::new());
    owner.sign(&server, "0", b"zero").await.unwrap();
    owner.publish(&server, &Changes(vec![Change::Witness { role: Role::Targets }])).await.unwrap();
    let targets: Targets = server.current("targets");
    assert_eq!((targets.version.number(), targets.targets.len()), (3, 1));
}

#[tokio::test]
async fn a_delegation_that_is_removed_leaves_a_snapshot_of_ours() {
    let (server, owner, bob) = (Server::new(), Person::new(), Person::new());
    owner.sign(&server, "0", b"zero").await.unwrap();
    crate::resuming::hold(&owner, &server.snapshot, &KeyRole::Snapshot);
    add_signer(&bob, &owner, &server, "bob", &[""]);
    crate::resuming::hold(&bob, &server.snapshot, &KeyRole::Snapshot);
    bob.sign(&server, "1", b"one").await.unwrap();
    let listed = |server: &Server| -> std::collections::BTreeSet<String> {
        server.current::<Snapshot>("snapshot").meta.keys().map(Role::to_string).collect()
    };
    assert_eq!(listed(&server), roles(&["root", "targets", "targets/bob", "targets/releases"]));
    owner.publish(&server, &Changes(vec![Change::DeleteDelegation { name: delegation("targets/bob") }])).await.unwrap();
    assert_eq!(listed(&server), roles(&["root", "targets", "targets/releases"]));
}

/// Exchanges the keys of `targets` for a new one.
struct NewTargetsKey(PublicKey);

impl Edit for NewTargetsKey {
    fn apply(&self, working: &mut Working) -> Result<(), EditError> {
        let root = working.root_mut();
        let before: Vec<_> = root.targets.key_ids.clone();
        root.targets = KeyGrant { key_ids: vec![self.0.id().clone()], threshold: NonZeroU32::MIN };
        root.keys.retain(|id, _| !before.contains(id));
        root.keys.insert(self.0.id().clone(), self.0.clone());
        working.touch(&Role::Targets)
    }
}

#[tokio::test]
async fn a_root_that_is_edited_is_followed_by_those_who_knew_the_one_before() {
    let (server, owner, reader) = (Server::new(), Person::new(), Person::new());
    owner.sign(&server, "0", b"zero").await.unwrap();
    reader.read(&server).await.unwrap();
    let mut keys = owner.keyring();
    let stored = keys.create(KeyRole::Targets, Some(&crate::world::gun()), &SystemRandom::new()).unwrap();
    let new = keys.open(&stored).unwrap().public().clone();
    owner.publish(&server, &NewTargetsKey(new.clone())).await.unwrap();
    assert_eq!(server.posts()[1], roles(&["root", "targets"]));
    let root: Root = server.current("root");
    assert_eq!((root.version.number(), &root.targets.key_ids), (2, &vec![new.id().clone()]));
    assert_eq!(reader.read(&server).await.unwrap().root().model().version.number(), 2);
    // Without the root key nothing is sent.
    let stranger = Person::new();
    let error = stranger.publish(&server, &NewTargetsKey(new)).await.unwrap_err();
    assert!(matches!(error, PublishError::NoKey(_)), "{error}");
    assert_eq!(server.posts().len(), 2);
}
