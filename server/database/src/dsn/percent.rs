//! `%`-escapes, as Go's `net/url` reads them.

/// The text behind the escapes; `None` when one is malformed or the bytes are no UTF-8.
pub(super) fn decode(text: &str) -> Option<String> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'%' => digit(bytes.next()?)? << 4 | digit(bytes.next()?)?,
            byte => byte,
        });
    }
    String::from_utf8(decoded).ok()
}

/// The same for a value in a query, where `+` is a blank.
pub(super) fn decode_query(text: &str) -> Option<String> {
    decode(&text.replace('+', " "))
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_bytes_of_utf_8() {
        assert_eq!(decode("p%40ss%2Fw%c3%a4+").as_deref(), Some("p@ss/wä+"));
        assert_eq!(decode_query("a+b%2B").as_deref(), Some("a b+"));
    }

    #[test]
    fn a_malformed_escape_is_no_text() {
        for text in ["%", "%4", "%zz", "%+4", "%ff", "ä%"] {
            assert_eq!(decode(text), None, "{text}");
        }
    }
}
