//! What can end a verb of `bulla session`.

use std::path::PathBuf;

use bulla::cache::FileError;
use bulla::keys::new_file::NewFileError;
use bulla::signing_session::{FileFault, SessionError};
use tuf_schema::Gun;
use tuf_schema::session::SessionFault;

/// Why a verb failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SigningError {
    /// The file gives no session.
    #[error(transparent)]
    File(#[from] FileFault),
    /// A second file is no copy of the first.
    #[error("{path} is no copy of {first}: {fault}", path = path.display(), first = first.display())]
    Copy {
        /// The file.
        path: PathBuf,
        /// The first file.
        first: PathBuf,
        /// Why not.
        fault: SessionFault,
    },
    /// The file of a new session cannot be made.
    #[error(transparent)]
    New(#[from] NewFileError),
    /// The signatures could not be written down.
    #[error(transparent)]
    Write(#[from] FileError),
    /// A session could not be begun, signed or published.
    #[error("cannot {what} the session of {gun}")]
    Session {
        /// What was to be done.
        what: &'static str,
        /// The repository.
        gun: Gun,
        /// Why.
        source: Box<SessionError>,
    },
    /// Nothing says what is to be signed.
    #[error(
        "nothing is staged for {0}; stage changes first (bulla repo add, bulla delegation add, ...), or name a tag with --tag"
    )]
    NothingStaged(Gun),
    /// A digest that is none.
    #[error("{0:?} is no digest: expected sha256: and 64 lower-case hexadecimal digits")]
    Digest(String),
}

impl SigningError {
    /// What failed, and of which repository.
    pub(super) fn session(what: &'static str, gun: &Gun, source: SessionError) -> Self {
        Self::Session { what, gun: gun.clone(), source: Box::new(source) }
    }
}
