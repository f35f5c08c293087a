//! An update that waits for the row of its repository, and what whoever holds it leaves there.

use std::sync::Arc;

use bulla_database::{Database, Postgres, Statement, Value};
use bytes::Bytes;
use tuf_schema::{Gun, Role, Sha256, Version};

use crate::clock::TestClock;
use crate::publish::{NewFile, ValidatedUpdate};
use crate::store::test_databases::{self, Before};
use crate::store::{MetadataStore, StoreError};

fn file(role: Role, number: i64) -> NewFile {
    let bytes = Bytes::from(format!("{role} {number}"));
    NewFile::new(role, Version::new(number).unwrap(), bytes)
}

/// Returns as soon as a session waits for a lock.
async fn somebody_waits(database: &Database<Postgres>) {
    let waiting = Statement::new(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'",
    );
    while database.fetch(&waiting, &[]).await.unwrap().first().unwrap().number(0).unwrap() == Some(0) {
        tokio::task::yield_now().await;
    }
}

/// The statement saw the repository before it waited. What it must not do is write into what is left of it.
#[tokio::test]
async fn an_update_that_waited_for_a_deletion_is_a_conflict() {
    let Some(database) = test_databases::postgres(Before::Empty).await else { return };
    let clock = TestClock::at("2026-11-22T00:00:00Z");
    let store = Arc::new(database.postgres_store(test_databases::settings(), clock).await);
    let gun = Gun::parse("example.com/a").unwrap();
    let first = ValidatedUpdate::for_store_tests(&gun, None, file(Role::Timestamp, 1), vec![file(Role::Root, 1)]);
    store.commit(&first).await.unwrap();
    let base = Some(Sha256::of(b"timestamp 1"));
    let update = ValidatedUpdate::for_store_tests(&gun, base, file(Role::Timestamp, 2), vec![file(Role::Targets, 1)])
        .after_writes(store.newest(&gun).await.unwrap().writes);
    let other = database.postgres().await;
    let mut deletion = other.begin().await.unwrap();
    for text in
        ["UPDATE bulla_repositories SET writes = writes + 1 WHERE gun = $1", "DELETE FROM tuf_files WHERE gun = $1"]
    {
        let statement = Statement::new(text);
        deletion.session().unwrap().execute(&statement, &[Value::Text(gun.as_str())]).await.unwrap();
    }
    let (writer, late) = (store.clone(), update.clone());
    let writer = tokio::spawn(async move { writer.commit(&late).await });
    somebody_waits(&other).await;
    deletion.commit().await.unwrap();
    let refused = writer.await.unwrap();
    assert!(matches!(refused, Err(StoreError::Conflict { role: Role::Timestamp, current: None })), "{refused:?}");
    assert!(store.files(&gun, None, 10).await.unwrap().is_empty());
}
