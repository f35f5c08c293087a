//! A development PKI: one authority and the certificates under it, made anew each time.
//!
//! For trials, the demonstration and tests. Not for production: the authority's key
//! lies beside the certificates, without a passphrase.

mod directory;
mod pki;

pub use directory::{CERTIFICATES_READ_ME, WriteError};
pub use pki::{DevelopmentPki, Identity, PkiError, SERVER_CLIENT_NAME, VALID_DAYS};
