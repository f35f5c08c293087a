//! The verbs, one file each.

pub(crate) mod completions;
pub(crate) mod key;
pub(crate) mod man;
pub(crate) mod pin;
mod table;
pub(crate) mod trust;
