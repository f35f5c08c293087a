//! Drives the update of [`tuf_schema::verify::chain`] with a trust server and the cache.

use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use ring::rand::SecureRandom;
use tuf_schema::model::{Root, Timestamp};
use tuf_schema::verify::chain::{Answer, Chain, ChainError, DocumentName, Renewable, Request, Trusted};
use tuf_schema::verify::{Authority, StaleError, Verified};
use tuf_schema::{BaseRole, Dialect, Envelope, Gun, Role, UtcTime};

use super::allowance::Allowance;
use super::offers::Offers;
use crate::cache::{Cache, FileError};
use crate::remote::{Remote, RemoteError};

/// How long one update may take. A server that sends every document byte by byte must not hold a reader for ever.
const DEADLINE: Duration = Duration::from_secs(600);
/// How often an unsettled root is read again, and an update is begun anew that another process overtook.
const REREADS: usize = 5;
/// How long to wait before that.
const REREAD_PAUSE: Duration = Duration::from_millis(40);

/// What to do when no connection to the trust server comes up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offline {
    /// Fail.
    Refuse,
    /// Use the cache, as long as its timestamp has not expired.
    UseCache,
}

/// A complete update.
#[derive(Debug)]
pub struct Updated {
    /// Metadata that may be used now.
    pub trusted: Trusted,
    /// Why what was fetched could not be kept for the next time; the metadata is good all the same.
    pub not_kept: Option<FileError>,
}

/// Why there is no metadata that may be used.
#[derive(Debug, thiserror::Error)]
pub enum UpdateError {
    /// What came is not to be trusted, or is missing.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// The server has neither timestamp nor root, but a root is kept here: the first publish did not end, the
    /// repository was deleted, or the server hides it. The kept root stays the anchor.
    #[error("no trust data for {gun}: the trust server has none, though a root of it is kept here")]
    Vanished {
        /// The repository.
        gun: Gun,
        /// The root that is kept here.
        anchor: Box<Verified<Root>>,
    },
    /// Other documents are kept here, but not the root that they hang on: it got lost, and the next one that comes must
    /// not take its place unseen.
    #[error(
        "the trusted root is missing though other trust data of {gun} is kept; restore it, or remove {metadata} to trust \
         the root that the server shows", metadata = metadata.display()
    )]
    RootLost {
        /// The repository.
        gun: Gun,
        /// Where its trusted metadata is kept here.
        metadata: PathBuf,
    },
    /// The root that is kept here cannot be read: the anchor of all else.
    #[error(
        "{why}; restore {root}, or remove {metadata} to trust the root that the server shows",
        root = metadata.join("root.json").display(), metadata = metadata.display()
    )]
    RootDamaged {
        /// Where the trusted metadata of its repository is kept here.
        metadata: PathBuf,
        /// What is wrong with it.
        why: Box<ChainError>,
    },
    /// The trust server could not be asked, or refused.
    #[error(transparent)]
    Remote(#[from] RemoteError),
    /// A document is longer than what is listed for it, or than any may be (docker's words, and the facts).
    #[error("trust server returned a bad response. {name} has more than the {most} bytes that it may have")]
    TooLong {
        /// The document.
        name: DocumentName,
        /// How many bytes were expected at most.
        most: u64,
    },
    /// The trust server kept sending, and was not done in time.
    #[error("the update is not complete after {} seconds: the trust server is too slow", .0.as_secs())]
    TooSlow(Duration),
    /// The cache could not be read.
    #[error(transparent)]
    Cache(#[from] FileError),
}

/// An update, and what it goes on from when it is begun anew: behind a root or a timestamp that was verified once it does
/// not go back.
struct Attempts<'a> {
    chain: Chain,
    begin: &'a (dyn Fn() -> Chain + Sync),
    seen_root: Option<Bytes>,
    seen_timestamp: Option<Bytes>,
}

impl<'a> Attempts<'a> {
    fn new(begin: &'a (dyn Fn() -> Chain + Sync)) -> Self {
        Self { chain: begin(), begin, seen_root: None, seen_timestamp: None }
    }

    fn begin_anew(&mut self) {
        self.seen_root = self.newer_root().cloned();
        self.seen_timestamp = self.chain.believed_timestamp().or(self.seen_timestamp.as_ref()).cloned();
        self.chain = (self.begin)();
    }

    /// The newest root that was verified, if it is newer than the cached one.
    fn newer_root(&self) -> Option<&Bytes> {
        self.chain.newer_root().or(self.seen_root.as_ref())
    }
}

/// Brings the metadata of `gun` up to date and keeps what was fetched.
///
/// `remote` is the trust server, or the reason why no connection came up.
///
/// # Errors
/// [`UpdateError`]; a newer root that was reached before the failure is kept.
pub async fn update(
    gun: &Gun,
    remote: Result<&dyn Remote, RemoteError>,
    cache: &Cache,
    offline: Offline,
    now: UtcTime,
    rng: &dyn SecureRandom,
) -> Result<Updated, UpdateError> {
    let mut updated = fetch(gun, remote, cache, offline, now, rng).await?;
    if updated.not_kept.is_none() {
        updated.not_kept = keep(&updated.trusted, cache, now, rng)?;
    }
    Ok(updated)
}

/// The same for whoever decides later whether it is [kept](keep): where no root is kept, nothing is.
pub(crate) async fn fetch(
    gun: &Gun,
    remote: Result<&dyn Remote, RemoteError>,
    cache: &Cache,
    offline: Offline,
    now: UtcTime,
    rng: &dyn SecureRandom,
) -> Result<Updated, UpdateError> {
    let begin = || Chain::new(gun.clone(), now).pinned(cache.pin().clone());
    let mut attempts = Attempts::new(&begin);
    let outcome = drive_within(DEADLINE, gun, &mut attempts, remote, cache, offline).await;
    let mut not_kept = None;
    if let Some(root) = attempts.newer_root() {
        not_kept = cache.write(&Role::Root, root, rng).err();
    }
    outcome?;
    let Some(trusted) = attempts.chain.finish() else { return Err(ChainError::NoTrustData(gun.clone()).into()) };
    Ok(Updated { trusted, not_kept })
}

/// Keeps what was fetched, unless another process has kept something newer meanwhile; gives why it could not be kept.
pub(crate) fn keep(
    trusted: &Trusted,
    cache: &Cache,
    now: UtcTime,
    rng: &dyn SecureRandom,
) -> Result<Option<FileError>, UpdateError> {
    if overtaken(trusted, cache)? {
        return Ok(None);
    }
    // The timestamp last: it is what says that all the others are there.
    let (last, first): (Vec<_>, Vec<_>) = trusted.fetched().partition(|(role, _)| **role == Role::Timestamp);
    let kept = first.into_iter().chain(last).try_for_each(|(role, bytes)| cache.keep(role, bytes, now, rng));
    Ok(kept.err())
}

/// Reads what is published of `gun` for whoever signs it anew: no date counts, and nothing is kept.
///
/// # Errors
/// [`UpdateError`].
pub async fn for_renewal(
    gun: &Gun,
    remote: &dyn Remote,
    cache: &Cache,
    now: UtcTime,
) -> Result<Renewable, UpdateError> {
    let begin = || Chain::for_renewal(gun.clone(), now).pinned(cache.pin().clone());
    let mut attempts = Attempts::new(&begin);
    drive_within(DEADLINE, gun, &mut attempts, Ok(remote), cache, Offline::Refuse).await?;
    attempts.chain.finish_renewal().ok_or_else(|| ChainError::NoTrustData(gun.clone()).into())
}

/// Whether another process has kept a newer timestamp meanwhile: what was fetched here must not take its place, or an
/// older one would be believed afterwards.
fn overtaken(trusted: &Trusted, cache: &Cache) -> Result<bool, FileError> {
    let authority = Authority::of_base(trusted.root().model(), BaseRole::Timestamp);
    let Some(bytes) = cache.read(&Role::Timestamp)? else { return Ok(false) };
    let envelope = Envelope::parse(Dialect::Notary, bytes.into()).ok();
    let kept = envelope.and_then(|e| e.decode::<Timestamp>(Role::Timestamp).ok()?.verify(&authority).ok());
    Ok(kept.is_some_and(|kept| kept.model().version > trusted.timestamp().model().version))
}

async fn drive_within(
    limit: Duration,
    gun: &Gun,
    attempts: &mut Attempts<'_>,
    remote: Result<&dyn Remote, RemoteError>,
    cache: &Cache,
    offline: Offline,
) -> Result<(), UpdateError> {
    match tokio::time::timeout(limit, drive_undisturbed(gun, attempts, remote, cache, offline)).await {
        Ok(outcome) => outcome,
        Err(_) => Err(UpdateError::TooSlow(limit)),
    }
}

/// Drives the chain, and one from the beginning each time when another process may have been quicker, or when what the
/// server offered at once led nowhere: then each document is asked for by its name.
async fn drive_undisturbed(
    gun: &Gun,
    attempts: &mut Attempts<'_>,
    remote: Result<&dyn Remote, RemoteError>,
    cache: &Cache,
    offline: Offline,
) -> Result<(), UpdateError> {
    let remote = match remote {
        Ok(remote) => remote,
        down @ Err(_) => return drive(gun, attempts, down, cache, offline, &mut Offers::none()).await,
    };
    let mut offers = Offers::to_be_asked_for();
    let mut outcome = drive(gun, attempts, Ok(remote), cache, offline, &mut offers).await;
    let were_used = offers.were_used();
    drop(offers);
    if were_used && outcome.as_ref().is_err_and(may_be_misled) {
        attempts.begin_anew();
        outcome = drive(gun, attempts, Ok(remote), cache, offline, &mut Offers::none()).await;
    }
    for _ in 0..REREADS {
        if !outcome.as_ref().is_err_and(may_be_overtaken) {
            break;
        }
        tokio::time::sleep(REREAD_PAUSE).await;
        attempts.begin_anew();
        outcome = drive(gun, attempts, Ok(remote), cache, offline, &mut Offers::none()).await;
    }
    outcome
}

/// Whether it may be due to what the server offered at once: to anything but nobody's answering.
fn may_be_misled(error: &UpdateError) -> bool {
    !matches!(error, UpdateError::Remote(RemoteError::Unreachable { .. } | RemoteError::Busy { .. }))
}

/// Whether what is cached may have become newer than the timestamp that was fetched, because another process fetched a
/// newer one meanwhile. Then that is there now; a server that shows something old goes on showing it.
fn may_be_overtaken(error: &UpdateError) -> bool {
    let UpdateError::Chain(ChainError::Stale(StaleError::Rollback { role, .. })) = error else { return false };
    // The cached timestamp was read before the other one was asked for.
    *role != Role::Timestamp
}

async fn drive(
    gun: &Gun,
    attempts: &mut Attempts<'_>,
    remote: Result<&dyn Remote, RemoteError>,
    cache: &Cache,
    offline: Offline,
    offers: &mut Offers,
) -> Result<(), UpdateError> {
    let (remote, mut down) = match remote {
        Ok(remote) => (Some(remote), None),
        Err(reason) => (None, Some(reason)),
    };
    let Attempts { chain, seen_root, seen_timestamp, .. } = attempts;
    let mut allowance = Allowance::default();
    // What the cache gave last: before a role is fetched, what is cached of it is asked for.
    let mut kept: Option<(Role, Bytes)> = None;
    while let Some(request) = chain.request() {
        let answer = match (&request, remote) {
            (Request::Cached(Role::Root), _) => match seen_root {
                Some(root) => Answer::Bytes(root.clone()),
                None => found(settled_root(gun, cache).await?),
            },
            (Request::Cached(role), _) => {
                let seen = seen_timestamp.clone().filter(|_| *role == Role::Timestamp);
                let bytes = if seen.is_some() { seen } else { cache.read(role)?.map(Bytes::from) };
                kept = bytes.clone().map(|bytes| (role.clone(), bytes));
                bytes.map_or(Answer::Absent, Answer::Bytes)
            }
            (Request::Fetch { .. }, None) => Answer::Unreachable,
            (Request::Fetch { name, cap }, Some(remote)) => {
                let most = allowance.cap(&name.role, *cap);
                offers.ask(remote, cache, chain.root().map(|root| root.model().version)).await;
                let of_role = kept.as_ref().filter(|(role, _)| *role == name.role).map(|(_, bytes)| bytes);
                let fetched = match offers.take(name, most, of_role) {
                    Some(bytes) => Ok(Some(bytes)),
                    None => remote.fetch(name, most).await.map(|bytes| bytes.map(Bytes::from)),
                };
                match fetched {
                    Ok(bytes) => {
                        allowance.spend(bytes.as_deref().unwrap_or_default());
                        bytes.map_or(Answer::Absent, Answer::Bytes)
                    }
                    Err(reason @ RemoteError::Unreachable { .. }) => {
                        down = Some(reason);
                        Answer::Unreachable
                    }
                    Err(RemoteError::TooLong { most }) => {
                        return Err(UpdateError::TooLong { name: name.clone(), most });
                    }
                    Err(e) => return Err(e.into()),
                }
            }
        };
        let unreachable = answer == Answer::Unreachable;
        let no_root = answer == Answer::Absent && asks_for(&request, &Role::Root);
        if unreachable
            && offline == Offline::Refuse
            && let Some(reason) = down
        {
            return Err(reason.into());
        }
        match chain.feed(answer) {
            Ok(()) => {}
            // The network's own words say more than the name of a document.
            Err(ChainError::Unreachable(name)) => {
                return Err(down.map_or_else(|| ChainError::Unreachable(name).into(), UpdateError::from));
            }
            // No timestamp was what had a newer root looked for, and there is no root either.
            Err(ChainError::Missing(name)) if no_root && name == DocumentName::current(Role::Timestamp) => {
                return Err(match chain.root() {
                    Some(anchor) => UpdateError::Vanished { gun: gun.clone(), anchor: Box::new(anchor.clone()) },
                    None => ChainError::NoTrustData(gun.clone()).into(),
                });
            }
            Err(why @ ChainError::CachedRoot(_)) => {
                return Err(UpdateError::RootDamaged { metadata: cache.place(), why: Box::new(why) });
            }
            Err(e) => return Err(e.into()),
        }
    }
    Ok(())
}

fn asks_for(request: &Request, role: &Role) -> bool {
    matches!(request, Request::Fetch { name, .. } if *name == DocumentName::current(role.clone()))
}

/// The cached root, read again if it looks as if docker were writing it just now.
///
/// Docker's store removes a file and writes it anew, and knows no lock. A root that is absent while other documents are
/// there must not be taken for a first use, and half a root not for a damaged one.
async fn settled_root(gun: &Gun, cache: &Cache) -> Result<Option<Vec<u8>>, UpdateError> {
    for _ in 0..REREADS {
        let root = cache.read(&Role::Root)?;
        let settled = match &root {
            Some(bytes) => Envelope::parse(Dialect::Notary, bytes.clone().into()).is_ok(),
            None => !holds_others(cache)?,
        };
        if settled {
            return Ok(root);
        }
        tokio::time::sleep(REREAD_PAUSE).await;
    }
    match cache.read(&Role::Root)? {
        None if holds_others(cache)? => Err(UpdateError::RootLost { gun: gun.clone(), metadata: cache.place() }),
        root => Ok(root),
    }
}

/// Whether the cache has a document that is never kept without a root.
fn holds_others(cache: &Cache) -> Result<bool, FileError> {
    for role in [Role::Timestamp, Role::Snapshot, Role::Targets] {
        if cache.read(&role)?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

fn found(bytes: Option<Vec<u8>>) -> Answer {
    bytes.map_or(Answer::Absent, |bytes| Answer::Bytes(Bytes::from(bytes)))
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;
    use tuf_schema::PublicKey;

    use super::*;
    use crate::paths::TrustDirectory;
    use crate::remote::Part;

    /// A server that never has done.
    struct Endless;

    #[async_trait]
    impl Remote for Endless {
        async fn fetch(&self, _: &DocumentName, _: u64) -> Result<Option<Vec<u8>>, RemoteError> {
            std::future::pending().await
        }

        async fn server_key(&self, _: BaseRole) -> Result<PublicKey, RemoteError> {
            std::future::pending().await
        }

        async fn publish(&self, _: Vec<Part>) -> Result<(), RemoteError> {
            std::future::pending().await
        }

        async fn rotate_server_key(&self, _: BaseRole) -> Result<PublicKey, RemoteError> {
            std::future::pending().await
        }

        async fn delete_all(&self) -> Result<(), RemoteError> {
            std::future::pending().await
        }
    }

    #[tokio::test]
    async fn a_server_that_never_has_done_does_not_hold_an_update_for_ever() {
        let home = tempfile::tempdir().unwrap();
        let gun = Gun::parse("a.test/b").unwrap();
        let cache = Cache::new(TrustDirectory::new(home.path().to_owned()), gun.clone());
        let begin = || Chain::new(gun.clone(), UtcTime::parse("2026-11-22T00:00:00Z").unwrap());
        let (mut attempts, limit) = (Attempts::new(&begin), Duration::from_millis(1));
        let outcome = drive_within(limit, &gun, &mut attempts, Ok(&Endless), &cache, Offline::UseCache).await;
        let error = outcome.unwrap_err();
        assert!(matches!(error, UpdateError::TooSlow(after) if after == limit), "{error}");
    }
}
