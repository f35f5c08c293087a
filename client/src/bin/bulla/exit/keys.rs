//! What failures with private keys are called.

use bulla::bundle::BundleError;
use bulla::keys::token::TokenError;
use bulla::keys::{ImportError, KeyringError};
use bulla::shares::ShareError;

use super::Code;
use crate::cmd::key::KeyError;

impl Code {
    pub(super) fn of_key_verb(error: &KeyError) -> Self {
        match error {
            KeyError::Keyring(e) => Self::of_keyring(e),
            KeyError::Import(e) => Self::of_import(e),
            KeyError::Bundle(e) => Self::of_bundle(e),
            KeyError::Share(e) => Self::of_share(e),
            KeyError::NewFile(_) | KeyError::NoDirectory(_) => Self::File,
            KeyError::NoKeyOf { .. } | KeyError::NoKeys(_) => Self::NoKey,
            KeyError::Rotation { source, .. } => Self::of_rotation(source),
            KeyError::Certificate(_) => Self::Key,
            KeyError::NoRole | KeyError::Role(_) | KeyError::Quorum(_) => Self::Usage,
            KeyError::NoId(_)
            | KeyError::RotationNotConfirmed
            | KeyError::GunNeeded(_)
            | KeyError::NoRootKind(_)
            | KeyError::RootKey(_)
            | KeyError::RootKeyOnToken(_)
            | KeyError::NotAnswered(_) => Self::Invalid,
        }
    }

    pub(super) fn of_bundle(error: &BundleError) -> Self {
        match error {
            BundleError::File(_) | BundleError::New(_) | BundleError::Unproven(_) | BundleError::Taken(_) => Self::File,
            BundleError::Passphrase(_) => Self::Passphrase,
            BundleError::Keyring(e) => Self::of_keyring(e),
            BundleError::Config(_) | BundleError::Policy(_) => Self::Invalid,
            BundleError::NoKeys(_) | BundleError::NoKeyOf { .. } => Self::NoKey,
            BundleError::NotBundled { .. } | BundleError::Seal | BundleError::Unusable { .. } => Self::Key,
        }
    }

    pub(super) fn of_share(error: &ShareError) -> Self {
        match error {
            ShareError::File(_) | ShareError::New(_) | ShareError::Taken(_) | ShareError::Unproven(_) => Self::File,
            ShareError::Keyring(e) | ShareError::NotRemoved { source: e, .. } => Self::of_keyring(e),
            ShareError::LeftBehind { source, .. } => Self::of_share(source),
            ShareError::NoFiles => Self::Usage,
            ShareError::NotRoot { .. } => Self::Invalid,
            ShareError::Randomness
            | ShareError::Unusable { .. }
            | ShareError::OtherKey { .. }
            | ShareError::OtherSplit { .. }
            | ShareError::Twice { .. }
            | ShareError::TooFew { .. }
            | ShareError::NotTheKey(_) => Self::Key,
        }
    }

    pub(super) fn of_import(error: &ImportError) -> Self {
        match error {
            ImportError::File(_) | ImportError::Missing(_) | ImportError::TooLarge(_) => Self::File,
            ImportError::NoKey(_) | ImportError::Damaged { .. } => Self::Key,
            ImportError::GunNeeded { .. } => Self::Invalid,
            ImportError::Key { source, .. } => Self::of_keyring(source),
        }
    }

    pub(super) fn of_keyring(error: &KeyringError) -> Self {
        match error {
            KeyringError::Passphrase(_) => Self::Passphrase,
            KeyringError::File(_) | KeyringError::New(_) | KeyringError::Remove { .. } => Self::File,
            KeyringError::Unknown(_) => Self::NoKey,
            KeyringError::Token(e) => Self::of_token(e),
            KeyringError::OnToken { .. } | KeyringError::NotOnToken(_) | KeyringError::HereAlready { .. } => {
                Self::Invalid
            }
            KeyringError::NotAKey(_)
            | KeyringError::WrongName { .. }
            | KeyringError::Open(_)
            | KeyringError::Seal(_)
            | KeyringError::Make(_) => Self::Key,
        }
    }
    fn of_token(error: &TokenError) -> Self {
        match error {
            TokenError::NoModule | TokenError::Ambiguous { .. } | TokenError::Which(_) => Self::Invalid,
            TokenError::Module { .. } | TokenError::Exposed(_) => Self::File,
            TokenError::Away(_) | TokenError::NoneNamed(_) | TokenError::NoToken(_) | TokenError::NoObject { .. } => {
                Self::NoKey
            }
            TokenError::PinWrong { .. }
            | TokenError::PinRefusedBefore(_)
            | TokenError::PinLocked(_)
            | TokenError::PinNotSet(_) => Self::Passphrase,
            TokenError::OtherKey { .. }
            | TokenError::Unfit { .. }
            | TokenError::Refused { .. }
            | TokenError::Randomness => Self::Key,
        }
    }
}
