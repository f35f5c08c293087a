//! What keys may be made for, and what they may sign and for which repository. Every client that is let in may use every key; a key signs
//! nothing but documents of its own role.

use tuf_schema::{Gun, Role, UtcTime};

use super::document::{self, Metadata};
use crate::excerpt::Excerpt;
use crate::rights::SERVED;

/// Why a content is not signed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ContentRefusal {
    /// The content is not a JSON object with a `_type`.
    #[error("the content is not a metadata document")]
    NotADocument,
    /// The document is written otherwise than it is hashed and signed.
    #[error("the content is not in canonical form")]
    NotCanonical,
    /// The document does not mean what its type demands.
    #[error("the content is no sound document: {fault}")]
    Unsound {
        /// What is wrong with it.
        fault: Excerpt,
    },
    /// There is more in the document than belongs there.
    #[error("the content has members that no {role} document has")]
    ForeignMembers {
        /// What the document is otherwise.
        role: Role,
    },
    /// The document would count for longer than any that a server makes.
    #[error("the content would expire at {expires} only, which is more than ten years away")]
    LivesTooLong {
        /// When it says that it expires.
        expires: UtcTime,
    },
    /// The document is of a role whose keys are not the signer's.
    #[error("the content is of type {found:?}, which this key does not sign")]
    WrongType {
        /// The `_type` of the document, of a long one the beginning.
        found: String,
    },
    /// The document is of the other role.
    #[error("the content is a {found} document, which this key does not sign")]
    OtherRole {
        /// The role of the document.
        found: Role,
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

impl ContentRefusal {
    /// Whether it is the content that is wrong, and not what the key is for.
    pub(super) fn is_of_content(&self) -> bool {
        match self {
            Self::NotADocument
            | Self::NotCanonical
            | Self::Unsound { .. }
            | Self::ForeignMembers { .. }
            | Self::LivesTooLong { .. }
            | Self::WrongType { .. }
            | Self::OtherRole { .. } => true,
            Self::RoleNotServed { .. } | Self::OtherGun { .. } => false,
        }
    }
}

/// Whether keys of this role are made here.
pub(super) fn is_served(role: &Role) -> bool {
    SERVED.contains(role)
}

/// Whether a key of the repository `own` may sign for the one that the caller names. Callers that name none (the
/// reference's server) and keys of none are let through, as in the reference.
pub(super) fn may_sign_for(own: Option<&Gun>, named: Option<&Gun>) -> Result<(), ContentRefusal> {
    match (own, named) {
        (Some(own), Some(named)) if own != named => Err(ContentRefusal::OtherGun { own: own.clone() }),
        _ => Ok(()),
    }
}

/// Whether a key of `role` may sign `content`, and what document that is. A key of no role, which the reference allows,
/// signs for either role.
///
/// A signer that signed whatever it is given, as the reference does, would let a snapshot key sign a root document.
pub(super) fn may_sign(role: Option<&Role>, content: &[u8], now: UtcTime) -> Result<Metadata, ContentRefusal> {
    if let Some(role) = role.filter(|role| !is_served(role)) {
        return Err(ContentRefusal::RoleNotServed { role: role.clone() });
    }
    let found = document::read(content, now)?;
    match role {
        Some(role) if *role != found.role => Err(ContentRefusal::OtherRole { found: found.role }),
        _ => Ok(found),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SNAPSHOT: &[u8] = include_bytes!("../../testdata/snapshot.json");
    const TIMESTAMP: &[u8] = include_bytes!("../../testdata/timestamp.json");

    fn may_sign(role: Option<&Role>, content: &[u8]) -> Result<Role, ContentRefusal> {
        let now = UtcTime::parse("2026-11-22T06:00:00Z").unwrap();
        super::may_sign(role, content, now).map(|document| document.role)
    }

    #[test]
    fn a_key_signs_documents_of_its_role_only() {
        let other = |found| Err(ContentRefusal::OtherRole { found });
        assert_eq!(may_sign(Some(&Role::Snapshot), SNAPSHOT), Ok(Role::Snapshot));
        assert_eq!(may_sign(Some(&Role::Timestamp), TIMESTAMP), Ok(Role::Timestamp));
        assert_eq!(may_sign(Some(&Role::Snapshot), TIMESTAMP), other(Role::Timestamp));
        assert_eq!(may_sign(Some(&Role::Timestamp), SNAPSHOT), other(Role::Snapshot));
    }

    #[test]
    fn a_key_without_a_role_signs_for_either_and_nothing_else() {
        assert_eq!(may_sign(None, SNAPSHOT), Ok(Role::Snapshot));
        assert_eq!(may_sign(None, TIMESTAMP), Ok(Role::Timestamp));
        let refusal = ContentRefusal::WrongType { found: "Root".to_owned() };
        assert_eq!(may_sign(None, br#"{"_type":"Root"}"#), Err(refusal));
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
