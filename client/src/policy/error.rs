//! Why a policy cannot be used.

use std::path::PathBuf;

use crate::exposure::{Exposed, Foreign};

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
    /// Others may put another one in its place, or take it away.
    #[error(
        "the directory of the policy, {0}: whoever can replace the policy decides what may be pulled; chmod go-w {path}",
        path = .0.path().display()
    )]
    OpenPlace(Exposed),
    /// It is somebody else's.
    #[error("the policy {0}: whoever owns it decides what may be pulled; chown it")]
    Foreign(Foreign),
    /// The directory that it lies in is somebody else's.
    #[error("the directory of the policy, {0}: whoever owns it can replace the policy; chown it, or move the policy")]
    ForeignPlace(Foreign),
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
