//! The client update as a machine: it asks for bytes, is fed bytes, and ends with metadata that may be used now.
//!
//! ```text
//! root (cached, else first use) -> timestamp -> snapshot -> targets -> delegations, depth first in file order
//! ```
//!
//! Whatever fails between timestamp and `targets` is answered once by looking for a newer root: roots are followed one
//! by one, and the walk starts again under the new one. The same happens when the trusted root has expired and when
//! the snapshot lists another root than the trusted one, so a revoked key is noticed with the next snapshot.
//! A pin says which roots may be believed; what it does not cover by itself is held against the roots before it.
//! Cached documents are verified like fetched ones, except for their date; they give the version floors.
//!
//! An update [for renewal](Chain::for_renewal) makes the same checks but those of dates, and ends with another type:
//! what may be signed anew, and not used.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use crate::dialect::{Dialect, Document};
use crate::envelope::{Envelope, Unverified};
use crate::gun::Gun;
use crate::key::x509::Expiry;
use crate::model::{FileMeta, Root, Snapshot, Targets, Timestamp};
use crate::parallel;
use crate::role::{BaseRole, Role};
use crate::time::UtcTime;
use crate::verify::limits::{MAX_DOCUMENT_BYTES, MAX_TIMESTAMP_BYTES};
use crate::verify::{Authority, Floor, Pin, PinMismatch, StaleError, Verified};
use crate::version::Version;

mod error;
mod passed_over;
mod renewable;
mod request;
mod roots;
mod trusted;
mod walk;

use roots::Way;
use walk::Pending;

pub use error::ChainError;
pub use passed_over::{PassedOver, Unsigned};
pub use renewable::{Lapsed, Renewable};
pub use request::{Answer, DocumentName, Request, Which};
pub use trusted::{Reach, Skipped, Trusted, Visible};

/// The update of one repository.
#[derive(Debug)]
pub struct Chain {
    gun: Gun,
    now: UtcTime,
    purpose: Purpose,
    pin: Pin,
    state: State,
    root: Option<Verified<Root>>,
    /// The version of the root that the cache held.
    anchored: Option<Version>,
    /// Whether the pin does not let the root be used, which only introduces the next one.
    uncovered: bool,
    /// How the trusted root differs from the pin that the roots before it lead to.
    outgrown: Option<Box<PinMismatch>>,
    /// Why a newer root is looked for; once per update.
    stumbled: Option<ChainError>,
    refreshed: bool,
    reach: Reach,
    fetched: BTreeSet<Role>,
    timestamp: Option<Verified<Timestamp>>,
    snapshot: Option<Verified<Snapshot>>,
    /// What the cached snapshot lists; nothing unless the trusted root's keys signed it.
    known: BTreeSet<Role>,
    targets: BTreeMap<Role, Verified<Targets>>,
    skipped: Vec<Skipped>,
    passed_over: BTreeMap<Role, PassedOver>,
    /// Targets roles still to be visited; the next one is the last.
    pending: Vec<Pending>,
    visited: usize,
}

/// What an update is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    /// To use what is published: every date counts.
    Use,
    /// To sign anew what has expired: no date counts, nor does that of a root certificate.
    Renewal,
}

#[derive(Debug)]
enum State {
    CachedRoot,
    FirstRoot,
    NewestRoot,
    PinnedRoot {
        way: Way,
        mismatch: Box<PinMismatch>,
    },
    RootStep {
        way: Way,
    },
    CachedTimestamp,
    Timestamp {
        cached: Option<Verified<Timestamp>>,
    },
    CachedSnapshot,
    Snapshot {
        listed: FileMeta,
        floor: Option<Version>,
    },
    CachedTargets {
        visit: Pending,
    },
    Targets {
        visit: Pending,
        listed: FileMeta,
        /// What the cache holds, another document than the listed one.
        cached: Option<Bytes>,
    },
    Done,
    /// An error was returned; there is nothing to be had any more.
    Failed,
}

impl Chain {
    /// An update of `gun` at the time `now`, which believes the first root that comes.
    #[must_use]
    pub fn new(gun: Gun, now: UtcTime) -> Self {
        Self::with_purpose(gun, now, Purpose::Use)
    }

    /// An update for whoever signs anew what has expired: signatures, thresholds, versions, lengths and hashes are
    /// checked, dates are not. It ends with [`Self::finish_renewal`], never with [`Self::finish`].
    #[must_use]
    pub fn for_renewal(gun: Gun, now: UtcTime) -> Self {
        Self::with_purpose(gun, now, Purpose::Renewal)
    }

    fn with_purpose(gun: Gun, now: UtcTime, purpose: Purpose) -> Self {
        Self {
            gun,
            now,
            purpose,
            pin: Pin::FirstUse,
            state: State::CachedRoot,
            root: None,
            anchored: None,
            uncovered: false,
            outgrown: None,
            stumbled: None,
            refreshed: false,
            reach: Reach::Server,
            fetched: BTreeSet::new(),
            timestamp: None,
            snapshot: None,
            known: BTreeSet::new(),
            targets: BTreeMap::new(),
            skipped: Vec::new(),
            passed_over: BTreeMap::new(),
            pending: Vec::new(),
            visited: 0,
        }
    }

    /// The same with this pin: to be said before the first question.
    #[must_use]
    pub fn pinned(self, pin: Pin) -> Self {
        Self { pin, ..self }
    }

    /// What is wanted next; `None` when the update is complete.
    #[must_use]
    pub fn request(&self) -> Option<Request> {
        let fetch =
            |role: &Role, which, cap| Some(Request::Fetch { name: DocumentName { role: role.clone(), which }, cap });
        let listed = |role: &Role, meta: &FileMeta| match meta.digests.sha256() {
            Some(digest) => fetch(role, Which::Digest(digest), meta.length),
            // Decoding demands a SHA-256 for every role that is asked for here.
            None => fetch(role, Which::Current, meta.length),
        };
        match &self.state {
            State::CachedRoot => Some(Request::Cached(Role::Root)),
            State::FirstRoot | State::NewestRoot => fetch(&Role::Root, Which::Current, MAX_DOCUMENT_BYTES),
            State::PinnedRoot { way, .. } | State::RootStep { way } => {
                fetch(&Role::Root, Which::Version(way.next), MAX_DOCUMENT_BYTES)
            }
            State::CachedTimestamp => Some(Request::Cached(Role::Timestamp)),
            State::Timestamp { .. } => fetch(&Role::Timestamp, Which::Current, MAX_TIMESTAMP_BYTES),
            State::CachedSnapshot => Some(Request::Cached(Role::Snapshot)),
            State::Snapshot { listed: meta, .. } => listed(&Role::Snapshot, meta),
            State::CachedTargets { visit } => Some(Request::Cached(visit.role.clone())),
            State::Targets { visit, listed: meta, .. } => listed(&visit.role, meta),
            State::Done | State::Failed => None,
        }
    }

    /// Takes the answer to the request.
    ///
    /// # Errors
    /// [`ChainError`]: the update is over.
    pub fn feed(&mut self, answer: Answer) -> Result<(), ChainError> {
        let request = self.request();
        match std::mem::replace(&mut self.state, State::Failed) {
            State::CachedRoot => self.cached_root(answer),
            State::FirstRoot => self.first_root(answer),
            State::NewestRoot => self.newest_root(answer),
            State::PinnedRoot { way, mismatch } => self.pinned_root(answer, way, mismatch),
            State::RootStep { way } => self.root_step(answer, way),
            State::CachedTimestamp => {
                let cached = self.remembered(answer, &Role::Timestamp, BaseRole::Timestamp);
                self.state = State::Timestamp { cached };
                Ok(())
            }
            State::Timestamp { cached } => match self.timestamp(answer, cached, request.as_ref()) {
                Ok(()) => Ok(()),
                Err(e) => self.stumble(e),
            },
            State::CachedSnapshot => match self.cached_snapshot(answer) {
                Ok(()) => Ok(()),
                Err(e) => self.stumble(e),
            },
            State::Snapshot { listed, floor } => match self.snapshot(answer, &listed, floor, request.as_ref()) {
                Ok(()) => Ok(()),
                Err(e) => self.stumble(e),
            },
            State::CachedTargets { visit } => self.cached_targets(answer, visit),
            State::Targets { visit, listed, cached } => {
                let outcome = fetched(answer, request.as_ref()).and_then(|bytes| {
                    let read = || decode(&visit.role, bytes.clone());
                    let (is_listed, document) = parallel::both(bytes.len(), || listed.check(&bytes), read);
                    self.targets(&visit, document?, is_listed, cached)
                });
                self.settle(visit, outcome, true)
            }
            state @ (State::Done | State::Failed) => {
                self.state = state;
                Ok(())
            }
        }
    }

    /// The root trusted now, when it is newer than the one that the cache held: worth keeping even if the update fails.
    ///
    /// Nothing in an update for renewal: what is kept has had its dates checked once.
    #[must_use]
    pub fn newer_root(&self) -> Option<&Bytes> {
        let root = self.root.as_ref().filter(|_| self.purpose == Purpose::Use && !self.uncovered)?;
        self.anchored.filter(|anchored| root.model().version > *anchored).map(|_| root.raw())
    }

    /// The timestamp believed now, of the trusted root's keys and no older than the cached one: a floor for an update that is
    /// begun anew.
    #[must_use]
    pub fn believed_timestamp(&self) -> Option<&Bytes> {
        self.timestamp.as_ref().map(Verified::raw)
    }

    /// The root trusted now; `None` as long as neither the cache nor the server gave one.
    #[must_use]
    pub fn root(&self) -> Option<&Verified<Root>> {
        self.root.as_ref()
    }

    /// The result of a complete update; `None` before it is complete, and for one that ignored dates.
    #[must_use]
    pub fn finish(self) -> Option<Trusted> {
        if !matches!(self.state, State::Done) || self.purpose != Purpose::Use {
            return None;
        }
        let now = self.now;
        // What was listed was checked on the way; that it may be used now is proven here, for each document.
        let targets = self.targets.into_iter();
        let targets = targets.map(|(role, targets)| Ok((role, targets.current(Floor::default(), now)?)));
        Some(Trusted {
            root: self.root?.current(Floor::default(), now).ok()?,
            timestamp: self.timestamp?.current(Floor::default(), now).ok()?,
            snapshot: self.snapshot?.current(Floor::default(), now).ok()?,
            targets: targets.collect::<Result<_, StaleError>>().ok()?,
            skipped: self.skipped,
            passed_over: self.passed_over,
            fetched: self.fetched,
            reach: self.reach,
            outgrown: self.outgrown,
        })
    }

    /// The result of a complete update for renewal; `None` before it is complete, and for one that checked dates.
    #[must_use]
    pub fn finish_renewal(self) -> Option<Renewable> {
        if !matches!(self.state, State::Done) || self.purpose != Purpose::Renewal {
            return None;
        }
        Some(Renewable {
            gun: self.gun,
            now: self.now,
            root: self.root?,
            timestamp: self.timestamp?,
            snapshot: self.snapshot?,
            targets: self.targets,
            skipped: self.skipped,
            passed_over: self.passed_over,
        })
    }

    fn start(&mut self) {
        self.timestamp = None;
        self.snapshot = None;
        self.state = State::CachedTimestamp;
    }

    fn timestamp(
        &mut self,
        answer: Answer,
        cached: Option<Verified<Timestamp>>,
        request: Option<&Request>,
    ) -> Result<(), ChainError> {
        let timestamp = match (answer, cached) {
            (Answer::Unreachable, Some(cached)) => {
                self.reach = Reach::CacheOnly;
                self.usable(cached, Floor::default())?
            }
            (answer, cached) => {
                let bytes = fetched(answer, request)?;
                let document = self.verify::<Timestamp>(bytes, Role::Timestamp, BaseRole::Timestamp)?;
                self.fetched.insert(Role::Timestamp);
                let version = cached.map(|cached| cached.model().version);
                self.usable(document, Floor { version, listed: None })?
            }
        };
        self.timestamp = Some(timestamp);
        self.state = State::CachedSnapshot;
        Ok(())
    }

    fn cached_snapshot(&mut self, answer: Answer) -> Result<(), ChainError> {
        let listed = match &self.timestamp {
            Some(timestamp) => timestamp.model().snapshot.clone(),
            None => return Err(ChainError::Unlisted(Role::Snapshot)),
        };
        let cached: Option<Verified<Snapshot>> = self.remembered(answer, &Role::Snapshot, BaseRole::Snapshot);
        self.known = cached.iter().flat_map(|cached| cached.model().meta.keys().cloned()).collect();
        match cached {
            Some(cached) if listed.check(cached.raw()).is_ok() => {
                let usable = self.usable(cached, Floor::default())?;
                self.enter(usable)
            }
            cached => {
                let floor = cached.map(|cached| cached.model().version);
                self.state = State::Snapshot { listed, floor };
                Ok(())
            }
        }
    }

    fn snapshot(
        &mut self,
        answer: Answer,
        listed: &FileMeta,
        version: Option<Version>,
        request: Option<&Request>,
    ) -> Result<(), ChainError> {
        let bytes = fetched(answer, request)?;
        let document = self.verify::<Snapshot>(bytes, Role::Snapshot, BaseRole::Snapshot)?;
        let usable = self.usable(document, Floor { version, listed: Some(listed) })?;
        self.fetched.insert(Role::Snapshot);
        self.enter(usable)
    }

    /// Checks version and listing, and the date.
    fn usable<M: Document>(&self, document: Verified<M>, floor: Floor<'_>) -> Result<Verified<M>, StaleError> {
        document.check_listed(floor)?;
        self.check_date(&document)?;
        Ok(document)
    }

    /// Checks the date where dates count.
    fn check_date<M: Document>(&self, document: &Verified<M>) -> Result<(), StaleError> {
        match self.purpose {
            Purpose::Use => document.check_fresh(self.now),
            Purpose::Renewal => Ok(()),
        }
    }

    /// Whether the dates of root certificates count.
    fn certificates(&self) -> Expiry {
        match self.purpose {
            Purpose::Use => Expiry::Checked,
            Purpose::Renewal => Expiry::Ignored,
        }
    }

    /// What the cache holds, if the trusted root's keys signed it. Its date does not matter: it is a floor, or it is
    /// held against what its parent lists. What cannot be read counts as absent; docker may be rewriting it just now.
    fn remembered<M: Document>(&self, answer: Answer, role: &Role, base: BaseRole) -> Option<Verified<M>> {
        let Answer::Bytes(bytes) = answer else { return None };
        self.verify(bytes, role.clone(), base).ok()
    }

    fn verify<M: Document>(&self, bytes: Bytes, role: Role, base: BaseRole) -> Result<Verified<M>, ChainError> {
        let authority = Authority::of_base(self.trusted_root()?.model(), base);
        let document = decode::<M>(&role, bytes)?;
        document.verify(&authority).map_err(|source| ChainError::Signature { role, source })
    }
}

fn fetched(answer: Answer, request: Option<&Request>) -> Result<Bytes, ChainError> {
    let name = match request {
        Some(Request::Fetch { name, .. }) => name.clone(),
        Some(Request::Cached(role)) => DocumentName::current(role.clone()),
        None => DocumentName::current(Role::Root),
    };
    match answer {
        Answer::Bytes(bytes) => Ok(bytes),
        Answer::Absent => Err(ChainError::Missing(name)),
        Answer::Unreachable => Err(ChainError::Unreachable(name)),
    }
}

fn decode<M: Document>(role: &Role, bytes: Bytes) -> Result<Unverified<M>, ChainError> {
    let envelope = Envelope::parse(Dialect::Notary, bytes);
    let envelope = envelope.map_err(|source| ChainError::Envelope { role: role.clone(), source })?;
    Ok(envelope.decode(role.clone())?)
}
