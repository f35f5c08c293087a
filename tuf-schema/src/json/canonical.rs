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
    write(value, Form::Signed, &mut out)?;
    Ok(out)
}

/// The bytes that are sent and stored.
///
/// # Errors
/// [`NotIntegral`] as [`canonical`].
pub fn wire(value: &Value) -> Result<Vec<u8>, NotIntegral> {
    let mut out = Vec::new();
    write(value, Form::Wire, &mut out)?;
    Ok(out)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Signed,
    Wire,
}

fn write(value: &Value, form: Form, out: &mut Vec<u8>) -> Result<(), NotIntegral> {
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Bool(true) => out.extend_from_slice(b"true"),
        Value::Bool(false) => out.extend_from_slice(b"false"),
        Value::Number(number) => write_number(number, out)?,
        Value::String(text) => write_string(text, form, out),
        Value::Array(items) => {
            out.push(b'[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                write(item, form, out)?;
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
                write_string(name, form, out);
                out.push(b':');
                write(member, form, out)?;
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

fn write_string(text: &str, form: Form, out: &mut Vec<u8>) {
    out.push(b'"');
    let mut plain_from = 0;
    for (at, c) in text.char_indices() {
        let escaped: &[u8] = match c {
            '"' => b"\\\"",
            '\\' => b"\\\\",
            '<' if form == Form::Wire => b"\\u003c",
            '>' if form == Form::Wire => b"\\u003e",
            '&' if form == Form::Wire => b"\\u0026",
            '\u{2028}' if form == Form::Wire => b"\\u2028",
            '\u{2029}' if form == Form::Wire => b"\\u2029",
            _ => continue,
        };
        out.extend_from_slice(text.get(plain_from..at).unwrap_or_default().as_bytes());
        out.extend_from_slice(escaped);
        plain_from = at.saturating_add(c.len_utf8());
    }
    out.extend_from_slice(text.get(plain_from..).unwrap_or_default().as_bytes());
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
    fn fractions_have_no_canonical_form() {
        assert_eq!(canonical(&serde_json::json!([1.5])), Err(NotIntegral("1.5".into())));
    }
}
