//! What is found in a chain that is not as its signer left it.

use std::path::PathBuf;

use crate::audit::chain::LineError;
use crate::audit::head::HeadError;
use crate::audit::name::ChainId;
use crate::audit::segments::FolderError;

/// The first thing that is not as the signer left it.
#[derive(Debug, thiserror::Error)]
pub enum Finding {
    /// A line is not the one that was written.
    #[error("{file}, line {line}: edited: line {sequence} of the chain should stand here, and {source}")]
    Edited {
        /// The file.
        file: PathBuf,
        /// The line in it, from 1.
        line: u64,
        /// The line of the chain that should stand there.
        sequence: u64,
        /// What is wrong with it.
        source: LineError,
    },
    /// Lines are missing.
    #[error("{file}, line {line}: removed: lines {expected} to {last} of the chain are missing before line {found}", last = found - 1)]
    Removed {
        /// The file.
        file: PathBuf,
        /// The line in it, from 1.
        line: u64,
        /// The first line that is missing.
        expected: u64,
        /// The line that stands there.
        found: u64,
    },
    /// A file is missing.
    #[error("{file}: removed: the file is missing, and later ones are there")]
    RemovedFile {
        /// The file.
        file: PathBuf,
    },
    /// Lines stand in another order, or twice.
    #[error("{file}, line {line}: reordered: line {found} of the chain stands where line {expected} should")]
    Reordered {
        /// The file.
        file: PathBuf,
        /// The line in it, from 1.
        line: u64,
        /// The line that should stand there.
        expected: u64,
        /// The line that stands there.
        found: u64,
    },
    /// A line was written anew, with a hash of its own.
    #[error(
        "{file}, line {line}: edited: line {found} of the chain was written behind another line {last} than stands there"
    )]
    Replaced {
        /// The file.
        file: PathBuf,
        /// The line in it, from 1.
        line: u64,
        /// The line that was put in.
        last: u64,
        /// The line behind it.
        found: u64,
    },
    /// A file does not begin as one of the chain.
    #[error("{file}, line 1: it does not begin as a file of this chain")]
    NotOfTheChain {
        /// The file.
        file: PathBuf,
    },
    /// The chain is shorter than a head says.
    #[error("tail cut off: the chain ends with line {count}, and the head of {time} tells of line {expected}")]
    CutOff {
        /// Lines that are there.
        count: u64,
        /// Lines that were there.
        expected: u64,
        /// When the head was signed.
        time: String,
    },
    /// A line is not the one that a head tells of.
    #[error(
        "{file}, line {line}: rewritten: line {sequence} of the chain is not the one that the head of {time} tells of"
    )]
    Rewritten {
        /// The file.
        file: PathBuf,
        /// The line in it, from 1.
        line: u64,
        /// The line of the chain.
        sequence: u64,
        /// When the head was signed.
        time: String,
    },
    /// A head is of another chain.
    #[error("exchanged: the head of {time} tells of the chain {expected}, and this is {found}")]
    Exchanged {
        /// The chain of the head.
        expected: ChainId,
        /// The chain of the files.
        found: ChainId,
        /// When the head was signed.
        time: String,
    },
    /// A head is not signed with a key that it may be signed with.
    #[error("the head of {time} is signed with the key {key}, which is none of those given")]
    OtherKey {
        /// The public key, in hexadecimal.
        key: String,
        /// When the head was signed.
        time: String,
    },
    /// A head was changed.
    #[error("line {line} of the heads: {source}")]
    Head {
        /// The line, from 1.
        line: u64,
        /// What is wrong with it.
        source: HeadError,
    },
    /// Heads go back.
    #[error("the head of {time} tells of fewer lines than the one before it")]
    HeadsReordered {
        /// When it was signed.
        time: String,
    },
}

/// Why a chain could not be verified.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// It was changed.
    #[error(transparent)]
    Found(Box<Finding>),
    /// The files cannot be read.
    #[error(transparent)]
    Folder(FolderError),
}

impl From<FolderError> for VerifyError {
    fn from(error: FolderError) -> Self {
        match error {
            FolderError::Missing { file } => Finding::RemovedFile { file }.into(),
            error @ (FolderError::Io { .. } | FolderError::OpenToOthers { .. } | FolderError::Locked { .. }) => {
                Self::Folder(error)
            }
        }
    }
}

impl From<Finding> for VerifyError {
    fn from(finding: Finding) -> Self {
        Self::Found(Box::new(finding))
    }
}
