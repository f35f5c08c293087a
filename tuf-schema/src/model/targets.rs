//! Targets: the signed tags of a repository, and what is delegated.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::digest::Digests;
use crate::model::Delegations;
use crate::time::UtcTime;
use crate::version::Version;

/// The document of `targets` or of a delegation.
#[derive(Clone, Debug)]
pub struct Targets {
    /// Its version.
    pub version: Version,
    /// When it stops being valid.
    pub expires: UtcTime,
    /// Signed targets by name; of an image repository, the tags.
    pub targets: BTreeMap<String, Target>,
    /// What it delegates.
    pub delegations: Delegations,
}

/// One signed target: of an image, the manifest behind a tag.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    /// Length in bytes.
    pub length: u64,
    /// Digests by name.
    pub digests: Digests,
    /// What the signer added, untouched.
    pub custom: Option<Value>,
}
