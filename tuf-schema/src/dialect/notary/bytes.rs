//! Byte strings, and what is listed for a file: standard base64 with padding.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::digest::Digests;
use crate::model::FileMeta;

/// Bytes in base64.
#[derive(Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(super) struct WireBytes(pub(super) Vec<u8>);

impl TryFrom<String> for WireBytes {
    type Error = base64::DecodeError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        STANDARD.decode(text).map(Self)
    }
}

impl From<WireBytes> for String {
    fn from(bytes: WireBytes) -> Self {
        STANDARD.encode(bytes.0)
    }
}

/// What is listed for a document or a target.
#[derive(Serialize, Deserialize)]
pub(super) struct WireFile {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) custom: Option<Value>,
    pub(super) hashes: BTreeMap<String, WireBytes>,
    pub(super) length: u64,
}

impl WireFile {
    pub(super) fn of(meta: &FileMeta) -> Self {
        Self { custom: None, hashes: hashes(&meta.digests), length: meta.length }
    }

    pub(super) fn into_meta(self) -> FileMeta {
        FileMeta { length: self.length, digests: digests(self.hashes) }
    }
}

pub(super) fn hashes(digests: &Digests) -> BTreeMap<String, WireBytes> {
    digests.by_name().iter().map(|(name, bytes)| (name.clone(), WireBytes(bytes.clone()))).collect()
}

pub(super) fn digests(hashes: BTreeMap<String, WireBytes>) -> Digests {
    Digests::new(hashes.into_iter().map(|(name, bytes)| (name, bytes.0)).collect())
}
