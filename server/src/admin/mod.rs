//! Looking after a database by hand: whether everything in it can be read, and its way into another one.

mod copy;
mod current;
mod error;
mod files;
mod finding;
mod keys;
mod lost;
mod missing;
mod open;
mod report;
mod roots;
mod verify;

pub use copy::copy;
pub use error::AdminError;
pub use lost::SignerKeysError;
pub(crate) use missing::tell_missing;
pub use verify::{Verdict, VerifyRequest, verify};
