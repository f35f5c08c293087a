//! Why a database cannot be looked after.

use std::path::PathBuf;

use bulla_database::Failure;
use tuf_schema::Gun;

use super::{SignerKeysError, TrustDirectoryError};
use crate::StartError;
use crate::publish::PublishError;
use crate::signer::SignerError;
use crate::store::StoreError;
use crate::store::sql::CopyError;

/// Why a command could not do its work.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// The keys are in the running server's own memory.
    #[error("trust_service.type is \"local\": only the running server has the keys")]
    LocalKeys,
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
    /// The signer does not answer.
    #[error(transparent)]
    Signer(#[from] SignerError),
    /// A client's trust directory cannot be used.
    #[error(transparent)]
    TrustDirectory(#[from] TrustDirectoryError),
    /// Database or signer failed while documents were taken back.
    #[error("documents cannot be taken back")]
    TakeBack(#[source] PublishError),
    /// A file cannot be read or written.
    #[error("{path}", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// A backup is no database that can be read, or cannot be written.
    #[error("the backup {path}", path = path.display())]
    Backup {
        /// The file.
        path: PathBuf,
        /// What the database says.
        #[source]
        source: Failure,
    },
    /// A file holds another database.
    #[error("{path} is no backup of a server: it has no table tuf_files", path = .0.display())]
    NoBackup(PathBuf),
    /// A backup was restored, and versions could not be moved on.
    #[error(
        "the backup is restored, but nothing is signed above it yet: mend this, and run `admin advance` before the server"
    )]
    NotAdvanced(#[source] Box<Self>),
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
