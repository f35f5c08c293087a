//! Our own file beside the keys and metadata, `bulla.json`: pins, whether cached trust data may do, how tokens are reached.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::ConfigError;
use super::document::{parse, read};
use super::pins::{PinsOfFile, WrittenPins};

/// What the file says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct OwnFile {
    /// Its pins.
    pub(super) pins: Option<PinsOfFile>,
    /// Whether cached trust data may do where the trust server cannot be reached.
    pub(super) allow_cached: bool,
    /// The library through which tokens are reached.
    pub(super) module: Option<PathBuf>,
}

/// An unknown member is an error: what is not understood is not in force.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Members {
    pins: Option<WrittenPins>,
    allow_cached: Option<bool>,
    pkcs11: Option<Pkcs11>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Pkcs11 {
    module: PathBuf,
}

impl OwnFile {
    /// Reads the file at `path`; one that is not there says nothing.
    pub(super) fn read(path: &Path) -> Result<Self, ConfigError> {
        read(path)?.map_or_else(|| Ok(Self::default()), |members| Self::of(members, path))
    }

    /// What its members say.
    fn of(Members { pins, allow_cached, pkcs11 }: Members, path: &Path) -> Result<Self, ConfigError> {
        let directory = path.parent().unwrap_or(Path::new(""));
        let pins =
            pins.map(|written| PinsOfFile::new(path, "pins", written, |file| directory.join(file))).transpose()?;
        let module = pkcs11.map(|pkcs11| directory.join(pkcs11.module));
        Ok(Self { pins, allow_cached: allow_cached.unwrap_or_default(), module })
    }
}

/// The files of authorities that the content of such a file at `path` pins, each where it lies.
///
/// # Errors
/// [`ConfigError::Malformed`]: it is not understood.
pub(crate) fn pinned_files(content: &[u8], path: &Path) -> Result<Vec<PathBuf>, ConfigError> {
    let pins = OwnFile::of(parse(content, path)?, path)?.pins;
    Ok(pins.iter().flat_map(PinsOfFile::files).map(Path::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use tuf_schema::Gun;
    use tuf_schema::verify::Pin;

    use super::super::pins::Pins;
    use super::*;

    fn parsed(text: &str) -> Result<OwnFile, ConfigError> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("bulla.json");
        std::fs::write(&path, text).unwrap();
        OwnFile::read(&path)
    }

    #[test]
    fn a_file_that_is_not_there_says_nothing() {
        assert_eq!(OwnFile::read(Path::new("/nonexistent/bulla.json")).unwrap(), OwnFile::default());
        assert_eq!(parsed("{}").unwrap(), OwnFile::default());
        assert!(parsed(r#"{"allow_cached": true}"#).unwrap().allow_cached);
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for text in [
            "",
            "[]",
            r#"{"pin": {}}"#,
            r#"{"pins": {"tofu": false}}"#,
            r#"{"allow_cached": 1}"#,
            r#"{"pkcs11": {}}"#,
            r#"{"pkcs11": {"module": "m.so", "pin": "1234"}}"#,
            r#"{"pins": {}, "pins": {}}"#,
            r#"{"pins": {"ca": {"a": "x", "a": "y"}}}"#,
        ] {
            let error = parsed(text).unwrap_err();
            assert!(matches!(error, ConfigError::Malformed { .. }), "{text}: {error}");
        }
    }

    #[test]
    fn a_module_for_tokens_is_named_from_the_file_that_names_it_or_from_the_root() {
        let module = |text: &str| parsed(text).unwrap().module.unwrap();
        assert_eq!(module(r#"{"pkcs11": {"module": "/usr/lib/m.so"}}"#), Path::new("/usr/lib/m.so"));
        assert!(module(r#"{"pkcs11": {"module": "m.so"}}"#).is_absolute());
    }

    #[test]
    fn an_authority_stands_beside_the_file_that_pins_it() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("ca.pem"), include_str!("../../../tests/fixtures/keys/alice.crt"))
            .unwrap();
        let path = directory.path().join("bulla.json");
        std::fs::write(&path, r#"{"pins": {"ca": {"a.test/": "ca.pem"}}}"#).unwrap();
        let pins = Pins::new(OwnFile::read(&path).unwrap().pins);
        assert!(matches!(pins.of(&Gun::parse("a.test/b").unwrap()), Ok(Pin::Authorities { .. })));
    }
}
