//! Rotation of keys: new ones are made, published in one upload, and only when that is known to count do old ones go.

use std::path::PathBuf;

use tuf_schema::{Gun, KeyId, Role};

mod edit;
mod error;
mod new_keys;
mod plan;

pub(crate) use edit::replace;
pub use error::RotationError;
pub use plan::{Plan, Source, Step};

use crate::keys::StoredKey;
use crate::publish::{Look, Publisher, RootNotice};

/// What somebody wants rotated in a repository.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// The roles, in any order.
    pub roles: Vec<Role>,
    /// Whether the trust server shall sign snapshots. Timestamps are always signed there, which has to be said as well.
    pub server_managed: bool,
    /// Files of private keys to rotate to, of one role; without any a key is made.
    pub files: Vec<PathBuf>,
    /// The keys of how many older roots shall sign the new one, too, for readers who missed some.
    pub older_roots: u32,
    /// Whether the old private keys of targets and snapshot are kept; those of root and of signers always are.
    pub keep_old: bool,
}

/// What a rotation did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rotated {
    /// The repository.
    pub gun: Gun,
    /// Each role with the ids of its new keys: those of the bare public keys.
    pub roles: Vec<(Role, Vec<KeyId>)>,
    /// Whether the new keys are named by what is published; if not, none was removed, though the server took them.
    pub is_served: bool,
    /// The old private keys that were removed here.
    pub removed: Vec<KeyId>,
    /// The old private keys that are still here.
    pub kept: Vec<KeyId>,
    /// Why one that should have been removed was not; the rotation counts all the same.
    pub not_removed: Option<String>,
    /// What there is to say about a root that ends soon.
    pub root: Vec<RootNotice>,
}

/// What a rotation would do now; nothing is made, asked of the server's keys, signed or sent.
///
/// # Errors
/// [`RotationError`].
pub async fn plan(publisher: &mut Publisher<'_>, request: &Request) -> Result<Plan, RotationError> {
    let working = publisher.plan(&Look).await?;
    Plan::of(request, &working, publisher.rng)
}

/// Carries a plan out.
///
/// # Errors
/// [`RotationError`]. Nothing has changed then, and no key is left behind that was made for it; except after
/// [`RotationError::Unknown`], which keeps all of them.
pub async fn carry_out(publisher: &mut Publisher<'_>, plan: &Plan) -> Result<Rotated, RotationError> {
    let mut made = Vec::new();
    let edit = match new_keys::prepare(publisher, plan, &mut made).await {
        Ok(edit) => edit,
        Err(e) => return Err(without(&made, publisher, e)),
    };
    let published = publisher.publish(&edit).await;
    // A signed root that names the new keys may be public once it was sent: no answer is reason enough to remove them.
    let published = match published {
        Err(e) if !edit.went_out() => return Err(without(&made, publisher, e.into())),
        other => other,
    };
    // Nor is one enough to remove the old keys: what is published says which of them count.
    let is_served = publisher.plan(&Look).await.is_ok_and(|working| edit.is_in_force(&working));
    let root = match published {
        Ok(published) => published.root,
        Err(_) if is_served => Vec::new(),
        Err(why) => return Err(RotationError::Unknown { gun: publisher.gun.clone(), why }),
    };
    let (mut removed, mut kept, mut not_removed) = (Vec::new(), Vec::new(), None);
    for old in &plan.old_keys {
        let goes = is_served && old.is_removed && !edit.names(&old.key.id);
        match goes.then(|| publisher.keys.remove(&old.key)) {
            None => kept.push(old.key.id.clone()),
            Some(Ok(())) => removed.push(old.key.id.clone()),
            Some(Err(e)) => {
                kept.push(old.key.id.clone());
                not_removed = Some(e.to_string());
            }
        }
    }
    Ok(Rotated { gun: publisher.gun.clone(), roles: edit.roles(), is_served, removed, kept, not_removed, root })
}

/// Removes what was made for a rotation of which nothing was sent.
fn without(made: &[StoredKey], publisher: &mut Publisher<'_>, error: RotationError) -> RotationError {
    for key in made {
        // What failed is what is reported; a key that nobody knows does no harm.
        let _ = publisher.keys.remove(key);
    }
    error
}
