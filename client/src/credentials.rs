//! Credentials that docker has stored for a registry: in `config.json`, or behind a credential helper.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use tokio::io::AsyncWriteExt as _;
use zeroize::Zeroizing;

use crate::image::DOCKER_HUB;

/// The key under which docker stores the credentials of its own registry.
const DOCKER_HUB_KEY: &str = "https://index.docker.io/v1/";
/// The user name by which a helper says that the secret is an identity token.
const IDENTITY_TOKEN_USER: &str = "<token>";
/// What helpers print when they know nothing of a server.
const NOT_FOUND: &str = "credentials not found in native keychain";

/// What to show to a registry or its token service.
#[derive(PartialEq, Eq)]
pub enum Credentials {
    /// Nothing is stored.
    Anonymous,
    /// A name and a password.
    Password {
        /// The user.
        username: String,
        /// The password.
        password: Zeroizing<String>,
    },
    /// A refresh token for the token service.
    IdentityToken(Zeroizing<String>),
}

/// Why stored credentials cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    /// The file cannot be read.
    #[error("cannot read {path}", path = path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is not what docker writes.
    ///
    /// The parser's own words are left out: they quote what it stumbled over, which may be a secret.
    #[error("{path} is not docker's configuration: line {line}, column {column}", path = path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Where, from 1.
        line: usize,
        /// Where in the line, from 1.
        column: usize,
    },
    /// An `auth` member is not base64 of `user:password`.
    #[error("the stored credentials of {0} cannot be decoded")]
    Undecodable(String),
    /// The helper could not be run.
    #[error("cannot run the credential helper {program}")]
    Helper {
        /// The program.
        program: String,
        /// Why.
        source: std::io::Error,
    },
    /// The helper said no, or something that is not understood.
    #[error("the credential helper {program} failed for {server}")]
    HelperRefused {
        /// The program.
        program: String,
        /// The server it was asked about.
        server: String,
    },
}

#[derive(Default, Deserialize)]
struct ConfigFile {
    #[serde(default)]
    auths: BTreeMap<String, AuthEntry>,
    #[serde(default, rename = "credHelpers")]
    helpers: BTreeMap<String, String>,
    #[serde(default, rename = "credsStore")]
    store: String,
}

#[derive(Default, Deserialize)]
struct AuthEntry {
    #[serde(default)]
    auth: Zeroizing<String>,
    #[serde(default)]
    username: String,
    #[serde(default)]
    password: Zeroizing<String>,
    #[serde(default, rename = "identitytoken")]
    identity_token: Zeroizing<String>,
}

#[derive(Deserialize)]
struct HelperAnswer {
    #[serde(rename = "Username")]
    username: String,
    #[serde(rename = "Secret")]
    secret: Zeroizing<String>,
}

impl Credentials {
    /// The credentials that docker would use for `registry`, its host and port.
    ///
    /// # Errors
    /// [`CredentialsError`]; that nothing is stored is none.
    pub async fn stored(config_file: &Path, registry: &str) -> Result<Self, CredentialsError> {
        let file = read(config_file)?;
        let key = if registry == DOCKER_HUB { DOCKER_HUB_KEY } else { registry };
        let helper = file.helpers.get(key).map(String::as_str).or(Some(file.store.as_str())).filter(|h| !h.is_empty());
        match helper {
            Some(helper) => ask_helper(&format!("docker-credential-{helper}"), key).await,
            None => file.find(key),
        }
    }

    /// The name of the user, if it is known.
    #[must_use]
    pub fn username(&self) -> Option<&str> {
        match self {
            Self::Password { username, .. } => Some(username),
            Self::Anonymous | Self::IdentityToken(_) => None,
        }
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Anonymous => "Anonymous",
            Self::Password { .. } => "Password(..)",
            Self::IdentityToken(_) => "IdentityToken(..)",
        })
    }
}

impl ConfigFile {
    fn find(&self, key: &str) -> Result<Credentials, CredentialsError> {
        let host = |key: &str| host_of(key).to_owned();
        let entry =
            self.auths.get(key).or_else(|| self.auths.iter().find(|(k, _)| host(k) == host(key)).map(|(_, e)| e));
        entry.map_or(Ok(Credentials::Anonymous), |e| e.credentials(key))
    }
}

impl AuthEntry {
    fn credentials(&self, key: &str) -> Result<Credentials, CredentialsError> {
        if !self.identity_token.is_empty() {
            return Ok(Credentials::IdentityToken(self.identity_token.clone()));
        }
        if self.auth.is_empty() {
            return Ok(match self.username.as_str() {
                "" => Credentials::Anonymous,
                name => Credentials::Password { username: name.to_owned(), password: self.password.clone() },
            });
        }
        let undecodable = || CredentialsError::Undecodable(key.to_owned());
        let bytes = Zeroizing::new(STANDARD.decode(self.auth.as_bytes()).map_err(|_| undecodable())?);
        let text = std::str::from_utf8(&bytes).map_err(|_| undecodable())?;
        let (username, password) = text.split_once(':').ok_or_else(undecodable)?;
        let password = Zeroizing::new(password.trim_end_matches('\0').to_owned());
        Ok(Credentials::Password { username: username.to_owned(), password })
    }
}

fn read(path: &Path) -> Result<ConfigFile, CredentialsError> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => Zeroizing::new(bytes),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(ConfigFile::default()),
        Err(source) => return Err(CredentialsError::Unreadable { path: path.to_owned(), source }),
    };
    serde_json::from_slice(&bytes).map_err(|e| CredentialsError::Malformed {
        path: path.to_owned(),
        line: e.line(),
        column: e.column(),
    })
}

/// The host of a key: docker accepts keys with a scheme and a path, as old versions wrote them.
fn host_of(key: &str) -> &str {
    let rest = key.strip_prefix("https://").or_else(|| key.strip_prefix("http://")).unwrap_or(key);
    rest.split('/').next().unwrap_or(rest)
}

/// Runs `program get` by the protocol of docker's credential helpers: server on stdin, JSON on stdout.
async fn ask_helper(program: &str, server: &str) -> Result<Credentials, CredentialsError> {
    let failed = |source| CredentialsError::Helper { program: program.to_owned(), source };
    let mut child = tokio::process::Command::new(program)
        .arg("get")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .map_err(failed)?;
    if let Some(mut stdin) = child.stdin.take() {
        // A helper that has ended already will say why by its status.
        let _ = stdin.write_all(server.as_bytes()).await;
    }
    let output = child.wait_with_output().await.map_err(failed)?;
    let stdout = Zeroizing::new(output.stdout);
    let refused = || CredentialsError::HelperRefused { program: program.to_owned(), server: server.to_owned() };
    if !output.status.success() {
        let text = String::from_utf8_lossy(&stdout);
        return if text.trim() == NOT_FOUND { Ok(Credentials::Anonymous) } else { Err(refused()) };
    }
    let answer: HelperAnswer = serde_json::from_slice(&stdout).map_err(|_| refused())?;
    Ok(match answer.username.as_str() {
        IDENTITY_TOKEN_USER => Credentials::IdentityToken(answer.secret),
        "" => Credentials::Anonymous,
        name => Credentials::Password { username: name.to_owned(), password: answer.secret },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::ImageName;

    async fn stored(config: &str, image: &str) -> Result<Credentials, CredentialsError> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("config.json");
        std::fs::write(&path, config).unwrap();
        Credentials::stored(&path, ImageName::parse(image).unwrap().domain()).await
    }

    fn password(username: &str, password: &str) -> Credentials {
        Credentials::Password { username: username.into(), password: Zeroizing::new(password.into()) }
    }

    #[tokio::test]
    async fn credentials_are_found_by_host_and_port() {
        let auth = STANDARD.encode("alice:pa:ss");
        let config =
            format!(r#"{{"auths": {{"a.test:5000": {{"auth": "{auth}"}}, "other": {{}}}}, "HttpHeaders": {{}}}}"#);
        assert_eq!(stored(&config, "a.test:5000/app").await.unwrap(), password("alice", "pa:ss"));
        assert_eq!(stored(&config, "a.test/app").await.unwrap(), Credentials::Anonymous);
    }

    #[tokio::test]
    async fn keys_with_a_scheme_and_a_path_count_by_their_host() {
        let auth = STANDARD.encode("alice:pw");
        let config = format!(r#"{{"auths": {{"https://a.test/v1/": {{"auth": "{auth}"}}}}}}"#);
        assert_eq!(stored(&config, "a.test/app").await.unwrap(), password("alice", "pw"));
        let config = format!(r#"{{"auths": {{"https://index.docker.io/v1/": {{"auth": "{auth}"}}}}}}"#);
        assert_eq!(stored(&config, "nginx").await.unwrap(), password("alice", "pw"));
    }

    #[tokio::test]
    async fn an_identity_token_wins_over_a_password() {
        let config = r#"{"auths": {"a.test": {"identitytoken": "t", "username": "u", "password": "p"}}}"#;
        let token = Credentials::IdentityToken(Zeroizing::new("t".into()));
        assert_eq!(stored(config, "a.test/app").await.unwrap(), token);
    }

    #[tokio::test]
    async fn what_cannot_be_decoded_is_an_error_without_the_secret() {
        let error = stored(r#"{"auths": {"a.test": {"auth": "c2VjcmV0"}}}"#, "a.test/app").await.unwrap_err();
        assert_eq!(error.to_string(), "the stored credentials of a.test cannot be decoded");
        assert!(matches!(stored("{", "a.test/app").await, Err(CredentialsError::Malformed { .. })));
    }

    #[tokio::test]
    async fn a_secret_in_the_wrong_place_is_not_repeated_in_the_error() {
        let error = stored(r#"{"auths": {"a.test": "c2VjcmV0"}}"#, "a.test/app").await.unwrap_err();
        assert!(error.to_string().ends_with("config.json is not docker's configuration: line 1, column 31"), "{error}");
        assert!(!format!("{error:?}").contains("c2VjcmV0"));
    }

    #[tokio::test]
    async fn no_file_means_no_credentials() {
        let found = Credentials::stored(Path::new("/nonexistent/config.json"), "a.test").await.unwrap();
        assert_eq!(found, Credentials::Anonymous);
    }

    #[tokio::test]
    async fn a_helper_that_is_not_there_is_an_error_and_not_anonymous() {
        let config = r#"{"credsStore": "bulla-test-absent"}"#;
        assert!(matches!(stored(config, "a.test/app").await, Err(CredentialsError::Helper { .. })));
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn a_helper_is_asked_by_its_protocol() {
        use std::os::unix::fs::PermissionsExt as _;
        let directory = tempfile::tempdir().unwrap();
        let program = directory.path().join("helper");
        let script = "#!/bin/sh\nread server\ncase $server in\n\
            a.test) echo \"{\\\"ServerURL\\\":\\\"$server\\\",\\\"Username\\\":\\\"$1\\\",\\\"Secret\\\":\\\"s\\\"}\";;\n\
            none.test) echo 'credentials not found in native keychain'; exit 1;;\n*) exit 3;; esac\n";
        std::fs::write(&program, script).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        let program = program.to_str().unwrap();
        assert_eq!(ask_helper(program, "a.test").await.unwrap(), password("get", "s"));
        assert_eq!(ask_helper(program, "none.test").await.unwrap(), Credentials::Anonymous);
        assert!(matches!(ask_helper(program, "x.test").await, Err(CredentialsError::HelperRefused { .. })));
    }
}
