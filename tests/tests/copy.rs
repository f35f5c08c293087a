//! `bulla-server admin copy`: every row of one database in another, as of one moment, or none.

#![expect(clippy::unwrap_used, reason = "a test fails where it stands")]

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use bulla_database::Row;
use e2e::process::binary;
use e2e::scratch::{Engine, Scratch};
use serde_json::json;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

/// The tables and columns that are copied; the times are told apart, as not every engine holds their fractions.
const TABLES: [&str; 5] = [
    "SELECT id, gun, role, version, sha256, data FROM tuf_files ORDER BY id",
    "SELECT id, gun, version, sha256, category FROM changefeed ORDER BY id",
    "SELECT gun, used_at, snapshot_floor, timestamp_floor FROM bulla_repositories ORDER BY gun",
    "SELECT gun, version FROM bulla_renewals ORDER BY gun, version",
    "SELECT name, place FROM bulla_webhooks ORDER BY name",
];

const TIMES: &str = "SELECT created_at, updated_at, deleted_at FROM tuf_files ORDER BY id";

/// A source with what the first release stored and rows in every table.
async fn source(folder: &Path) -> Scratch {
    let recorded = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/upgrade/v0.1.0/server.db");
    let path = folder.join("source.db");
    std::fs::copy(recorded, &path).unwrap();
    let source = Scratch::at(path);
    // Brings its tables up to date.
    let verified = admin(folder, &source, &["verify"]).await;
    assert_eq!(verified.status.code(), Some(0), "{}", said(&verified));
    for row in ["'example.com/b', 5, 0, 7", "'example.com/B', 1700000000000000, 3, 0"] {
        let insert = "INSERT INTO bulla_repositories (gun, used_at, snapshot_floor, timestamp_floor) VALUES";
        source.execute(&format!("{insert} ({row})")).await.unwrap();
    }
    for version in [3, 4] {
        let insert = "INSERT INTO bulla_renewals (gun, version) VALUES";
        source.execute(&format!("{insert} ('upgrade.test/notary/rotated', {version})")).await.unwrap();
    }
    source
        .execute("INSERT INTO bulla_webhooks VALUES ('builds', 3, 'a process that runs', 9), ('pager', 4, '', 0)")
        .await
        .unwrap();
    source
}

/// Multiplies the source's files, so that a copy takes its time.
async fn grow(source: &Scratch) {
    let insert = "INSERT INTO tuf_files (created_at, updated_at, gun, role, version, sha256, data) \
         WITH RECURSIVE many(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM many WHERE n < 320) \
         SELECT created_at, updated_at, gun || '/' || n, role, version, sha256, data FROM tuf_files, many";
    assert!(source.execute(insert).await.unwrap() > 11_000);
}

/// Writes a configuration that names the database.
fn configuration(folder: &Path, database: &Scratch, name: &str) -> PathBuf {
    let path = folder.join(name);
    let configuration = json!({
        "server": {"http_addr": "127.0.0.1:0"}, "trust_service": {"type": "local", "ephemeral": true},
        "storage": database.storage(),
    });
    std::fs::write(&path, configuration.to_string()).unwrap();
    path
}

fn command(folder: &Path, database: &Scratch, arguments: &[&str]) -> Command {
    let mut command = Command::new(binary("bulla-server").unwrap());
    command.arg("-config").arg(configuration(folder, database, "source.json")).arg("admin").args(arguments);
    command.kill_on_drop(true);
    command
}

async fn admin(folder: &Path, database: &Scratch, arguments: &[&str]) -> Output {
    command(folder, database, arguments).output().await.unwrap()
}

async fn copy(folder: &Path, source: &Scratch, target: &Scratch) -> Output {
    let to = configuration(folder, target, "target.json");
    admin(folder, source, &["copy", "--to-config", to.to_str().unwrap()]).await
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Text of any column type, so that rows of two engines compare.
fn texts(rows: &[Row]) -> Vec<Vec<String>> {
    let cell = |row: &Row, place| match (row.number(place), row.trimmed(place)) {
        (Ok(number), _) => number.map_or_else(String::new, |number| number.to_string()),
        (_, Ok(text)) => text.unwrap_or_default().to_owned(),
        _ => format!("{:?}", row.cells().get(place)),
    };
    rows.iter().map(|row| (0..row.cells().len()).map(|place| cell(row, place)).collect()).collect()
}

/// A copy that has begun and sent its first rows.
async fn begun(folder: &Path, source: &Scratch, target: &Scratch) -> Child {
    let to = configuration(folder, target, "target.json");
    let mut command = command(folder, source, &["copy", "--to-config", to.to_str().unwrap()]);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    while !lines.next_line().await.unwrap().unwrap().starts_with("tuf_files: 10000 rows sent") {}
    // The rest must go somewhere, or the copy would wait for its reader.
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    child
}

#[tokio::test]
async fn a_database_that_cannot_be_used_is_told_as_the_source_or_the_target() {
    let folder = TempDir::new().unwrap();
    let (there, not_there) = (source(folder.path()).await, Scratch::at(folder.path().join("none.db")));
    let refused = copy(folder.path(), &not_there, &there).await;
    assert_eq!(refused.status.code(), Some(1));
    assert!(said(&refused).contains("the source of the copy: there is no database at "), "{}", said(&refused));
    let to = folder.path().join("memory.json");
    let memory = json!({
        "server": {"http_addr": "127.0.0.1:0"}, "trust_service": {"type": "local"}, "storage": {"backend": "memory"},
    });
    std::fs::write(&to, memory.to_string()).unwrap();
    let refused = admin(folder.path(), &there, &["copy", "--to-config", to.to_str().unwrap()]).await;
    assert_eq!(refused.status.code(), Some(1));
    assert!(said(&refused).contains("the target of the copy: storage.backend is"), "{}", said(&refused));
}

#[tokio::test]
async fn every_row_arrives_on_every_engine_with_its_id_and_its_bytes_and_comes_back_the_same() {
    for engine in Engine::all().unwrap() {
        let folder = TempDir::new().unwrap();
        let source = source(folder.path()).await;
        let target = Scratch::new(&engine, folder.path()).await.unwrap();
        let back = Scratch::new(&Engine::Sqlite, folder.path()).await.unwrap();
        for (from, to) in [(&source, &target), (&target, &back)] {
            let copied = copy(folder.path(), from, to).await;
            assert!(copied.status.success(), "{engine:?}: {}", said(&copied));
            for table in TABLES {
                let sent = texts(&source.fetch(table).await.unwrap());
                assert!(sent.len() > 1);
                assert_eq!(texts(&to.fetch(table).await.unwrap()), sent, "{engine:?}: {table}");
            }
        }
        let times = async |database: &Scratch| {
            let rows = database.fetch(TIMES).await.unwrap();
            let seconds = |row: &Row| (0..3).map(|place| row.time(place).unwrap().map(|t| t / 1_000_000)).collect();
            rows.iter().map(seconds).collect::<Vec<Vec<_>>>()
        };
        assert_eq!(times(&target).await, times(&source).await, "{engine:?}");
        let verified = admin(folder.path(), &target, &["verify"]).await;
        assert_eq!(verified.status.code(), Some(0), "{engine:?}: {}", said(&verified));
    }
}

#[tokio::test]
async fn ids_go_on_above_the_copied_ones() {
    for engine in Engine::all().unwrap() {
        let folder = TempDir::new().unwrap();
        let source = source(folder.path()).await;
        let target = Scratch::new(&engine, folder.path()).await.unwrap();
        let copied = copy(folder.path(), &source, &target).await;
        assert!(copied.status.success(), "{engine:?}: {}", said(&copied));
        for (table, insert) in [
            (
                "changefeed",
                "INSERT INTO changefeed (created_at, gun, version, sha256) SELECT created_at, gun, 9, sha256",
            ),
            (
                "tuf_files",
                "INSERT INTO tuf_files (created_at, gun, role, version, sha256, data) \
                 SELECT created_at, gun, 'targets/new', 9, sha256, data",
            ),
        ] {
            let last = source.number(&format!("SELECT max(id) FROM {table}")).await.unwrap();
            target.execute(&format!("{insert} FROM {table} WHERE id = {last}")).await.unwrap();
            let next = target.number(&format!("SELECT max(id) FROM {table}")).await.unwrap();
            assert!(next > last, "{engine:?}: {table}: {next} after {last}");
        }
    }
}

#[tokio::test]
async fn a_target_that_holds_anything_is_refused_and_left_as_it_is() {
    for engine in Engine::all().unwrap() {
        let folder = TempDir::new().unwrap();
        let source = source(folder.path()).await;
        let target = Scratch::new(&engine, folder.path()).await.unwrap();
        assert!(copy(folder.path(), &source, &target).await.status.success());
        target.execute("DELETE FROM tuf_files").await.unwrap();
        let again = copy(folder.path(), &source, &target).await;
        assert_eq!(again.status.code(), Some(1), "{engine:?}");
        assert!(
            said(&again).contains("the target is not empty: there are rows in its table changefeed"),
            "{}",
            said(&again)
        );
        assert_eq!(target.number("SELECT count(*) FROM tuf_files").await.unwrap(), 0, "{engine:?}");
    }
}

#[tokio::test]
async fn a_database_is_not_copied_onto_itself() {
    let folder = TempDir::new().unwrap();
    let source = source(folder.path()).await;
    let before = texts(&source.fetch(TABLES[0]).await.unwrap());
    assert_eq!(copy(folder.path(), &source, &source).await.status.code(), Some(1));
    assert_eq!(texts(&source.fetch(TABLES[0]).await.unwrap()), before);
}

#[tokio::test]
async fn a_copy_that_is_killed_leaves_the_target_empty_and_the_next_one_arrives() {
    for engine in Engine::all().unwrap() {
        let folder = TempDir::new().unwrap();
        let source = source(folder.path()).await;
        grow(&source).await;
        let target = Scratch::new(&engine, folder.path()).await.unwrap();
        begun(folder.path(), &source, &target).await.kill().await.unwrap();
        for table in ["tuf_files", "changefeed", "bulla_repositories", "bulla_renewals", "bulla_webhooks"] {
            let rows = target.number(&format!("SELECT count(*) FROM {table}")).await.unwrap();
            assert_eq!(rows, 0, "{engine:?}: {table}");
        }
        let copied = copy(folder.path(), &source, &target).await;
        assert!(copied.status.success(), "{engine:?}: {}", said(&copied));
        let count = "SELECT count(*) FROM tuf_files";
        assert_eq!(target.number(count).await.unwrap(), source.number(count).await.unwrap(), "{engine:?}");
    }
}

#[tokio::test]
async fn what_is_published_during_a_copy_goes_on_and_is_not_in_it() {
    let folder = TempDir::new().unwrap();
    let source = source(folder.path()).await;
    grow(&source).await;
    let target = Scratch::new(&Engine::Sqlite, folder.path()).await.unwrap();
    let count = "SELECT count(*) FROM tuf_files";
    let before = source.number(count).await.unwrap();
    let mut copying = begun(folder.path(), &source, &target).await;
    // As a publish and a deletion do.
    source.execute("DELETE FROM tuf_files WHERE gun LIKE 'upgrade.test/notary/rotated/%'").await.unwrap();
    let insert = "INSERT INTO tuf_files (created_at, gun, role, version, sha256, data) \
         SELECT created_at, gun, 'targets/new', 9, sha256, data FROM tuf_files WHERE id = 1";
    source.execute(insert).await.unwrap();
    assert!(copying.try_wait().unwrap().is_none(), "the copy is over before anything was published");
    assert!(copying.wait().await.unwrap().success());
    assert_eq!(target.number(count).await.unwrap(), before);
    assert_eq!(target.number("SELECT count(*) FROM tuf_files WHERE role = 'targets/new'").await.unwrap(), 0);
}
