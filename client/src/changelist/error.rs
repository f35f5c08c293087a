//! Why staged changes cannot be read or changed.

use std::path::PathBuf;

use super::MAX_CHANGE_BYTES;
use super::wire::ChangeFault;
use crate::cache::FileError;
use crate::lock::LockError;

/// Why the staged changes cannot be read or changed. None was lost.
#[derive(Debug, thiserror::Error)]
pub enum ChangelistError {
    /// A file or directory cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The list cannot be locked.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// A file of the list is not understood, so nothing is published that might belong to it.
    #[error(
        "the staged change {path} is not understood: {why}; publish it with the program that staged it, or move it away",
        path = path.display()
    )]
    NotUnderstood {
        /// The file.
        path: PathBuf,
        /// Why.
        why: ChangeFault,
    },
    /// A file of the list is larger than a change can be.
    #[error("the staged change {path} has more than {MAX_CHANGE_BYTES} bytes; move it away", path = .0.display())]
    TooLarge(PathBuf),
    /// Something else lies among the changes.
    #[error("{path} lies among the staged changes and is none; move it away", path = .0.display())]
    Foreign(PathBuf),
    /// No name sorts after this one, so nothing can be staged behind it.
    #[error("nothing can be staged behind {path}; publish or reset what is staged", path = .0.display())]
    NoNameLeft(PathBuf),
    /// There is no change of this number.
    #[error("there is no staged change {number}: {}", numbers(*.count))]
    NoSuchNumber {
        /// The number.
        number: usize,
        /// How many changes there are.
        count: usize,
    },
    /// The change has no form on disk.
    #[error("the change cannot be written")]
    Unwritable(#[from] serde_json::Error),
}

/// Which numbers there are.
fn numbers(count: usize) -> String {
    match count.checked_sub(1) {
        None => "nothing is staged".to_owned(),
        Some(0) => "there is only 0".to_owned(),
        Some(last) => format!("they go from 0 to {last}"),
    }
}
