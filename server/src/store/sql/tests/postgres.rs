//! PostgreSQL: how long files are stored.

use bulla_database::{Statement, Value};
use tuf_schema::{Gun, Role, Version};

use crate::clock::TestClock;
use crate::publish::{NewFile, ValidatedUpdate};
use crate::store::MetadataStore;
use crate::store::test_databases::{self, Before};

/// Also in the tables of the reference, which reads it as it reads all others.
#[tokio::test]
async fn a_long_file_is_compressed_by_the_quicker_way() {
    for before in [Before::Empty, Before::Tables] {
        let Some(database) = test_databases::postgres(before).await else { return };
        let clock = TestClock::at("2026-11-22T00:00:00Z");
        let store = database.postgres_store(test_databases::settings(), clock).await;
        let gun = Gun::parse("example.com/a").unwrap();
        let file = |role, bytes: String| NewFile::new(role, Version::FIRST, bytes.into());
        let (timestamp, targets) = (file(Role::Timestamp, "t".into()), file(Role::Targets, "tag ".repeat(10_000)));
        store.commit(&ValidatedUpdate::for_store_tests(&gun, None, timestamp, vec![targets])).await.unwrap();
        let of_targets = "SELECT pg_column_compression(data) FROM tuf_files WHERE role = $1";
        let rows =
            database.postgres().await.fetch(&Statement::new(of_targets), &[Value::Text("targets")]).await.unwrap();
        assert_eq!(rows.first().unwrap().text(0).unwrap(), Some("lz4"), "{before:?}");
        assert_eq!(store.latest(&gun, &Role::Targets).await.unwrap().unwrap().bytes, "tag ".repeat(10_000));
    }
}
