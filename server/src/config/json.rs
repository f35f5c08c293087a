//! A JSON document as it was written: members in their order, also those that come twice.
//!
//! `serde_json::Value` keeps the last of two members of one name and says nothing; a configuration in which somebody
//! added a line that is there already would be read otherwise than it looks.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// A value of a configuration file.
#[derive(Debug)]
pub(super) enum Node {
    /// A section: names and values, in the order of the file.
    Section(Vec<(String, Self)>),
    /// Anything else. Sections inside a list are values, too, in which no name stands twice.
    Leaf(Value),
}

impl Node {
    /// As a value. The error names a member that comes twice.
    fn into_value(self) -> Result<Value, String> {
        let members = match self {
            Self::Leaf(value) => return Ok(value),
            Self::Section(members) => members,
        };
        let mut object = Map::new();
        for (name, member) in members {
            let value = member.into_value()?;
            if object.insert(name.clone(), value).is_some() {
                return Err(format!("the member {name:?} is given twice"));
            }
        }
        Ok(Value::Object(object))
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Leaf(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
        Ok(Node::Leaf(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
        Ok(Node::Leaf(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Node, E> {
        Ok(Node::Leaf(Number::from_f64(value).map_or(Value::Null, Value::Number)))
    }

    fn visit_str<E>(self, value: &str) -> Result<Node, E> {
        Ok(Node::Leaf(value.into()))
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Leaf(Value::Null))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Node, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = sequence.next_element::<Node>()? {
            items.push(item.into_value().map_err(A::Error::custom)?);
        }
        Ok(Node::Leaf(Value::Array(items)))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        Ok(Node::Section(members))
    }
}
