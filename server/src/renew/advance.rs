//! Signing snapshot and timestamp anew with versions far above those that are stored, after a database was put back from a
//! backup: clients that saw later ones take nothing below them.

use tuf_schema::model::Snapshot;
use tuf_schema::{Gun, Role, Version};

use super::{RenewError, Renewed, Renewer};
use crate::publish::load::unverified;
use crate::publish::regenerate::Maker;
use crate::publish::{NewFile, ValidatedUpdate};
use crate::signer::ServerRole;
use crate::store::{Floors, Newest};

/// How often it is tried when others publish at the same time.
const MAX_ATTEMPTS: u32 = 5;

/// What was signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Advanced {
    /// The version of the new snapshot; `None` when its key is the publisher's, and the stored one stays.
    pub snapshot: Option<Version>,
    /// The version of the new timestamp.
    pub timestamp: Version,
}

impl Renewer {
    /// As [`crate::read::Reader::advance`].
    pub(crate) async fn advance(&self, gun: &Gun, by: u32, seen: Floors) -> Result<Option<Advanced>, RenewError> {
        let _turn = self.turns.take(gun).await;
        for _ in 0..MAX_ATTEMPTS {
            let newest = self.store.newest(gun).await?;
            let Some((update, advanced)) = self.advanced(gun, newest, by, seen).await? else { return Ok(None) };
            if self.store_renewal(&update).await? == Renewed::Signed {
                return Ok(Some(advanced));
            }
        }
        Err(RenewError::Overtaken)
    }

    async fn advanced(
        &self,
        gun: &Gun,
        mut newest: Newest,
        by: u32,
        seen: Floors,
    ) -> Result<Option<(ValidatedUpdate, Advanced)>, RenewError> {
        newest.floors = Floors {
            snapshot: above(ServerRole::Snapshot, stored(&newest, ServerRole::Snapshot), by, seen.snapshot)?
                .max(newest.floors.snapshot),
            timestamp: above(ServerRole::Timestamp, stored(&newest, ServerRole::Timestamp), by, seen.timestamp)?
                .max(newest.floors.timestamp),
        };
        let (Some(root), Some(snapshot)) = (&newest.root, &newest.snapshot) else { return Ok(None) };
        let now = self.clock.now();
        let root = self.roots.believe(gun, root, now)?;
        let maker = Maker { gun, root: root.model(), signer: &*self.signer, newest: &newest, now };
        let old = unverified::<Snapshot>(&Role::Snapshot, snapshot)?;
        let update = match self.new_snapshot(&maker, old.claims()).await {
            Ok(update) => update,
            Err(RenewError::NotRenewable { role: ServerRole::Snapshot, .. }) => {
                maker.renewed_timestamp(&snapshot.bytes).await?
            }
            Err(error) => return Err(error),
        };
        let snapshot = update.files().find(|file| *file.role() == Role::Snapshot).map(NewFile::version);
        let advanced = Advanced { snapshot, timestamp: update.timestamp().version() };
        Ok(Some((update, advanced)))
    }
}

fn stored(newest: &Newest, role: ServerRole) -> Option<Version> {
    let stored = match role {
        ServerRole::Snapshot => &newest.snapshot,
        ServerRole::Timestamp => &newest.timestamp,
    };
    stored.as_ref().map(|stored| stored.version)
}

/// The version below the one that is to be signed next: `by` above what is stored, and above what was `seen`.
fn above(
    role: ServerRole,
    stored: Option<Version>,
    by: u32,
    seen: Option<Version>,
) -> Result<Option<Version>, RenewError> {
    let stored = stored.map_or(0, Version::number);
    let next = i64::from(stored).saturating_add(i64::from(by));
    let next = seen.map_or(next, |seen| next.max(i64::from(seen.number()).saturating_add(1)));
    // the least that can be signed is the version after the stored one
    let next = next.max(i64::from(stored).saturating_add(1));
    if let Err(error) = Version::new(next) {
        return Err(RenewError::NotRenewable { role, reason: error.to_string() });
    }
    Ok(Version::new(next.saturating_sub(1)).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(number: u32) -> Version {
        Version::new(number.into()).unwrap()
    }

    /// The version that is signed next.
    fn next(stored: u32, by: u32, seen: Option<u32>) -> Result<u32, String> {
        let floor = above(ServerRole::Timestamp, Version::new(stored.into()).ok(), by, seen.map(version));
        floor.map(|floor| floor.map_or(1, |floor| floor.number() + 1)).map_err(|error| error.to_string())
    }

    #[test]
    fn the_next_version_is_so_far_above_the_stored_one_and_above_what_was_seen() {
        assert_eq!(next(7, 100, None), Ok(107));
        assert_eq!(next(7, 100, Some(106)), Ok(107));
        assert_eq!(next(7, 100, Some(107)), Ok(108));
        assert_eq!(next(7, 0, Some(3)), Ok(8));
        assert_eq!(next(0, 1, None), Ok(1));
    }

    #[test]
    fn the_last_version_can_be_reached_and_not_passed() {
        let last = Version::MAX.number();
        assert_eq!(next(7, last - 7, None), Ok(last));
        let refused = next(7, last - 6, None).unwrap_err();
        assert!(refused.starts_with("the timestamp cannot be signed anew: "), "{refused}");
        assert_eq!(next(7, 1, Some(last - 1)), Ok(last));
        assert!(next(7, 1, Some(last)).is_err());
        assert!(next(last, 0, None).is_err());
    }
}
