//! Why a policy cannot be used.

use std::path::PathBuf;

use crate::exposure::Exposed;

/// Why a policy cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// It cannot be read.
    #[error("cannot read the policy {path}: {why}; nothing is decided without it", path = path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// Others may change it.
    #[error("the policy {0}: whoever can change it decides what may be pulled")]
    Open(Exposed),
    /// It is not understood.
    #[error("the policy {path}, line {line}: {why}", path = path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// The line, counted from one.
        line: usize,
        /// The member, and what is wrong with it.
        why: String,
    },
}
