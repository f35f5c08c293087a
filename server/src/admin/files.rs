//! What one stored file must be by itself: a document of its role, with its own digest and version in the row.

use tuf_schema::dialect::Document;
use tuf_schema::model::{Root, Snapshot, Targets, Timestamp};
use tuf_schema::{Dialect, Envelope, Role, Sha256, Unverified};

use super::finding::Trouble;
use crate::store::FileRow;

/// The document of a row, by its role; believed by nobody yet.
pub(super) enum Content {
    Root(Unverified<Root>),
    Targets(Unverified<Targets>),
    Snapshot(Unverified<Snapshot>),
    Timestamp(Unverified<Timestamp>),
}

/// Checks a row by itself; gives the document that it holds.
pub(super) fn check_row(row: &FileRow) -> (Vec<Trouble>, Option<Content>) {
    let mut troubles = Vec::new();
    let bytes = Sha256::of(&row.bytes);
    if row.sha256 != bytes.to_hex() {
        troubles.push(Trouble::DigestColumn { column: row.sha256.clone(), bytes });
    }
    let Ok(role) = Role::parse(&row.role) else {
        troubles.push(Trouble::NoRole);
        return (troubles, None);
    };
    let envelope = match Envelope::parse(Dialect::Notary, row.bytes.clone()) {
        Ok(envelope) => envelope,
        Err(error) => {
            troubles.push(Trouble::NoDocument(error));
            return (troubles, None);
        }
    };
    let document = envelope.claimed_version();
    if document != row.version {
        troubles.push(Trouble::VersionColumn { column: row.version, document });
    }
    let content = match &role {
        Role::Root => decoded(envelope, &role, &mut troubles).map(Content::Root),
        Role::Snapshot => decoded(envelope, &role, &mut troubles).map(Content::Snapshot),
        Role::Timestamp => decoded(envelope, &role, &mut troubles).map(Content::Timestamp),
        Role::Targets | Role::Delegation(_) => decoded(envelope, &role, &mut troubles).map(Content::Targets),
    };
    (troubles, content)
}

fn decoded<M: Document>(envelope: Envelope, role: &Role, troubles: &mut Vec<Trouble>) -> Option<Unverified<M>> {
    match envelope.decode(role.clone()) {
        Ok(document) => Some(document),
        Err(error) => {
            troubles.push(Trouble::NoMeaning(error));
            None
        }
    }
}
