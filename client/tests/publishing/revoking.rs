//! What is revoked is released no more, by nobody, or nothing is changed.

use bulla::publish::{EditError, PublishError};
use bulla::signers::{Revoke, SignersError};
use tuf_schema::model::Targets;

use crate::world::{Person, Server, add_signer, is_released, roles, signers_error, tag};

fn revoke(name: &str) -> Revoke {
    Revoke { tag: Some(tag(name)) }
}

#[tokio::test]
async fn a_tag_is_revoked_and_the_others_stay() {
    let (server, owner) = (Server::new(), Person::new());
    owner.sign(&server, "1", b"one").await.unwrap();
    owner.sign(&server, "2", b"two").await.unwrap();
    owner.publish(&server, &revoke("1")).await.unwrap();
    assert!(!is_released(&server, "1").await && is_released(&server, "2").await);
    let error = owner.publish(&server, &revoke("1")).await.unwrap_err();
    assert_eq!(error.to_string(), "No valid trust data for 1");
}

#[tokio::test]
async fn without_a_tag_everything_is_revoked_once() {
    let (server, owner) = (Server::new(), Person::new());
    owner.sign(&server, "1", b"one").await.unwrap();
    owner.sign(&server, "2", b"two").await.unwrap();
    owner.publish(&server, &Revoke { tag: None }).await.unwrap();
    assert!(server.current::<Targets>("targets").targets.is_empty());
    let error = owner.publish(&server, &Revoke { tag: None }).await.unwrap_err();
    assert!(matches!(signers_error(&error), Some(SignersError::NothingSigned)), "{error}");
}

#[tokio::test]
async fn a_signer_revokes_from_its_own_role_and_the_releases_and_leaves_what_others_say() {
    let (server, owner, bob, carol) = (Server::new(), Person::new(), Person::new(), Person::new());
    owner.sign(&server, "0", b"zero").await.unwrap();
    add_signer(&bob, &owner, &server, "bob", &[""]);
    bob.sign(&server, "1", b"one").await.unwrap();
    let error = carol.publish(&server, &revoke("1")).await.unwrap_err();
    assert!(matches!(error, PublishError::Edit(EditError::NoDelegationKey)), "{error}");
    let published = bob.publish(&server, &revoke("1")).await.unwrap();
    assert_eq!(server.posts().last().unwrap(), &roles(&["targets/bob", "targets/releases"]));
    assert_eq!(published.roles.len(), 2);
    assert!(!is_released(&server, "1").await && is_released(&server, "0").await);
}

#[tokio::test]
async fn a_tag_that_a_role_of_others_would_go_on_releasing_is_not_said_to_be_revoked() {
    let (server, owner, bob) = (Server::new(), Person::new(), Person::new());
    owner.sign(&server, "1", b"one").await.unwrap();
    add_signer(&bob, &owner, &server, "bob", &[""]);
    bob.sign(&server, "1", b"newer").await.unwrap();
    let posts = server.posts().len();
    let error = bob.publish(&server, &revoke("1")).await.unwrap_err();
    let Some(SignersError::StillReleased { tag, role, keys }) = signers_error(&error) else {
        return assert_eq!(error.to_string(), "");
    };
    assert_eq!((tag.as_str(), role.as_str(), keys.len()), ("1", "targets", 1));
    assert_eq!(server.posts().len(), posts);
    // Who has both keys revokes in both roles.
    let private = bob.directory().private();
    for key in std::fs::read_dir(owner.directory().private()).unwrap().map(Result::unwrap) {
        std::fs::copy(key.path(), private.join(key.file_name())).unwrap();
    }
    bob.publish(&server, &revoke("1")).await.unwrap();
    assert_eq!(server.posts().last().unwrap(), &roles(&["targets", "targets/bob", "targets/releases"]));
    assert!(!is_released(&server, "1").await);
}

#[tokio::test]
async fn releases_that_cannot_be_read_are_not_taken_for_empty_ones() {
    let (server, owner, bob) = (Server::new(), Person::new(), Person::new());
    owner.sign(&server, "1", b"one").await.unwrap();
    add_signer(&bob, &owner, &server, "bob", &[""]);
    bob.sign(&server, "2", b"two").await.unwrap();
    let mut targets: Targets = server.current("targets");
    targets.version = targets.version.next().unwrap();
    targets.delegations = Default::default();
    server.replace_targets(&owner, &targets);
    add_signer(&Person::new(), &owner, &server, "carol", &[""]);
    let error = owner.publish(&server, &revoke("1")).await.unwrap_err();
    let unreadable = |error: &PublishError| matches!(error, PublishError::Edit(EditError::Unreadable { role, .. }) if role.as_str() == "targets/releases");
    assert!(unreadable(&error), "{error}");
}

#[tokio::test]
async fn releases_that_a_removed_signer_signed_begin_anew_when_everything_is_revoked() {
    let (server, owner, bob, carol) = (Server::new(), Person::new(), Person::new(), Person::new());
    owner.sign(&server, "0", b"zero").await.unwrap();
    add_signer(&bob, &owner, &server, "bob", &[""]);
    bob.sign(&server, "1", b"one").await.unwrap();
    let mut targets: Targets = server.current("targets");
    (targets.version, targets.targets) = (targets.version.next().unwrap(), Default::default());
    targets.delegations = Default::default();
    server.replace_targets(&owner, &targets);
    add_signer(&carol, &owner, &server, "carol", &[""]);
    let error = carol.sign(&server, "2", b"two").await.unwrap_err();
    let next = "bulla repo witness -p registry.test:5000/team/app targets/releases";
    assert!(error.to_string().ends_with(next), "{error}");
    let before = server.current::<Targets>("targets/releases").version;
    carol.publish(&server, &Revoke { tag: None }).await.unwrap();
    assert_eq!(server.posts().last().unwrap(), &roles(&["targets/releases"]));
    let after: Targets = server.current("targets/releases");
    assert_eq!((after.version, after.targets.len()), (before.next().unwrap(), 0));
    carol.sign(&server, "2", b"two").await.unwrap();
    assert!(is_released(&server, "2").await && !is_released(&server, "1").await);
}
