//! What every engine does alike with the lives of keys.

use bulla_database::PoolSettings;
use bulla_database::dsn::{MySqlDsn, PostgresDsn};
use tuf_schema::UtcTime;
use tuf_schema::key::KeyId;

use super::conformance::timestamp_key;
use super::sql::scratch::Server;
use super::stored::LifeStore;
use super::{Algorithm, KeyKind, KeyStore, open_mysql, open_postgres, open_sqlite};

trait Store: KeyStore + LifeStore {}
impl<S: KeyStore + LifeStore> Store for S {}

fn time(seconds: i64) -> UtcTime {
    UtcTime::from_unix_seconds(seconds).unwrap()
}

async fn stored(store: &impl Store, made: i64) -> KeyId {
    let key = timestamp_key();
    store.insert(&key, time(made)).await.unwrap();
    key.key.id().clone()
}

async fn rows_come_page_by_page_with_their_times(store: &impl Store) {
    let ids = [stored(store, 1).await, stored(store, 2).await, stored(store, 3).await];
    store.mark_used(&[(ids[1].clone(), time(20))]).await.unwrap();
    store.mark_used(&[(ids[1].clone(), time(19))]).await.unwrap();
    assert!(store.retire(&ids[1], time(30)).await.unwrap());
    assert!(store.delete(&ids[2], time(40)).await.unwrap());
    let first = store.rows(0, 2).await.unwrap();
    assert_eq!(first.iter().map(|row| row.key_id.as_str()).collect::<Vec<_>>(), [ids[0].as_str(), ids[1].as_str()]);
    let times = &first[1].times;
    assert_eq!((times.created, times.last_used), (Some(time(2)), Some(time(20))));
    assert_eq!(times.first_used, Some(time(20)));
    assert_eq!((times.retired, times.deleted), (Some(time(30)), None));
    let second = store.rows(first[1].place, 2).await.unwrap();
    assert_eq!(second.len(), 1);
    assert_eq!(second[0].times.deleted, Some(time(40)));
    assert_eq!(store.rows(second[0].place, 2).await.unwrap(), []);
    assert_eq!(store.row(&ids[2]).await.unwrap().as_ref(), second.first());
    assert_eq!(store.row(&KeyId::from_wire("")).await.unwrap(), None);
}

async fn a_retired_key_is_found_as_such_and_is_not_pending(store: &impl Store) {
    let key = timestamp_key();
    let id = key.key.id();
    store.insert(&key, time(1)).await.unwrap();
    assert!(store.retire(id, time(5)).await.unwrap());
    assert!(!store.retire(id, time(6)).await.unwrap(), "it is retired");
    assert_eq!(store.find(id).await.unwrap().unwrap().retired, Some(time(5)));
    assert_eq!(store.pending(&key.purpose, &KeyKind::Software(Algorithm::Ed25519)).await.unwrap(), None);
    assert!(store.reactivate(id).await.unwrap());
    assert!(!store.reactivate(id).await.unwrap(), "it is not retired");
    assert_eq!(store.pending(&key.purpose, &KeyKind::Software(Algorithm::Ed25519)).await.unwrap(), Some(key.clone()));
    assert!(store.retire(id, time(7)).await.unwrap());
    assert_eq!(store.find(id).await.unwrap().unwrap().retired, Some(time(7)));
}

async fn a_deleted_key_comes_back_as_it_was(store: &impl Store) {
    let key = timestamp_key();
    let id = key.key.id();
    store.insert(&key, time(1)).await.unwrap();
    assert!(!store.undelete(id, time(2)).await.unwrap(), "it is not deleted");
    store.delete(id, time(3)).await.unwrap();
    assert!(!store.retire(id, time(4)).await.unwrap(), "it is deleted");
    assert!(store.undelete(id, time(5)).await.unwrap());
    assert_eq!(store.find(id).await.unwrap(), Some(key));
}

async fn only_an_old_key_that_never_signed_is_deleted_as_unused(store: &impl Store) {
    let (old, young) = (stored(store, 100).await, stored(store, 101).await);
    let (used, retired) = (stored(store, 1).await, stored(store, 1).await);
    store.mark_used(&[(used.clone(), time(2))]).await.unwrap();
    store.retire(&retired, time(2)).await.unwrap();
    for kept in [&young, &used, &retired, &KeyId::from_wire("")] {
        assert!(!store.delete_unused(kept, time(100), time(200)).await.unwrap(), "{kept}");
    }
    assert!(store.delete_unused(&old, time(100), time(200)).await.unwrap());
    assert_eq!(store.row(&old).await.unwrap().unwrap().times.deleted, Some(time(200)));
}

async fn only_what_was_deleted_long_ago_is_removed(store: &impl Store) {
    let (there, unused, used, late) =
        (stored(store, 1).await, stored(store, 51).await, stored(store, 51).await, stored(store, 1).await);
    store.mark_used(&[(used.clone(), time(60))]).await.unwrap();
    store.retire(&used, time(70)).await.unwrap();
    for (id, at) in [(&unused, 100), (&used, 100), (&late, 101)] {
        store.delete(id, time(at)).await.unwrap();
    }
    for kept in [&there, &unused, &late, &KeyId::from_wire("")] {
        assert!(!store.remove(kept, time(100), time(50)).await.unwrap(), "{kept}");
    }
    assert!(store.remove(&used, time(100), time(50)).await.unwrap());
    assert_eq!(store.row(&used).await.unwrap(), None);
    assert!(store.remove(&unused, time(100), time(51)).await.unwrap(), "it is old enough now");
    assert_eq!(store.rows(0, 9).await.unwrap().len(), 2);
}

async fn no_other_key_is_changed(store: &impl Store) {
    let (one, other) = (stored(store, 1).await, stored(store, 1).await);
    let untouched = store.row(&other).await.unwrap();
    let prefix = KeyId::from_wire(&one.as_str()[..63]);
    for id in [prefix, KeyId::from_wire("%"), KeyId::from_wire("")] {
        assert!(!store.retire(&id, time(5)).await.unwrap());
        assert!(!store.delete_unused(&id, time(9), time(9)).await.unwrap());
        assert!(!store.undelete(&id, time(9)).await.unwrap());
        assert!(!store.remove(&id, time(9), time(9)).await.unwrap());
    }
    store.retire(&one, time(5)).await.unwrap();
    store.delete(&one, time(6)).await.unwrap();
    store.remove(&one, time(9), time(9)).await.unwrap();
    assert_eq!(store.row(&other).await.unwrap(), untouched);
}

macro_rules! suite {
    ($engine:ident, $empty:expr, $($rule:ident)*) => {
        mod $engine {
            use super::*;
            $(
                #[tokio::test]
                async fn $rule() {
                    let Some((store, _place)) = $empty.await else { return };
                    super::$rule(&store).await;
                }
            )*
        }
    };
    ($engine:ident, $empty:expr) => {
        suite!($engine, $empty,
            rows_come_page_by_page_with_their_times
            a_retired_key_is_found_as_such_and_is_not_pending
            a_deleted_key_comes_back_as_it_was
            only_an_old_key_that_never_signed_is_deleted_as_unused
            only_what_was_deleted_long_ago_is_removed
            no_other_key_is_changed
        );
    };
}

suite!(sqlite, async {
    let folder = tempfile::tempdir().unwrap();
    Some((open_sqlite(&folder.path().join("keys.db")).await.unwrap(), folder))
});
suite!(postgres, async {
    let scratch = Server::Postgres.scratch().await?;
    let dsn = PostgresDsn::parse(&scratch.address()).unwrap();
    Some((open_postgres(&dsn, PoolSettings::default()).await.unwrap(), scratch))
});
suite!(mysql, async {
    let scratch = Server::MySql.scratch().await?;
    let dsn = MySqlDsn::parse(&scratch.address()).unwrap();
    Some((open_mysql(&dsn, PoolSettings::default()).await.unwrap(), scratch))
});
