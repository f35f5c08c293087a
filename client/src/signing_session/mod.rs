//! Signing by several people: an edit becomes documents in a file, everybody signs who may, and who has enough
//! signatures publishes. The file itself is [`tuf_schema::session`].

use std::collections::BTreeMap;

use tuf_schema::session::{MadeOn, SigningSession};
use tuf_schema::verify::Authority;
use tuf_schema::{Gun, Role, Sha256};

mod differences;
mod error;
mod examine;
mod file;
mod publish;
mod sign;

pub use differences::Difference;
pub use error::SessionError;
pub use examine::{DocumentChange, Examined, Side, Standing, examine};
pub use file::{FileFault, read};
pub use publish::{Done, publish};
pub use sign::sign;

use crate::publish::{Edit, Look, Publisher, TooFewKeys, Working};

/// Begins a session: what `edit` makes of the repository now, without a signature.
///
/// # Errors
/// [`SessionError`].
pub async fn start(publisher: &mut Publisher<'_>, edit: &dyn Edit) -> Result<SigningSession, SessionError> {
    let before = publisher.plan(&Look).await?;
    if before.published_root().is_none() {
        return Err(SessionError::NotPublished(publisher.gun.clone()));
    }
    let mut working = before.clone();
    edit.apply(&mut working)?;
    for role in working.touched().iter().filter(|role| working.targets(role).is_some()) {
        check_signable(&working.authority(role)?, publisher.gun)?;
    }
    let root = working.touched().contains(&Role::Root).then(|| working.next_root()).transpose()?;
    let mut targets = BTreeMap::new();
    for role in working.touched().clone() {
        if let Some(next) = working.take_next_targets(&role)? {
            targets.insert(role, next);
        }
    }
    if root.is_none() && targets.is_empty() {
        return Err(SessionError::NothingToSign(publisher.gun.clone()));
    }
    let roles: Vec<_> = root.iter().map(|_| &Role::Root).chain(targets.keys()).collect();
    let made_on = made_on(&before, roles);
    let targets = targets.iter().map(|(role, document)| (role.clone(), document));
    Ok(SigningSession::new(publisher.gun.clone(), made_on, root.as_ref(), targets)?)
}

/// That a role has as many keys as must sign it: else whoever signs does so for nothing.
fn check_signable(authority: &Authority, gun: &Gun) -> Result<(), SessionError> {
    TooFewKeys::of(authority).map_or(Ok(()), |few| Err(SessionError::TooFewKeys { gun: gun.clone(), few }))
}

/// What is published of these roles, of those above them that say who signs them, and of root.
fn made_on<'a>(published: &Working, roles: impl IntoIterator<Item = &'a Role>) -> BTreeMap<Role, MadeOn> {
    let mut found = BTreeMap::new();
    for role in roles.into_iter().chain([&Role::Root]) {
        for role in std::iter::successors(Some(role.clone()), Role::parent) {
            if let Some((version, bytes)) = published.published_as(&role) {
                found.insert(role, MadeOn { version, sha256: Sha256::of(bytes) });
            }
        }
    }
    found
}
