//! A time that is shown: RFC 3339 for programs, docker's words for people.

use std::fmt;

use serde::{Serialize, Serializer};
use tuf_schema::UtcTime;

/// A time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment(pub(crate) UtcTime);

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0.to_rfc3339())
    }
}
