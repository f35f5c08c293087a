//! The verbs, one file each.

pub(crate) mod key;
mod table;
pub(crate) mod trust;
