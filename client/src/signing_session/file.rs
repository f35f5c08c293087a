//! The file of a session, read within its limit.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use tuf_schema::session::{MAX_SESSION_BYTES, SessionFault, SigningSession};

/// Why a file gives no session.
#[derive(Debug, thiserror::Error)]
pub enum FileFault {
    /// It cannot be read.
    #[error("cannot read {path}", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It holds something else.
    #[error("{path} cannot be used: {fault}; ask for the file again, or begin anew with another: bulla session start GUN FILE",
        path = path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// Why.
        fault: SessionFault,
    },
}

/// Reads the session in a file.
///
/// # Errors
/// [`FileFault`].
pub fn read(path: &Path) -> Result<SigningSession, FileFault> {
    let failed = |source| FileFault::Read { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    // One more than may be: then it is seen to be too large.
    let limit = MAX_SESSION_BYTES as u64;
    File::open(path).map_err(failed)?.take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(failed)?;
    SigningSession::parse(&bytes).map_err(|fault| FileFault::Unusable { path: path.to_owned(), fault })
}
