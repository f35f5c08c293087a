//! The timestamp document on the wire.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::file::WireFile;
use super::object::Object;
use super::{WireTime, expect_type, fault, read, read_and_compare, write};
use crate::dialect::{DecodeError, Dialect, Document, EncodeError, Fault};
use crate::model::Timestamp;
use crate::role::Role;
use crate::version::Version;

const TYPE: &str = "Timestamp";

#[derive(Serialize, Deserialize)]
pub(super) struct WireTimestamp<'a> {
    #[serde(rename = "_type")]
    kind: String,
    expires: WireTime,
    #[serde(default)]
    meta: BTreeMap<String, Object<WireFile<'a>>>,
    version: i64,
}

impl Document for Timestamp {
    fn decode(Dialect::Notary: Dialect, role: &Role, signed: &[u8]) -> Result<Self, DecodeError> {
        meaning(role, read(role, signed)?)
    }

    fn decode_and_compare(Dialect::Notary: Dialect, role: &Role, signed: &[u8]) -> (Result<Self, DecodeError>, bool) {
        let (wire, is_same) = read_and_compare(role, signed);
        (wire.and_then(|wire| meaning(role, wire)), is_same)
    }

    fn encode(&self, Dialect::Notary: Dialect) -> Result<Vec<u8>, EncodeError> {
        let wire = WireTimestamp {
            kind: TYPE.to_owned(),
            expires: WireTime(self.expires),
            meta: BTreeMap::from([(Role::Snapshot.as_str().to_owned(), Object(WireFile::from(&self.snapshot)))]),
            version: i64::from(self.version.number()),
        };
        write(&wire)
    }

    fn version(&self) -> Version {
        self.version
    }

    fn expires(&self) -> crate::UtcTime {
        self.expires
    }
}

/// What a document says.
fn meaning(role: &Role, mut wire: WireTimestamp<'_>) -> Result<Timestamp, DecodeError> {
    expect_type(role, TYPE, &wire.kind)?;
    let version = Version::new(wire.version).map_err(|e| fault(role, e.into()))?;
    let listed = wire.meta.remove(Role::Snapshot.as_str()).map(|file| file.0.into_meta());
    let snapshot = listed.filter(|file| file.digests.sha256().is_some());
    let snapshot = snapshot.ok_or_else(|| fault(role, Fault::MissingChecksum(Role::Snapshot)))?;
    Ok(Timestamp { version, expires: wire.expires.0, snapshot })
}
