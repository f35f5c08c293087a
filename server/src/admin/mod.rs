//! Looking after a database by hand: what is in it, whether everything of it can be read, and its way into another one.

mod advance;
mod backup;
mod copy;
mod current;
mod error;
mod files;
mod finding;
mod keys;
mod list;
mod lost;
mod missing;
mod open;
mod prune;
mod report;
mod roles;
mod roots;
mod show;
mod shown;
mod take_back;
mod trust_directory;
mod verify;

pub use crate::repositories::MAX_LISTED;
pub use advance::{AdvanceRequest, DEFAULT_ADVANCE, MAX_ADVANCE, advance};
pub use backup::{backup, restore};
pub use copy::copy;
pub use error::AdminError;
pub use list::{ListRequest, list};
pub use lost::SignerKeysError;
pub(crate) use missing::tell_missing;
pub use prune::{MAX_DAYS, PruneRequest, prune};
pub(crate) use roles::Roles;
pub use show::show;
pub(crate) use shown::ShownRole;
pub use trust_directory::TrustDirectoryError;
pub use verify::{Verdict, VerifyRequest, verify};
