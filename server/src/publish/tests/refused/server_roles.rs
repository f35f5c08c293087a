//! What the server should sign and cannot.

use tuf_schema::PublicKey;
use tuf_schema::model::KeyGrant;
use tuf_schema::testing::secret_key;

use super::*;

#[tokio::test]
async fn the_servers_first_snapshot_needs_targets() {
    refused_first("ErrValidation", "targets must be loaded first", |author| vec![root(author)]).await;
}

#[tokio::test]
async fn a_timestamp_key_that_nobody_holds_is_refused_in_the_words_of_the_signers_custody() {
    for custody in [Custody::Remote, Custody::Local] {
        let stack = Stack::with_custody(custody);
        let (mut author, key) = stack.author_with_snapshot_key().await;
        let foreign = secret_key();
        author.root.keys.insert(foreign.public().id().clone(), foreign.public().clone());
        author.root.timestamp = KeyGrant::single(foreign.public().id().clone());
        let (root, targets) = (root(&author), targets(&author));
        let own = snapshot(&[&root, &targets], 1, &author, &key);
        let error = stack.refusal(vec![root, targets, own]).await;
        match custody {
            Custody::Remote => assert_told(&error, "ErrValidation", &not_found(foreign.public())),
            Custody::Local => assert_told(&error, "ErrBadRoot", "no  timestamp keys exist on the server"),
        }
    }
}

#[tokio::test]
async fn without_a_snapshot_the_server_must_hold_its_key() {
    let message = "no snapshot was included in update and server does not hold current snapshot key for repository";
    for custody in [Custody::Remote, Custody::Local] {
        let stack = Stack::with_custody(custody);
        let (author, key) = stack.author_with_snapshot_key().await;
        let error = stack.refusal(vec![root(&author), targets(&author)]).await;
        match custody {
            Custody::Remote => assert_told(&error, "ErrValidation", &not_found(key.public())),
            Custody::Local => {
                assert_told(&error, "ErrBadHierarchy", message);
                assert!(matches!(error, PublishError::BadHierarchy { missing: Role::Snapshot, .. }));
            }
        }
    }
}

fn not_found(key: &PublicKey) -> String {
    format!("rpc error: code = NotFound desc = key {} not found", key.id())
}

#[tokio::test]
async fn a_server_key_that_root_describes_falsely_signs_nothing_worth_storing() {
    let stack = Stack::new();
    let mut author = stack.author().await;
    let id = author.root.timestamp.key_ids.first().unwrap().clone();
    author.root.keys.insert(id, secret_key().public().clone());
    let error = stack.refusal(vec![root(&author), targets(&author)]).await;
    assert_told(&error, "ErrBadRoot", "key ID is not valid for key content");
}
