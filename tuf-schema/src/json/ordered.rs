//! Documents whose members are in order, as the reference and we write them: read straight into their canonical form,
//! without a tree of values.
//!
//! It refuses all that [`super::strict`] refuses, and what is not in order besides; only `strict` says why.

use std::borrow::Cow;
use std::fmt;
use std::io::Write as _;

use serde::de::{DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::canonical::write_string;
use super::strict::{self, MAX_DEPTH, MAX_INTEGER, MAX_OBJECTS, MAX_VALUES, Room, Strict};

/// A document taken apart.
pub(crate) struct Taken {
    /// The canonical form of the member that was asked for.
    pub(crate) canonical: Vec<u8>,
    /// The other members.
    pub(crate) others: Map<String, Value>,
}

/// Takes the member `name` out of the object that `bytes` are, which may have its own members in any order.
///
/// `None` says that they are to be read by [`strict::parse`]: it may accept them all the same, and if not knows why.
pub(crate) fn take(bytes: &[u8], name: &str) -> Option<Taken> {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let room = Room::default();
    let taken = Whole { name, room: &room, capacity: bytes.len() }.deserialize(&mut deserializer).ok()?;
    strict::rest(deserializer, bytes).is_empty().then_some(taken)
}

/// Reads the whole document.
struct Whole<'a> {
    name: &'a str,
    room: &'a Room,
    capacity: usize,
}

impl<'de> DeserializeSeed<'de> for Whole<'_> {
    type Value = Taken;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Taken, D::Error> {
        strict::take(&self.room.values, MAX_VALUES, "values")?;
        strict::take(&self.room.objects, MAX_OBJECTS, "objects")?;
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Whole<'_> {
    type Value = Taken;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a document")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Taken, A::Error> {
        let mut canonical = None;
        let mut others = Map::new();
        while let Some(name) = members.next_key_seed(Text)? {
            if name == self.name && canonical.is_none() {
                let mut out = Vec::with_capacity(self.capacity);
                members.next_value_seed(Ordered { depth: 1, room: self.room, out: &mut out })?;
                canonical = Some(out);
            } else if name == self.name || others.contains_key(name.as_ref()) {
                return Err(A::Error::custom("a duplicate member"));
            } else {
                others.insert(name.into_owned(), members.next_value_seed(Strict { depth: 1, room: self.room })?);
            }
        }
        let canonical = canonical.ok_or_else(|| A::Error::custom("the member is missing"))?;
        Ok(Taken { canonical, others })
    }
}

/// Writes the canonical form of what it reads.
struct Ordered<'a> {
    depth: usize,
    room: &'a Room,
    out: &'a mut Vec<u8>,
}

impl Ordered<'_> {
    /// How deep what is inside of this value lies.
    fn depth_inside<E: serde::de::Error>(&self) -> Result<usize, E> {
        if self.depth >= MAX_DEPTH {
            return Err(E::custom("nested too deep"));
        }
        Ok(self.depth.saturating_add(1))
    }
}

impl<'de> DeserializeSeed<'de> for Ordered<'_> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        strict::take(&self.room.values, MAX_VALUES, "values")?;
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Ordered<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON without fractions")
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<(), E> {
        self.out.extend_from_slice(b"null");
        Ok(())
    }

    fn visit_bool<E: serde::de::Error>(self, v: bool) -> Result<(), E> {
        self.out.extend_from_slice(if v { b"true" } else { b"false" });
        Ok(())
    }

    fn visit_i64<E: serde::de::Error>(self, v: i64) -> Result<(), E> {
        if v.unsigned_abs() > MAX_INTEGER {
            return Err(E::custom("a number beyond 2^53"));
        }
        write!(self.out, "{v}").map_err(E::custom)
    }

    fn visit_u64<E: serde::de::Error>(self, v: u64) -> Result<(), E> {
        if v > MAX_INTEGER {
            return Err(E::custom("a number beyond 2^53"));
        }
        write!(self.out, "{v}").map_err(E::custom)
    }

    fn visit_str<E: serde::de::Error>(self, v: &str) -> Result<(), E> {
        strict::without_control_characters(v)?;
        write_string(v, self.out);
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let depth = self.depth_inside()?;
        self.out.push(b'[');
        let mut first = true;
        loop {
            let comma = self.out.len();
            if !first {
                self.out.push(b',');
            }
            if items.next_element_seed(Ordered { depth, room: self.room, out: self.out })?.is_none() {
                self.out.truncate(comma);
                break;
            }
            first = false;
        }
        self.out.push(b']');
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        strict::take(&self.room.objects, MAX_OBJECTS, "objects")?;
        let depth = self.depth_inside()?;
        self.out.push(b'{');
        let mut last: Option<Cow<'de, str>> = None;
        while let Some(name) = members.next_key_seed(Text)? {
            if let Some(last) = last {
                // Equal names are refused with it.
                if last.as_bytes() >= name.as_bytes() {
                    return Err(A::Error::custom("members out of order"));
                }
                self.out.push(b',');
            }
            write_string(&name, self.out);
            self.out.push(b':');
            members.next_value_seed(Ordered { depth, room: self.room, out: self.out })?;
            last = Some(name);
        }
        self.out.push(b'}');
        Ok(())
    }
}

/// Reads a member name; a copy only where it is written with escapes.
pub(crate) struct Text;

impl<'de> DeserializeSeed<'de> for Text {
    type Value = Cow<'de, str>;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Cow<'de, str>, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Text {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a member name")
    }

    fn visit_borrowed_str<E: serde::de::Error>(self, v: &'de str) -> Result<Cow<'de, str>, E> {
        strict::without_control_characters(v)?;
        Ok(Cow::Borrowed(v))
    }

    fn visit_str<E: serde::de::Error>(self, v: &str) -> Result<Cow<'de, str>, E> {
        strict::without_control_characters(v)?;
        Ok(Cow::Owned(v.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::json::{canonical, parse, wire};

    /// What the tree says of the same bytes: the canonical form of the member, and the others.
    fn by_tree(bytes: &[u8]) -> Option<(Vec<u8>, Map<String, Value>)> {
        let Value::Object(mut members) = parse(bytes).ok()? else { return None };
        let signed = members.remove("signed")?;
        Some((canonical(&signed).unwrap(), members))
    }

    fn taken(bytes: &[u8]) -> Option<(Vec<u8>, Map<String, Value>)> {
        take(bytes, "signed").map(|taken| (taken.canonical, taken.others))
    }

    fn agree(text: &str) {
        assert!(by_tree(text.as_bytes()).is_some(), "{text}");
        assert_eq!(taken(text.as_bytes()), by_tree(text.as_bytes()), "{text}");
    }

    #[test]
    fn what_is_in_order_has_the_canonical_form_that_its_tree_has() {
        agree(
            r#"{"signed":{"a":[1,-2,null,true,false,[],{}],"b":{"\u003c\"\\\u2028é":"\u0041/"}},"signatures":[{"b":1,"a":2}]}"#,
        );
        agree(r#"{"signatures":null, "signed" : [ 9007199254740992 , -9007199254740992 ] ,"other":{}}"#);
        agree(r#"{"signed":"\ud83d\ude00"}"#);
    }

    #[test]
    fn what_is_out_of_order_or_not_there_is_left_to_the_tree() {
        for text in [r#"{"signed":{"b":1,"a":2}}"#, r#"{"signed":{"a":{"\u0062":1,"a":2}}}"#, "{}", "[]", "null"] {
            assert_eq!(taken(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn whatever_the_tree_refuses_is_refused() {
        for text in [
            r#"{"signed":{"a":1,"a":2}}"#,
            r#"{"signed":1,"signed":2}"#,
            r#"{"signed":1,"a":1,"a":2}"#,
            r#"{"signed":{"a":"\n"}}"#,
            r#"{"signed":{"a\u0001":1}}"#,
            r#"{"signed":1,"\u0001":1}"#,
            r#"{"signed":9007199254740993}"#,
            r#"{"signed":-9007199254740993}"#,
            r#"{"signed":-0}"#,
            r#"{"signed":1.0}"#,
            r#"{"signed":1,"a":1e3}"#,
            "{\"signed\":1}\n",
            r#"{"signed":1} x"#,
            r#"{"signed":[1,]}"#,
            r#"{"signed":{"a":1,}}"#,
        ] {
            assert_eq!(taken(text.as_bytes()), None, "{text}");
            assert!(parse(text.as_bytes()).is_err(), "{text}");
        }
        assert_eq!(taken(b"{\"signed\":\"\xff\"}"), None);
    }

    #[test]
    fn the_limits_are_those_of_the_tree() {
        let deep = |n: usize| format!("{{\"signed\":{}{}}}", "[".repeat(n), "]".repeat(n));
        agree(&deep(MAX_DEPTH - 1));
        assert_eq!(taken(deep(MAX_DEPTH).as_bytes()), None);
        let times = |text: &str, n: u32| text.repeat(usize::try_from(n).unwrap());
        // The document is an object, and the last one stands without a comma.
        let objects = |n: u32| format!("{{\"signed\":[{}{{}}]}}", times("{},", n - 2));
        agree(&objects(MAX_OBJECTS));
        assert_eq!(taken(objects(MAX_OBJECTS + 1).as_bytes()), None);
        let values = |n: u32| format!("{{\"signed\":[{}0]}}", times("0,", n - 3));
        agree(&values(MAX_VALUES));
        assert_eq!(taken(values(MAX_VALUES + 1).as_bytes()), None);
    }

    /// JSON with names that are short, so that some are equal, and some that are escaped.
    fn any_json() -> impl Strategy<Value = String> {
        let text = prop_oneof!["[a-c]{0,2}", r#"(\\u0061|\\"|\\\\|\\u003c|<|é|\\n|\\u2028|a){0,3}"#];
        let leaf = prop_oneof![
            Just("null".to_owned()),
            Just("true".to_owned()),
            "-?[0-9]{1,17}(\\.0)?",
            text.clone().prop_map(|text| format!("\"{text}\"")),
        ];
        leaf.prop_recursive(4, 24, 4, move |inner| {
            let member = (text.clone(), inner.clone()).prop_map(|(name, value)| format!("\"{name}\":{value}"));
            prop_oneof![
                prop::collection::vec(inner, 0..4).prop_map(|items| format!("[{}]", items.join(","))),
                prop::collection::vec(member, 0..4).prop_map(|members| format!("{{{}}}", members.join(", "))),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_read_without_a_tree_is_what_the_tree_says(signed in any_json(), other in any_json()) {
            let text = format!("{{\"signed\":{signed},\"other\":{other}}}");
            if let Some(taken) = taken(text.as_bytes()) {
                prop_assert_eq!(Some(taken), by_tree(text.as_bytes()));
            }
        }

        #[test]
        fn what_is_written_by_us_needs_no_tree(signed in any_json()) {
            let Ok(signed) = parse(signed.as_bytes()) else { return Ok(()) };
            let written = wire(&serde_json::json!({ "signed": signed })).unwrap();
            prop_assert_eq!(taken(&written), by_tree(&written));
            prop_assert!(taken(&written).is_some());
        }
    }
}
