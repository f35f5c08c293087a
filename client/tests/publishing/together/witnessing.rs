//! Sessions on delegations that do not count: all that is signed is shown, and nothing old is signed.

use bulla::changelist::Change;
use bulla::publish::{Changes, EditError, PublishError};
use bulla::remote::Part;
use bulla::signing_session::{Difference, SessionError};
use tuf_schema::Role;
use tuf_schema::model::{Snapshot, Targets};
use tuf_schema::session::SigningSession;
use tuf_schema::testing::signed;
use tuf_schema::version::Version;

use super::role;
use crate::mending::exchange;
use crate::world::{Person, Server, add_signer, decode, gun};

fn releases() -> Role {
    role("targets/releases")
}

fn witness() -> Changes {
    Changes(vec![Change::Witness { role: releases() }])
}

fn put(server: &Server, bytes: Vec<u8>) {
    server.store(&mut server.state.lock().unwrap(), &[Part { role: releases(), bytes }]);
}

/// A repository with releases by alice.
async fn released(tags: &[&str]) -> (Server, Person, Person) {
    let (server, owner, alice) = (Server::new(), Person::new(), Person::new());
    owner.sign(&server, "0", b"zero").await.unwrap();
    add_signer(&alice, &owner, &server, "alice", &[""]);
    for tag in tags {
        alice.sign(&server, tag, tag.as_bytes()).await.unwrap();
    }
    (server, owner, alice)
}

#[tokio::test]
async fn all_that_a_document_says_is_shown_where_what_is_published_of_it_does_not_count() {
    let (server, _, alice) = released(&["1"]).await;
    // Somebody makes up a document that nobody's key has signed.
    let mut forged: Targets = server.current("targets/releases");
    forged.targets.insert("evil".to_owned(), forged.targets["1"].clone());
    forged.version = forged.version.next().unwrap();
    put(&server, signed(&forged, &[&server.snapshot]).to_vec());

    let session = alice.start(&server, &witness()).await.unwrap();
    let change = alice.look(&server, &session).await.unwrap().changes.remove(0);
    assert_eq!(change.before, Some(forged.version));
    let shown = change.differences.iter().map(|difference| match difference {
        Difference::TargetAdded(name, _) => name.as_str(),
        other => panic!("{other:?}"),
    });
    assert_eq!(shown.collect::<Vec<_>>(), ["1", "evil"]);
}

#[tokio::test]
async fn nothing_older_is_signed_than_what_counted_before() {
    let (server, owner, alice) = released(&["1"]).await;
    let old = server.state.lock().unwrap().current[&releases()].clone();
    alice.sign(&server, "2", b"two").await.unwrap();
    let newest = server.state.lock().unwrap().current[&releases()].clone();
    let (bob, stranger) = (Person::new(), Person::new());
    bob.read(&server).await.unwrap();
    exchange(&server, &owner, &alice, &bob).await;

    put(&server, old);
    // Made by somebody who did not see the newer one, or does not care.
    let session = stranger.start(&server, &witness()).await.unwrap();
    let error = bob.consent(&server, &session).await.unwrap_err();
    let SessionError::Publish(PublishError::Edit(EditError::Older { role, found, known })) = &error else {
        panic!("{error}")
    };
    assert_eq!((role, found.next()), (&releases(), Some(*known)));
    put(&server, newest);
    bob.consent(&server, &stranger.start(&server, &witness()).await.unwrap()).await.unwrap();
}

#[tokio::test]
async fn a_document_in_whose_place_the_server_shows_another_is_not_begun_anew() {
    let (server, _, alice) = released(&["1"]).await;
    let session = alice.start(&server, &witness()).await.unwrap();
    let mut first = session.targets()[&releases()].claims().clone();
    first.version = Version::FIRST;
    {
        // Nobody who may signs what comes in its place.
        let mut state = server.state.lock().unwrap();
        let snapshot: Snapshot = decode(Role::Snapshot, &state.current[&Role::Snapshot]);
        let listed = snapshot.meta[&releases()].digests.sha256().unwrap();
        let other = signed(&first, &[&server.snapshot]).to_vec();
        state.served.insert(format!("targets/releases.{listed}.json"), other);
    }
    let mut made_on = session.made_on().clone();
    made_on.remove(&releases());
    let session = SigningSession::new(gun(), made_on, None, [(releases(), &first)]).unwrap();
    let error = Person::new().look(&server, &session).await.unwrap_err();
    assert!(
        matches!(&error, SessionError::Publish(PublishError::Edit(EditError::Unreadable { role, .. })) if *role == releases()),
        "{error}"
    );
}
