//! A session held against what is published now: what it would change, and who has signed it.

use std::collections::BTreeSet;

use tuf_schema::dialect::Document;
use tuf_schema::model::{Root, Targets};
use tuf_schema::session::{MadeOn, SigningSession};
use tuf_schema::verify::Authority;
use tuf_schema::version::Version;
use tuf_schema::{BaseRole, KeyId, PublicKey, Role, Unverified, UtcTime};

use super::differences::{Difference, in_root, in_targets};
use super::{SessionError, check_signable, made_on};
use crate::publish::{Look, Publisher, ROOT_LIFETIME_SECONDS, TARGETS_LIFETIME_SECONDS, Working, keys_that_count};

/// How much the clocks of those who sign may differ, in seconds: the dates are those of whoever began.
const MOST_SKEW_SECONDS: i64 = 24 * 60 * 60;

/// A session that fits what is published.
#[derive(Debug)]
pub struct Examined {
    /// Its documents, with those signatures that count, each once.
    pub session: SigningSession,
    /// What it would change.
    pub changes: Vec<DocumentChange>,
    /// Who has signed, and who may.
    pub standings: Vec<Standing>,
    /// What is published, with the documents of the session in their places.
    pub(super) next: Working,
}

/// What a session would do to one document.
#[derive(Debug, Clone)]
pub struct DocumentChange {
    /// The role.
    pub role: Role,
    /// The version that is published, if any is.
    pub before: Option<Version>,
    /// The version that it would have.
    pub version: Version,
    /// Until when it would be valid.
    pub expires: UtcTime,
    /// What would change beside.
    pub differences: Vec<Difference>,
}

/// Which keys of a role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Those that it is to have.
    Own,
    /// Those of the root that is published: they have to sign the next one.
    Before,
}

/// What one authority has signed of its document. Ids are those of the bare public keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// The role.
    pub role: Role,
    /// Which of its keys.
    pub side: Side,
    /// How many must sign.
    pub need: u32,
    /// Those that did.
    pub signed: Vec<KeyId>,
    /// Those that did not, and may.
    pub unsigned: Vec<KeyId>,
    /// Those of them whose private keys are here.
    pub here: Vec<KeyId>,
}

impl Standing {
    /// How many signatures are missing.
    #[must_use]
    pub fn missing(&self) -> usize {
        usize::try_from(self.need).unwrap_or(usize::MAX).saturating_sub(self.signed.len())
    }

    /// The role, and which of its keys, in words.
    #[must_use]
    pub fn name(&self) -> String {
        match self.side {
            Side::Own => self.role.to_string(),
            Side::Before => format!("{} (the keys before)", self.role),
        }
    }
}

impl Examined {
    /// The authorities whose signatures a document needs.
    pub(super) fn authorities(&self, role: &Role) -> Result<Vec<(Side, Authority)>, SessionError> {
        authorities(role, &self.next)
    }
}

/// Holds `session` against what is published now. Nothing of it is signed.
///
/// # Errors
/// [`SessionError`] if it is not what follows.
pub async fn examine(publisher: &mut Publisher<'_>, session: SigningSession) -> Result<Examined, SessionError> {
    let published = publisher.plan(&Look).await?;
    if published.published_root().is_none() {
        return Err(SessionError::NotPublished(publisher.gun.clone()));
    }
    check_base(&session, &published)?;
    let mut next = published.clone();
    let targets = session.targets().iter().map(|(role, document)| (role, document.claims()));
    next.put(session.root().map(Unverified::claims), targets);
    // Before any is counted: of those that are no good not many are tried.
    let session = counted(session, &next)?;

    let (mut changes, mut standings) = (Vec::new(), Vec::new());
    if let Some(root) = session.root() {
        changes.push(change(root, ROOT_LIFETIME_SECONDS, &published)?);
        if let Some(change) = changes.last_mut() {
            change.differences = in_root(published.root(), root.claims());
        }
        standings.extend(standings_of(root, &next)?);
    }
    for (role, document) in session.targets() {
        // What is not there to be held against is not signed over, nor what is older than what counted here.
        if published.passed_over(role).is_none() {
            published.check_readable(role)?;
        }
        published.check_not_older(role)?;
        let mut change = change(document, TARGETS_LIFETIME_SECONDS, &published)?;
        // Of what does not count nobody answers for anything: all of it is shown.
        change.differences = in_targets(published.targets(role), document.claims());
        changes.push(change);
        standings.extend(standings_of(document, &next)?);
    }
    Ok(Examined { session, changes, standings, next })
}

/// That nothing of what the session was made on was published anew.
fn check_base(session: &SigningSession, published: &Working) -> Result<(), SessionError> {
    let now = made_on(published, session.roles());
    let all: BTreeSet<_> = now.keys().chain(session.made_on().keys()).collect();
    let pair = |role: &Role| -> (Option<MadeOn>, Option<MadeOn>) {
        (session.made_on().get(role).cloned(), now.get(role).cloned())
    };
    let moved = all.into_iter().map(|role| (role, pair(role))).filter(|(_, (before, now))| before != now);
    let documents: Vec<_> = moved.map(|(role, (before, now))| (role.clone(), before, now)).collect();
    if documents.is_empty() {
        return Ok(());
    }
    if is_published(session, published) {
        return Err(SessionError::Done(published.gun().clone()));
    }
    Err(SessionError::Moved { gun: published.gun().clone(), documents })
}

/// Whether each of its documents says what is published.
fn is_published(session: &SigningSession, published: &Working) -> bool {
    let is_root = |root: &Root| {
        let now = published.root();
        (now.version, now.expires) == (root.version, root.expires) && in_root(now, root).is_empty()
    };
    let is_targets = |role: &Role, document: &Targets| {
        published.targets(role).is_some_and(|now| {
            (now.version, now.expires) == (document.version, document.expires)
                && in_targets(Some(now), document).is_empty()
        })
    };
    session.root().is_none_or(|root| is_root(root.claims()))
        && session.targets().iter().all(|(role, document)| is_targets(role, document.claims()))
}

/// The versions and the date of a document, if it is the one that follows.
fn change<M: Document>(
    document: &Unverified<M>,
    lifetime_seconds: i64,
    published: &Working,
) -> Result<DocumentChange, SessionError> {
    let role = document.role().clone();
    let before = published.published_as(&role).map(|(version, _)| version);
    let expected = match before {
        Some(version) => version.next().ok_or_else(|| crate::publish::EditError::VersionsExhausted(role.clone()))?,
        None => Version::FIRST,
    };
    let (version, expires) = (document.claims().version(), document.claims().expires());
    if version != expected {
        return Err(SessionError::Version { role, expected, found: version });
    }
    let now = published.now();
    let latest = now.plus_seconds(lifetime_seconds.saturating_add(MOST_SKEW_SECONDS));
    if expires <= now || expires > latest {
        return Err(SessionError::Lifetime { role, expires, latest });
    }
    Ok(DocumentChange { role, before, version, expires, differences: Vec::new() })
}

/// Who may sign the document of `role`: nobody whom the session alone names, except where what gives the role is to be
/// signed in it, too.
fn authorities(role: &Role, next: &Working) -> Result<Vec<(Side, Authority)>, SessionError> {
    let mut found = vec![(Side::Own, next.authority(role)?)];
    if let (Role::Root, Some(root)) = (role, next.published_root()) {
        found.push((Side::Before, Authority::of_base(root.model(), BaseRole::Root)));
    }
    Ok(found)
}

fn standings_of<M>(document: &Unverified<M>, next: &Working) -> Result<Vec<Standing>, SessionError> {
    let authorities = authorities(document.role(), next)?;
    for (_, authority) in &authorities {
        check_signable(authority, next.gun())?;
    }
    let standing = |(side, authority): (Side, Authority)| {
        let signed: Vec<_> = document.signers(&authority).into_iter().collect();
        let held: BTreeSet<_> = next.keys().held_of(&authority).map(|(_, stored)| &stored.id).collect();
        let all: BTreeSet<_> = keys_that_count(&authority).map(PublicKey::canonical_id).collect();
        let unsigned: Vec<_> = all.into_iter().filter(|id| !signed.contains(id)).collect();
        let here = unsigned.iter().filter(|id| held.contains(id)).cloned().collect();
        Standing { role: authority.role().clone(), side, need: authority.threshold(), signed, unsigned, here }
    };
    Ok(authorities.into_iter().map(standing).collect())
}

/// The session with those signatures alone that a key made which may sign, one of each key.
fn counted(session: SigningSession, next: &Working) -> Result<SigningSession, SessionError> {
    session.with_signatures(|role, message, signatures| {
        let authorities = authorities(role, next)?;
        let mut seen = BTreeSet::new();
        let counts = |signature: &&tuf_schema::Signature| {
            let keys = authorities.iter().filter_map(|(_, authority)| authority.key(&signature.key_id));
            let good = keys.into_iter().any(|key| key.id() == &signature.key_id && key.verifies(message, signature));
            good && seen.insert(signature.key_id.clone())
        };
        Ok(signatures.iter().filter(counts).cloned().collect())
    })
}
