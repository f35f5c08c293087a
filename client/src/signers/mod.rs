//! Signers as docker has them: a delegation `targets/NAME` for each, and `targets/releases` for what they release.

mod add;
mod error;
mod first;
mod name;
mod remove;
mod revoke;

pub use add::AddSigner;
pub use error::{Holder, SignersError};
pub use first::first_signer;
pub use name::{NameError, SignerName};
pub use remove::{Releases, RemoveSigner, holders_of_releases, releases_lost_its_signature};
pub use revoke::Revoke;
