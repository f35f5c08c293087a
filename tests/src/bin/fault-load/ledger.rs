//! What was acknowledged of one repository, and what else must be there.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use e2e::upload::Story;
use tuf_schema::Sha256;

/// The publishes of one repository whose outcome is known, by the version of targets.
#[derive(Debug)]
pub(crate) struct Ledger {
    pub(crate) gun: String,
    stored: Mutex<BTreeMap<u32, Sha256>>,
}

impl Ledger {
    /// Of a repository from its second publish on.
    pub(crate) fn new(story: &Story) -> Self {
        Self { gun: story.gun().to_owned(), stored: Mutex::default() }
    }

    /// Notes that this version is stored.
    pub(crate) fn acknowledge(&self, version: u32, bytes: &[u8]) {
        self.stored().insert(version, Sha256::of(bytes));
    }

    /// The newest version that is known to be stored.
    pub(crate) fn newest(&self) -> u32 {
        self.stored().keys().next_back().copied().unwrap_or_default()
    }

    /// Every version that is known to be stored, with its digest.
    pub(crate) fn all(&self) -> Vec<(u32, Sha256)> {
        self.stored().iter().map(|(version, sha256)| (*version, *sha256)).collect()
    }

    fn stored(&self) -> MutexGuard<'_, BTreeMap<u32, Sha256>> {
        self.stored.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
