//! Snapshot: which document of each role is current.

use std::collections::BTreeMap;

use crate::model::FileMeta;
use crate::role::Role;
use crate::time::UtcTime;
use crate::version::Version;

/// The snapshot document.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// Its version.
    pub version: Version,
    /// When it stops being valid.
    pub expires: UtcTime,
    /// The current document of root and of every targets role.
    pub meta: BTreeMap<Role, FileMeta>,
}
