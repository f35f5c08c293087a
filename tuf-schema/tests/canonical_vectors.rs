//! Canonical JSON against vectors that the reference's own library produced.
//!
//! Every vector that our strict parser lets in must come out as the reference's canonical and wire bytes; every vector
//! that it keeps out stands here with its reason.

#![expect(clippy::unwrap_used, reason = "a test fails where it stands")]

use std::path::Path;

use tuf_schema::json;

/// Vectors that the reference reads and we refuse at the door, with the words of the refusal.
const REFUSED_BY_US: &[(&str, &str)] = &[
    ("newline-tab", "control character"),
    ("backspace-formfeed", "control character"),
    ("nul-and-c0", "control character"),
    ("key-with-newline", "control character"),
    ("sort-control-key", "control character"),
    ("tuf-key", "control character"),
    ("lone-high-surrogate", ""),
    ("lone-low-surrogate", ""),
    ("invalid-utf8-byte", ""),
    ("invalid-utf8-overlong", ""),
    ("invalid-utf8-cesu", ""),
    ("duplicate-keys", "duplicate member"),
    ("duplicate-keys-escaped", "duplicate member"),
    ("duplicate-nested", "duplicate member"),
    ("int-zero-forms", "not written as an integer"),
    ("int-float-integral", "not written as an integer"),
    ("int-exponent", "not written as an integer"),
    ("float-tiny", "not written as an integer"),
    ("int-2^53+1", "beyond 2^53"),
    ("int-neg-2^53-1", "beyond 2^53"),
    ("int-i64-max", "beyond 2^53"),
    ("int-i64-max+1", "beyond 2^53"),
    ("int-u64-max", "beyond 2^53"),
    ("int-u64-max+1", "not written as an integer"),
    ("int-30-digits", "not written as an integer"),
    ("depth-127", "nested deeper"),
    ("depth-128", ""),
    ("depth-500", ""),
];

fn bytes(column: &serde_json::Value) -> Option<Vec<u8>> {
    column.get("hex").and_then(|h| h.as_str()).map(|h| hex::decode(h).unwrap())
}

#[test]
fn the_vectors_of_the_reference_come_out_as_it_writes_them() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/canonical-json-vectors.json");
    let file: serde_json::Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let vectors = file["vectors"].as_array().unwrap();
    assert_eq!(vectors.len(), 76);
    let (mut written, mut refused, mut both_refuse) = (0, 0, 0);
    for vector in vectors {
        let name = vector["name"].as_str().unwrap();
        let input = hex::decode(vector["input_hex"].as_str().unwrap()).unwrap();
        let expected = bytes(&vector["docker_go_canonical"]);
        // White space after the document is refused by a rule of its own, tested beside the parser.
        match (json::parse(input.trim_ascii_end()), expected, REFUSED_BY_US.iter().find(|(n, _)| *n == name)) {
            (Ok(value), Some(expected), None) => {
                assert_eq!(json::canonical(&value).unwrap(), expected, "{name}: canonical");
                if let Some(wire) = bytes(&vector["docker_go_wire"]) {
                    assert_eq!(json::wire(&value).unwrap(), wire, "{name}: wire");
                }
                written += 1;
            }
            (Err(e), Some(_), Some((_, reason))) => {
                assert!(e.to_string().contains(reason), "{name}: {e}");
                refused += 1;
            }
            (Err(_), None, None) => both_refuse += 1,
            (parsed, expected, listed) => panic!("{name}: {parsed:?}, {expected:?}, {listed:?}"),
        }
    }
    assert_eq!((written, refused, both_refuse), (34, 28, 14));
}
