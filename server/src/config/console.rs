//! `console`: the pages for a browser. Our own section.

use std::net::IpAddr;
use std::path::PathBuf;

use super::document::Document;
use super::error::ConfigError;
use super::key::Key;

const HTTP_ADDR: &str = "console.http_addr";
const TOKEN_FILE: &str = "console.token_file";

pub(super) const KEYS: &[Key] = &[
    Key::new(HTTP_ADDR, "not set: there is no console").with_example("\"127.0.0.1:9445\""),
    Key::new(TOKEN_FILE, "must be set with console.http_addr").with_example("\"/etc/bulla/console-token\""),
];

/// Where the console is, and what opens it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsoleConfig {
    /// `http_addr`: as `server.http_addr` is written.
    pub address: String,
    /// `token_file`: who knows what it holds may look.
    pub token_file: PathBuf,
    /// Whether only this machine reaches the address: then, and only then, it is plain HTTP.
    pub is_local: bool,
}

impl ConsoleConfig {
    /// The key that names [`Self::token_file`].
    pub(crate) const TOKEN_FILE: &str = TOKEN_FILE;

    /// `None` without an address.
    pub(super) fn read(document: &Document) -> Result<Option<Self>, ConfigError> {
        let (address, token_file) = (document.text(HTTP_ADDR)?, document.path(TOKEN_FILE)?);
        let half = |given, missing| Err(ConfigError::Half { given, missing });
        let (address, token_file) = match (address, token_file) {
            (None, None) => return Ok(None),
            (Some(_), None) => return half(HTTP_ADDR, TOKEN_FILE),
            (None, Some(_)) => return half(TOKEN_FILE, HTTP_ADDR),
            (Some(address), Some(token_file)) => (address, token_file),
        };
        let is_local = is_local(&address);
        if !is_local && document.text("server.tls_cert_file")?.is_none() {
            return Err(ConfigError::OpenConsole { address });
        }
        Ok(Some(Self { address, token_file, is_local }))
    }
}

/// Whether `host:port` is an address that only this machine reaches. A name other than `localhost` may be anything.
fn is_local(address: &str) -> bool {
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    host == "localhost" || host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::is_local;
    use crate::config::Config;

    fn read(sections: &str) -> Result<Config, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("server.json");
        let usual = r#""storage": {"backend": "memory"}, "trust_service": {"type": "local"}"#;
        std::fs::write(&path, format!("{{{usual}, {sections}}}")).unwrap();
        Config::load(&path, []).map(|(config, _)| config).map_err(|error| error.to_string())
    }

    #[test]
    fn a_console_has_an_address_and_a_token_and_tls_where_others_reach_it() {
        let plain = r#""server": {"http_addr": ":1"}"#;
        let tls = r#""server": {"http_addr": ":1", "tls_cert_file": "c", "tls_key_file": "k"}"#;
        assert_eq!(read(plain).unwrap().console, None);
        for (server, address, is_local) in
            [(plain, "127.0.0.1:2", true), (tls, "127.0.0.1:2", true), (tls, ":2", false)]
        {
            let console = format!(r#"{server}, "console": {{"http_addr": "{address}", "token_file": "/t"}}"#);
            let read = read(&console).unwrap().console.unwrap();
            assert_eq!((read.address.as_str(), read.is_local), (address, is_local));
        }
        for (console, refusal) in [
            (r#"{"http_addr": "127.0.0.1:2"}"#, "console.http_addr is set without console.token_file: add "),
            (r#"{"token_file": "/t"}"#, "console.token_file is set without console.http_addr: add "),
            (
                r#"{"http_addr": ":2", "token_file": "/t"}"#,
                "console.http_addr \":2\" is reached by other machines, and the server has no certificate: set ",
            ),
        ] {
            let refused = read(&format!(r#"{plain}, "console": {console}"#)).unwrap_err();
            assert!(refused.starts_with(refusal), "{refused}");
        }
    }

    #[test]
    fn an_address_is_local_when_no_other_machine_reaches_it() {
        for address in ["127.0.0.1:9445", "127.8.9.1:1", "localhost:9445", "[::1]:9445"] {
            assert!(is_local(address), "{address}");
        }
        for address in [":9445", "0.0.0.0:9445", "[::]:9445", "10.0.0.1:9445", "localhost.test:9445", "[::2]:1", ""] {
            assert!(!is_local(address), "{address}");
        }
    }
}
