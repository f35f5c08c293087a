//! The verbs, one file each.

pub(crate) mod key;
pub(crate) mod pin;
mod table;
pub(crate) mod trust;
