//! Why there is no passphrase.

use super::{ATTEMPTS, Fault, Place};
use crate::keys::OpenError;
use crate::keys::token::TokenName;

/// Why there is no passphrase.
#[derive(Debug, thiserror::Error)]
pub enum PassphraseError {
    /// None is given, and there is nobody to ask.
    #[error(
        "no passphrase for the {what}: set {variable} or {file_variable}, use --passphrase-fd, or run at a terminal"
    )]
    NobodyToAsk {
        /// Which key.
        what: String,
        /// The variable that would help.
        variable: &'static str,
        /// The variable that would help by naming a file.
        file_variable: &'static str,
        /// Why asking failed.
        source: std::io::Error,
    },
    /// None for a token, and there is nobody to ask.
    #[error(
        "no PIN for {token}: set BULLA_PKCS11_PIN_FILE or BULLA_PKCS11_PIN, use --passphrase-fd token=N, or run at a \
         terminal"
    )]
    NoPin {
        /// Which token.
        token: TokenName,
        /// Why asking failed.
        source: std::io::Error,
    },
    /// The token locks itself at the next wrong PIN, which is only worth it with somebody who sees what is typed.
    #[error(
        "the next wrong PIN locks {token}, so the one in {place} is not tried: run once at a terminal without it, or log in \
         with the maker's tool"
    )]
    LastTry {
        /// Which token.
        token: TokenName,
        /// Where the PIN is.
        place: Place,
    },
    /// None for a key that is to be sealed anew, and there is nobody to ask.
    #[error(
        "no new passphrase for the {what}: set BULLA_NEW_PASSPHRASE_FILE, use --new-passphrase-fd, or run at a terminal"
    )]
    NobodyToAskAnew {
        /// Which key.
        what: String,
        /// Why asking failed.
        source: std::io::Error,
    },
    /// None for a bundle, and there is nobody to ask.
    #[error(
        "no passphrase for the {what}: set BULLA_BUNDLE_PASSPHRASE_FILE, use --bundle-passphrase-fd, or run at a terminal"
    )]
    NobodyToAskForBundle {
        /// Which bundle.
        what: String,
        /// Why asking failed.
        source: std::io::Error,
    },
    /// A place that was named gives none.
    #[error("cannot take the passphrase for the {what} from {place}")]
    Source {
        /// Which key.
        what: String,
        /// Where it should have come from.
        place: Place,
        /// Why it did not.
        source: Fault,
    },
    /// What is given does not fit.
    #[error("the passphrase in {} does not open the {what}: mend it, or leave it out to be asked", list(tried))]
    Wrong {
        /// Which key.
        what: String,
        /// Where passphrases were found.
        tried: Vec<Place>,
    },
    /// Nothing that was typed fits, or the two texts typed never were the same.
    #[error("no usable passphrase for the {what} after {ATTEMPTS} attempts")]
    GaveUp {
        /// Which key.
        what: String,
    },
    /// The key cannot be opened whatever the passphrase.
    #[error(transparent)]
    Open(OpenError),
}

fn list(places: &[Place]) -> String {
    places.iter().map(Place::to_string).collect::<Vec<_>>().join(" and ")
}
