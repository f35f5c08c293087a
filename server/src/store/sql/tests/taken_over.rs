//! Databases that the reference left: every row as it is, every name for itself, and the feed going on.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bulla_database::dsn::{MySqlDsn, PostgresDsn};
use bulla_database::{Database, Engine, Kind, Statement, Value};
use bytes::Bytes;
use tuf_schema::{BaseRole, Gun, Role, Sha256, UtcTime, Version};

use crate::chain::with_sources;
use crate::check::check;
use crate::clock::{Clock as _, TestClock};
use crate::publish::{NewFile, ValidatedUpdate};
use crate::store::overview::beginning_bytes;
use crate::store::sql::{MySqlStore, PostgresStore, SqliteStore};
use crate::store::test_databases::{self, Before, TestDatabase};
use crate::store::{
    Aging, ChangeCategory, ChangeQuery, Edition, MetadataStore, Misfit, OverviewPage, OverviewQuery, StoreError,
};

fn clock() -> Arc<TestClock> {
    TestClock::at("2026-12-01T00:00:00.999999Z")
}

fn gun(text: &str) -> Gun {
    Gun::parse(text).unwrap()
}

fn first_publish(name: &str) -> ValidatedUpdate {
    let file = |role, content: &'static str| NewFile::new(role, Version::FIRST, Bytes::from(content));
    ValidatedUpdate::for_store_tests(&gun(name), None, file(Role::Timestamp, "t"), vec![file(Role::Root, "r")])
}

struct FileOfThem {
    gun: Gun,
    role: Role,
    version: Version,
    bytes: Vec<u8>,
    sha256: String,
    created_at: UtcTime,
}

async fn files<E: Engine>(database: Database<E>) -> Vec<FileOfThem> {
    let statement = "SELECT gun, role, version, data, sha256, created_at FROM tuf_files ORDER BY id";
    let rows = database.fetch(&Statement::new(statement), &[]).await.unwrap();
    let file = |mut row: bulla_database::Row| FileOfThem {
        bytes: row.take_bytes(3).unwrap().unwrap(),
        gun: gun(row.text(0).unwrap().unwrap()),
        role: Role::parse(row.text(1).unwrap().unwrap()).unwrap(),
        version: Version::new(row.number(2).unwrap().unwrap()).unwrap(),
        sha256: row.trimmed(4).unwrap().unwrap().to_owned(),
        created_at: UtcTime::from_utc(chrono::DateTime::from_timestamp_micros(row.time(5).unwrap().unwrap()).unwrap()),
    };
    rows.into_iter().map(file).collect()
}

async fn every_file_is_read_back(store: &dyn MetadataStore, files: &[FileOfThem], written: usize, dump: &str) {
    assert_eq!(files.len(), written);
    for file in files {
        let (gun, role) = (&file.gun, &file.role);
        let stored = store.by_version(gun, role, file.version).await.unwrap().unwrap();
        assert_eq!(stored.bytes, file.bytes, "{gun} {role}");
        assert!(dump.to_lowercase().contains(&hex::encode(&file.bytes)), "{gun} {role} as in the dump");
        assert_eq!(stored.sha256.to_hex(), file.sha256);
        assert_eq!(stored.sha256, Sha256::of(&file.bytes));
        assert_eq!(stored.created_at, file.created_at);
        assert_eq!(store.by_sha256(gun, role, &stored.sha256).await.unwrap().unwrap().bytes, file.bytes);
        let newest =
            files.iter().filter(|other| other.gun == *gun && other.role == *role).map(|other| other.version).max();
        assert_eq!(store.latest(gun, role).await.unwrap().map(|stored| stored.version), newest);
        let told = store.newest_of(gun, &BTreeSet::from([role.clone()])).await.unwrap();
        assert_eq!(told.get(role).map(|(version, _)| *version), newest);
    }
    let guns: BTreeSet<Gun> = files.iter().map(|file| file.gun.clone()).collect();
    assert_eq!(store.guns(None, 1000).await.unwrap(), guns.into_iter().collect::<Vec<_>>());
}

async fn the_feed_goes_on(store: &dyn MetadataStore, last: i64, microseconds: u32) {
    let query = ChangeQuery { gun: None, change_id: 0, records: 1000 };
    let before = store.changes(&query).await.unwrap();
    assert_eq!(before.last().unwrap().id, last);
    let deletion = before.iter().find(|change| change.category == ChangeCategory::Deletion).unwrap();
    assert_eq!((deletion.version, deletion.sha256.as_str()), (0, ""));
    store.commit(&first_publish("example.com/new")).await.unwrap();
    let after = store.changes(&ChangeQuery { gun: None, change_id: last, records: 10 }).await.unwrap();
    assert_eq!(after.iter().map(|change| change.id).collect::<Vec<_>>(), [last + 1]);
    let record = after.first().unwrap();
    assert_eq!(record.sha256, Sha256::of(b"t").to_hex());
    assert_eq!(record.created_at.to_utc().timestamp_subsec_micros(), microseconds, "rounded down");
    assert_eq!(record.created_at.unix_seconds(), UtcTime::parse("2026-12-01T00:00:00Z").unwrap().unix_seconds());
}

#[tokio::test]
async fn every_recorded_file_is_read_back_from_postgres_and_the_feed_goes_on() {
    let Some(database) = test_databases::postgres(Before::Recorded).await else { return };
    let store = database.postgres_store(test_databases::settings(), clock()).await;
    let dump = include_str!("../../../../../tests/fixtures/db/notaryserver.postgres.sql");
    let written = dump.matches("INSERT INTO public.tuf_files").count();
    every_file_is_read_back(&store, &files(database.postgres().await).await, written, dump).await;
    let last = i64::try_from(dump.matches("INSERT INTO public.changefeed ").count()).unwrap();
    the_feed_goes_on(&store, last, 999_999).await;
}

#[tokio::test]
async fn every_recorded_file_is_read_back_from_mariadb_and_the_feed_goes_on() {
    let Some(database) = test_databases::mysql(Before::Recorded).await else { return };
    let store = database.mysql_store(test_databases::settings(), clock()).await;
    let dump = include_str!("../../../../../tests/fixtures/db/notaryserver.mariadb.sql");
    let written = dump.matches("INSERT INTO `tuf_files`").count();
    every_file_is_read_back(&store, &files(database.mysql().await).await, written, dump).await;
    let last = i64::try_from(dump.matches("INSERT INTO `changefeed`").count()).unwrap();
    the_feed_goes_on(&store, last, 0).await;
}

async fn all_age_as_used_now(store: &dyn MetadataStore, clock: &TestClock) {
    let now = clock.now();
    let all = store.guns(None, 1000).await.unwrap();
    assert!(!all.is_empty());
    let aging = async |after: Option<&Gun>, used_since| {
        let after = after.map(|gun| gun.as_str().to_owned());
        let query = Aging { before: now.plus_seconds(1), used_since, after, limit: 1000 };
        store.aging(&query).await.unwrap().guns
    };
    assert_eq!(aging(None, now).await, all);
    assert!(aging(None, now.plus_seconds(1)).await.is_empty());
    assert_eq!(aging(all.first(), now).await, all.get(1..).unwrap());
}

#[tokio::test]
async fn a_repository_that_the_reference_left_counts_as_used_now() {
    if let Some(database) = test_databases::postgres(Before::Recorded).await {
        let clock = clock();
        all_age_as_used_now(&database.postgres_store(test_databases::settings(), clock.clone()).await, &clock).await;
    }
    if let Some(database) = test_databases::mysql(Before::Recorded).await {
        let clock = clock();
        all_age_as_used_now(&database.mysql_store(test_databases::settings(), clock.clone()).await, &clock).await;
    }
}

async fn a_gap_is_waited_for<E: Engine>(store: &dyn MetadataStore, clock: &TestClock, other: Database<E>) {
    let ids = async |after: i64| {
        let query = ChangeQuery { gun: None, change_id: after, records: 100 };
        store.changes(&query).await.unwrap().iter().map(|change| change.id).collect::<Vec<_>>()
    };
    store.commit(&first_publish("example.com/a")).await.unwrap();
    let mut late = other.begin().await.unwrap();
    late.session().unwrap().run("INSERT INTO changefeed (gun, version) VALUES ('example.com/late', 1)").await.unwrap();
    store.commit(&first_publish("example.com/b")).await.unwrap();
    assert_eq!(ids(0).await, [1], "2 may come yet");
    assert!(ids(1).await.is_empty());
    late.commit().await.unwrap();
    assert_eq!(ids(1).await, [2, 3]);
    let mut lost = other.begin().await.unwrap();
    lost.session().unwrap().run("INSERT INTO changefeed (gun, version) VALUES ('example.com/lost', 1)").await.unwrap();
    lost.rollback().await.unwrap();
    store.commit(&first_publish("example.com/c")).await.unwrap();
    assert!(ids(3).await.is_empty());
    let of_gun = ChangeQuery { gun: Some(gun("example.com/c")), change_id: 0, records: 100 };
    assert_eq!(store.changes(&of_gun).await.unwrap().len(), 1, "of one repository at once");
    // Twice the ten seconds and one of a statement, and ten for clocks that differ.
    clock.advance_seconds(32);
    assert!(ids(3).await.is_empty());
    clock.advance_seconds(1);
    assert_eq!(ids(3).await, [5], "nothing comes so late");
    let mut late = other.begin().await.unwrap();
    late.session().unwrap().run("INSERT INTO changefeed (gun, version) VALUES ('example.com/late', 2)").await.unwrap();
    clock.advance_days(365);
    store.commit(&first_publish("example.com/d")).await.unwrap();
    clock.advance_days(-365);
    assert!(ids(5).await.is_empty(), "a date in the future settles nothing");
    clock.advance_seconds(32);
    assert!(ids(5).await.is_empty());
    clock.advance_seconds(1);
    assert_eq!(ids(5).await, [7], "and does not hold the feed for a year");
    late.rollback().await.unwrap();
}

#[tokio::test]
async fn a_reader_of_the_feed_never_passes_a_record_that_comes_late() {
    if let Some(database) = test_databases::postgres(Before::Empty).await {
        let clock = clock();
        let store = database.postgres_store(test_databases::settings(), clock.clone()).await;
        a_gap_is_waited_for(&store, &clock, database.postgres().await).await;
    }
    if let Some(database) = test_databases::mysql(Before::Empty).await {
        let clock = clock();
        let store = database.mysql_store(test_databases::settings(), clock.clone()).await;
        a_gap_is_waited_for(&store, &clock, database.mysql().await).await;
    }
}

/// As the reference's early versions left them, which did not fill the column.
async fn files_without_a_digest_have_that_of_their_bytes<E: Engine>(store: &dyn MetadataStore, other: Database<E>) {
    let gun = gun("example.com/old");
    let mut theirs = other.begin().await.unwrap();
    for (role, number, sha256) in [
        ("root", 1, Value::Null(Kind::Text)),
        ("targets", 4, Value::Null(Kind::Text)),
        ("timestamp", 2, Value::Text("")),
    ] {
        let insert =
            "INSERT INTO tuf_files (gun, role, version, data, sha256) VALUES ('example.com/old', $1, $2, $3, $4)";
        let content = format!("{role} {number}");
        let values = [Value::Text(role), Value::Number(number), Value::Bytes(content.as_bytes()), sha256];
        theirs.session().unwrap().execute(&Statement::new(insert), &values).await.unwrap();
    }
    theirs.commit().await.unwrap();
    let newest = store.newest(&gun).await.unwrap();
    let version = |number| Version::new(number).unwrap();
    let targets = Edition { version: version(4), sha256: Sha256::of(b"targets 4") };
    assert_eq!(newest.targets, Some(targets));
    let roles = BTreeSet::from([Role::Targets, Role::Timestamp]);
    let told = store.newest_of(&gun, &roles).await.unwrap();
    let timestamp = Sha256::of(b"timestamp 2");
    let expected = [(Role::Targets, (version(4), targets.sha256)), (Role::Timestamp, (version(2), timestamp))];
    assert_eq!(told, BTreeMap::from(expected));
    for number in [3, 4] {
        let newest = store.newest(&gun).await.unwrap();
        let base = newest.timestamp.map(|stored| stored.sha256);
        let next = NewFile::new(Role::Timestamp, version(number), Bytes::from(format!("timestamp {number}")));
        let update = ValidatedUpdate::for_store_tests(&gun, base, next, Vec::new()).after_writes(newest.writes);
        store.commit(&update).await.unwrap();
    }
}

#[tokio::test]
async fn a_repository_whose_rows_lack_their_digests_is_read_and_published_to() {
    if let Some(database) = test_databases::postgres(Before::Tables).await {
        let store = database.postgres_store(test_databases::settings(), clock()).await;
        files_without_a_digest_have_that_of_their_bytes(&store, database.postgres().await).await;
    }
    if let Some(database) = test_databases::mysql(Before::Tables).await {
        let store = database.mysql_store(test_databases::settings(), clock()).await;
        files_without_a_digest_have_that_of_their_bytes(&store, database.mysql().await).await;
    }
}

/// Publishes between a look at a repository and the update that was prepared by it, as the reference does: without counting.
async fn who_does_not_count_is_noticed<E: Engine>(store: &dyn MetadataStore, other: Database<E>) {
    store.commit(&first_publish("example.com/a")).await.unwrap();
    let newest = store.newest(&gun("example.com/a")).await.unwrap();
    let second = |role: Role, content: &'static str| NewFile::new(role, Version::new(2).unwrap(), Bytes::from(content));
    let update = |files| {
        let timestamp = NewFile::new(Role::Timestamp, Version::new(3).unwrap(), Bytes::from("t 3"));
        let base = Some(Sha256::of(b"t"));
        ValidatedUpdate::for_store_tests(&gun("example.com/a"), base, timestamp, files).after_writes(newest.writes)
    };
    let mut theirs = other.begin().await.unwrap();
    let insert = Statement::new(
        "INSERT INTO tuf_files (gun, role, version, data, sha256) VALUES ('example.com/a', $1, 2, $2, $3)",
    );
    for (role, content) in [("root", "r 2"), ("timestamp", "t 2")] {
        let sha256 = Sha256::of(content.as_bytes()).to_hex();
        let values = [Value::Text(role), Value::Bytes(content.as_bytes()), Value::Text(&sha256)];
        theirs.session().unwrap().execute(&insert, &values).await.unwrap();
    }
    theirs.commit().await.unwrap();
    for (role, files) in
        [(Role::Root, vec![second(Role::Root, "r")]), (Role::Timestamp, vec![second(Role::Targets, "targets")])]
    {
        let refused = store.commit(&update(files)).await;
        let Err(StoreError::Conflict { role: found, current }) = refused else { panic!("{refused:?}") };
        assert_eq!((found, current), (role, Version::new(2).ok()));
    }
    assert_eq!(store.latest(&gun("example.com/a"), &Role::Targets).await.unwrap(), None);
}

#[tokio::test]
async fn a_writer_that_does_not_count_its_writes_is_noticed_by_its_timestamp() {
    let directory = tempfile::tempdir().unwrap();
    let file = SqliteStore::open(&directory.path().join("server.db"), clock()).await.unwrap();
    who_does_not_count_is_noticed(&file, file.database.clone()).await;
    if let Some(database) = test_databases::postgres(Before::Tables).await {
        let store = database.postgres_store(test_databases::settings(), clock()).await;
        who_does_not_count_is_noticed(&store, database.postgres().await).await;
    }
    if let Some(database) = test_databases::mysql(Before::Tables).await {
        let store = database.mysql_store(test_databases::settings(), clock()).await;
        who_does_not_count_is_noticed(&store, database.mysql().await).await;
    }
}

/// A database of the reference that compares names without case, and a repository in it.
async fn loose_names() -> Option<(TestDatabase, Box<dyn MetadataStore>)> {
    let database = test_databases::mysql(Before::Tables).await?;
    let store = database.mysql_store(test_databases::settings(), clock()).await;
    store.commit(&first_publish("example.com/ecole")).await.unwrap();
    Some((database, Box::new(store)))
}

const EQUAL: [&str; 3] = ["example.com/ECOLE", "example.com/\u{e9}cole", "example.com/ecole "];

#[tokio::test]
async fn names_that_a_loose_collation_calls_equal_are_not_read_for_each_other() {
    let Some((_database, store)) = loose_names().await else { return };
    for name in EQUAL {
        let gun = gun(name);
        assert_eq!(store.latest(&gun, &Role::Root).await.unwrap(), None, "{name}");
        assert_eq!(store.newest(&gun).await.unwrap(), crate::store::Newest::default(), "{name}");
        assert_eq!(store.by_version(&gun, &Role::Root, Version::FIRST).await.unwrap(), None, "{name}");
        assert_eq!(store.by_sha256(&gun, &Role::Root, &Sha256::of(b"r")).await.unwrap(), None, "{name}");
        assert!(store.newest_of(&gun, &BTreeSet::from([Role::Root])).await.unwrap().is_empty(), "{name}");
        assert!(store.files(&gun, None, 10).await.unwrap().is_empty(), "{name}");
        assert!(store.file_keys(&gun, None, 10).await.unwrap().is_empty(), "{name}");
        let feed = ChangeQuery { gun: Some(gun.clone()), change_id: 0, records: 0 };
        assert!(store.changes(&feed).await.unwrap().is_empty(), "{name}");
        assert!(!store.delete(&gun).await.unwrap(), "{name}");
    }
    assert!(store.latest(&gun("example.com/ecole"), &Role::Root).await.unwrap().is_some());
}

/// A name of which nothing is stored any more stays known.
#[tokio::test]
async fn a_name_that_a_loose_collation_calls_equal_is_not_told_with_the_files_of_another() {
    let Some((database, store)) = loose_names().await else { return };
    let other = database.mysql().await;
    for name in EQUAL {
        let known = Statement::new("INSERT INTO bulla_repositories (gun, used_at) VALUES ($1, 0)");
        other.execute(&known, &[Value::Bytes(name.as_bytes())]).await.unwrap();
        let query = OverviewQuery { prefix: name.to_owned(), after: None, limit: 10 };
        assert_eq!(store.overview(&query).await.unwrap(), OverviewPage::default(), "{name}");
    }
    let page = store.overview(&OverviewQuery { limit: 10, ..OverviewQuery::default() }).await.unwrap();
    let names: Vec<String> = page.repositories.into_iter().map(|row| row.name).collect();
    assert_eq!(names, ["example.com/ecole"]);
}

#[tokio::test]
async fn a_repository_that_the_reference_left_is_told_of() {
    let whole = OverviewQuery { limit: 100, ..OverviewQuery::default() };
    if let Some(database) = test_databases::postgres(Before::Recorded).await {
        let store = database.postgres_store(test_databases::settings(), clock()).await;
        every_repository_is_told(&store, &files(database.postgres().await).await, &whole).await;
    }
    if let Some(database) = test_databases::mysql(Before::Recorded).await {
        let store = database.mysql_store(test_databases::settings(), clock()).await;
        every_repository_is_told(&store, &files(database.mysql().await).await, &whole).await;
    }
}

async fn every_repository_is_told(store: &dyn MetadataStore, files: &[FileOfThem], whole: &OverviewQuery) {
    let mut newest: BTreeMap<(&str, BaseRole), (i64, &[u8])> = BTreeMap::new();
    for file in files {
        let Some(role) = BaseRole::ALL.into_iter().find(|role| Role::from(*role) == file.role) else { continue };
        let told = file.bytes.get(..beginning_bytes(role)).unwrap_or(&file.bytes);
        let (version, bytes) = (file.version.number().into(), told);
        let known = newest.entry((file.gun.as_str(), role)).or_insert((version, bytes));
        *known = (*known).max((version, bytes));
    }
    assert_eq!(store.overview(whole).await.unwrap(), OverviewPage::default());
    store.adopt().await.unwrap();
    let page = store.overview(whole).await.unwrap();
    assert_eq!(page.next, None);
    let told = page.repositories.iter().flat_map(|row| {
        row.newest.iter().map(|(role, file)| ((row.name.as_str(), *role), (file.version.unwrap(), &*file.bytes)))
    });
    assert_eq!(told.collect::<BTreeMap<_, _>>(), newest);
}

#[tokio::test]
async fn a_prefix_that_the_database_cannot_hold_begins_no_name() {
    let Some(database) = test_databases::postgres_in_latin1().await else { return };
    let store = database.postgres_store(test_databases::settings(), clock()).await;
    store.commit(&first_publish("example.com/\u{e9}cole")).await.unwrap();
    let names = async |prefix: &str| {
        let query = OverviewQuery { prefix: prefix.to_owned(), after: None, limit: 10 };
        store.overview(&query).await.unwrap().repositories.len()
    };
    assert_eq!((names("example.com/\u{1f4dc}").await, names("example.com/\u{e9}").await), (0, 1));
}

#[tokio::test]
async fn a_name_that_a_loose_collation_calls_equal_to_a_stored_one_does_not_fit() {
    let Some((_database, store)) = loose_names().await else { return };
    for name in EQUAL {
        match store.commit(&first_publish(name)).await {
            Err(StoreError::DoesNotFit { reason: Misfit::EqualName { stored } }) => {
                assert_eq!(stored, "example.com/ecole", "{name}");
            }
            other => panic!("{name}: {other:?}"),
        }
    }
    assert_eq!(store.guns(None, 10).await.unwrap(), [gun("example.com/ecole")]);
}

#[tokio::test]
async fn a_character_outside_the_tables_set_is_not_found_and_does_not_fit() {
    let Some((_database, store)) = loose_names().await else { return };
    let gun = gun("example.com/\u{1f4dc}");
    assert_eq!(store.latest(&gun, &Role::Root).await.unwrap(), None);
    assert!(!store.delete(&gun).await.unwrap());
    let feed = ChangeQuery { gun: Some(gun.clone()), change_id: 0, records: 0 };
    assert!(store.changes(&feed).await.unwrap().is_empty());
    match store.commit(&first_publish(gun.as_str())).await {
        Err(StoreError::DoesNotFit { reason: Misfit::Character { character, set } }) => {
            assert_eq!((character, set.as_str()), ('\u{1f4dc}', "utf8mb3"));
        }
        other => panic!("{other:?}"),
    }
}

/// They are asked for in one statement, which fails as a whole.
#[tokio::test]
async fn a_character_that_the_database_lacks_takes_the_answer_from_no_other_reader() {
    let Some(database) = test_databases::postgres_in_latin1().await else { return };
    let store = database.postgres_store(test_databases::settings(), clock()).await;
    let stored = gun("example.com/\u{e9}cole");
    store.commit(&first_publish(stored.as_str())).await.unwrap();
    let root = Sha256::of(b"r");
    assert!(store.by_sha256(&stored, &Role::Root, &root).await.unwrap().is_some());
    let names: Vec<Gun> = (0..12).flat_map(|n| [gun(&format!("example.com/\u{1f4dc}{n}")), stored.clone()]).collect();
    let reads = names.iter().map(|gun| async {
        let timestamp = store.latest(gun, &Role::Timestamp).await.unwrap();
        let root = store.by_sha256(gun, &Role::Root, &root).await.unwrap();
        (timestamp.is_some(), root.is_some())
    });
    for (gun, found) in names.iter().zip(futures_util::future::join_all(reads).await) {
        assert_eq!(found, (*gun == stored, *gun == stored), "{gun}");
    }
}

#[tokio::test]
async fn a_fresh_mysql_table_tells_all_names_apart_but_for_trailing_blanks() {
    let Some(database) = test_databases::mysql(Before::Empty).await else { return };
    let store = database.mysql_store(test_databases::settings(), clock()).await;
    for name in ["example.com/ecole", "example.com/ECOLE", "example.com/\u{e9}cole", "example.com/\u{1f4dc}"] {
        store.commit(&first_publish(name)).await.unwrap();
        assert!(store.latest(&gun(name), &Role::Root).await.unwrap().is_some(), "{name}");
    }
    let refused = store.commit(&first_publish("example.com/ecole ")).await;
    assert!(matches!(refused, Err(StoreError::DoesNotFit { reason: Misfit::EqualName { .. } })), "{refused:?}");
    assert_eq!(store.latest(&gun("example.com/ecole "), &Role::Root).await.unwrap(), None);
}

/// What `config check --connect` says of a database.
async fn checked(backend: &str, address: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("server.json");
    let config = serde_json::json!({
        "server": {"http_addr": "127.0.0.1:0"}, "trust_service": {"type": "local", "ephemeral": true},
        "storage": {"backend": backend, "db_url": address},
    });
    std::fs::write(&file, config.to_string()).unwrap();
    check(&file, [], true, clock().now()).await.to_string()
}

async fn set<E: Engine>(database: Database<E>, bookkeeping: &'static str) {
    database.execute(&Statement::new(bookkeeping), &[]).await.unwrap();
    database.close().await;
}

const OLD: [(&str, &str); 2] = [
    (
        "UPDATE schema_migrations SET version = 1, dirty = false",
        "the tables are of version 1 of the reference's; bring",
    ),
    (
        "UPDATE schema_migrations SET version = 9, dirty = true",
        "the tables are of version 9 of the reference's, and a change of them was broken off (dirty); bring",
    ),
];

#[tokio::test]
async fn tables_of_postgres_that_the_reference_left_too_old_or_half_changed_are_refused() {
    let Some(database) = test_databases::postgres(Before::Recorded).await else { return };
    let dsn = PostgresDsn::parse(&database.address()).unwrap();
    for (bookkeeping, said) in OLD {
        set(database.postgres().await, bookkeeping).await;
        let refused = PostgresStore::open(&dsn, test_databases::settings(), clock()).await.err().unwrap();
        let told = with_sources(&refused);
        assert!(told.contains(said) && told.ends_with("to version 2 with its own migrations first"), "{told}");
        let report = checked("postgres", &database.address()).await;
        assert!(report.contains("REFUSED  storage.db_url: ") && report.contains(said), "{report}");
    }
    set(database.postgres().await, "UPDATE schema_migrations SET version = 2, dirty = false").await;
    let report = checked("postgres", &database.address()).await;
    assert!(report.contains(" answers\n") && !report.contains("REFUSED"), "{report}");
    assert!(PostgresStore::open(&dsn, test_databases::settings(), clock()).await.is_ok());
}

#[tokio::test]
async fn tables_of_mariadb_that_the_reference_left_too_old_or_half_changed_are_refused() {
    let Some(database) = test_databases::mysql(Before::Recorded).await else { return };
    let dsn = MySqlDsn::parse(&database.address()).unwrap();
    for (bookkeeping, said) in OLD {
        set(database.mysql().await, bookkeeping).await;
        let refused = MySqlStore::open(&dsn, test_databases::settings(), clock()).await.err().unwrap();
        let told = with_sources(&refused);
        assert!(told.contains(said) && told.ends_with("to version 5 with its own migrations first"), "{told}");
        let report = checked("mysql", &database.address()).await;
        assert!(report.contains("REFUSED  storage.db_url: ") && report.contains(said), "{report}");
    }
    set(database.mysql().await, "UPDATE schema_migrations SET version = 5, dirty = false").await;
    let report = checked("mysql", &database.address()).await;
    assert!(report.contains(" answers\n") && !report.contains("REFUSED"), "{report}");
    assert!(MySqlStore::open(&dsn, test_databases::settings(), clock()).await.is_ok());
}
