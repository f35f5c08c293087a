//! The verbs, one file each.

mod batch;
pub(crate) mod completions;
pub(crate) mod deciding;
pub(crate) mod delegation;
pub(crate) mod doctor;
mod explained;
pub(crate) mod key;
pub(crate) mod man;
mod moment;
pub(crate) mod pin;
pub(crate) mod policy;
mod reading;
pub(crate) mod renew;
pub(crate) mod repo;
pub(crate) mod session;
mod table;
pub(crate) mod threshold;
pub(crate) mod trust;
pub(crate) mod verify;
