//! A development PKI on disk: one new directory that only its owner can read.

use std::fs::{DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::DevelopmentPki;

/// What each file of the directory is for, one line a file.
pub const CERTIFICATES_READ_ME: &str = "\
ca.crt             the authority; give it to clients, server and signer
server.crt, .key   the trust server's TLS
signer.crt, .key   the signer's TLS
client.crt, .key   the trust server as the signer's client (bulla-server)
token.crt, .key    signs access tokens; token.crt is the server's rootcertbundle
ca.key             the authority's key, for further certificates
";

impl DevelopmentPki {
    /// Writes the certificates and keys into `directory`, which must not exist and gets mode 0700; keys get 0600.
    ///
    /// # Errors
    /// [`WriteError::Exists`] when there is anything at `directory`: nothing is ever overwritten.
    pub fn write(&self, directory: &Path) -> Result<(), WriteError> {
        DirBuilder::new().mode(0o700).create(directory).map_err(|source| match source.kind() {
            io::ErrorKind::AlreadyExists => WriteError::Exists { directory: directory.to_owned() },
            _ => WriteError::Write { path: directory.to_owned(), source },
        })?;
        let identities = [
            ("ca", &self.authority),
            ("server", &self.server),
            ("signer", &self.signer),
            ("client", &self.server_client),
            ("token", &self.token),
        ];
        for (name, identity) in identities {
            write_new(&directory.join(format!("{name}.crt")), 0o644, identity.certificate_pem())?;
            write_new(&directory.join(format!("{name}.key")), 0o600, &identity.key_pem())?;
        }
        Ok(())
    }
}

/// Why the PKI is not on disk.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// There is something at the directory's place already.
    #[error("{} exists already and is not overwritten; name another directory or remove it", directory.display())]
    Exists {
        /// The directory asked for.
        directory: PathBuf,
    },
    /// The file system refused.
    #[error("{} cannot be written", path.display())]
    Write {
        /// The file or directory.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
}

fn write_new(path: &Path, mode: u32, text: &str) -> Result<(), WriteError> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(|source| WriteError::Write { path: path.to_owned(), source })
}
