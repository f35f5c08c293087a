//! A signer that fails is never the upload's fault, stores nothing, and leads to no new key.

use super::*;
use crate::auth::Push;
use crate::keys::{KeyError, RoleKeys};

#[tokio::test]
async fn while_the_signer_is_down_nothing_is_stored_and_afterwards_the_same_upload_works() {
    let stack = Stack::new();
    let mut author = stack.published().await;
    author.next_targets();
    let upload = vec![targets(&author)];
    stack.signer.suffers(Trouble::Down);
    let error = stack.refusal(upload.clone()).await;
    assert!(matches!(error, PublishError::Signer(SignerError::Unavailable(_))), "{error}");
    stack.signer.suffers(Trouble::None);
    stack.publish(upload).await.unwrap();
}

#[tokio::test]
async fn a_key_that_cannot_be_opened_is_no_missing_key() {
    let stack = Stack::new();
    stack.published().await;
    stack.signer.suffers(Trouble::WrongPassphrase);
    let error = stack.refusal(Vec::new()).await;
    assert!(matches!(error, PublishError::Signer(SignerError::WrongPassphrase { .. })), "{error}");
}

#[tokio::test]
async fn a_key_that_is_gone_when_it_should_sign_is_not_held() {
    let stack = Stack::new();
    let author = stack.published().await;
    stack.signer.suffers(Trouble::Forgets);
    let error = stack.refusal(Vec::new()).await;
    let id = author.root.snapshot.key_ids.first().unwrap();
    assert_told(&error, "ErrValidation", &format!("rpc error: code = NotFound desc = key {id} not found"));
}

#[tokio::test]
async fn a_signer_in_trouble_hands_out_no_other_key() {
    let stack = Stack::new();
    let author = stack.published().await;
    let keys = RoleKeys::new(stack.store.clone(), stack.signer.clone(), KeyAlgorithm::Ecdsa);
    let access = Access::<Push>::for_tests(stack.gun.clone());
    let held = keys.public_key(&access, ServerRole::Timestamp).await.unwrap();
    assert_eq!(Some(held.id()), author.root.timestamp.key_ids.first());
    for trouble in [Trouble::Down, Trouble::WrongPassphrase] {
        stack.signer.suffers(trouble);
        let asked = keys.public_key(&access, ServerRole::Timestamp).await;
        assert!(matches!(asked, Err(KeyError::Signer(_))), "{asked:?}");
    }
}

#[tokio::test]
async fn a_key_of_an_unpublished_repository_is_handed_out_until_it_signs() {
    let stack = Stack::new();
    let keys = RoleKeys::new(stack.store.clone(), stack.signer.clone(), KeyAlgorithm::Ecdsa);
    let (push, admin) = (Access::<Push>::for_tests(stack.gun.clone()), Access::for_tests(stack.gun.clone()));
    let waiting = keys.public_key(&push, ServerRole::Timestamp).await.unwrap();
    assert_eq!(keys.public_key(&push, ServerRole::Timestamp).await.unwrap(), waiting);
    stack.published().await;
    let next = keys.rotate(&admin, ServerRole::Timestamp).await.unwrap();
    assert_ne!(next, waiting);
    assert_eq!(keys.rotate(&admin, ServerRole::Timestamp).await.unwrap(), next);
    // Asking for a new key changes nothing in the repository.
    assert_eq!(keys.public_key(&push, ServerRole::Timestamp).await.unwrap(), waiting);
}

#[tokio::test]
async fn a_snapshot_key_that_the_author_holds_is_answered_with_a_waiting_one() {
    let stack = Stack::new();
    let (author, key) = stack.author_with_snapshot_key().await;
    let (root, targets) = (root(&author), targets(&author));
    let own = snapshot(&[&root, &targets], 1, &author, &key);
    stack.publish(vec![root, targets, own]).await.unwrap();
    let keys = RoleKeys::new(stack.store.clone(), stack.signer.clone(), KeyAlgorithm::Ecdsa);
    let access = Access::<Push>::for_tests(stack.gun.clone());
    let waiting = keys.public_key(&access, ServerRole::Snapshot).await.unwrap();
    assert_ne!(waiting.id(), key.public().id());
}

#[tokio::test]
async fn a_signer_that_dies_between_two_signatures_leaves_nothing_half_done() {
    let stack = Stack::new();
    let mut author = stack.published().await;
    author.next_targets();
    let upload = vec![targets(&author)];
    stack.signer.suffers(Trouble::DiesAfter(1));
    let error = stack.refusal(upload.clone()).await;
    assert!(matches!(error, PublishError::Signer(SignerError::Unavailable(_))), "{error}");
    stack.signer.suffers(Trouble::None);
    stack.publish(upload).await.unwrap();
    assert_eq!(stack.latest_version(&Role::Snapshot).await, 2);
}
