//! Certificates of other repositories in a root: it is not signed, and none is put there.

use bulla::publish::{EditError, PublishError};
use bulla::signing_session::SessionError;
use bulla::threshold::ThresholdError;
use tuf_schema::session::SigningSession;
use tuf_schema::{Gun, PublicKey};

use super::{root_key, set, targets_key};
use crate::world::{Person, Server, gun};

/// The same session with a root that names a key more.
fn naming(session: &SigningSession, key: &PublicKey) -> SigningSession {
    let mut root = session.root().unwrap().claims().clone();
    root.keys.insert(key.id().clone(), key.clone());
    root.root.key_ids.push(key.id().clone());
    SigningSession::new(gun(), session.made_on().clone(), Some(&root), []).unwrap()
}

#[tokio::test]
async fn a_root_key_that_signed_no_root_of_the_repository_signs_none_that_could_be_another_s() {
    let (server, a, b) = (Server::new(), Person::new(), Person::new());
    a.sign(&server, "1", b"one").await.unwrap();
    b.read(&server).await.unwrap();
    // Everybody knows the certificate of a repository of b's own; a names it in his.
    let of_b = Gun::parse("registry.test:5000/team/own").unwrap();
    let session = a.start(&server, &set("root", 1, vec![root_key(&b, &gun())], vec![])).await.unwrap();
    b.consent(&server, &session).await.unwrap();
    let error = b.consent(&server, &naming(&session, &root_key(&b, &of_b))).await.unwrap_err();
    assert!(matches!(error, SessionError::ForeignCertificate { .. }), "{error}");
}

#[tokio::test]
async fn a_root_key_signs_no_root_in_which_others_name_its_certificate_for_another_repository() {
    let (server, a, b) = (Server::new(), Person::new(), Person::new());
    a.sign(&server, "1", b"one").await.unwrap();
    let session = b.start(&server, &set("root", 1, vec![root_key(&b, &gun())], vec![])).await.unwrap();
    a.consent(&server, &session).await.unwrap();
    // With the signature of a's key it could be shown as the next root of what is a's alone.
    let of_a = Gun::parse("registry.test:5000/team/own").unwrap();
    for (key, name) in [(root_key(&a, &of_a), of_a.as_str()), (targets_key(&a), "no certificate")] {
        let error = a.consent(&server, &naming(&session, &key)).await.unwrap_err();
        assert!(
            matches!(&error, SessionError::ForeignCertificate { name: told, .. } if told.contains(name)),
            "{error}"
        );
    }
}

#[tokio::test]
async fn no_root_gets_a_certificate_that_is_for_another_repository_too() {
    let (server, a, b) = (Server::new(), Person::new(), Person::new());
    a.sign(&server, "1", b"one").await.unwrap();
    let (posts, of_b) = (server.posts().len(), Gun::parse("registry.test:5000/team/own").unwrap());
    for (key, name) in [(root_key(&b, &of_b), of_b.as_str()), (targets_key(&b), "no certificate")] {
        let error = a.publish(&server, &set("root", 1, vec![key], vec![])).await.unwrap_err();
        let PublishError::Edit(EditError::Threshold(ThresholdError::ForeignCertificate { name: told, .. })) = &error
        else {
            panic!("{error}")
        };
        assert!(told.contains(name), "{told}");
    }
    assert_eq!(server.posts().len(), posts);
}
