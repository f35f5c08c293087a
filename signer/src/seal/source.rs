//! Where the passphrase of one alias comes from. Out of a file or a command it is read at each use and wiped after; only
//! the environment's stay in memory.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio::process::Command;
use tuf_schema::sign::Passphrase;

use super::passphrase::{Alias, PassphraseError, Passphrases};
use super::secret_file::{FirstLine, buffer_bytes, first_line, read_secret, secret_buffer};

/// How long a command may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where the passphrase of an alias comes from.
#[derive(Clone)]
pub(crate) enum PassphraseSource {
    /// The environment, or one that was made for this process.
    Kept(Alias, Arc<Passphrases>),
    /// The first line of a file.
    File(PathBuf),
    /// The first line that a program prints.
    Command(PassphraseCommand),
}

/// A program that prints a passphrase. It is started without a shell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PassphraseCommand {
    /// The program, an absolute path.
    pub program: PathBuf,
    /// What it is called with. No secret: every account of the machine can read it.
    pub arguments: Vec<String>,
    /// Variables that it does not inherit: they may hold other passphrases.
    pub hidden_variables: Vec<String>,
}

/// Why a command gave no passphrase.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// It could not be started or listened to.
    #[error("it cannot be run")]
    NotRun(#[source] std::io::Error),
    /// It took too long, and was ended.
    #[error("it did not end within {} seconds", PATIENCE.as_secs())]
    TooSlow,
    /// It ended badly. What it wrote to standard error is not repeated.
    #[error("it ended with {0}")]
    Failed(ExitStatus),
    /// It ended well and printed nothing.
    #[error("it printed nothing in its first line")]
    Empty,
    /// It printed more than any passphrase, or no text.
    #[error("it printed no text of at most 4096 bytes")]
    NoSecret,
}

impl PassphraseSource {
    /// The passphrase, read now unless it is one that is kept.
    ///
    /// # Errors
    /// [`PassphraseError`] names the variable, the file or the program.
    pub(super) async fn read(&self) -> Result<Arc<Passphrase>, PassphraseError> {
        match self {
            Self::Kept(alias, passphrases) => passphrases.of(alias),
            Self::File(file) => {
                let file = file.clone();
                let reading = tokio::task::spawn_blocking(move || passphrase_file(&file));
                Ok(Arc::new(reading.await.map_err(|_| PassphraseError::GivenUp)??))
            }
            Self::Command(command) => {
                let printed = print(command, PATIENCE).await;
                let program = || command.program.clone();
                printed.map(Arc::new).map_err(|source| PassphraseError::Command { program: program(), source })
            }
        }
    }

    /// Whether it might be another one at each use.
    pub(super) fn may_change(&self) -> bool {
        !matches!(self, Self::Kept(..))
    }
}

/// The passphrase in a file.
///
/// # Errors
/// [`PassphraseError::File`].
pub(crate) fn passphrase_file(file: &Path) -> Result<Passphrase, PassphraseError> {
    let mut text = read_secret(file)?;
    Ok(Passphrase::from_text(std::mem::take(&mut *text)))
}

async fn print(command: &PassphraseCommand, patience: Duration) -> Result<Passphrase, CommandError> {
    // dropping what runs ends it
    tokio::time::timeout(patience, run(command)).await.unwrap_or(Err(CommandError::TooSlow))
}

async fn run(command: &PassphraseCommand) -> Result<Passphrase, CommandError> {
    let mut process = Command::new(&command.program);
    process.args(&command.arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    command.hidden_variables.iter().for_each(|name| {
        process.env_remove(name);
    });
    let mut child = process.kill_on_drop(true).spawn().map_err(CommandError::NotRun)?;
    let mut bytes = secret_buffer();
    if let Some(output) = child.stdout.take() {
        output.take(buffer_bytes()).read_to_end(&mut bytes).await.map_err(CommandError::NotRun)?;
    }
    let status = child.wait().await.map_err(CommandError::NotRun)?;
    if !status.success() {
        return Err(CommandError::Failed(status));
    }
    match first_line(&bytes) {
        FirstLine::Text(mut text) => Ok(Passphrase::from_text(std::mem::take(&mut *text))),
        FirstLine::Empty => Err(CommandError::Empty),
        FirstLine::NoSecret => Err(CommandError::NoSecret),
    }
}

/// As the operator named it; never what it holds.
impl fmt::Display for PassphraseSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kept(alias, _) => write!(f, "the passphrase in {}", alias.variable()),
            Self::File(file) => write!(f, "the passphrase in file {}", file.display()),
            Self::Command(command) => write!(f, "the passphrase that {} prints", command.program.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> PassphraseSource {
        PassphraseSource::Command(PassphraseCommand {
            program: "/bin/sh".into(),
            arguments: vec!["-c".to_owned(), script.to_owned()],
            hidden_variables: vec!["CARGO_MANIFEST_DIR".to_owned()],
        })
    }

    async fn fault(script: &str) -> CommandError {
        match shell(script).read().await {
            Err(PassphraseError::Command { source, .. }) => source,
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn a_command_gives_the_first_line_that_it_prints() {
        let passphrase = shell("echo 'the secret '; echo more; echo noise >&2").read().await.unwrap();
        assert_eq!(passphrase.expose(), b"the secret ");
    }

    #[tokio::test]
    async fn arguments_reach_the_program_without_a_shell_between() {
        let source = PassphraseSource::Command(PassphraseCommand {
            program: "/bin/echo".into(),
            arguments: vec!["$HOME; id".to_owned()],
            hidden_variables: vec![],
        });
        assert_eq!(source.read().await.unwrap().expose(), b"$HOME; id");
    }

    #[tokio::test]
    async fn a_command_does_not_inherit_what_is_hidden_from_it() {
        // cargo sets both for tests
        let script = "echo \"<$CARGO_MANIFEST_DIR> ${CARGO_PKG_NAME:+inherited}\"";
        assert_eq!(shell(script).read().await.unwrap().expose(), b"<> inherited");
    }

    #[tokio::test]
    async fn a_command_that_fails_is_told_by_its_status_only() {
        let refusal = shell("echo hush; echo hush >&2; exit 3").read().await.unwrap_err();
        let text = crate::causes::WithCauses(&refusal).to_string();
        assert_eq!(text, "the passphrase that /bin/sh prints is missing: it ended with exit status: 3");
    }

    #[tokio::test]
    async fn a_command_prints_at_most_4096_bytes_and_not_nothing() {
        assert_eq!(shell("head -c 4096 /dev/zero | tr '\\0' s").read().await.unwrap().expose().len(), 4096);
        assert!(matches!(fault("head -c 4097 /dev/zero | tr '\\0' s").await, CommandError::NoSecret));
        assert!(matches!(fault("exit 0").await, CommandError::Empty));
        assert!(matches!(fault("printf '\\377'").await, CommandError::NoSecret));
    }

    #[tokio::test]
    async fn a_command_that_does_not_end_is_ended() {
        let PassphraseSource::Command(command) = shell("exec sleep 600") else { panic!("no command") };
        let refusal = print(&command, Duration::from_millis(50)).await.unwrap_err();
        assert!(matches!(refusal, CommandError::TooSlow), "{refusal}");
    }

    #[tokio::test]
    async fn a_program_that_is_not_there_is_named() {
        let command =
            PassphraseCommand { program: "/absent/program".into(), arguments: vec![], hidden_variables: vec![] };
        let refusal = PassphraseSource::Command(command).read().await.unwrap_err();
        assert!(refusal.to_string().contains("/absent/program"), "{refusal}");
    }

    #[tokio::test]
    async fn a_file_is_read_at_each_use() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let source = PassphraseSource::File(file.path().to_owned());
        for text in ["first", "second"] {
            std::fs::write(file.path(), text).unwrap();
            assert_eq!(source.read().await.unwrap().expose(), text.as_bytes());
        }
        std::fs::write(file.path(), "").unwrap();
        assert!(matches!(source.read().await, Err(PassphraseError::File(_))));
    }
}
