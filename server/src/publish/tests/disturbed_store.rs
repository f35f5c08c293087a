//! A store that counts what it is asked, and one in which somebody else always publishes first.

use std::collections::{BTreeMap, BTreeSet};

use tuf_schema::Sha256;

use super::*;
use crate::store::{
    Aging, AgingPage, Dropped, FileKey, FileRow, Lease, Misfit, Newest, OldFiles, OldFilesPage, OverviewPage,
    OverviewQuery, RenewalKey, RepositoryRow, WebhookPlaces,
};
use crate::webhooks::WebhookName;

/// Counts what it is asked, and may refuse some of it.
pub(super) struct DisturbedStore {
    pub(super) stored: Arc<MemoryStore>,
    pub(super) questions: std::sync::Mutex<BTreeMap<&'static str, u32>>,
    /// What every update is told, and a deletion twice.
    pub(super) conflict: Option<(Role, Option<Version>)>,
    /// How often reading what is newest ends in a deadlock.
    pub(super) deadlocks: u32,
    /// How often a lease is lent or lent again.
    pub(super) leases: u32,
    /// The tables hold another name that they do not tell from this one.
    pub(super) has_no_room: bool,
    /// Updates cannot be written.
    pub(super) is_read_only: bool,
    /// What the newest timestamp led to, remembered for ever.
    pub(super) found: std::sync::Mutex<BTreeMap<Sha256, Stored>>,
}

impl DisturbedStore {
    /// One that only counts.
    pub(super) fn over(stored: &Arc<MemoryStore>) -> Self {
        let questions = std::sync::Mutex::default();
        Self {
            stored: stored.clone(),
            questions,
            conflict: None,
            deadlocks: 0,
            leases: u32::MAX,
            has_no_room: false,
            is_read_only: false,
            found: std::sync::Mutex::default(),
        }
    }

    /// How often each question was asked; those that were not are missing.
    pub(super) fn questions(&self) -> BTreeMap<&'static str, u32> {
        self.questions.lock().unwrap().clone()
    }

    fn ask(&self, question: &'static str) -> u32 {
        let mut questions = self.questions.lock().unwrap();
        let asked = questions.entry(question).or_default();
        *asked += 1;
        *asked
    }
}

#[async_trait]
impl MetadataStore for DisturbedStore {
    async fn latest(&self, gun: &Gun, role: &Role) -> Result<Option<Stored>, StoreError> {
        self.ask("latest");
        self.stored.latest(gun, role).await
    }

    async fn newest(&self, gun: &Gun) -> Result<Newest, StoreError> {
        if self.ask("newest") <= self.deadlocks {
            return Err(StoreError::Conflict { role: Role::Timestamp, current: None });
        }
        self.stored.newest(gun).await
    }

    async fn newest_of(
        &self,
        gun: &Gun,
        roles: &BTreeSet<Role>,
    ) -> Result<BTreeMap<Role, (Version, Sha256)>, StoreError> {
        self.ask("newest_of");
        self.stored.newest_of(gun, roles).await
    }

    async fn by_version(&self, gun: &Gun, role: &Role, version: Version) -> Result<Option<Stored>, StoreError> {
        self.ask("by_version");
        self.stored.by_version(gun, role, version).await
    }

    async fn by_sha256(&self, gun: &Gun, role: &Role, sha256: &Sha256) -> Result<Option<Stored>, StoreError> {
        self.ask("by_sha256");
        self.stored.by_sha256(gun, role, sha256).await
    }

    async fn listed(&self, gun: &Gun, role: &Role, sha256: &Sha256) -> Result<Option<Stored>, StoreError> {
        let found = self.found.lock().unwrap().get(sha256).cloned();
        if found.is_some() {
            return Ok(found);
        }
        let found = self.by_sha256(gun, role, sha256).await?;
        self.found.lock().unwrap().extend(found.iter().map(|stored| (*sha256, stored.clone())));
        Ok(found)
    }

    async fn commit(&self, update: &ValidatedUpdate) -> Result<(), StoreError> {
        self.ask("commit");
        match self.conflict.clone() {
            Some((role, current)) => Err(StoreError::Conflict { role, current }),
            None if self.has_no_room => {
                Err(StoreError::DoesNotFit { reason: Misfit::EqualName { stored: "example.com/APP".to_owned() } })
            }
            None if self.is_read_only => Err(StoreError::Unavailable("disk full".into())),
            None => self.stored.commit(update).await,
        }
    }

    async fn delete(&self, gun: &Gun) -> Result<bool, StoreError> {
        match self.conflict.clone() {
            Some((role, current)) if self.ask("delete") < 3 => return Err(StoreError::Conflict { role, current }),
            _ => {}
        }
        self.stored.delete(gun).await
    }

    async fn changes(&self, query: &ChangeQuery) -> Result<Vec<Change>, StoreError> {
        self.stored.changes(query).await
    }

    async fn aging(&self, query: &Aging) -> Result<AgingPage, StoreError> {
        self.ask("aging");
        self.stored.aging(query).await
    }

    async fn note_use(&self, guns: &[Gun], at: UtcTime) -> Result<(), StoreError> {
        self.ask("note_use");
        if self.is_read_only {
            return Err(StoreError::Unavailable("disk full".into()));
        }
        self.stored.note_use(guns, at).await
    }

    async fn take_lease(&self, lease: Lease, holder: &str, now: UtcTime, seconds: u32) -> Result<bool, StoreError> {
        if self.ask("take_lease") > self.leases {
            return Ok(false);
        }
        self.stored.take_lease(lease, holder, now, seconds).await
    }

    async fn give_back_lease(&self, lease: Lease, holder: &str) -> Result<(), StoreError> {
        self.ask("give_back_lease");
        self.stored.give_back_lease(lease, holder).await
    }

    async fn drop_superseded(
        &self,
        before: UtcTime,
        after: Option<&RenewalKey>,
        limit: u32,
    ) -> Result<Dropped, StoreError> {
        self.ask("drop_superseded");
        self.stored.drop_superseded(before, after, limit).await
    }

    async fn guns(&self, after: Option<&Gun>, limit: u32) -> Result<Vec<Gun>, StoreError> {
        self.stored.guns(after, limit).await
    }

    async fn files(&self, gun: &Gun, after: Option<i64>, limit: u32) -> Result<Vec<FileRow>, StoreError> {
        self.stored.files(gun, after, limit).await
    }

    async fn file_keys(&self, gun: &Gun, after: Option<i64>, limit: u32) -> Result<Vec<FileKey>, StoreError> {
        self.stored.file_keys(gun, after, limit).await
    }

    async fn overview(&self, query: &OverviewQuery) -> Result<OverviewPage, StoreError> {
        self.stored.overview(query).await
    }

    async fn overview_of(&self, gun: &Gun) -> Result<Option<RepositoryRow>, StoreError> {
        self.stored.overview_of(gun).await
    }

    async fn old_files(&self, gun: &Gun, query: &OldFiles<'_>) -> Result<OldFilesPage, StoreError> {
        self.stored.old_files(gun, query).await
    }

    async fn remove_old_files(&self, gun: &Gun, query: &OldFiles<'_>) -> Result<OldFilesPage, StoreError> {
        self.stored.remove_old_files(gun, query).await
    }

    async fn check(&self) -> Result<(), StoreError> {
        self.stored.check().await
    }
}

/// A publisher on `store`, which lies over the stack's.
fn publisher(stack: &Stack, store: &Arc<DisturbedStore>) -> Publisher {
    let (limits, chance) = (PublishLimits::default(), Arc::new(NoWait));
    Publisher::new(store.clone(), stack.signer.clone(), stack.clock.clone(), limits, chance)
}

/// Publishes through `store`.
async fn publish(stack: &Stack, store: &Arc<DisturbedStore>, parts: Vec<UploadPart>) -> Result<(), PublishError> {
    publisher(stack, store).publish(&Access::for_tests(stack.gun.clone()), Upload { parts }).await
}

/// Draws nothing but zeros, so that nobody waits.
pub(super) struct NoWait;

impl Chance for NoWait {
    fn draw(&self) -> u64 {
        0
    }
}

/// Delegations of one letter more each, eighty deep, of which nothing above is stored.
fn deep_delegations(count: usize, expires: UtcTime) -> Vec<UploadPart> {
    let key = testing::secret_key();
    let above = vec!["a"; 80].join("/");
    (0..count).map(|number| accepted::delegation(&format!("targets/{above}/{number}"), 1, "x", expires, &key)).collect()
}

#[tokio::test]
async fn a_publish_of_one_tag_asks_the_store_for_what_is_newest_and_hands_it_the_update() {
    let stack = Stack::new();
    let mut author = stack.published().await;
    author.next_targets();
    let store = Arc::new(DisturbedStore::over(&stack.store));
    publish(&stack, &store, vec![targets(&author)]).await.unwrap();
    assert_eq!(store.questions(), BTreeMap::from([("newest", 1), ("commit", 1)]));
}

#[tokio::test]
async fn a_publish_beside_ten_delegations_asks_once_more_for_all_of_them() {
    let stack = Stack::new();
    let mut author = stack.author().await;
    let (key, expires) = (testing::secret_key(), author.root.expires);
    let names: Vec<String> = (0..10).map(|number| format!("targets/{number}")).collect();
    names.iter().for_each(|name| accepted::delegate(&mut author, name, Some(&key), &[""]));
    let mut parts = vec![root(&author), targets(&author)];
    parts.extend(names.iter().map(|name| accepted::delegation(name, 1, "x", expires, &key)));
    stack.publish(parts).await.unwrap();
    let store = Arc::new(DisturbedStore::over(&stack.store));
    publish(&stack, &store, vec![accepted::delegation("targets/0", 2, "x", expires, &key)]).await.unwrap();
    // Targets are read, which say who may sign it.
    let expected = [("newest", 1), ("by_version", 1), ("newest_of", 1), ("commit", 1)];
    assert_eq!(store.questions(), BTreeMap::from(expected));
}

#[tokio::test]
async fn missing_roles_above_are_looked_for_once_and_only_the_lowest() {
    let stack = Stack::new();
    let author = stack.published().await;
    let store = Arc::new(DisturbedStore::over(&stack.store));
    let error = publish(&stack, &store, deep_delegations(10, author.root.expires)).await.unwrap_err();
    assert!(matches!(&error, PublishError::BadTargets(Violation::Undeclared(_))), "{error}");
    // The role above all of them, and whether the repository changed meanwhile.
    assert_eq!(store.questions(), BTreeMap::from([("newest", 1), ("newest_of", 1), ("latest", 2)]));
}

#[tokio::test]
async fn without_any_root_no_role_is_looked_for() {
    let stack = Stack::new();
    let store = Arc::new(DisturbedStore::over(&stack.store));
    let error = publish(&stack, &store, deep_delegations(10, stack.clock.now())).await.unwrap_err();
    assert_told(&error, "ErrValidation", "no pre-existing root and no root provided in update.");
    // Whether the repository changed meanwhile.
    assert_eq!(store.questions(), BTreeMap::from([("newest", 1), ("latest", 1)]));
}

#[tokio::test]
async fn who_loses_every_race_hears_version() {
    let stack = Stack::new();
    let mut author = stack.published().await;
    author.next_targets();
    let conflict = Some((Role::Timestamp, Some(version(7))));
    let store = Arc::new(DisturbedStore { conflict, ..DisturbedStore::over(&stack.store) });
    let error = publish(&stack, &store, vec![targets(&author)]).await.unwrap_err();
    let PublishError::Overtaken { role, current } = error else { panic!("{error}") };
    assert_eq!((role, current), (Role::Timestamp, Some(version(7))));
    assert_eq!(store.questions()["commit"], MAX_ATTEMPTS);
}

#[tokio::test]
async fn an_upload_that_meets_a_deadlock_is_prepared_again() {
    let stack = Stack::new();
    let mut author = stack.published().await;
    author.next_targets();
    let store = Arc::new(DisturbedStore { deadlocks: 2, ..DisturbedStore::over(&stack.store) });
    publish(&stack, &store, vec![targets(&author)]).await.unwrap();
    assert_eq!(store.questions(), BTreeMap::from([("newest", 3), ("commit", 1)]));
}

#[tokio::test]
async fn a_name_that_the_tables_cannot_hold_is_the_uploads_fault_and_not_the_servers() {
    let stack = Stack::new();
    let author = stack.author().await;
    let store = Arc::new(DisturbedStore { has_no_room: true, ..DisturbedStore::over(&stack.store) });
    let error = publish(&stack, &store, vec![root(&author), targets(&author)]).await.unwrap_err();
    let reason = Misfit::EqualName { stored: "example.com/APP".to_owned() };
    assert!(matches!(&error, PublishError::DoesNotFit { reason: told } if *told == reason), "{error}");
}

#[tokio::test]
async fn a_stale_version_is_told_at_once() {
    let stack = Stack::new();
    let author = stack.published().await;
    let store = Arc::new(DisturbedStore::over(&stack.store));
    let error = publish(&stack, &store, vec![targets(&author)]).await.unwrap_err();
    assert!(matches!(error, PublishError::VersionConflict { role: Role::Targets, .. }), "{error}");
    assert_eq!(store.questions(), BTreeMap::from([("newest", 1)]));
}

#[tokio::test]
async fn a_deletion_that_the_database_calls_a_conflict_is_tried_again() {
    let stack = Stack::new();
    stack.published().await;
    let conflict = Some((Role::Timestamp, None));
    let store = Arc::new(DisturbedStore { conflict, ..DisturbedStore::over(&stack.store) });
    assert!(publisher(&stack, &store).delete(&Access::for_tests(stack.gun.clone())).await.unwrap());
    assert_eq!(store.questions()["delete"], 3);
    assert_eq!(stack.latest(&Role::Root).await, None);
}

#[test]
fn each_loss_doubles_the_longest_wait_up_to_a_third_of_a_second() {
    let milliseconds = [1, 2, 3, 7, 8, MAX_ATTEMPTS, u32::MAX].map(|attempts| longest_wait(attempts).as_millis());
    assert_eq!(milliseconds, [5, 10, 20, 320, 320, 320, 320]);
}

#[async_trait]
impl WebhookPlaces for DisturbedStore {
    async fn begin_webhook(&self, name: &WebhookName) -> Result<(), StoreError> {
        self.stored.begin_webhook(name).await
    }

    async fn take_webhook(
        &self,
        name: &WebhookName,
        holder: &str,
        now: UtcTime,
        seconds: u32,
    ) -> Result<Option<i64>, StoreError> {
        self.stored.take_webhook(name, holder, now, seconds).await
    }

    async fn move_webhook(&self, name: &WebhookName, holder: &str, from: i64, to: i64) -> Result<bool, StoreError> {
        self.stored.move_webhook(name, holder, from, to).await
    }

    async fn give_back_webhook(&self, name: &WebhookName, holder: &str) -> Result<(), StoreError> {
        self.stored.give_back_webhook(name, holder).await
    }
}
