//! What is listed for a document or a target: length, digests and custom data.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use super::bytes::WireBytes;
use super::object::Object;
use crate::dialect::direct::Sorted;
use crate::digest::Digests;
use crate::json::ordered::Text;
use crate::model::{FileMeta, Target};

/// What is listed for one of them.
#[derive(Serialize, Deserialize)]
pub(super) struct WireFile<'a> {
    #[serde(default, skip_serializing_if = "Option::is_none", serialize_with = "sorted")]
    custom: Option<Cow<'a, Value>>,
    hashes: WireHashes<'a>,
    length: u64,
}

#[expect(clippy::ref_option, reason = "the shape that serde calls")]
fn sorted<S: Serializer>(custom: &Option<Cow<'_, Value>>, serializer: S) -> Result<S::Ok, S::Error> {
    custom.as_deref().map(Sorted).serialize(serializer)
}

impl WireFile<'_> {
    pub(super) fn into_meta(self) -> FileMeta {
        FileMeta { length: self.length, digests: self.hashes.0.into_owned() }
    }

    fn into_target(self) -> Target {
        Target { length: self.length, digests: self.hashes.0.into_owned(), custom: self.custom.map(Cow::into_owned) }
    }
}

impl<'a> From<&'a FileMeta> for WireFile<'a> {
    fn from(meta: &'a FileMeta) -> Self {
        Self { custom: None, hashes: WireHashes(Cow::Borrowed(&meta.digests)), length: meta.length }
    }
}

impl<'a> From<&'a Target> for WireFile<'a> {
    fn from(target: &'a Target) -> Self {
        let hashes = WireHashes(Cow::Borrowed(&target.digests));
        Self { custom: target.custom.as_ref().map(Cow::Borrowed), hashes, length: target.length }
    }
}

/// Digests by name, in base64.
struct WireHashes<'a>(Cow<'a, Digests>);

impl Serialize for WireHashes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.by_name().map(|(name, bytes)| (name, WireBytes(Cow::Borrowed(bytes)))))
    }
}

impl<'de> Deserialize<'de> for WireHashes<'_> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(HashesVisitor)
    }
}

struct HashesVisitor;

impl<'de> Visitor<'de> for HashesVisitor {
    type Value = WireHashes<'static>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        // Nearly all have one.
        let mut hashes = Vec::with_capacity(1);
        while let Some(name) = members.next_key_seed(Text)? {
            let bytes: WireBytes<'_> = members.next_value()?;
            hashes.push((name, bytes.0.into_owned()));
        }
        Ok(WireHashes(Cow::Owned(Digests::new(hashes))))
    }
}

/// Targets by name.
pub(super) struct WireTargetFiles<'a>(pub(super) Cow<'a, BTreeMap<String, Target>>);

impl Serialize for WireTargetFiles<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, target)| (name, WireFile::from(target))))
    }
}

impl<'de> Deserialize<'de> for WireTargetFiles<'_> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(TargetFilesVisitor)
    }
}

struct TargetFilesVisitor;

impl<'de> Visitor<'de> for TargetFilesVisitor {
    type Value = WireTargetFiles<'static>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        // Made into a map at once, which takes no search for each name where they come in order.
        let mut targets = Vec::new();
        while let Some((name, file)) = members.next_entry::<String, Object<WireFile<'_>>>()? {
            targets.push((name, file.0.into_target()));
        }
        Ok(WireTargetFiles(Cow::Owned(targets.into_iter().collect())))
    }
}
