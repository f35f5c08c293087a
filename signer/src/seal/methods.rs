//! What a sealed key says of itself, for an operator: the methods its header names, and never what it holds.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use crate::excerpt::Excerpt;

/// How long the header of a JWE may be that is looked into, in bytes of its text.
const MAX_HEADER_BYTES: usize = 4096;

/// The methods that the header of a JWE names, each cut to an excerpt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HeaderExcerpt(Option<Methods>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Methods {
    alg: Excerpt,
    enc: Excerpt,
    rounds: Option<u64>,
    /// The names of further members; their values may be anything.
    others: Excerpt,
}

impl HeaderExcerpt {
    /// Of the stored bytes, whatever they are. What is no compact JWE of five parts may be a key in the open: of that
    /// nothing is repeated.
    #[must_use]
    pub(crate) fn of(stored: &[u8]) -> Self {
        Self(std::str::from_utf8(stored).ok().and_then(methods))
    }
}

fn methods(text: &str) -> Option<Methods> {
    let (header, rest) = text.split_once('.')?;
    if rest.split('.').count() != 4 || header.len() > MAX_HEADER_BYTES {
        return None;
    }
    let members: Map<String, Value> = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).ok()?).ok()?;
    let named = |name: &str| Excerpt::of(members.get(name).and_then(Value::as_str).unwrap_or_default());
    let others: Vec<_> = members.keys().filter(|name| !["alg", "enc", "p2c", "p2s"].contains(&name.as_str())).collect();
    let others = others.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(" ");
    let rounds = members.get("p2c").and_then(Value::as_u64);
    Some(Methods { alg: named("alg"), enc: named("enc"), rounds, others: Excerpt::of(&others) })
}

impl fmt::Display for HeaderExcerpt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(Methods { alg, enc, rounds, others }) = &self.0 else { return f.write_str("no JWE header") };
        write!(f, "alg \"{alg}\" enc \"{enc}\"")?;
        if let Some(rounds) = rounds {
            write!(f, " p2c {rounds}")?;
        }
        if *others == Excerpt::of("") { Ok(()) } else { write!(f, " and \"{others}\"") }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop_assert, proptest};

    use super::*;

    fn shown(header: &str) -> String {
        HeaderExcerpt::of(format!("{}.a.b.c.d", URL_SAFE_NO_PAD.encode(header)).as_bytes()).to_string()
    }

    #[test]
    fn a_header_is_told_by_its_methods() {
        let text = r#"{"alg":"PBES2-HS256+A128KW","enc":"A256GCM","p2c":8192,"p2s":"c2FsdA"}"#;
        assert_eq!(shown(text), r#"alg "PBES2-HS256+A128KW" enc "A256GCM" p2c 8192"#);
        assert_eq!(shown(r#"{"alg":"dir","kid":"hush"}"#), r#"alg "dir" enc "" and "kid""#);
    }

    #[test]
    fn a_long_name_of_a_method_is_cut() {
        let text = format!(r#"{{"alg":"{}"}}"#, "x".repeat(33));
        assert_eq!(shown(&text), format!("alg \"{}...\" enc \"\"", "x".repeat(32)));
    }

    #[test]
    fn of_what_is_no_jwe_nothing_is_repeated() {
        let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"hush"}"#);
        for text in ["-----BEGIN EC PRIVATE KEY-----", "hush", "hush.a.b.c.d", "", &header, &format!("{header}.a.b.c")]
        {
            assert_eq!(HeaderExcerpt::of(text.as_bytes()).to_string(), "no JWE header", "{text}");
        }
    }

    #[test]
    fn a_header_is_looked_into_up_to_its_limit() {
        // three bytes of JSON are four of the text
        let header = |bytes: usize| format!(r#"{{"alg":"dir"}}{}"#, " ".repeat(bytes - 13));
        assert_eq!(shown(&header(MAX_HEADER_BYTES / 4 * 3)), r#"alg "dir" enc """#);
        assert_eq!(shown(&header(MAX_HEADER_BYTES / 4 * 3 + 1)), "no JWE header");
    }

    proptest! {
        #[test]
        fn whatever_is_stored_little_of_it_is_shown(stored in proptest::collection::vec(any::<u8>(), 0..300), json in ".{0,200}") {
            let with_header = format!("{}.a.b.c.d", URL_SAFE_NO_PAD.encode(&json));
            for bytes in [stored.as_slice(), with_header.as_bytes()] {
                prop_assert!(HeaderExcerpt::of(bytes).to_string().chars().count() < 1200);
            }
        }
    }
}
