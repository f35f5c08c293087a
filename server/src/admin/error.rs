//! Why a database cannot be looked after.

use std::path::PathBuf;

use bulla_database::Failure;
use tuf_schema::Gun;

use super::SignerKeysError;
use crate::StartError;
use crate::store::StoreError;
use crate::store::sql::CopyError;

/// Why a command could not do its work.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// The configuration keeps metadata in the server's own memory.
    #[error("storage.backend is \"memory\": only the running server has what is stored")]
    Memory,
    /// The database is not there; a server would make it.
    #[error("there is no database at {path}", path = .0.display())]
    NoDatabase(PathBuf),
    /// Nothing is stored of the repository that was asked for.
    #[error("nothing is stored of {0}")]
    NoRepository(Gun),
    /// The list of the signer's keys cannot be used.
    #[error("the list of the signer's keys {path}", path = .path.display())]
    SignerKeys {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: SignerKeysError,
    },
    /// What the configuration names cannot be used.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The database does not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// One of the two databases of a copy cannot be used.
    #[error("the {which} of the copy")]
    Copied {
        /// `source` or `target`.
        which: &'static str,
        /// Why.
        #[source]
        source: Box<Self>,
    },
    /// The databases cannot be opened for a copy.
    #[error("cannot open the {which} of the copy")]
    Open {
        /// `source` or `target`.
        which: &'static str,
        /// Why.
        #[source]
        source: Failure,
    },
    /// Nothing was copied.
    #[error("nothing is copied")]
    Copy(#[from] CopyError),
    /// What was found cannot be told.
    #[error("cannot write the output")]
    Output(#[from] std::io::Error),
}
