//! Signatures of several people: which count, and that a session is published with enough of them.

use bulla::changelist::Change;
use bulla::publish::{Changes, PublishError, Publisher, TooFewKeys};
use bulla::remote::RemoteError;
use bulla::rotate::{self, Request};
use bulla::signing_session::{SessionError, Side};
use ring::rand::SystemRandom;
use tuf_schema::model::{Root, Snapshot, Targets};
use tuf_schema::{KeyId, Role, SigningKey as _};

use super::{one_tag, role, root_key, set, targets_key, two_of_three};
use crate::world::{Person, Server, add_signer, gun, is_released, roles};

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
async fn signatures_that_are_no_good_do_not_hide_the_good_one_of_the_same_key() {
    let (server, [a, b, _]) = two_of_three().await;
    let session = a.consent(&server, &a.start(&server, &one_tag("2")).await.unwrap()).await.unwrap();
    let signer = session.targets()[&Role::Targets].signatures()[0].key_id.clone();
    let session = session.with_signatures::<()>(|_, _, good| {
        let bad = |byte| tuf_schema::Signature { bytes: vec![byte; 64], ..good[0].clone() };
        Ok((0..9).map(bad).chain(good.to_vec()).collect())
    });
    let session = session.unwrap();
    let standing = b.look(&server, &session).await.unwrap().standings.remove(0);
    assert_eq!(standing.signed, [signer]);
    b.send(&server, &b.consent(&server, &session).await.unwrap()).await.unwrap();
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
async fn a_snapshot_that_is_signed_here_lists_what_the_session_published() {
    let (server, [a, b, _]) = two_of_three().await;
    let request = Request { roles: vec![Role::Snapshot], ..Request::default() };
    let rotate = async |publisher: &mut Publisher<'_>| {
        let plan = rotate::plan(publisher, &request).await.unwrap();
        rotate::carry_out(publisher, &plan).await.unwrap();
    };
    a.publishing(&server, rotate).await;
    let session = a.start(&server, &one_tag("2")).await.unwrap();
    let session = b.consent(&server, &a.consent(&server, &session).await.unwrap()).await.unwrap();
    a.send(&server, &session).await.unwrap();
    assert_eq!(server.posts().last().unwrap(), &roles(&["snapshot", "targets"]));
    let snapshot: Snapshot = server.current("snapshot");
    assert!(snapshot.meta.contains_key(&Role::Targets));
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
async fn a_key_under_an_id_that_is_not_its_own_signs_nothing() {
    let (server, owner, alice) = (Server::new(), Person::new(), Person::new());
    owner.sign(&server, "0", b"zero").await.unwrap();
    add_signer(&alice, &owner, &server, "alice", &[""]);
    let mut targets: Targets = server.current("targets");
    let (id, other) = (targets.delegations.roles[0].key_ids[0].clone(), KeyId::from_wire("x"));
    let key = targets.delegations.keys.remove(&id).unwrap();
    targets.delegations.keys.insert(other.clone(), key);
    for given in &mut targets.delegations.roles {
        given.key_ids = vec![other.clone()];
    }
    targets.version = targets.version.next().unwrap();
    server.replace_targets(&owner, &targets);
    let witness = Changes(vec![Change::Witness { role: role("targets/alice") }]);
    let none = TooFewKeys { role: role("targets/alice"), need: 1, keys: 0 };

    let error = alice.publish(&server, &witness).await.unwrap_err();
    assert!(matches!(&error, PublishError::TooFewKeys { few, .. } if *few == none), "{error}");
    let next = format!("gives it 1 more key, or a lower number M: bulla threshold set {} targets/alice M", gun());
    assert!(error.to_string().contains(&next), "{error}");
    let error = alice.start(&server, &witness).await.unwrap_err();
    assert!(matches!(&error, SessionError::TooFewKeys { few, .. } if *few == none), "{error}");

    // Beside another key, too, it is none of those that are looked for.
    let key = tuf_schema::testing::secret_key().public().clone();
    targets.delegations.keys.insert(key.id().clone(), key.clone());
    targets.delegations.roles[0].key_ids.push(key.id().clone());
    targets.version = targets.version.next().unwrap();
    server.replace_targets(&owner, &targets);
    let posts = server.posts().len();
    let error = alice.publish(&server, &witness).await.unwrap_err();
    assert!(matches!(&error, PublishError::NoKey(keys) if keys == &[key.id().clone()]), "{error}");
    assert_eq!(server.posts().len(), posts);
}
