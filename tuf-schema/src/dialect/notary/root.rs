//! The root document on the wire.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::grant::{self, WireKeys};
use super::object::Object;
use super::{WireTime, expect_type, fault, read, read_and_compare, write};
use crate::dialect::{DecodeError, Dialect, Document, EncodeError, Fault};
use crate::model::{KeyGrant, Root};
use crate::role::{BaseRole, Role};
use crate::version::Version;

const TYPE: &str = "Root";

#[derive(Serialize, Deserialize)]
pub(super) struct WireRoot {
    #[serde(rename = "_type")]
    kind: String,
    #[serde(default)]
    consistent_snapshot: bool,
    expires: WireTime,
    keys: WireKeys,
    #[serde(default)]
    roles: BTreeMap<String, Object<WireGrant>>,
    version: i64,
}

#[derive(Serialize, Deserialize)]
struct WireGrant {
    keyids: Option<Vec<String>>,
    #[serde(default)]
    threshold: i64,
}

impl Document for Root {
    fn decode(Dialect::Notary: Dialect, role: &Role, signed: &[u8]) -> Result<Self, DecodeError> {
        meaning(role, read(role, signed)?)
    }

    fn decode_and_compare(Dialect::Notary: Dialect, role: &Role, signed: &[u8]) -> (Result<Self, DecodeError>, bool) {
        let (wire, is_same) = read_and_compare(role, signed);
        (wire.and_then(|wire| meaning(role, wire)), is_same)
    }

    fn encode(&self, Dialect::Notary: Dialect) -> Result<Vec<u8>, EncodeError> {
        let wire_grant = |grant: &KeyGrant| {
            let threshold = i64::from(grant.threshold.get());
            Object(WireGrant { keyids: grant::wire_key_ids(&grant.key_ids), threshold })
        };
        let roles = BaseRole::ALL.map(|base| (Role::from(base).as_str().to_owned(), wire_grant(self.grant(base))));
        let wire = WireRoot {
            kind: TYPE.to_owned(),
            consistent_snapshot: self.consistent_snapshot,
            expires: WireTime(self.expires),
            keys: grant::wire_keys(&self.keys),
            roles: BTreeMap::from(roles),
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
fn meaning(role: &Role, mut wire: WireRoot) -> Result<Root, DecodeError> {
    expect_type(role, TYPE, &wire.kind)?;
    let version = Version::new(wire.version).map_err(|e| fault(role, e.into()))?;
    let keys = grant::keys(wire.keys).map_err(|e| fault(role, e))?;
    let mut take = |base: BaseRole| {
        let name = Role::from(base);
        let Object(entry) = wire.roles.remove(name.as_str()).ok_or(Fault::MissingRole(base))?;
        let threshold = grant::threshold(name.as_str(), entry.threshold)?;
        let key_ids = grant::key_ids(name.as_str(), entry.keyids, &keys)?;
        Ok(KeyGrant { key_ids, threshold })
    };
    let mut grant = |base| take(base).map_err(|e| fault(role, e));
    let (root, snapshot) = (grant(BaseRole::Root)?, grant(BaseRole::Snapshot)?);
    let (targets, timestamp) = (grant(BaseRole::Targets)?, grant(BaseRole::Timestamp)?);
    let consistent_snapshot = wire.consistent_snapshot;
    Ok(Root { version, expires: wire.expires.0, consistent_snapshot, keys, root, targets, snapshot, timestamp })
}
