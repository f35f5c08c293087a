//! Publishing: an edit is applied to what is there, what it touched is signed, and all of it goes into one upload.

use ring::rand::SecureRandom;
use tuf_schema::model::Targets;
use tuf_schema::verify::chain::{ChainError, Trusted};
use tuf_schema::verify::{Authority, Pin, StaleError};
use tuf_schema::version::Version;
use tuf_schema::{Dialect, Envelope, Gun, Role, UtcTime};

mod attempts;
mod changes;
mod delegations;
mod edit;
mod error;
mod founding;
mod initialise;
mod keys_at_hand;
mod next;
mod resume;
mod root_age;
mod shortage;
mod signing;
mod staged;
mod tags;
mod working;

pub use attempts::{MAX_ATTEMPTS, Pacing, RealTime};
pub use changes::Changes;
pub(crate) use edit::Look;
pub use edit::{Edit, EditError};
pub use error::PublishError;
pub use initialise::{Begun, InitialiseError, RootOf};
pub use keys_at_hand::KeysAtHand;
pub(crate) use keys_at_hand::keys_that_count;
pub use root_age::{RENEWED_BEFORE_SECONDS, RootNotice};
pub use shortage::{Shortage, TooFewKeys};
pub use staged::StagedError;
pub use tags::SignTags;
pub use working::Working;
pub(crate) use working::{ROOT_LIFETIME_SECONDS, TARGETS_LIFETIME_SECONDS};

use crate::cache::Cache;
use crate::keys::Keyring;
use crate::lock::Lock;
use crate::remote::{Part, Remote, RemoteError};
use crate::trust::{Offline, UpdateError, Updated, fetch, for_renewal, keep, update};

/// Publishes to one repository.
pub struct Publisher<'a> {
    /// The repository.
    pub gun: &'a Gun,
    /// Its trust server.
    pub remote: &'a dyn Remote,
    /// Its cache.
    pub cache: &'a Cache,
    /// The keys at hand.
    pub keys: &'a mut Keyring,
    /// The time of this run.
    pub now: UtcTime,
    /// Randomness for keys, signatures and waits.
    pub rng: &'a dyn SecureRandom,
    /// What waits between attempts.
    pub pacing: &'a dyn Pacing,
}

/// What a publish did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// Whether the server did not know the repository, which has been initialised.
    pub initialised: bool,
    /// The roles that were signed and list targets; none when there was nothing to do.
    pub roles: Vec<Role>,
    /// What there is to say about a root that ends soon.
    pub root: Vec<RootNotice>,
    /// Delegations of what was signed that nobody can sign, as they have too few keys.
    pub unsignable: Vec<TooFewKeys>,
}

/// What came from the trust server and is yet to be kept.
#[derive(Default)]
struct Fetched {
    /// Under a root that was kept before, or that a pin vouches for: to be kept whatever becomes of the edit.
    known: Option<Trusted>,
    /// Under another one: a refusal must not leave a root behind that nothing vouches for, for the next run to trust.
    first_seen: Option<Trusted>,
}

/// What an edit came to.
struct Signed {
    /// What is to be sent.
    parts: Vec<Part>,
    /// What there is to say about a root that ends soon.
    root: Vec<RootNotice>,
    /// Delegations that nobody can sign.
    unsignable: Vec<TooFewKeys>,
}

impl Publisher<'_> {
    /// Publishes what `edit` makes of the repository. If others publish meanwhile, it is applied to what they
    /// published, a bounded number of times. A first publish that was begun here is carried on.
    ///
    /// # Errors
    /// [`PublishError`].
    pub async fn publish(&mut self, edit: &dyn Edit) -> Result<Published, PublishError> {
        self.publish_watched(edit, &mut |_| {}).await
    }

    /// The same; `watch` is shown what was published before, at each attempt, unless `edit` is one for what has expired.
    ///
    /// # Errors
    /// [`PublishError`].
    pub async fn publish_watched(
        &mut self,
        edit: &dyn Edit,
        watch: &mut (dyn FnMut(&Trusted) + Send),
    ) -> Result<Published, PublishError> {
        let lock = Lock::wait(&self.cache.lock(), self.pacing).await?;
        if !lock.is_held() {
            let place = self.cache.lock();
            self.keys.warn_once(&format!(
                "{} cannot be locked: nothing keeps others who use this directory from publishing at the same time",
                place.display()
            ));
        }
        let anchored = self.cache.was_anchored().map_err(UpdateError::from)?;
        let mut founded = None;
        for attempt in 1..=MAX_ATTEMPTS {
            if attempt > 1 {
                self.pacing.pause(attempts::wait_after(attempt.saturating_sub(1), self.rng)).await;
            }
            match self.attempt(edit, anchored, &mut founded, watch).await {
                Err(PublishError::Remote(RemoteError::VersionConflict)) => {}
                other => return other,
            }
        }
        Err(PublishError::Contended)
    }

    /// What `edit` would make of the repository now; nothing is made, signed or sent, and nothing of a first contact kept.
    ///
    /// # Errors
    /// [`PublishError`], one that the trust server does not know the repository among them.
    pub async fn plan(&mut self, edit: &dyn Edit) -> Result<Working, PublishError> {
        let (mut working, fetched) = self.current(edit, &mut |_| {}).await?;
        self.keep(fetched.known.as_ref())?;
        edit.apply(&mut working)?;
        Ok(working)
    }

    /// Whether the trust server knows the repository.
    ///
    /// # Errors
    /// [`PublishError::Update`].
    pub async fn exists(&mut self) -> Result<bool, PublishError> {
        match update(self.gun, Ok(self.remote), self.cache, Offline::Refuse, self.now, self.rng).await {
            Ok(_) => Ok(true),
            Err(UpdateError::Chain(ChainError::NoTrustData(_)) | UpdateError::Vanished { .. }) => Ok(false),
            Err(e) => Err(e.into()),
        }
    }

    /// `anchored` says whether a root was kept here before this run, `founded` is what an attempt before made.
    async fn attempt(
        &mut self,
        edit: &dyn Edit,
        anchored: bool,
        founded: &mut Option<Working>,
        watch: &mut (dyn FnMut(&Trusted) + Send),
    ) -> Result<Published, PublishError> {
        let (mut working, Fetched { known, first_seen }) = match self.current(edit, watch).await {
            Err(PublishError::Update(UpdateError::Chain(ChainError::NoTrustData(_)))) if edit.founds() => {
                let founded = match founded {
                    Some(founded) => founded.clone(),
                    None => founded.insert(self.found().await?).clone(),
                };
                (founded, Fetched::default())
            }
            other => {
                let (working, fetched) = other?;
                // The certificate is of this run: what names it alone is signed with the key that made it.
                if founded.as_ref().is_some_and(|made| made.root().root != working.root().root) {
                    self.keep(fetched.known.as_ref().or(fetched.first_seen.as_ref()))?;
                    return Err(PublishError::MadeByOthers { gun: self.gun.clone(), metadata: self.cache.place() });
                }
                (working, fetched)
            }
        };
        let signed = self.sign(edit, &mut working, first_seen.as_ref(), anchored, founded.is_some());
        let Signed { parts, root, unsignable } = match signed {
            Ok(signed) => signed,
            Err(e) => {
                self.keep(known.as_ref())?;
                return Err(e);
            }
        };
        let roles = parts.iter().map(|part| part.role.clone()).filter(Role::lists_targets).collect();
        // We made it ourselves: from now on nobody else's root will do.
        let made = parts.iter().find(|part| part.role == Role::Root && working.is_new()).map(|part| part.bytes.clone());
        let published = Published { initialised: !working.was_published(), roles, root, unsignable };
        if parts.is_empty() {
            self.keep(known.as_ref())?;
        } else {
            let snapshot = working.authority(&Role::Snapshot)?;
            let signs_none = !working.keys().holds_any(&snapshot);
            edit.goes_out();
            // The server takes its time for it; what was fetched is put away meanwhile.
            let put_away = async {
                let kept = self.keep(known.as_ref());
                drop((known, working));
                kept
            };
            // Whoever could not read what is kept would not have come so far.
            let (sent, _) = tokio::join!(self.remote.publish(parts), put_away);
            sent.map_err(|e| match e {
                RemoteError::Rejected(why) if signs_none && names_a_key_of(&snapshot, &why) => {
                    PublishError::NoSnapshotKey { gun: self.gun.clone(), why }
                }
                other => other.into(),
            })?;
        }
        if let Some(made) = made {
            self.cache.write(&Role::Root, &made, self.rng).map_err(PublishError::NotKept)?;
        }
        Ok(published)
    }

    /// Applies `edit` and signs what it touched. A root that was seen for the first time is kept as soon as it is clear
    /// that it may be signed on.
    fn sign(
        &mut self,
        edit: &dyn Edit,
        working: &mut Working,
        first_seen: Option<&Trusted>,
        anchored: bool,
        is_founded: bool,
    ) -> Result<Signed, PublishError> {
        edit.apply(working)?;
        if !anchored && !is_founded {
            self.check_first_contact(edit, working)?;
        }
        self.keep(first_seen)?;
        let root = self.renew_root(working, anchored);
        // Looked at first: what is signed is taken out.
        let unsignable = working.unsignable();
        Ok(Signed { parts: self.sign_touched(working)?, root, unsignable })
    }

    /// That nothing is signed anew that the server chose. On first contact it may serve what the keys here signed long
    /// ago: old documents where no date counts, or an old root, and its successor would be a second one of its version.
    fn check_first_contact(&self, edit: &dyn Edit, working: &Working) -> Result<(), PublishError> {
        let touched = working.touched();
        let follows = touched.contains(&Role::Root) && working.can_sign(&Role::Root);
        let trusts = follows || (edit.opens_expired() && !touched.is_empty());
        if trusts && working.was_published() && !self.is_pinned() {
            return Err(PublishError::FirstContact { gun: self.gun.clone() });
        }
        Ok(())
    }

    /// Whether a pin says which root is the right one.
    pub(crate) fn is_pinned(&self) -> bool {
        match self.cache.pin() {
            Pin::FirstUse | Pin::NoFirstUse => false,
            Pin::Certificates { .. } | Pin::Authorities { .. } => true,
        }
    }

    /// Keeps what was fetched for the next time. That it cannot be is no reason to publish nothing.
    fn keep(&self, fetched: Option<&Trusted>) -> Result<(), PublishError> {
        let Some(fetched) = fetched else { return Ok(()) };
        keep(fetched, self.cache, self.now, self.rng)?;
        Ok(())
    }

    /// The documents to be edited: those that are published, or those of a first publish that was begun here. And what
    /// is yet to be kept.
    async fn current(
        &mut self,
        edit: &dyn Edit,
        watch: &mut (dyn FnMut(&Trusted) + Send),
    ) -> Result<(Working, Fetched), PublishError> {
        if edit.opens_expired() {
            let renewable = for_renewal(self.gun, self.remote, self.cache, self.now).await?;
            return Ok((Working::of_renewable(&renewable, self.keys_at_hand()?, self.now), Fetched::default()));
        }
        let is_known = self.cache.read(&Role::Root).map_err(UpdateError::from)?.is_some() || self.is_pinned();
        match fetch(self.gun, Ok(self.remote), self.cache, Offline::Refuse, self.now, self.rng).await {
            Ok(Updated { trusted, .. }) => {
                watch(&trusted);
                let keys = self.keys_at_hand()?;
                let mut working = Working::published(&trusted, self.gun.clone(), keys, self.now);
                for skipped in trusted.skipped() {
                    if let Some(version) = self.kept_version(&skipped.role)? {
                        working.was_kept(skipped.role.clone(), version);
                    }
                }
                let trusted = Some(trusted);
                let fetched = if is_known {
                    Fetched { known: trusted, first_seen: None }
                } else {
                    Fetched { known: None, first_seen: trusted }
                };
                Ok((working, fetched))
            }
            Err(UpdateError::Vanished { anchor, .. }) => Ok((self.resume(&anchor)?, Fetched::default())),
            Err(UpdateError::Chain(ChainError::Stale(stale))) if has_expired_for_its_holder(&stale) => {
                Err(PublishError::Expired { gun: self.gun.clone(), stale })
            }
            Err(e) => Err(e.into()),
        }
    }

    /// The version of a delegation that is kept here. It counted when it was kept; its keys may have changed since.
    fn kept_version(&self, role: &Role) -> Result<Option<Version>, PublishError> {
        let Some(bytes) = self.cache.read(role).map_err(UpdateError::from)? else { return Ok(None) };
        let envelope = Envelope::parse(Dialect::Notary, bytes.into()).ok();
        let kept = envelope.and_then(|envelope| envelope.decode::<Targets>(role.clone()).ok());
        Ok(kept.map(|document| document.claims().version))
    }

    fn keys_at_hand(&self) -> Result<KeysAtHand, PublishError> {
        Ok(KeysAtHand::new(self.gun.clone(), self.keys.list()?))
    }
}

/// Whether a refusal is about a key of this role: servers say `key ID not found` of one that they have not got.
fn names_a_key_of(authority: &Authority, why: &str) -> bool {
    authority.keys().any(|(id, _)| why.contains(&format!("key {id} not found")))
}

/// Whether something expired that others than the server sign.
fn has_expired_for_its_holder(stale: &StaleError) -> bool {
    match stale {
        StaleError::Expired { role, .. } => *role != Role::Timestamp,
        StaleError::Rollback { .. } | StaleError::Unlisted { .. } => false,
    }
}
