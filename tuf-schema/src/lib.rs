//! Content-trust metadata without IO: types, canonical JSON, keys, and every rule that decides whether a document may
//! be believed. Server, signer and client fetch, store, sign and print; what is valid is decided here.
//!
//! Reads no clock, draws no randomness of its own, opens no file and no socket.

pub mod dialect;
pub mod digest;
pub mod envelope;
pub mod gun;
pub mod json;
pub mod key;
pub mod model;
mod parallel;
pub mod role;
pub mod session;
pub mod sign;
pub mod signature;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod time;
pub mod update_answer;
pub mod verify;
pub mod version;

pub use dialect::Dialect;
pub use digest::{Digests, Sha256};
pub use envelope::{Draft, Envelope, ReadBackError, Unverified};
pub use gun::Gun;
pub use key::{KeyId, KeyType, PublicKey};
pub use role::{BaseRole, DelegationName, Role};
pub use sign::SigningKey;
pub use signature::{Signature, SignatureMethod};
pub use time::UtcTime;
pub use version::Version;
