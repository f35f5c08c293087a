//! The document of `targets` and of delegations on the wire.

use std::borrow::Cow;
use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::file::WireTargetFiles;
use super::grant::{self, WireKeys};
use super::object::Object;
use super::{WireTime, expect_type, fault, read, read_and_compare, write};
use crate::dialect::{DecodeError, Dialect, Document, EncodeError, Fault};
use crate::model::{DelegatedRole, Delegations, Targets};
use crate::role::{DelegationName, Role};
use crate::version::Version;

const TYPE: &str = "Targets";

#[derive(Serialize, Deserialize)]
pub(super) struct WireTargets<'a> {
    #[serde(rename = "_type")]
    kind: String,
    #[serde(default)]
    delegations: Object<WireDelegations>,
    expires: WireTime,
    #[serde(default)]
    targets: Option<WireTargetFiles<'a>>,
    version: i64,
}

/// Both members can be null: `roles` after the last delegation was removed.
#[derive(Serialize, Deserialize, Default)]
struct WireDelegations {
    #[serde(serialize_with = "grant::null_as_none")]
    keys: WireKeys,
    roles: Option<Vec<Object<WireDelegatedRole>>>,
}

#[derive(Serialize, Deserialize)]
struct WireDelegatedRole {
    /// Null after the last key was removed.
    keyids: Option<Vec<String>>,
    name: String,
    #[serde(default, skip_serializing_if = "is_none_or_empty")]
    paths: Option<Vec<String>>,
    #[serde(default)]
    threshold: i64,
}

#[expect(clippy::ref_option, reason = "the shape that serde calls")]
fn is_none_or_empty(paths: &Option<Vec<String>>) -> bool {
    paths.as_ref().is_none_or(Vec::is_empty)
}

impl Document for Targets {
    fn decode(Dialect::Notary: Dialect, role: &Role, signed: &[u8]) -> Result<Self, DecodeError> {
        meaning(role, read(role, signed)?)
    }

    fn decode_and_compare(Dialect::Notary: Dialect, role: &Role, signed: &[u8]) -> (Result<Self, DecodeError>, bool) {
        let (wire, is_same) = read_and_compare(role, signed);
        (wire.and_then(|wire| meaning(role, wire)), is_same)
    }

    fn encode(&self, Dialect::Notary: Dialect) -> Result<Vec<u8>, EncodeError> {
        let role = |r: &DelegatedRole| {
            Object(WireDelegatedRole {
                keyids: grant::wire_key_ids(&r.key_ids),
                name: r.name.as_str().to_owned(),
                paths: Some(r.paths.clone()),
                threshold: i64::from(r.threshold.get()),
            })
        };
        let wire = WireTargets {
            kind: TYPE.to_owned(),
            delegations: Object(WireDelegations {
                keys: grant::wire_keys(&self.delegations.keys),
                roles: Some(self.delegations.roles.iter().map(role).collect()),
            }),
            expires: WireTime(self.expires),
            targets: Some(WireTargetFiles(Cow::Borrowed(&self.targets))),
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
fn meaning(role: &Role, wire: WireTargets<'_>) -> Result<Targets, DecodeError> {
    expect_type(role, TYPE, &wire.kind)?;
    let version = Version::new(wire.version).map_err(|e| fault(role, e.into()))?;
    let delegations = delegations(role, wire.delegations.0).map_err(|e| fault(role, e))?;
    let targets = wire.targets.map(|files| files.0.into_owned()).unwrap_or_default();
    Ok(Targets { version, expires: wire.expires.0, targets, delegations })
}

fn delegations(role: &Role, wire: WireDelegations) -> Result<Delegations, Fault> {
    let keys = grant::keys(wire.keys)?;
    let mut seen = BTreeSet::new();
    let mut roles = Vec::new();
    for Object(entry) in wire.roles.unwrap_or_default() {
        let Ok(name) = DelegationName::parse(&entry.name) else { return Err(Fault::ForeignDelegation(entry.name)) };
        if name.parent() != *role {
            return Err(Fault::ForeignDelegation(entry.name));
        }
        if !seen.insert(name.clone()) {
            return Err(Fault::DuplicateDelegation(entry.name));
        }
        let threshold = grant::threshold(name.as_str(), entry.threshold)?;
        let key_ids = grant::key_ids(name.as_str(), entry.keyids, &keys)?;
        roles.push(DelegatedRole { name, key_ids, threshold, paths: entry.paths.unwrap_or_default() });
    }
    Ok(Delegations { keys, roles })
}
