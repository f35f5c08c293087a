//! What keys may be made for, and what they may sign and for which repository. Every client that is let in may use every key; a key signs
//! nothing but documents of its own role.

use tuf_schema::json;
use tuf_schema::{Gun, Role};

/// The roles whose keys a server holds.
const SERVED: [(Role, &str); 2] = [(Role::Snapshot, "Snapshot"), (Role::Timestamp, "Timestamp")];

/// How much of a type is repeated to the caller and the log.
const MAX_SHOWN_CHARACTERS: usize = 32;

/// Why a content is not signed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ContentRefusal {
    /// The content is not a JSON object with a `_type`.
    #[error("the content is not a metadata document")]
    NotADocument,
    /// The document is of a role whose keys are not the signer's.
    #[error("the content is of type {found:?}, which this key does not sign")]
    WrongType {
        /// The `_type` of the document, of a long one the beginning.
        found: String,
    },
    /// The key was made for a role that the signer does not sign for.
    #[error("the key is of role {role}, for which this signer does not sign")]
    RoleNotServed {
        /// The role of the key.
        role: Role,
    },
    /// The caller signs for another repository than the key was made for.
    #[error("the key is of repository {own}")]
    OtherGun {
        /// The key's repository.
        own: Gun,
    },
}

/// Whether keys of this role are made here.
pub(super) fn is_served(role: &Role) -> bool {
    SERVED.iter().any(|(served, _)| served == role)
}

/// Whether a key of the repository `own` may sign for the one that the caller names. Callers that name none (the
/// reference's server) and keys of none are let through, as in the reference.
pub(super) fn may_sign_for(own: Option<&Gun>, named: Option<&Gun>) -> Result<(), ContentRefusal> {
    match (own, named) {
        (Some(own), Some(named)) if own != named => Err(ContentRefusal::OtherGun { own: own.clone() }),
        _ => Ok(()),
    }
}

/// Whether a key of `role` may sign `content`. A key of no role, which the reference allows, signs for either role.
/// Gives the version that the content says it is, for the record; a content without one is signed all the same.
///
/// A signer that signed whatever it is given, as the reference does, would let a snapshot key sign a root document.
pub(super) fn may_sign(role: Option<&Role>, content: &[u8]) -> Result<Option<i64>, ContentRefusal> {
    if let Some(role) = role.filter(|role| !is_served(role)) {
        return Err(ContentRefusal::RoleNotServed { role: role.clone() });
    }
    let document = json::parse(content).map_err(|_| ContentRefusal::NotADocument)?;
    let found = document.get("_type").and_then(json::Value::as_str).ok_or(ContentRefusal::NotADocument)?;
    let fits = |(served, name): &(Role, &str)| *name == found && role.is_none_or(|role| role == served);
    let wrong_type = || ContentRefusal::WrongType { found: found.chars().take(MAX_SHOWN_CHARACTERS).collect() };
    let version = document.get("version").and_then(json::Value::as_i64);
    SERVED.iter().any(fits).then_some(version).ok_or_else(wrong_type)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SNAPSHOT: &[u8] = br#"{"_type":"Snapshot","version":1}"#;
    const TIMESTAMP: &[u8] = br#"{"_type":"Timestamp","version":1}"#;

    fn wrong_type(found: &str) -> Result<Option<i64>, ContentRefusal> {
        Err(ContentRefusal::WrongType { found: found.to_owned() })
    }

    #[test]
    fn a_key_signs_documents_of_its_role_only() {
        assert_eq!(may_sign(Some(&Role::Snapshot), SNAPSHOT), Ok(Some(1)));
        assert_eq!(may_sign(Some(&Role::Timestamp), TIMESTAMP), Ok(Some(1)));
        assert_eq!(may_sign(Some(&Role::Snapshot), TIMESTAMP), wrong_type("Timestamp"));
        assert_eq!(may_sign(Some(&Role::Timestamp), SNAPSHOT), wrong_type("Snapshot"));
    }

    #[test]
    fn a_key_without_a_role_signs_for_either_and_nothing_else() {
        assert_eq!(may_sign(None, SNAPSHOT), Ok(Some(1)));
        assert_eq!(may_sign(None, TIMESTAMP), Ok(Some(1)));
        for name in ["Root", "Targets", "snapshot", ""] {
            let content = format!(r#"{{"_type":"{name}"}}"#);
            assert_eq!(may_sign(None, content.as_bytes()), wrong_type(name));
        }
    }

    #[test]
    fn a_long_type_is_repeated_in_part() {
        let content = format!(r#"{{"_type":"{}"}}"#, "x".repeat(100));
        assert_eq!(may_sign(None, content.as_bytes()), wrong_type(&"x".repeat(32)));
    }

    #[test]
    fn what_is_no_document_is_not_signed() {
        for content in ["", "fixture message", "[]", "{}", r#"{"_type":7}"#, r#""Snapshot""#] {
            assert_eq!(
                may_sign(Some(&Role::Snapshot), content.as_bytes()),
                Err(ContentRefusal::NotADocument),
                "{content}"
            );
        }
    }

    #[test]
    fn a_document_without_a_version_is_signed_and_has_none() {
        for content in [r#"{"_type":"Snapshot"}"#, r#"{"_type":"Snapshot","version":"7"}"#] {
            assert_eq!(may_sign(Some(&Role::Snapshot), content.as_bytes()), Ok(None), "{content}");
        }
    }

    #[test]
    fn a_document_with_two_types_is_none() {
        let content = br#"{"_type":"Root","_type":"Snapshot"}"#;
        assert_eq!(may_sign(Some(&Role::Snapshot), content), Err(ContentRefusal::NotADocument));
    }

    #[test]
    fn a_type_below_the_top_does_not_count() {
        let content = br#"{"signed":{"_type":"Snapshot"}}"#;
        assert_eq!(may_sign(Some(&Role::Snapshot), content), Err(ContentRefusal::NotADocument));
    }

    #[test]
    fn a_stored_key_of_another_role_signs_nothing() {
        let refusal = may_sign(Some(&Role::Root), br#"{"_type":"Root"}"#);
        assert_eq!(refusal, Err(ContentRefusal::RoleNotServed { role: Role::Root }));
    }

    #[test]
    fn a_key_signs_for_its_own_repository_where_one_is_named() {
        let [own, other] = ["example.com/a", "example.com/b"].map(|name| Gun::parse(name).unwrap());
        assert_eq!(may_sign_for(Some(&own), Some(&own)), Ok(()));
        assert_eq!(may_sign_for(Some(&own), Some(&other)), Err(ContentRefusal::OtherGun { own: own.clone() }));
        assert_eq!(may_sign_for(Some(&own), None), Ok(()));
        assert_eq!(may_sign_for(None, Some(&other)), Ok(()));
    }

    #[test]
    fn keys_are_made_for_snapshot_and_timestamp() {
        assert!(is_served(&Role::Snapshot) && is_served(&Role::Timestamp));
        assert!(!is_served(&Role::Root) && !is_served(&Role::Targets));
        assert!(!is_served(&Role::parse("targets/releases").unwrap()));
    }
}
