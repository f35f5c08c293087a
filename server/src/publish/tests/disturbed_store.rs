//! A store that is asked too often, and one in which somebody else always publishes first.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::store::{Aging, FileRow, Lease, Newest};

/// Counts questions for single roles, and may refuse every update.
struct DisturbedStore {
    stored: Arc<MemoryStore>,
    questions: AtomicU32,
    /// What every update is told.
    conflict: Option<(Role, Option<Version>)>,
}

#[async_trait]
impl MetadataStore for DisturbedStore {
    async fn latest(&self, gun: &Gun, role: &Role) -> Result<Option<Stored>, StoreError> {
        self.questions.fetch_add(1, Ordering::SeqCst);
        self.stored.latest(gun, role).await
    }

    async fn newest(&self, gun: &Gun) -> Result<Newest, StoreError> {
        self.stored.newest(gun).await
    }

    async fn by_version(&self, gun: &Gun, role: &Role, version: Version) -> Result<Option<Stored>, StoreError> {
        self.stored.by_version(gun, role, version).await
    }

    async fn by_sha256(
        &self,
        gun: &Gun,
        role: &Role,
        sha256: &tuf_schema::Sha256,
    ) -> Result<Option<Stored>, StoreError> {
        self.stored.by_sha256(gun, role, sha256).await
    }

    async fn commit(&self, update: &ValidatedUpdate) -> Result<(), StoreError> {
        match self.conflict.clone() {
            Some((role, current)) => Err(StoreError::Conflict { role, current }),
            None => self.stored.commit(update).await,
        }
    }

    async fn delete(&self, gun: &Gun) -> Result<bool, StoreError> {
        self.stored.delete(gun).await
    }

    async fn changes(&self, query: &ChangeQuery) -> Result<Vec<Change>, StoreError> {
        self.stored.changes(query).await
    }

    async fn newest_of(
        &self,
        gun: &Gun,
        roles: &BTreeSet<Role>,
    ) -> Result<BTreeMap<Role, (Version, tuf_schema::Sha256)>, StoreError> {
        self.stored.newest_of(gun, roles).await
    }

    async fn aging(&self, query: &Aging) -> Result<Vec<Gun>, StoreError> {
        self.stored.aging(query).await
    }

    async fn note_use(&self, guns: &[Gun], at: UtcTime) -> Result<(), StoreError> {
        self.stored.note_use(guns, at).await
    }

    async fn take_lease(&self, lease: Lease, holder: &str, now: UtcTime, seconds: u32) -> Result<bool, StoreError> {
        self.stored.take_lease(lease, holder, now, seconds).await
    }

    async fn drop_superseded(&self, before: UtcTime, limit: u32) -> Result<u64, StoreError> {
        self.stored.drop_superseded(before, limit).await
    }

    async fn guns(&self, after: Option<&Gun>, limit: u32) -> Result<Vec<Gun>, StoreError> {
        self.stored.guns(after, limit).await
    }

    async fn files(&self, gun: &Gun, after: Option<i64>, limit: u32) -> Result<Vec<FileRow>, StoreError> {
        self.stored.files(gun, after, limit).await
    }

    async fn check(&self) -> Result<(), StoreError> {
        self.stored.check().await
    }
}

/// Publishes into the stack's store through a disturbed one; the refusal and the questions that it took.
async fn publish(
    stack: &Stack,
    conflict: Option<(Role, Option<Version>)>,
    parts: Vec<UploadPart>,
) -> (PublishError, u32) {
    let store = Arc::new(DisturbedStore { stored: stack.store.clone(), questions: AtomicU32::new(0), conflict });
    let limits = PublishLimits::default();
    let publisher = Publisher::new(store.clone(), stack.signer.clone(), stack.clock.clone(), limits);
    let error = publisher.publish(&Access::for_tests(stack.gun.clone()), Upload { parts }).await.unwrap_err();
    (error, store.questions.load(Ordering::SeqCst))
}

/// Delegations of one letter more each, eighty deep, of which nothing above is stored.
fn deep_delegations(count: usize, expires: UtcTime) -> Vec<UploadPart> {
    let key = testing::secret_key();
    let above = vec!["a"; 80].join("/");
    (0..count).map(|number| accepted::delegation(&format!("targets/{above}/{number}"), 1, "x", expires, &key)).collect()
}

#[tokio::test]
async fn missing_roles_above_are_looked_for_once_and_only_the_lowest() {
    let stack = Stack::new();
    let author = stack.published().await;
    let (error, questions) = publish(&stack, None, deep_delegations(10, author.root.expires)).await;
    assert!(matches!(&error, PublishError::BadTargets(Violation::Undeclared(_))), "{error}");
    // Ten parts, the role above all of them, and whether the repository changed meanwhile.
    assert_eq!(questions, 12);
}

#[tokio::test]
async fn without_any_root_no_role_is_looked_for() {
    let stack = Stack::new();
    let (error, questions) = publish(&stack, None, deep_delegations(10, stack.clock.now())).await;
    assert_told(&error, "ErrValidation", "no pre-existing root and no root provided in update.");
    assert_eq!(questions, 1, "whether the repository changed meanwhile");
}

#[tokio::test]
async fn who_loses_every_race_hears_version() {
    let stack = Stack::new();
    let mut author = stack.published().await;
    author.next_targets();
    let conflict = (Role::Timestamp, Some(version(7)));
    let (error, _) = publish(&stack, Some(conflict), vec![targets(&author)]).await;
    let PublishError::VersionConflict { role, current } = error else { panic!("{error}") };
    assert_eq!((role, current), (Role::Timestamp, Some(version(7))));
}
