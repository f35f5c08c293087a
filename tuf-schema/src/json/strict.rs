//! Strict parsing: what two readers could understand differently is refused.
//!
//! Stricter than the reference, which keeps the last of two equal members and passes numbers through floating point:
//! duplicate members at any depth, numbers that are not plain integers of at most 2⁵³, control characters in strings,
//! deep nesting and anything after the document are refused.

use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::de::SliceRead;
use serde_json::map::Entry;
use serde_json::{Map, Value};

/// The deepest nesting of arrays and objects; metadata needs 6, `custom` data may be deeper.
pub const MAX_DEPTH: usize = 100;

/// The largest magnitude of a number: every integer up to it survives the reference's floating point.
pub const MAX_INTEGER: u64 = 1 << 53;

/// The most objects in one document. A signed tag is two of them, and an object costs some 700 bytes of memory however
/// short it is written: without a bound, 64 MiB of empty ones would take gigabytes.
pub const MAX_OBJECTS: u32 = 500_000;

/// The most values of any kind in one document, objects among them.
pub const MAX_VALUES: u32 = 4_000_000;

/// Bytes that are no acceptable JSON document. The text says where and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an acceptable JSON document: {0}")]
pub struct JsonError(String);

/// Parses one JSON document and nothing after it.
///
/// # Errors
/// [`JsonError`] for malformed JSON and for everything that the module refuses.
pub fn parse(bytes: &[u8]) -> Result<Value, JsonError> {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let room = Room::default();
    let value =
        Strict { depth: 0, room: &room }.deserialize(&mut deserializer).map_err(|e| JsonError(e.to_string()))?;
    match rest(deserializer, bytes) {
        [] => Ok(value),
        [next, ..] => Err(JsonError(format!("invalid character {:?} after top-level value", char::from(*next)))),
    }
}

/// What of `bytes` stands after the document that was read.
pub(super) fn rest<'a>(deserializer: serde_json::Deserializer<SliceRead<'_>>, bytes: &'a [u8]) -> &'a [u8] {
    let ended = deserializer.into_iter::<IgnoredAny>().byte_offset();
    bytes.get(ended..).unwrap_or_default()
}

/// Checks the text of a string or member name: no control characters, as they have no wire form.
pub(super) fn without_control_characters<E: serde::de::Error>(text: &str) -> Result<(), E> {
    // They are single bytes in UTF-8, and no byte of another character is below 0x80.
    match text.bytes().find(|byte| *byte < 0x20) {
        None => Ok(()),
        Some(byte) => Err(E::custom(format_args!("control character {:?} in a string", char::from(byte)))),
    }
}

/// How many more objects and values the document may have.
pub(super) struct Room {
    pub(super) objects: Cell<u32>,
    pub(super) values: Cell<u32>,
}

impl Default for Room {
    fn default() -> Self {
        Self { objects: Cell::new(MAX_OBJECTS), values: Cell::new(MAX_VALUES) }
    }
}

/// Builds a [`Value`], refusing what the module refuses.
#[derive(Clone, Copy)]
pub(super) struct Strict<'a> {
    /// How many levels it lies below the document.
    pub(super) depth: usize,
    pub(super) room: &'a Room,
}

impl Strict<'_> {
    fn inner<E: serde::de::Error>(self) -> Result<Self, E> {
        if self.depth >= MAX_DEPTH {
            return Err(E::custom(format_args!("nested deeper than {MAX_DEPTH} levels")));
        }
        Ok(Self { depth: self.depth.saturating_add(1), room: self.room })
    }
}

/// Takes one from `left`; the error names what there is too much of.
pub(super) fn take<E: serde::de::Error>(left: &Cell<u32>, limit: u32, what: &str) -> Result<(), E> {
    let rest = left.get().checked_sub(1).ok_or_else(|| E::custom(format_args!("more than {limit} {what}")))?;
    left.set(rest);
    Ok(())
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        take(&self.room.values, MAX_VALUES, "values")?;
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON without fractions")
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: serde::de::Error>(self, v: bool) -> Result<Value, E> {
        Ok(Value::Bool(v))
    }

    fn visit_i64<E: serde::de::Error>(self, v: i64) -> Result<Value, E> {
        if v.unsigned_abs() > MAX_INTEGER {
            return Err(E::custom(format_args!("the number {v} is beyond 2^53")));
        }
        Ok(Value::from(v))
    }

    fn visit_u64<E: serde::de::Error>(self, v: u64) -> Result<Value, E> {
        if v > MAX_INTEGER {
            return Err(E::custom(format_args!("the number {v} is beyond 2^53")));
        }
        Ok(Value::from(v))
    }

    fn visit_f64<E: serde::de::Error>(self, v: f64) -> Result<Value, E> {
        Err(E::custom(format_args!("the number {v} is not written as an integer")))
    }

    fn visit_str<E: serde::de::Error>(self, v: &str) -> Result<Value, E> {
        without_control_characters(v)?;
        Ok(Value::String(v.to_owned()))
    }

    fn visit_string<E: serde::de::Error>(self, v: String) -> Result<Value, E> {
        without_control_characters(&v)?;
        Ok(Value::String(v))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let inner = self.inner()?;
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(inner)? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        take(&self.room.objects, MAX_OBJECTS, "objects")?;
        let inner = self.inner()?;
        let mut object = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            without_control_characters(&name)?;
            let value = members.next_value_seed(inner)?;
            match object.entry(name) {
                Entry::Vacant(place) => place.insert(value),
                Entry::Occupied(place) => {
                    return Err(A::Error::custom(format_args!("duplicate member {:?}", place.key())));
                }
            };
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &str) -> String {
        parse(text.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn duplicate_members_are_refused_at_any_depth() {
        assert!(refusal(r#"{"a":1,"a":2}"#).contains("duplicate member \"a\""));
        assert!(refusal(r#"{"a":[{"b":1,"\u0062":2}]}"#).contains("duplicate member \"b\""));
    }

    #[test]
    fn only_plain_integers_up_to_two_to_the_53_are_numbers() {
        assert_eq!(
            parse(b"[9007199254740992,-9007199254740992]").unwrap(),
            serde_json::json!([9_007_199_254_740_992_u64, -9_007_199_254_740_992_i64])
        );
        for text in ["9007199254740993", "-9007199254740993", "18446744073709551616"] {
            let message = refusal(text);
            assert!(message.contains("beyond 2^53") || message.contains("not written as an integer"), "{message}");
        }
        for text in ["1.0", "1e3", "0.5", "-0"] {
            assert!(refusal(text).contains("not written as an integer"), "{text}");
        }
    }

    #[test]
    fn nothing_may_follow_the_document() {
        assert!(refusal("{} x").contains("invalid character"));
        assert!(refusal("{}\n").contains("invalid character '\\n' after top-level value"));
    }

    #[test]
    fn control_characters_are_refused_in_names_and_strings() {
        assert!(refusal(r#"{"a":"\n"}"#).contains("control character"));
        assert!(refusal(r#"{"a\u0001":1}"#).contains("control character"));
        assert!(parse("\"\u{7f}\u{80}\"".as_bytes()).is_ok());
    }

    #[test]
    fn a_hundred_levels_are_accepted_and_one_more_is_not() {
        let nested = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
        assert!(parse(nested(MAX_DEPTH).as_bytes()).is_ok());
        assert!(refusal(&nested(MAX_DEPTH + 1)).contains("nested deeper"));
    }

    #[test]
    fn half_a_million_objects_are_accepted_and_one_more_is_not() {
        let list = |objects: u32| format!("[{}{{}}]", "{},".repeat(usize::try_from(objects - 1).unwrap()));
        assert!(parse(list(MAX_OBJECTS).as_bytes()).is_ok());
        assert!(refusal(&list(MAX_OBJECTS + 1)).contains("more than 500000 objects"));
    }

    #[test]
    fn four_million_values_are_accepted_and_one_more_is_not() {
        // The list itself is one of them.
        let list = |values: u32| format!("[{}0]", "0,".repeat(usize::try_from(values - 2).unwrap()));
        assert!(parse(list(MAX_VALUES).as_bytes()).is_ok());
        assert!(refusal(&list(MAX_VALUES + 1)).contains("more than 4000000 values"));
    }

    proptest::proptest! {
        #[test]
        fn no_input_makes_the_parser_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
            let _ = parse(&bytes);
        }
    }
}
