//! Roles that several people sign: thresholds are set and kept, and sessions are signed, refused and published.

use std::num::NonZeroU32;

use bulla::changelist::Change;
use bulla::keys::KeyRole;
use bulla::publish::{Changes, Edit, PublishError, Publisher, SignTags};
use bulla::remote::RemoteError;
use bulla::rotate::{self, Request, RotationError};
use bulla::signing_session::{self, Difference, Done, Examined, SessionError, Side};
use bulla::threshold::{SetThreshold, ThresholdError};
use bulla::trust::UpdateError;
use ring::rand::SystemRandom;
use tuf_schema::model::{Root, Snapshot, Targets};
use tuf_schema::session::SigningSession;
use tuf_schema::sign::self_signed_root_certificate;
use tuf_schema::verify::StaleError;
use tuf_schema::verify::chain::ChainError;
use tuf_schema::version::Version;
use tuf_schema::{BaseRole, Gun, KeyId, PublicKey, Role, SigningKey as _};

use crate::world::{NoPause, Person, Server, add_signer, gun, is_released, manifest, now, roles, tag};

fn role(text: &str) -> Role {
    Role::parse(text).unwrap()
}

fn set(name: &str, threshold: u32, add: Vec<PublicKey>, remove: Vec<KeyId>) -> SetThreshold {
    SetThreshold { role: role(name), threshold: NonZeroU32::new(threshold).unwrap(), add, remove }
}

fn one_tag(name: &str) -> SignTags {
    SignTags::new([(tag(name), manifest(name.as_bytes()))])
}

/// A key of the repository, made by `person`.
fn targets_key(person: &Person) -> PublicKey {
    let mut keys = person.keyring();
    let stored = keys.create(KeyRole::Targets, Some(&gun()), &SystemRandom::new()).unwrap();
    keys.open(&stored).unwrap().public().clone()
}

/// A root key of `person` with a certificate for `gun`.
fn root_key(person: &Person, gun: &Gun) -> PublicKey {
    let mut keys = person.keyring();
    let stored = keys.list().unwrap().into_iter().find(|key| key.role == KeyRole::Root);
    let stored = stored.unwrap_or_else(|| keys.create(KeyRole::Root, None, &SystemRandom::new()).unwrap());
    self_signed_root_certificate(keys.open(&stored).unwrap(), gun, now(), &SystemRandom::new()).unwrap()
}

/// What a person does with a session.
impl Person {
    async fn start(&self, server: &Server, edit: &dyn Edit) -> Result<SigningSession, SessionError> {
        let (gun, cache, mut keys, rng) = (gun(), self.cache(), self.keyring(), SystemRandom::new());
        let now = server.now();
        let mut publisher =
            Publisher { gun: &gun, remote: server, cache: &cache, keys: &mut keys, now, rng: &rng, pacing: &NoPause };
        signing_session::start(&mut publisher, edit).await
    }

    async fn look(&self, server: &Server, session: &SigningSession) -> Result<Examined, SessionError> {
        let (gun, cache, mut keys, rng) = (gun(), self.cache(), self.keyring(), SystemRandom::new());
        let now = server.now();
        let mut publisher =
            Publisher { gun: &gun, remote: server, cache: &cache, keys: &mut keys, now, rng: &rng, pacing: &NoPause };
        signing_session::examine(&mut publisher, session.clone()).await
    }

    /// Signs it as it comes out of a file.
    async fn consent(&self, server: &Server, session: &SigningSession) -> Result<SigningSession, SessionError> {
        let session = SigningSession::parse(&session.to_bytes()).unwrap();
        let (gun, cache, mut keys, rng) = (gun(), self.cache(), self.keyring(), SystemRandom::new());
        let now = server.now();
        let mut publisher =
            Publisher { gun: &gun, remote: server, cache: &cache, keys: &mut keys, now, rng: &rng, pacing: &NoPause };
        let examined = signing_session::examine(&mut publisher, session).await?;
        Ok(signing_session::sign(&mut publisher, &examined)?.0)
    }

    async fn send(&self, server: &Server, session: &SigningSession) -> Result<Done, SessionError> {
        let (gun, cache, mut keys, rng) = (gun(), self.cache(), self.keyring(), SystemRandom::new());
        let now = server.now();
        let mut publisher =
            Publisher { gun: &gun, remote: server, cache: &cache, keys: &mut keys, now, rng: &rng, pacing: &NoPause };
        signing_session::publish(&mut publisher, session.clone(), &mut |_| {}).await
    }
}

/// Three people, each with a key of targets, two of which must sign.
async fn two_of_three() -> (Server, [Person; 3]) {
    let (server, people) = (Server::new(), [Person::new(), Person::new(), Person::new()]);
    let [a, b, c] = &people;
    a.sign(&server, "1", b"one").await.unwrap();
    let session = a.start(&server, &set("targets", 2, vec![targets_key(b), targets_key(c)], vec![])).await.unwrap();
    let session = b.consent(&server, &a.consent(&server, &session).await.unwrap()).await.unwrap();
    b.send(&server, &session).await.unwrap();
    (server, people)
}

/// The same session with the document of targets changed.
fn with_targets(session: &SigningSession, change: impl FnOnce(&mut Targets)) -> SigningSession {
    let mut targets = session.targets()[&Role::Targets].claims().clone();
    change(&mut targets);
    let root = session.root().map(|root| root.claims());
    SigningSession::new(gun(), session.made_on().clone(), root, [(Role::Targets, &targets)]).unwrap()
}

#[tokio::test]
async fn a_threshold_is_set_by_root_and_by_enough_of_the_new_keys() {
    let (server, [a, b, c]) = two_of_three().await;
    let root: Root = server.current("root");
    assert_eq!((root.targets.threshold.get(), root.targets.key_ids.len(), root.root.threshold.get()), (2, 3, 1));
    assert_eq!(server.posts().last().unwrap(), &roles(&["root", "targets"]));
    for person in [a, b, c, Person::new()] {
        person.read(&server).await.unwrap();
    }
}

#[tokio::test]
async fn nothing_is_published_until_as_many_have_signed_as_must() {
    let (server, [a, b, c]) = two_of_three().await;
    let session = a.start(&server, &one_tag("2")).await.unwrap();
    let session = a.consent(&server, &session).await.unwrap();
    let posts = server.posts().len();
    let error = c.send(&server, &session).await.unwrap_err();
    let SessionError::Unsigned { standings, .. } = &error else { panic!("{error}") };
    let mut missing = [&b, &c].map(|person| person.keyring().list().unwrap()[0].id.clone());
    missing.sort();
    assert_eq!((standings.len(), standings[0].missing(), standings[0].unsigned.as_slice()), (1, 1, missing.as_slice()));
    assert!(
        error.to_string().contains(&format!("1 more of these must sign: {}, {}", missing[0], missing[1])),
        "{error}"
    );
    assert_eq!(server.posts().len(), posts);
    assert!(!is_released(&server, "2").await);
    let session = c.consent(&server, &session).await.unwrap();
    assert_eq!(b.send(&server, &session).await.unwrap().roles, [Role::Targets]);
    assert!(is_released(&server, "2").await);
}

#[tokio::test]
async fn whoever_has_too_few_keys_is_told_whose_are_missing_and_what_to_do() {
    let (server, [a, b, c]) = two_of_three().await;
    let error = a.sign(&server, "2", b"two").await.unwrap_err();
    let PublishError::Threshold(shortage) = &error else { panic!("{error}") };
    assert_eq!((shortage.need, shortage.here.len(), shortage.elsewhere.len()), (2, 1, 2));
    let said = error.to_string();
    for person in [&b, &c] {
        assert!(said.contains(person.keyring().list().unwrap()[0].id.as_str()), "{said}");
    }
    assert!(said.ends_with(&format!("bulla session start {} FILE", gun())), "{said}");
}

#[tokio::test]
async fn two_keys_in_one_place_sign_by_themselves_and_the_threshold_stays() {
    let (server, [a, b, _]) = two_of_three().await;
    let other = b.keyring().list().unwrap().remove(0);
    let name = other.path().file_name().unwrap();
    std::fs::copy(other.path(), a.directory().private().join(name)).unwrap();
    a.sign(&server, "2", b"two").await.unwrap();
    assert!(is_released(&server, "2").await);
    let targets = server.state.lock().unwrap().current[&Role::Targets].clone();
    let value: serde_json::Value = serde_json::from_slice(&targets).unwrap();
    assert_eq!(value["signatures"].as_array().unwrap().len(), 2);
    let root: Root = server.current("root");
    assert_eq!((root.targets.threshold.get(), root.targets.key_ids.len()), (2, 3));
}

#[tokio::test]
async fn one_key_that_signed_twice_counts_once() {
    let (server, [a, _, c]) = two_of_three().await;
    let session = a.start(&server, &one_tag("2")).await.unwrap();
    let (once, again) = (a.consent(&server, &session).await.unwrap(), a.consent(&server, &session).await.unwrap());
    // ECDSA signs anew each time: two different good signatures of one key.
    let twice = once.joined_by(&again).unwrap();
    assert_eq!(twice.targets()[&Role::Targets].signatures().len(), 2);
    let examined = c.look(&server, &twice).await.unwrap();
    assert_eq!((examined.standings[0].signed.len(), examined.standings[0].missing()), (1, 1));
    assert_eq!(examined.session.targets()[&Role::Targets].signatures().len(), 1);
    assert!(matches!(c.send(&server, &twice).await, Err(SessionError::Unsigned { .. })));
}

#[tokio::test]
async fn a_signature_that_is_not_good_or_of_nobody_is_neither_counted_nor_sent() {
    let (server, [a, b, _]) = two_of_three().await;
    let session = a.start(&server, &one_tag("2")).await.unwrap();
    let other = a.consent(&server, &a.start(&server, &one_tag("other")).await.unwrap()).await.unwrap();
    let stranger = tuf_schema::testing::secret_key();
    let wrong = other.targets()[&Role::Targets].signatures()[0].clone();
    let session = session.with_signatures::<()>(|_, message, _| {
        Ok(vec![wrong.clone(), stranger.signature(message, &SystemRandom::new()).unwrap()])
    });
    let session = session.unwrap();
    assert_eq!(a.look(&server, &session).await.unwrap().standings[0].signed, []);
    let session = b.consent(&server, &a.consent(&server, &session).await.unwrap()).await.unwrap();
    b.send(&server, &session).await.unwrap();
    let value: serde_json::Value =
        serde_json::from_slice(&server.state.lock().unwrap().current[&Role::Targets]).unwrap();
    assert_eq!(value["signatures"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_session_whose_base_has_moved_is_neither_signed_nor_published() {
    let (server, [a, b, _]) = two_of_three().await;
    let first = a.start(&server, &one_tag("2")).await.unwrap();
    let second = a.start(&server, &one_tag("3")).await.unwrap();
    let first = b.consent(&server, &a.consent(&server, &first).await.unwrap()).await.unwrap();
    let second = b.consent(&server, &a.consent(&server, &second).await.unwrap()).await.unwrap();
    a.send(&server, &second).await.unwrap();
    let posts = server.posts().len();
    for error in [a.send(&server, &first).await.unwrap_err(), a.consent(&server, &first).await.unwrap_err()] {
        let SessionError::Moved { documents, .. } = &error else { panic!("{error}") };
        let versions: Vec<_> = documents
            .iter()
            .map(|(role, before, now)| (role.as_str(), before.as_ref().unwrap().version, now.as_ref().unwrap().version))
            .collect();
        assert_eq!(versions, [("targets", Version::new(3).unwrap(), Version::new(4).unwrap())]);
    }
    assert_eq!(server.posts().len(), posts);
}

#[tokio::test]
async fn who_is_quicker_between_look_and_publish_is_told() {
    let (server, [a, b, _]) = two_of_three().await;
    let session = a.start(&server, &one_tag("2")).await.unwrap();
    let session = b.consent(&server, &a.consent(&server, &session).await.unwrap()).await.unwrap();
    server.state.lock().unwrap().conflicts = 1;
    let error = a.send(&server, &session).await.unwrap_err();
    assert!(matches!(error, SessionError::Publish(PublishError::Remote(RemoteError::VersionConflict))), "{error}");
    a.send(&server, &session).await.unwrap();
}

#[tokio::test]
async fn a_session_on_something_older_than_what_was_seen_is_refused() {
    let (server, [a, b, _]) = two_of_three().await;
    let old = server.state.lock().unwrap().served.clone();
    let session = a.start(&server, &one_tag("2")).await.unwrap();
    let newer = a.start(&server, &one_tag("3")).await.unwrap();
    let newer = b.consent(&server, &a.consent(&server, &newer).await.unwrap()).await.unwrap();
    b.send(&server, &newer).await.unwrap();
    b.read(&server).await.unwrap();
    // The server shows what it had before.
    server.state.lock().unwrap().served = old;
    let error = b.consent(&server, &session).await.unwrap_err();
    assert!(
        matches!(
            &error,
            SessionError::Publish(PublishError::Update(UpdateError::Chain(ChainError::Stale(
                StaleError::Rollback { .. }
            ))))
        ),
        "{error}"
    );
}

#[tokio::test]
async fn a_document_that_does_not_follow_is_not_signed() {
    let (server, [a, _, _]) = two_of_three().await;
    let session = a.start(&server, &one_tag("2")).await.unwrap();
    for version in [1, 3, 5, 1000] {
        let version = Version::new(version).unwrap();
        let wrong = with_targets(&session, |targets| targets.version = version);
        let error = a.consent(&server, &wrong).await.unwrap_err();
        assert!(matches!(&error, SessionError::Version { found, .. } if *found == version), "{error}");
    }
}

#[tokio::test]
async fn a_document_that_outlives_ours_or_has_ended_is_not_signed() {
    let (server, [a, _, _]) = two_of_three().await;
    let session = a.start(&server, &one_tag("2")).await.unwrap();
    let longest = now().plus_seconds((1095 + 1) * 24 * 60 * 60);
    let until = |expires| with_targets(&session, |targets| targets.expires = expires);
    assert!(a.consent(&server, &until(longest)).await.is_ok());
    assert!(a.consent(&server, &until(now().plus_seconds(1))).await.is_ok());
    for expires in [longest.plus_seconds(1), now(), now().plus_seconds(-1)] {
        let error = a.consent(&server, &until(expires)).await.unwrap_err();
        assert!(matches!(error, SessionError::Lifetime { .. }), "{error}");
    }
}

#[tokio::test]
async fn a_root_takes_the_signatures_of_old_and_new_keys() {
    let (server, a, b, reader) = (Server::new(), Person::new(), Person::new(), Person::new());
    a.sign(&server, "1", b"one").await.unwrap();
    for person in [&b, &reader] {
        person.read(&server).await.unwrap();
    }
    let session = a.start(&server, &set("root", 2, vec![root_key(&b, &gun())], vec![])).await.unwrap();
    let by_b = b.consent(&server, &session).await.unwrap();
    let error = b.send(&server, &by_b).await.unwrap_err();
    let SessionError::Unsigned { standings, .. } = &error else { panic!("{error}") };
    assert_eq!(
        standings.iter().map(|s| (s.side, s.missing())).collect::<Vec<_>>(),
        [(Side::Own, 1), (Side::Before, 1)]
    );
    let both = a.consent(&server, &by_b).await.unwrap();
    b.send(&server, &both).await.unwrap();
    let root: Root = server.current("root");
    assert_eq!((root.root.threshold.get(), root.root.key_ids.len(), root.version.number()), (2, 2, 2));
    for person in [&reader, &Person::new()] {
        assert_eq!(person.read(&server).await.unwrap().root().model().version.number(), 2);
    }
    // One alone can name no other keys.
    let error = a.publish(&server, &set("targets", 1, vec![targets_key(&b)], vec![])).await.unwrap_err();
    assert!(matches!(&error, PublishError::Threshold(short) if short.role == Role::Root), "{error}");
}

#[tokio::test]
async fn a_root_key_that_signed_no_root_of_the_repository_signs_none_that_could_be_another_s() {
    let (server, a, b) = (Server::new(), Person::new(), Person::new());
    a.sign(&server, "1", b"one").await.unwrap();
    b.read(&server).await.unwrap();
    // Everybody knows the certificate of a repository of b's own; a names it in his.
    let of_b = Gun::parse("registry.test:5000/team/own").unwrap();
    let session = a.start(&server, &set("root", 1, vec![root_key(&b, &of_b)], vec![])).await.unwrap();
    let error = b.consent(&server, &session).await.unwrap_err();
    assert!(matches!(error, SessionError::ForeignCertificate { .. }), "{error}");
}

#[tokio::test]
async fn a_root_of_a_repository_that_was_never_seen_is_not_signed() {
    let (server, a, b) = (Server::new(), Person::new(), Person::new());
    a.sign(&server, "1", b"one").await.unwrap();
    let session = a.start(&server, &set("root", 2, vec![root_key(&b, &gun())], vec![])).await.unwrap();
    let error = b.consent(&server, &session).await.unwrap_err();
    assert!(matches!(error, SessionError::Publish(PublishError::FirstContact { .. })), "{error}");
    b.read(&server).await.unwrap();
    b.consent(&server, &session).await.unwrap();
}

#[tokio::test]
async fn keys_that_are_for_something_else_sign_nothing() {
    let (server, [a, _, _]) = two_of_three().await;
    let stranger = Person::new();
    stranger.keyring().create(KeyRole::Root, None, &SystemRandom::new()).unwrap();
    stranger.keyring().create(KeyRole::Targets, Some(&gun()), &SystemRandom::new()).unwrap();
    let session = a.start(&server, &one_tag("2")).await.unwrap();
    let error = stranger.consent(&server, &session).await.unwrap_err();
    assert!(matches!(&error, SessionError::NoKey(ids) if ids.len() == 3), "{error}");
    // A key of targets that is kept for another repository.
    let other = Gun::parse("registry.test:5000/team/own").unwrap();
    let mut keys = stranger.keyring();
    let stored = keys.create(KeyRole::Targets, Some(&other), &SystemRandom::new()).unwrap();
    let public = keys.open(&stored).unwrap().public().clone();
    let session = a.start(&server, &set("targets", 1, vec![public], vec![])).await.unwrap();
    let error = stranger.consent(&server, &session).await.unwrap_err();
    assert!(matches!(&error, SessionError::NoKey(_)), "{error}");
}

#[tokio::test]
async fn everything_that_would_change_is_told() {
    let (server, a, b) = (Server::new(), Person::new(), Person::new());
    for name in ["1", "2", "3"] {
        a.sign(&server, name, b"content").await.unwrap();
    }
    let name = tuf_schema::DelegationName::parse("targets/x").unwrap();
    let key = targets_key(&b);
    let target = |role, name: &str| Change::RemoveTarget { role, name: name.to_owned() };
    let changes = vec![
        target(Role::Targets, "2"),
        Change::GrantDelegation {
            name: name.clone(),
            threshold: None,
            keys: vec![key.clone()],
            paths: vec!["qa/".to_owned()],
        },
    ];
    let session = a.start(&server, &Changes(changes)).await.unwrap();
    let session = with_targets(&session, |targets| {
        targets.targets.get_mut("3").unwrap().length = 99;
        targets.targets.insert("4".to_owned(), targets.targets["1"].clone());
        let unused = root_key(&b, &gun());
        targets.delegations.keys.insert(unused.id().clone(), unused);
    });
    let told = a.look(&server, &session).await.unwrap().changes.remove(0).differences;
    let kinds: Vec<_> = told
        .iter()
        .map(|difference| match difference {
            Difference::TargetAdded(name, _) => format!("+{name}"),
            Difference::TargetRemoved(name, _) => format!("-{name}"),
            Difference::TargetChanged(name, both) => format!("{name} {}->{}", both.0.length, both.1.length),
            Difference::DelegationAdded(name, paths) => format!("{name} {paths:?}"),
            Difference::KeyAdded(role, id) => format!("{role} {}", *id == key.canonical_id()),
            Difference::Listed(_) => "listed".to_owned(),
            other => format!("{other:?}"),
        })
        .collect();
    assert_eq!(kinds, ["3 7->99", "+4", "-2", "targets/x [\"qa/\"]", "targets/x true", "listed"]);
}

#[tokio::test]
async fn a_root_s_changes_of_keys_and_thresholds_are_told() {
    let (server, a, b) = (Server::new(), Person::new(), Person::new());
    a.sign(&server, "1", b"one").await.unwrap();
    let (old, new) = (a.keyring().list().unwrap(), root_key(&b, &gun()));
    let old = old.iter().find(|key| key.role == KeyRole::Root).unwrap().id.clone();
    let session = a.start(&server, &set("root", 1, vec![new.clone()], vec![old.clone()])).await.unwrap();
    let told = a.look(&server, &session).await.unwrap().changes.remove(0).differences;
    assert_eq!(told, [Difference::KeyAdded(Role::Root, new.canonical_id()), Difference::KeyRemoved(Role::Root, old)]);
    let session = a.start(&server, &set("root", 2, vec![new], vec![])).await.unwrap();
    let told = a.look(&server, &session).await.unwrap().changes.remove(0).differences;
    let two = NonZeroU32::new(2).unwrap();
    assert_eq!(told.last().unwrap(), &Difference::Threshold(Role::Root, NonZeroU32::MIN, two));
}

#[tokio::test]
async fn a_threshold_beyond_the_keys_and_a_key_that_is_not_there_are_refused() {
    let (server, a, b) = (Server::new(), Person::new(), Person::new());
    a.sign(&server, "1", b"one").await.unwrap();
    let posts = server.posts().len();
    let refused = async |edit: SetThreshold| match a.publish(&server, &edit).await {
        Err(PublishError::Edit(bulla::publish::EditError::Threshold(why))) => why,
        other => panic!("{other:?}"),
    };
    let key = targets_key(&b);
    let why = refused(set("targets", 3, vec![key.clone()], vec![])).await;
    assert!(matches!(why, ThresholdError::TooFewKeys { keys: 2, .. }), "{why}");
    // One root key with two certificates is one key.
    let why = refused(set("root", 2, vec![root_key(&a, &gun())], vec![])).await;
    assert!(matches!(why, ThresholdError::TooFewKeys { keys: 1, .. }), "{why}");
    let why = refused(set("targets", 1, vec![], vec![key.id().clone()])).await;
    assert!(matches!(why, ThresholdError::NotAKeyOf { .. }), "{why}");
    for name in ["snapshot", "timestamp"] {
        let why = refused(set(name, 1, vec![], vec![])).await;
        assert_eq!(why, ThresholdError::NotForSeveral(role(name)));
    }
    assert_eq!(server.posts().len(), posts);
}

#[tokio::test]
async fn what_is_so_already_is_not_signed_anew() {
    let (server, [a, _, _]) = two_of_three().await;
    let posts = server.posts().len();
    a.publish(&server, &set("targets", 2, vec![], vec![])).await.unwrap();
    assert_eq!(server.posts().len(), posts);
    let error = a.start(&server, &set("targets", 2, vec![], vec![])).await.unwrap_err();
    assert!(matches!(error, SessionError::NothingToSign(_)), "{error}");
}

#[tokio::test]
async fn a_delegation_s_threshold_counts_and_stays_when_it_gets_a_key() {
    let (server, owner, bob, carol) = (Server::new(), Person::new(), Person::new(), Person::new());
    owner.sign(&server, "1", b"one").await.unwrap();
    add_signer(&bob, &owner, &server, "bob", &[""]);
    let mut keys = carol.keyring();
    let stored = keys.create(KeyRole::Signer("carol".into()), None, &SystemRandom::new()).unwrap();
    let key = keys.open(&stored).unwrap().public().clone();
    bob.sign(&server, "2", b"two").await.unwrap();
    // What bob signed alone does not count any more: it is signed anew, by two.
    let session = owner.start(&server, &set("targets/releases", 2, vec![key.clone()], vec![])).await.unwrap();
    assert_eq!(session.roles().map(Role::as_str).collect::<Vec<_>>(), ["targets", "targets/releases"]);
    let mut session = session;
    for person in [&owner, &bob, &carol] {
        session = person.consent(&server, &session).await.unwrap();
    }
    owner.send(&server, &session).await.unwrap();
    assert!(is_released(&server, "2").await);
    let error = bob.sign(&server, "3", b"three").await.unwrap_err();
    assert!(matches!(&error, PublishError::Threshold(short) if short.role == role("targets/releases")), "{error}");
    // The owner gives it another key.
    let name = tuf_schema::DelegationName::parse("targets/releases").unwrap();
    let grant = Change::GrantDelegation {
        name: name.clone(),
        threshold: Some(NonZeroU32::MIN),
        keys: vec![tuf_schema::testing::secret_key().public().clone()],
        paths: vec![],
    };
    owner.publish(&server, &Changes(vec![grant])).await.unwrap();
    let targets: Targets = server.current("targets");
    let given = targets.delegations.role(&name).unwrap();
    assert_eq!((given.threshold.get(), given.key_ids.len()), (2, 3));
}

#[tokio::test]
async fn a_rotation_changes_neither_number() {
    let (server, [a, _, _]) = two_of_three().await;
    let rotate = async |count: usize| {
        let files: Vec<_> = (0..count)
            .map(|n| {
                let path = a.directory().private().join(format!("../new-{n}.pem"));
                let secret = tuf_schema::testing::secret_key();
                let text =
                    a.keyring().sealed_for_export(&secret, &KeyRole::Targets, Some(&gun()), &SystemRandom::new());
                std::fs::write(&path, text.unwrap().as_bytes()).unwrap();
                path
            })
            .collect();
        let (gun, cache, mut keys, rng) = (gun(), a.cache(), a.keyring(), SystemRandom::new());
        let mut publisher = Publisher {
            gun: &gun,
            remote: &server,
            cache: &cache,
            keys: &mut keys,
            now: server.now(),
            rng: &rng,
            pacing: &NoPause,
        };
        let request = Request { roles: vec![Role::Targets], files, ..Request::default() };
        let plan = rotate::plan(&mut publisher, &request).await?;
        rotate::carry_out(&mut publisher, &plan).await
    };
    for count in [0, 1, 2, 4] {
        let error = rotate(count).await.unwrap_err();
        assert!(matches!(error, RotationError::OtherCount { threshold: 2, keys: 3, .. }), "{count}: {error}");
    }
    rotate(3).await.unwrap();
    let root: Root = server.current("root");
    assert_eq!((root.targets.threshold.get(), root.keys_of(BaseRole::Targets).count()), (2, 3));
    a.sign(&server, "2", b"two").await.unwrap();
}

#[tokio::test]
async fn a_snapshot_that_is_signed_here_lists_what_the_session_published() {
    let (server, [a, b, _]) = two_of_three().await;
    let (gun, cache, mut keys, rng) = (gun(), a.cache(), a.keyring(), SystemRandom::new());
    let mut publisher = Publisher {
        gun: &gun,
        remote: &server,
        cache: &cache,
        keys: &mut keys,
        now: server.now(),
        rng: &rng,
        pacing: &NoPause,
    };
    let plan =
        rotate::plan(&mut publisher, &Request { roles: vec![Role::Snapshot], ..Request::default() }).await.unwrap();
    rotate::carry_out(&mut publisher, &plan).await.unwrap();
    let session = a.start(&server, &one_tag("2")).await.unwrap();
    let session = b.consent(&server, &a.consent(&server, &session).await.unwrap()).await.unwrap();
    a.send(&server, &session).await.unwrap();
    assert_eq!(server.posts().last().unwrap(), &roles(&["snapshot", "targets"]));
    let snapshot: Snapshot = server.current("snapshot");
    assert!(snapshot.meta.contains_key(&Role::Targets));
}

#[tokio::test]
async fn a_repository_that_is_not_published_is_not_signed_in_a_session() {
    let (server, a) = (Server::new(), Person::new());
    let error = a.start(&server, &one_tag("1")).await.unwrap_err();
    let SessionError::Publish(PublishError::Update(UpdateError::Chain(ChainError::NoTrustData(_)))) = &error else {
        panic!("{error}")
    };
}
