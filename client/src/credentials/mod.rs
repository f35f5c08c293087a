//! Credentials for a registry and its trust server, where docker and notary keep them: in the environment, in
//! `config.json`, or behind a credential helper.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

use zeroize::Zeroizing;

mod config_file;
mod program;

use crate::image::DOCKER_HUB;
use config_file::ConfigFile;

/// The key under which docker stores the credentials of its own registry.
const DOCKER_HUB_KEY: &str = "https://index.docker.io/v1/";
/// The variable with a `config.json` of its own, which docker asks before the file.
const DOCKER_VARIABLE: &str = "DOCKER_AUTH_CONFIG";
/// notary's variable, for trust servers only.
const NOTARY_VARIABLE: &str = "NOTARY_AUTH";

/// What to show to a registry, a trust server, or the token service of either.
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
    /// A token that is shown as it is, and no token service is asked.
    RegistryToken(Zeroizing<String>),
}

/// Where credentials may be.
#[derive(Default)]
pub struct Sources {
    config_file: PathBuf,
    docker_variable: Option<Zeroizing<String>>,
    notary_variable: Option<Zeroizing<String>>,
    /// Where helpers are looked for.
    path: Option<OsString>,
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
    /// A file or a variable is not what docker writes or reads.
    ///
    /// The parser's own words are left out: they quote what it stumbled over, which may be a secret.
    #[error("{origin} is not docker's configuration: line {line}, column {column}")]
    Malformed {
        /// The file or the variable.
        origin: String,
        /// Where, from 1.
        line: usize,
        /// Where in the line, from 1.
        column: usize,
    },
    /// An `auth` member is not base64 of `user:password`.
    #[error("the stored credentials of {0} cannot be decoded")]
    Undecodable(String),
    /// The variable is not base64 of `user:password`.
    #[error("{NOTARY_VARIABLE} is not base64 of user:password")]
    NotaryVariable,
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

impl Sources {
    /// Docker's file, and what the environment says of credentials.
    #[must_use]
    pub fn new(config_file: PathBuf, variable: impl Fn(&str) -> Option<OsString>) -> Self {
        let text = |name: &str| variable(name).and_then(|value| value.into_string().ok()).map(Zeroizing::new);
        let set = |name: &str| text(name).filter(|value| !value.is_empty());
        Self {
            config_file,
            docker_variable: set(DOCKER_VARIABLE),
            notary_variable: set(NOTARY_VARIABLE),
            path: variable("PATH"),
        }
    }

    /// The credentials that docker would use for `registry`, its host and port: of the variable, else of the helper that
    /// is named for it, else of the file.
    ///
    /// # Errors
    /// [`CredentialsError`]; that nothing is stored is none.
    pub async fn of_registry(&self, registry: &str) -> Result<Credentials, CredentialsError> {
        let key = if registry == DOCKER_HUB { DOCKER_HUB_KEY } else { registry };
        if let Some(text) = &self.docker_variable {
            match ConfigFile::parse(text.as_bytes(), DOCKER_VARIABLE)?.find(key)? {
                Credentials::Anonymous => {}
                found => return Ok(found),
            }
        }
        let file = ConfigFile::read(&self.config_file)?;
        match file.helper(key) {
            Some(helper) => program::ask(helper, self.path.as_deref(), key).await,
            None => file.find(key),
        }
    }

    /// The credentials for a trust server: notary's, else those of the registry. A token of the registry's own is no
    /// business of a trust server, and is not shown to it, as docker does not.
    ///
    /// # Errors
    /// [`CredentialsError`]; that nothing is stored is none.
    pub async fn of_trust_server(&self, registry: &str) -> Result<Credentials, CredentialsError> {
        match &self.notary_variable {
            Some(auth) => config_file::decode(auth).ok_or(CredentialsError::NotaryVariable),
            None => Ok(match self.of_registry(registry).await? {
                Credentials::RegistryToken(_) => Credentials::Anonymous,
                other => other,
            }),
        }
    }
}

impl Credentials {
    /// The name of the user, if it is known.
    #[must_use]
    pub fn username(&self) -> Option<&str> {
        match self {
            Self::Password { username, .. } => Some(username),
            Self::Anonymous | Self::IdentityToken(_) | Self::RegistryToken(_) => None,
        }
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Anonymous => "Anonymous",
            Self::Password { .. } => "Password(..)",
            Self::IdentityToken(_) => "IdentityToken(..)",
            Self::RegistryToken(_) => "RegistryToken(..)",
        })
    }
}

/// The file: the variables hold passwords.
impl fmt::Debug for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Sources").field(&self.config_file).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    /// A `config.json`, variables, and programs in a search path of their own.
    struct Home {
        directory: tempfile::TempDir,
        variables: Vec<(&'static str, String)>,
    }

    impl Home {
        fn new(config: &str) -> Self {
            let directory = tempfile::tempdir().unwrap();
            std::fs::write(directory.path().join("config.json"), config).unwrap();
            let path = format!("{}:/usr/bin:/bin", directory.path().display());
            Self { directory, variables: vec![("PATH", path)] }
        }

        fn with(mut self, name: &'static str, value: &str) -> Self {
            self.variables.push((name, value.to_owned()));
            self
        }

        /// A helper that writes down what it was asked, and answers by `script`.
        #[cfg(unix)]
        fn with_helper(self, name: &str, script: &str) -> Self {
            use std::os::unix::fs::PermissionsExt as _;
            let program = self.directory.path().join(format!("docker-credential-{name}"));
            let asked = self.directory.path().join("asked");
            let text = format!("#!/bin/sh\nread server\necho \"$1 $server\" >>{}\n{script}\n", asked.display());
            std::fs::write(&program, text).unwrap();
            std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
            self
        }

        /// What helpers were asked.
        fn asked(&self) -> String {
            std::fs::read_to_string(self.directory.path().join("asked")).unwrap_or_default()
        }

        fn sources(&self) -> Sources {
            let variable = |name: &str| self.variables.iter().find(|(n, _)| *n == name).map(|(_, v)| v.into());
            Sources::new(self.directory.path().join("config.json"), variable)
        }

        async fn of(&self, registry: &str) -> Result<Credentials, CredentialsError> {
            self.sources().of_registry(registry).await
        }
    }

    async fn stored(config: &str, registry: &str) -> Result<Credentials, CredentialsError> {
        Home::new(config).of(registry).await
    }

    fn password(username: &str, password: &str) -> Credentials {
        Credentials::Password { username: username.into(), password: Zeroizing::new(password.into()) }
    }

    #[tokio::test]
    async fn credentials_are_found_by_host_and_port() {
        let auth = STANDARD.encode("alice:pa:ss");
        let config =
            format!(r#"{{"auths": {{"a.test:5000": {{"auth": "{auth}"}}, "other": {{}}}}, "HttpHeaders": {{}}}}"#);
        assert_eq!(stored(&config, "a.test:5000").await.unwrap(), password("alice", "pa:ss"));
        assert_eq!(stored(&config, "a.test").await.unwrap(), Credentials::Anonymous);
    }

    #[tokio::test]
    async fn keys_with_a_scheme_and_a_path_count_by_their_host() {
        let auth = STANDARD.encode("alice:pw");
        let config = format!(r#"{{"auths": {{"https://a.test/v1/": {{"auth": "{auth}"}}}}}}"#);
        assert_eq!(stored(&config, "a.test").await.unwrap(), password("alice", "pw"));
        let config = format!(r#"{{"auths": {{"https://index.docker.io/v1/": {{"auth": "{auth}"}}}}}}"#);
        assert_eq!(stored(&config, DOCKER_HUB).await.unwrap(), password("alice", "pw"));
    }

    #[tokio::test]
    async fn an_identity_token_wins_over_a_password() {
        let config = r#"{"auths": {"a.test": {"identitytoken": "t", "username": "u", "password": "p"}}}"#;
        let token = Credentials::IdentityToken(Zeroizing::new("t".into()));
        assert_eq!(stored(config, "a.test").await.unwrap(), token);
    }

    #[tokio::test]
    async fn what_cannot_be_decoded_is_an_error_without_the_secret() {
        let error = stored(r#"{"auths": {"a.test": {"auth": "c2VjcmV0"}}}"#, "a.test").await.unwrap_err();
        assert_eq!(error.to_string(), "the stored credentials of a.test cannot be decoded");
        assert!(matches!(stored("{", "a.test").await, Err(CredentialsError::Malformed { .. })));
    }

    #[tokio::test]
    async fn a_secret_in_the_wrong_place_is_not_repeated_in_the_error() {
        let error = stored(r#"{"auths": {"a.test": "c2VjcmV0"}}"#, "a.test").await.unwrap_err();
        assert!(error.to_string().ends_with("config.json is not docker's configuration: line 1, column 31"), "{error}");
        assert!(!format!("{error:?}").contains("c2VjcmV0"));
    }

    #[tokio::test]
    async fn no_file_means_no_credentials() {
        let sources = Sources::new(Path::new("/nonexistent/config.json").into(), |_| None);
        assert_eq!(sources.of_registry("a.test").await.unwrap(), Credentials::Anonymous);
    }

    #[tokio::test]
    async fn a_registry_token_is_shown_as_it_is() {
        let config = r#"{"auths": {"a.test": {"registrytoken": "t", "auth": "YTpi"}}}"#;
        assert_eq!(stored(config, "a.test").await.unwrap(), Credentials::RegistryToken(Zeroizing::new("t".into())));
    }

    #[tokio::test]
    async fn a_registry_token_is_for_the_registry_alone() {
        let home = Home::new(r#"{"auths": {"a.test": {"registrytoken": "t"}, "b.test": {"identitytoken": "i"}}}"#);
        assert_eq!(home.sources().of_trust_server("a.test").await.unwrap(), Credentials::Anonymous);
        let identity = Credentials::IdentityToken(Zeroizing::new("i".into()));
        assert_eq!(home.sources().of_trust_server("b.test").await.unwrap(), identity);
    }

    #[tokio::test]
    async fn dockers_variable_comes_before_its_file_and_for_its_registries_only() {
        let auth = |text: &str| STANDARD.encode(text);
        let file = format!(
            r#"{{"auths": {{"a.test": {{"auth": "{}"}}, "b.test": {{"auth": "{}"}}}}}}"#,
            auth("file:a"),
            auth("file:b")
        );
        let variable = format!(r#"{{"auths": {{"a.test": {{"auth": "{}"}}}}}}"#, auth("variable:a"));
        let home = Home::new(&file).with("DOCKER_AUTH_CONFIG", &variable);
        assert_eq!(home.of("a.test").await.unwrap(), password("variable", "a"));
        assert_eq!(home.of("b.test").await.unwrap(), password("file", "b"));
        let error =
            Home::new(&file).with("DOCKER_AUTH_CONFIG", "{\"auths\": \"c2VjcmV0\"}").of("a.test").await.unwrap_err();
        assert_eq!(error.to_string(), "DOCKER_AUTH_CONFIG is not docker's configuration: line 1, column 20");
        assert!(!format!("{error:?}").contains("c2VjcmV0"));
    }

    #[tokio::test]
    async fn notarys_variable_is_for_trust_servers_and_comes_first() {
        let file = format!(r#"{{"auths": {{"a.test": {{"auth": "{}"}}}}}}"#, STANDARD.encode("file:a"));
        let home = Home::new(&file).with("NOTARY_AUTH", &STANDARD.encode("notary:n:n"));
        assert_eq!(home.sources().of_trust_server("a.test").await.unwrap(), password("notary", "n:n"));
        assert_eq!(home.of("a.test").await.unwrap(), password("file", "a"));
        let home = Home::new(&file).with("NOTARY_AUTH", "");
        assert_eq!(home.sources().of_trust_server("a.test").await.unwrap(), password("file", "a"));
        let error =
            Home::new(&file).with("NOTARY_AUTH", "bm90YXJ5").sources().of_trust_server("a.test").await.unwrap_err();
        assert_eq!(error.to_string(), "NOTARY_AUTH is not base64 of user:password");
    }

    #[test]
    fn what_the_environment_holds_is_not_shown() {
        let home = Home::new("{}").with("NOTARY_AUTH", "c2VjcmV0").with("DOCKER_AUTH_CONFIG", "c2VjcmV0");
        assert!(!format!("{:?}", home.sources()).contains("c2VjcmV0"));
    }

    #[tokio::test]
    async fn a_helper_that_is_not_there_is_an_error_and_not_anonymous() {
        let error = stored(r#"{"credsStore": "bulla-test-absent"}"#, "a.test").await.unwrap_err();
        assert!(matches!(error, CredentialsError::Helper { .. }), "{error}");
        assert_eq!(error.to_string(), "cannot run the credential helper docker-credential-bulla-test-absent");
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn a_helper_is_asked_by_its_protocol() {
        let answer = r#"case $server in
            a.test) printf '{"ServerURL":"%s","Username":"u","Secret":"s"}' "$server";;
            token.test) printf '{"ServerURL":"%s","Username":"<token>","Secret":"t"}' "$server";;
            nobody.test) printf '{"Username":"","Secret":""}';;
            none.test) echo 'credentials not found in native keychain'; exit 1;;
            garbage.test) echo 'c2VjcmV0';;
            *) echo c2VjcmV0; exit 3;; esac"#;
        let home = Home::new(r#"{"credsStore": "all"}"#).with_helper("all", answer);
        assert_eq!(home.of("a.test").await.unwrap(), password("u", "s"));
        assert_eq!(home.of("token.test").await.unwrap(), Credentials::IdentityToken(Zeroizing::new("t".into())));
        for registry in ["none.test", "nobody.test"] {
            assert_eq!(home.of(registry).await.unwrap(), Credentials::Anonymous, "{registry}");
        }
        for registry in ["garbage.test", "x.test"] {
            let error = home.of(registry).await.unwrap_err();
            let expected = format!("the credential helper docker-credential-all failed for {registry}");
            assert_eq!(error.to_string(), expected);
            assert!(!format!("{error:?}").contains("c2VjcmV0"));
        }
        assert_eq!(home.asked().lines().next(), Some("get a.test"));
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn a_registry_has_its_own_helper_or_that_of_all_or_none() {
        let config = format!(
            r#"{{"credHelpers": {{"own.test": "own", "none.test": ""}}, "credsStore": "all",
                "auths": {{"none.test": {{"auth": "{}"}}, "own.test": {{}}}}}}"#,
            STANDARD.encode("file:f")
        );
        let answer = |user: &str| format!(r#"printf '{{"Username":"{user}","Secret":"s"}}'"#);
        let home = Home::new(&config).with_helper("own", &answer("own")).with_helper("all", &answer("all"));
        assert_eq!(home.of("own.test").await.unwrap(), password("own", "s"));
        assert_eq!(home.of("other.test").await.unwrap(), password("all", "s"));
        assert_eq!(home.of("none.test").await.unwrap(), password("file", "f"));
        assert_eq!(home.of(DOCKER_HUB).await.unwrap(), password("all", "s"));
        assert_eq!(home.asked(), "get own.test\nget other.test\nget https://index.docker.io/v1/\n");
    }
}
