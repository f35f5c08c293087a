//! The timestamp document on the wire.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::bytes::WireFile;
use super::{WireTime, expect_type, fault, read, reread, write};
use crate::dialect::{DecodeError, Dialect, Document, EncodeError, Fault};
use crate::model::Timestamp;
use crate::role::Role;
use crate::version::Version;

const TYPE: &str = "Timestamp";

#[derive(Serialize, Deserialize)]
struct WireTimestamp {
    #[serde(rename = "_type")]
    kind: String,
    expires: WireTime,
    #[serde(default)]
    meta: BTreeMap<String, WireFile>,
    version: i64,
}

impl Document for Timestamp {
    fn decode(Dialect::Notary: Dialect, role: &Role, signed: &Value) -> Result<Self, DecodeError> {
        let mut wire: WireTimestamp = read(role, signed)?;
        expect_type(role, TYPE, &wire.kind)?;
        let version = Version::new(wire.version).map_err(|e| fault(role, e.into()))?;
        let listed = wire.meta.remove(Role::Snapshot.as_str()).map(WireFile::into_meta);
        let snapshot = listed.filter(|file| file.digests.sha256().is_some());
        let snapshot = snapshot.ok_or_else(|| fault(role, Fault::MissingChecksum(Role::Snapshot)))?;
        Ok(Self { version, expires: wire.expires.0, snapshot })
    }

    fn encode(&self, Dialect::Notary: Dialect) -> Result<Value, EncodeError> {
        let wire = WireTimestamp {
            kind: TYPE.to_owned(),
            expires: WireTime(self.expires),
            meta: BTreeMap::from([(Role::Snapshot.as_str().to_owned(), WireFile::of(&self.snapshot))]),
            version: i64::from(self.version.number()),
        };
        write(&wire)
    }

    fn reencode(Dialect::Notary: Dialect, signed: &Value) -> Option<Value> {
        reread::<WireTimestamp>(signed)
    }

    fn version(&self) -> Version {
        self.version
    }

    fn expires(&self) -> crate::UtcTime {
        self.expires
    }
}
