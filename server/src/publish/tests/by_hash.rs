//! Reads by hash: what is current is known from the newest timestamp, and all else is asked for.

use tuf_schema::Sha256;

use super::disturbed_store::DisturbedStore;
use super::*;
use crate::auth::Pull;

/// Reads of one repository through a store that counts what it is asked.
struct Counted {
    store: Arc<DisturbedStore>,
    reader: Reader,
    access: Access<Pull>,
}

impl Counted {
    fn of(stack: &Stack) -> Self {
        let store = Arc::new(DisturbedStore::over(&stack.store));
        let reader = Reader::new(store.clone(), stack.signer.clone(), stack.clock.clone());
        Self { store, reader, access: Access::for_tests(stack.gun.clone()) }
    }

    async fn by_name(&self, role: &Role) -> Option<Stored> {
        self.reader.current(&self.access, role).await.unwrap()
    }

    /// What is found, and how often that asked for the newest timestamp and for a digest.
    async fn by_hash(&self, role: &Role, sha256: &Sha256) -> (Option<Stored>, [u32; 2]) {
        self.store.questions.lock().unwrap().clear();
        let found = self.reader.by_sha256(&self.access, role, sha256).await.unwrap();
        let asked = self.store.questions();
        (found, ["latest", "by_sha256"].map(|question| asked.get(question).copied().unwrap_or_default()))
    }
}

#[tokio::test]
async fn what_is_current_is_had_by_its_hash_for_one_question_and_not_when_it_was_deleted() {
    let stack = Stack::new();
    stack.published().await;
    let reads = Counted::of(&stack);
    let mut current = Vec::new();
    for role in [Role::Root, Role::Targets, Role::Snapshot] {
        let stored = reads.by_name(&role).await.unwrap();
        assert_eq!(reads.by_hash(&role, &stored.sha256).await, (Some(stored.clone()), [1, 0]), "{role}");
        current.push((role, stored.sha256));
    }
    assert!(stack.store.delete(&stack.gun).await.unwrap());
    for (role, sha256) in current {
        assert_eq!(reads.by_hash(&role, &sha256).await, (None, [1, 1]), "{role}");
    }
}

#[tokio::test]
async fn what_is_current_no_more_is_asked_for_by_its_hash() {
    let stack = Stack::new();
    let mut author = stack.published().await;
    let reads = Counted::of(&stack);
    let before = reads.by_name(&Role::Targets).await.unwrap();
    author.targets.version = version(2);
    stack.publish(vec![targets(&author)]).await.unwrap();
    // by another replica: who reads here does not know of it yet
    assert_eq!(reads.by_hash(&Role::Targets, &before.sha256).await, (Some(before.clone()), [1, 1]));
    assert_eq!(reads.by_name(&Role::Targets).await.unwrap().version, version(2));
    assert_eq!(reads.by_hash(&Role::Targets, &before.sha256).await, (Some(before.clone()), [0, 1]));
    // nor does a hash lead to a file of another role
    assert_eq!(reads.by_hash(&Role::Root, &before.sha256).await, (None, [0, 1]));
}

#[tokio::test]
async fn a_repository_that_was_not_read_by_name_is_asked_for_the_hash() {
    let stack = Stack::new();
    stack.published().await;
    let targets = stack.latest(&Role::Targets).await.unwrap();
    let reads = Counted::of(&stack);
    assert_eq!(reads.by_hash(&Role::Targets, &targets.sha256).await, (Some(targets.clone()), [0, 1]));
}
