//! Databases that earlier releases wrote: this build opens them, serves every byte, and goes on from there.
//!
//! `tests/upgrade/previous-build.sh` shows the way back with the earlier programs themselves.

#![expect(clippy::unwrap_used, reason = "a test fails where it stands")]

use std::path::{Path, PathBuf};

use e2e::http;
use e2e::stack::Stack;
use tuf_schema::dialect::Document;
use tuf_schema::model::{FileMeta, Root, Snapshot, Target, Targets};
use tuf_schema::sign::SecretKey;
use tuf_schema::testing::signed;
use tuf_schema::{BaseRole, Dialect, Digests, Envelope, Role, Sha256};

/// Opens the keys of every fixture's signer.
const PASSPHRASE: &str = "a-long-signer-passphrase";

/// The folders of `tests/fixtures/upgrade`, one for each release.
fn releases() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/upgrade");
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let releases: Vec<_> = entries.filter(|path| path.is_dir()).collect();
    assert!(!releases.is_empty());
    releases
}

async fn started(release: &Path) -> Stack {
    Stack::start_on(&release.join("server.db"), &release.join("signer.db"), PASSPHRASE).await.unwrap()
}

/// The words of each line of a list.
fn lines(release: &Path, name: &str) -> Vec<Vec<String>> {
    let text = std::fs::read_to_string(release.join(name)).unwrap();
    text.lines().map(|line| line.split(' ').map(str::to_owned).collect()).collect()
}

/// The repositories that are there, in order.
fn guns(release: &Path) -> Vec<String> {
    let mut guns: Vec<String> = lines(release, "files.txt").into_iter().map(|mut words| words.remove(0)).collect();
    guns.sort();
    guns.dedup();
    guns
}

async fn read(stack: &Stack, gun: &str, file: &str) -> Vec<u8> {
    let answer = http::get(stack.port(), &format!("/v2/{gun}/_trust/tuf/{file}")).await.unwrap();
    assert_eq!(answer.status, 200, "{gun} {file}");
    answer.body
}

async fn current<M: Document + Clone>(stack: &Stack, gun: &str, role: Role) -> M {
    let bytes = read(stack, gun, &format!("{role}.json")).await;
    let envelope = Envelope::parse(Dialect::Notary, bytes.into()).unwrap();
    envelope.decode::<M>(role).unwrap().claims().clone()
}

/// The publisher's key of a role, if the publisher holds it.
fn key_of(release: &Path, root: &Root, role: BaseRole) -> Option<SecretKey> {
    let id = root.grant(role).key_ids.first().unwrap();
    let der = std::fs::read(release.join(format!("unsealed/{id}.pk8"))).ok()?;
    Some(SecretKey::from_pkcs8_der(&der).unwrap())
}

/// Signs one more tag with the publisher's keys and publishes it.
async fn publish(release: &Path, stack: &Stack, gun: &str, tag: &str) {
    let root: Root = current(stack, gun, Role::Root).await;
    let mut targets: Targets = current(stack, gun, Role::Targets).await;
    targets.version = targets.version.next().unwrap();
    let content = Target { length: 1, digests: Digests::from_sha256(&Sha256::of(tag.as_bytes())), custom: None };
    targets.targets.insert(tag.to_owned(), content);
    let targets = signed(&targets, &[&key_of(release, &root, BaseRole::Targets).unwrap()]);
    let mut parts = vec![("targets", targets.clone())];
    if let Some(key) = key_of(release, &root, BaseRole::Snapshot) {
        let mut snapshot: Snapshot = current(stack, gun, Role::Snapshot).await;
        snapshot.version = snapshot.version.next().unwrap();
        snapshot.meta.insert(Role::Targets, FileMeta::of(&targets));
        parts.push(("snapshot", signed(&snapshot, &[&key])));
    }
    let parts: Vec<_> = parts.iter().map(|(role, bytes)| (*role, bytes.as_ref())).collect();
    let answer = http::publish(stack.port(), gun, &parts).await.unwrap();
    assert_eq!(answer.status, 200, "{gun}: {}", String::from_utf8_lossy(&answer.body));
    assert_eq!(read(stack, gun, "targets.json").await, targets, "{gun}");
}

/// The change records after `after`, each as id, GUN, version, category and digest.
async fn changes(stack: &Stack, after: usize) -> Vec<Vec<String>> {
    let answer =
        http::get(stack.port(), &format!("/v2/_trust/changefeed?change_id={after}&records=1000")).await.unwrap();
    let records = answer.json()["records"].as_array().cloned().unwrap();
    let text = |value: &serde_json::Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let words = ["ID", "GUN", "Version", "Category", "SHA256"];
    records.iter().map(|record| words.iter().map(|word| text(&record[word])).collect()).collect()
}

/// `admin verify` finds nothing wrong.
async fn verified(stack: &Stack) {
    let verified = stack.command(&["admin", "verify"]).await.unwrap();
    let said = String::from_utf8_lossy(&verified.stdout).into_owned();
    assert_eq!(verified.status.code(), Some(0), "{said}{}", String::from_utf8_lossy(&verified.stderr));
}

#[tokio::test]
async fn every_file_of_an_earlier_release_is_served_byte_for_byte() {
    for release in releases() {
        let stack = started(&release).await;
        let files = lines(&release, "files.txt");
        assert!(!files.is_empty());
        for file in &files {
            let [gun, role, version, length, sha256] = file.as_slice() else { panic!("{file:?}") };
            for name in [format!("{role}.{sha256}.json"), format!("{version}.{role}.json")] {
                let bytes = read(&stack, gun, &name).await;
                assert_eq!((bytes.len().to_string(), Sha256::of(&bytes).to_hex()), (length.clone(), sha256.clone()));
            }
        }
    }
}

#[tokio::test]
async fn the_change_feed_of_an_earlier_release_goes_on_with_the_next_id() {
    for release in releases() {
        let stack = started(&release).await;
        let recorded = lines(&release, "changes.txt");
        let (served, gun) = (changes(&stack, 0).await, guns(&release).remove(0));
        assert_eq!(served.get(..recorded.len()).unwrap(), recorded);
        publish(&release, &stack, &gun, "next").await;
        let next = changes(&stack, served.len()).await;
        let id = (served.len() + 1).to_string();
        assert_eq!(next.iter().map(|record| record[0].clone()).collect::<Vec<_>>(), [id]);
        assert_eq!(next[0][1], gun);
    }
}

#[tokio::test]
async fn every_repository_of_an_earlier_release_is_published_to_with_its_own_keys() {
    for release in releases() {
        let stack = started(&release).await;
        for gun in guns(&release) {
            publish(&release, &stack, &gun, "first-of-this-build").await;
            publish(&release, &stack, &gun, "second-of-this-build").await;
        }
        verified(&stack).await;
    }
}

#[tokio::test]
async fn a_repository_that_an_earlier_release_deleted_stays_deleted() {
    for release in releases() {
        let stack = started(&release).await;
        let deleted = lines(&release, "changes.txt").into_iter().find(|change| change[3] == "deletion").unwrap();
        let answer = http::get(stack.port(), &format!("/v2/{}/_trust/tuf/root.json", deleted[1])).await.unwrap();
        assert_eq!(answer.status, 404);
    }
}
