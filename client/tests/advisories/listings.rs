//! Documents that are not what is listed: longer, shorter, changed, endless, of nobody.

use bulla::trust::UpdateError;
use bytes::Bytes;
use tuf_schema::Role;
use tuf_schema::model::{FileMeta, FileMismatch};
use tuf_schema::testing::signed;
use tuf_schema::verify::StaleError;
use tuf_schema::verify::chain::{ChainError, DocumentName};
use tuf_schema::verify::limits::{MAX_DOCUMENT_BYTES, MAX_TIMESTAMP_BYTES};

use crate::world::{Reader, Repository, Server, bob, chain_error, honest, read_once, version};

/// What is said of a document that is not the listed one; the same for whoever is new.
async fn mismatch(reader: &Reader, server: &Server) -> (Role, FileMismatch) {
    match reader.refused(server).await {
        ChainError::Stale(StaleError::Unlisted { role, mismatch }) => (role, mismatch),
        other => unexpected(&other),
    }
}

#[expect(clippy::panic, reason = "a test fails where it stands")]
fn unexpected(error: &ChainError) -> (Role, FileMismatch) {
    panic!("{error}")
}

/// A well-signed document of a role that is not the one that is shown.
fn other(repository: &Repository, role: &Role) -> Bytes {
    match role {
        Role::Targets => signed(&repository.publisher.targets, &[&repository.publisher.targets_key]),
        _ => signed(&repository.bob, &[&repository.bob_key]),
    }
}

#[tokio::test]
async fn a_document_of_another_digest_than_listed_is_refused_for_each_role() {
    for role in [Role::Targets, bob()] {
        let (mut repository, server, reader) = read_once().await;
        repository.next_targets();
        repository.publish(&server);
        // The same content signed again: as long, and another.
        server.exchange(&role, &other(&repository, &role));
        let (refused, found) = mismatch(&reader, &server).await;
        assert_eq!(refused, role);
        assert!(matches!(found, FileMismatch::Digest(_)), "{found}");
    }
}

#[tokio::test]
async fn a_document_that_is_shorter_than_listed_is_refused_for_each_role() {
    for role in [Role::Targets, bob()] {
        let (mut repository, server, reader) = read_once().await;
        repository.next_targets();
        repository.publisher.tag("2", b"two");
        repository.bob.targets = repository.publisher.targets.targets.clone();
        repository.publish(&server);
        let listed = server.current(&role);
        repository.publisher.targets.targets.clear();
        repository.bob.targets.clear();
        let short = other(&repository, &role);
        assert!(short.len() < listed.len());
        server.exchange(&role, &short);
        let (refused, found) = mismatch(&reader, &server).await;
        assert_eq!(refused, role);
        let (expected, sent) = (tuf_schema::Sha256::of(&listed), tuf_schema::Sha256::of(&short));
        assert!(found.to_string().ends_with(&format!("expected {expected}, found {sent}")), "{found}");
    }
}

#[tokio::test]
async fn a_document_that_is_longer_than_listed_is_not_read_to_its_end() {
    for role in [Role::Snapshot, Role::Targets, bob()] {
        let (mut repository, server, reader) = read_once().await;
        repository.next_targets();
        repository.publish(&server);
        let listed = server.current(&role);
        server.exchange(&role, &[&listed[..], b" "].concat().into());
        for error in [reader.refusal(&server).await, Reader::new().refusal(&server).await] {
            let UpdateError::TooLong { name, most } = &error else { panic!("{error}") };
            assert_eq!((&name.role, *most), (&role, listed.len() as u64));
            assert!(
                error.to_string().starts_with(&format!("trust server returned a bad response. {role}.")),
                "{error}"
            );
        }
    }
}

#[tokio::test]
async fn a_document_of_no_listed_length_may_not_be_endless() {
    for (role, most) in [(Role::Timestamp, MAX_TIMESTAMP_BYTES), (Role::Root, 16 << 20)] {
        let (_, server, reader) = read_once().await;
        server.exchange(&role, &vec![b' '; usize::try_from(most).unwrap() + 1].into());
        // Who knows a root asks for another only if something is wrong.
        let error =
            if role == Role::Root { Reader::new().refusal(&server).await } else { reader.refusal(&server).await };
        assert!(
            matches!(&error, UpdateError::TooLong { name, most: cap } if name.role == role && *cap == most),
            "{error}"
        );
    }
}

#[tokio::test]
async fn a_listed_length_beyond_all_measure_is_not_asked_for() {
    let (mut repository, server, reader) = read_once().await;
    repository.next_targets();
    let huge = |snapshot: &mut tuf_schema::model::Snapshot, _: &mut _| {
        snapshot.meta.get_mut(&Role::Targets).unwrap().length = 1 << 50;
    };
    repository.publish_with(&server, &huge, &honest);
    let digest = tuf_schema::Sha256::of(&server.current(&Role::Targets));
    let endless = vec![b' '; usize::try_from(MAX_DOCUMENT_BYTES).unwrap() + 1];
    server.shown.lock().unwrap().insert(format!("targets.{digest}.json"), endless.into());
    let error = reader.refusal(&server).await;
    assert!(matches!(&error, UpdateError::TooLong { most: MAX_DOCUMENT_BYTES, .. }), "{error}");
}

#[tokio::test]
async fn a_listed_document_that_is_not_there_is_named() {
    for role in [Role::Snapshot, Role::Targets, bob()] {
        let (mut repository, server, reader) = read_once().await;
        repository.next_targets();
        repository.publish(&server);
        let name = format!("{role}.{}.json", tuf_schema::Sha256::of(&server.current(&role)));
        server.shown.lock().unwrap().remove(&name);
        let error = reader.refused(&server).await;
        assert!(matches!(&error, ChainError::Missing(missing) if missing.to_string() == name), "{error}");
    }
}

#[tokio::test]
async fn a_delegation_that_was_never_published_ends_nothing() {
    let (mut repository, server) = (Repository::new(), Server::default());
    repository.publish_with(&server, &|snapshot, _| drop(snapshot.meta.remove(&bob())), &honest);
    let trusted = Reader::new().read(&server).await.unwrap();
    assert!(trusted.targets(&bob()).is_none() && trusted.skipped().is_empty());
}

#[tokio::test]
async fn a_delegation_that_nobody_declared_is_not_asked_for() {
    let (mut repository, server, reader) = read_once().await;
    let evil = Role::parse("targets/evil").unwrap();
    let bytes = signed(&repository.bob, &[&repository.bob_key]);
    server.show(&evil, version(1), &bytes);
    let listed = |snapshot: &mut tuf_schema::model::Snapshot, _: &mut _| {
        snapshot.meta.insert(evil.clone(), FileMeta::of(&bytes));
    };
    let before = reader.documents();
    repository.publish_with(&server, &listed, &honest);
    let trusted = reader.read(&server).await.unwrap();
    assert!(trusted.targets(&evil).is_none());
    assert!(!server.asked.lock().unwrap().iter().any(|name: &DocumentName| name.role == evil));
    assert_eq!(reader.documents(), before);
}

#[tokio::test]
async fn a_delegation_by_the_keys_of_others_is_neither_used_nor_kept() {
    let (mut repository, server, reader) = read_once().await;
    repository.next_targets();
    repository.publish_with(&server, &|_, _| {}, &|repository, role, bytes| {
        let forged = signed(&repository.bob, &[&repository.publisher.targets_key]);
        if *role == bob() { forged } else { bytes }
    });
    let new = Reader::new();
    for reader in [&reader, &new] {
        let trusted = reader.read(&server).await.unwrap();
        assert!(trusted.targets(&bob()).is_none());
        assert!(matches!(&trusted.skipped()[0].why, ChainError::Signature { role, .. } if *role == bob()));
    }
    assert!(!new.documents().contains("targets/bob.json"));
}

#[tokio::test]
async fn a_server_that_lost_its_timestamp_is_told_from_one_that_is_away() {
    let (_, server, reader) = read_once().await;
    server.shown.lock().unwrap().remove("timestamp.json");
    let error = chain_error(reader.refusal(&server).await);
    assert_eq!(error, ChainError::Missing(DocumentName::current(Role::Timestamp)));
}
