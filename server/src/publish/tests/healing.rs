//! Repositories as the reference leaves them when it hashes its own encoding or believes a snapshot: what makes them
//! readable again.

use tuf_schema::Draft;
use tuf_schema::model::Timestamp;

use super::accepted::{assert_readable, delegate, delegation};
use super::*;
use crate::read::{RenewError, Repaired};

impl Stack {
    /// The newest file of a role, as a part.
    async fn stored(&self, role: Role) -> UploadPart {
        let stored = self.latest(&role).await.unwrap();
        part(role, stored.bytes)
    }
}

/// What the reference makes of a publish: the files as they came, a snapshot and a timestamp that list what it thinks.
struct ByTheReference<'a> {
    stack: &'a Stack,
    author: &'a Author,
}

impl ByTheReference<'_> {
    /// Stores `files` under the server's snapshot, which lists `meta`.
    async fn stores(&self, files: Vec<NewFile>, meta: BTreeMap<Role, FileMeta>) {
        let expires = self.author.root.expires;
        let number = i64::from(self.stack.latest_version(&Role::Snapshot).await) + 1;
        let snapshot = Snapshot { version: version(number), expires, meta };
        let snapshot = self.signed(ServerRole::Snapshot, &snapshot).await;
        let listed = FileMeta::of(&snapshot);
        let snapshot = NewFile::new(Role::Snapshot, version(number), snapshot);
        self.stores_under([files, vec![snapshot]].concat(), listed).await;
    }

    /// Stores `files` under a timestamp that lists `snapshot`.
    async fn stores_under(&self, files: Vec<NewFile>, snapshot: FileMeta) {
        let newest = self.stack.latest(&Role::Timestamp).await;
        let number = newest.as_ref().map_or(1, |stored| i64::from(stored.version.number()) + 1);
        let timestamp = Timestamp { version: version(number), expires: self.author.root.expires, snapshot };
        let timestamp = self.signed(ServerRole::Timestamp, &timestamp).await;
        let timestamp = NewFile::new(Role::Timestamp, version(number), timestamp);
        let base = newest.map(|stored| stored.sha256);
        let update = ValidatedUpdate::for_store_tests(&self.stack.gun, base, timestamp, files);
        self.stack.store.commit(&update).await.unwrap();
    }

    async fn signed<M: tuf_schema::dialect::Document>(&self, role: ServerRole, model: &M) -> Bytes {
        let draft = Draft::new(tuf_schema::Dialect::Notary, model).unwrap();
        let id = self.author.root.grant(role.into()).key_ids.first().unwrap();
        let key = self.stack.signer.public_key(id).await.unwrap().unwrap();
        let signature = self.stack.signer.sign(&self.stack.gun, &key, draft.message()).await.unwrap();
        draft.finish(&[signature])
    }
}

/// The document in another encoding: the signatures still hold, and the reference hashes the first one.
fn spaced(part: &UploadPart) -> UploadPart {
    let text = String::from_utf8(part.bytes.to_vec()).unwrap();
    UploadPart { role: part.role.clone(), bytes: text.replacen(':', ": ", 1).into() }
}

fn followed_by_blanks(part: &UploadPart) -> UploadPart {
    UploadPart { role: part.role.clone(), bytes: [&part.bytes[..], b" \n"].concat().into() }
}

fn file(part: &UploadPart, number: i64) -> NewFile {
    NewFile::new(part.role.clone(), version(number), part.bytes.clone())
}

fn meta(parts: &[&UploadPart]) -> BTreeMap<Role, FileMeta> {
    parts.iter().map(|part| (part.role.clone(), FileMeta::of(&part.bytes))).collect()
}

/// Every kind of file in each of two encodings that the reference takes and then does not find.
async fn unreadable(break_it: fn(&UploadPart) -> UploadPart) -> (Stack, Author, SecretKey) {
    let stack = Stack::new();
    let mut author = stack.author().await;
    let (key, expires) = (testing::secret_key(), author.root.expires);
    delegate(&mut author, "targets/a", Some(&key), &[""]);
    let parts = [root(&author), targets(&author), delegation("targets/a", 1, "x", expires, &key)];
    let stored = parts.iter().map(|part| file(&break_it(part), 1)).collect();
    ByTheReference { stack: &stack, author: &author }.stores(stored, meta(&parts.each_ref())).await;
    for part in &parts {
        assert_eq!(stack.current(&part.role).await, None, "{}", part.role);
    }
    (stack, author, key)
}

#[tokio::test]
async fn what_the_reference_hashed_in_its_own_encoding_is_readable_after_one_publish() {
    for break_it in [spaced, followed_by_blanks] {
        let (stack, author, _) = unreadable(break_it).await;
        stack.publish(Vec::new()).await.unwrap();
        assert_readable(&stack, &author.root).await;
        assert!(stack.current(&role("targets/a")).await.is_some());

        let (stack, mut author, _) = unreadable(break_it).await;
        author.next_targets();
        stack.publish(vec![targets(&author)]).await.unwrap();
        assert_readable(&stack, &author.root).await;
    }
}

#[tokio::test]
async fn a_delegation_below_an_unreadable_targets_can_be_published_and_heals_it() {
    for break_it in [spaced, followed_by_blanks] {
        let (stack, author, key) = unreadable(break_it).await;
        let next = delegation("targets/a", 2, "x", author.root.expires, &key);
        stack.publish(vec![next.clone()]).await.unwrap();
        assert_readable(&stack, &author.root).await;
        assert_eq!(stack.current(&role("targets/a")).await.unwrap().bytes, next.bytes);
    }
}

#[tokio::test]
async fn a_renewed_snapshot_heals_as_well() {
    let (stack, author, _) = unreadable(spaced).await;
    stack.clock.advance_days(3651);
    assert_eq!(stack.current(&Role::Snapshot).await.unwrap().version, version(2));
    assert_readable(&stack, &author.root).await;
}

#[tokio::test]
async fn a_repair_heals_without_a_publish_and_only_once() {
    let (stack, author, _) = unreadable(spaced).await;
    let repaired = stack.reader.repair(&stack.gun).await.unwrap();
    let listed = vec![(Role::Targets, version(1)), (role("targets/a"), version(1))];
    assert_eq!(repaired, Repaired::Snapshot { version: version(2), listed, dropped: Vec::new() });
    assert_readable(&stack, &author.root).await;
    assert_eq!(stack.changes().await.len(), 2, "an ordinary update with its record");
    assert_eq!(stack.reader.repair(&stack.gun).await.unwrap(), Repaired::Sound);
    assert_eq!(stack.changes().await.len(), 2);
    let other = Gun::parse("example.com/other").unwrap();
    assert_eq!(stack.reader.repair(&other).await.unwrap(), Repaired::NotThere);
}

#[tokio::test]
async fn a_repair_finds_an_entry_that_is_wrong_in_one_digest_or_in_its_length() {
    for is_length in [true, false] {
        let stack = Stack::new();
        let author = stack.published().await;
        let mut listed = meta(&[&root(&author), &targets(&author)]);
        listed.insert(Role::Root, FileMeta::of(&stack.latest(&Role::Root).await.unwrap().bytes));
        let stored = stack.latest(&Role::Targets).await.unwrap();
        let mut wrong = FileMeta::of(&stored.bytes);
        if is_length {
            wrong.length += 1;
        } else {
            let digests = wrong.digests.by_name().map(|(name, bytes)| (name, bytes.to_vec()));
            wrong.digests = tuf_schema::Digests::new(digests.chain([("sha512", vec![0; 64])]));
        }
        listed.insert(Role::Targets, wrong);
        ByTheReference { stack: &stack, author: &author }.stores(Vec::new(), listed).await;
        let repaired = stack.reader.repair(&stack.gun).await.unwrap();
        let listed = vec![(Role::Targets, version(1))];
        assert_eq!(repaired, Repaired::Snapshot { version: version(3), listed, dropped: Vec::new() });
        assert_readable(&stack, &author.root).await;
    }
}

/// A server-held snapshot that lists a delegation and targets that never came.
async fn listing_what_never_came() -> (Stack, Author) {
    let stack = Stack::new();
    let mut author = stack.author().await;
    delegate(&mut author, "targets/a", Some(&testing::secret_key()), &[""]);
    let (root, targets) = (root(&author), targets(&author));
    let never = part(role("targets/a"), "never sent");
    let listed = meta(&[&root, &part(Role::Targets, "never sent"), &never]);
    ByTheReference { stack: &stack, author: &author }.stores(vec![file(&root, 1), file(&targets, 1)], listed).await;
    assert_eq!(stack.current(&Role::Targets).await, None);
    (stack, author)
}

#[tokio::test]
async fn what_never_came_is_not_listed_any_more() {
    let (stack, author) = listing_what_never_came().await;
    stack.publish(Vec::new()).await.unwrap();
    assert_readable(&stack, &author.root).await;
    assert_eq!(stack.current(&role("targets/a")).await, None);

    let (stack, author) = listing_what_never_came().await;
    let repaired = stack.reader.repair(&stack.gun).await.unwrap();
    let (listed, dropped) = (vec![(Role::Targets, version(1))], vec![role("targets/a")]);
    assert_eq!(repaired, Repaired::Snapshot { version: version(2), listed, dropped });
    assert_readable(&stack, &author.root).await;
}

#[tokio::test]
async fn a_delegation_that_nobody_declares_any_more_stays_listed_as_the_reference_leaves_it() {
    let stack = Stack::new();
    let mut author = stack.author().await;
    let key = testing::secret_key();
    delegate(&mut author, "targets/a", Some(&key), &[""]);
    let own = delegation("targets/a", 1, "x", author.root.expires, &key);
    stack.publish(vec![root(&author), targets(&author), own.clone()]).await.unwrap();
    author.targets.delegations.roles.clear();
    author.next_targets();
    stack.publish(vec![targets(&author)]).await.unwrap();
    assert_eq!(stack.current(&role("targets/a")).await.unwrap().bytes, own.bytes);
}

/// A repository whose author signs the snapshot, which lists targets that never came.
async fn own_snapshot_of_what_never_came() -> (Stack, Author, SecretKey) {
    let stack = Stack::new();
    let (author, key) = stack.author_with_snapshot_key().await;
    let (root, targets) = (root(&author), targets(&author));
    let own = snapshot(&[&root, &targets], 1, &author, &key);
    stack.publish(vec![root.clone(), targets, own]).await.unwrap();
    let own = snapshot(&[&root, &part(Role::Targets, "never sent")], 2, &author, &key);
    let listed = FileMeta::of(&own.bytes);
    ByTheReference { stack: &stack, author: &author }.stores_under(vec![file(&own, 2)], listed).await;
    assert_eq!(stack.current(&Role::Targets).await, None);
    (stack, author, key)
}

#[tokio::test]
async fn a_snapshot_of_the_author_that_lists_what_is_there_heals_the_repository() {
    let (stack, author, key) = own_snapshot_of_what_never_came().await;
    let (root, stored_targets) = (stack.stored(Role::Root).await, stack.stored(Role::Targets).await);
    let own = snapshot(&[&root, &stored_targets], 3, &author, &key);
    stack.publish(vec![own]).await.unwrap();
    assert_readable(&stack, &author.root).await;

    let (stack, mut author, key) = own_snapshot_of_what_never_came().await;
    author.next_targets();
    let (root, targets) = (stack.stored(Role::Root).await, targets(&author));
    let own = snapshot(&[&root, &targets], 3, &author, &key);
    stack.publish(vec![targets, own]).await.unwrap();
    assert_readable(&stack, &author.root).await;
}

#[tokio::test]
async fn what_only_the_author_can_mend_is_left_as_it_is_and_named() {
    let (stack, ..) = own_snapshot_of_what_never_came().await;
    let before = stack.state().await;
    let error = stack.reader.repair(&stack.gun).await.unwrap_err();
    assert!(matches!(&error, RenewError::NotRenewable { role: ServerRole::Snapshot, .. }), "{error}");
    assert_eq!(stack.state().await, before);
}

#[tokio::test]
async fn a_timestamp_of_a_snapshot_in_another_encoding_is_made_anew() {
    let stack = Stack::new();
    let (author, key) = stack.author_with_snapshot_key().await;
    let parts = [root(&author), targets(&author)];
    let own = snapshot(&parts.each_ref(), 1, &author, &key);
    let listed = FileMeta::of(&own.bytes);
    let files = vec![file(&parts[0], 1), file(&parts[1], 1), file(&spaced(&own), 1)];
    ByTheReference { stack: &stack, author: &author }.stores_under(files, listed).await;
    assert_eq!(stack.current(&Role::Snapshot).await, None);
    let repaired = stack.reader.repair(&stack.gun).await.unwrap();
    assert_eq!(repaired, Repaired::Timestamp { version: version(2), snapshot: version(1) });
    assert_readable(&stack, &author.root).await;
}
