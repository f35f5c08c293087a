//! `bulla-server admin list` and `admin show` on a real database, beside the server that works with it.

#![expect(clippy::unwrap_used, reason = "a test fails where it stands")]

use std::path::Path;

use e2e::stack::Stack;
use serde_json::Value;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions as _, Row as _, SqlSafeStr as _};

/// The repositories of the recorded database.
const APP: &str = "localhost:15999/bulla/app";
const CLIENT_SNAPSHOT: &str = "upgrade.test/notary/client-snapshot";
const ROTATED: &str = "upgrade.test/notary/rotated";

/// A server and signer on a copy of the recorded databases.
async fn recorded() -> Stack {
    let release = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/upgrade/v0.1.0");
    Stack::start_on(&release.join("server.db"), &release.join("signer.db"), "a-long-signer-passphrase").await.unwrap()
}

async fn database(stack: &Stack) -> SqliteConnection {
    SqliteConnectOptions::new().filename(stack.folder().join("server.db")).connect().await.unwrap()
}

/// Changes the server's database behind its back.
async fn change(stack: &Stack, statement: &str) {
    let changed = sqlx::raw_sql(sqlx::AssertSqlSafe(statement.to_owned()).into_sql_str());
    let done = changed.execute(&mut database(stack).await).await.unwrap();
    assert!(done.rows_affected() > 0, "{statement}");
}

/// Rows under another name, as those of `ROTATED`.
async fn copy_as(stack: &Stack, name: &str) {
    change(
        stack,
        &format!(
            "INSERT INTO tuf_files (created_at, updated_at, gun, role, version, sha256, data) \
             SELECT created_at, updated_at, {name}, role, version, sha256, data FROM tuf_files WHERE gun = '{ROTATED}'"
        ),
    )
    .await;
}

/// What a command printed, and its status.
async fn text(stack: &Stack, arguments: &[&str]) -> (String, i32) {
    let output = stack.command(&[&["admin"], arguments].concat()).await.unwrap();
    (String::from_utf8(output.stdout).unwrap(), output.status.code().unwrap())
}

/// The same as JSON.
async fn json(stack: &Stack, arguments: &[&str]) -> (Vec<Value>, i32) {
    let (text, status) = text(stack, &[arguments, &["--output", "json"]].concat()).await;
    (text.lines().map(|line| serde_json::from_str(line).unwrap()).collect(), status)
}

/// The names of a page, and where the next one begins.
fn guns(lines: &[Value]) -> (Vec<&str>, &Value) {
    let (last, repositories) = lines.split_last().unwrap();
    (repositories.iter().map(|line| line["gun"].as_str().unwrap()).collect(), &last["next"])
}

#[tokio::test]
async fn repositories_are_listed_page_by_page_while_the_server_runs() {
    let stack = recorded().await;
    let (first, status) = json(&stack, &["list", "--limit", "2"]).await;
    assert_eq!((guns(&first), status), ((vec![APP, CLIENT_SNAPSHOT], &CLIENT_SNAPSHOT.into()), 0));
    let (second, status) = json(&stack, &["list", "--limit", "2", "--after", CLIENT_SNAPSHOT]).await;
    assert_eq!((guns(&second), status), ((vec![ROTATED], &Value::Null), 0));
    let (of_prefix, _) = json(&stack, &["list", "--prefix", "upgrade.test/notary/r"]).await;
    assert_eq!(of_prefix, second);
    let roles = &second[0]["roles"];
    assert_eq!((&roles["root"]["version"], &roles["targets"]["version"]), (&3.into(), &5.into()));
    assert!(roles["root"]["expires"].as_str().unwrap().starts_with("2036-"), "{roles}");
    for role in ["root", "targets", "snapshot", "timestamp"] {
        let keys = roles[role]["keys"].as_array().unwrap();
        let is_id = |key: &Value| key.as_str().is_some_and(|key| key.len() == 64);
        assert_eq!((&roles[role]["threshold"], keys.len(), keys.iter().all(is_id)), (&1.into(), 1, true), "{roles}");
    }
    // A timestamp lives two weeks, all others years.
    assert_eq!(second[0]["first_to_expire"]["role"], "timestamp");
    assert_eq!(second[0]["first_to_expire"]["days"], roles["timestamp"]["days"]);
    assert_eq!(second[0]["trouble"], Value::Null);
}

#[tokio::test]
async fn a_page_of_text_has_a_line_for_each_repository_and_ends_with_where_the_next_begins() {
    let stack = recorded().await;
    let (page, status) = text(&stack, &["list", "--limit", "2"]).await;
    let lines: Vec<Vec<&str>> = page.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[0][..5], ["GUN", "root", "targets", "snapshot", "timestamp"]);
    assert_eq!(
        (lines[1][..3].to_vec(), lines[2][..3].to_vec()),
        (vec![APP, "1", "3"], vec![CLIENT_SNAPSHOT, "1", "3"])
    );
    assert_eq!(lines[3..], [vec!["next:".to_owned(), format!("--after={CLIENT_SNAPSHOT}")]]);
    assert_eq!(status, 0);
    let after = format!("--after={CLIENT_SNAPSHOT}");
    let (page, _) = text(&stack, &["list", &after]).await;
    assert_eq!(page.lines().map(|line| line.split_whitespace().next().unwrap()).collect::<Vec<_>>(), ["GUN", ROTATED]);
    assert_eq!(text(&stack, &["list", "--prefix", "none/"]).await, (String::new(), 0));
}

#[tokio::test]
async fn a_page_of_no_repository_and_one_of_more_than_a_thousand_are_refused() {
    let stack = recorded().await;
    for (limit, status) in [("0", 1), ("1", 0), ("1000", 0), ("1001", 1)] {
        assert_eq!(text(&stack, &["list", "--limit", limit]).await.1, status, "{limit}");
    }
}

#[tokio::test]
async fn each_role_is_shown_with_its_keys_and_its_versions_without_a_signer() {
    let mut stack = recorded().await;
    stack.signer.as_mut().unwrap().kill().await.unwrap();
    let (roles, status) = json(&stack, &["show", ROTATED]).await;
    let names: Vec<&str> = roles.iter().map(|role| role["role"].as_str().unwrap()).collect();
    assert_eq!((names, status), (vec!["root", "targets", "snapshot", "timestamp", "targets/releases"], 0));
    let mut database = database(&stack).await;
    for role in &roles {
        let name = role["role"].as_str().unwrap();
        let newest = "SELECT count(*) OVER () AS stored, version, sha256 FROM tuf_files WHERE gun = $1 AND role = $2 \
                      ORDER BY version DESC LIMIT 1";
        let row = sqlx::query(newest).bind(ROTATED).bind(name).fetch_one(&mut database).await.unwrap();
        assert_eq!(role["version"], row.get::<i64, _>("version"), "{name}");
        assert_eq!(role["stored"], row.get::<i64, _>("stored"), "{name}");
        assert_eq!(role["sha256"], row.get::<String, _>("sha256"), "{name}");
        assert_eq!((&role["threshold"], role["keys"].as_array().unwrap().len()), (&1.into(), 1), "{name}");
        assert!(role["days"].is_i64() && role["expires"].is_string(), "{role}");
        assert_eq!(role["troubles"], Value::Array(Vec::new()), "{name}");
    }
    let (told, _) = text(&stack, &["show", ROTATED]).await;
    assert!(told.contains("\ntargets/releases\n  version    1 (1 stored)\n  expires    "), "{told}");
    let key = format!("  threshold  1 of 1\n  key        {}\n", roles[4]["keys"][0].as_str().unwrap());
    assert!(told.contains(&key), "{told}");
}

#[tokio::test]
async fn a_file_that_cannot_be_read_is_named_with_why_and_hides_nothing_else() {
    let stack = recorded().await;
    let broken =
        "UPDATE tuf_files SET data = CAST('xyz' AS BLOB) WHERE gun = '{}' AND role = 'targets' AND version = 5";
    change(&stack, &broken.replace("{}", ROTATED)).await;
    let (page, status) = json(&stack, &["list"]).await;
    assert_eq!((guns(&page), status), ((vec![APP, CLIENT_SNAPSHOT, ROTATED], &Value::Null), 2));
    assert_eq!(page[2]["roles"]["targets"]["expires"], Value::Null);
    assert_eq!(page[2]["trouble"], "cannot read the version or the date of targets");
    let (roles, status) = json(&stack, &["show", ROTATED]).await;
    let told = |role: &Value| {
        let troubles = role["troubles"].as_array().unwrap();
        let codes: Vec<_> = troubles.iter().map(|trouble| trouble["code"].as_str().unwrap().to_owned()).collect();
        (role["role"].as_str().unwrap().to_owned(), codes, role["threshold"].clone())
    };
    let role = |name: &str, codes: &[&str], threshold: Value| {
        (name.to_owned(), codes.iter().map(|code| (*code).to_owned()).collect::<Vec<_>>(), threshold)
    };
    let expected = [
        role("root", &[], 1.into()),
        role("targets", &["digest_column", "no_document"], 1.into()),
        role("snapshot", &[], 1.into()),
        role("timestamp", &[], 1.into()),
        // Targets would say who signs it.
        role("targets/releases", &[], Value::Null),
    ];
    assert_eq!((roles.iter().map(told).collect::<Vec<_>>(), status), (expected.to_vec(), 2));
}

#[tokio::test]
async fn a_role_that_is_none_and_one_that_is_missing_are_shown_as_such() {
    let stack = recorded().await;
    let strange = "UPDATE tuf_files SET role = 'x' || char(27) || '[2J' WHERE gun = '{}' AND role = 'snapshot'";
    change(&stack, &strange.replace("{}", ROTATED)).await;
    let (told, status) = text(&stack, &["show", ROTATED]).await;
    assert_eq!(status, 2);
    assert!(!told.contains('\u{1b}'), "{told:?}");
    assert!(told.contains("\nsnapshot\n  version    - (0 stored)\n"), "{told}");
    assert!(told.contains("  trouble    expected a stored file; found none\n"), "{told}");
    assert!(told.contains("\nx\u{fffd}[2J\n"), "{told}");
    assert!(told.contains("  trouble    expected the name of a role; found another text\n"), "{told}");
}

#[tokio::test]
async fn a_name_that_no_repository_can_have_is_listed_and_steers_no_terminal() {
    let stack = recorded().await;
    copy_as(&stack, "'a' || char(10) || char(27) || '[2J'").await;
    let (page, status) = text(&stack, &["list", "--limit", "1"]).await;
    assert_eq!(status, 2);
    assert!(!page.contains('\u{1b}'), "{page:?}");
    let last = page.lines().last().unwrap();
    assert!(last.starts_with("next: ") && last.contains("--output json"), "{page}");
    let (page, _) = json(&stack, &["list", "--limit", "1"]).await;
    assert_eq!(guns(&page), (vec!["a\u{fffd}\u{fffd}[2J"], &"a\n\u{1b}[2J".into()));
    let (rest, status) = json(&stack, &["list", "--after", "a\n\u{1b}[2J"]).await;
    assert_eq!((guns(&rest).0, status), (vec![APP, CLIENT_SNAPSHOT, ROTATED], 0));
}

#[tokio::test]
async fn what_is_not_there_is_an_error_and_makes_no_database() {
    let mut stack = recorded().await;
    let output = stack.command(&["admin", "show", "example.com/unknown"]).await.unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("nothing is stored of example.com/unknown"));
    stack.server.kill().await.unwrap();
    std::fs::remove_file(stack.folder().join("server.db")).unwrap();
    for arguments in [&["admin", "list"][..], &["admin", "show", ROTATED]] {
        let output = stack.command(arguments).await.unwrap();
        assert_eq!(output.status.code(), Some(1));
        assert!(String::from_utf8_lossy(&output.stderr).contains("there is no database"));
        assert!(!stack.folder().join("server.db").exists());
    }
}
