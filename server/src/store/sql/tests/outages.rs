//! A database that goes away, hangs or is busy: an answer within the time that was set, and no restart of ours after.

use std::collections::BTreeSet;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bulla_database::dsn::PostgresDsn;
use bulla_database::{Failure, PoolSettings, Statement};
use bytes::Bytes;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tuf_schema::{Gun, Role, Version};

use crate::clock::TestClock;
use crate::publish::{NewFile, ValidatedUpdate};
use crate::store::sql::PostgresStore;
use crate::store::test_databases::{self, Before};
use crate::store::{MetadataStore, StoreError};

fn clock() -> Arc<TestClock> {
    TestClock::at("2026-12-01T00:00:00Z")
}

fn gun() -> Gun {
    Gun::parse("example.com/app").unwrap()
}

fn first_publish() -> ValidatedUpdate {
    let timestamp = NewFile::new(Role::Timestamp, Version::FIRST, Bytes::from("t"));
    ValidatedUpdate::for_store_tests(&gun(), None, timestamp, Vec::new())
}

fn hasty() -> PoolSettings {
    PoolSettings {
        max_connections: 2,
        acquire_timeout: Duration::from_millis(500),
        statement_timeout: Duration::from_millis(400),
    }
}

/// Longer than every wait of [`hasty`] together.
const IN_TIME: Duration = Duration::from_secs(5);

async fn is_unavailable_in_time<T: std::fmt::Debug>(work: impl Future<Output = Result<T, StoreError>>) {
    match tokio::time::timeout(IN_TIME, work).await.unwrap() {
        Err(StoreError::Unavailable(_)) => {}
        other => panic!("{other:?}"),
    }
}

/// Reads and writes at once through every connection that the pool may still have.
async fn works(store: &dyn MetadataStore) {
    for _ in 0..12 {
        store.latest(&gun(), &Role::Timestamp).await.unwrap();
    }
    store.delete(&gun()).await.unwrap();
    let writes = store.newest(&gun()).await.unwrap().writes;
    store.commit(&first_publish().after_writes(writes)).await.unwrap();
}

#[tokio::test]
async fn postgres_is_found_again_after_every_session_was_ended() {
    let Some(database) = test_databases::postgres(Before::Empty).await else { return };
    let store: Arc<dyn MetadataStore> = Arc::new(database.postgres_store(test_databases::settings(), clock()).await);
    // Several sessions lie idle.
    let reads: Vec<_> = (0..8)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move { store.newest(&gun()).await.unwrap() })
        })
        .collect();
    for read in reads {
        read.await.unwrap();
    }
    let other = database.postgres().await;
    let end = format!(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{}' AND pid <> pg_backend_pid()",
        database.name
    );
    assert!(!other.fetch(&Statement::new(&end), &[]).await.unwrap().is_empty());
    works(&*store).await;
}

#[tokio::test]
async fn mysql_is_found_again_after_every_session_was_ended() {
    let Some(database) = test_databases::mysql(Before::Empty).await else { return };
    let store: Arc<dyn MetadataStore> = Arc::new(database.mysql_store(test_databases::settings(), clock()).await);
    let reads: Vec<_> = (0..8)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move { store.newest(&gun()).await.unwrap() })
        })
        .collect();
    for read in reads {
        read.await.unwrap();
    }
    let other = database.mysql().await;
    let sessions = format!(
        "SELECT id FROM information_schema.processlist WHERE db = '{}' AND id <> CONNECTION_ID()",
        database.name
    );
    let sessions = other.fetch(&Statement::new(&sessions), &[]).await.unwrap();
    assert!(!sessions.is_empty());
    for row in &sessions {
        let end = format!("KILL {}", row.number(0).unwrap().unwrap());
        let _ = other.execute(&Statement::new(&end), &[]).await;
    }
    works(&*store).await;
}

#[tokio::test]
async fn who_finds_no_free_connection_is_told_in_time() {
    let Some(database) = test_databases::postgres(Before::Empty).await else { return };
    let settings = PoolSettings { max_connections: 1, statement_timeout: Duration::from_secs(20), ..hasty() };
    let store = database.postgres_store(settings, clock()).await;
    let held = store.database.begin().await.unwrap();
    is_unavailable_in_time(store.latest(&gun(), &Role::Root)).await;
    held.rollback().await.unwrap();
    assert_eq!(store.latest(&gun(), &Role::Root).await.unwrap(), None);
}

#[tokio::test]
async fn a_statement_that_waits_for_a_table_ends_in_time() {
    let Some(database) = test_databases::postgres(Before::Empty).await else { return };
    let store = database.postgres_store(hasty(), clock()).await;
    let mut other = database.postgres().await.begin().await.unwrap();
    other.session().unwrap().run("LOCK TABLE tuf_files").await.unwrap();
    is_unavailable_in_time(store.latest(&gun(), &Role::Root)).await;
    other.rollback().await.unwrap();
    works(&store).await;
}

#[tokio::test]
async fn who_waits_too_long_for_another_writer_meets_a_conflict() {
    let Some(database) = test_databases::postgres(Before::Empty).await else { return };
    let store = database.postgres_store(hasty(), clock()).await;
    store.commit(&first_publish()).await.unwrap();
    let mut other = database.postgres().await.begin().await.unwrap();
    other.session().unwrap().run("SELECT gun FROM bulla_repositories FOR UPDATE").await.unwrap();
    let refused = store.commit(&first_publish()).await;
    let current = Some(Version::FIRST);
    assert!(
        matches!(&refused, Err(StoreError::Conflict { role: Role::Timestamp, current: told }) if *told == current),
        "{refused:?}"
    );
}

#[tokio::test]
async fn mysql_writers_that_wait_for_each_other_meet_a_conflict() {
    let Some(database) = test_databases::mysql(Before::Empty).await else { return };
    let settings = PoolSettings { statement_timeout: Duration::from_secs(2), ..hasty() };
    let store = database.mysql_store(settings, clock()).await;
    store.commit(&first_publish()).await.unwrap();
    let mut other = database.mysql().await.begin().await.unwrap();
    other.session().unwrap().run("SELECT gun FROM bulla_repositories FOR UPDATE").await.unwrap();
    let refused = store.commit(&first_publish()).await;
    let current = Some(Version::FIRST);
    assert!(
        matches!(&refused, Err(StoreError::Conflict { role: Role::Timestamp, current: told }) if *told == current),
        "{refused:?}"
    );
}

/// A way to the database that can fall silent, as a paused machine does: open, and without an answer.
async fn way_to(address: SocketAddr) -> (SocketAddr, watch::Sender<bool>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let way = listener.local_addr().unwrap();
    let (silent, is_silent) = watch::channel(false);
    tokio::spawn(async move {
        while let Ok((mut near, _)) = listener.accept().await {
            let mut is_silent = is_silent.clone();
            tokio::spawn(async move {
                let mut far = TcpStream::connect(address).await.unwrap();
                while !*is_silent.borrow() {
                    tokio::select! {
                        _ = copy_bidirectional(&mut near, &mut far) => return,
                        _ = is_silent.changed() => {}
                    }
                }
                // Whoever has sent something waits; the connection stays.
                let _ = is_silent.wait_for(|silent| !silent).await;
            });
        }
    });
    (way, silent)
}

#[tokio::test]
async fn a_silent_database_is_unavailable_in_time_and_found_again() {
    let Some(database) = test_databases::postgres(Before::Empty).await else { return };
    let address = database.address();
    let (account, place) = address.split_once('@').unwrap();
    let (place, name) = place.split_once('/').unwrap();
    let (way, silent) = way_to(place.parse().unwrap()).await;
    let dsn = PostgresDsn::parse(&format!("{account}@{way}/{name}")).unwrap();
    let store = PostgresStore::open(&dsn, hasty(), clock()).await.unwrap();
    works(&store).await;
    silent.send(true).unwrap();
    for _ in 0..3 {
        is_unavailable_in_time(store.latest(&gun(), &Role::Timestamp)).await;
        is_unavailable_in_time(store.delete(&gun())).await;
    }
    silent.send(false).unwrap();
    works(&store).await;
}

#[tokio::test]
async fn a_transaction_on_a_silent_connection_is_ended_without_another_wait() {
    let Some(database) = test_databases::postgres(Before::Empty).await else { return };
    let address = database.address();
    let (account, place) = address.split_once('@').unwrap();
    let (place, name) = place.split_once('/').unwrap();
    let (way, silent) = way_to(place.parse().unwrap()).await;
    let dsn = PostgresDsn::parse(&format!("{account}@{way}/{name}")).unwrap();
    let there = bulla_database::Database::postgres(&dsn, hasty()).await.unwrap();
    let mut transaction = there.begin().await.unwrap();
    silent.send(true).unwrap();
    let asked = transaction.session().unwrap().run("SELECT 1").await;
    assert!(matches!(asked, Err(Failure::Silent)), "{asked:?}");
    tokio::time::timeout(Duration::from_millis(200), transaction.rollback()).await.unwrap().unwrap();
}

/// The sessions at a PostgreSQL database, but for the one that asks.
async fn sessions(other: &bulla_database::Database<bulla_database::Postgres>, name: &str) -> BTreeSet<i64> {
    let sessions = format!(
        "SELECT pid::bigint FROM pg_stat_activity WHERE datname = '{name}' \
         AND pid <> pg_backend_pid()"
    );
    let rows = other.fetch(&Statement::new(&sessions), &[]).await.unwrap();
    rows.iter().map(|row| row.number(0).unwrap().unwrap()).collect()
}

#[tokio::test]
async fn whoever_hangs_up_costs_the_database_no_session() {
    let Some(database) = test_databases::postgres(Before::Empty).await else { return };
    let store = database.postgres_store(PoolSettings { max_connections: 2, ..PoolSettings::default() }, clock()).await;
    let (one, two) = (store.database.begin().await.unwrap(), store.database.begin().await.unwrap());
    one.rollback().await.unwrap();
    two.rollback().await.unwrap();
    // of one session, as the one that asks is not counted
    let settings = PoolSettings { max_connections: 1, ..PoolSettings::default() };
    let dsn = PostgresDsn::parse(&database.address()).unwrap();
    let other = bulla_database::Database::postgres(&dsn, settings).await.unwrap();
    let before = sessions(&other, &database.name).await;
    let gun = gun();
    for _ in 0..40 {
        // Each is begun, and then nobody waits for it any more.
        tokio::select! {
            biased;
            read = store.latest(&gun, &Role::Timestamp) => drop(read),
            () = tokio::task::yield_now() => {}
        }
        tokio::select! {
            biased;
            begun = store.database.begin() => drop(begun),
            () = tokio::task::yield_now() => {}
        }
        let mut abandoned = store.database.begin().await.unwrap();
        abandoned.session().unwrap().run("LOCK TABLE tuf_files").await.unwrap();
    }
    works(&store).await;
    let after = sessions(&other, &database.name).await;
    assert!(after.is_subset(&before), "{after:?} are not all of {before:?}");
}

#[tokio::test]
async fn a_port_that_never_answers_is_no_reason_to_wait_for_ever() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let dsn = PostgresDsn::parse(&format!("postgres://notary@{address}/notary?sslmode=disable")).unwrap();
    let opened = tokio::time::timeout(IN_TIME, bulla_database::Database::postgres(&dsn, hasty())).await.unwrap();
    assert!(matches!(opened, Err(Failure::Unavailable(_) | Failure::Broken(_) | Failure::Silent)));
}
