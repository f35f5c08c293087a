//! Where a passphrase is taken from, and what can go wrong there.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;

use super::secret_line::MAX_BYTES;

/// The variable that names the command which asks for passphrases.
pub(super) const ASKPASS: &str = "BULLA_ASKPASS";

/// Where a passphrase is taken from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A variable of the environment that holds it.
    Variable(&'static str),
    /// A file that a variable of the environment names.
    File {
        /// The variable.
        variable: &'static str,
        /// The file.
        path: PathBuf,
    },
    /// A file descriptor that was handed over.
    Descriptor(u32),
    /// A command that asks for it.
    Askpass(PathBuf),
    /// Whoever sits at the terminal.
    Terminal,
}

/// Why a place gives no passphrase.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// There is no such file.
    #[error("it is not there; write the passphrase into it, or unset the variable")]
    Missing,
    /// It cannot be read.
    #[error("it cannot be read")]
    Unreadable(#[source] io::Error),
    /// Somebody else could choose what new keys are sealed with.
    #[error("others may write to it (mode {0:04o}); make it 0600")]
    WritableByOthers(u32),
    /// There is nothing in it.
    #[error("its first line is empty")]
    Empty,
    /// It is longer than a passphrase may be.
    #[error("it is longer than {MAX_BYTES} bytes")]
    TooLong,
    /// It is no text.
    #[error("it is no UTF-8 text")]
    NotText,
    /// The descriptor is not open, or is nothing that can be read, such as a socket.
    #[error("it is not open for reading; open it with the shell, as in `--passphrase-fd 3 3<FILE`")]
    NotOpen(#[source] io::Error),
    /// The command cannot be run.
    #[error("it cannot be run")]
    NotRun(#[source] io::Error),
    /// The command says that it failed, or that whoever was asked refused.
    #[error("it ended with {0}")]
    Failed(ExitStatus),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Variable(name) => f.write_str(name),
            Self::File { variable, path } => write!(f, "the file {} that {variable} names", path.display()),
            Self::Descriptor(number) => write!(f, "file descriptor {number}"),
            Self::Askpass(command) => write!(f, "the command {} that {ASKPASS} names", command.display()),
            Self::Terminal => f.write_str("the terminal"),
        }
    }
}
