//! Why there is no bundle, or what is in one is not restored.

use std::path::PathBuf;

use tuf_schema::Gun;

use super::place::PlaceError;
use crate::cache::FileError;
use crate::config::ConfigError;
use crate::keys::new_file::NewFileError;
use crate::keys::{KeyringError, PassphraseError};
use crate::policy::PolicyError;

/// Why nothing was backed up, or nothing restored.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// A file cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The bundle, or a file out of it, cannot be made.
    #[error(transparent)]
    New(#[from] NewFileError),
    /// No passphrase opens the bundle, or there is none for it.
    #[error(transparent)]
    Passphrase(#[from] PassphraseError),
    /// A key cannot be read, or is not the one that its name says.
    #[error(transparent)]
    Keyring(#[from] KeyringError),
    /// The settings that belong into the bundle are not understood.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The policy that belongs into the bundle is not understood.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// There is no key to back up.
    #[error("no keys are in {directory}: there is nothing to back up", directory = .0.display())]
    NoKeys(PathBuf),
    /// There is no key of a repository.
    #[error("no key of {gun} is in {directory}", directory = directory.display())]
    NoKeyOf {
        /// The repository.
        gun: Gun,
        /// Where was looked.
        directory: PathBuf,
    },
    /// A file that belongs into the bundle cannot be in one.
    #[error("{path} cannot be in a bundle", path = path.display())]
    NotBundled {
        /// The file.
        path: PathBuf,
        /// Why.
        source: ContentError,
    },
    /// The bundle cannot be sealed.
    #[error("the bundle cannot be sealed: the parameters of scrypt are refused")]
    Seal,
    /// What was written is not what is read.
    #[error("{path} was written and reads otherwise: it was removed, and the disk should be looked at", path = .0.display())]
    Unproven(PathBuf),
    /// A file is no bundle that can be used.
    #[error("{path} is not restored, and nothing was written", path = path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: ContentError,
    },
    /// Something else lies where a file is to be restored to.
    #[error(
        "{path} is here with another content, and nothing was written: move one of the two away, and restore again",
        path = .0.display()
    )]
    Taken(PathBuf),
}

/// What is wrong with a bundle, or with a file for one.
#[derive(Debug, thiserror::Error)]
pub enum ContentError {
    /// It does not begin as a bundle does.
    #[error("it is no bundle of keys: it does not begin with \"scrypt\"")]
    NoBundle,
    /// It is larger than a bundle may be.
    #[error("it has more than {limit} bytes", limit = super::MAX_BUNDLE_BYTES)]
    TooLarge,
    /// Sealed in a later version of the format.
    #[error("it is sealed in version {0} of scrypt's format; this build reads version 0")]
    SealVersion(u8),
    /// Whoever sealed it demands more work or memory than any passphrase is worth.
    #[error("it asks for too much work or memory of scrypt")]
    TooMuchWork,
    /// Not all of it is there, or not as it was written.
    #[error("it is cut off or altered: take another copy")]
    Damaged,
    /// What was sealed is no bundle's content.
    #[error("what is sealed in it is not what `bulla key backup` writes")]
    NoContent,
    /// A later build wrote it.
    #[error("it has version {found}; this build reads up to {highest}: restore it with a newer one", highest = super::archive::VERSION)]
    Version {
        /// What it says.
        found: u64,
    },
    /// There are more or fewer files than it says.
    #[error("it has {found} files and says that it has {expected}")]
    Count {
        /// What it says.
        expected: u64,
        /// What there is.
        found: u64,
    },
    /// There are too many files.
    #[error("it has more than {limit} files", limit = super::MAX_FILES)]
    TooManyFiles,
    /// A link, a directory, a device.
    #[error("{0:?} in it is no plain file")]
    NoFile(String),
    /// A name leads elsewhere.
    #[error("{name:?} in it is refused")]
    Place {
        /// The name.
        name: String,
        /// Why.
        source: PlaceError,
    },
    /// A name stands twice.
    #[error("{0:?} stands in it twice")]
    Twice(String),
    /// A file is too large.
    #[error("{name:?} in it has more than {limit} bytes", limit = super::MAX_FILE_BYTES)]
    FileTooLarge {
        /// Its name.
        name: String,
    },
    /// The file of a key holds none.
    #[error("{0:?} in it holds no private key")]
    NoKey(String),
    /// A root does not hold by itself.
    #[error("the root of {gun} in it is not to be believed: {why}")]
    NoRoot {
        /// The repository.
        gun: Gun,
        /// Why.
        why: String,
    },
    /// A file that nothing in the bundle speaks of.
    #[error("{0:?} in it is pinned by nothing in it")]
    NotPinned(String),
    /// The settings are not understood.
    #[error(transparent)]
    Settings(ConfigError),
    /// The policy is not understood.
    #[error(transparent)]
    Policy(PolicyError),
}
