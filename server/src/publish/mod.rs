//! A publish: from uploaded parts to a validated update, and into the store.

use bytes::Bytes;
use tuf_schema::Role;

mod update;

pub use update::{NewFile, ValidatedUpdate};

/// One part of an upload.
#[derive(Debug, Clone)]
pub struct UploadPart {
    /// The role that the part's file name gives.
    pub role: Role,
    /// The part's content as it came.
    pub bytes: Bytes,
}

/// The parts of one request; no role occurs twice.
#[derive(Debug, Clone, Default)]
pub struct Upload {
    /// In order of arrival.
    pub parts: Vec<UploadPart>,
}
