//! Files that hold a secret: the first line counts, and is wiped when it has been used.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

/// The most that is read, in bytes. Tokens of Vault have some hundred.
const MAX_BYTES: usize = 4096;

/// Why a file gives no secret.
#[derive(Debug, thiserror::Error)]
pub enum SecretFileError {
    /// It cannot be read.
    #[error("file {file} cannot be read")]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It holds nothing before its first line ends.
    #[error("file {file} is empty")]
    Empty {
        /// The file.
        file: PathBuf,
    },
    /// It is longer than any secret, or no text.
    #[error("file {file} holds no text of at most {MAX_BYTES} bytes")]
    NoSecret {
        /// The file.
        file: PathBuf,
    },
}

/// The first line of a file. Reads a local file: where that might take long, call it where waiting is allowed.
///
/// # Errors
/// [`SecretFileError`] names the file.
pub(crate) fn read_secret(file: &Path) -> Result<Zeroizing<String>, SecretFileError> {
    let mut bytes = secret_buffer();
    let unreadable = |source| SecretFileError::Unreadable { file: file.to_owned(), source };
    let opened = File::open(file).map_err(unreadable)?;
    opened.take(buffer_bytes()).read_to_end(&mut bytes).map_err(unreadable)?;
    match first_line(&bytes) {
        FirstLine::Text(text) => Ok(text),
        FirstLine::Empty => Err(SecretFileError::Empty { file: file.to_owned() }),
        FirstLine::NoSecret => Err(SecretFileError::NoSecret { file: file.to_owned() }),
    }
}

/// Whether every account of the machine may read a file. False if it is not there.
pub(crate) fn is_readable_by_all(file: &Path) -> bool {
    std::fs::metadata(file).is_ok_and(|data| data.permissions().mode() & 0o004 != 0)
}

/// What a source of secrets begins with.
pub(super) enum FirstLine {
    /// A secret.
    Text(Zeroizing<String>),
    /// Nothing before the first line ends.
    Empty,
    /// Too much, or no text.
    NoSecret,
}

/// Room for [`buffer_bytes`], so that it never grows and leaves a copy behind.
pub(super) fn secret_buffer() -> Zeroizing<Vec<u8>> {
    Zeroizing::new(Vec::with_capacity(MAX_BYTES + 2))
}

/// How much to read: one byte more than is accepted.
pub(super) fn buffer_bytes() -> u64 {
    MAX_BYTES as u64 + 1
}

pub(super) fn first_line(bytes: &[u8]) -> FirstLine {
    if bytes.len() > MAX_BYTES {
        return FirstLine::NoSecret;
    }
    match std::str::from_utf8(bytes).map(|text| text.lines().next().unwrap_or_default()) {
        Ok("") => FirstLine::Empty,
        Ok(line) => FirstLine::Text(Zeroizing::new(line.to_owned())),
        Err(_) => FirstLine::NoSecret,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(content: &[u8]) -> Result<Zeroizing<String>, SecretFileError> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), content).unwrap();
        read_secret(file.path())
    }

    #[test]
    fn the_first_line_counts_without_its_end() {
        assert_eq!(read(b"a secret \r\nsecond\n").unwrap().as_str(), "a secret ");
        assert_eq!(read(b"a secret").unwrap().as_str(), "a secret");
    }

    #[test]
    fn an_empty_first_line_is_no_secret() {
        for content in ["", "\n", "\r\nsecond"] {
            assert!(matches!(read(content.as_bytes()), Err(SecretFileError::Empty { .. })), "{content:?}");
        }
    }

    #[test]
    fn a_file_has_at_most_4096_bytes_of_text() {
        assert_eq!(read(&[b's'; 4096]).unwrap().len(), 4096);
        assert!(matches!(read(&[b's'; 4097]), Err(SecretFileError::NoSecret { .. })));
        assert!(matches!(read(&[0xff]), Err(SecretFileError::NoSecret { .. })));
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let refusal = read_secret(Path::new("/absent/secret")).unwrap_err();
        assert_eq!(refusal.to_string(), "file /absent/secret cannot be read");
    }
}
