//! What has expired is signed anew: everything stays as it was but versions and dates.

use bulla::keys::KeyRole;
use bulla::publish::PublishError;
use bulla::remote::RemoteError;
use bulla::renew::{self, By, Item, Plan, RenewalError, Renewed, Shown, What};
use bulla::trust::UpdateError;
use tuf_schema::model::{Root, Snapshot, Targets};
use tuf_schema::verify::chain::ChainError;
use tuf_schema::verify::{FirstRootError, StaleError};
use tuf_schema::version::Version;
use tuf_schema::{Role, SigningKey as _};

use crate::world::{Person, Server, add_signer, gun, roles};

const YEAR: i64 = 365 * 24 * 3600;
const DAY: i64 = 24 * 3600;

fn later(server: &Server, seconds: i64) {
    let mut clock = server.clock.lock().unwrap();
    *clock = clock.plus_seconds(seconds);
}

async fn plan(person: &Person, server: &Server) -> Result<Plan, PublishError> {
    person.publishing(server, async |publisher| renew::plan(publisher).await).await
}

async fn renew(person: &Person, server: &Server) -> Result<Renewed, RenewalError> {
    carry_out(person, server, &plan(person, server).await?).await
}

async fn carry_out(person: &Person, server: &Server, plan: &Plan) -> Result<Renewed, RenewalError> {
    person.publishing(server, async |publisher| renew::carry_out(publisher, plan).await).await
}

fn document(role: &str) -> What {
    What::Document(Role::parse(role).unwrap())
}

fn is_expired(outcome: Result<impl Sized, UpdateError>, role: &Role) -> bool {
    matches!(outcome, Err(UpdateError::Chain(ChainError::Stale(StaleError::Expired { role: r, .. }))) if r == *role)
}

#[tokio::test]
async fn after_three_years_and_a_day_the_holder_of_the_targets_key_renews_and_no_tag_changes() {
    let (server, owner) = (Server::new(), Person::new());
    owner.sign(&server, "1", b"one").await.unwrap();
    let before: Targets = server.current("targets");
    later(&server, 3 * YEAR + DAY);
    server.renew_own();
    assert!(is_expired(owner.read(&server).await, &Role::Targets));
    let refused = owner.sign(&server, "2", b"two").await.unwrap_err().to_string();
    assert!(refused.starts_with("targets expired at "), "{refused}");
    assert!(refused.ends_with(&format!("; whoever holds a key of it runs: bulla renew {}", gun())), "{refused}");
    let renewed = renew(&owner, &server).await.unwrap();
    assert_eq!((renewed.renewed, renewed.left), (vec![document("targets")], vec![]));
    assert_eq!(server.posts().last().unwrap(), &roles(&["targets"]));
    let after: Targets = server.current("targets");
    assert_eq!((after.version, after.targets), (before.version.next().unwrap(), before.targets));
    assert!(owner.read(&server).await.is_ok());
    assert!(Person::new().read(&server).await.is_ok());
    // And there is nothing left to do.
    assert_eq!(plan(&owner, &server).await.unwrap().items, []);
}

#[tokio::test]
async fn a_plan_tells_each_document_from_an_older_one_by_version_and_number_of_targets() {
    let (server, owner) = (Server::new(), Person::new());
    for tag in ["1", "2", "3"] {
        owner.sign(&server, tag, b"one").await.unwrap();
    }
    later(&server, 10 * YEAR + DAY);
    let plan = plan(&owner, &server).await.unwrap();
    let shown: Vec<_> = plan.items.iter().map(|item| (item.what.clone(), item.published)).collect();
    let published = |version: Version, targets| Some(Shown { version, targets });
    let (root, snapshot) = (server.current::<Root>("root"), server.current::<Snapshot>("snapshot"));
    let certificate = What::RootCertificate(root.keys[&root.root.key_ids[0]].canonical_id());
    assert_eq!(
        shown,
        [
            (document("root"), published(root.version, None)),
            (certificate, None),
            (document("targets"), published(Version::new(4).unwrap(), Some(3))),
            (document("snapshot"), published(snapshot.version, None)),
            (document("timestamp"), None),
        ]
    );
}

#[tokio::test]
async fn what_ends_within_six_months_is_renewed_and_what_ends_later_is_not() {
    let (server, owner) = (Server::new(), Person::new());
    owner.sign(&server, "1", b"one").await.unwrap();
    later(&server, 3 * YEAR - 183 * DAY);
    assert_eq!(plan(&owner, &server).await.unwrap().here().count(), 0);
    later(&server, 1);
    assert_eq!(plan(&owner, &server).await.unwrap().here().count(), 1);
}

#[tokio::test]
async fn what_became_due_after_the_plan_was_made_is_not_renewed_with_it() {
    let (server, owner) = (Server::new(), Person::new());
    owner.sign(&server, "1", b"one").await.unwrap();
    add_signer(&owner, &owner, &server, "alice", &[""]);
    later(&server, YEAR);
    server.renew_own();
    owner.sign(&server, "2", b"two").await.unwrap();
    assert_eq!(server.posts().last().unwrap(), &roles(&["targets/alice", "targets/releases"]));
    later(&server, 2 * YEAR);
    let shown = plan(&owner, &server).await.unwrap();
    later(&server, YEAR);
    assert_eq!(plan(&owner, &server).await.unwrap().here().count(), 3);
    carry_out(&owner, &server, &shown).await.unwrap();
    assert_eq!(server.posts().last().unwrap(), &roles(&["targets"]));
}

#[tokio::test]
async fn a_delegation_is_renewed_by_its_signer_and_the_owner_is_told_whose_it_is() {
    let (server, owner, alice) = (Server::new(), Person::new(), Person::new());
    owner.sign(&server, "1", b"one").await.unwrap();
    add_signer(&alice, &owner, &server, "alice", &[""]);
    alice.sign(&server, "2", b"two").await.unwrap();
    let before: Targets = server.current("targets/releases");
    later(&server, 3 * YEAR + DAY);
    let key = alice.keyring().list().unwrap()[0].id.clone();
    let renewed = renew(&owner, &server).await.unwrap();
    assert_eq!(renewed.renewed, [document("targets")]);
    let by = By::Holders { keys: vec![key], threshold: 1 };
    let ends = before.expires;
    let published = Some(Shown { version: before.version, targets: Some(before.targets.len()) });
    let item = |role: &str| Item { what: document(role), published, ends, by: by.clone() };
    assert_eq!(renewed.left, [item("targets/alice"), item("targets/releases")]);
    assert_eq!(owner.read(&server).await.unwrap().skipped().len(), 2);

    let renewed = renew(&alice, &server).await.unwrap();
    assert_eq!(renewed.renewed, [document("targets/alice"), document("targets/releases")]);
    let trusted = owner.read(&server).await.unwrap();
    assert_eq!(trusted.skipped(), []);
    assert_eq!(server.current::<Targets>("targets/releases").targets, before.targets);
}

#[tokio::test]
async fn a_root_with_an_expired_certificate_gets_a_new_one_for_the_same_key() {
    let (server, owner, reader) = (Server::new(), Person::new(), Person::new());
    owner.sign(&server, "1", b"one").await.unwrap();
    reader.read(&server).await.unwrap();
    let before: Root = server.current("root");
    later(&server, 10 * YEAR + DAY);
    server.renew_own();
    assert!(is_expired(reader.read(&server).await, &Role::Root));
    let stranger = Person::new().read(&server).await.unwrap_err();
    let is_refused = |e| matches!(e, UpdateError::Chain(ChainError::FirstRoot(FirstRootError::NoValidCertificate(_))));
    assert!(is_refused(stranger));

    let key = before.keys[&before.root.key_ids[0]].canonical_id();
    let renewed = renew(&owner, &server).await.unwrap();
    assert_eq!(renewed.renewed, [document("root"), What::RootCertificate(key.clone()), document("targets")]);
    let after: Root = server.current("root");
    assert_ne!(after.root.key_ids, before.root.key_ids);
    assert_eq!(after.keys[&after.root.key_ids[0]].canonical_id(), key);
    assert!(after.keys.contains_key(&before.root.key_ids[0]));
    assert_eq!(after.version, before.version.next().unwrap());
    for person in [&owner, &reader, &Person::new()] {
        person.read(&server).await.unwrap();
    }
    assert_eq!(plan(&owner, &server).await.unwrap().items, []);
}

#[tokio::test]
async fn a_server_that_refuses_whatever_follows_an_expired_certificate_is_named_as_such() {
    let (server, owner) = (Server::new(), Person::new());
    owner.sign(&server, "1", b"one").await.unwrap();
    later(&server, 10 * YEAR + DAY);
    server.state.lock().unwrap().refusals.push(RemoteError::Rejected("invalid".into()));
    let refused = renew(&owner, &server).await.unwrap_err();
    let RenewalError::CertificateRefused { why } = refused else { panic!("{refused}") };
    assert_eq!(why, "invalid");
    // Of a refusal for another reason nothing is made out.
    renew(&owner, &server).await.unwrap();
    later(&server, 3 * YEAR);
    server.state.lock().unwrap().refusals.push(RemoteError::Rejected("invalid".into()));
    let refused = renew(&owner, &server).await.unwrap_err();
    assert!(matches!(refused, RenewalError::Publish(PublishError::Remote(RemoteError::Rejected(_)))), "{refused}");
}

#[tokio::test]
async fn whoever_lacks_the_root_key_is_told_its_id_and_publishes_what_is_his() {
    let (server, owner) = (Server::new(), Person::new());
    owner.sign(&server, "1", b"one").await.unwrap();
    later(&server, 10 * YEAR + DAY);
    let mut keys = owner.keyring();
    let root = keys.list().unwrap().into_iter().find(|key| key.role == KeyRole::Root).unwrap();
    let key = keys.open(&root).unwrap().public().id().clone();
    std::fs::remove_file(owner.directory().private_key(&key)).unwrap();
    let renewed = renew(&owner, &server).await.unwrap();
    assert_eq!(renewed.renewed, [document("targets")]);
    let left: Vec<_> = renewed.left.iter().map(|item| (item.what.clone(), item.by.clone())).collect();
    let by = By::Holders { keys: vec![key.clone()], threshold: 1 };
    assert_eq!(left, [(document("root"), by.clone()), (What::RootCertificate(key), by)]);
}

#[tokio::test]
async fn an_expired_timestamp_is_the_servers_and_nothing_is_sent_for_it() {
    let (server, owner) = (Server::new(), Person::new());
    owner.sign(&server, "1", b"one").await.unwrap();
    later(&server, DAY);
    let renewed = renew(&owner, &server).await.unwrap();
    assert_eq!(renewed.renewed, []);
    let left: Vec<_> = renewed.left.iter().map(|item| (item.what.clone(), item.by.clone())).collect();
    assert_eq!(left, [(document("snapshot"), By::Server), (document("timestamp"), By::Server)]);
    assert_eq!(server.posts().len(), 1);
}

#[tokio::test]
async fn an_expired_snapshot_whose_key_is_here_is_renewed_alone() {
    let (server, owner) = (Server::new(), Person::new());
    owner.sign(&server, "1", b"one").await.unwrap();
    crate::resuming::hold(&owner, &server.snapshot, &KeyRole::Snapshot);
    later(&server, DAY);
    let renewed = renew(&owner, &server).await.unwrap();
    assert_eq!(renewed.renewed, [document("snapshot")]);
    assert_eq!(server.posts().last().unwrap(), &roles(&["snapshot"]));
    assert!(server.current::<Snapshot>("snapshot").expires > server.now());
    assert!(owner.read(&server).await.is_ok());
}
