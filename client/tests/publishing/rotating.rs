//! Keys are rotated in one upload, old private keys go only when the new ones count, and nobody is locked out.

use std::time::Duration;

use bulla::changelist::Change;
use bulla::keys::KeyRole;
use bulla::publish::{Changes, MAX_ATTEMPTS, PublishError};
use bulla::remote::RemoteError;
use bulla::rotate::{self, Plan, Request, Rotated, RotationError};
use ring::rand::SystemRandom;
use tuf_schema::model::{Root, Snapshot, Targets};
use tuf_schema::{BaseRole, DelegationName, KeyId, Role, SigningKey as _};

use crate::world::{Person, Server, add_signer, gun, roles};

fn role(text: &str) -> Role {
    Role::parse(text).unwrap()
}

fn request(names: &[&str]) -> Request {
    let server_managed = names.contains(&"timestamp");
    Request { roles: names.iter().map(|name| role(name)).collect(), server_managed, ..Request::default() }
}

async fn plan(person: &Person, server: &Server, request: &Request) -> Result<Plan, RotationError> {
    person.publishing(server, async |publisher| rotate::plan(publisher, request).await).await
}

async fn rotate(person: &Person, server: &Server, request: &Request) -> Result<Rotated, RotationError> {
    let plan = plan(person, server, request).await?;
    carry_out(person, server, &plan).await
}

async fn carry_out(person: &Person, server: &Server, plan: &Plan) -> Result<Rotated, RotationError> {
    person.publishing(server, async |publisher| rotate::carry_out(publisher, plan).await).await
}

fn private_keys(person: &Person, wanted: &KeyRole) -> Vec<KeyId> {
    let keys = person.keyring().list().unwrap().into_iter();
    keys.filter(|key| key.role == *wanted).map(|key| key.id).collect()
}

fn listed(root: &Root, base: BaseRole) -> Vec<KeyId> {
    root.keys_of(base).map(|(_, key)| key.canonical_id()).collect()
}

async fn signed_once() -> (Server, Person, Person) {
    let (server, owner, reader) = (Server::new(), Person::new(), Person::new());
    owner.sign(&server, "1", b"one").await.unwrap();
    reader.read(&server).await.unwrap();
    (server, owner, reader)
}

#[tokio::test]
async fn a_new_root_is_signed_by_old_and_new_key_and_followed_by_old_readers() {
    let (server, owner, reader) = signed_once().await;
    let before: Root = server.current("root");
    let old = private_keys(&owner, &KeyRole::Root);
    let rotated = rotate(&owner, &server, &request(&["root"])).await.unwrap();
    assert_eq!(server.posts().last().unwrap(), &roles(&["root"]));
    let after: Root = server.current("root");
    assert_eq!(after.version, before.version.next().unwrap());
    assert_eq!(rotated.roles, [(Role::Root, listed(&after, BaseRole::Root))]);
    assert_ne!(listed(&after, BaseRole::Root), old);
    // The old certificate stays listed, so that its signature can be found.
    assert!(after.keys.contains_key(&before.root.key_ids[0]));
    assert_eq!((rotated.removed, rotated.kept), (vec![], old.clone()));
    assert_eq!(private_keys(&owner, &KeyRole::Root).len(), 2);
    for person in [&owner, &reader, &Person::new()] {
        assert_eq!(person.read(&server).await.unwrap().root().model().version, after.version);
    }
    owner.sign(&server, "2", b"two").await.unwrap();
}

#[tokio::test]
async fn a_new_targets_key_signs_what_was_signed_and_the_old_one_is_removed() {
    let (server, owner, reader) = signed_once().await;
    let (old, before) = (private_keys(&owner, &KeyRole::Targets), server.current::<Targets>("targets"));
    let rotated = rotate(&owner, &server, &request(&["targets"])).await.unwrap();
    assert_eq!(server.posts().last().unwrap(), &roles(&["root", "targets"]));
    let root: Root = server.current("root");
    let new = private_keys(&owner, &KeyRole::Targets);
    assert_eq!((listed(&root, BaseRole::Targets), new.len(), rotated.removed), (new.clone(), 1, old.clone()));
    assert!(!root.keys.contains_key(&old[0]));
    let after: Targets = server.current("targets");
    assert_eq!((after.version, after.targets), (before.version.next().unwrap(), before.targets));
    reader.read(&server).await.unwrap();
}

#[tokio::test]
async fn a_targets_key_that_is_lost_is_replaced_with_the_root_key_alone() {
    let (server, owner, _) = signed_once().await;
    let lost = private_keys(&owner, &KeyRole::Targets);
    std::fs::remove_file(owner.directory().private_key(&lost[0])).unwrap();
    rotate(&owner, &server, &request(&["targets"])).await.unwrap();
    owner.sign(&server, "2", b"two").await.unwrap();
}

#[tokio::test]
async fn an_old_private_key_is_kept_if_that_is_wanted() {
    let (server, owner, _) = signed_once().await;
    let old = private_keys(&owner, &KeyRole::Targets);
    let rotated = rotate(&owner, &server, &Request { keep_old: true, ..request(&["targets"]) }).await.unwrap();
    assert_eq!((rotated.removed, rotated.kept), (vec![], old));
    assert_eq!(private_keys(&owner, &KeyRole::Targets).len(), 2);
}

#[tokio::test]
async fn the_snapshot_key_goes_from_the_server_to_a_client_and_back() {
    let (mut server, owner, reader) = signed_once().await;
    rotate(&owner, &server, &request(&["snapshot"])).await.unwrap();
    assert_eq!(server.posts().last().unwrap(), &roles(&["root", "snapshot"]));
    let ours = private_keys(&owner, &KeyRole::Snapshot);
    assert_eq!(listed(&server.current("root"), BaseRole::Snapshot), ours);
    reader.read(&server).await.unwrap();
    let version = server.current::<Snapshot>("snapshot").version;

    server.snapshot = tuf_schema::testing::secret_key();
    let request = Request { server_managed: true, ..request(&["snapshot"]) };
    let rotated = rotate(&owner, &server, &request).await.unwrap();
    assert_eq!(server.posts().last().unwrap(), &roles(&["root"]));
    assert_eq!(rotated.removed, ours);
    assert_eq!(listed(&server.current("root"), BaseRole::Snapshot), [server.snapshot.public().id().clone()]);
    assert!(server.current::<Snapshot>("snapshot").version > version);
    reader.read(&server).await.unwrap();
}

#[tokio::test]
async fn all_base_roles_are_rotated_in_one_version_in_any_order() {
    let (mut server, owner, reader) = signed_once().await;
    let before: Root = server.current("root");
    (server.snapshot, server.timestamp) = (tuf_schema::testing::secret_key(), tuf_schema::testing::secret_key());
    rotate(&owner, &server, &request(&["timestamp", "targets", "root", "snapshot", "targets"])).await.unwrap();
    assert_eq!(server.posts().last().unwrap(), &roles(&["root", "targets"]));
    let after: Root = server.current("root");
    assert_eq!(after.version, before.version.next().unwrap());
    for base in BaseRole::ALL {
        assert_ne!(listed(&after, base), listed(&before, base), "{base:?}");
    }
    reader.read(&server).await.unwrap();
}

#[tokio::test]
async fn root_keys_of_older_versions_sign_too_if_that_is_wanted() {
    let (server, owner, _) = signed_once().await;
    let signers = |server: &Server| {
        let bytes = server.state.lock().unwrap().current[&Role::Root].clone();
        let json: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        json["signatures"].as_array().unwrap().len()
    };
    let keep = |server: &Server| {
        let bytes = server.state.lock().unwrap().current[&Role::Root].clone();
        let version = server.current::<Root>("root").version.number();
        server.state.lock().unwrap().served.insert(format!("{version}.root.json"), bytes);
    };
    for _ in 0..2 {
        keep(&server);
        rotate(&owner, &server, &request(&["root"])).await.unwrap();
        assert_eq!(signers(&server), 2);
    }
    keep(&server);
    rotate(&owner, &server, &Request { older_roots: 9, ..request(&["root"]) }).await.unwrap();
    assert_eq!(signers(&server), 4);
}

#[tokio::test]
async fn a_signers_new_key_takes_the_place_of_the_old_one_in_every_delegation() {
    let (server, owner, alice) = (Server::new(), Person::new(), Person::new());
    owner.sign(&server, "1", b"one").await.unwrap();
    add_signer(&alice, &owner, &server, "alice", &[""]);
    alice.sign(&server, "2", b"two").await.unwrap();
    let old = private_keys(&alice, &KeyRole::Signer("alice".into()));
    let before: Targets = server.current("targets/releases");

    let planned = plan(&owner, &server, &request(&["targets/alice"])).await.unwrap();
    assert_eq!(planned.steps[0].old, old);
    assert_eq!(planned.steps[0].with.iter().map(ToString::to_string).collect::<Vec<_>>(), ["targets/releases"]);
    let rotated = rotate(&owner, &server, &request(&["targets/alice"])).await.unwrap();
    assert_eq!(server.posts().last().unwrap(), &roles(&["targets", "targets/alice", "targets/releases"]));
    let new = private_keys(&owner, &KeyRole::Signer("alice".into()));
    assert_eq!(rotated.roles, [(role("targets/alice"), new.clone())]);
    let targets: Targets = server.current("targets");
    assert_eq!(targets.delegations.roles.iter().map(|role| &role.key_ids).collect::<Vec<_>>(), [&new, &new]);
    assert_eq!(targets.delegations.keys.len(), 1);
    let trusted = Person::new().read(&server).await.unwrap();
    assert_eq!(trusted.skipped(), []);
    assert_eq!(trusted.targets(&role("targets/releases")).unwrap().model().targets, before.targets);
    // The old key is out.
    assert!(alice.sign(&server, "3", b"three").await.is_err());
    owner.sign(&server, "3", b"three").await.unwrap();
}

#[tokio::test]
async fn of_a_delegation_of_several_people_the_key_that_is_here_is_exchanged_and_else_none() {
    let (server, owner, alice, bob) = (Server::new(), Person::new(), Person::new(), Person::new());
    owner.sign(&server, "1", b"one").await.unwrap();
    add_signer(&alice, &owner, &server, "alice", &[""]);
    let key = {
        let mut keys = bob.keyring();
        let stored = keys.create(KeyRole::Signer("bob".into()), None, &SystemRandom::new()).unwrap();
        keys.open(&stored).unwrap().public().clone()
    };
    let grant = |name: &str| Change::GrantDelegation {
        name: DelegationName::parse(name).unwrap(),
        threshold: None,
        keys: vec![key.clone()],
        paths: vec![String::new()],
    };
    owner.publish(&server, &Changes(vec![grant("targets/bob"), grant("targets/releases")])).await.unwrap();

    let refused = plan(&owner, &server, &request(&["targets/releases"])).await.unwrap_err();
    let RotationError::WhoseKey { role: refused, keys } = refused else { panic!("{refused}") };
    assert_eq!((refused.as_str(), keys.len()), ("targets/releases", 2));
    let planned = plan(&owner, &server, &request(&["targets/bob"])).await.unwrap();
    assert_eq!(planned.steps[0].old, private_keys(&bob, &KeyRole::Signer("bob".into())));
}

#[tokio::test]
async fn what_the_reference_does_not_permit_is_not_permitted() {
    let (server, owner, _) = signed_once().await;
    let refused = async |request: Request| plan(&owner, &server, &request).await.unwrap_err();
    let remote = |name: &str| Request { server_managed: true, ..request(&[name]) };
    for name in ["root", "targets"] {
        let e = refused(remote(name)).await;
        assert!(
            e.to_string().starts_with(&format!("notary does not permit the server managing the {name} key")),
            "{e}"
        );
    }
    let e = refused(Request { server_managed: false, ..request(&["timestamp"]) }).await;
    assert!(e.to_string().starts_with("notary does not permit the client managing the timestamp key"), "{e}");
    let e = refused(request(&["targets/nobody"])).await;
    assert!(matches!(e, RotationError::Publish(PublishError::Edit(_))), "{e}");
    let files = vec!["a.pem".into()];
    let e = refused(Request { files: files.clone(), ..request(&["root", "targets"]) }).await;
    assert!(matches!(e, RotationError::WhoseFiles), "{e}");
    let e = refused(Request { files, ..remote("snapshot") }).await;
    assert!(matches!(e, RotationError::WhoseFiles), "{e}");
}

#[tokio::test]
async fn whoever_lacks_the_root_key_is_told_before_any_key_is_made() {
    let (server, owner, _) = signed_once().await;
    let root = private_keys(&owner, &KeyRole::Root);
    std::fs::remove_file(owner.directory().private_key(&root[0])).unwrap();
    let e = rotate(&owner, &server, &request(&["targets"])).await.unwrap_err();
    let RotationError::Publish(PublishError::NoKey(needed)) = e else { panic!("{e}") };
    assert_eq!((needed, owner.key_files()), (root, 1));
}

#[tokio::test]
async fn whoever_lacks_the_key_above_a_delegation_is_told_of_that_key() {
    let (server, owner, alice) = (Server::new(), Person::new(), Person::new());
    owner.sign(&server, "1", b"one").await.unwrap();
    add_signer(&alice, &owner, &server, "alice", &[""]);
    let e = plan(&alice, &server, &request(&["targets/alice"])).await.unwrap_err();
    let RotationError::Publish(PublishError::NoKey(needed)) = e else { panic!("{e}") };
    assert_eq!(needed, private_keys(&owner, &KeyRole::Targets));
}

#[tokio::test]
async fn a_key_of_a_file_is_taken_as_the_new_one() {
    let (server, owner, reader) = signed_once().await;
    let home = tempfile::tempdir().unwrap();
    let pem = |name: &str| {
        let key = tuf_schema::testing::secret_key();
        let path = home.path().join(name);
        let text =
            base64::Engine::encode(&base64::engine::general_purpose::STANDARD, key.to_pkcs8_der().unwrap().as_slice());
        std::fs::write(&path, format!("-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----\n")).unwrap();
        (path, key.public().id().clone())
    };
    for (name, base) in [("targets", BaseRole::Targets), ("root", BaseRole::Root)] {
        let (path, id) = pem(name);
        let rotated = rotate(&owner, &server, &Request { files: vec![path], ..request(&[name]) }).await.unwrap();
        assert_eq!(rotated.roles, [(role(name), vec![id.clone()])]);
        assert_eq!(listed(&server.current("root"), base), [id]);
    }
    reader.read(&server).await.unwrap();
}

/// What lies in the file of the only targets key that a person has.
fn targets_key(owner: &Person) -> (Vec<KeyId>, Request) {
    let ids = private_keys(owner, &KeyRole::Targets);
    let files = ids.iter().map(|id| owner.directory().private_key(id)).collect();
    (ids, Request { files, ..request(&["targets"]) })
}

#[tokio::test]
async fn a_rotation_to_the_key_that_is_in_force_keeps_it() {
    let (server, owner, _) = signed_once().await;
    let (ids, to_the_same) = targets_key(&owner);
    let rotated = rotate(&owner, &server, &to_the_same).await.unwrap();
    assert_eq!((rotated.removed, rotated.kept), (vec![], ids));
    owner.sign(&server, "2", b"two").await.unwrap();
}

#[tokio::test]
async fn an_old_key_that_another_role_names_stays() {
    let (server, owner, _) = signed_once().await;
    let (ids, to_the_same) = targets_key(&owner);
    rotate(&owner, &server, &Request { roles: vec![Role::Snapshot], ..to_the_same }).await.unwrap();
    let rotated = rotate(&owner, &server, &request(&["targets"])).await.unwrap();
    assert_eq!((rotated.removed, rotated.kept), (vec![], ids));
    owner.sign(&server, "2", b"two").await.unwrap();
}

#[tokio::test]
async fn a_key_that_was_here_before_stays_though_nothing_was_sent() {
    let (server, owner, _) = signed_once().await;
    let (ids, to_the_same) = targets_key(&owner);
    let plan = plan(&owner, &server, &to_the_same).await.unwrap();
    server.state.lock().unwrap().down = true;
    let e = carry_out(&owner, &server, &plan).await.unwrap_err();
    assert!(matches!(e, RotationError::Publish(PublishError::Update(_))), "{e}");
    assert_eq!(private_keys(&owner, &KeyRole::Targets), ids);
}

// ---- what goes wrong

#[tokio::test]
async fn a_refusal_keeps_the_old_and_the_new_keys_as_what_was_sent_may_be_public() {
    let (server, owner, reader) = signed_once().await;
    let busy = || RemoteError::Busy { server: "n.test".into(), status: 429, sent: 3, pause: Duration::from_secs(9) };
    let rejected = || RemoteError::Rejected("no".into());
    for fault in [rejected(), RemoteError::Unauthorized, RemoteError::Status(408), RemoteError::Status(413), busy()] {
        let before = owner.keyring().list().unwrap();
        server.state.lock().unwrap().refusals.push(fault);
        let e = rotate(&owner, &server, &request(&["root", "targets"])).await.unwrap_err();
        assert!(matches!(e, RotationError::Unknown { why: PublishError::Remote(_), .. }), "{e}");
        let after = owner.keyring().list().unwrap();
        assert_eq!((after.len(), before.iter().all(|key| after.contains(key))), (before.len() + 2, true), "{e}");
    }
    reader.read(&server).await.unwrap();
    owner.sign(&server, "2", b"two").await.unwrap();
}

#[tokio::test]
async fn conflicts_until_the_last_attempt_keep_the_new_key() {
    let (server, owner, _) = signed_once().await;
    server.state.lock().unwrap().conflicts = usize::try_from(MAX_ATTEMPTS).unwrap();
    let e = rotate(&owner, &server, &request(&["root"])).await.unwrap_err();
    assert!(matches!(e, RotationError::Unknown { why: PublishError::Contended, .. }), "{e}");
    assert_eq!(private_keys(&owner, &KeyRole::Root).len(), 2);
}

#[tokio::test]
async fn what_fails_before_anything_was_sent_leaves_no_new_key() {
    let (server, owner, _) = signed_once().await;
    let before = owner.keyring().list().unwrap();
    let plan = plan(&owner, &server, &request(&["root", "targets"])).await.unwrap();
    server.state.lock().unwrap().down = true;
    let e = carry_out(&owner, &server, &plan).await.unwrap_err();
    assert!(matches!(e, RotationError::Publish(PublishError::Update(_))), "{e}");
    assert_eq!(owner.keyring().list().unwrap(), before);
}

#[tokio::test]
async fn a_root_that_was_stored_and_refused_keeps_its_key() {
    let (server, owner, reader) = signed_once().await;
    server.state.lock().unwrap().lost_answers.push(RemoteError::Rejected("no".into()));
    rotate(&owner, &server, &request(&["root"])).await.unwrap();
    let new = listed(&server.current("root"), BaseRole::Root);
    assert!(private_keys(&owner, &KeyRole::Root).contains(&new[0]));
    reader.read(&server).await.unwrap();
    rotate(&owner, &server, &request(&["root"])).await.unwrap();
}

#[tokio::test]
async fn what_was_stored_and_answered_as_a_conflict_is_done_and_not_done_again() {
    let (server, owner, alice) = (Server::new(), Person::new(), Person::new());
    owner.sign(&server, "1", b"one").await.unwrap();
    add_signer(&alice, &owner, &server, "alice", &[""]);
    server.state.lock().unwrap().lost_answers.push(RemoteError::VersionConflict);
    rotate(&owner, &server, &request(&["targets/alice"])).await.unwrap();
    server.state.lock().unwrap().lost_answers.push(RemoteError::VersionConflict);
    let before = server.posts().len();
    rotate(&owner, &server, &request(&["root", "targets"])).await.unwrap();
    assert_eq!(server.posts().len(), before + 1);
    let targets: Targets = server.current("targets");
    let here = private_keys(&owner, &KeyRole::Signer("alice".into()));
    assert_eq!(targets.delegations.roles.iter().map(|role| &role.key_ids).collect::<Vec<_>>(), [&here, &here]);
}

#[tokio::test]
async fn a_delegations_rotation_that_others_overtook_is_done_after_them() {
    let (server, owner, alice) = (Server::new(), Person::new(), Person::new());
    owner.sign(&server, "1", b"one").await.unwrap();
    add_signer(&alice, &owner, &server, "alice", &[""]);
    server.state.lock().unwrap().conflicts = 1;
    rotate(&owner, &server, &request(&["targets/alice"])).await.unwrap();
    let here = private_keys(&owner, &KeyRole::Signer("alice".into()));
    let targets: Targets = server.current("targets");
    assert_eq!(targets.delegations.roles.iter().map(|role| &role.key_ids).collect::<Vec<_>>(), [&here, &here]);
}

#[tokio::test]
async fn a_success_that_is_not_served_keeps_the_old_and_the_new_keys() {
    let (server, owner, _) = signed_once().await;
    let old = private_keys(&owner, &KeyRole::Targets);
    server.state.lock().unwrap().forgets = true;
    let rotated = rotate(&owner, &server, &request(&["targets"])).await.unwrap();
    assert_eq!((rotated.is_served, rotated.removed, rotated.kept), (false, vec![], old));
    assert_eq!(private_keys(&owner, &KeyRole::Targets).len(), 2);
    server.state.lock().unwrap().forgets = false;
    owner.sign(&server, "2", b"two").await.unwrap();
}

fn broken() -> RemoteError {
    RemoteError::Connection { server: "n.test".into(), why: "reset".into() }
}

#[tokio::test]
async fn a_connection_that_breaks_before_anything_counts_keeps_both_keys_and_says_how_to_find_out() {
    let (server, owner, _) = signed_once().await;
    for fault in [broken(), RemoteError::Status(502)] {
        let before = owner.key_files();
        server.state.lock().unwrap().refusals.push(fault);
        let e = rotate(&owner, &server, &request(&["targets"])).await.unwrap_err();
        assert!(matches!(e, RotationError::Unknown { .. }), "{e}");
        assert!(e.to_string().ends_with(&format!("bulla doctor {}", gun())), "{e}");
        assert_eq!(owner.key_files(), before + 1);
    }
    // Either way it goes on from here.
    owner.sign(&server, "2", b"two").await.unwrap();
    rotate(&owner, &server, &request(&["targets"])).await.unwrap();
}

#[tokio::test]
async fn a_connection_that_breaks_after_the_new_keys_count_is_a_success() {
    let (server, owner, reader) = signed_once().await;
    let old = private_keys(&owner, &KeyRole::Targets);
    server.state.lock().unwrap().lost_answers.push(broken());
    let rotated = rotate(&owner, &server, &request(&["targets"])).await.unwrap();
    assert_eq!(rotated.removed, old);
    reader.read(&server).await.unwrap();
    owner.sign(&server, "2", b"two").await.unwrap();
}

#[tokio::test]
async fn a_server_that_makes_no_key_leaves_none_behind_here() {
    let (server, owner, _) = signed_once().await;
    server.state.lock().unwrap().makes_no_keys = true;
    let e = rotate(&owner, &server, &request(&["targets", "timestamp"])).await.unwrap_err();
    assert!(matches!(e, RotationError::ServerKey { role: BaseRole::Timestamp, .. }), "{e}");
    assert_eq!((owner.key_files(), server.posts().len()), (2, 1));
}

#[tokio::test]
async fn somebody_else_who_publishes_meanwhile_loses_nothing() {
    let (server, owner, _) = signed_once().await;
    server.state.lock().unwrap().conflicts = 3;
    rotate(&owner, &server, &request(&["targets"])).await.unwrap();
    assert_eq!((owner.key_files(), server.posts().len()), (2, 2));
}
