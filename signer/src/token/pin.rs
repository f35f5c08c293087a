//! The PIN of a token: read when it is needed, wiped when it was used, and never tried twice when it was refused.

use std::fmt;
use std::path::PathBuf;

use zeroize::Zeroizing;

/// The longest PIN in bytes, far above what tokens take.
const MAX_PIN_BYTES: u64 = 1024;

/// Where the PIN of a token comes from.
#[derive(Clone)]
pub enum PinSource {
    /// The first line of a file, read at each login.
    File(PathBuf),
    /// A variable of the environment.
    Variable {
        /// Its name.
        name: String,
        /// Its value.
        pin: Zeroizing<String>,
    },
    /// Nowhere: enough for what asks no token.
    Missing {
        /// The variable that could hold it.
        variable: String,
    },
}

/// Why there is no PIN.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PinError {
    /// Nothing gives it.
    #[error("set pin_file to a file that holds the PIN, or {variable}")]
    Missing {
        /// The variable that could hold it.
        variable: String,
    },
    /// The file cannot be read.
    #[error("the PIN file {file} cannot be read")]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is too long for one.
    #[error("the PIN file {file} is longer than {MAX_PIN_BYTES} bytes")]
    TooLong {
        /// The file.
        file: PathBuf,
    },
    /// The file holds nothing before its first line ends.
    #[error("the PIN file {file} is empty")]
    Empty {
        /// The file.
        file: PathBuf,
    },
}

impl PinSource {
    /// The PIN as the source gives it now.
    pub(super) fn read(&self) -> Result<Zeroizing<String>, PinError> {
        match self {
            Self::File(file) => first_line(file),
            Self::Variable { pin, .. } => Ok(pin.clone()),
            Self::Missing { variable } => Err(PinError::Missing { variable: variable.clone() }),
        }
    }
}

fn first_line(file: &PathBuf) -> Result<Zeroizing<String>, PinError> {
    let unreadable = |source| PinError::Unreadable { file: file.clone(), source };
    if std::fs::metadata(file).map_err(unreadable)?.len() > MAX_PIN_BYTES {
        return Err(PinError::TooLong { file: file.clone() });
    }
    let text = Zeroizing::new(std::fs::read_to_string(file).map_err(unreadable)?);
    match text.lines().next().unwrap_or("") {
        "" => Err(PinError::Empty { file: file.clone() }),
        line => Ok(Zeroizing::new(line.to_owned())),
    }
}

/// Shows where the PIN comes from only.
impl fmt::Debug for PinSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(file) => write!(f, "PinSource::File({})", file.display()),
            Self::Missing { variable } => write!(f, "PinSource::Missing({variable})"),
            Self::Variable { name, .. } => write!(f, "PinSource::Variable({name})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &[u8]) -> (tempfile::NamedTempFile, PinSource) {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        let source = PinSource::File(file.path().to_owned());
        (file, source)
    }

    #[test]
    fn a_file_gives_its_first_line_as_it_is_now() {
        let (file, source) = file(b"1234\nsecond\n");
        assert_eq!(source.read().unwrap().as_str(), "1234");
        std::fs::write(file.path(), "5678").unwrap();
        assert_eq!(source.read().unwrap().as_str(), "5678");
    }

    #[test]
    fn an_empty_a_long_and_a_missing_file_are_told_apart() {
        assert!(matches!(file(b"\n1234").1.read(), Err(PinError::Empty { .. })));
        assert!(file(&[b'1'; 1024]).1.read().is_ok());
        assert!(matches!(file(&[b'1'; 1025]).1.read(), Err(PinError::TooLong { .. })));
        let missing = PinSource::File("/no/such/file".into());
        assert!(matches!(missing.read(), Err(PinError::Unreadable { .. })));
    }

    #[test]
    fn a_source_never_shows_its_pin() {
        let source = PinSource::Variable { name: "PIN".to_owned(), pin: Zeroizing::new("1234".to_owned()) };
        assert_eq!(format!("{source:?}"), "PinSource::Variable(PIN)");
    }
}
