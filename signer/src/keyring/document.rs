//! Whether what is to be signed is a snapshot or a timestamp and can be read as nothing else, by whatever parser.

use tuf_schema::dialect::Document;
use tuf_schema::json::{self, Value, canonical};
use tuf_schema::model::{Snapshot, Timestamp};
use tuf_schema::{Dialect, Role, UtcTime, Version};

use super::ContentRefusal;
use crate::excerpt::Excerpt;

/// The longest life of a document, in seconds: ten years and a week. The reference gives a snapshot three years, and no
/// role more than ten.
const LONGEST_LIFE: i64 = (10 * 365 + 10) * 24 * 60 * 60;

/// How much of a type is repeated to the caller and the log.
const MAX_SHOWN_CHARACTERS: usize = 32;

/// Looks at a document of one type, for its version and its end.
type Check = fn(&Role, &[u8]) -> Result<(Version, UtcTime), ContentRefusal>;

/// What is known of a document that may be signed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Metadata {
    /// Whose document it is.
    pub(crate) role: Role,
    /// Which one.
    pub(crate) version: Version,
}

/// The document that `content` is.
///
/// It must be, byte for byte, what the reference would write for such a document: one JSON value in canonical form with
/// the members that documents of its type have and no others. So there is nothing in it that a lax parser could read
/// otherwise: no member twice or in other case, no members of a root, nothing after the end.
///
/// # Errors
/// [`ContentRefusal`] says what it is instead.
pub(crate) fn read(content: &[u8], now: UtcTime) -> Result<Metadata, ContentRefusal> {
    let document = json::parse(content).map_err(|_| ContentRefusal::NotADocument)?;
    let found = document.get("_type").and_then(Value::as_str).ok_or(ContentRefusal::NotADocument)?;
    let (role, check): (_, Check) = match found {
        "Snapshot" => (Role::Snapshot, sound::<Snapshot>),
        "Timestamp" => (Role::Timestamp, sound::<Timestamp>),
        _ => return Err(ContentRefusal::WrongType { found: found.chars().take(MAX_SHOWN_CHARACTERS).collect() }),
    };
    if canonical(&document).as_deref() != Ok(content) {
        return Err(ContentRefusal::NotCanonical);
    }
    let (version, expires) = check(&role, content)?;
    if expires > now.plus_seconds(LONGEST_LIFE) {
        return Err(ContentRefusal::LivesTooLong { expires });
    }
    Ok(Metadata { role, version })
}

/// The version and the end of a document in canonical form that means what its type says and has no member beside those
/// of its type.
fn sound<D: Document>(role: &Role, document: &[u8]) -> Result<(Version, UtcTime), ContentRefusal> {
    let read = D::decode(Dialect::Notary, role, document)
        .map_err(|error| ContentRefusal::Unsound { fault: Excerpt::of_sentence(&error.to_string()) })?;
    // what was not understood is lost on the way
    if read.encode(Dialect::Notary).as_deref() != Ok(document) {
        return Err(ContentRefusal::ForeignMembers { role: role.clone() });
    }
    Ok((read.version(), read.expires()))
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use proptest::prelude::*;

    use super::*;

    const SNAPSHOT: &str = include_str!("../../testdata/snapshot.json");
    const TIMESTAMP: &str = include_str!("../../testdata/timestamp.json");

    fn now() -> UtcTime {
        UtcTime::parse("2026-11-22T06:00:00Z").unwrap()
    }

    fn role_of(content: &[u8], now: UtcTime) -> Result<Role, ContentRefusal> {
        read(content, now).map(|document| document.role)
    }

    fn role(content: &str) -> Result<Role, ContentRefusal> {
        role_of(content.as_bytes(), now())
    }

    fn timestamp_with(from: &str, to: &str) -> Result<Role, ContentRefusal> {
        assert!(TIMESTAMP.contains(from), "{from}");
        role(&TIMESTAMP.replace(from, to))
    }

    fn files(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { files(&path, found) } else { found.push(path) }
        }
    }

    #[test]
    fn every_snapshot_and_timestamp_that_the_reference_made_is_one() {
        let mut found = Vec::new();
        for folder in ["tuf", "tuf-extra"] {
            files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures").join(folder), &mut found);
        }
        let mut counts = [0, 0];
        for file in found {
            let name = file.file_name().unwrap().to_str().unwrap();
            let (count, expected) = match name.rsplit('.').nth(1) {
                Some("snapshot") => (0, Role::Snapshot),
                Some("timestamp") => (1, Role::Timestamp),
                _ => continue,
            };
            let envelope = json::parse(&std::fs::read(&file).unwrap()).unwrap();
            let signed = canonical(&envelope["signed"]).unwrap();
            assert_eq!(role_of(&signed, now()), Ok(expected), "{}", file.display());
            counts[count] += 1;
        }
        assert!(counts.iter().all(|count| *count > 40), "{counts:?}");
    }

    #[test]
    fn what_is_no_document_is_told_so() {
        for content in ["", "fixture message", "[]", "{}", r#"{"_type":7}"#, r#""Snapshot""#] {
            assert_eq!(role(content), Err(ContentRefusal::NotADocument), "{content}");
        }
        assert_eq!(role(r#"{"signed":{"_type":"Snapshot"}}"#), Err(ContentRefusal::NotADocument), "below the top");
    }

    #[test]
    fn documents_of_other_types_are_none_of_ours() {
        for name in ["Root", "Targets", "snapshot", "TIMESTAMP", ""] {
            let refusal = ContentRefusal::WrongType { found: name.to_owned() };
            assert_eq!(role(&format!(r#"{{"_type":"{name}"}}"#)), Err(refusal));
        }
    }

    #[test]
    fn a_long_type_is_repeated_in_part() {
        let refusal = role(&format!(r#"{{"_type":"{}"}}"#, "x".repeat(100))).unwrap_err();
        assert_eq!(refusal.to_string().matches('x').count(), 32, "{refusal}");
    }

    #[test]
    fn one_document_and_nothing_around_it_is_signed() {
        for content in [
            format!("{TIMESTAMP}\n"),
            format!("{TIMESTAMP} "),
            format!("{TIMESTAMP}{SNAPSHOT}"),
            format!("{TIMESTAMP}\0"),
            format!("\u{feff}{TIMESTAMP}"),
        ] {
            assert_eq!(role(&content), Err(ContentRefusal::NotADocument), "{content:?}");
        }
        assert_eq!(role(&format!(" {TIMESTAMP}")), Err(ContentRefusal::NotCanonical));
    }

    #[test]
    fn a_member_that_stands_twice_is_refused_at_any_depth() {
        let twice = |member: &str| timestamp_with(member, &format!("{member},{member}"));
        assert_eq!(twice(r#""version":3"#), Err(ContentRefusal::NotADocument));
        assert_eq!(twice(r#""length":683"#), Err(ContentRefusal::NotADocument));
        let typed_twice = timestamp_with(r#""_type":"Timestamp""#, r#""_type":"Root","_type":"Timestamp""#);
        assert_eq!(typed_twice, Err(ContentRefusal::NotADocument));
    }

    #[test]
    fn other_spellings_of_the_same_document_are_refused() {
        for (from, to) in [
            (r#""version":3"#, r#""version": 3"#),
            (r#""_type":"Timestamp""#, r#""\u005ftype":"Timestamp""#),
            (r#""_type":"Timestamp""#, r#""_type":"T\u0069mestamp""#),
        ] {
            assert_eq!(timestamp_with(from, to), Err(ContentRefusal::NotCanonical), "{to}");
        }
        let moved = TIMESTAMP.replace(r#","version":3"#, "").replace(r#"{"_type""#, r#"{"version":3,"_type""#);
        assert_eq!(role(&moved), Err(ContentRefusal::NotCanonical), "the order of members");
        for number in ["3.0", "3e0", "1e400", "9007199254740993"] {
            let refusal = timestamp_with(r#""version":3"#, &format!(r#""version":{number}"#));
            assert_eq!(refusal, Err(ContentRefusal::NotADocument), "{number}");
        }
    }

    /// Parsers that go by the letter's case or by its folding would take the first two for `_type` and `expires`.
    #[test]
    fn members_that_a_lax_parser_could_take_for_others_are_refused() {
        for (before, member) in [
            (r#""_type":"#, r#""_TYPE":"Root","#),
            (r#""meta":"#, r#""keys":{},"#),
            (r#""version":"#, r#""roles":{},"#),
            (r#""version":"#, r#""targets":{},"#),
            (r#""version":"#, r#""signatures":[],"#),
        ] {
            let refusal = timestamp_with(before, &format!("{member}{before}"));
            assert_eq!(refusal, Err(ContentRefusal::ForeignMembers { role: Role::Timestamp }), "{member}");
        }
        let folded = timestamp_with(r#""version":3"#, "\"version\":3,\"ver\u{17f}ion\":2147483647");
        assert_eq!(folded, Err(ContentRefusal::ForeignMembers { role: Role::Timestamp }));
    }

    #[test]
    fn a_document_that_means_nothing_is_refused() {
        let unsound = |refusal| matches!(refusal, Err(ContentRefusal::Unsound { .. }));
        assert!(unsound(role(r#"{"_type":"Timestamp"}"#)));
        assert!(unsound(role(&SNAPSHOT.replace("Snapshot", "Timestamp"))), "a snapshot that calls itself a timestamp");
        assert!(unsound(role(&TIMESTAMP.replace("Timestamp", "Snapshot"))));
        for version in ["0", "-1", "2147483648"] {
            assert!(unsound(timestamp_with(r#""version":3"#, &format!(r#""version":{version}"#))), "{version}");
        }
        assert_eq!(timestamp_with(r#""version":3"#, r#""version":2147483647"#), Ok(Role::Timestamp));
        for expires in ["soon", "2026-13-01T00:00:00Z", ""] {
            assert!(unsound(timestamp_with("2026-12-05T20:56:10.975641512Z", expires)), "{expires}");
        }
    }

    #[test]
    fn a_document_lives_ten_years_at_most() {
        let expiring = |date: &str| timestamp_with("2026-12-05T20:56:10.975641512Z", date);
        let last = now().plus_seconds(LONGEST_LIFE);
        assert_eq!(expiring(&last.to_rfc3339()), Ok(Role::Timestamp));
        let later = last.plus_seconds(1);
        assert_eq!(expiring(&later.to_rfc3339()), Err(ContentRefusal::LivesTooLong { expires: later }));
        assert!(matches!(expiring("9999-12-31T23:59:59Z"), Err(ContentRefusal::LivesTooLong { .. })));
        assert_eq!(expiring("2001-01-01T00:00:00Z"), Ok(Role::Timestamp), "what nobody takes may be signed");
    }

    proptest! {
        /// For a fuzz target: whatever comes, what is signed is the one encoding of a document of its role.
        #[test]
        fn what_is_signed_reads_back_as_itself(at in 0..TIMESTAMP.len(), byte: u8, cut in 0..TIMESTAMP.len()) {
            let mut changed = TIMESTAMP.as_bytes().to_vec();
            changed[at] = byte;
            for content in [&changed[..], &changed[cut..], &changed[..cut]] {
                if let Ok(role) = role_of(content, now()) {
                    prop_assert_eq!(role, Role::Timestamp);
                    let value: Value = serde_json::from_slice(content).unwrap();
                    prop_assert_eq!(&value["_type"], "Timestamp");
                    prop_assert_eq!(canonical(&value).unwrap(), content);
                }
            }
        }
    }
}
