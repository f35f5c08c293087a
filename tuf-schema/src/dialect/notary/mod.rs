//! The Notary dialect: wire structures of the reference implementation 0.7.0, to and from the models.

mod bytes;
pub(super) mod envelope;
mod grant;
mod root;
mod snapshot;
mod targets;
mod timestamp;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{DecodeError, EncodeError, Fault};
use crate::role::Role;
use crate::time::UtcTime;

/// Reads a wire structure; a wrong member becomes a fault of `role`.
fn read<W: DeserializeOwned>(role: &Role, signed: &Value) -> Result<W, DecodeError> {
    W::deserialize(signed).map_err(|e| fault(role, Fault::Member(e.to_string())))
}

/// Reads a wire structure and writes it again.
fn reread<W: DeserializeOwned + Serialize>(signed: &Value) -> Option<Value> {
    write(&W::deserialize(signed).ok()?).ok()
}

/// Writes a wire structure.
fn write<W: Serialize>(wire: &W) -> Result<Value, EncodeError> {
    serde_json::to_value(wire).map_err(|e| EncodeError::Unwritable(e.to_string()))
}

fn fault(role: &Role, fault: Fault) -> DecodeError {
    DecodeError { role: role.clone(), fault }
}

/// Checks `_type`.
fn expect_type(role: &Role, expected: &'static str, found: &str) -> Result<(), DecodeError> {
    if found == expected {
        return Ok(());
    }
    Err(fault(role, Fault::Type { expected, found: found.to_owned() }))
}

/// A date; written back in the reference's form.
#[derive(serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
struct WireTime(UtcTime);

impl Clone for WireTime {
    fn clone(&self) -> Self {
        Self(self.0)
    }
}

impl TryFrom<String> for WireTime {
    type Error = crate::time::TimeError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        UtcTime::parse(&text).map(Self)
    }
}

impl From<WireTime> for String {
    fn from(time: WireTime) -> Self {
        time.0.to_rfc3339()
    }
}
