//! Files as long as one packet to MySQL may be.

use std::sync::Arc;

use bulla_database::PoolSettings;
use bytes::Bytes;
use tuf_schema::{Gun, Role, Version};

use crate::clock::TestClock;
use crate::publish::{NewFile, ValidatedUpdate};
use crate::store::test_databases::{self, Before};
use crate::store::{MetadataStore as _, StoreError};

#[tokio::test]
async fn a_file_as_long_as_mysql_says_it_takes_is_stored_whole_and_a_packet_more_is_refused() {
    let Some(database) = test_databases::mysql(Before::Empty).await else { return };
    let clock = TestClock::at("2026-11-21T21:05:00Z");
    // Debug builds take their time for megabytes.
    let settings = PoolSettings { statement_timeout: std::time::Duration::from_secs(60), ..PoolSettings::default() };
    let store = database.mysql_store(settings, Arc::clone(&clock) as _).await;
    let longest = store.longest_file().unwrap();
    let gun = Gun::parse("g").unwrap();
    let publish = |length: usize| {
        let file = |role, bytes: Bytes| NewFile::new(role, Version::FIRST, bytes);
        let targets = file(Role::Targets, vec![b'x'; length].into());
        ValidatedUpdate::for_store_tests(&gun, None, file(Role::Timestamp, "timestamp".into()), vec![targets])
    };
    let refused = store.commit(&publish(longest + super::super::open::BESIDE_A_FILE + 1)).await;
    assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
    store.commit(&publish(longest)).await.unwrap();
    let stored = store.latest(&gun, &Role::Targets).await.unwrap().unwrap();
    assert_eq!(stored.bytes.len(), longest);
}
