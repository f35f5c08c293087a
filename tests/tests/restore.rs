//! `bulla-server admin backup`, `restore` and `advance`: what clients saw after the backup is taken back as far as they hold
//! it, and nothing that its publisher did not sign.

#![expect(clippy::unwrap_used, reason = "a test fails where it stands")]

use std::path::{Path, PathBuf};

use e2e::stack::{Kind, Stack};
use e2e::upload::Story;
use serde_json::{Value, json};
use tempfile::TempDir;
use tuf_schema::Version;
use tuf_schema::testing::{secret_key, signed};

const GUN: &str = "restore.test/app";

/// A repository of two publishes, its backup, and two publishes after that: the fourth version of targets and timestamp.
struct Lost {
    stack: Stack,
    story: Story,
    folder: TempDir,
    backup: PathBuf,
}

impl Lost {
    async fn new() -> Self {
        let stack = Stack::start(Kind::Durable).await.unwrap();
        let mut story = Story::published(stack.port(), GUN).await.unwrap();
        assert_eq!(story.send_tag("second").await.unwrap().status, 200);
        let folder = TempDir::new().unwrap();
        let backup = folder.path().join("backup.db");
        let (said, status) = admin(&stack, &["backup", text(&backup)]).await;
        assert_eq!(status, 0, "{said:?}");
        for name in ["third", "fourth"] {
            assert_eq!(story.send_tag(name).await.unwrap().status, 200);
        }
        Self { stack, story, folder, backup }
    }

    /// Writes a document into a client's trust directory.
    fn see(&self, role: &str, bytes: &[u8]) -> PathBuf {
        let directory = self.folder.path().join("trust");
        let metadata = directory.join("tuf").join(GUN).join("metadata");
        std::fs::create_dir_all(&metadata).unwrap();
        std::fs::write(metadata.join(format!("{role}.json")), bytes).unwrap();
        directory
    }

    /// What the server serves now, in a client's trust directory.
    async fn see_all(&self) -> PathBuf {
        for role in ["root", "targets", "snapshot"] {
            self.see(role, &self.story.read(&format!("{role}.json")).await.unwrap().body);
        }
        self.see("timestamp", &self.story.read("timestamp.json").await.unwrap().body)
    }

    /// Ends the server and leaves it an empty database.
    async fn lose(&mut self) {
        self.stack.server.kill().await.unwrap();
        for name in ["server.db", "server.db-wal", "server.db-shm"] {
            let _not_there = std::fs::remove_file(self.stack.folder().join(name));
        }
    }

    async fn restore(&self, arguments: &[&str]) -> (String, i32) {
        admin(&self.stack, &[&["restore", text(&self.backup)], arguments].concat()).await
    }

    /// The version that is served of a role.
    async fn version(&self, role: &str) -> Value {
        self.story.read(&format!("{role}.json")).await.unwrap().json()["signed"]["version"].clone()
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// What an `admin` command printed to either output, and its status.
async fn admin(stack: &Stack, arguments: &[&str]) -> (String, i32) {
    let output = stack.command(&[&["admin"], arguments].concat()).await.unwrap();
    let said = [output.stdout, output.stderr].concat();
    (String::from_utf8(said).unwrap(), output.status.code().unwrap())
}

#[tokio::test]
async fn what_a_client_holds_is_taken_back_and_versions_are_above_what_it_saw() {
    let mut lost = Lost::new().await;
    let targets = lost.story.read("targets.json").await.unwrap().body;
    let directory = lost.see_all().await;
    lost.lose().await;
    // of the two publishes that are taken back as one, snapshot and timestamp would be the third
    let (said, status) = lost.restore(&["--advance", "1", "--seen", text(&directory)]).await;
    assert_eq!(status, 0, "{said}");
    assert!(said.contains(&format!("{GUN}: targets 4 taken back from ")), "{said}");
    assert!(said.contains(&format!("{GUN}: snapshot 5, timestamp 5\n")), "{said}");
    lost.stack.restart_server().await.unwrap();
    assert_eq!(lost.story.read("targets.json").await.unwrap().body, targets, "byte for byte");
    assert_eq!(lost.version("timestamp").await, json!(5));
    assert_eq!(admin(&lost.stack, &["verify"]).await.1, 0);
    assert_eq!(lost.story.send_tag("fifth").await.unwrap().status, 200);
    assert_eq!((lost.version("timestamp").await, lost.version("snapshot").await), (json!(6), json!(6)));
}

#[tokio::test]
async fn without_what_clients_hold_versions_are_moved_on_and_targets_stay() {
    let mut lost = Lost::new().await;
    lost.lose().await;
    let (said, status) = lost.restore(&["--advance", "50"]).await;
    assert_eq!((status, said.contains("snapshot 52, timestamp 52")), (0, true), "{said}");
    let (said, status) = admin(&lost.stack, &["advance", "--output", "json", "--by", "1", "--gun", GUN]).await;
    let line: Value = serde_json::from_str(said.lines().next().unwrap()).unwrap();
    assert_eq!((line, status), (json!({"gun": GUN, "snapshot": 53, "timestamp": 53}), 0));
    lost.stack.restart_server().await.unwrap();
    assert_eq!(lost.version("targets").await, json!(2));
}

#[tokio::test]
async fn what_no_key_of_the_repository_signed_is_not_taken_back() {
    let mut lost = Lost::new().await;
    lost.see_all().await;
    // a hostile client: targets of its own, and a timestamp with the last version there is
    let stranger = secret_key();
    lost.see("targets", &signed(&lost.story.publisher.targets, &[&stranger]));
    let timestamp = lost.story.publisher.timestamp(Version::MAX, b"snapshot");
    let directory = lost.see("timestamp", &signed(&timestamp, &[&stranger]));
    lost.see("snapshot", b"{}");
    lost.lose().await;
    let (said, status) = lost.restore(&["--advance", "10", "--seen", text(&directory)]).await;
    assert_eq!(status, 2, "{said}");
    let refused: Vec<&str> = said.lines().filter(|line| line.contains("not taken back")).collect();
    assert_eq!(refused.len(), 3, "{said}");
    assert!(said.contains(&format!("{GUN}: snapshot 12, timestamp 12\n")), "{said}");
    lost.stack.restart_server().await.unwrap();
    assert_eq!(lost.version("targets").await, json!(2));
}

#[tokio::test]
async fn a_repository_that_the_backup_does_not_know_is_taken_back_whole() {
    let mut lost = Lost::new().await;
    let mut new = Story::published(lost.stack.port(), "restore.test/new").await.unwrap();
    let metadata = lost.folder.path().join("trust/tuf/restore.test/new/metadata");
    std::fs::create_dir_all(&metadata).unwrap();
    for file in ["root.json", "targets.json", "snapshot.json", "timestamp.json"] {
        std::fs::write(metadata.join(file), new.read(file).await.unwrap().body).unwrap();
    }
    lost.lose().await;
    let directory = lost.folder.path().join("trust");
    let (said, status) = lost.restore(&["--advance", "1", "--seen", text(&directory)]).await;
    assert_eq!(status, 0, "{said}");
    assert!(said.contains("restore.test/new: root 1, targets 1 taken back from "), "{said}");
    lost.stack.restart_server().await.unwrap();
    assert_eq!(new.send_tag("second").await.unwrap().status, 200);
}

#[tokio::test]
async fn what_is_no_backup_is_refused_and_nothing_is_restored() {
    let mut lost = Lost::new().await;
    lost.lose().await;
    let torn = lost.folder.path().join("torn.db");
    let bytes = std::fs::read(&lost.backup).unwrap();
    std::fs::write(&torn, &bytes[..bytes.len() / 2]).unwrap();
    let note = lost.folder.path().join("note.txt");
    std::fs::write(&note, "a note that is no database, and long enough to be none").unwrap();
    for (file, why) in [
        (lost.stack.folder().join("signer.db"), "is no backup of a server"),
        (note, "file is not a database"),
        (torn, "malformed"),
        (lost.folder.path().join("missing.db"), "No such file"),
    ] {
        let (said, status) = admin(&lost.stack, &["restore", text(&file), "--advance"]).await;
        assert_eq!((status, said.contains(why)), (1, true), "{}: {said}", file.display());
    }
    assert_eq!(lost.restore(&[]).await.1, 0, "nothing was in the way");
    let (said, status) = lost.restore(&[]).await;
    assert_eq!((status, said.contains("the target is not empty")), (1, true), "{said}");
}

#[tokio::test]
async fn a_backup_takes_the_place_of_nothing_and_leaves_nothing_else() {
    let lost = Lost::new().await;
    let before = std::fs::read(&lost.backup).unwrap();
    let (said, status) = admin(&lost.stack, &["backup", text(&lost.backup)]).await;
    assert_eq!((status, said.contains("exists")), (1, true), "{said}");
    assert_eq!(std::fs::read(&lost.backup).unwrap(), before);
    let nowhere = lost.folder.path().join("missing/backup.db");
    assert_eq!(admin(&lost.stack, &["backup", text(&nowhere)]).await.1, 1);
    let names: Vec<_> =
        std::fs::read_dir(lost.folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["backup.db"]);
}

#[tokio::test]
async fn what_is_missing_for_going_on_is_told_before_anything_is_restored() {
    let mut lost = Lost::new().await;
    lost.stack.signer.as_mut().unwrap().kill().await.unwrap();
    lost.lose().await;
    for (arguments, why) in [
        (&["--advance", "--seen", "/nowhere"][..], "/nowhere has no directory `tuf`"),
        (&["--advance"], "signer"),
        (&["--advance", "0"], "0 is not in 1..=2000000"),
        (&["--seen", "/nowhere"], "--advance"),
    ] {
        let (said, status) = lost.restore(arguments).await;
        assert_eq!((status, said.contains(why)), (1, true), "{arguments:?}: {said}");
        assert!(!lost.stack.folder().join("server.db").exists(), "{arguments:?}: {said}");
    }
    lost.stack.restart_signer().await.unwrap();
    let (said, status) = lost.restore(&["--advance"]).await;
    assert_eq!((status, said.contains("snapshot 100002, timestamp 100002")), (0, true), "{said}");
}

#[tokio::test]
async fn a_repository_that_cannot_be_read_keeps_the_others_from_nothing() {
    let mut lost = Lost::new().await;
    let directory = lost.see_all().await;
    let metadata = directory.join("tuf/restore.test/long/metadata");
    std::fs::create_dir_all(&metadata).unwrap();
    std::fs::File::create(metadata.join("root.json")).unwrap().set_len((64 << 20) + 1).unwrap();
    lost.lose().await;
    let (said, status) = lost.restore(&["--advance", "1", "--seen", text(&directory)]).await;
    assert_eq!(status, 2, "{said}");
    assert!(
        said.contains("restore.test/long: not taken back from ") && said.contains("more than 67108864 bytes"),
        "{said}"
    );
    assert!(said.contains(&format!("{GUN}: snapshot 5, timestamp 5\n")), "{said}");
}

#[tokio::test]
async fn how_far_versions_are_moved_on_has_a_limit() {
    let lost = Lost::new().await;
    for (by, wanted) in [("0", 1), ("1", 0), ("2000000", 0), ("2000001", 1)] {
        let (said, status) = admin(&lost.stack, &["advance", "--by", by]).await;
        assert_eq!(status, wanted, "{by}: {said}");
    }
    let (said, status) = admin(&lost.stack, &["advance", "--gun", "restore.test/other"]).await;
    assert_eq!((status, said.contains("nothing is stored of restore.test/other")), (1, true), "{said}");
    let (said, status) = admin(&lost.stack, &["advance", "--seen", text(lost.folder.path())]).await;
    assert_eq!((status, said.contains("has no directory `tuf`")), (1, true), "{said}");
}
