//! `bulla-server admin verify` on real databases, each broken in one way: what it says, and what `--repair` mends.

#![expect(clippy::unwrap_used, reason = "a test fails where it stands")]

use std::path::Path;

use e2e::http;
use e2e::stack::Stack;
use serde_json::Value;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions as _, Row as _, SqlSafeStr as _};
use tuf_schema::Sha256;

/// The repositories of the recorded database.
const ROTATED: &str = "upgrade.test/notary/rotated";
const CLIENT_SNAPSHOT: &str = "upgrade.test/notary/client-snapshot";

/// A server and signer on a copy of the recorded databases.
async fn recorded() -> Stack {
    let release = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/upgrade/v0.1.0");
    Stack::start_on(&release.join("server.db"), &release.join("signer.db"), "a-long-signer-passphrase").await.unwrap()
}

/// Changes the server's database behind its back.
async fn change(stack: &Stack, statement: &str) {
    let options = SqliteConnectOptions::new().filename(stack.folder().join("server.db"));
    let mut connection: SqliteConnection = options.connect().await.unwrap();
    let changed = sqlx::raw_sql(sqlx::AssertSqlSafe(statement.to_owned()).into_sql_str());
    let done = changed.execute(&mut connection).await.unwrap();
    assert!(done.rows_affected() > 0, "{statement}");
}

/// What the command printed, without the summary, and its status.
async fn verify(stack: &Stack, more: &[&str]) -> (Vec<Value>, i32) {
    let arguments: Vec<&str> = ["admin", "verify", "--output", "json"].iter().chain(more).copied().collect();
    let output = stack.command(&arguments).await.unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    (lines.filter(|line| line["weight"] != "summary").collect(), output.status.code().unwrap())
}

/// The last line that the command printed.
async fn summary(stack: &Stack, more: &[&str]) -> String {
    let arguments: Vec<&str> = ["admin", "verify"].iter().chain(more).copied().collect();
    let output = stack.command(&arguments).await.unwrap();
    String::from_utf8(output.stdout).unwrap().lines().last().unwrap().to_owned()
}

/// The findings and notes as weight, code, GUN, role and version.
fn told(lines: &[Value]) -> Vec<(String, String, String, String, Value)> {
    let text = |line: &Value, name: &str| line[name].as_str().unwrap_or_default().to_owned();
    let told = |line: &Value| {
        let words = (text(line, "weight"), text(line, "code"), text(line, "gun"), text(line, "role"));
        (words.0, words.1, words.2, words.3, line["version"].clone())
    };
    lines.iter().map(told).collect()
}

fn finding(code: &str, gun: &str, role: &str, version: impl Into<Value>) -> (String, String, String, String, Value) {
    ("finding".to_owned(), code.to_owned(), gun.to_owned(), role.to_owned(), version.into())
}

/// Client-held snapshots are told as a note wherever they are.
fn without_notes(lines: Vec<Value>) -> Vec<Value> {
    lines.into_iter().filter(|line| line["weight"] == "finding").collect()
}

/// Breaks the database by `statement` and looks: exactly `expected` is found.
async fn finds(statement: &str, expected: &[(String, String, String, String, Value)]) -> (Stack, Vec<Value>) {
    let stack = recorded().await;
    change(&stack, statement).await;
    let (lines, status) = verify(&stack, &[]).await;
    let findings = without_notes(lines);
    assert_eq!(told(&findings), expected);
    assert_eq!(status, 2);
    (stack, findings)
}

#[tokio::test]
async fn a_whole_database_is_found_whole_and_a_publishers_snapshot_key_is_a_note() {
    let stack = recorded().await;
    let (lines, status) = verify(&stack, &[]).await;
    let note = ("note".to_owned(), "snapshot_key_not_held".to_owned(), CLIENT_SNAPSHOT.to_owned());
    let told: Vec<_> = told(&lines).into_iter().map(|told| (told.0, told.1, told.2)).collect();
    assert_eq!((told, status), (vec![note], 0));
}

#[tokio::test]
async fn a_changed_byte_is_found_by_the_digest_of_its_row() {
    let statement = format!(
        "UPDATE tuf_files SET data = CAST(replace(CAST(data AS TEXT), '\"version\":2', '\"version\":2 ') AS BLOB) \
         WHERE gun = '{ROTATED}' AND role = 'timestamp' AND version = 2"
    );
    let (_, findings) = finds(&statement, &[finding("digest_column", ROTATED, "timestamp", 2)]).await;
    assert!(findings[0]["found"].as_str().unwrap().contains("f499c4b8f986d424"), "{findings:?}");
}

#[tokio::test]
async fn a_version_that_is_not_the_documents_is_found() {
    let statement =
        format!("UPDATE tuf_files SET version = 90 WHERE gun = '{ROTATED}' AND role = 'targets' AND version = 2");
    let expected = [
        finding("version_column", ROTATED, "targets", 90),
        // what the server would take for the newest
        finding("not_listed", ROTATED, "targets", 90),
    ];
    finds(&statement, &expected).await;
}

#[tokio::test]
async fn bytes_that_are_no_document_are_found_where_they_stand() {
    let digest = "3608bca1e44ea6c4d268eb6db02260269892c0b42b86bbf1e77a6fa16c3c9282"; // of "xyz"
    let statement = format!(
        "UPDATE tuf_files SET data = CAST('xyz' AS BLOB), sha256 = '{digest}' \
         WHERE gun = '{ROTATED}' AND role = 'targets' AND version = 3"
    );
    finds(&statement, &[finding("no_document", ROTATED, "targets", 3)]).await;
}

#[tokio::test]
async fn a_role_that_is_none_is_found() {
    let statement =
        format!("UPDATE tuf_files SET role = 'Targets' WHERE gun = '{ROTATED}' AND role = 'targets' AND version = 2");
    finds(&statement, &[finding("no_role", ROTATED, "Targets", 2)]).await;
}

#[tokio::test]
async fn a_root_that_is_missing_breaks_the_chain() {
    let statement = format!("DELETE FROM tuf_files WHERE gun = '{ROTATED}' AND role = 'root' AND version = 2");
    let (_, findings) = finds(&statement, &[finding("root_gap", ROTATED, "root", 3)]).await;
    assert!(findings[0]["next"].as_str().unwrap().contains("backup"), "{findings:?}");
}

#[tokio::test]
async fn the_root_of_another_repository_is_found() {
    let statement = format!(
        "UPDATE tuf_files SET (data, sha256) = (SELECT data, sha256 FROM tuf_files WHERE gun = '{CLIENT_SNAPSHOT}' AND role = 'root') \
         WHERE gun = '{ROTATED}' AND role = 'root' AND version = 1"
    );
    let stack = recorded().await;
    change(&stack, &statement).await;
    let (lines, status) = verify(&stack, &["--gun", ROTATED]).await;
    let expected = [finding("first_root", ROTATED, "root", 1)];
    assert_eq!((told(&without_notes(lines)), status), (expected.to_vec(), 2));
}

#[tokio::test]
async fn a_key_that_the_signer_lost_is_found() {
    let release = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/upgrade/v0.1.0");
    let nowhere = release.join("no-such-file");
    let stack = Stack::start_on(&release.join("server.db"), &nowhere, "another-passphrase").await.unwrap();
    let (lines, status) = verify(&stack, &["--gun", ROTATED]).await;
    let findings = without_notes(lines);
    assert_eq!(told(&findings), [finding("key_not_held", ROTATED, "timestamp", Value::Null)]);
    assert!(findings[0]["next"].as_str().unwrap().contains("key rotate"), "{findings:?}");
    assert_eq!(status, 2);
}

#[tokio::test]
async fn a_signer_that_is_down_is_said_and_what_is_stored_is_verified_all_the_same() {
    let mut stack = recorded().await;
    stack.signer.as_mut().unwrap().kill().await.unwrap();
    let (lines, status) = verify(&stack, &[]).await;
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert_eq!(lines[0]["weight"], "signer");
    assert!(lines[0]["text"].as_str().unwrap().contains("cannot be reached"), "{lines:?}");
    assert_eq!(status, 0);
    let summary = summary(&stack, &["--output", "json"]).await;
    assert_eq!(serde_json::from_str::<Value>(&summary).unwrap()["keys_looked_at"], false);
    let summary = self::summary(&stack, &[]).await;
    assert!(summary.ends_with("; keys not looked at: the signer cannot be reached"), "{summary}");
}

#[tokio::test]
async fn a_summary_says_that_the_keys_were_looked_at_and_leaves_it_out_of_the_text() {
    let stack = recorded().await;
    let summary = summary(&stack, &["--output", "json"]).await;
    assert_eq!(serde_json::from_str::<Value>(&summary).unwrap()["keys_looked_at"], true);
    assert!(self::summary(&stack, &[]).await.ends_with(" 0 repaired"));
}

#[tokio::test]
async fn a_name_that_no_repository_can_have_is_a_finding_and_the_others_are_looked_at() {
    let expected = [finding("no_name", "a//b", "", Value::Null)];
    let statement = format!(
        "INSERT INTO tuf_files (created_at, updated_at, gun, role, version, sha256, data) \
         SELECT created_at, updated_at, 'a//b', role, version, sha256, data FROM tuf_files WHERE gun = '{ROTATED}'"
    );
    let (stack, _) = finds(&statement, &expected).await;
    let summary = summary(&stack, &["--output", "json"]).await;
    assert_eq!(serde_json::from_str::<Value>(&summary).unwrap()["repositories"], 3);
}

#[tokio::test]
async fn a_database_that_is_not_there_is_no_clean_bill() {
    let mut stack = recorded().await;
    stack.server.kill().await.unwrap();
    std::fs::remove_file(stack.folder().join("server.db")).unwrap();
    let output = stack.command(&["admin", "verify"]).await.unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("there is no database"));
    assert!(!stack.folder().join("server.db").exists(), "verify makes no database");
}

#[tokio::test]
async fn a_repository_that_is_not_there_is_no_clean_bill() {
    let stack = recorded().await;
    let output = stack.command(&["admin", "verify", "--gun", "example.com/unknown"]).await.unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("nothing is stored of example.com/unknown"));
}

/// Changes the newest file of a role, and its digest in the row with it.
async fn rewrite(stack: &Stack, gun: &str, role: &str, changed: impl FnOnce(Vec<u8>) -> Vec<u8>) {
    let options = SqliteConnectOptions::new().filename(stack.folder().join("server.db"));
    let mut connection: SqliteConnection = options.connect().await.unwrap();
    let newest = "SELECT id, data FROM tuf_files WHERE gun = $1 AND role = $2 ORDER BY version DESC LIMIT 1";
    let row = sqlx::query(newest).bind(gun).bind(role).fetch_one(&mut connection).await.unwrap();
    let data = changed(row.get("data"));
    let update = sqlx::query("UPDATE tuf_files SET data = $2, sha256 = $3 WHERE id = $1").bind(row.get::<i64, _>("id"));
    let done = update.bind(&data).bind(Sha256::of(&data).to_hex()).execute(&mut connection).await.unwrap();
    assert_eq!(done.rows_affected(), 1);
}

/// White space that the reference does not write goes into the newest targets: what the snapshot lists is not there, as
/// where the reference listed its own encoding of an upload.
async fn write_targets_differently(stack: &Stack, gun: &str) {
    rewrite(stack, gun, "targets", |mut data| {
        data.insert(1, b' ');
        data
    })
    .await;
}

/// Another version in a signed document: the signatures are over the one before.
fn with_another_date(data: Vec<u8>) -> Vec<u8> {
    let text = String::from_utf8(data).unwrap();
    let (before, after) = text.split_once("\"expires\":\"20").unwrap();
    format!("{before}\"expires\":\"21{after}").into_bytes()
}

async fn count(stack: &Stack, what: &str) -> i64 {
    let options = SqliteConnectOptions::new().filename(stack.folder().join("server.db"));
    let mut connection: SqliteConnection = options.connect().await.unwrap();
    let query = sqlx::query(sqlx::AssertSqlSafe(format!("SELECT {what}")).into_sql_str());
    query.fetch_one(&mut connection).await.unwrap().get(0)
}

#[tokio::test]
async fn an_entry_that_points_to_nothing_is_repaired_where_the_snapshot_key_is_held() {
    let stack = recorded().await;
    write_targets_differently(&stack, ROTATED).await;
    let path = format!("/v2/{ROTATED}/_trust/tuf/targets.json");
    assert_eq!(http::get(stack.port(), &path).await.unwrap().status, 404);
    let (lines, status) = verify(&stack, &["--gun", ROTATED]).await;
    assert_eq!(
        (told(&without_notes(lines.clone())), status),
        (vec![finding("points_to_nothing", ROTATED, "targets", Value::Null)], 2)
    );
    assert!(lines[0]["next"].as_str().unwrap().contains("--repair"), "{lines:?}");
    let files = count(&stack, "count(*) FROM tuf_files").await;

    let (lines, status) = verify(&stack, &["--repair"]).await;
    assert_eq!((without_notes(lines.clone()), status), (Vec::new(), 0));
    let repaired: Vec<_> = lines.iter().filter(|line| line["weight"] == "repaired").collect();
    assert_eq!(repaired.len(), 1, "{lines:?}");
    assert!(repaired[0]["text"].as_str().unwrap().starts_with(ROTATED), "{repaired:?}");
    assert!(lines.iter().any(|line| line["code"] == "other_encoding" && line["role"] == "targets"), "{lines:?}");
    assert_eq!(http::get(stack.port(), &path).await.unwrap().status, 200);
    assert_eq!(count(&stack, "count(*) FROM tuf_files").await, files + 2, "nothing is deleted");

    let (lines, status) = verify(&stack, &["--repair"]).await;
    assert!(!lines.iter().any(|line| line["weight"] == "repaired"), "nothing is left to repair: {lines:?}");
    assert_eq!(status, 0);
}

#[tokio::test]
async fn a_lost_row_is_first_put_back_from_a_backup_and_a_repair_says_what_it_lists_instead() {
    let statement = format!("DELETE FROM tuf_files WHERE gun = '{ROTATED}' AND role = 'targets' AND version = 5");
    let (stack, findings) = finds(&statement, &[finding("points_to_nothing", ROTATED, "targets", Value::Null)]).await;
    assert_eq!(
        findings[0]["next"],
        "if a newer row was lost, put it back from a backup first; `admin verify --repair` signs version 4 as the \
         newest, and what was published after it is gone"
    );
    let (lines, _) = verify(&stack, &["--repair"]).await;
    let repaired: Vec<_> = lines.iter().filter(|line| line["weight"] == "repaired").collect();
    assert_eq!(repaired.len(), 1, "{lines:?}");
    assert_eq!(repaired[0]["text"], format!("{ROTATED}: snapshot 9 lists targets version 4"));
}

#[tokio::test]
async fn where_the_publisher_holds_the_snapshot_key_repair_changes_nothing_and_says_who_can() {
    let stack = recorded().await;
    write_targets_differently(&stack, CLIENT_SNAPSHOT).await;
    let files = count(&stack, "count(*) FROM tuf_files").await;
    let (lines, status) = verify(&stack, &["--repair"]).await;
    let findings = without_notes(lines);
    assert_eq!(
        (told(&findings), status),
        (vec![finding("points_to_nothing", CLIENT_SNAPSHOT, "targets", Value::Null)], 2)
    );
    assert!(findings[0]["next"].as_str().unwrap().contains("the publisher publishes"), "{findings:?}");
    assert_eq!(count(&stack, "count(*) FROM tuf_files").await, files);
}

#[tokio::test]
async fn a_timestamp_that_is_lost_is_repaired_also_where_the_publisher_holds_the_snapshot_key() {
    let stack = recorded().await;
    let latest = "SELECT max(version) FROM tuf_files WHERE role = 'timestamp'";
    let statement = format!(
        "DELETE FROM tuf_files WHERE gun = '{CLIENT_SNAPSHOT}' AND role = 'timestamp' \
         AND version = ({latest} AND gun = '{CLIENT_SNAPSHOT}')"
    );
    change(&stack, &statement).await;
    let (lines, status) = verify(&stack, &[]).await;
    assert_eq!((told(&without_notes(lines)), status), (vec![finding("not_listed", CLIENT_SNAPSHOT, "snapshot", 3)], 2));
    let (lines, status) = verify(&stack, &["--repair"]).await;
    assert_eq!((without_notes(lines), status), (Vec::new(), 0));
}

#[tokio::test]
async fn a_timestamp_that_its_key_did_not_sign_is_found() {
    let stack = recorded().await;
    rewrite(&stack, ROTATED, "timestamp", with_another_date).await;
    let (lines, status) = verify(&stack, &["--repair"]).await;
    let findings = without_notes(lines.clone());
    assert_eq!((told(&findings), status), (vec![finding("not_signed", ROTATED, "timestamp", 7)], 2));
    // The entries are sound, so nothing is signed anew, and that is said.
    let said = lines.iter().find(|line| line["weight"] == "not repaired").unwrap();
    assert!(said["text"].as_str().unwrap().contains("a publish"), "{said}");
}

#[tokio::test]
async fn a_delegation_that_is_changed_is_not_what_the_snapshot_lists() {
    let stack = recorded().await;
    rewrite(&stack, ROTATED, "targets/releases", with_another_date).await;
    let (lines, status) = verify(&stack, &[]).await;
    let expected = vec![finding("points_to_nothing", ROTATED, "targets/releases", Value::Null)];
    assert_eq!((told(&without_notes(lines)), status), (expected, 2));
    let (lines, _) = verify(&stack, &["--repair"]).await;
    let passed_over = lines.iter().find(|line| line["code"] == "passed_over").unwrap();
    assert_eq!((&passed_over["weight"], &passed_over["role"]), (&"note".into(), &"targets/releases".into()));
}
