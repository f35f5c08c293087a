//! What metadata means, whatever dialect it was written in. Nothing here knows JSON.

mod delegation;
mod file;
mod root;
mod snapshot;
mod targets;
mod timestamp;

pub use delegation::{DelegatedRole, Delegations};
pub use file::{FileMeta, FileMismatch};
pub use root::{KeyGrant, Root};
pub use snapshot::Snapshot;
pub use targets::{Target, Targets};
pub use timestamp::Timestamp;
