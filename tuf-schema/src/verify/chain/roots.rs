//! The root of an update: the cached one, the first one, and the way to newer ones.

use std::collections::BTreeSet;

use super::{Answer, Chain, ChainError, DocumentName, Purpose, Reach, State, decode};
use crate::envelope::Unverified;
use crate::key::x509::Expiry;
use crate::model::Root;
use crate::role::Role;
use crate::verify::limits::MAX_ROOT_STEPS;
use crate::verify::root::follow_with as follow;
use crate::verify::{Verified, trust_first};
use crate::version::Version;

impl Chain {
    pub(super) fn cached_root(&mut self, answer: Answer) -> Result<(), ChainError> {
        let Answer::Bytes(bytes) = answer else {
            self.state = State::FirstRoot;
            return Ok(());
        };
        let trust = |bytes| Ok(trust_first(decode(&Role::Root, bytes)?, &self.gun, self.now, Expiry::Ignored)?);
        let root = trust(bytes).map_err(|e| ChainError::CachedRoot(Box::new(e)))?;
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
        let root = trust_first(decode(&Role::Root, bytes)?, &self.gun, self.now, self.certificates())?;
        self.check_date(&root)?;
        self.fetched.insert(Role::Root);
        self.root = Some(root);
        self.start();
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
            Answer::Unreachable => return Err(ChainError::Unreachable(DocumentName::current(Role::Root))),
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
        let newest: Unverified<Root> = decode(&Role::Root, bytes)?;
        let version = newest.claims().version;
        if version == trusted.model().version {
            // Says first whose it is: a repository made anew under other keys is the usual case.
            follow(&trusted, newest, &self.gun, self.now, self.certificates())?;
            return Err(ChainError::RootReplaced(version));
        }
        match trusted.model().version.next() {
            Some(next) if next < version => {
                self.state = State::RootStep { newest, next, steps: 1 };
                Ok(())
            }
            _ => self.adopt(&trusted, newest),
        }
    }

    pub(super) fn root_step(
        &mut self,
        answer: Answer,
        newest: Unverified<Root>,
        asked: Version,
        steps: usize,
    ) -> Result<(), ChainError> {
        let trusted = self.trusted_root()?.clone();
        let bytes = match answer {
            Answer::Bytes(bytes) => bytes,
            // A repository whose owner rotated before the first publish has no first root (seen with the reference):
            // the newest one must then bear the trusted keys' signatures itself.
            Answer::Absent => return self.adopt(&trusted, newest),
            Answer::Unreachable => return Err(ChainError::Unreachable(DocumentName::current(Role::Root))),
        };
        let step: Unverified<Root> = decode(&Role::Root, bytes)?;
        let found = step.claims().version;
        if found != asked {
            return Err(ChainError::RootNumber { asked, found });
        }
        // It only introduces the next one, so its dates do not matter, nor those of its certificates.
        let step = follow(&trusted, step, &self.gun, self.now, Expiry::Ignored)?;
        self.root = Some(step.clone());
        match asked.next() {
            Some(next) if next < newest.claims().version => {
                if steps >= MAX_ROOT_STEPS {
                    return Err(ChainError::TooManyRoots);
                }
                self.state = State::RootStep { newest, next, steps: steps.saturating_add(1) };
                Ok(())
            }
            _ => self.adopt(&step, newest),
        }
    }

    /// Follows to the newest root and starts again under it.
    fn adopt(&mut self, previous: &Verified<Root>, newest: Unverified<Root>) -> Result<(), ChainError> {
        let root = follow(previous, newest, &self.gun, self.now, self.certificates())?;
        self.check_date(&root)?;
        self.root = Some(root);
        self.fetched = BTreeSet::from([Role::Root]);
        self.start();
        Ok(())
    }

    pub(super) fn trusted_root(&self) -> Result<&Verified<Root>, ChainError> {
        self.root.as_ref().ok_or_else(|| ChainError::NoTrustData(self.gun.clone()))
    }

    fn first_difficulty(&mut self) -> ChainError {
        self.stumbled.take().unwrap_or_else(|| ChainError::Missing(DocumentName::current(Role::Root)))
    }
}
