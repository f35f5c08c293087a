//! The envelope on the wire: `signed`, and `signatures` by key id, method and base64.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};
use serde_json::{Map, Value};

use super::object::Object;
use crate::dialect::direct;
use crate::envelope::{EnvelopeError, MAX_SIGNATURES, Opened};
use crate::json::{self, ordered};
use crate::key::KeyId;
use crate::signature::{Signature, SignatureMethod};
use crate::time::UtcTime;

/// Takes an envelope apart.
pub(in crate::dialect) fn open(envelope: &[u8]) -> Result<Opened, EnvelopeError> {
    let (signed, mut members) = match ordered::take(envelope, "signed") {
        Some(taken) => (Some(taken.canonical), taken.others),
        None => {
            let Value::Object(mut members) = json::parse(envelope)? else { return Err(EnvelopeError::NotAnObject) };
            // What was parsed strictly has a canonical form.
            let signed = members.remove("signed").map(|signed| json::canonical(&signed).unwrap_or_default());
            (signed, members)
        }
    };
    let signed = signed.ok_or(EnvelopeError::Signed("there is none"))?;
    let signatures = members.remove("signatures").unwrap_or_default();
    if let Some(unknown) = members.keys().next() {
        return Err(EnvelopeError::UnknownMember(unknown.clone()));
    }
    let version = check_header(&signed)?;
    Ok(Opened { signed, signatures: read_signatures(signatures)?, version })
}

/// What stands before the `signed` part.
const OPENING: &[u8] = b"{\"signed\":";

/// Puts the wire form of `signed` and its signatures together, in the reference's order of members.
pub(in crate::dialect) fn assemble(signed: &[u8], signatures: &[Signature]) -> Vec<u8> {
    let closing = closing(signatures);
    let mut out = Vec::with_capacity(OPENING.len().saturating_add(signed.len()).saturating_add(closing.len()));
    out.extend_from_slice(OPENING);
    out.extend_from_slice(signed);
    out.extend_from_slice(&closing);
    out
}

/// Whether an envelope is what [`assemble`] makes of the wire form of what has the canonical form `signed`.
pub(in crate::dialect) fn is_assembled(envelope: &[u8], signed: &[u8], signatures: &[Signature]) -> bool {
    let behind = envelope.strip_prefix(OPENING).and_then(|rest| json::behind_wire_of(rest, signed));
    behind.is_some_and(|rest| rest == closing(signatures))
}

/// What stands behind the `signed` part.
fn closing(signatures: &[Signature]) -> Vec<u8> {
    let mut out = Vec::new();
    out.extend_from_slice(b",\"signatures\":[");
    for (at, signature) in signatures.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        let members = [
            ("keyid", signature.key_id.as_str().to_owned()),
            ("method", signature.method.name().to_owned()),
            ("sig", STANDARD.encode(&signature.bytes)),
        ];
        for (at, (name, text)) in members.into_iter().enumerate() {
            out.extend_from_slice(if at == 0 { b"{\"" } else { b",\"" });
            out.extend_from_slice(name.as_bytes());
            out.extend_from_slice(b"\":");
            // A string always has a wire form.
            out.extend_from_slice(&json::wire(&Value::String(text)).unwrap_or_default());
        }
        out.push(b'}');
    }
    out.extend_from_slice(b"]}");
    out
}

/// The version that an envelope claims, by a reading that refuses next to nothing and is several times as quick: of one
/// that [`open`] takes it is the same, of any other it says nothing.
pub(in crate::dialect) fn glance(envelope: &[u8]) -> Option<i64> {
    #[derive(Deserialize)]
    struct Envelope {
        signed: Signed,
    }
    #[derive(Deserialize)]
    struct Signed {
        version: i64,
    }
    serde_json::from_slice::<Envelope>(envelope).ok().map(|envelope| envelope.signed.version)
}

/// The date that an envelope claims to end at, out of its first bytes, if that date stands among them: the rest is not
/// looked at. Of one that [`open`] takes it is the same, of any other it says nothing.
pub(in crate::dialect) fn glance_expiry(beginning: &[u8]) -> Option<UtcTime> {
    let mut found = None;
    // It ends with an error where it has found the date, and where the bytes end.
    let _ended = Member { path: &["signed", "expires"], found: &mut found }
        .deserialize(&mut serde_json::Deserializer::from_slice(beginning));
    UtcTime::parse(&found?).ok()
}

/// Looks for the text that `path` leads to, through objects, and reads nothing behind it.
struct Member<'a> {
    path: &'a [&'a str],
    found: &'a mut Option<String>,
}

impl<'de> DeserializeSeed<'de> for Member<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        if self.path.is_empty() { deserializer.deserialize_str(self) } else { deserializer.deserialize_map(self) }
    }
}

impl<'de> Visitor<'de> for Member<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a document")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<(), E> {
        *self.found = Some(text.to_owned());
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let Self { path, found } = self;
        let Some((name, path)) = path.split_first() else { return Err(A::Error::custom("no text")) };
        while let Some(member) = members.next_key::<String>()? {
            if member == *name {
                members.next_value_seed(Member { path, found })?;
                return Err(A::Error::custom("nothing behind it is read"));
            }
            members.next_value::<IgnoredAny>()?;
        }
        Err(A::Error::custom("it is not there"))
    }
}

/// What every document has.
#[derive(Deserialize)]
struct Header {
    #[serde(rename = "_type", default)]
    kind: Value,
    #[serde(default)]
    expires: Value,
    #[serde(default)]
    version: Value,
}

/// Checks the three members that every document has, and returns the version.
fn check_header(signed: &[u8]) -> Result<i64, EnvelopeError> {
    let Object(header) = direct::read::<Object<Header>>(signed).ok_or(EnvelopeError::Signed("it is not an object"))?;
    header.kind.as_str().ok_or(EnvelopeError::Signed("_type is not a string"))?;
    if !matches!(header.expires.as_str().map(UtcTime::parse), Some(Ok(_))) {
        return Err(EnvelopeError::Signed("expires is not an RFC 3339 time"));
    }
    header.version.as_i64().ok_or(EnvelopeError::Signed("version is not an integer"))
}

/// Reads `signatures`; null and absent are an empty list, as in the reference.
fn read_signatures(list: Value) -> Result<Vec<Signature>, EnvelopeError> {
    let entries = match list {
        Value::Null => Vec::new(),
        Value::Array(entries) => entries,
        _ => return Err(EnvelopeError::Signed("signatures is not a list")),
    };
    if entries.len() > MAX_SIGNATURES {
        return Err(EnvelopeError::TooManySignatures(entries.len()));
    }
    let read = |(index, entry): (usize, Value)| {
        read_signature(entry).map_err(|reason| EnvelopeError::Signature { index, reason })
    };
    entries.into_iter().enumerate().map(read).collect()
}

fn read_signature(entry: Value) -> Result<Signature, &'static str> {
    let Value::Object(mut members) = entry else { return Err("it is not an object") };
    let key_id = text(&mut members, "keyid").ok_or("keyid is not a string")?;
    let method = text(&mut members, "method").ok_or("method is not a string")?;
    let bytes = text(&mut members, "sig").and_then(|sig| STANDARD.decode(sig).ok()).ok_or("sig is not base64")?;
    Ok(Signature { key_id: KeyId::from_wire(&key_id), method: SignatureMethod::parse(&method), bytes })
}

fn text(members: &mut Map<String, Value>, name: &str) -> Option<String> {
    match members.remove(name)? {
        Value::String(text) => Some(text),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_list_of_what_the_signed_part_holds_is_no_signed_part() {
        let list = r#"["Timestamp","2030-01-01T00:00:00Z",1]"#;
        let refusal = open(format!(r#"{{"signatures":[],"signed":{list}}}"#).as_bytes()).err();
        assert_eq!(refusal, Some(EnvelopeError::Signed("it is not an object")));
    }

    #[test]
    fn a_glance_sees_the_version_of_whatever_is_an_envelope() {
        let header = r#""_type":"Targets","expires":"2030-01-01T00:00:00Z""#;
        for version in ["7", "-7", "0", "9007199254740992"] {
            for envelope in [
                format!(r#"{{"signed":{{{header},"version":{version}}},"signatures":[]}}"#),
                format!(r#"{{ "signatures" : null, "signed" : {{ "version" : {version}, {header} }} }}"#),
                format!(r#"{{"\u0073igned":{{{header},"targets":{{"version":1}},"v\u0065rsion":{version}}}}}"#),
            ] {
                let opened = open(envelope.as_bytes()).unwrap();
                assert_eq!(glance(envelope.as_bytes()), Some(opened.version), "{envelope}");
                assert_eq!(opened.version.to_string(), version);
            }
        }
        let unlike = format!(r#"{{"signed":{{{header},"version":1.0}},"signatures":[]}}"#);
        assert_eq!((open(unlike.as_bytes()).is_err(), glance(unlike.as_bytes())), (true, None));
    }

    #[test]
    fn a_glance_at_the_beginning_sees_the_date_of_whatever_is_an_envelope() {
        let date = "2030-01-01T00:00:00Z";
        let inside = r#""_type":"Targets","delegations":{"expires":"2020-01-01T00:00:00Z"}"#;
        for envelope in [
            format!(r#"{{"signed":{{{inside},"expires":"{date}","targets":{{}},"version":1}},"signatures":[]}}"#),
            format!(
                r#"{{ "signatures" : null, "signed" : {{ "version" : 1, "\u0065xpires" : "{date}", {inside} }} }}"#
            ),
        ] {
            assert!(open(envelope.as_bytes()).is_ok(), "{envelope}");
            assert_eq!(glance_expiry(envelope.as_bytes()), UtcTime::parse(date).ok(), "{envelope}");
        }
    }

    #[test]
    fn a_date_is_seen_when_its_last_byte_is_there_and_not_one_byte_before() {
        let until = r#"{"signed":{"_type":"Timestamp","expires":"2030-01-01T00:00:00Z""#;
        assert_eq!(glance_expiry(until.as_bytes()), UtcTime::parse("2030-01-01T00:00:00Z").ok());
        assert_eq!(glance_expiry(until.strip_suffix('"').unwrap().as_bytes()), None);
    }

    proptest! {
        #[test]
        fn a_glance_at_anything_ends(bytes in vec(any::<u8>(), 0..200), text in "[\\[\\]{}\":,a-z0-9\\\\ ]{0,200}") {
            glance_expiry(&bytes);
            glance_expiry(text.as_bytes());
        }

        /// Cut anywhere, a beginning shows the date of the whole or none.
        #[test]
        fn a_beginning_never_shows_another_date(inside in "[a-z]{0,20}", number in 0..1000_u32, cut in 0..300_usize) {
            let date = "2030-01-01T00:00:00Z";
            let whole = format!(
                r#"{{"signed":{{"{inside}x":{{"expires":"2020-01-01T00:00:00Z","y":[{number}]}},"expires":"{date}","version":{number}}},"signatures":[]}}"#
            );
            let shown = glance_expiry(whole.as_bytes().get(..cut).unwrap_or(whole.as_bytes()));
            prop_assert!(shown.is_none() || shown == UtcTime::parse(date).ok());
        }
    }

    #[test]
    fn what_is_no_envelope_or_has_no_date_shows_none() {
        for text in [
            "",
            "xyz",
            r#"{"expires":"2030-01-01T00:00:00Z"}"#,
            r#"["signed",{"expires":"2030-01-01T00:00:00Z"}]"#,
            r#"{"signed":["expires","2030-01-01T00:00:00Z"]}"#,
            r#"{"signed":{"version":1},"expires":"2030-01-01T00:00:00Z"}"#,
            r#"{"signed":{"expires":1893456000}}"#,
            r#"{"signed":{"expires":"tomorrow"}}"#,
        ] {
            assert_eq!(glance_expiry(text.as_bytes()), None, "{text}");
        }
        assert_eq!(glance_expiry(&[b'['; 100_000]), None);
    }
}
