//! The snapshot document on the wire.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::file::WireFile;
use super::object::Object;
use super::{WireTime, expect_type, fault, read, read_and_compare, write};
use crate::dialect::{DecodeError, Dialect, Document, EncodeError, Fault};
use crate::model::Snapshot;
use crate::role::Role;
use crate::version::Version;

const TYPE: &str = "Snapshot";

#[derive(Serialize, Deserialize)]
pub(super) struct WireSnapshot<'a> {
    #[serde(rename = "_type")]
    kind: String,
    expires: WireTime,
    #[serde(default)]
    meta: BTreeMap<String, Object<WireFile<'a>>>,
    version: i64,
}

impl Document for Snapshot {
    fn decode(Dialect::Notary: Dialect, role: &Role, signed: &[u8]) -> Result<Self, DecodeError> {
        meaning(role, read(role, signed)?)
    }

    fn decode_and_compare(Dialect::Notary: Dialect, role: &Role, signed: &[u8]) -> (Result<Self, DecodeError>, bool) {
        let (wire, is_same) = read_and_compare(role, signed);
        (wire.and_then(|wire| meaning(role, wire)), is_same)
    }

    fn encode(&self, Dialect::Notary: Dialect) -> Result<Vec<u8>, EncodeError> {
        let wire = WireSnapshot {
            kind: TYPE.to_owned(),
            expires: WireTime(self.expires),
            meta: self
                .meta
                .iter()
                .map(|(role, file)| (role.as_str().to_owned(), Object(WireFile::from(file))))
                .collect(),
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
fn meaning(role: &Role, wire: WireSnapshot<'_>) -> Result<Snapshot, DecodeError> {
    expect_type(role, TYPE, &wire.kind)?;
    let version = Version::new(wire.version).map_err(|e| fault(role, e.into()))?;
    let mut meta = BTreeMap::new();
    for (name, file) in wire.meta {
        let listed = Role::parse(&name).map_err(|e| fault(role, Fault::UnknownRole(e.0)))?;
        let file = file.0.into_meta();
        if file.digests.sha256().is_none() {
            return Err(fault(role, Fault::MissingChecksum(listed)));
        }
        meta.insert(listed, file);
    }
    for needed in [Role::Root, Role::Targets] {
        if !meta.contains_key(&needed) {
            return Err(fault(role, Fault::MissingChecksum(needed)));
        }
    }
    Ok(Snapshot { version, expires: wire.expires.0, meta })
}
