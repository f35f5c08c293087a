//! Stored roots, believed once: what was checked is remembered by its bytes' digest.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tuf_schema::key::x509::Expiry;
use tuf_schema::model::Root;
use tuf_schema::verify::{Verified, trust_first};
use tuf_schema::{Gun, Role, Sha256, UtcTime};

use super::load::{damaged, unverified};
use crate::bounded::BoundedMap;
use crate::store::{StoreError, Stored};

/// How many roots are remembered; one takes some ten kilobytes.
const REMEMBERED: usize = 1024;

/// The longest root that is remembered, in bytes: all of them must not fill the memory. A longer one is checked each
/// time.
const REMEMBERED_BYTES: usize = 64 * 1024;

/// By whose root it is and by its digest.
type Remembered = BoundedMap<(Gun, Sha256), Arc<Verified<Root>>>;

/// Stored roots of which it is known that they stand.
pub(crate) struct TrustedRoots {
    remembered: Mutex<Remembered>,
}

impl TrustedRoots {
    pub(crate) fn new() -> Self {
        Self { remembered: Mutex::new(BoundedMap::new(REMEMBERED)) }
    }

    /// A stored root, believed again. Its date does not matter, nor those of its certificates: both were good when it
    /// came, and an expired root still introduces its successor.
    pub(crate) fn believe(&self, gun: &Gun, stored: &Stored, now: UtcTime) -> Result<Arc<Verified<Root>>, StoreError> {
        let name = (gun.clone(), stored.sha256);
        let known = self.remembered().get(&name).filter(|root| root.raw() == &stored.bytes).cloned();
        if let Some(root) = known {
            return Ok(root);
        }
        let root = trust_first(unverified(&Role::Root, stored)?, gun, now, Expiry::Ignored);
        let root = Arc::new(root.map_err(|error| damaged(&Role::Root, stored, &error))?);
        if stored.bytes.len() <= REMEMBERED_BYTES {
            self.remembered().insert(name, root.clone());
        }
        Ok(root)
    }

    fn remembered(&self) -> MutexGuard<'_, Remembered> {
        self.remembered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use tuf_schema::testing::{Publisher, secret_key};
    use tuf_schema::{SigningKey as _, Version};

    use super::*;

    fn stored(sha256: Sha256, bytes: Bytes, now: UtcTime) -> Stored {
        Stored { version: Version::FIRST, sha256, bytes, created_at: now }
    }

    #[test]
    fn a_root_of_64_kib_is_remembered_and_a_longer_one_is_not() {
        let now = UtcTime::parse("2026-11-21T21:05:00Z").unwrap();
        let gun = Gun::parse("example.com/app").unwrap();
        let key = secret_key();
        let bytes = Publisher::new(&gun, key.public(), key.public(), now).root_bytes();
        let roots = TrustedRoots::new();
        for (length, is_remembered) in [(64 * 1024, true), (64 * 1024 + 1, false)] {
            let mut padded = vec![b' '; length - bytes.len()];
            padded.extend_from_slice(&bytes);
            let root = stored(Sha256::of(&padded), padded.into(), now);
            let first = roots.believe(&gun, &root, now).unwrap();
            let second = roots.believe(&gun, &root, now).unwrap();
            assert_eq!(Arc::ptr_eq(&first, &second), is_remembered, "{length}");
        }
    }

    #[test]
    fn a_root_is_remembered_by_what_it_is_and_whose_it_is() {
        let now = UtcTime::parse("2026-11-21T21:05:00Z").unwrap();
        let gun = Gun::parse("example.com/app").unwrap();
        let key = secret_key();
        let bytes = Publisher::new(&gun, key.public(), key.public(), now).root_bytes();
        let roots = TrustedRoots::new();
        let root = stored(Sha256::of(&bytes), bytes.clone(), now);
        let first = roots.believe(&gun, &root, now).unwrap();
        assert!(Arc::ptr_eq(&first, &roots.believe(&gun, &root, now).unwrap()));
        let other = Gun::parse("example.com/other").unwrap();
        assert!(roots.believe(&other, &root, now).is_err(), "its certificate is for another GUN");
        // A row whose bytes were changed and whose digest column was not.
        let mut changed = bytes.to_vec();
        *changed.last_mut().unwrap() = b' ';
        assert!(roots.believe(&gun, &stored(Sha256::of(&bytes), changed.into(), now), now).is_err());
    }
}
