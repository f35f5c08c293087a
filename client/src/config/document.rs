//! A configuration as a JSON document: bounded, strict about members that stand twice.

use std::path::Path;

use serde::de::DeserializeOwned;
use tuf_schema::json;

use super::ConfigError;

/// The largest configuration that is read, in bytes.
const MAX_BYTES: usize = 1 << 20;

/// The document at `path`, `None` if there is none.
pub(super) fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, ConfigError> {
    match std::fs::read(path) {
        Ok(bytes) => parse(&bytes, path).map(Some),
        // A link that leads nowhere is no absent file: what is pinned there would not hold, and nobody would notice.
        Err(e) if e.kind() == std::io::ErrorKind::NotFound && path.symlink_metadata().is_err() => Ok(None),
        Err(e) => Err(ConfigError::Unreadable { path: path.to_owned(), why: e.to_string() }),
    }
}

/// The document in `bytes`, which are those of the file at `path`.
pub(super) fn parse<T: DeserializeOwned>(bytes: &[u8], path: &Path) -> Result<T, ConfigError> {
    let malformed = |why: String| ConfigError::Malformed { path: path.to_owned(), why };
    if bytes.len() > MAX_BYTES {
        return Err(malformed(format!("it has more than {MAX_BYTES} bytes")));
    }
    // Of a member that stands twice readers take one or the other: a pin could be there and not hold.
    json::parse(bytes.trim_ascii()).map_err(|e| malformed(e.to_string()))?;
    serde_json::from_slice(bytes).map_err(|e| malformed(e.to_string()))
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn a_configuration_has_a_mebibyte_and_not_one_byte_more() {
        let text = |length: usize| format!("{{}}{}", " ".repeat(length - 2));
        assert!(parse::<Value>(text(MAX_BYTES).as_bytes(), Path::new("f")).is_ok());
        let error = parse::<Value>(text(MAX_BYTES + 1).as_bytes(), Path::new("f")).unwrap_err();
        assert_eq!(error.to_string(), "the configuration f cannot be used: it has more than 1048576 bytes");
    }

    #[test]
    fn a_configuration_that_is_a_link_to_nowhere_is_no_absent_one() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("bulla.json");
        assert_eq!(read::<Value>(&path).unwrap(), None);
        std::os::unix::fs::symlink("pins.json", &path).unwrap();
        let error = read::<Value>(&path).unwrap_err().to_string();
        assert!(error.starts_with(&format!("cannot read the configuration {}: ", path.display())), "{error}");
        std::fs::write(directory.path().join("pins.json"), "{}").unwrap();
        assert!(read::<Value>(&path).unwrap().is_some());
    }

    #[test]
    fn a_member_that_stands_twice_in_a_configuration_is_refused() {
        let error = parse::<Value>(br#"{"a": {"b": 1, "b": 2}}"#, Path::new("f")).unwrap_err();
        assert!(matches!(error, ConfigError::Malformed { .. }), "{error}");
    }
}
