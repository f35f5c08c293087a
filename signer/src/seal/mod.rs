//! Sealing keys at rest: with a passphrase byte for byte as the reference does, or by a provider that holds a key.

mod envelope;
mod error;
mod header;
mod methods;
pub mod passphrase;
mod pbes2;
mod sealing;
mod wrapping;

pub(crate) use envelope::{CONTENT_ENCRYPTION, SealedKey, check_form};
pub(crate) use error::{Away, Damage, Locked, OpenError, SealError};
pub(crate) use methods::HeaderExcerpt;
pub(crate) use sealing::Sealing;
pub(crate) use wrapping::KeyWrap;
