//! The proof that an update may be stored; nothing else can be committed.

use bytes::Bytes;
use tuf_schema::{Gun, Role, Sha256, Version};

use crate::store::Newest;

/// Files of one GUN that passed every check, among them exactly one timestamp.
///
/// Only `publish` makes one, so a store cannot be handed anything that was not validated:
///
/// ```compile_fail,E0451
/// let update =
///     bulla_server::publish::ValidatedUpdate { gun: todo!(), origin: todo!(), base: None, writes: None, timestamp: todo!(), others: vec![] };
/// ```
#[derive(Debug, Clone)]
pub struct ValidatedUpdate {
    gun: Gun,
    origin: Origin,
    base: Option<Sha256>,
    writes: Option<i64>,
    timestamp: NewFile,
    others: Vec<NewFile>,
}

/// Why an update was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// A publisher uploaded something.
    Publish,
    /// The server signed anew what it had signed before.
    Renewal,
}

/// One file to store.
#[derive(Debug, Clone)]
pub struct NewFile {
    role: Role,
    version: Version,
    sha256: Sha256,
    bytes: Bytes,
}

impl ValidatedUpdate {
    /// What a publisher uploaded; `timestamp` vouches for `others`, and all of it was judged by what is `newest`.
    pub(in crate::publish) fn new(gun: Gun, newest: &Newest, timestamp: NewFile, others: Vec<NewFile>) -> Self {
        let base = newest.timestamp.as_ref().map(|stored| stored.sha256);
        Self { gun, origin: Origin::Publish, base, writes: newest.writes, timestamp, others }
    }

    /// The same as the server's own renewal.
    #[must_use]
    pub(in crate::publish) fn into_renewal(self) -> Self {
        Self { origin: Origin::Renewal, ..self }
    }

    /// The GUN that the files belong to: the one the publisher was let in for.
    #[must_use]
    pub fn gun(&self) -> &Gun {
        &self.gun
    }

    /// Why it was made.
    #[must_use]
    pub fn origin(&self) -> Origin {
        self.origin
    }

    /// The newest stored timestamp when the update was prepared. A store that has another one by now must not take the
    /// update: it was judged by a state that is gone.
    #[must_use]
    pub fn base(&self) -> Option<&Sha256> {
        self.base.as_ref()
    }

    /// How often the repository had been written to when the update was prepared, if the store told. A store that counts as
    /// many need not look whether the update still holds.
    #[must_use]
    pub fn writes(&self) -> Option<i64> {
        self.writes
    }

    /// The timestamp that makes the update visible.
    #[must_use]
    pub fn timestamp(&self) -> &NewFile {
        &self.timestamp
    }

    /// Every file, the timestamp last.
    pub fn files(&self) -> impl Iterator<Item = &NewFile> + Send {
        self.others.iter().chain(std::iter::once(&self.timestamp))
    }

    /// An update of no meaning, for the tests of stores.
    #[cfg(test)]
    pub(crate) fn for_store_tests(gun: &Gun, base: Option<Sha256>, timestamp: NewFile, others: Vec<NewFile>) -> Self {
        Self { gun: gun.clone(), origin: Origin::Publish, base, writes: None, timestamp, others }
    }

    /// The same, prepared when the repository had been written to so often.
    #[cfg(test)]
    pub(crate) fn after_writes(self, writes: Option<i64>) -> Self {
        Self { writes, ..self }
    }

    /// A renewal of no meaning, for the tests of stores.
    #[cfg(test)]
    pub(crate) fn renewal_for_store_tests(gun: &Gun, base: Option<Sha256>, timestamp: NewFile) -> Self {
        Self::for_store_tests(gun, base, timestamp, Vec::new()).into_renewal()
    }
}

impl NewFile {
    pub(crate) fn new(role: Role, version: Version, bytes: Bytes) -> Self {
        let sha256 = Sha256::of(&bytes);
        Self { role, version, sha256, bytes }
    }

    /// The role.
    #[must_use]
    pub fn role(&self) -> &Role {
        &self.role
    }

    /// The version in the signed part.
    #[must_use]
    pub fn version(&self) -> Version {
        self.version
    }

    /// The digest of the bytes.
    #[must_use]
    pub fn sha256(&self) -> &Sha256 {
        &self.sha256
    }

    /// The bytes to store and to serve.
    #[must_use]
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }
}
