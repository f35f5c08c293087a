//! The Notary dialect: wire structures of the reference implementation 0.7.0, to and from the models.

mod bytes;
pub(super) mod envelope;
mod file;
mod grant;
mod object;
mod root;
mod snapshot;
mod targets;
mod timestamp;

use serde::de::DeserializeOwned;
use serde::{Deserialize as _, Serialize};

use self::object::Object;
use super::{DecodeError, EncodeError, Fault, direct};
use crate::json;
use crate::role::Role;
use crate::time::UtcTime;

/// Reads a wire structure from its canonical form; a wrong member becomes a fault of `role`.
fn read<W: DeserializeOwned>(role: &Role, signed: &[u8]) -> Result<W, DecodeError> {
    if let Some(Object(wire)) = direct::read(signed) {
        return Ok(wire);
    }
    let tree = json::parse(signed).map_err(|e| fault(role, Fault::Member(e.to_string())))?;
    Object::deserialize(&tree).map(|wire| wire.0).map_err(|e| fault(role, Fault::Member(e.to_string())))
}

/// The same, and whether it would be written as it was read.
fn read_and_compare<W: DeserializeOwned + Serialize>(role: &Role, signed: &[u8]) -> (Result<W, DecodeError>, bool) {
    match direct::read::<Object<W>>(signed) {
        Some(wire) => {
            let is_same = is_written_as(&wire, signed);
            (Ok(wire.0), is_same)
        }
        None => (read(role, signed), false),
    }
}

/// Whether the canonical form of a wire structure is `signed`.
fn is_written_as<W: Serialize>(wire: &W, signed: &[u8]) -> bool {
    direct::is_written_as(wire, signed).unwrap_or_else(|| write(wire).is_ok_and(|written| written == signed))
}

/// Writes the canonical form of a wire structure.
fn write<W: Serialize>(wire: &W) -> Result<Vec<u8>, EncodeError> {
    if let Some(signed) = direct::write(wire) {
        return Ok(signed);
    }
    let tree = serde_json::to_value(wire).map_err(|e| EncodeError::Unwritable(e.to_string()))?;
    Ok(json::canonical(&tree)?)
}

fn fault(role: &Role, fault: Fault) -> DecodeError {
    DecodeError { role: role.clone(), fault }
}

/// Checks `_type`.
fn expect_type(role: &Role, expected: &'static str, found: &str) -> Result<(), DecodeError> {
    if found == expected {
        return Ok(());
    }
    Err(fault(role, Fault::Type { expected, found: found.to_owned() }))
}

/// A date; written back in the reference's form.
#[derive(serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
struct WireTime(UtcTime);

impl Clone for WireTime {
    fn clone(&self) -> Self {
        Self(self.0)
    }
}

impl TryFrom<String> for WireTime {
    type Error = crate::time::TimeError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        UtcTime::parse(&text).map(Self)
    }
}

impl From<WireTime> for String {
    fn from(time: WireTime) -> Self {
        time.0.to_rfc3339()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use crate::dialect::{Dialect, Document};
    use crate::envelope::Envelope;
    use crate::model::{Root, Snapshot, Targets, Timestamp};

    use super::root::WireRoot;
    use super::snapshot::WireSnapshot;
    use super::targets::WireTargets;
    use super::timestamp::WireTimestamp;
    use super::*;

    const DATE: &str = "2026-11-22T00:00:00Z";

    fn documents() -> [Value; 4] {
        let key = json!({"keytype": "ecdsa", "keyval": {"private": null, "public": "AAAA"}});
        let grant = json!({"keyids": ["k"], "threshold": 1});
        let file = json!({"custom": {"b": [1, "<\"\\>"], "a": null}, "hashes": {"sha512": "AAAA", "md5": "AA=="}, "length": 7});
        let role = json!({"keyids": ["k"], "name": "targets/a", "paths": ["", "é"], "threshold": 1});
        [
            json!({"_type": "Root", "consistent_snapshot": false, "expires": DATE, "keys": {"k": key}, "version": 1,
                "roles": {"root": grant, "targets": grant}}),
            json!({"_type": "Targets", "delegations": {"keys": {"k": key}, "roles": [role]}, "expires": DATE, "version": 1,
                "targets": {"z": file, "\"": file, "a": file}}),
            json!({"_type": "Snapshot", "expires": DATE, "meta": {"root": file, "targets": file}, "version": 1}),
            json!({"_type": "Timestamp", "expires": DATE, "meta": {"snapshot": file}, "version": 1}),
        ]
    }

    /// Replaces the value that is the `at`-th of those inside of `value`, itself among them, by what `change` makes of it.
    fn replace(value: &mut Value, at: &mut usize, change: &dyn Fn(&Value) -> Value) -> bool {
        if *at == 0 {
            *value = change(value);
            return true;
        }
        *at -= 1;
        match value {
            Value::Array(items) => items.iter_mut().any(|item| replace(item, at, change)),
            Value::Object(members) => members.values_mut().any(|member| replace(member, at, change)),
            _ => false,
        }
    }

    /// What the reference would write after reading it, found by writing it: what [`is_written_as`] must agree with.
    fn reread<W: DeserializeOwned + Serialize>(signed: &[u8]) -> Option<Vec<u8>> {
        write(&direct::read::<Object<W>>(signed)?).ok()
    }

    /// What a structure reads as, with a tree between or without; both as it is written again.
    fn both_ways<W: DeserializeOwned + Serialize>(tree: &Value) -> [Option<Vec<u8>>; 2] {
        let signed = json::canonical(tree).unwrap();
        let by_tree = Object::<W>::deserialize(tree)
            .ok()
            .map(|wire| json::canonical(&serde_json::to_value(wire).unwrap()).unwrap());
        [by_tree, reread::<W>(&signed)]
    }

    /// Whether an envelope is its own re-encoding, by comparing with what is written anew and without.
    fn is_own_encoding<M: Document, W: DeserializeOwned + Serialize>(raw: &[u8]) -> Option<[bool; 3]> {
        let envelope = || Envelope::parse(Dialect::Notary, raw.to_vec().into()).ok();
        let opened = envelope::open(raw).ok()?;
        let written = reread::<W>(&opened.signed)
            .is_some_and(|signed| envelope::assemble(&json::wire_of(&signed), &opened.signatures) == raw);
        let asked = envelope()?.is_reference_encoding::<M>();
        Some([written, asked, envelope()?.decode_and_compare::<M>(Role::Targets).1])
    }

    fn own_encodings(raw: &[u8]) -> [Option<[bool; 3]>; 4] {
        [
            is_own_encoding::<Root, WireRoot>(raw),
            is_own_encoding::<Targets, WireTargets<'_>>(raw),
            is_own_encoding::<Snapshot, WireSnapshot<'_>>(raw),
            is_own_encoding::<Timestamp, WireTimestamp<'_>>(raw),
        ]
    }

    /// The wire form of a document with a signature.
    fn signed_envelope(tree: &Value) -> String {
        let signed = String::from_utf8(json::wire(tree).unwrap()).unwrap();
        format!(r#"{{"signed":{signed},"signatures":[{{"keyid":"k","method":"ecdsa","sig":"AAAA"}}]}}"#)
    }

    #[test]
    fn what_is_its_own_encoding_is_found_without_writing_it() {
        for (at, document) in documents().iter().enumerate() {
            let raw = signed_envelope(document);
            assert_eq!(own_encodings(raw.as_bytes())[at], Some([true; 3]));
            let spaced = raw.replacen(':', ": ", 1);
            assert_eq!(own_encodings(spaced.as_bytes())[at], Some([false; 3]));
            let more = signed_envelope(&{
                let mut more = document.clone();
                more["x"] = json!(1);
                more
            });
            assert_eq!(own_encodings(more.as_bytes())[at], Some([false; 3]));
        }
    }

    fn all_ways(tree: &Value) -> [[Option<Vec<u8>>; 2]; 4] {
        [
            both_ways::<WireRoot>(tree),
            both_ways::<WireTargets<'_>>(tree),
            both_ways::<WireSnapshot<'_>>(tree),
            both_ways::<WireTimestamp<'_>>(tree),
        ]
    }

    #[test]
    fn what_is_whole_is_read_and_written_without_a_tree_as_with_one() {
        for (at, document) in documents().iter().enumerate() {
            let [by_tree, direct] = &all_ways(document)[at];
            assert_eq!((by_tree, direct.as_deref()), (direct, Some(json::canonical(document).unwrap().as_slice())));
        }
    }

    /// Where the structures are, by document.
    const STRUCTURES: [(usize, &str); 12] = [
        (0, ""),
        (0, "/keys/k"),
        (0, "/keys/k/keyval"),
        (0, "/roles/root"),
        (1, ""),
        (1, "/delegations"),
        (1, "/delegations/keys/k"),
        (1, "/delegations/roles/0"),
        (1, "/targets/a"),
        (2, ""),
        (2, "/meta/root"),
        (3, "/meta/snapshot"),
    ];

    #[test]
    fn no_structure_is_a_list_of_its_members() {
        for (at, place) in STRUCTURES {
            let mut tree = documents()[at].clone();
            let structure = tree.pointer_mut(place).unwrap();
            let mut members: Vec<_> = structure.as_object().unwrap().iter().collect();
            members.sort_by_key(|(name, _)| *name);
            *structure = members.into_iter().map(|(_, member)| member.clone()).collect();
            assert_eq!(all_ways(&tree)[at], [None, None], "{at}{place}");
        }
        let targets =
            format!(r#"{{"_type":"Targets","delegations":[null,null],"expires":"{DATE}","targets":{{}},"version":1}}"#);
        let refused = read::<WireTargets<'_>>(&Role::Targets, targets.as_bytes()).err().unwrap();
        assert_eq!(refused.fault, Fault::Member("invalid type: sequence, expected an object".to_owned()));
    }

    proptest! {
        #[test]
        fn what_is_changed_is_read_and_written_without_a_tree_as_with_one(
            document in 0..4_usize, at in 0..40_usize, again in 0..40_usize, change in 0..9_usize,
        ) {
            let change = |old: &Value| match change {
                0 => Value::Null,
                1 => json!(true),
                2 => json!(-1),
                3 => json!("AA=="),
                4 => json!([]),
                5 => json!({}),
                6 => json!([old]),
                7 => json!({"é": old, "hashes": old}),
                // As what is derived would read structures, too.
                _ => old.as_object().map_or(json!(2), |members| members.values().cloned().collect()),
            };
            let mut tree = documents()[document].clone();
            for mut at in [at, again] {
                replace(&mut tree, &mut at, &change);
            }
            for [by_tree, direct] in all_ways(&tree) {
                prop_assert_eq!(by_tree, direct);
            }
            for told in own_encodings(signed_envelope(&tree).as_bytes()).into_iter().flatten() {
                prop_assert_eq!(told, [told[0]; 3]);
            }
        }

        #[test]
        fn bytes_that_are_changed_are_their_own_encoding_or_not_as_when_written_anew(
            document in 0..4_usize, at: prop::sample::Index, with in "[ \\\\\"{}:,a0A=/<]|\\\\u003c|é", taken in 0..2_usize,
        ) {
            let raw = signed_envelope(&documents()[document]);
            let mut places: Vec<usize> = raw.char_indices().map(|(place, _)| place).collect();
            places.push(raw.len());
            let from = at.index(places.len());
            let to = (from + taken).min(places.len() - 1);
            let changed = format!("{}{with}{}", &raw[..places[from]], &raw[places[to]..]);
            for told in own_encodings(changed.as_bytes()).into_iter().flatten() {
                prop_assert_eq!(told, [told[0]; 3]);
            }
        }
    }
}
