//! Publishing a session that enough have signed.

use tuf_schema::Role;
use tuf_schema::session::SigningSession;
use tuf_schema::verify::follow;

use super::examine::examine;
use super::{Examined, SessionError};
use crate::lock::Lock;
use crate::publish::{PublishError, Publisher};
use crate::remote::{Part, RemoteError};

/// What a publish of a session did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done {
    /// The roles that were sent.
    pub roles: Vec<Role>,
}

/// Publishes `session`, if each authority's threshold is met; `show` sees it first.
///
/// # Errors
/// [`SessionError`]; then nothing is published.
pub async fn publish(
    publisher: &mut Publisher<'_>,
    session: SigningSession,
    show: &mut (dyn FnMut(&Examined) + Send),
) -> Result<Done, SessionError> {
    let _lock = Lock::wait(&publisher.cache.lock(), publisher.pacing).await?;
    let examined = examine(publisher, session.clone()).await?;
    show(&examined);
    let parts = parts(publisher, &examined)?;
    let roles = parts.iter().map(|part| part.role.clone()).collect();
    match publisher.remote.publish(parts).await {
        Ok(()) => Ok(Done { roles }),
        // Who was quicker, and with what, stands in what is published now.
        Err(conflict @ RemoteError::VersionConflict) => {
            examine(publisher, session).await?;
            Err(PublishError::Remote(conflict).into())
        }
        Err(e) => Err(PublishError::Remote(e).into()),
    }
}

/// What is to be sent, each document held against those who have to sign it.
fn parts(publisher: &mut Publisher<'_>, examined: &Examined) -> Result<Vec<Part>, SessionError> {
    let short = examined.standings.iter().filter(|standing| standing.missing() > 0).cloned().collect::<Vec<_>>();
    if !short.is_empty() {
        return Err(SessionError::Unsigned { gun: publisher.gun.clone(), standings: short });
    }
    let mut parts = Vec::new();
    if let (Some(root), Some(before)) = (examined.session.root(), examined.next.published_root()) {
        publisher.check_pin(root, false)?;
        let root = follow(before, root.clone(), publisher.gun, publisher.now)?;
        parts.push(Part { role: Role::Root, bytes: root.raw().to_vec() });
    }
    for (role, document) in examined.session.targets() {
        for (_, authority) in examined.authorities(role)? {
            let verified = document.clone().verify(&authority)?;
            parts.push(Part { role: role.clone(), bytes: verified.raw().to_vec() });
        }
    }
    publisher.sign_snapshot(&mut parts, &examined.next)?;
    Ok(parts)
}
