//! notary's configuration file, a JSON document: the parts of it that concern a client of ours.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;

use super::ConfigError;
use super::document::read;
use super::pins::{PinsOfFile, WrittenPins};

/// Members that notary's other programs or its log read, and a client need not.
const WITHOUT_EFFECT: [&str; 2] = ["logging", "reporting"];

/// What a file says. Its paths are those of the file: relative ones lead from its directory.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct NotaryFile {
    /// Where keys and metadata are. A relative one leads from the working directory, as in the reference.
    pub(super) trust_directory: Option<PathBuf>,
    /// The trust server.
    pub(super) server: Option<String>,
    /// The one authority of the trust server.
    pub(super) authority: Option<PathBuf>,
    /// The certificate shown to the trust server.
    pub(super) certificate: Option<PathBuf>,
    /// Its key.
    pub(super) key: Option<PathBuf>,
    /// Its pins.
    pub(super) pins: Option<PinsOfFile>,
    /// Members that have no effect, with what should be known of them.
    pub(super) warnings: Vec<String>,
}

#[derive(Deserialize)]
struct Members {
    trust_dir: Option<String>,
    #[serde(default)]
    remote_server: RemoteServer,
    trust_pinning: Option<WrittenPins>,
    #[serde(flatten)]
    others: BTreeMap<String, Value>,
}

#[derive(Default, Deserialize)]
struct RemoteServer {
    url: Option<String>,
    root_ca: Option<String>,
    tls_client_cert: Option<String>,
    tls_client_key: Option<String>,
    #[serde(default, rename = "skipTLSVerify")]
    skip_tls_verify: bool,
    #[serde(flatten)]
    others: BTreeMap<String, Value>,
}

impl NotaryFile {
    /// Reads the file at `path`, `None` if there is none; a leading `~/` in it stands for `home`.
    pub(super) fn read(path: &Path, home: Option<&Path>) -> Result<Option<Self>, ConfigError> {
        read(path)?.map(|members| Self::of(members, path, home)).transpose()
    }

    /// What the members of the file at `path` say.
    fn of(members: Members, path: &Path, home: Option<&Path>) -> Result<Self, ConfigError> {
        let set = |text: Option<String>| text.filter(|text| !text.is_empty());
        let below_home = |text: &str| match (text.strip_prefix("~/"), home) {
            (Some(rest), Some(home)) => home.join(rest),
            _ => PathBuf::from(text),
        };
        let directory = path.parent().unwrap_or(Path::new(""));
        let place = |text: &str| directory.join(below_home(text));
        let beside = |text: Option<String>| set(text).map(|text| place(&text));
        let pins = members.trust_pinning.map(|written| {
            PinsOfFile::new(path, "trust_pinning", written, |file| file.to_str().map_or_else(|| file.to_owned(), place))
        });
        let server = members.remote_server;
        let mut warnings = Vec::new();
        if server.skip_tls_verify {
            warnings.push(format!(
                "{}: skipTLSVerify has no effect; name the server's authority in root_ca",
                path.display()
            ));
        }
        let known = |name: &String| !WITHOUT_EFFECT.contains(&name.as_str());
        let others = members.others.into_keys().filter(known);
        let others = others.chain(server.others.into_keys().map(|name| format!("remote_server.{name}")));
        warnings.extend(others.map(|name| format!("{}: {name} is not known and has no effect", path.display())));
        Ok(Self {
            trust_directory: set(members.trust_dir).map(|text| below_home(&text)),
            server: set(server.url),
            authority: beside(server.root_ca),
            certificate: beside(server.tls_client_cert),
            key: beside(server.tls_client_key),
            pins: pins.transpose()?,
            warnings,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(text: &str) -> Result<NotaryFile, ConfigError> {
        let path = Path::new("/etc/notary/config.json");
        NotaryFile::of(super::super::document::parse(text.as_bytes(), path)?, path, Some(Path::new("/h")))
    }

    #[test]
    fn paths_lead_from_the_file_from_home_or_from_the_root() {
        let text = r#"{"trust_dir": "~/.notary", "remote_server": {"url": "https://n.test:4443", "root_ca": "ca.pem",
            "tls_client_cert": "/c/me.pem", "tls_client_key": "~/me.key"}}"#;
        let expected = NotaryFile {
            trust_directory: Some("/h/.notary".into()),
            server: Some("https://n.test:4443".into()),
            authority: Some("/etc/notary/ca.pem".into()),
            certificate: Some("/c/me.pem".into()),
            key: Some("/h/me.key".into()),
            pins: None,
            warnings: Vec::new(),
        };
        assert_eq!(parse(text).unwrap(), expected);
        assert_eq!(parse(r#"{"trust_dir": "here"}"#).unwrap().trust_directory, Some("here".into()));
        assert_eq!(parse(r#"{"logging": {"level": "debug"}}"#).unwrap(), NotaryFile::default());
    }

    #[test]
    fn what_has_no_effect_is_named() {
        let text = r#"{"remote_server": {"skipTLSVerify": true, "rootca": "x"}, "trustdir": "x"}"#;
        let expected = [
            "/etc/notary/config.json: skipTLSVerify has no effect; name the server's authority in root_ca",
            "/etc/notary/config.json: trustdir is not known and has no effect",
            "/etc/notary/config.json: remote_server.rootca is not known and has no effect",
        ];
        assert_eq!(parse(text).unwrap().warnings, expected);
    }

    #[test]
    fn a_file_that_is_not_there_says_nothing_and_a_broken_one_is_an_error() {
        assert_eq!(NotaryFile::read(Path::new("/nonexistent/config.json"), None).unwrap(), None);
        for text in ["", "[]", "{", r#"{"remote_server": "x"}"#, r#"{"trust_dir": 1}"#] {
            let error = parse(text).unwrap_err();
            assert!(matches!(error, ConfigError::Malformed { .. }), "{text}: {error}");
        }
    }

    #[test]
    fn a_pin_that_is_not_understood_is_an_error_and_not_passed_over() {
        assert!(parse(r#"{"trust_pinning": {"disable_tofu": true}}"#).unwrap().pins.is_some());
        for text in [r#"{"trust_pinning": {"cert": {}}}"#, r#"{"trust_pinning": {"certs": {"a*b": []}}}"#] {
            let error = parse(text).unwrap_err();
            assert!(matches!(error, ConfigError::Malformed { .. }), "{text}: {error}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reader_of_configurations_panic(text in ".{0,200}") {
            let _ = parse(&text);
        }
    }
}
