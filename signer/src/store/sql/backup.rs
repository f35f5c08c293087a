//! All rows of an SQL database in one transaction, for a backup and for what comes back from one.

use async_trait::async_trait;
use bulla_database::{Cell, Engine, EngineName, Failure, Kind, Row, Sqlite, Statement, Transaction, Value};
use tuf_schema::UtcTime;

use super::keys::{SqlKeyStore, time};
use super::record::record;
use super::stored::{page, stored};
use crate::store::backup::{BackupStore, Filling, Moment};
use crate::store::stored::StoredKey;
use crate::store::{KeyRecord, StoreError};

/// The key of a row, by the rules of every row that is signed with.
///
/// # Errors
/// [`StoreError::Damaged`].
pub(crate) fn sound(row: &StoredKey) -> Result<KeyRecord, StoreError> {
    let text = |text: &str| Cell::Text(text.to_owned());
    let seconds = |at: Option<UtcTime>| at.map_or(Cell::Null, |at| Cell::Number(at.unix_seconds()));
    record::<Sqlite>(Row::new(vec![
        text(&row.key_id),
        text(&row.encryption),
        text(&row.key_wrap),
        text(&row.algorithm),
        text(&row.alias),
        Cell::Bytes(row.public.clone()),
        Cell::Bytes(row.sealed.clone()),
        text(&row.gun),
        text(&row.role),
        seconds(row.times.last_used),
        seconds(row.times.retired),
    ]))
}

#[async_trait]
impl<E: Engine> BackupStore for SqlKeyStore<E> {
    async fn moment(&self) -> Result<Box<dyn Moment>, StoreError> {
        Ok(Box::new(Open(self.database.begin_reading().await?)))
    }

    async fn filling(&self) -> Result<Box<dyn Filling>, StoreError> {
        Ok(Box::new(Open(self.database.begin().await?)))
    }
}

/// A transaction over all rows.
struct Open<E: Engine>(Transaction<E>);

#[async_trait]
impl<E: Engine> Moment for Open<E> {
    async fn count(&mut self) -> Result<u64, StoreError> {
        // a retirement without its key is none, and no reason not to fill the store
        let count = Statement::<E>::new("SELECT count(*) FROM private_keys");
        let rows = self.0.session()?.fetch(&count, &[]).await?;
        let count = rows.first().map_or(Ok(None), |row| row.number(0)).map_err(Failure::from)?;
        Ok(count.and_then(|count| u64::try_from(count).ok()).unwrap_or_default())
    }

    async fn rows(&mut self, after: i64, limit: u32) -> Result<Vec<StoredKey>, StoreError> {
        let values = [Value::Number(after), Value::Number(limit.into())];
        let rows = self.0.session()?.fetch(&page(), &values).await?;
        rows.into_iter().map(stored::<E>).collect()
    }
}

#[async_trait]
impl<E: Engine> Filling for Open<E> {
    async fn insert(&mut self, row: &StoredKey) -> Result<(), StoreError> {
        let insert = Statement::<E>::new(
            "INSERT INTO private_keys (key_id, encryption_alg, keywrap_alg, algorithm, passphrase_alias, gun, role, \
             public, private, created_at, updated_at, deleted_at, last_used) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
        );
        // our own table on SQLite has a time in these two in any case
        let required = |at: Option<UtcTime>| match E::ENGINE {
            EngineName::Sqlite => time::<E>(at.or_else(|| UtcTime::from_unix_seconds(0))),
            EngineName::Postgres | EngineName::MySql => time::<E>(at),
        };
        let values = [
            Value::Text(&row.key_id),
            Value::Text(&row.encryption),
            Value::Text(&row.key_wrap),
            Value::Text(&row.algorithm),
            Value::Text(&row.alias),
            Value::Text(&row.gun),
            Value::Text(&row.role),
            Value::Bytes(&row.public),
            Value::Bytes(&row.sealed),
            required(row.times.created),
            required(row.updated),
            time::<E>(row.times.deleted),
            time::<E>(row.times.last_used),
        ];
        let mut session = self.0.session()?;
        session.execute(&insert, &values).await?;
        if row.times.first_used.is_some() || row.times.retired.is_some() {
            let beside =
                Statement::<E>::new("INSERT INTO bulla_key_life (key_id, first_used, retired_at) VALUES ($1, $2, $3)");
            let seconds =
                |at: Option<UtcTime>| at.map_or(Value::Null(Kind::Number), |at| Value::Number(at.unix_seconds()));
            let values = [Value::Text(&row.key_id), seconds(row.times.first_used), seconds(row.times.retired)];
            session.execute(&beside, &values).await?;
        }
        if let Some(taken) = &row.taken {
            let beside = Statement::<E>::new(
                "INSERT INTO bulla_key_roles (key_id, role, gun, noted_at) VALUES ($1, $2, $3, $4)",
            );
            let noted = Value::Number(taken.noted.unix_seconds());
            let values = [Value::Text(&row.key_id), Value::Text(&taken.role), Value::Text(&taken.gun), noted];
            session.execute(&beside, &values).await?;
        }
        Ok(())
    }

    async fn commit(self: Box<Self>) -> Result<(), StoreError> {
        Ok(self.0.commit().await?)
    }
}
