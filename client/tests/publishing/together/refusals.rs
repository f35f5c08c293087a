//! Sessions that are not signed: on something else than what is published, beyond what may be, or not ours.

use bulla::keys::KeyRole;
use bulla::publish::PublishError;
use bulla::signing_session::SessionError;
use bulla::trust::UpdateError;
use ring::rand::SystemRandom;
use tuf_schema::verify::StaleError;
use tuf_schema::verify::chain::ChainError;
use tuf_schema::version::Version;
use tuf_schema::{Gun, SigningKey as _};

use super::{one_tag, root_key, set, two_of_three, with_targets};
use crate::world::{Person, Server, gun, now};

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
async fn a_session_that_is_published_is_told_from_one_that_others_overtook() {
    let (server, [a, b, _]) = two_of_three().await;
    let session = a.start(&server, &one_tag("2")).await.unwrap();
    let session = b.consent(&server, &a.consent(&server, &session).await.unwrap()).await.unwrap();
    b.send(&server, &session).await.unwrap();
    for error in [a.send(&server, &session).await.unwrap_err(), a.consent(&server, &session).await.unwrap_err()] {
        assert!(matches!(&error, SessionError::Done(_)), "{error}");
    }
    let newer = a.start(&server, &one_tag("3")).await.unwrap();
    let newer = b.consent(&server, &a.consent(&server, &newer).await.unwrap()).await.unwrap();
    b.send(&server, &newer).await.unwrap();
    let error = a.send(&server, &session).await.unwrap_err();
    assert!(matches!(&error, SessionError::Moved { .. }), "{error}");
}

#[tokio::test]
async fn a_root_that_is_published_is_told_from_another_one() {
    let (server, [a, b, _]) = two_of_three().await;
    let lower = a.start(&server, &set("targets", 1, vec![], vec![])).await.unwrap();
    let other = a.start(&server, &set("root", 1, vec![root_key(&b, &gun())], vec![])).await.unwrap();
    let lower = a.consent(&server, &lower).await.unwrap();
    a.send(&server, &lower).await.unwrap();
    let error = a.send(&server, &lower).await.unwrap_err();
    assert!(matches!(&error, SessionError::Done(_)), "{error}");
    let error = a.consent(&server, &other).await.unwrap_err();
    assert!(matches!(&error, SessionError::Moved { .. }), "{error}");
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
async fn a_repository_that_is_not_published_is_not_signed_in_a_session() {
    let (server, a) = (Server::new(), Person::new());
    let error = a.start(&server, &one_tag("1")).await.unwrap_err();
    let SessionError::Publish(PublishError::Update(UpdateError::Chain(ChainError::NoTrustData(_)))) = &error else {
        panic!("{error}")
    };
}
