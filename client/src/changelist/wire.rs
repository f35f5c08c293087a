//! Changes as docker and notary write them into files, byte for byte: the one place that knows their words.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tuf_schema::model::Target;
use tuf_schema::{DelegationName, Digests, KeyId, KeyType, PublicKey, Role};

use super::change::{Change, DelegationEdit};
use super::go_json::as_go_writes;

/// The last segment of a name that means all delegations below a role.
const ALL_BELOW: &str = "/*";

/// Why a file is no change that is understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChangeFault {
    /// It is not the JSON of a change, or not all of it.
    #[error("it is no change, or only a part of one: {0}")]
    Malformed(String),
    /// It asks for something that this version does not know.
    #[error("{action} of {kind} {role} is not known here")]
    Unknown {
        /// What is to be done.
        action: String,
        /// With what.
        kind: String,
        /// In which role.
        role: String,
    },
    /// It says how to change a role that is not said to be changed so.
    #[error("{0} does not belong into this change")]
    Misplaced(&'static str),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireChange {
    action: Action,
    role: String,
    #[serde(rename = "type")]
    kind: Kind,
    path: String,
    /// Base64 of JSON; null when there is nothing to say.
    #[serde(deserialize_with = "present")]
    data: Option<String>,
}

/// A member that may be null and must be there.
fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Option::deserialize(deserializer)
}

/// The words of the reference, and those of others.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Action {
    Create,
    Update,
    Delete,
    #[serde(untagged)]
    Other(String),
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Target,
    Delegation,
    Witness,
    #[serde(untagged)]
    Other(String),
}

/// In the reference's order, which is not that of names.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireTarget {
    length: u64,
    hashes: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    custom: Option<Value>,
}

#[derive(Serialize, Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct WireDelegation {
    #[serde(skip_serializing_if = "Option::is_none")]
    threshold: Option<NonZeroU32>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    add_keys: Vec<WireKey>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    remove_keys: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    add_paths: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    remove_paths: Vec<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    clear_paths: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireKey {
    keytype: String,
    keyval: WireKeyValue,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireKeyValue {
    public: String,
    /// Always null: whoever stages the private half of a key is told so.
    private: Option<NeverPresent>,
}

/// A value that no change has.
#[derive(Serialize, Deserialize)]
enum NeverPresent {}

/// What a change is called in the reference's files and tables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Words {
    /// `create`, `update` or `delete`.
    pub action: String,
    /// The role, or all below one.
    pub role: String,
    /// `target`, `delegation` or `witness`.
    pub kind: String,
    /// The target's name, or nothing.
    pub path: String,
}

impl Change {
    /// What it is called in the reference's files and tables.
    #[must_use]
    pub fn words(&self) -> Words {
        let WireChange { action, role, kind, path, .. } = head(self);
        Words { action: word(&action), role, kind: word(&kind), path }
    }
}

/// The content of a change's file.
///
/// # Errors
/// For custom data that JSON cannot hold; there is none.
pub(super) fn encode(change: &Change) -> Result<Vec<u8>, serde_json::Error> {
    let data = match change {
        Change::AddTarget { target, .. } => {
            let hash = |(name, bytes): (&str, &[u8])| (name.to_owned(), STANDARD.encode(bytes));
            let hashes = target.digests.by_name().map(hash).collect();
            let data = WireTarget { length: target.length, hashes, custom: target.custom.clone() };
            Some(as_go_writes(&data)?)
        }
        Change::GrantDelegation { threshold, keys, paths, .. } => {
            let add_keys = keys.iter().map(WireKey::of).collect();
            let data =
                WireDelegation { threshold: *threshold, add_keys, add_paths: paths.clone(), ..Default::default() };
            Some(as_go_writes(&data)?)
        }
        Change::EditDelegation { edit, .. } => Some(as_go_writes(&WireDelegation {
            threshold: None,
            add_keys: edit.add_keys.iter().map(WireKey::of).collect(),
            remove_keys: texts(&edit.remove_keys),
            add_paths: edit.add_paths.clone(),
            remove_paths: edit.remove_paths.clone(),
            clear_paths: edit.clear_paths,
        })?),
        Change::PurgeKeys { keys, .. } => {
            Some(as_go_writes(&WireDelegation { remove_keys: texts(keys), ..Default::default() })?)
        }
        Change::RemoveTarget { .. } | Change::DeleteDelegation { .. } | Change::Witness { .. } => None,
    };
    as_go_writes(&WireChange { data: data.map(|bytes| STANDARD.encode(bytes)), ..head(change) })
}

/// A change without its data.
fn head(change: &Change) -> WireChange {
    let (action, kind, role, path) = match change {
        Change::AddTarget { role, name, .. } => (Action::Create, Kind::Target, role.to_string(), name.as_str()),
        Change::RemoveTarget { role, name } => (Action::Delete, Kind::Target, role.to_string(), name.as_str()),
        Change::GrantDelegation { name, .. } => (Action::Create, Kind::Delegation, name.to_string(), ""),
        Change::EditDelegation { name, .. } => (Action::Update, Kind::Delegation, name.to_string(), ""),
        Change::DeleteDelegation { name } => (Action::Delete, Kind::Delegation, name.to_string(), ""),
        Change::PurgeKeys { below, .. } => (Action::Update, Kind::Delegation, format!("{below}{ALL_BELOW}"), ""),
        Change::Witness { role } => (Action::Update, Kind::Witness, role.to_string(), ""),
    };
    WireChange { action, role, kind, path: path.to_owned(), data: None }
}

/// The change that a file holds.
///
/// # Errors
/// [`ChangeFault`]; nothing in a file is passed over.
pub(super) fn decode(bytes: &[u8]) -> Result<Change, ChangeFault> {
    let WireChange { action, role, kind, path, data } = read(bytes)?;
    let data = data.map(|text| STANDARD.decode(text)).transpose().map_err(malformed)?;
    let no_data = || if data.is_none() { Ok(()) } else { Err(ChangeFault::Misplaced("data")) };
    let no_path = || if path.is_empty() { Ok(()) } else { Err(ChangeFault::Misplaced("a path")) };
    match (&action, &kind) {
        (Action::Create, Kind::Target) => {
            let role = targets_role(&role)?;
            let WireTarget { length, hashes, custom } = read(data.as_deref().unwrap_or_default())?;
            let hash = |(name, text): (String, String)| Ok((name, STANDARD.decode(text).map_err(malformed)?));
            let digests = Digests::new(hashes.into_iter().map(hash).collect::<Result<Vec<_>, _>>()?);
            Ok(Change::AddTarget { role, name: path, target: Target { length, digests, custom } })
        }
        (Action::Delete, Kind::Target) => {
            no_data()?;
            Ok(Change::RemoveTarget { role: targets_role(&role)?, name: path })
        }
        (Action::Create, Kind::Delegation) => {
            no_path()?;
            let wire: WireDelegation = read(data.as_deref().unwrap_or_default())?;
            if !wire.remove_keys.is_empty() || !wire.remove_paths.is_empty() || wire.clear_paths {
                return Err(ChangeFault::Misplaced("what is to be removed"));
            }
            let keys = wire.add_keys.into_iter().map(WireKey::into_key).collect::<Result<_, _>>()?;
            Ok(Change::GrantDelegation {
                name: delegation(&role)?,
                threshold: wire.threshold,
                keys,
                paths: wire.add_paths,
            })
        }
        (Action::Update, Kind::Delegation) => {
            no_path()?;
            let wire: WireDelegation = read(data.as_deref().unwrap_or_default())?;
            if wire.threshold.is_some() {
                return Err(ChangeFault::Misplaced("a threshold"));
            }
            let remove_keys = wire.remove_keys.iter().map(|id| KeyId::from_wire(id)).collect();
            let Some(below) = role.strip_suffix(ALL_BELOW) else {
                let edit = DelegationEdit {
                    add_keys: wire.add_keys.into_iter().map(WireKey::into_key).collect::<Result<_, _>>()?,
                    remove_keys,
                    add_paths: wire.add_paths,
                    remove_paths: wire.remove_paths,
                    clear_paths: wire.clear_paths,
                };
                return Ok(Change::EditDelegation { name: delegation(&role)?, edit });
            };
            if !wire.add_keys.is_empty()
                || !wire.add_paths.is_empty()
                || !wire.remove_paths.is_empty()
                || wire.clear_paths
            {
                return Err(ChangeFault::Misplaced("anything but keys to be removed"));
            }
            Ok(Change::PurgeKeys { below: targets_role(below)?, keys: remove_keys })
        }
        (Action::Delete, Kind::Delegation) => {
            no_path().and_then(|()| no_data())?;
            Ok(Change::DeleteDelegation { name: delegation(&role)? })
        }
        (Action::Update, Kind::Witness) => {
            no_path().and_then(|()| no_data())?;
            Ok(Change::Witness { role: targets_role(&role)? })
        }
        _ => Err(ChangeFault::Unknown { action: word(&action), kind: word(&kind), role }),
    }
}

impl WireKey {
    fn of(key: &PublicKey) -> Self {
        let keyval = WireKeyValue { public: STANDARD.encode(key.public_bytes()), private: None };
        Self { keytype: key.key_type().name().to_owned(), keyval }
    }

    fn into_key(self) -> Result<PublicKey, ChangeFault> {
        let public = STANDARD.decode(self.keyval.public).map_err(malformed)?;
        Ok(PublicKey::new(KeyType::parse(&self.keytype), public))
    }
}

fn texts(ids: &[KeyId]) -> Vec<String> {
    ids.iter().map(|id| id.as_str().to_owned()).collect()
}

fn delegation(name: &str) -> Result<DelegationName, ChangeFault> {
    DelegationName::parse(name).map_err(malformed)
}

fn targets_role(name: &str) -> Result<Role, ChangeFault> {
    let role = Role::parse(name).map_err(malformed)?;
    if role.lists_targets() { Ok(role) } else { Err(ChangeFault::Malformed(format!("{role} lists no targets"))) }
}

fn read<'a, W: Deserialize<'a>>(bytes: &'a [u8]) -> Result<W, ChangeFault> {
    serde_json::from_slice(bytes).map_err(malformed)
}

fn malformed(error: impl std::fmt::Display) -> ChangeFault {
    ChangeFault::Malformed(error.to_string())
}

/// The word of the file.
fn word(word: &impl Serialize) -> String {
    let value = serde_json::to_value(word).unwrap_or_default();
    value.as_str().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use proptest::prelude::*;

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
        let digests =
            proptest::collection::btree_map(any::<String>(), proptest::collection::vec(any::<u8>(), 0..9), 0..3);
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
            (role(), any::<String>(), target()).prop_map(|(role, name, target)| Change::AddTarget {
                role,
                name,
                target
            }),
            (role(), any::<String>()).prop_map(|(role, name)| Change::RemoveTarget { role, name }),
            (delegation_name(), threshold, keys(), paths()).prop_map(|(name, threshold, keys, paths)| {
                Change::GrantDelegation { name, threshold, keys, paths }
            }),
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
}
