//! Docker's credential helpers: a program each, asked by a protocol of its own.

use std::ffi::OsStr;
use std::process::Stdio;

use serde::Deserialize;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;
use zeroize::Zeroizing;

use super::{Credentials, CredentialsError};
use crate::keys::passphrase::keep_from;

/// The user name by which a helper says that the secret is an identity token.
const IDENTITY_TOKEN_USER: &str = "<token>";
/// What helpers print when they know nothing of a server.
const NOT_FOUND: &str = "credentials not found in native keychain";

#[derive(Deserialize)]
struct Answer {
    #[serde(rename = "Username")]
    username: String,
    #[serde(rename = "Secret")]
    secret: Zeroizing<String>,
}

/// Runs `docker-credential-NAME get`, looked for in `path`: server on stdin, JSON on stdout.
pub(super) async fn ask(name: &str, path: Option<&OsStr>, server: &str) -> Result<Credentials, CredentialsError> {
    let program = format!("docker-credential-{name}");
    let failed = |source| CredentialsError::Helper { program: program.clone(), source };
    let mut child = command(&program, path).spawn().map_err(failed)?;
    if let Some(mut stdin) = child.stdin.take() {
        // A helper that has ended already will say why by its status.
        let _ = stdin.write_all(server.as_bytes()).await;
    }
    let output = child.wait_with_output().await.map_err(failed)?;
    let stdout = Zeroizing::new(output.stdout);
    let refused = || CredentialsError::HelperRefused { program: program.clone(), server: server.to_owned() };
    if !output.status.success() {
        let text = String::from_utf8_lossy(&stdout);
        return if text.trim() == NOT_FOUND { Ok(Credentials::Anonymous) } else { Err(refused()) };
    }
    let answer: Answer = serde_json::from_slice(&stdout).map_err(|_| refused())?;
    Ok(match answer.username.as_str() {
        IDENTITY_TOKEN_USER => Credentials::IdentityToken(answer.secret),
        "" => Credentials::Anonymous,
        name => Credentials::Password { username: name.to_owned(), password: answer.secret },
    })
}

fn command(program: &str, path: Option<&OsStr>) -> Command {
    let mut command = Command::new(program);
    keep_from(command.as_std_mut());
    if let Some(path) = path {
        command.env("PATH", path);
    }
    command.arg("get").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_helper_sees_no_passphrase() {
        let command = command("docker-credential-x", None);
        let removed = command
            .as_std()
            .get_envs()
            .filter(|(name, value)| name.to_string_lossy().ends_with("_PASSPHRASE") && value.is_none());
        assert_eq!(removed.count(), 6);
    }
}
