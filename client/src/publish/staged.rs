//! Publishing what is staged: shown first, published, and taken away, by one process of ours at a time.

use tuf_schema::Role;
use tuf_schema::model::Targets;
use tuf_schema::verify::chain::Trusted;

use super::{Changes, PublishError, Published, Publisher};
use crate::changelist::{Change, Changelist, ChangelistError, Staged};
use crate::lock::{Lock, LockError};

/// Why what is staged was not published, or not taken away.
#[derive(Debug, thiserror::Error)]
pub enum StagedError {
    /// It cannot be read.
    #[error(transparent)]
    List(ChangelistError),
    /// Another process publishes it, and takes too long.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// It was not published.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// It was published and is still staged.
    #[error("published, but what was staged could not be taken away")]
    NotCleared(#[source] ChangelistError),
}

impl Publisher<'_> {
    /// Publishes what is staged in `list` now, after `show` has seen it, and takes away just that. Before anything is
    /// signed, at each attempt, `adopted` sees what a role lists that does not count now and is to be signed anew as it
    /// is: whoever signs it answers for it, and it may be made up.
    ///
    /// # Errors
    /// [`StagedError`]; but for [`StagedError::NotCleared`] everything stays staged.
    pub async fn publish_staged(
        &mut self,
        list: &Changelist,
        show: &(dyn Fn(&[Staged]) + Sync),
        adopted: &(dyn Fn(&Role, &Targets) + Sync),
    ) -> Result<(Published, Vec<Staged>), StagedError> {
        // Read by two at once it would be published twice, and a key can be taken away only once.
        let _lock = Lock::wait(&list.publishing_lock(), self.pacing).await?;
        let staged = list.list().map_err(StagedError::List)?;
        show(&staged);
        let changes = Changes(staged.iter().map(|staged| staged.change.clone()).collect());
        let witnessed = staged.iter().filter_map(|staged| match &staged.change {
            Change::Witness { role } => Some(role),
            _ => None,
        });
        let witnessed: Vec<_> = witnessed.collect();
        let mut watch = |trusted: &Trusted| {
            for role in &witnessed {
                if let Some(listed) = trusted.passed_over(role) {
                    adopted(role, listed.claims());
                }
            }
        };
        let published = self.publish_watched(&changes, &mut watch).await?;
        list.remove(&staged).map_err(StagedError::NotCleared)?;
        Ok((published, staged))
    }
}
