//! The server's keys that a root names: whether the signer holds them.

use tuf_schema::model::Root;
use tuf_schema::verify::SignatureError;
use tuf_schema::{Gun, KeyId, UtcTime};

use super::current::SnapshotHand;
use super::finding::{Finding, Next, Trouble};
use crate::publish::regenerate::{MakeError, Maker};
use crate::signer::{RoleSigner, ServerRole, SignerError};
use crate::store::Newest;

/// What the signer has of one repository's keys.
pub(super) struct HeldKeys {
    /// Whether it can sign snapshots.
    pub(super) hand: SnapshotHand,
    /// What it lacks.
    pub(super) findings: Vec<Finding>,
}

/// What the signer has of one role's keys.
enum Held {
    Enough,
    Missing(Option<KeyId>),
    /// It holds another key under an id of root.
    Other(KeyId),
}

/// Asks for the keys of timestamp and snapshot that `root` names.
///
/// # Errors
/// The signer's.
pub(super) async fn held_keys(
    signer: &dyn RoleSigner,
    gun: &Gun,
    root: &Root,
    now: UtcTime,
) -> Result<HeldKeys, SignerError> {
    let mut findings = Vec::new();
    let mut hand = SnapshotHand::Ours;
    for role in ServerRole::ALL {
        let (trouble, next) = match (role, held(signer, gun, root, role, now).await?) {
            (_, Held::Enough) => continue,
            (_, Held::Other(key)) => (Trouble::OtherKey(key), Next::SignerBackup),
            (_, Held::Missing(None)) => (Trouble::TooFewKeys, Next::PublisherOfRole),
            (ServerRole::Timestamp, Held::Missing(Some(key))) => (Trouble::KeyNotHeld(key), Next::SignerBackup),
            (ServerRole::Snapshot, Held::Missing(Some(key))) => {
                (Trouble::SnapshotKeyNotHeld(key), Next::PublisherSigns)
            }
        };
        if role == ServerRole::Snapshot {
            hand = SnapshotHand::Publishers;
        }
        findings.push(Finding { gun: gun.to_string(), role: role.as_str().to_owned(), version: None, trouble, next });
    }
    Ok(HeldKeys { hand, findings })
}

/// Whether the server can go on signing timestamps under `root`.
///
/// # Errors
/// The signer's.
pub(super) async fn can_sign_timestamps(
    signer: &dyn RoleSigner,
    gun: &Gun,
    root: &Root,
    now: UtcTime,
) -> Result<bool, SignerError> {
    Ok(matches!(held(signer, gun, root, ServerRole::Timestamp, now).await?, Held::Enough))
}

/// By the rule by which the server chooses the keys it signs with.
async fn held(
    signer: &dyn RoleSigner,
    gun: &Gun,
    root: &Root,
    role: ServerRole,
    now: UtcTime,
) -> Result<Held, SignerError> {
    let maker = Maker { gun, root, signer, newest: &Newest::default(), now };
    match maker.held_keys(role).await {
        Ok(_) => Ok(Held::Enough),
        Err(MakeError::Unusable(_, SignatureError::KeyIdMismatch(key))) => Ok(Held::Other(key)),
        Err(MakeError::NotHeld(_, missing)) => Ok(Held::Missing(missing)),
        Err(MakeError::Signer(error)) => Err(error),
        // Nothing is written here.
        Err(MakeError::Unusable(..) | MakeError::NoVersionsLeft(_) | MakeError::Unwritable(_)) => {
            Ok(Held::Missing(None))
        }
    }
}
