//! Keys, and which of them a role names.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::num::NonZeroU32;

use serde::ser::SerializeMap as _;
use serde::{Deserialize, Serialize, Serializer};

use super::bytes::WireBytes;
use super::object::Object;
use crate::dialect::{Fault, MAX_KEYS};
use crate::key::{KeyId, KeyType, PublicKey};

/// A key object.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct WireKey {
    keytype: String,
    keyval: Object<WireKeyValue>,
}

#[derive(Clone, Serialize, Deserialize)]
struct WireKeyValue {
    /// Always null: whoever sends the private part of a key is told so, and it is not stored.
    #[serde(default)]
    private: Option<NeverPresent>,
    public: WireBytes<'static>,
}

/// A value that no document has.
#[derive(Clone, Serialize, Deserialize)]
enum NeverPresent {}

/// The keys of a document by the id under which it lists them; null reads as none.
pub(super) type WireKeys = Option<BTreeMap<String, Object<WireKey>>>;

/// Writes the keys of a delegation; the reference reads null and writes an object.
pub(super) fn null_as_none<S: Serializer>(keys: &WireKeys, serializer: S) -> Result<S::Ok, S::Error> {
    match keys {
        Some(keys) => keys.serialize(serializer),
        None => serializer.serialize_map(Some(0))?.end(),
    }
}

pub(super) fn keys(wire: WireKeys) -> Result<BTreeMap<KeyId, PublicKey>, Fault> {
    let wire = wire.unwrap_or_default();
    if wire.len() > MAX_KEYS {
        return Err(Fault::TooManyKeys(wire.len()));
    }
    let key = |Object(k): Object<WireKey>| PublicKey::new(KeyType::parse(&k.keytype), k.keyval.0.public.0.into_owned());
    Ok(wire.into_iter().map(|(id, k)| (KeyId::from_wire(&id), key(k))).collect())
}

pub(super) fn wire_keys(keys: &BTreeMap<KeyId, PublicKey>) -> WireKeys {
    let wire = |key: &PublicKey| {
        let public = WireBytes(Cow::Owned(key.public_bytes().to_vec()));
        let keyval = Object(WireKeyValue { private: None, public });
        Object(WireKey { keytype: key.key_type().name().to_owned(), keyval })
    };
    Some(keys.iter().map(|(id, key)| (id.as_str().to_owned(), wire(key))).collect())
}

/// Reads a threshold of `role`.
pub(super) fn threshold(role: &str, threshold: i64) -> Result<NonZeroU32, Fault> {
    let small = u32::try_from(threshold).ok().and_then(NonZeroU32::new);
    small.ok_or_else(|| Fault::Threshold { role: role.to_owned(), threshold })
}

/// Reads the key ids of `role`, each of which must stand in `keys`.
pub(super) fn key_ids(
    role: &str,
    ids: Option<Vec<String>>,
    keys: &BTreeMap<KeyId, PublicKey>,
) -> Result<Vec<KeyId>, Fault> {
    let check = |id: String| {
        let key_id = KeyId::from_wire(&id);
        if keys.contains_key(&key_id) {
            Ok(key_id)
        } else {
            Err(Fault::KeyIdWithoutKey { key_id: id, role: role.to_owned() })
        }
    };
    ids.unwrap_or_default().into_iter().map(check).collect()
}

pub(super) fn wire_key_ids(ids: &[KeyId]) -> Option<Vec<String>> {
    Some(ids.iter().map(|id| id.as_str().to_owned()).collect())
}
