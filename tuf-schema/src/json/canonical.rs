//! The one way in which a value is written: for signing (canonical) and for the wire.
//!
//! Both have members sorted by UTF-8 bytes and no white space. The signed form escapes only `"` and `\`; the wire form
//! also `<`, `>`, `&`, U+2028 and U+2029, as the reference's encoder does.

use serde_json::Value;

/// A number that has no canonical form: it is not integral, or an integer beyond 2⁵³ kept as a fraction.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the number {0} has no canonical form")]
pub struct NotIntegral(String);

/// The bytes that signatures are over.
///
/// # Errors
/// [`NotIntegral`] for a fraction; values from [`crate::json::parse`] hold none.
pub fn canonical(value: &Value) -> Result<Vec<u8>, NotIntegral> {
    let mut out = Vec::new();
    write(value, &mut out)?;
    Ok(out)
}

/// The bytes that are sent and stored.
///
/// # Errors
/// [`NotIntegral`] as [`canonical`].
pub fn wire(value: &Value) -> Result<Vec<u8>, NotIntegral> {
    canonical(value).map(|signed| wire_of(&signed))
}

/// The bytes that are sent and stored of a document whose canonical form is `signed`.
///
/// What the wire escapes more stands inside strings only, as one character.
#[must_use]
pub fn wire_of(signed: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(signed.len());
    let written = wire_pieces(signed, |piece| {
        out.extend_from_slice(piece);
        Some(())
    });
    debug_assert!(written.is_some());
    out
}

/// What follows in `text` on the wire form of what has the canonical form `signed`; `None` if `text` does not begin with it.
pub(crate) fn behind_wire_of<'a>(text: &'a [u8], signed: &[u8]) -> Option<&'a [u8]> {
    let mut rest = text;
    wire_pieces(signed, |piece| {
        rest = rest.strip_prefix(piece)?;
        Some(())
    })?;
    Some(rest)
}

/// Hands out the wire form piece by piece, until somebody has seen enough.
fn wire_pieces(signed: &[u8], mut next: impl FnMut(&[u8]) -> Option<()>) -> Option<()> {
    let mut rest = signed;
    while let Some(at) = rest.iter().position(|byte| matches!(byte, b'<' | b'>' | b'&' | 0xE2)) {
        let (plain, from) = rest.split_at(at);
        next(plain)?;
        let (escaped, length): (&[u8], usize) = match from {
            [b'<', ..] => (b"\\u003c", 1),
            [b'>', ..] => (b"\\u003e", 1),
            [b'&', ..] => (b"\\u0026", 1),
            // U+2028 and U+2029
            [0xE2, 0x80, 0xA8, ..] => (b"\\u2028", 3),
            [0xE2, 0x80, 0xA9, ..] => (b"\\u2029", 3),
            // another character that begins so
            _ => (from.get(..1).unwrap_or_default(), 1),
        };
        next(escaped)?;
        rest = from.get(length..).unwrap_or_default();
    }
    next(rest)
}

fn write(value: &Value, out: &mut Vec<u8>) -> Result<(), NotIntegral> {
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Bool(true) => out.extend_from_slice(b"true"),
        Value::Bool(false) => out.extend_from_slice(b"false"),
        Value::Number(number) => write_number(number, out)?,
        Value::String(text) => write_string(text, out),
        Value::Array(items) => {
            out.push(b'[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                write(item, out)?;
            }
            out.push(b']');
        }
        Value::Object(object) => {
            // Sorted here and not left to the map, whose order is a compile-time choice of the JSON library.
            let mut members: Vec<_> = object.iter().collect();
            members.sort_unstable_by(|a, b| a.0.as_bytes().cmp(b.0.as_bytes()));
            out.push(b'{');
            for (at, (name, member)) in members.into_iter().enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                write_string(name, out);
                out.push(b':');
                write(member, out)?;
            }
            out.push(b'}');
        }
    }
    Ok(())
}

fn write_number(number: &serde_json::Number, out: &mut Vec<u8>) -> Result<(), NotIntegral> {
    if number.is_f64() {
        return Err(NotIntegral(number.to_string()));
    }
    out.extend_from_slice(number.to_string().as_bytes());
    Ok(())
}

pub(super) fn write_string(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    let mut rest = text;
    while let Some(at) = rest.find(['"', '\\']) {
        let (plain, from) = rest.split_at(at);
        out.extend_from_slice(plain.as_bytes());
        let (escaped, after) = from.split_at(1);
        out.push(b'\\');
        out.extend_from_slice(escaped.as_bytes());
        rest = after;
    }
    out.extend_from_slice(rest.as_bytes());
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_sorted_by_utf8_bytes_and_white_space_is_gone() {
        let value = serde_json::json!({"b": [1, 2], "B": null, "": true, "｡": 1, "😀": 2});
        assert_eq!(
            String::from_utf8(canonical(&value).unwrap()).unwrap(),
            r#"{"":true,"B":null,"b":[1,2],"｡":1,"😀":2}"#
        );
    }

    #[test]
    fn the_wire_escapes_five_characters_more_than_the_signed_form() {
        let value = Value::from("<b>&\u{2028}\u{2029}\"\\/");
        assert_eq!(canonical(&value).unwrap(), "\"<b>&\u{2028}\u{2029}\\\"\\\\/\"".as_bytes());
        assert_eq!(wire(&value).unwrap(), br#""\u003cb\u003e\u0026\u2028\u2029\"\\/""#);
    }

    #[test]
    fn a_character_that_only_begins_like_one_of_them_is_left_alone() {
        let value = Value::from("\u{2027}\u{202a}\u{20a8}\u{e2}");
        assert_eq!(wire(&value).unwrap(), canonical(&value).unwrap());
    }

    proptest::proptest! {
        #[test]
        fn the_wire_is_the_signed_form_with_five_characters_escaped(text in "([<>&\u{2028}\u{2029}\u{2027}\u{20a8}\"\\\\a-z]|\\PC){0,40}", at: proptest::sample::Index) {
            let mut expected = String::from_utf8(canonical(&Value::from(text.clone())).unwrap()).unwrap();
            for (plain, escaped) in
                [("<", "\\u003c"), (">", "\\u003e"), ("&", "\\u0026"), ("\u{2028}", "\\u2028"), ("\u{2029}", "\\u2029")]
            {
                expected = expected.replace(plain, escaped);
            }
            let written = wire(&Value::from(text.clone())).unwrap();
            proptest::prop_assert_eq!(&written, expected.as_bytes());
            let signed = canonical(&Value::from(text.clone())).unwrap();
            let behind = |tail: &str| {
                let text = format!("{expected}{tail}").into_bytes();
                behind_wire_of(&text, &signed).map(<[u8]>::to_vec)
            };
            proptest::prop_assert_eq!(behind(",x"), Some(b",x".to_vec()));
            let mut other = written.clone();
            other.truncate(at.index(other.len()));
            proptest::prop_assert_eq!(behind_wire_of(&other, &signed), None);
            other = written.clone();
            other[at.index(written.len())] ^= 1;
            proptest::prop_assert_eq!(behind_wire_of(&other, &signed), None);
            proptest::prop_assert_eq!(serde_json::from_slice::<String>(&written).unwrap(), text);
        }
    }

    #[test]
    fn fractions_have_no_canonical_form() {
        assert_eq!(canonical(&serde_json::json!([1.5])), Err(NotIntegral("1.5".into())));
    }
}
