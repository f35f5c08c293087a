//! The members of a change's file, in docker's and notary's order, and how they are read.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tuf_schema::{KeyType, PublicKey};

use super::ChangeFault;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WireChange {
    pub(super) action: Action,
    pub(super) role: String,
    #[serde(rename = "type")]
    pub(super) kind: Kind,
    pub(super) path: String,
    /// Base64 of JSON; null when there is nothing to say.
    #[serde(deserialize_with = "present")]
    pub(super) data: Option<String>,
}

/// The words of the reference, and those of others.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Action {
    Create,
    Update,
    Delete,
    #[serde(untagged)]
    Other(String),
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Kind {
    Target,
    Delegation,
    Witness,
    #[serde(untagged)]
    Other(String),
}

/// In the reference's order, which is not that of names.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WireTarget {
    pub(super) length: u64,
    pub(super) hashes: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) custom: Option<Value>,
}

#[derive(Serialize, Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct WireDelegation {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) threshold: Option<NonZeroU32>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) add_keys: Vec<WireKey>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) remove_keys: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) add_paths: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) remove_paths: Vec<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) clear_paths: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WireKey {
    keytype: String,
    keyval: WireKeyValue,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireKeyValue {
    public: String,
    /// Always null: whoever stages the private half of a key is told so.
    private: Option<NeverPresent>,
}

/// A value that no change has.
#[derive(Serialize, Deserialize)]
enum NeverPresent {}

impl WireKey {
    pub(super) fn of(key: &PublicKey) -> Self {
        let keyval = WireKeyValue { public: STANDARD.encode(key.public_bytes()), private: None };
        Self { keytype: key.key_type().name().to_owned(), keyval }
    }

    pub(super) fn into_key(self) -> Result<PublicKey, ChangeFault> {
        let public = STANDARD.decode(self.keyval.public).map_err(malformed)?;
        Ok(PublicKey::new(KeyType::parse(&self.keytype), public))
    }
}

pub(super) fn read<'a, W: Deserialize<'a>>(bytes: &'a [u8]) -> Result<W, ChangeFault> {
    serde_json::from_slice(bytes).map_err(malformed)
}

/// The word of the file.
pub(super) fn word(word: &impl Serialize) -> String {
    let value = serde_json::to_value(word).unwrap_or_default();
    value.as_str().unwrap_or_default().to_owned()
}

pub(super) fn malformed(error: impl std::fmt::Display) -> ChangeFault {
    ChangeFault::Malformed(error.to_string())
}

/// A member that may be null and must be there.
fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Option::deserialize(deserializer)
}
