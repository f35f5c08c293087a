//! JSON of the wrong shape under good signatures, and bytes around it that nobody signed.

use bulla::trust::UpdateError;
use bytes::Bytes;
use serde_json::{Value, json};
use tuf_schema::Role;
use tuf_schema::testing::{signed_value, to_value};
use tuf_schema::verify::chain::ChainError;

use crate::world::{Reader, Repository, Server, read_once};

/// What takes the place of a member.
fn substitutes() -> [Value; 4] {
    [Value::Null, json!(-1), json!("x"), json!([{}])]
}

/// Every place of a document, as pointers.
fn places(value: &Value, at: &str, found: &mut Vec<String>) {
    found.push(at.to_owned());
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                places(member, &format!("{at}/{}", name.replace('~', "~0").replace('/', "~1")), found);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                places(item, &format!("{at}/{index}"), found);
            }
        }
        _ => {}
    }
}

/// A document as it is signed, with its signature.
fn signed_as(repository: &Repository, role: &Role, value: &Value) -> Bytes {
    match role {
        Role::Root => signed_value(value, &[&repository.publisher.root_key]),
        Role::Targets => signed_value(value, &[&repository.publisher.targets_key]),
        Role::Snapshot => signed_value(value, &[&repository.snapshot_key]),
        _ => signed_value(value, &[&repository.timestamp_key]),
    }
}

#[tokio::test]
async fn a_member_of_another_type_ends_no_reader_and_leaves_what_was_kept() {
    for role in [Role::Root, Role::Targets, Role::Snapshot, Role::Timestamp] {
        let (repository, server, reader) = read_once().await;
        let bytes = server.current(&role);
        let document: Value = serde_json::from_slice(&bytes).unwrap();
        let mut pointers = Vec::new();
        places(&document["signed"], "", &mut pointers);
        assert!(pointers.len() >= 8, "{role}: {pointers:?}");
        let before = reader.files();
        for (pointer, substitute) in pointers.iter().flat_map(|p| substitutes().into_iter().map(move |s| (p, s))) {
            let mut changed = document["signed"].clone();
            *changed.pointer_mut(pointer).unwrap() = substitute.clone();
            // As it is shown nothing lists it but for the timestamp; the shape comes first all the same.
            server.exchange(&role, &signed_as(&repository, &role, &changed));
            let new = Reader::new();
            if new.read(&server).await.is_err() {
                assert!(new.files().is_empty(), "{role}{pointer} as {substitute}");
            }
            if reader.read(&server).await.is_err() {
                assert_eq!(reader.files(), before, "{role}{pointer} as {substitute}");
            }
        }
    }
}

#[tokio::test]
async fn what_no_signature_covers_is_no_part_of_a_document() {
    let changes: [fn(&str) -> String; 4] = [
        |text| format!("{text}{{}}"),
        |text| text.replacen("{\"signed\":", "{\"extra\":1,\"signed\":", 1),
        |text| text.replacen("{\"signed\":", "{\"signed\":{},\"signed\":", 1),
        |text| text.replacen("\"version\":2", "\"version\":9,\"version\":2", 1),
    ];
    for change in changes {
        let (mut repository, server, reader) = read_once().await;
        repository.publish_with(&server, &|_, _| {}, &|_, role, bytes| {
            let text = std::str::from_utf8(&bytes).unwrap();
            if *role == Role::Timestamp { change(text).into() } else { bytes.clone() }
        });
        let error = reader.refused(&server).await;
        assert!(matches!(error, ChainError::Envelope { role: Role::Timestamp, .. }), "{error}");
    }
}

#[tokio::test]
async fn a_number_of_a_million_digits_is_refused_without_reading_it_as_one() {
    let (mut repository, server, reader) = read_once().await;
    let digits = "9".repeat(1_000_000);
    repository.publish_with(&server, &|_, _| {}, &|_, role, bytes| {
        let text = std::str::from_utf8(&bytes).unwrap().replacen("\"version\":2", &format!("\"version\":{digits}"), 1);
        if *role == Role::Timestamp { text.into() } else { bytes.clone() }
    });
    let error = reader.refused(&server).await;
    assert!(matches!(error, ChainError::Envelope { role: Role::Timestamp, .. }), "{error}");
}

#[tokio::test]
async fn a_cached_root_of_another_shape_is_damage_and_not_a_first_use() {
    let (repository, _, reader) = read_once().await;
    let path = reader.files().into_keys().find(|path| path.ends_with("root.json")).unwrap();
    let mut root = to_value(&repository.publisher.root);
    root["roles"] = json!([]);
    std::fs::write(&path, signed_value(&root, &[&repository.publisher.root_key])).unwrap();
    let server = Server::default();
    let error = reader.refusal(&server).await;
    assert!(matches!(error, UpdateError::RootDamaged { .. }), "{error}");
    assert!(server.asked.lock().unwrap().is_empty());
}
