//! Structures to and from their canonical form, without a tree of values between.
//!
//! A structure must declare its members in the order of their names; each is written as it stands.

use std::io;

use serde::ser::SerializeMap as _;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;
use serde_json::ser::{CharEscape, Formatter};

/// The canonical form of a structure; `None` if it has none, which its [tree](serde_json::to_value) can say more about.
pub(super) fn write<T: Serialize>(value: &T) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    value.serialize(&mut serde_json::Serializer::with_formatter(&mut out, Canonical)).ok()?;
    Some(out)
}

/// Whether the canonical form of a structure is `expected`, which is found out while it is written, without keeping it;
/// `None` if it has none, as above.
pub(super) fn is_written_as<T: Serialize>(value: &T, expected: &[u8]) -> Option<bool> {
    let mut expected = Expected { rest: expected, is_other: false };
    match value.serialize(&mut serde_json::Serializer::with_formatter(&mut expected, Canonical)) {
        Ok(()) => Some(expected.rest.is_empty()),
        Err(_) => expected.is_other.then_some(false),
    }
}

/// What is still to be written.
struct Expected<'a> {
    rest: &'a [u8],
    is_other: bool,
}

impl io::Write for Expected<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(rest) = self.rest.strip_prefix(bytes) else {
            self.is_other = true;
            return Err(io::ErrorKind::InvalidData.into());
        };
        self.rest = rest;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Reads a structure from its canonical form; `None` if it is none such, which its [tree](crate::json::parse) can say more
/// about.
pub(super) fn read<'a, T: Deserialize<'a>>(canonical: &'a [u8]) -> Option<T> {
    serde_json::from_slice(canonical).ok()
}

/// What differs from the way in which the library writes.
struct Canonical;

impl Formatter for Canonical {
    fn write_char_escape<W: ?Sized + io::Write>(&mut self, writer: &mut W, escape: CharEscape) -> io::Result<()> {
        match escape {
            CharEscape::Quote => writer.write_all(br#"\""#),
            CharEscape::ReverseSolidus => writer.write_all(br"\\"),
            CharEscape::Solidus => writer.write_all(b"/"),
            CharEscape::Backspace => writer.write_all(&[8]),
            CharEscape::FormFeed => writer.write_all(&[12]),
            CharEscape::LineFeed => writer.write_all(b"\n"),
            CharEscape::CarriageReturn => writer.write_all(b"\r"),
            CharEscape::Tab => writer.write_all(b"\t"),
            CharEscape::AsciiControl(byte) => writer.write_all(&[byte]),
        }
    }

    fn write_f64<W: ?Sized + io::Write>(&mut self, _: &mut W, value: f64) -> io::Result<()> {
        Err(io::Error::other(format!("the number {value} has no canonical form")))
    }
}

/// A tree whose members are written in order, whatever order its maps keep: that is a compile-time choice of the JSON
/// library.
pub(super) struct Sorted<'a>(pub(super) &'a Value);

impl Serialize for Sorted<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Array(items) => serializer.collect_seq(items.iter().map(Sorted)),
            Value::Object(object) => {
                let mut members: Vec<_> = object.iter().collect();
                members.sort_unstable_by(|a, b| a.0.as_bytes().cmp(b.0.as_bytes()));
                let mut map = serializer.serialize_map(Some(members.len()))?;
                for (name, member) in members {
                    map.serialize_entry(name, &Sorted(member))?;
                }
                map.end()
            }
            other => other.serialize(serializer),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::canonical;

    #[test]
    fn a_tree_is_written_as_its_canonical_form() {
        let control: String = (0..0x20_u8).map(char::from).collect();
        let value = serde_json::json!({
            "b": [1, -2, null, true, {"y": "<>&\u{2028}\"\\/\u{7f}é😀", "x": u64::MAX, "": i64::MIN}],
            "a\"\\": control,
        });
        assert_eq!(write(&Sorted(&value)), Some(canonical(&value).unwrap()));
    }

    #[test]
    fn a_fraction_has_no_canonical_form() {
        assert_eq!(write(&Sorted(&serde_json::json!({"a": [1.5]}))), None);
        assert_eq!(write(&1.5_f64), None);
    }
}
