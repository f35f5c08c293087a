//! Repositories that are begun here, and changes that are staged: what is published of them, and what stays.

use std::sync::Mutex;

use bulla::changelist::{Change, Changelist, ChangelistError};
use bulla::keys::KeyRole;
use bulla::publish::{Begun, InitialiseError, PublishError, Published, Publisher, RootOf, StagedError};
use bulla::remote::RemoteError;
use ring::rand::SystemRandom;
use tuf_schema::key::x509::{CertificateError, self_signed_root_certificate};
use tuf_schema::model::{Root, Target, Targets};
use tuf_schema::testing::secret_key;
use tuf_schema::{Digests, Gun, PublicKey, Role, SigningKey as _};

use crate::world::{NoPause, Person, Server, cached, gun, now, roles};

impl Person {
    async fn begin(&self, server: &Server, root: &RootOf) -> Result<Begun, InitialiseError> {
        let (mut keys, cache) = (self.keyring(), self.cache());
        publisher(&mut keys, &cache, server).initialise(root).await
    }

    fn list(&self) -> Changelist {
        Changelist::new(&self.directory(), &gun())
    }

    fn stage(&self, names: &[&str]) {
        let changes: Vec<_> = names.iter().map(|name| add(name)).collect();
        self.list().append(&changes, now(), &SystemRandom::new()).unwrap();
    }

    fn staged(&self) -> Vec<String> {
        self.list().list().unwrap().iter().map(|staged| staged.change.words().path).collect()
    }

    async fn publish_staged(&self, server: &Server) -> Result<(Published, usize), StagedError> {
        let (mut keys, cache) = (self.keyring(), self.cache());
        let seen = Mutex::new(0);
        let show = |staged: &[bulla::changelist::Staged]| *seen.lock().unwrap() = staged.len();
        let mut publisher = publisher(&mut keys, &cache, server);
        let (published, changes) = publisher.publish_staged(&self.list(), &show, &|_, _| {}).await?;
        assert_eq!(changes.len(), *seen.lock().unwrap());
        Ok((published, changes.len()))
    }
}

fn publisher<'a>(
    keys: &'a mut bulla::keys::Keyring,
    cache: &'a bulla::cache::Cache,
    server: &'a Server,
) -> Publisher<'a> {
    static GUN: std::sync::LazyLock<Gun> = std::sync::LazyLock::new(gun);
    static RANDOM: std::sync::LazyLock<SystemRandom> = std::sync::LazyLock::new(SystemRandom::new);
    Publisher { gun: &GUN, remote: server, cache, keys, now: server.now(), rng: &*RANDOM, pacing: &NoPause }
}

fn add(name: &str) -> Change {
    let target = Target { length: 3, digests: Digests::of(b"one"), custom: None };
    Change::AddTarget { role: Role::Targets, name: name.into(), target }
}

#[tokio::test]
async fn what_is_begun_here_is_published_with_the_very_root_that_was_kept() {
    let (server, owner) = (Server::new(), Person::new());
    let begun = owner.begin(&server, &RootOf::default()).await.unwrap();
    assert!(begun.root_is_new && owner.key_files() == 3);
    assert!(server.posts().is_empty());
    let kept = owner.cache().read(&Role::Root).unwrap().unwrap();
    owner.stage(&["1"]);
    let (published, count) = owner.publish_staged(&server).await.unwrap();
    assert!(published.initialised && count == 1);
    assert_eq!(server.posts(), [roles(&["root", "snapshot", "targets"])]);
    assert_eq!(server.state.lock().unwrap().current[&Role::Root], kept);
    let targets: Targets = server.current("targets");
    assert_eq!((targets.version.number(), targets.targets.len()), (2, 1));
    assert_eq!(server.current::<tuf_schema::model::Snapshot>("snapshot").version.number(), 1);
    assert!(owner.staged().is_empty());
    owner.read(&server).await.unwrap();
}

#[tokio::test]
async fn a_repository_that_is_begun_and_has_nothing_staged_is_published_empty() {
    let (server, owner) = (Server::new(), Person::new());
    owner.begin(&server, &RootOf::default()).await.unwrap();
    owner.publish_staged(&server).await.unwrap();
    assert!(server.current::<Targets>("targets").targets.is_empty());
}

#[tokio::test]
async fn nothing_staged_makes_no_repository() {
    let (server, owner) = (Server::new(), Person::new());
    let error = owner.publish_staged(&server).await.unwrap_err();
    assert!(matches!(error, StagedError::Publish(PublishError::Update(_))), "{error}");
    assert_eq!((server.posts().len(), owner.key_files()), (0, 0));
    owner.stage(&["1"]);
    assert!(owner.publish_staged(&server).await.unwrap().0.initialised);
}

#[tokio::test]
async fn nothing_is_begun_over_what_is_kept_here() {
    let (server, owner) = (Server::new(), Person::new());
    owner.begin(&server, &RootOf::default()).await.unwrap();
    let before = cached(&owner);
    let error = owner.begin(&server, &RootOf::default()).await.unwrap_err();
    assert!(matches!(&error, InitialiseError::Kept { gun: kept } if *kept == gun()), "{error}");
    assert_eq!((cached(&owner), owner.key_files()), (before, 3));
}

#[tokio::test]
async fn nothing_is_begun_over_what_the_trust_server_has() {
    let (server, owner, other) = (Server::new(), Person::new(), Person::new());
    owner.sign(&server, "1", b"one").await.unwrap();
    let error = other.begin(&server, &RootOf::default()).await.unwrap_err();
    assert!(matches!(&error, InitialiseError::Published(there) if *there == gun()), "{error}");
    assert_eq!(other.key_files(), 0);
}

#[tokio::test]
async fn nothing_is_begun_while_nobody_knows_whether_it_is_there() {
    let (server, owner) = (Server::new(), Person::new());
    server.state.lock().unwrap().down = true;
    let error = owner.begin(&server, &RootOf::default()).await.unwrap_err();
    assert!(matches!(error, InitialiseError::Unknown(_)), "{error}");
    assert_eq!((cached(&owner).len(), owner.key_files()), (0, 0));
}

#[tokio::test]
async fn the_same_root_key_is_taken_every_time() {
    let (server, owner) = (Server::new(), Person::new());
    let new = || owner.keyring().create(KeyRole::Root, None, &SystemRandom::new()).unwrap().id;
    let first = (0..4).map(|_| new()).min().unwrap();
    let begun = owner.begin(&server, &RootOf::default()).await.unwrap();
    assert_eq!((begun.root, begun.root_is_new), (first, false));
}

#[tokio::test]
async fn a_root_key_in_a_file_is_used_and_kept() {
    let (server, owner) = (Server::new(), Person::new());
    let rng = SystemRandom::new();
    owner.keyring().create(KeyRole::Root, None, &rng).unwrap();
    let (other, certified_key) = (secret_key(), secret_key());
    let text = owner.keyring().sealed(&other, &KeyRole::Root, None, &rng).unwrap();
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("root.pem");
    std::fs::write(&path, text.as_bytes()).unwrap();
    let certificate = self_signed_root_certificate(&certified_key, &gun(), now(), &rng).unwrap();
    let mut root_of = RootOf { key_file: Some(path), certificate: Some(certificate) };
    let error = owner.begin(&server, &root_of).await.unwrap_err();
    let expected = certified_key.public().id().clone();
    assert!(matches!(error, InitialiseError::OtherKey { certificate, .. } if certificate == expected));
    assert_eq!(owner.key_files(), 1);
    root_of.certificate = None;
    let begun = owner.begin(&server, &root_of).await.unwrap();
    assert_eq!((&begun.root, begun.root_is_new, owner.key_files()), (other.public().id(), false, 4));
}

fn certified(certificate: PublicKey) -> RootOf {
    RootOf { key_file: None, certificate: Some(certificate) }
}

#[tokio::test]
async fn a_root_certificate_must_be_for_a_root_key_that_is_here_and_for_this_repository() {
    let (server, owner) = (Server::new(), Person::new());
    let rng = SystemRandom::new();
    let mut keys = owner.keyring();
    let stored = keys.create(KeyRole::Root, None, &rng).unwrap();
    let certificate = |keys: &mut bulla::keys::Keyring, name: &str| {
        self_signed_root_certificate(keys.open(&stored).unwrap(), &Gun::parse(name).unwrap(), now(), &rng).unwrap()
    };
    let foreign = certificate(&mut keys, "elsewhere.test/app");
    let error = owner.begin(&server, &certified(foreign)).await.unwrap_err();
    let is_foreign = matches!(error, InitialiseError::Certificate(CertificateError::ForeignName { .. }));
    assert!(is_foreign && owner.key_files() == 1);
    let stranger = self_signed_root_certificate(&secret_key(), &gun(), now(), &rng).unwrap();
    let bare = stranger.bare().unwrap().id().clone();
    let error = owner.begin(&server, &certified(stranger)).await.unwrap_err();
    assert!(matches!(error, InitialiseError::NoKeyFor(id) if id == bare));
    let good = certificate(&mut keys, gun().as_str());
    owner.begin(&server, &certified(good.clone())).await.unwrap();
    owner.publish_staged(&server).await.unwrap();
    assert_eq!(server.current::<Root>("root").root.key_ids, [good.id().clone()]);
}

#[tokio::test]
async fn a_publish_that_fails_leaves_everything_staged() {
    let (server, owner) = (Server::new(), Person::new());
    owner.sign(&server, "0", b"zero").await.unwrap();
    owner.stage(&["1", "2"]);
    server.state.lock().unwrap().down = true;
    let error = owner.publish_staged(&server).await.unwrap_err();
    assert!(
        matches!(
            error,
            StagedError::Publish(PublishError::Update(_) | PublishError::Remote(RemoteError::Unreachable { .. }))
        ),
        "{error}"
    );
    assert_eq!(owner.staged(), ["1", "2"]);
    server.state.lock().unwrap().down = false;
    owner.publish_staged(&server).await.unwrap();
    assert!(owner.staged().is_empty());
    assert_eq!(server.current::<Targets>("targets").targets.len(), 3);
}

#[tokio::test]
async fn nothing_is_published_while_a_staged_change_is_not_understood() {
    let (server, owner) = (Server::new(), Person::new());
    owner.sign(&server, "0", b"zero").await.unwrap();
    owner.stage(&["1"]);
    let torn = owner.directory().changelist(&gun()).join("00000000000000000001_x.change");
    std::fs::write(&torn, b"{\"action\":\"create\"").unwrap();
    let error = owner.publish_staged(&server).await.unwrap_err();
    let named = matches!(&error, StagedError::List(ChangelistError::NotUnderstood { path, .. }) if *path == torn);
    assert!(named, "{error}");
    assert_eq!(server.posts().len(), 1);
    assert!(torn.exists());
}

#[tokio::test]
async fn changes_are_made_in_the_order_in_which_they_were_staged() {
    let (server, owner) = (Server::new(), Person::new());
    owner.sign(&server, "0", b"zero").await.unwrap();
    let remove = Change::RemoveTarget { role: Role::Targets, name: "1".into() };
    let changes = [add("1"), remove.clone(), add("2"), remove, add("3")];
    owner.list().append(&changes, now(), &SystemRandom::new()).unwrap();
    owner.publish_staged(&server).await.unwrap();
    let names: Vec<_> = server.current::<Targets>("targets").targets.into_keys().collect();
    assert_eq!(names, ["0", "2", "3"]);
}

#[tokio::test]
async fn two_at_once_publish_each_change_once() {
    let (server, owner) = (Server::new(), Person::new());
    owner.sign(&server, "0", b"zero").await.unwrap();
    owner.stage(&["1", "2"]);
    let (first, second) = tokio::join!(owner.publish_staged(&server), owner.publish_staged(&server));
    let mut counts = [first.unwrap().1, second.unwrap().1];
    counts.sort_unstable();
    assert_eq!(counts, [0, 2]);
    assert_eq!(server.posts().len(), 2);
}

#[tokio::test]
async fn what_is_staged_while_a_publish_goes_on_is_not_taken_away_with_it() {
    let (server, owner) = (Server::new(), Person::new());
    owner.sign(&server, "0", b"zero").await.unwrap();
    owner.stage(&["1"]);
    let (mut keys, cache) = (owner.keyring(), owner.cache());
    let meanwhile = |_: &[bulla::changelist::Staged]| owner.stage(&["2"]);
    publisher(&mut keys, &cache, &server).publish_staged(&owner.list(), &meanwhile, &|_, _| {}).await.unwrap();
    assert_eq!(owner.staged(), ["2"]);
    assert_eq!(server.current::<Targets>("targets").targets.into_keys().collect::<Vec<_>>(), ["0", "1"]);
}
