//! What a backup carries from engine to engine.

use bulla_database::PoolSettings;
use bulla_database::dsn::{MySqlDsn, PostgresDsn};
use tuf_schema::UtcTime;

use super::file::tests::row;
use super::restore::{RestoreError, fill, read_all};
use super::*;
use crate::life::Times;
use crate::store::backup::BackupStore;
use crate::store::scratch::Server;
use crate::store::stored::{StoredKey, TakenRole};
use crate::store::{open_mysql, open_postgres, open_sqlite};

fn time(seconds: i64) -> Option<UtcTime> {
    UtcTime::from_unix_seconds(seconds)
}

/// Every state, and a row that no signer can use.
fn rows() -> Vec<StoredKey> {
    let times =
        |times: Times, number| StoredKey { times: Times { created: time(1_600_000_000), ..times }, ..row(number) };
    let used = || Times { first_used: time(1_600_000_001), last_used: time(1_600_000_002), ..Times::default() };
    vec![
        times(Times::default(), 1),
        times(used(), 2),
        times(Times { retired: time(1_600_000_003), ..used() }, 3),
        times(Times { deleted: time(1_600_000_004), retired: time(1_600_000_003), ..used() }, 4),
        StoredKey {
            algorithm: "none".to_owned(),
            gun: String::new(),
            role: String::new(),
            taken: Some(TakenRole { role: "snapshot".to_owned(), gun: "a/b".to_owned(), noted: time(9).unwrap() }),
            ..row(5)
        },
    ]
}

async fn write_from(store: &dyn BackupStore, folder: &Path, name: &str) -> (PathBuf, Vec<String>) {
    let file = folder.join(name);
    let backup = write(store.moment().await.unwrap().as_mut(), &file, time(7).unwrap()).await.unwrap();
    assert_eq!((backup.contents.keys, backup.unsound.len()), (5, 5));
    let lines = std::fs::read_to_string(&file).unwrap().lines().map(str::to_owned).collect();
    (file, lines)
}

async fn fill_from(store: &dyn BackupStore, file: &Path) -> Result<(), RestoreError> {
    fill(store.filling().await.unwrap(), file, &read_all(file)?).await
}

async fn sqlite(folder: &Path, name: &str) -> impl BackupStore + use<> {
    open_sqlite(&folder.join(name)).await.unwrap()
}

/// A store of the rows above, and its backup.
async fn backed_up(folder: &Path) -> (PathBuf, Vec<String>) {
    let first = sqlite(folder, "first.db").await;
    let mut filling = first.filling().await.unwrap();
    for row in rows() {
        filling.insert(&row).await.unwrap();
    }
    filling.commit().await.unwrap();
    write_from(&first, folder, "first").await
}

#[tokio::test]
async fn a_backup_is_the_same_after_a_way_over_every_engine() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let (mut file, lines) = backed_up(folder).await;
    if let Some(scratch) = Server::Postgres.scratch().await {
        let dsn = PostgresDsn::parse(&scratch.address()).unwrap();
        let store = open_postgres(&dsn, PoolSettings::default()).await.unwrap();
        fill_from(&store, &file).await.unwrap();
        let (next, next_lines) = write_from(&store, folder, "postgres").await;
        assert_eq!(next_lines, lines);
        file = next;
    }
    if let Some(scratch) = Server::MySql.scratch().await {
        let dsn = MySqlDsn::parse(&scratch.address()).unwrap();
        let store = open_mysql(&dsn, PoolSettings::default()).await.unwrap();
        fill_from(&store, &file).await.unwrap();
        let (next, next_lines) = write_from(&store, folder, "mysql").await;
        assert_eq!(next_lines, lines);
        file = next;
    }
    let last = sqlite(folder, "last.db").await;
    fill_from(&last, &file).await.unwrap();
    assert_eq!(write_from(&last, folder, "last").await.1, lines);
}

#[tokio::test]
async fn a_store_with_keys_is_not_filled() {
    let folder = tempfile::tempdir().unwrap();
    let (file, _) = backed_up(folder.path()).await;
    let refusal = fill_from(&sqlite(folder.path(), "first.db").await, &file).await.unwrap_err();
    assert!(matches!(refusal, RestoreError::NotEmpty(5)), "{refusal}");
}

#[tokio::test]
async fn a_file_that_changes_between_proof_and_filling_leaves_the_store_empty() {
    let folder = tempfile::tempdir().unwrap();
    let (file, _) = backed_up(folder.path()).await;
    let other = Contents { sha256: "0".repeat(64), ..read_all(&file).unwrap() };
    let store = sqlite(folder.path(), "other.db").await;
    let refusal = fill(store.filling().await.unwrap(), &file, &other).await.unwrap_err();
    assert!(matches!(refusal, RestoreError::Changed), "{refusal}");
    assert_eq!(store.moment().await.unwrap().count().await.unwrap(), 0);
}

#[tokio::test]
async fn a_backup_is_of_one_moment() {
    let folder = tempfile::tempdir().unwrap();
    backed_up(folder.path()).await;
    let store = sqlite(folder.path(), "first.db").await;
    let mut moment = store.moment().await.unwrap();
    assert_eq!(moment.count().await.unwrap(), 5);
    let mut filling = store.filling().await.unwrap();
    filling.insert(&row(9)).await.unwrap();
    filling.commit().await.unwrap();
    assert_eq!(moment.rows(0, 9).await.unwrap().len(), 5);
    assert_eq!(store.moment().await.unwrap().count().await.unwrap(), 6);
}
