//! Sealing keys at rest: with a passphrase byte for byte as the reference does, or by a provider that holds a key.

mod envelope;
mod error;
mod header;
mod methods;
pub mod passphrase;
mod pbes2;
mod sealing;
mod secret_file;
mod source;
mod token;
mod vault;
mod wrapping;

pub(crate) use envelope::{CONTENT_ENCRYPTION, SealedKey, check_form};
pub(crate) use error::{Away, Damage, Locked, OpenError, SealError};
pub(crate) use header::MAX_KEY_NAME_BYTES;
pub(crate) use methods::HeaderExcerpt;
pub use sealing::ProviderError;
pub(crate) use sealing::Sealing;
pub use secret_file::SecretFileError;
pub(crate) use secret_file::is_readable_by_all;
pub(crate) use source::passphrase_file;
pub use source::{CommandError, PassphraseCommand};
pub use vault::VaultClientError;
#[cfg(fuzzing)]
pub(crate) use vault::look_at_answer;
pub(crate) use wrapping::KeyWrap;
#[cfg(test)]
pub(crate) use wrapping::{ContentKey, WrappedKey, Wrapping};
