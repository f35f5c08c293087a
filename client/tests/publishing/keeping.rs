//! What a publish fetched is kept for the next time, whatever becomes of it.

use bulla::publish::{Edit, EditError, PublishError, SignTags, Working};
use bulla::remote::RemoteError;
use tuf_schema::Role;

use crate::world::{Person, Server, manifest, tag};

/// An edit that does nothing, or is refused.
struct Idle {
    is_refused: bool,
}

impl Edit for Idle {
    fn apply(&self, _: &mut Working) -> Result<(), EditError> {
        if self.is_refused { Err(EditError::NoDelegationKey) } else { Ok(()) }
    }
}

#[tokio::test]
async fn what_was_fetched_is_kept_whether_it_was_published_on_or_not() {
    let (server, owner) = (Server::new(), Person::new());
    owner.sign(&server, "1", b"one").await.unwrap();
    let shown = || server.state.lock().unwrap().current[&Role::Timestamp].clone();
    let kept = || owner.cache().read(&Role::Timestamp).unwrap();
    assert_eq!(kept(), None);

    let before = shown();
    owner.publish(&server, &Idle { is_refused: false }).await.unwrap();
    assert_eq!(kept(), Some(before));

    server.renew_own();
    let refused = owner.publish(&server, &Idle { is_refused: true }).await.unwrap_err();
    assert!(matches!(refused, PublishError::Edit(EditError::NoDelegationKey)), "{refused}");
    assert_eq!(kept(), Some(shown()));

    server.renew_own();
    server.state.lock().unwrap().refusals.push(RemoteError::Rejected("no".to_owned()));
    let refused = owner.sign(&server, "2", b"two").await.unwrap_err();
    assert!(matches!(refused, PublishError::Remote(RemoteError::Rejected(_))), "{refused}");
    assert_eq!(kept(), Some(shown()));

    server.renew_own();
    let before = shown();
    owner.sign(&server, "2", b"two").await.unwrap();
    assert_eq!(kept(), Some(before.clone()));
    assert_ne!(shown(), before);

    server.renew_own();
    let plan = SignTags::new([(tag("3"), manifest(b"three"))]);
    owner.publishing(&server, async |publisher| publisher.plan(&plan).await).await.unwrap();
    assert_eq!(kept(), Some(shown()));
}
