//! Arguments that several verbs on repositories take, read into what they mean.

use std::path::{Path, PathBuf};

use bulla::changelist::target_file;
use clap::Args;
use tuf_schema::json::Value;
use tuf_schema::{DelegationName, Gun, KeyId, Role};

use super::RepoError;

/// The largest file of custom data, in bytes; it becomes part of a document.
const MAX_CUSTOM_BYTES: u64 = 1 << 20;

/// A target of a repository.
#[derive(Args)]
pub(super) struct Named {
    /// Repository
    #[arg(value_name = "GUN")]
    pub(super) gun: String,
    /// Name of the target
    #[arg(value_name = "TARGET")]
    pub(super) target: String,
}

/// The repository.
pub(crate) fn gun(name: &str) -> Result<Gun, RepoError> {
    Gun::parse(name).map_err(|why| RepoError::Gun { name: name.to_owned(), why })
}

/// Roles to list targets in: `targets` if none are named.
pub(super) fn roles_to_change(names: &[String]) -> Result<Vec<Role>, RepoError> {
    if names.is_empty() {
        return Ok(vec![Role::Targets]);
    }
    names.iter().map(|name| targets_role(name)).collect()
}

/// A role that lists targets.
pub(super) fn targets_role(name: &str) -> Result<Role, RepoError> {
    let role = Role::parse(name).ok().filter(Role::lists_targets);
    role.ok_or_else(|| RepoError::TargetsRole(name.to_owned()))
}

/// A delegation.
pub(crate) fn delegation(name: &str) -> Result<DelegationName, RepoError> {
    DelegationName::parse(name).map_err(|_| RepoError::DelegationName(name.to_owned()))
}

/// The id of a key as lists show it.
pub(crate) fn key_id(id: &str) -> Result<KeyId, RepoError> {
    let fits = id.len() == 64 && id.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    if fits { Ok(KeyId::from_wire(id)) } else { Err(RepoError::KeyId(id.to_owned())) }
}

/// The name of a target that can be signed.
pub(super) fn target_name(name: &str) -> Result<String, RepoError> {
    if name.chars().any(char::is_control) {
        return Err(RepoError::TargetName(name.to_owned()));
    }
    Ok(name.to_owned())
}

/// Custom data in a file, as it will be signed.
pub(super) fn custom(path: Option<&PathBuf>) -> Result<Option<Value>, RepoError> {
    let Some(path) = path else { return Ok(None) };
    let bytes = read(path, MAX_CUSTOM_BYTES)?;
    target_file::custom(&bytes).map_err(|source| RepoError::Custom { path: path.clone(), source })
}

/// A file of at most `limit` bytes.
fn read(path: &Path, limit: u64) -> Result<Vec<u8>, RepoError> {
    use std::io::Read as _;
    let failed = |source| RepoError::Read { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(failed)?;
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > limit {
        return Err(failed(std::io::Error::other(format!("larger than {limit} bytes"))));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_roles_that_list_targets_are_given_some() {
        assert_eq!(roles_to_change(&[]).unwrap(), [Role::Targets]);
        let names = ["targets".to_owned(), "targets/releases".to_owned()];
        assert_eq!(roles_to_change(&names).unwrap().len(), 2);
        for name in ["root", "snapshot", "timestamp", "targets/A", "releases", "targets/*", ""] {
            let error = targets_role(name).unwrap_err().to_string();
            assert!(
                error.starts_with(&format!("tuf: invalid role {name}. cannot add targets to this role")),
                "{error}"
            );
        }
    }

    #[test]
    fn a_name_that_cannot_be_signed_is_refused_before_it_is_staged() {
        assert_eq!(target_name("v1 \u{e9}<&").unwrap(), "v1 \u{e9}<&");
        for name in ["a\nb", "a\u{7f}", "\u{9b}"] {
            assert!(matches!(target_name(name), Err(RepoError::TargetName(_))), "{name:?}");
        }
    }

    #[test]
    fn a_repository_s_name_is_checked() {
        assert_eq!(gun("a.test/b").unwrap().as_str(), "a.test/b");
        let error = gun("a.test/../b").unwrap_err().to_string();
        assert_eq!(error, "\"a.test/../b\" names no repository: a GUN cannot contain the path segment \"..\"");
    }

    #[test]
    fn a_key_s_id_is_64_lower_case_hexadecimal_digits() {
        assert!(key_id(&"0f".repeat(32)).is_ok());
        for id in ["0f".repeat(31), "0f".repeat(33), "0F".repeat(32), "0g".repeat(32), String::new()] {
            assert!(matches!(key_id(&id), Err(RepoError::KeyId(_))), "{id}");
        }
    }

    #[test]
    fn custom_data_may_have_so_many_bytes_and_not_one_more() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("custom.json");
        let text = |length: u64| format!("\"{}\"", "x".repeat(usize::try_from(length).unwrap() - 2));
        std::fs::write(&path, text(MAX_CUSTOM_BYTES)).unwrap();
        assert!(custom(Some(&path)).unwrap().is_some());
        std::fs::write(&path, text(MAX_CUSTOM_BYTES + 1)).unwrap();
        assert!(matches!(custom(Some(&path)), Err(RepoError::Read { .. })));
    }
}
