//! Changes that the reference staged, byte for byte, and what is no change.

use std::num::NonZeroU32;
use std::path::Path;

use proptest::prelude::*;
use tuf_schema::{KeyType, PublicKey};

use super::*;

/// Every staged change of the reference's client, by repository and file name.
fn fixtures(repository: &str) -> Vec<Vec<u8>> {
    let directory = "../tests/fixtures/trust-dir/tuf/example.com/fix";
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join(directory).join(repository).join("changelist");
    let mut paths: Vec<_> = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.into_iter().map(|path| std::fs::read(path).unwrap()).collect()
}

fn data(action: &str, role: &str, kind: &str, path: &str, data: &str) -> String {
    let data = STANDARD.encode(data);
    format!(r#"{{"action":"{action}","role":"{role}","type":"{kind}","path":"{path}","data":"{data}"}}"#)
}

fn refused(text: &str) -> ChangeFault {
    decode(text.as_bytes()).unwrap_err()
}

#[test]
fn every_change_that_the_reference_staged_is_read_and_written_back_to_the_byte() {
    let changes = fixtures("pending");
    assert_eq!(changes.len(), 16);
    for bytes in changes.into_iter().chain(fixtures("badname")) {
        let change = decode(&bytes).unwrap();
        let written = encode(&change).unwrap();
        assert_eq!(String::from_utf8(written), String::from_utf8(bytes), "{change:?}");
    }
}

#[test]
fn the_reference_s_changes_mean_what_its_commands_said() {
    let changes: Vec<_> = fixtures("pending").iter().map(|bytes| decode(bytes).unwrap()).collect();
    let releases = Role::parse("targets/releases").unwrap();
    let Change::AddTarget { role, name, target } = &changes[1] else { panic!("{:?}", changes[1]) };
    assert_eq!((role, name.as_str(), target.length), (&releases, "t2", 11));
    assert_eq!(target.custom, Some(serde_json::json!({"alpha": 1, "beta": "x"})));
    assert_eq!(changes[4], Change::RemoveTarget { role: releases.clone(), name: "gone".into() });
    let Change::GrantDelegation { name, threshold, keys, paths } = &changes[5] else { panic!("{:?}", changes[5]) };
    assert_eq!((name.as_str(), threshold.map(NonZeroU32::get)), ("targets/new", Some(1)));
    assert_eq!(keys[0].bare().unwrap().id().as_str().get(..8), Some("412f8012"));
    assert!(paths.is_empty());
    let key = KeyId::from_wire("412f80124105a17296fc8b2645770959b6dbaba77df1b67774bc147bc447fd7c");
    assert_eq!(changes[13], Change::PurgeKeys { below: Role::Targets, keys: vec![key] });
    assert_eq!(changes[14], Change::Witness { role: releases });
    let cleared = DelegationEdit { clear_paths: true, ..DelegationEdit::default() };
    let new = DelegationName::parse("targets/new").unwrap();
    assert_eq!(changes[11], Change::EditDelegation { name: new.clone(), edit: cleared });
    assert_eq!(changes[12], Change::DeleteDelegation { name: new });
}

#[test]
fn a_part_of_a_change_is_no_change() {
    for bytes in fixtures("pending") {
        for end in 0..bytes.len() {
            let part = decode(&bytes[..end]);
            assert!(matches!(part, Err(ChangeFault::Malformed(_))), "{:?}", String::from_utf8_lossy(&bytes[..end]));
        }
    }
}

#[test]
fn what_is_asked_for_in_unknown_words_is_named() {
    let rotation = data("create", "root", "role", "snapshot", r#"{"keys":[],"role":"snapshot"}"#);
    let unknown = |action: &str, kind: &str, role: &str| ChangeFault::Unknown {
        action: action.into(),
        kind: kind.into(),
        role: role.into(),
    };
    assert_eq!(refused(&rotation), unknown("create", "role", "root"));
    assert_eq!(refused(&data("update", "targets", "target", "a", "{}")), unknown("update", "target", "targets"));
    assert_eq!(
        refused(r#"{"action":"Create","role":"targets","type":"target","path":"a","data":null}"#),
        unknown("Create", "target", "targets")
    );
}

#[test]
fn nothing_that_a_change_says_is_passed_over() {
    let misplaced = |text: String, what| assert_eq!(refused(&text), ChangeFault::Misplaced(what), "{text}");
    misplaced(data("delete", "targets", "target", "a", "{}"), "data");
    misplaced(data("update", "targets", "witness", "", "{}"), "data");
    misplaced(data("delete", "targets/a", "delegation", "", "{}"), "data");
    misplaced(data("create", "targets/a", "delegation", "x", "{}"), "a path");
    misplaced(data("update", "targets/a", "delegation", "x", "{}"), "a path");
    misplaced(data("create", "targets/a", "delegation", "", r#"{"clear_paths":true}"#), "what is to be removed");
    misplaced(data("create", "targets/a", "delegation", "", r#"{"remove_paths":["a"]}"#), "what is to be removed");
    misplaced(data("create", "targets/a", "delegation", "", r#"{"remove_keys":["a"]}"#), "what is to be removed");
    misplaced(data("update", "targets/a", "delegation", "", r#"{"threshold":2}"#), "a threshold");
    let purge = |text| data("update", "targets/*", "delegation", "", text);
    misplaced(purge(r#"{"clear_paths":true}"#), "anything but keys to be removed");
    misplaced(purge(r#"{"add_paths":["a"]}"#), "anything but keys to be removed");
}

#[test]
fn unknown_members_roles_without_targets_and_private_keys_are_refused() {
    let key = |private: &str| {
        format!(r#"{{"add_keys":[{{"keytype":"ecdsa","keyval":{{"public":"","private":{private}}}}}]}}"#)
    };
    assert!(decode(data("create", "targets/a", "delegation", "", &key("null")).as_bytes()).is_ok());
    for text in [
        data("create", "targets/a", "delegation", "", &key("\"c2VjcmV0\"")),
        data("create", "targets/a", "delegation", "", r#"{"new_name":"targets/b"}"#),
        data("create", "targets/a", "delegation", "", r#"{"threshold":0}"#),
        data("create", "targets", "delegation", "", "{}"),
        data("create", "targets/A", "target", "a", r#"{"length":1,"hashes":{}}"#),
        data("create", "snapshot", "target", "a", r#"{"length":1,"hashes":{}}"#),
        data("create", "targets", "target", "a", r#"{"length":-1,"hashes":{}}"#),
        data("create", "targets", "target", "a", r#"{"length":1,"hashes":{"sha256":"%"}}"#),
        data("create", "targets", "target", "a", r#"{"length":1,"hashes":{},"more":1}"#),
        data("update", "root/*", "delegation", "", "{}"),
        r#"{"action":"create","role":"targets","type":"target","path":"a","data":"%"}"#.into(),
        r#"{"action":"create","role":"targets","type":"target","path":"a","data":null}"#.into(),
        r#"{"action":"delete","role":"targets","type":"target","path":"a"}"#.into(),
        r#"{"action":"delete","role":"targets","type":"target","path":"a","data":null,"x":1}"#.into(),
        r#"{"action":"delete","role":"targets","type":"target","path":"a","data":null}{}"#.into(),
    ] {
        assert!(matches!(refused(&text), ChangeFault::Malformed(_)), "{text}");
    }
}

fn role() -> impl Strategy<Value = Role> {
    prop_oneof![Just(Role::Targets), delegation_name().prop_map(Role::Delegation)]
}

fn delegation_name() -> impl Strategy<Value = DelegationName> {
    "targets(/[a-z0-9_-]{1,5}){1,3}".prop_map(|text| DelegationName::parse(&text).unwrap())
}

fn keys() -> impl Strategy<Value = Vec<PublicKey>> {
    let key = (".{0,12}", proptest::collection::vec(any::<u8>(), 0..9));
    let key = key.prop_map(|(kind, public)| PublicKey::new(KeyType::parse(&kind), public));
    proptest::collection::vec(key, 0..3)
}

fn paths() -> impl Strategy<Value = Vec<String>> {
    proptest::collection::vec(any::<String>(), 0..3)
}

fn key_ids() -> impl Strategy<Value = Vec<KeyId>> {
    proptest::collection::vec("[0-9a-f]{64}".prop_map(|id| KeyId::from_wire(&id)), 0..3)
}

fn target() -> impl Strategy<Value = Target> {
    let digests = proptest::collection::btree_map(any::<String>(), proptest::collection::vec(any::<u8>(), 0..9), 0..3);
    let custom = proptest::option::of(any::<String>().prop_map(|text| serde_json::json!({ "a": [text, 1] })));
    (any::<u64>(), digests, custom).prop_map(|(length, digests, custom)| Target {
        length,
        digests: Digests::new(digests),
        custom,
    })
}

fn change() -> impl Strategy<Value = Change> {
    let threshold = proptest::option::of((1..9_u32).prop_map(|n| NonZeroU32::new(n).unwrap()));
    prop_oneof![
        (role(), any::<String>(), target()).prop_map(|(role, name, target)| Change::AddTarget { role, name, target }),
        (role(), any::<String>()).prop_map(|(role, name)| Change::RemoveTarget { role, name }),
        (delegation_name(), threshold, keys(), paths())
            .prop_map(|(name, threshold, keys, paths)| { Change::GrantDelegation { name, threshold, keys, paths } }),
        (delegation_name(), keys(), key_ids(), paths(), paths(), any::<bool>()).prop_map(
            |(name, add_keys, remove_keys, add_paths, remove_paths, clear_paths)| Change::EditDelegation {
                name,
                edit: DelegationEdit { add_keys, remove_keys, add_paths, remove_paths, clear_paths },
            }
        ),
        delegation_name().prop_map(|name| Change::DeleteDelegation { name }),
        (role(), key_ids()).prop_map(|(below, keys)| Change::PurgeKeys { below, keys }),
        role().prop_map(|role| Change::Witness { role }),
    ]
}

proptest! {
    #[test]
    fn every_change_survives_its_file(change in change()) {
        let bytes = encode(&change).unwrap();
        prop_assert_eq!(decode(&bytes).unwrap(), change);
    }

    #[test]
    fn no_file_makes_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = decode(&bytes);
    }

    #[test]
    fn no_damage_to_a_change_makes_the_reader_panic(which in 0..16_usize, at in any::<usize>(), byte in any::<u8>()) {
        let mut bytes = fixtures("pending").swap_remove(which);
        let at = at % bytes.len();
        bytes[at] = byte;
        if let Ok(change) = decode(&bytes) {
            prop_assert_eq!(decode(&encode(&change).unwrap()).unwrap(), change);
        }
    }
}
