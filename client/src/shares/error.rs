//! Why a key was not shared, or shares were not joined.

use std::path::PathBuf;

use tuf_schema::KeyId;

use super::file::SplitId;
use crate::cache::FileError;
use crate::keys::new_file::NewFileError;
use crate::keys::{KeyRole, KeyringError};

/// Why there are no shares, or no key out of them.
#[derive(Debug, thiserror::Error)]
pub enum ShareError {
    /// A file cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The file of a share cannot be made.
    #[error(transparent)]
    New(#[from] NewFileError),
    /// The key cannot be opened, stored or removed.
    #[error(transparent)]
    Keyring(#[from] KeyringError),
    /// The key is for something else.
    #[error(
        "{id} is for {role}, and only root keys are shared: who loses another one has it replaced (`bulla key rotate`)"
    )]
    NotRoot {
        /// The key.
        id: KeyId,
        /// What it is for.
        role: KeyRole,
    },
    /// The directory is no empty place for shares.
    #[error("{share} is here already: shares are written where none are, so that no two splits are mixed", share = .0.display())]
    Taken(PathBuf),
    /// There is no randomness.
    #[error("no randomness to share the key with")]
    Randomness,
    /// What was written is not what is read, or does not give the key.
    #[error("the shares in {directory} were written and do not give the key: they were removed, and the disk should be looked at", directory = .0.display())]
    Unproven(PathBuf),
    /// Shares that are good for nothing could not be taken away again.
    #[error("the key was not shared, and of what was written these are left: destroy {files}", files = listed(.files))]
    LeftBehind {
        /// What is left.
        files: Vec<PathBuf>,
        /// Why the key was not shared.
        source: Box<Self>,
    },
    /// The key is shared and still here.
    #[error("the shares in {directory} give the key, which is still here, too", directory = directory.display())]
    NotRemoved {
        /// Where the shares are.
        directory: PathBuf,
        /// Why the key is still here.
        source: KeyringError,
    },
    /// No file is named.
    #[error("no shares are named")]
    NoFiles,
    /// A file is no share that can be used.
    #[error("{path} is no share that can be joined, and nothing was written", path = path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: ShareFileError,
    },
    /// Two shares are of different keys.
    #[error("{path} is a share of the key {found}, and {first} one of {expected}: nothing was written", path = path.display(), first = first.display())]
    OtherKey {
        /// The first file.
        first: PathBuf,
        /// Whose share it is.
        expected: KeyId,
        /// The other file.
        path: PathBuf,
        /// Whose share that is.
        found: KeyId,
    },
    /// Two shares are of one key, shared twice.
    #[error(
        "{path} is of the split {found}, and {first} of {expected}: shares of two splits do not fit together, and nothing was \
         written",
        path = path.display(),
        first = first.display()
    )]
    OtherSplit {
        /// The first file.
        first: PathBuf,
        /// Its split.
        expected: SplitId,
        /// The other file.
        path: PathBuf,
        /// Its split.
        found: SplitId,
    },
    /// One share is there twice.
    #[error("{first} and {path} are the same share, number {number}: nothing was written", first = first.display(), path = path.display())]
    Twice {
        /// Its number.
        number: u8,
        /// A file of it.
        first: PathBuf,
        /// Another one.
        path: PathBuf,
    },
    /// There are not enough shares.
    #[error("{found} of the {threshold} shares that give the key {key}: find {missing} more of the split {split}", missing = usize::from(*.threshold).saturating_sub(*.found))]
    TooFew {
        /// The key.
        key: KeyId,
        /// The split.
        split: SplitId,
        /// How many are there.
        found: usize,
        /// How many are needed.
        threshold: u8,
    },
    /// The shares give something else.
    #[error(
        "these shares do not give the key {0}: one of them was made up, and nothing was written; try others, or look whose it is"
    )]
    NotTheKey(KeyId),
}

/// What is wrong with the file of a share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ShareFileError {
    /// There is no share in it.
    #[error("it holds no share of a key")]
    NoShare,
    /// It is larger than any share.
    #[error("it has more than {limit} bytes", limit = super::MAX_FILE_BYTES)]
    TooLarge,
    /// There are several shares in it.
    #[error("it holds several shares: give each a file of its own")]
    Several,
    /// Not all of it is there, or not as it was written.
    #[error("it is cut off or altered: take another copy, or another share")]
    Damaged,
    /// A later build wrote it.
    #[error("it has version {0}; this build reads version {version}: join it with a newer one", version = super::file::VERSION)]
    Version(u64),
    /// It says of itself what no share says.
    #[error("its header {0:?} is missing or makes no sense")]
    Header(&'static str),
}

fn listed(files: &[PathBuf]) -> String {
    files.iter().map(|file| file.display().to_string()).collect::<Vec<_>>().join(" and ")
}
