//! A root near its end: signed anew where its key is, named where it is not.

use bulla::keys::KeyRole;
use bulla::publish::{Published, Publisher, RootNotice, SignTags};
use tuf_schema::model::{Root, Snapshot};
use tuf_schema::{Role, UtcTime};

use crate::world::{Person, Server, add_signer, manifest, now, roles, tag};

const DAY: i64 = 86_400;
/// When the root of a repository signed at `now()` ends: it, and its certificate, last 3650 days.
const END: i64 = 3650 * DAY;

fn at(server: &Server, seconds: i64) -> UtcTime {
    let time = now().plus_seconds(seconds);
    *server.clock.lock().unwrap() = time;
    // The server's own two roles are always fresh.
    let mut state = server.state.lock().unwrap();
    server.store(&mut state, &[]);
    time
}

fn ends() -> UtcTime {
    now().plus_seconds(END)
}

#[tokio::test]
async fn a_root_within_six_months_of_its_end_is_signed_anew_with_the_tag() {
    let (server, owner, reader) = (Server::new(), Person::new(), Person::new());
    owner.sign(&server, "1", b"one").await.unwrap();
    reader.read(&server).await.unwrap();
    let first: Root = server.current("root");
    let time = at(&server, END - 180 * DAY);
    // Targets last three years only; the owner signed others in between.
    renew_targets(&owner, &server, time);
    let published = owner.sign(&server, "2", b"two").await.unwrap();
    let until = time.plus_seconds(END);
    assert_eq!(published.roles, [Role::Targets]);
    assert_eq!(published.root, [RootNotice::Renewed { until }, RootNotice::CertificateEnds { expires: ends() }]);
    assert_eq!(server.posts().last().unwrap(), &roles(&["root", "targets"]));
    let root: Root = server.current("root");
    assert_eq!((root.version.number(), root.expires), (2, until));
    assert_eq!((&root.root, &root.targets, root.keys.len()), (&first.root, &first.targets, first.keys.len()));
    // Who knew the first root follows to the second, and a stranger believes it.
    assert_eq!(reader.read(&server).await.unwrap().root().model().version.number(), 2);
    Person::new().read(&server).await.unwrap();
    // Once is enough.
    let again = owner.sign(&server, "3", b"three").await.unwrap();
    assert_eq!(again.root, [RootNotice::CertificateEnds { expires: ends() }]);
    assert_eq!(server.posts().last().unwrap(), &roles(&["targets"]));
}

#[tokio::test]
async fn a_root_with_more_than_six_months_to_live_is_left_alone() {
    let (server, owner) = (Server::new(), Person::new());
    owner.sign(&server, "1", b"one").await.unwrap();
    let time = at(&server, END - 184 * DAY);
    renew_targets(&owner, &server, time);
    let published = owner.sign(&server, "2", b"two").await.unwrap();
    assert_eq!(
        published,
        Published { initialised: false, roles: vec![Role::Targets], root: Vec::new(), unsignable: Vec::new() }
    );
    assert_eq!(server.current::<Root>("root").version.number(), 1);
}

#[tokio::test]
async fn a_root_is_signed_anew_even_when_the_tag_is_signed_already() {
    let (server, owner) = (Server::new(), Person::new());
    owner.sign(&server, "1", b"one").await.unwrap();
    let time = at(&server, END - 10 * DAY);
    renew_targets(&owner, &server, time);
    let published = owner.sign(&server, "1", b"one").await.unwrap();
    assert!(published.roles.is_empty());
    assert_eq!(server.posts().last().unwrap(), &roles(&["root"]));
}

#[tokio::test]
async fn a_root_is_not_signed_anew_in_the_run_that_sees_it_first() {
    let (server, owner) = (Server::new(), Person::new());
    owner.sign(&server, "1", b"one").await.unwrap();
    let time = at(&server, END - 10 * DAY);
    renew_targets(&owner, &server, time);
    std::fs::remove_dir_all(owner.cache().place()).unwrap();
    let published = owner.sign(&server, "2", b"two").await.unwrap();
    assert!(matches!(&published.root[0], RootNotice::NotRenewed { why, .. } if why.contains("never seen here")));
    assert_eq!(server.posts().last().unwrap(), &roles(&["targets"]));
    let published = owner.sign(&server, "3", b"three").await.unwrap();
    assert!(matches!(published.root[0], RootNotice::Renewed { .. }), "{published:?}");
}

#[tokio::test]
async fn a_root_that_was_looked_at_in_the_same_run_is_seen_first_all_the_same() {
    let (server, owner) = (Server::new(), Person::new());
    owner.sign(&server, "1", b"one").await.unwrap();
    let time = at(&server, END - 10 * DAY);
    renew_targets(&owner, &server, time);
    std::fs::remove_dir_all(owner.cache().place()).unwrap();
    let edit = SignTags::new([(tag("2"), manifest(b"two"))]);
    let published = async |publisher: &mut Publisher<'_>| {
        assert!(publisher.exists().await.unwrap());
        publisher.plan(&edit).await.unwrap();
        publisher.publish(&edit).await.unwrap()
    };
    let published = owner.publishing(&server, published).await;
    assert!(matches!(&published.root[0], RootNotice::NotRenewed { why, .. } if why.contains("never seen here")));
}

#[tokio::test]
async fn a_snapshot_of_our_own_lists_the_root_that_was_signed_anew() {
    let (server, owner) = (Server::new(), Person::new());
    owner.sign(&server, "1", b"one").await.unwrap();
    let time = at(&server, END - 10 * DAY);
    renew_targets(&owner, &server, time);
    hold_snapshot_key(&owner, &server);
    owner.sign(&server, "1", b"one").await.unwrap();
    assert_eq!(server.posts().last().unwrap(), &roles(&["root", "snapshot"]));
    let listed = server.current::<Snapshot>("snapshot").meta[&Role::Root].clone();
    assert!(listed.check(&server.state.lock().unwrap().current[&Role::Root]).is_ok());
    Person::new().read(&server).await.unwrap();
}

#[tokio::test]
async fn without_the_root_key_the_end_is_named_and_the_tag_is_signed() {
    let (server, owner, bob) = (Server::new(), Person::new(), Person::new());
    owner.sign(&server, "0", b"zero").await.unwrap();
    let time = at(&server, END - 100 * DAY);
    renew_targets(&owner, &server, time);
    add_signer(&bob, &owner, &server, "bob", &[""]);
    let published = bob.sign(&server, "1", b"one").await.unwrap();
    let expires = ends();
    assert_eq!(published.root, [RootNotice::KeyElsewhere { expires }, RootNotice::CertificateEnds { expires }]);
    assert_eq!(server.posts().last().unwrap(), &roles(&["targets/bob", "targets/releases"]));
}

#[tokio::test]
async fn a_root_key_that_does_not_open_does_not_keep_a_tag_from_being_signed() {
    let (server, owner) = (Server::new(), Person::new());
    owner.sign(&server, "1", b"one").await.unwrap();
    let time = at(&server, END - 100 * DAY);
    renew_targets(&owner, &server, time);
    let keys = owner.keyring_with("not the passphrase");
    let published = owner.sign_with(keys, &server, "2", b"two").await.unwrap();
    let RootNotice::NotRenewed { expires, why } = &published.root[0] else { panic!("{published:?}") };
    assert_eq!(*expires, ends());
    assert!(why.contains("does not open the root key") && !why.contains("not the passphrase"), "{why}");
    assert_eq!(server.posts().last().unwrap(), &roles(&["targets"]));
}

/// Puts targets on the server that are valid at `time`, as if they had been signed in between.
fn renew_targets(owner: &Person, server: &Server, time: UtcTime) {
    use bulla::remote::Part;
    use tuf_schema::model::Targets;
    let mut targets: Targets = server.current("targets");
    targets.version = targets.version.next().unwrap();
    targets.expires = time.plus_seconds(1000 * DAY);
    let mut keys = owner.keyring();
    let stored = keys.list().unwrap().into_iter().find(|key| key.role == KeyRole::Targets).unwrap();
    let bytes = tuf_schema::testing::signed(&targets, &[keys.open(&stored).unwrap()]).to_vec();
    server.store(&mut server.state.lock().unwrap(), &[Part { role: Role::Targets, bytes }]);
}

fn hold_snapshot_key(owner: &Person, server: &Server) {
    crate::resuming::hold(owner, &server.snapshot, &KeyRole::Snapshot);
}
