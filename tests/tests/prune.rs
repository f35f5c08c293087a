//! `bulla-server admin prune` on a real database, beside the server that works with it.

#![expect(clippy::unwrap_used, reason = "a test fails where it stands")]

use e2e::stack::{Kind, Stack};
use e2e::upload::Story;
use serde_json::{Value, json};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions as _, Row as _, SqlSafeStr as _};

const GUN: &str = "prune.test/app";

/// A repository of four versions of targets, snapshot and timestamp, as if they had been stored ten days ago.
async fn aged() -> (Stack, Story) {
    let stack = Stack::start(Kind::Durable).await.unwrap();
    let mut story = Story::published(stack.port(), GUN).await.unwrap();
    for name in ["second", "third", "fourth"] {
        assert_eq!(story.send_tag(name).await.unwrap().status, 200);
    }
    change(&stack, "UPDATE tuf_files SET created_at = created_at - 10 * 86400000000 WHERE role <> 'root'").await;
    (stack, story)
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

/// The stored versions of a role, in their order.
async fn versions(stack: &Stack, role: &str) -> Vec<i64> {
    let query = sqlx::query("SELECT version FROM tuf_files WHERE role = ? ORDER BY version").bind(role);
    let rows = query.fetch_all(&mut database(stack).await).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

/// What a command printed as JSON, and its status.
async fn prune(stack: &Stack, arguments: &[&str]) -> (Vec<Value>, i32) {
    let output = stack.command(&[&["admin", "prune", "--output", "json"], arguments].concat()).await.unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    (text.lines().map(|line| serde_json::from_str(line).unwrap()).collect(), output.status.code().unwrap())
}

#[tokio::test]
async fn what_was_superseded_so_long_ago_goes_and_what_readers_get_stays() {
    let (stack, mut story) = aged().await;
    let state = story.state().await.unwrap();
    // the tenth day has begun, the eleventh has not
    let (told, status) = prune(&stack, &["--superseded-days", "11"]).await;
    assert_eq!((&told[0]["summary"]["files"], told.len(), status), (&json!(0), 1, 0));
    let (told, status) = prune(&stack, &["--superseded-days", "10", "--dry-run"]).await;
    assert_eq!((&told[0]["files"], &told[0]["removed"], status), (&json!(9), &json!(false), 0));
    assert_eq!(versions(&stack, "targets").await, [1, 2, 3, 4], "a dry run");
    let (told, status) = prune(&stack, &["--superseded-days", "10"]).await;
    assert_eq!(
        (&told[0]["gun"], &told[0]["files"], &told[0]["removed"], status),
        (&json!(GUN), &json!(9), &json!(true), 0)
    );
    assert_eq!(told[1]["summary"]["bytes"], told[0]["bytes"]);
    for role in ["targets", "snapshot", "timestamp"] {
        assert_eq!(versions(&stack, role).await, [4], "{role}");
    }
    assert_eq!(versions(&stack, "root").await, [1]);
    assert_eq!(story.state().await.unwrap(), state);
    assert_eq!(story.read("3.targets.json").await.unwrap().status, 404);
    assert_eq!(story.send_tag("fifth").await.unwrap().status, 200);
    assert_eq!(stack.command(&["admin", "verify"]).await.unwrap().status.code(), Some(0));
}

#[tokio::test]
async fn what_the_timestamp_leads_to_stays_also_when_something_newer_is_stored() {
    let (stack, _story) = aged().await;
    // as the reference leaves it when it dies between two writes: the newest timestamp leads to the third snapshot
    change(&stack, "DELETE FROM tuf_files WHERE role = 'timestamp' AND version = 4").await;
    let (_, status) = prune(&stack, &["--superseded-days", "1"]).await;
    assert_eq!(status, 0);
    assert_eq!(versions(&stack, "snapshot").await, [3, 4]);
    assert_eq!(versions(&stack, "targets").await, [3, 4]);
    assert_eq!(versions(&stack, "timestamp").await, [3]);
}

#[tokio::test]
async fn a_repository_whose_current_state_cannot_be_read_is_left_alone() {
    for (statement, why) in [
        ("DELETE FROM tuf_files WHERE role = 'timestamp'", "no timestamp leads to a snapshot"),
        (
            "DELETE FROM tuf_files WHERE role = 'snapshot' AND version = 4",
            "the snapshot that its timestamp leads to is not stored",
        ),
        (
            "UPDATE tuf_files SET data = x'7b' WHERE role = 'timestamp' AND version = 4",
            "a stored file cannot be read: ",
        ),
    ] {
        let (stack, _story) = aged().await;
        change(&stack, statement).await;
        let before = versions(&stack, "targets").await;
        let (told, status) = prune(&stack, &["--superseded-days", "1"]).await;
        assert_eq!((status, &told[1]["summary"]["left_alone"]), (2, &json!(1)), "{statement}");
        assert!(told[0]["left_alone"].as_str().unwrap().starts_with(why), "{told:?}");
        assert_eq!(versions(&stack, "targets").await, before, "{statement}");
    }
}

#[tokio::test]
async fn one_repository_can_be_meant_and_one_that_is_not_there_is_told() {
    let (stack, _story) = aged().await;
    let (told, status) = prune(&stack, &["--superseded-days", "1", "--gun", "prune.test/other"]).await;
    assert_eq!((told.len(), status), (0, 1));
    assert_eq!(versions(&stack, "targets").await, [1, 2, 3, 4]);
    let (told, status) = prune(&stack, &["--superseded-days", "1", "--gun", GUN]).await;
    assert_eq!((&told[0]["gun"], status), (&json!(GUN), 0));
}

#[tokio::test]
async fn a_day_is_the_least_and_a_hundred_years_the_most() {
    let stack = Stack::start(Kind::Durable).await.unwrap();
    for (days, status) in [("0", 1), ("1", 0), ("36500", 0), ("36501", 1), ("-1", 1)] {
        assert_eq!(prune(&stack, &["--superseded-days", days]).await.1, status, "{days}");
    }
}
