//! The root of an update: the cached one, the first one, what is pinned of them, and the way to newer ones.

use std::collections::BTreeSet;

use bytes::Bytes;

use super::{Answer, Chain, ChainError, DocumentName, Purpose, Reach, State, decode};
use crate::digest::Sha256;
use crate::envelope::Unverified;
use crate::key::x509::Expiry;
use crate::model::Root;
use crate::role::Role;
use crate::verify::limits::MAX_ROOT_STEPS;
use crate::verify::root::follow_with as follow;
use crate::verify::{PinMismatch, Verified, trust_first};
use crate::version::Version;

/// The way from root to root, up to one that was offered.
#[derive(Debug)]
pub(super) struct Way {
    /// Where it leads.
    offered: Unverified<Root>,
    /// What that is.
    goal: Goal,
    /// The version that is asked for.
    pub(super) next: Version,
    /// How many were.
    steps: usize,
}

/// Which root was offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Goal {
    /// The cached one, that no pin covers by itself.
    Cached,
    /// One of the server's.
    Served,
}

impl Way {
    /// Goes on to the next version, unless that is the one that was offered.
    fn goes_on(&mut self) -> Result<bool, ChainError> {
        let next = self.next.next().filter(|next| *next < self.offered.claims().version);
        if next.is_some() && self.steps >= MAX_ROOT_STEPS {
            return Err(ChainError::TooManyRoots);
        }
        self.next = next.unwrap_or(self.next);
        self.steps = self.steps.saturating_add(1);
        Ok(next.is_some())
    }
}

impl Chain {
    pub(super) fn cached_root(&mut self, answer: Answer) -> Result<(), ChainError> {
        let Answer::Bytes(bytes) = answer else {
            self.state = State::FirstRoot;
            return Ok(());
        };
        let damaged = |e| ChainError::CachedRoot(Box::new(e));
        let document: Unverified<Root> = decode(&Role::Root, bytes).map_err(damaged)?;
        let pinned = self.check_pin(&document);
        let root = trust_first(document.clone(), &self.gun, self.now, Expiry::Ignored);
        let root = root.map_err(|e| damaged(e.into()))?;
        match pinned {
            Ok(()) => self.keep_cached(root),
            Err(mismatch) if self.pin.is_anchor() => self.seek_pinned(document, Goal::Cached, mismatch),
            // The authority's certificate may have ended, or the pin may be newer than the root.
            Err(mismatch) => {
                self.anchored = Some(root.model().version);
                self.root = Some(root);
                self.uncovered = true;
                self.stumble(mismatch.into())
            }
        }
    }

    fn keep_cached(&mut self, root: Verified<Root>) -> Result<(), ChainError> {
        self.anchored = Some(root.model().version);
        let fresh = root.check_fresh(self.now);
        self.root = Some(root);
        match (fresh, self.purpose) {
            (Ok(()), _) => {
                self.start();
                Ok(())
            }
            (Err(e), Purpose::Use) => self.stumble(e.into()),
            // Perhaps somebody signed it anew already; if not, this is the one to be signed anew.
            (Err(_), Purpose::Renewal) => {
                self.state = State::NewestRoot;
                Ok(())
            }
        }
    }

    pub(super) fn first_root(&mut self, answer: Answer) -> Result<(), ChainError> {
        let bytes = match answer {
            Answer::Bytes(bytes) => bytes,
            Answer::Absent => return Err(ChainError::NoTrustData(self.gun.clone())),
            Answer::Unreachable => return Err(ChainError::Unreachable(DocumentName::current(Role::Root))),
        };
        self.pin.check_first_use(&self.gun)?;
        let document: Unverified<Root> = decode(&Role::Root, bytes)?;
        let pinned = self.check_pin(&document);
        let root = trust_first(document.clone(), &self.gun, self.now, self.certificates())?;
        match pinned {
            Ok(()) => self.enter_under(root),
            Err(mismatch) if self.pin.is_anchor() => self.seek_pinned(document, Goal::Served, mismatch),
            Err(mismatch) => Err(mismatch.into()),
        }
    }

    /// Looks for a root that the pin covers, from the first one on, to go on from there to the one that was offered.
    fn seek_pinned(
        &mut self,
        offered: Unverified<Root>,
        goal: Goal,
        mismatch: Box<PinMismatch>,
    ) -> Result<(), ChainError> {
        if offered.claims().version <= Version::FIRST {
            return Err(mismatch.into());
        }
        self.state = State::PinnedRoot { way: Way { offered, goal, next: Version::FIRST, steps: 1 }, mismatch };
        Ok(())
    }

    pub(super) fn pinned_root(
        &mut self,
        answer: Answer,
        mut way: Way,
        mismatch: Box<PinMismatch>,
    ) -> Result<(), ChainError> {
        let anchor = match answer {
            Answer::Bytes(bytes) => {
                let document: Unverified<Root> = numbered(bytes, way.next)?;
                let pinned = self.check_pin(&document).is_ok();
                trust_first(document, &self.gun, self.now, Expiry::Ignored).ok().filter(|_| pinned)
            }
            Answer::Absent => None,
            Answer::Unreachable => return Err(mismatch.into()),
        };
        match (anchor, way.goes_on()?) {
            (None, true) => self.state = State::PinnedRoot { way, mismatch },
            (None, false) => return Err(mismatch.into()),
            (Some(anchor), true) => {
                self.root = Some(anchor);
                self.state = State::RootStep { way };
            }
            (Some(anchor), false) => return self.adopt(&anchor, way.offered, way.goal),
        }
        Ok(())
    }

    /// Looks for a newer root, once; `why` is the error if there is none.
    pub(super) fn stumble(&mut self, why: ChainError) -> Result<(), ChainError> {
        if self.refreshed || self.reach == Reach::CacheOnly || matches!(why, ChainError::Unreachable(_)) {
            return Err(why);
        }
        self.stumbled = Some(why);
        self.state = State::NewestRoot;
        Ok(())
    }

    pub(super) fn newest_root(&mut self, answer: Answer) -> Result<(), ChainError> {
        self.refreshed = true;
        let trusted = self.trusted_root()?.clone();
        let bytes = match answer {
            Answer::Bytes(bytes) => bytes,
            // Nothing newer to be had: the first difficulty stands.
            Answer::Absent => return Err(self.first_difficulty()),
            Answer::Unreachable => {
                // What is pinned is decided without a server; a date is not.
                let pin = self.stumbled.take().filter(|why| matches!(why, ChainError::Pin(_)));
                return Err(pin.unwrap_or_else(|| ChainError::Unreachable(DocumentName::current(Role::Root))));
            }
        };
        if bytes == *trusted.raw() {
            return match self.stumbled.take() {
                Some(difficulty) => Err(difficulty),
                None => {
                    self.start();
                    Ok(())
                }
            };
        }
        let offered = Sha256::of(&bytes);
        let newest: Unverified<Root> = decode(&Role::Root, bytes)?;
        let version = newest.claims().version;
        if version == trusted.model().version {
            // Says first whose it is: a repository made anew under other keys is the usual case.
            follow(&trusted, newest, &self.gun, self.now, self.certificates())?;
            return Err(ChainError::RootReplaced { version, trusted: Sha256::of(trusted.raw()), offered });
        }
        match trusted.model().version.next() {
            Some(next) if next < version => {
                self.state = State::RootStep { way: Way { offered: newest, goal: Goal::Served, next, steps: 1 } };
                Ok(())
            }
            _ => self.adopt(&trusted, newest, Goal::Served),
        }
    }

    pub(super) fn root_step(&mut self, answer: Answer, mut way: Way) -> Result<(), ChainError> {
        let trusted = self.trusted_root()?.clone();
        let bytes = match answer {
            Answer::Bytes(bytes) => bytes,
            // A repository whose owner rotated before the first publish has no first root (seen with the reference):
            // the newest one must then bear the trusted keys' signatures itself.
            Answer::Absent => return self.adopt(&trusted, way.offered, way.goal),
            Answer::Unreachable => return Err(ChainError::Unreachable(DocumentName::current(Role::Root))),
        };
        let step: Unverified<Root> = numbered(bytes, way.next)?;
        let uncovered = !self.pin.is_anchor() && self.check_pin(&step).is_err();
        // It only introduces the next one, so its dates do not matter, nor those of its certificates.
        let step = follow(&trusted, step, &self.gun, self.now, Expiry::Ignored)?;
        self.root = Some(step.clone());
        self.uncovered = uncovered;
        if way.goes_on()? {
            self.state = State::RootStep { way };
            return Ok(());
        }
        self.adopt(&step, way.offered, way.goal)
    }

    /// Follows to the root that was offered and starts under it.
    fn adopt(&mut self, previous: &Verified<Root>, offered: Unverified<Root>, goal: Goal) -> Result<(), ChainError> {
        let pinned = self.check_pin(&offered);
        let dates = if goal == Goal::Cached { Expiry::Ignored } else { self.certificates() };
        let root = follow(previous, offered, &self.gun, self.now, dates)?;
        match pinned {
            Err(mismatch) if !self.pin.is_anchor() => return Err(mismatch.into()),
            pinned => self.outgrown = pinned.err(),
        }
        self.uncovered = false;
        match goal {
            Goal::Cached => self.keep_cached(root),
            Goal::Served => self.enter_under(root),
        }
    }

    fn enter_under(&mut self, root: Verified<Root>) -> Result<(), ChainError> {
        self.check_date(&root)?;
        self.root = Some(root);
        self.fetched = BTreeSet::from([Role::Root]);
        self.start();
        Ok(())
    }

    fn check_pin(&self, root: &Unverified<Root>) -> Result<(), Box<PinMismatch>> {
        self.pin.check(root, &self.gun, self.now, self.certificates())
    }

    pub(super) fn trusted_root(&self) -> Result<&Verified<Root>, ChainError> {
        self.root.as_ref().ok_or_else(|| ChainError::NoTrustData(self.gun.clone()))
    }

    fn first_difficulty(&mut self) -> ChainError {
        self.stumbled.take().unwrap_or_else(|| ChainError::Missing(DocumentName::current(Role::Root)))
    }
}

/// The root that was asked for by its number.
fn numbered(bytes: Bytes, asked: Version) -> Result<Unverified<Root>, ChainError> {
    let root: Unverified<Root> = decode(&Role::Root, bytes)?;
    let found = root.claims().version;
    if found == asked { Ok(root) } else { Err(ChainError::RootNumber { asked, found }) }
}
