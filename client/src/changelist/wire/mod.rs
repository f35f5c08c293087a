//! Changes as docker and notary write them into files, byte for byte: the one place that knows their words.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tuf_schema::model::Target;
use tuf_schema::{DelegationName, Digests, KeyId, Role};

use super::change::{Change, DelegationEdit};
use super::go_json::as_go_writes;

mod form;

use form::{Action, Kind, WireChange, WireDelegation, WireKey, WireTarget, malformed, read, word};

/// The last segment of a name that means all delegations below a role.
const ALL_BELOW: &str = "/*";

/// Why a file is no change that is understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChangeFault {
    /// It is not the JSON of a change, or not all of it.
    #[error("it is no change, or only a part of one: {0}")]
    Malformed(String),
    /// It asks for something that this version does not know.
    #[error("{action} of {kind} {role} is not known here")]
    Unknown {
        /// What is to be done.
        action: String,
        /// With what.
        kind: String,
        /// In which role.
        role: String,
    },
    /// It says how to change a role that is not said to be changed so.
    #[error("{0} does not belong into this change")]
    Misplaced(&'static str),
}

/// What a change is called in the reference's files and tables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Words {
    /// `create`, `update` or `delete`.
    pub action: String,
    /// The role, or all below one.
    pub role: String,
    /// `target`, `delegation` or `witness`.
    pub kind: String,
    /// The target's name, or nothing.
    pub path: String,
}

impl Change {
    /// What it is called in the reference's files and tables.
    #[must_use]
    pub fn words(&self) -> Words {
        let WireChange { action, role, kind, path, .. } = head(self);
        Words { action: word(&action), role, kind: word(&kind), path }
    }
}

/// The content of a change's file.
///
/// # Errors
/// For custom data that JSON cannot hold; there is none.
pub(super) fn encode(change: &Change) -> Result<Vec<u8>, serde_json::Error> {
    let data = match change {
        Change::AddTarget { target, .. } => {
            let hash = |(name, bytes): (&str, &[u8])| (name.to_owned(), STANDARD.encode(bytes));
            let hashes = target.digests.by_name().map(hash).collect();
            let data = WireTarget { length: target.length, hashes, custom: target.custom.clone() };
            Some(as_go_writes(&data)?)
        }
        Change::GrantDelegation { threshold, keys, paths, .. } => {
            let add_keys = keys.iter().map(WireKey::of).collect();
            let data =
                WireDelegation { threshold: *threshold, add_keys, add_paths: paths.clone(), ..Default::default() };
            Some(as_go_writes(&data)?)
        }
        Change::EditDelegation { edit, .. } => Some(as_go_writes(&WireDelegation {
            threshold: None,
            add_keys: edit.add_keys.iter().map(WireKey::of).collect(),
            remove_keys: texts(&edit.remove_keys),
            add_paths: edit.add_paths.clone(),
            remove_paths: edit.remove_paths.clone(),
            clear_paths: edit.clear_paths,
        })?),
        Change::PurgeKeys { keys, .. } => {
            Some(as_go_writes(&WireDelegation { remove_keys: texts(keys), ..Default::default() })?)
        }
        Change::RemoveTarget { .. } | Change::DeleteDelegation { .. } | Change::Witness { .. } => None,
    };
    as_go_writes(&WireChange { data: data.map(|bytes| STANDARD.encode(bytes)), ..head(change) })
}

/// A change without its data.
fn head(change: &Change) -> WireChange {
    let (action, kind, role, path) = match change {
        Change::AddTarget { role, name, .. } => (Action::Create, Kind::Target, role.to_string(), name.as_str()),
        Change::RemoveTarget { role, name } => (Action::Delete, Kind::Target, role.to_string(), name.as_str()),
        Change::GrantDelegation { name, .. } => (Action::Create, Kind::Delegation, name.to_string(), ""),
        Change::EditDelegation { name, .. } => (Action::Update, Kind::Delegation, name.to_string(), ""),
        Change::DeleteDelegation { name } => (Action::Delete, Kind::Delegation, name.to_string(), ""),
        Change::PurgeKeys { below, .. } => (Action::Update, Kind::Delegation, format!("{below}{ALL_BELOW}"), ""),
        Change::Witness { role } => (Action::Update, Kind::Witness, role.to_string(), ""),
    };
    WireChange { action, role, kind, path: path.to_owned(), data: None }
}

/// The change that a file holds.
///
/// # Errors
/// [`ChangeFault`]; nothing in a file is passed over.
pub(super) fn decode(bytes: &[u8]) -> Result<Change, ChangeFault> {
    let WireChange { action, role, kind, path, data } = read(bytes)?;
    let data = data.map(|text| STANDARD.decode(text)).transpose().map_err(malformed)?;
    let no_data = || if data.is_none() { Ok(()) } else { Err(ChangeFault::Misplaced("data")) };
    let no_path = || if path.is_empty() { Ok(()) } else { Err(ChangeFault::Misplaced("a path")) };
    match (&action, &kind) {
        (Action::Create, Kind::Target) => {
            let role = targets_role(&role)?;
            let WireTarget { length, hashes, custom } = read(data.as_deref().unwrap_or_default())?;
            let hash = |(name, text): (String, String)| Ok((name, STANDARD.decode(text).map_err(malformed)?));
            let digests = Digests::new(hashes.into_iter().map(hash).collect::<Result<Vec<_>, _>>()?);
            Ok(Change::AddTarget { role, name: path, target: Target { length, digests, custom } })
        }
        (Action::Delete, Kind::Target) => {
            no_data()?;
            Ok(Change::RemoveTarget { role: targets_role(&role)?, name: path })
        }
        (Action::Create, Kind::Delegation) => {
            no_path()?;
            let wire: WireDelegation = read(data.as_deref().unwrap_or_default())?;
            if !wire.remove_keys.is_empty() || !wire.remove_paths.is_empty() || wire.clear_paths {
                return Err(ChangeFault::Misplaced("what is to be removed"));
            }
            let keys = wire.add_keys.into_iter().map(WireKey::into_key).collect::<Result<_, _>>()?;
            Ok(Change::GrantDelegation {
                name: delegation(&role)?,
                threshold: wire.threshold,
                keys,
                paths: wire.add_paths,
            })
        }
        (Action::Update, Kind::Delegation) => {
            no_path()?;
            let wire: WireDelegation = read(data.as_deref().unwrap_or_default())?;
            if wire.threshold.is_some() {
                return Err(ChangeFault::Misplaced("a threshold"));
            }
            let remove_keys = wire.remove_keys.iter().map(|id| KeyId::from_wire(id)).collect();
            let Some(below) = role.strip_suffix(ALL_BELOW) else {
                let edit = DelegationEdit {
                    add_keys: wire.add_keys.into_iter().map(WireKey::into_key).collect::<Result<_, _>>()?,
                    remove_keys,
                    add_paths: wire.add_paths,
                    remove_paths: wire.remove_paths,
                    clear_paths: wire.clear_paths,
                };
                return Ok(Change::EditDelegation { name: delegation(&role)?, edit });
            };
            if !wire.add_keys.is_empty()
                || !wire.add_paths.is_empty()
                || !wire.remove_paths.is_empty()
                || wire.clear_paths
            {
                return Err(ChangeFault::Misplaced("anything but keys to be removed"));
            }
            Ok(Change::PurgeKeys { below: targets_role(below)?, keys: remove_keys })
        }
        (Action::Delete, Kind::Delegation) => {
            no_path().and_then(|()| no_data())?;
            Ok(Change::DeleteDelegation { name: delegation(&role)? })
        }
        (Action::Update, Kind::Witness) => {
            no_path().and_then(|()| no_data())?;
            Ok(Change::Witness { role: targets_role(&role)? })
        }
        _ => Err(ChangeFault::Unknown { action: word(&action), kind: word(&kind), role }),
    }
}

fn texts(ids: &[KeyId]) -> Vec<String> {
    ids.iter().map(|id| id.as_str().to_owned()).collect()
}

fn delegation(name: &str) -> Result<DelegationName, ChangeFault> {
    DelegationName::parse(name).map_err(malformed)
}

fn targets_role(name: &str) -> Result<Role, ChangeFault> {
    let role = Role::parse(name).map_err(malformed)?;
    if role.lists_targets() { Ok(role) } else { Err(ChangeFault::Malformed(format!("{role} lists no targets"))) }
}

#[cfg(test)]
mod tests;
