//! How keys are wrapped, in the reference's table.

use async_trait::async_trait;
use bulla_database::{Cell, Engine, EngineName, Failure, Row, Statement, Value};
use tuf_schema::UtcTime;
use tuf_schema::key::KeyId;

use super::keys::{Attempts, SqlKeyStore, time};
use super::record::record;
use super::statements::{exactly, read_columns};
use crate::excerpt::Excerpt;
use crate::seal::HeaderExcerpt;
use crate::seal::passphrase::Alias;
use crate::store::wrapped::{AliasUse, MAX_ALIASES, Replacement, RowDamage, WrappedKey, WrappedKeys};
use crate::store::{KeyRecord, StoreError};

/// Everything that is asked about wrappings. Pages go by the index on key_id, without a condition on the alias: a page
/// with one would read on through rows of others for as long as it takes.
pub(super) struct Statements<E> {
    aliases: Statement<E>,
    first_page: Statement<E>,
    next_page: Statement<E>,
    rewrap: Statement<E>,
}

impl<E: Engine> Statements<E> {
    pub(super) fn new() -> Self {
        let statement = |text: String| Statement::new(&text);
        // the reference's collation on MySQL takes names for one that passphrases tell apart
        let alias = match E::ENGINE {
            EngineName::Sqlite | EngineName::Postgres => "passphrase_alias",
            EngineName::MySql => "CAST(passphrase_alias AS BINARY)",
        };
        let read = read_columns::<E>();
        let (id, was_alias) = (exactly::<E>("key_id", "$6"), exactly::<E>("passphrase_alias", "$7"));
        Self {
            aliases: statement(format!(
                "SELECT {alias}, count(CASE WHEN deleted_at IS NULL THEN 1 END), count(deleted_at) FROM private_keys \
                 GROUP BY {alias} ORDER BY {alias} LIMIT $1"
            )),
            first_page: statement(format!("SELECT {read} FROM private_keys ORDER BY key_id LIMIT $1")),
            next_page: statement(format!("SELECT {read} FROM private_keys WHERE key_id > $2 ORDER BY key_id LIMIT $1")),
            rewrap: statement(format!(
                "UPDATE private_keys SET private = $1, passphrase_alias = $2, encryption_alg = $3, keywrap_alg = $4, \
                 updated_at = $5 WHERE {id} AND {was_alias} AND private = $8"
            )),
        }
    }
}

#[async_trait]
impl<E: Engine> WrappedKeys for SqlKeyStore<E> {
    async fn aliases(&self) -> Result<Vec<AliasUse>, StoreError> {
        let rows = self.database.fetch(&self.wrapped.aliases, &[Value::Number(MAX_ALIASES.into())]).await?;
        let count = |row: &Row, place| row.number(place).ok().flatten().and_then(|count| u64::try_from(count).ok());
        let alias_use = |row: &Row| {
            // rows without an alias are told as damaged, one by one
            let alias = row.text(0).ok().flatten().and_then(Alias::parse)?;
            Some(AliasUse { alias, keys: count(row, 1)?, deleted: count(row, 2)? })
        };
        Ok(rows.iter().filter_map(alias_use).collect())
    }

    async fn page(&self, after: Option<&KeyId>, limit: u32) -> Result<Vec<WrappedKey>, StoreError> {
        let limit = Value::Number(limit.into());
        let rows = match after {
            None => self.database.fetch(&self.wrapped.first_page, &[limit]).await?,
            Some(id) => self.database.fetch(&self.wrapped.next_page, &[limit, Value::Text(id.as_str())]).await?,
        };
        rows.into_iter().map(wrapped_key::<E>).collect()
    }

    async fn rewrap(&self, read: &KeyRecord, wrapping: &Replacement, now: UtcTime) -> Result<bool, StoreError> {
        let values = [
            Value::Bytes(wrapping.sealed.as_str().as_bytes()),
            Value::Text(wrapping.alias.as_str()),
            Value::Text(wrapping.sealed.encryption()),
            Value::Text(wrapping.sealed.key_wrap().name()),
            time::<E>(Some(now)),
            Value::Text(read.key.id().as_str()),
            Value::Text(read.alias.as_str()),
            Value::Bytes(read.sealed.as_str().as_bytes()),
        ];
        let mut attempts = Attempts::default();
        loop {
            let done: Result<u64, Failure> = self.database.execute(&self.wrapped.rewrap, &values).await;
            if !attempts.go_on(&done) {
                return Ok(done? > 0);
            }
        }
    }
}

/// A row as it is, sound or not.
pub(super) fn wrapped_key<E: Engine>(row: Row) -> Result<WrappedKey, StoreError> {
    let id = KeyId::from_wire(row.text(0).ok().flatten().unwrap_or_default());
    let alias = Excerpt::of(row.text(4).ok().flatten().unwrap_or_default());
    let header = match row.cells().get(6) {
        Some(Cell::Bytes(bytes)) => HeaderExcerpt::of(bytes),
        Some(Cell::Text(text)) => HeaderExcerpt::of(text.as_bytes()),
        Some(Cell::Null | Cell::Number(_) | Cell::Time(_)) | None => HeaderExcerpt::of(b""),
    };
    let record = match record::<E>(row) {
        Ok(record) => Ok(record),
        Err(StoreError::Damaged { fact, .. }) => Err(RowDamage { alias, header, fact }),
        Err(error) => return Err(error),
    };
    Ok(WrappedKey { id, record })
}
