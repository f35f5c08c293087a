//! JSON as content trust needs it: parsed strictly, written in exactly one way.

pub mod canonical;
pub mod strict;

pub use canonical::{canonical, wire};
pub use serde_json::Value;
pub use strict::{JsonError, parse};
