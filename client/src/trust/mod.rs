//! Trust in a repository: brought up to date, and read.

mod allowance;
mod anchors;
pub mod collection;
mod offers;
mod report;
mod update;

pub use anchors::{Anchor, AuthorityCertificate, anchors};
pub use report::{Chunk, ReleasedTag, Report, Signer, natural, released, releasing};
pub use update::{Offline, UpdateError, Updated, for_renewal, update};
pub(crate) use update::{fetch, keep};
