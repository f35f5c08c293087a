//! Timestamp: which snapshot is current.

use crate::model::FileMeta;
use crate::time::UtcTime;
use crate::version::Version;

/// The timestamp document.
#[derive(Clone, Debug)]
pub struct Timestamp {
    /// Its version.
    pub version: Version,
    /// When it stops being valid.
    pub expires: UtcTime,
    /// The current snapshot.
    pub snapshot: FileMeta,
}
