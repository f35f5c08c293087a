//! JSON as content trust needs it: parsed strictly, written in exactly one way.

pub mod canonical;
pub(crate) mod ordered;
pub mod strict;

pub(crate) use canonical::behind_wire_of;
pub use canonical::{canonical, wire, wire_of};
pub use serde_json::Value;
pub use strict::{JsonError, parse};
