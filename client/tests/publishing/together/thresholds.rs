//! How many of a role's keys must sign: it is set, refused, and kept by all that is published.

use std::num::NonZeroU32;

use bulla::changelist::{Change, DelegationEdit};
use bulla::keys::KeyRole;
use bulla::publish::{Changes, EditError, PublishError, Publisher, SignTags, TooFewKeys};
use bulla::rotate::{self, Request, RotationError};
use bulla::signing_session::SessionError;
use bulla::threshold::{SetThreshold, ThresholdError};
use ring::rand::SystemRandom;
use tuf_schema::model::{Root, Targets};
use tuf_schema::session::SigningSession;
use tuf_schema::{BaseRole, Role, SigningKey as _};

use super::{role, root_key, set, targets_key, two_of_three};
use crate::world::{Person, Server, add_signer, gun, is_released, manifest, roles, tag};

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
async fn a_threshold_beyond_the_keys_and_a_key_that_is_not_there_are_refused() {
    let (server, a, b) = (Server::new(), Person::new(), Person::new());
    a.sign(&server, "1", b"one").await.unwrap();
    let posts = server.posts().len();
    let refused = async |edit: SetThreshold| match a.publish(&server, &edit).await {
        Err(PublishError::Edit(EditError::Threshold(why))) => why,
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
async fn a_delegation_that_nobody_can_sign_is_warned_of_and_no_session_of_it_begins() {
    let (server, owner, bob) = (Server::new(), Person::new(), Person::new());
    owner.sign(&server, "1", b"one").await.unwrap();
    add_signer(&bob, &owner, &server, "bob", &[""]);
    let key = tuf_schema::testing::secret_key().public().clone();
    let published = owner.publish(&server, &set("targets/bob", 2, vec![key.clone()], vec![])).await.unwrap();
    assert!(published.unsignable.is_empty(), "{:?}", published.unsignable);
    let begins = SignTags::new([(tag("2"), manifest(b"two"))]);
    let begun = bob.start(&server, &begins).await.unwrap();

    let name = tuf_schema::DelegationName::parse("targets/bob").unwrap();
    let edit = DelegationEdit { remove_keys: vec![key.id().clone()], ..DelegationEdit::default() };
    let published =
        owner.publish(&server, &Changes(vec![Change::EditDelegation { name: name.clone(), edit }])).await.unwrap();
    let few = TooFewKeys { role: role("targets/bob"), need: 2, keys: 1 };
    assert_eq!(published.unsignable, std::slice::from_ref(&few));

    let error = bob.start(&server, &begins).await.unwrap_err();
    let SessionError::TooFewKeys { few: told, .. } = &error else { panic!("{error}") };
    assert_eq!(told, &few);
    let next = format!(
        "who signs targets gives it 1 more key, or a lower number M: bulla threshold set {} targets/bob",
        gun()
    );
    assert!(error.to_string().contains(&next), "{error}");
    // Nor is one looked at, signed or published that somebody began without asking.
    let made_on = owner.start(&server, &Changes(vec![Change::Witness { role: Role::Targets }])).await.unwrap();
    let made_on = made_on.made_on().clone();
    let handed = [(few.role.clone(), begun.targets()[&few.role].claims())];
    let handed = SigningSession::new(gun(), made_on, None, handed).unwrap();
    let error = bob.look(&server, &handed).await.unwrap_err();
    assert!(matches!(&error, SessionError::TooFewKeys { few: told, .. } if told == &few), "{error}");

    // With the key that is missing in the same session it can be finished.
    let grant = Change::GrantDelegation { name, threshold: None, keys: vec![key], paths: vec![] };
    let witness = Change::Witness { role: role("targets/bob") };
    owner.start(&server, &Changes(vec![grant, witness])).await.unwrap();
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
        let request = Request { roles: vec![Role::Targets], files, ..Request::default() };
        let rotated = async |publisher: &mut Publisher<'_>| {
            let plan = rotate::plan(publisher, &request).await?;
            rotate::carry_out(publisher, &plan).await
        };
        a.publishing(&server, rotated).await
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
