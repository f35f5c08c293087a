//! Heads of audit chains and the keys that sign them, in tables of our own.

use async_trait::async_trait;
use bulla_database::{Engine, Failure, Row, Statement, Value};
use tuf_schema::UtcTime;

use super::keys::{Attempts, SqlKeyStore};
use super::record::record;
use super::wrapped::wrapped_key;
use crate::audit::head::Head;
use crate::audit::name::SignerName;
use crate::seal::CONTENT_ENCRYPTION;
use crate::store::heads::HeadStore;
use crate::store::wrapped::{Replacement, WrappedKey};
use crate::store::{KeyRecord, StoreError};

/// How often a change is begun anew when others were first or the connection broke.
const ATTEMPTS: usize = 5;

impl<E: Engine> SqlKeyStore<E> {
    /// One try of [`HeadStore::put_head`].
    async fn try_put(&self, head: &Head) -> Result<bool, Failure> {
        let count = i64::try_from(head.tip.count).unwrap_or(i64::MAX);
        let values = [
            Value::Text(head.signer.as_str()),
            Value::Text(head.chain.as_str()),
            Value::Number(count),
            Value::Text(&head.text),
        ];
        let mut transaction = self.database.begin().await?;
        let mut session = transaction.session()?;
        let (advance, begin) = (Statement::new(ADVANCE), Statement::new(BEGIN));
        let mut is_put = session.execute(&advance, &values).await? > 0;
        if !is_put && session.fetch(&Statement::new(IS_THERE), &values[..1]).await?.is_empty() {
            session.execute(&begin, &values).await?;
            is_put = true;
        }
        transaction.commit().await?;
        Ok(is_put)
    }
}

#[async_trait]
impl<E: Engine> HeadStore for SqlKeyStore<E> {
    async fn head(&self, signer: &SignerName) -> Result<Option<String>, StoreError> {
        let values = [Value::Text(signer.as_str())];
        let rows = self.database.fetch(&Statement::new(IS_THERE), &values).await?;
        Ok(rows.first().map(text))
    }

    async fn heads(&self) -> Result<Vec<String>, StoreError> {
        let all = Statement::new("SELECT head FROM bulla_audit_heads ORDER BY signer");
        Ok(self.database.fetch(&all, &[]).await?.iter().map(text).collect())
    }

    async fn put_head(&self, head: &Head) -> Result<bool, StoreError> {
        for _ in 1..ATTEMPTS {
            match self.try_put(head).await {
                Err(Failure::Conflict(_) | Failure::Broken(_)) => {}
                put => return Ok(put?),
            }
        }
        Ok(self.try_put(head).await?)
    }

    async fn audit_key(&self, signer: &SignerName) -> Result<Option<KeyRecord>, StoreError> {
        let rows = self.database.fetch(&Statement::new(KEYS), &[Value::Text(signer.as_str())]).await?;
        rows.into_iter().next().map(record::<E>).transpose()
    }

    async fn insert_audit_key(&self, signer: &SignerName, key: &KeyRecord, now: UtcTime) -> Result<(), StoreError> {
        let values = [
            Value::Text(signer.as_str()),
            Value::Number(now.unix_seconds()),
            Value::Text(key.key.id().as_str()),
            Value::Text(CONTENT_ENCRYPTION),
            Value::Text(key.sealed.key_wrap().name()),
            Value::Text(key.key.key_type().name()),
            Value::Text(key.alias.as_str()),
            Value::Bytes(key.key.public_bytes()),
            Value::Bytes(key.sealed.as_str().as_bytes()),
        ];
        let mut transaction = self.database.begin().await?;
        let is_taken = Statement::new("SELECT key_id FROM bulla_audit_keys WHERE key_id = $1");
        let mut session = transaction.session()?;
        if !session.fetch(&is_taken, &[Value::Text(key.key.id().as_str())]).await?.is_empty() {
            return Err(StoreError::Duplicate(key.key.id().clone()));
        }
        session.execute(&Statement::new(INSERT_KEY), &values).await?;
        Ok(transaction.commit().await?)
    }

    async fn audit_keys(&self) -> Result<Vec<WrappedKey>, StoreError> {
        let rows = self.database.fetch(&Statement::new(NEWEST_KEYS), &[]).await?;
        rows.into_iter().map(wrapped_key::<E>).collect()
    }

    async fn rewrap_audit_key(&self, read: &KeyRecord, wrapping: &Replacement) -> Result<bool, StoreError> {
        let values = [
            Value::Bytes(wrapping.sealed.as_str().as_bytes()),
            Value::Text(wrapping.alias.as_str()),
            Value::Text(wrapping.sealed.encryption()),
            Value::Text(wrapping.sealed.key_wrap().name()),
            Value::Text(read.key.id().as_str()),
            Value::Text(read.alias.as_str()),
            Value::Bytes(read.sealed.as_str().as_bytes()),
        ];
        let mut attempts = Attempts::default();
        loop {
            let done: Result<u64, Failure> = self.database.execute(&Statement::new(REWRAP_KEY), &values).await;
            if !attempts.go_on(&done) {
                return Ok(done? > 0);
            }
        }
    }
}

const ADVANCE: &str =
    "UPDATE bulla_audit_heads SET entries = $3, head = $4 WHERE signer = $1 AND chain = $2 AND entries <= $3";
const BEGIN: &str = "INSERT INTO bulla_audit_heads (signer, chain, entries, head) VALUES ($1, $2, $3, $4)";
const IS_THERE: &str = "SELECT head FROM bulla_audit_heads WHERE signer = $1";

/// With the columns of a key's row, so that it is read as one.
const KEYS: &str = "SELECT key_id, encryption_alg, keywrap_alg, algorithm, passphrase_alias, public, private, \
                    '' AS gun, '' AS role, NULL AS last_used, NULL AS retired_at \
                    FROM bulla_audit_keys WHERE signer = $1 ORDER BY created_at DESC, key_id";
const INSERT_KEY: &str = "INSERT INTO bulla_audit_keys (signer, created_at, key_id, encryption_alg, keywrap_alg, algorithm, \
                          passphrase_alias, public, private) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";

/// The newest of each signer, with the columns of a key's row.
const NEWEST_KEYS: &str = "SELECT key_id, encryption_alg, keywrap_alg, algorithm, passphrase_alias, public, private, \
                           '' AS gun, '' AS role, NULL AS last_used, NULL AS retired_at FROM bulla_audit_keys AS k \
                           WHERE NOT EXISTS (SELECT 1 FROM bulla_audit_keys AS newer WHERE newer.signer = k.signer AND \
                           (newer.created_at > k.created_at OR \
                           (newer.created_at = k.created_at AND newer.key_id < k.key_id))) ORDER BY signer";
const REWRAP_KEY: &str = "UPDATE bulla_audit_keys SET private = $1, passphrase_alias = $2, encryption_alg = $3, \
                          keywrap_alg = $4 WHERE key_id = $5 AND passphrase_alias = $6 AND private = $7";

fn text(row: &Row) -> String {
    row.text(0).ok().flatten().unwrap_or_default().to_owned()
}
