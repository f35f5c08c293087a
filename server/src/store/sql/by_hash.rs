//! Files by their hashes. Bytes of a hash never change, so they are remembered; that a repository has them is asked of the
//! database each time, as it may have been deleted, here or by another server. Only who comes from the newest timestamp knows
//! that already.

use std::sync::{Mutex, MutexGuard, PoisonError};

use bulla_database::{Database, Engine, Row, Value};
use bytes::Bytes;
use tuf_schema::{Gun, Role, Sha256, UtcTime, Version};

use super::rows::{from_micros, number, to_version, wrong};
use super::together::{Question, Together};
use super::words::{NEWEST_OF_A_DIGEST, is, is_sha256};
use crate::bounded::BoundedMap;
use crate::store::{StoreError, Stored};

/// What is remembered, in bytes.
const REMEMBERED_BYTES: usize = 16 << 20;

/// The largest file that is remembered, in bytes: targets of some ten thousand tags.
const LARGEST_BYTES: usize = 2 << 20;

/// What an entry takes beside the bytes of the file.
const ENTRY_BYTES: usize = 256;

/// How many places are remembered: with the longest names 4 MiB.
const REMEMBERED_PLACES: usize = 4096;

/// A file as one repository has it.
type Place = (Gun, Role, Sha256);

/// Remembered files, and the question whether they are still there.
pub(super) struct ByHash<E: Engine> {
    remembered: Mutex<BoundedMap<Sha256, Bytes>>,
    places: Mutex<BoundedMap<Place, (Version, UtcTime)>>,
    there: Together<E, There>,
}

/// Does this GUN have a file of this role and digest?
#[derive(PartialEq)]
pub(super) struct There {
    gun: Gun,
    role: Role,
    sha256: String,
}

impl Question for There {
    type Answer = (Version, UtcTime);

    const PARAMETERS: usize = 3;

    fn statement<E: Engine>(number: usize, first: usize) -> String {
        format!(
            "SELECT {number} AS number, version, created_at FROM tuf_files WHERE {} AND {} AND {} \
             AND deleted_at IS NULL {NEWEST_OF_A_DIGEST}",
            is::<E>("gun", first),
            is::<E>("role", first + 1),
            is_sha256::<E>(first + 2)
        )
    }

    fn values(&self) -> impl Iterator<Item = Value<'_>> {
        [self.gun.as_str(), self.role.as_str(), &self.sha256].into_iter().map(Value::Text)
    }

    fn answer(row: Row) -> Result<(Version, UtcTime), StoreError> {
        Ok((to_version(number(&row, 1)?)?, from_micros(row.time(2).map_err(wrong)?.unwrap_or_default())?))
    }
}

impl<E: Engine> ByHash<E> {
    pub(super) fn new(database: Database<E>) -> Self {
        Self {
            remembered: Mutex::new(BoundedMap::new(REMEMBERED_BYTES)),
            places: Mutex::new(BoundedMap::new(REMEMBERED_PLACES)),
            there: Together::new(database),
        }
    }

    /// The bytes with this digest, if they are remembered.
    pub(super) fn bytes(&self, sha256: &Sha256) -> Option<Bytes> {
        self.remembered().get(sha256).cloned()
    }

    /// The file of these bytes; `None` when this GUN and role have it no more, or never had.
    pub(super) async fn file(
        &self,
        gun: &Gun,
        role: &Role,
        sha256: Sha256,
        bytes: Bytes,
    ) -> Result<Option<Stored>, StoreError> {
        let question = There { gun: gun.clone(), role: role.clone(), sha256: sha256.to_hex() };
        let there = self.there.ask(question).await?;
        there.iter().for_each(|found| self.note(gun, role, sha256, *found));
        Ok(there.map(|(version, created_at)| Stored { version, sha256, bytes, created_at }))
    }

    /// The file as this GUN and role had it when it was last asked for; it may have been deleted since.
    pub(super) fn found_before(&self, gun: &Gun, role: &Role, sha256: &Sha256) -> Option<Stored> {
        let place = (gun.clone(), role.clone(), *sha256);
        let (version, created_at) = *self.places().get(&place)?;
        Some(Stored { version, sha256: *sha256, bytes: self.bytes(sha256)?, created_at })
    }

    /// Remembers a file that was read. What is not what its digest says is not: it would be served to other repositories.
    pub(super) fn remember(&self, gun: &Gun, role: &Role, stored: &Stored) {
        if stored.bytes.len() <= LARGEST_BYTES && Sha256::of(&stored.bytes) == stored.sha256 {
            let weight = stored.bytes.len().saturating_add(ENTRY_BYTES);
            self.remembered().insert_weighing(stored.sha256, stored.bytes.clone(), weight);
            self.note(gun, role, stored.sha256, (stored.version, stored.created_at));
        }
    }

    fn note(&self, gun: &Gun, role: &Role, sha256: Sha256, found: (Version, UtcTime)) {
        self.places().insert((gun.clone(), role.clone(), sha256), found);
    }

    fn places(&self) -> MutexGuard<'_, BoundedMap<Place, (Version, UtcTime)>> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn remembered(&self) -> MutexGuard<'_, BoundedMap<Sha256, Bytes>> {
        self.remembered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
