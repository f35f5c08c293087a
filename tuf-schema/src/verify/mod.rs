//! Verification: from what came to what may be believed.
//!
//! [`Verified`] says that enough distinct keys signed; [`Current`] says that it may be used now. They are two facts,
//! because an expired root may still introduce its successor.

mod authority;
pub mod chain;
mod current;
pub mod limits;
mod pin;
mod root;
mod verified;

pub use authority::Authority;
pub use current::{Current, Floor, StaleError};
pub use pin::{Expected, Found, Pin, PinError, PinMismatch};
pub use root::{FirstRootError, RootError, follow, trust_first};
pub use verified::{SignatureError, Verified};
