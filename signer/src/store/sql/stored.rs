//! Rows as they stand in an SQL database, and their changes of life.

use async_trait::async_trait;
use bulla_database::{Engine, EngineName, Failure, Row, Statement, Value};
use tuf_schema::UtcTime;
use tuf_schema::key::KeyId;

use super::keys::{Attempts, SqlKeyStore, time};
use super::statements::{exactly, of_life};
use crate::life::Times;
use crate::store::StoreError;
use crate::store::stored::{LifeStore, StoredKey, TakenRole};

const MICROS: i64 = 1_000_000;

#[async_trait]
impl<E: Engine> LifeStore for SqlKeyStore<E> {
    async fn rows(&self, after: i64, limit: u32) -> Result<Vec<StoredKey>, StoreError> {
        let rows = self.database.fetch(&page(), &[Value::Number(after), Value::Number(limit.into())]).await?;
        rows.into_iter().map(stored::<E>).collect()
    }

    async fn row(&self, id: &KeyId) -> Result<Option<StoredKey>, StoreError> {
        if id.as_str().is_empty() {
            return Ok(None);
        }
        let by_id = select::<E>(&exactly::<E>("private_keys.key_id", "$1"));
        let rows = self.database.fetch(&by_id, &[Value::Text(id.as_str())]).await?;
        rows.into_iter().next().map(stored::<E>).transpose()
    }

    async fn retire(&self, id: &KeyId, now: UtcTime) -> Result<bool, StoreError> {
        let retired = match E::ENGINE {
            EngineName::Sqlite | EngineName::Postgres => "ON CONFLICT (key_id) DO UPDATE SET retired_at = $2",
            EngineName::MySql => "ON DUPLICATE KEY UPDATE retired_at = $2",
        };
        let retire =
            Statement::<E>::new(&format!("INSERT INTO bulla_key_life (key_id, retired_at) VALUES ($1, $2) {retired}"));
        // the row is written, too, so that of two who change it at once one waits for the other
        let touch = Statement::<E>::new(&format!(
            "UPDATE private_keys SET updated_at = $2 WHERE {} AND deleted_at IS NULL AND {} IS NULL",
            exactly::<E>("key_id", "$1"),
            of_life::<E>("retired_at"),
        ));
        let id = Value::Text(id.as_str());
        let touched = [id, time::<E>(Some(now))];
        self.change(id, (&touch, &touched), &[(&retire, &[id, Value::Number(now.unix_seconds())])]).await
    }

    async fn reactivate(&self, id: &KeyId) -> Result<bool, StoreError> {
        let reactivate = Statement::<E>::new(
            "UPDATE bulla_key_life SET retired_at = NULL WHERE key_id = $1 AND retired_at IS NOT NULL",
        );
        self.change(Value::Text(id.as_str()), (&reactivate, &[Value::Text(id.as_str())]), &[]).await
    }

    async fn undelete(&self, id: &KeyId, now: UtcTime) -> Result<bool, StoreError> {
        let undelete = Statement::<E>::new(&format!(
            "UPDATE private_keys SET deleted_at = NULL, updated_at = $2 WHERE {} AND deleted_at IS NOT NULL",
            exactly::<E>("key_id", "$1")
        ));
        self.change(Value::Text(id.as_str()), (&undelete, &[Value::Text(id.as_str()), time::<E>(Some(now))]), &[]).await
    }

    async fn delete_unused(&self, id: &KeyId, made_before: UtcTime, now: UtcTime) -> Result<bool, StoreError> {
        let delete = Statement::<E>::new(&format!(
            "UPDATE private_keys SET deleted_at = $2, updated_at = $2 WHERE {} AND deleted_at IS NULL \
             AND last_used IS NULL AND created_at <= $3 AND {} IS NULL",
            exactly::<E>("key_id", "$1"),
            of_life::<E>("retired_at"),
        ));
        let values = [Value::Text(id.as_str()), time::<E>(Some(now)), time::<E>(Some(made_before))];
        self.change(Value::Text(id.as_str()), (&delete, &values), &[]).await
    }

    async fn remove(&self, id: &KeyId, deleted_before: UtcTime, made_before: UtcTime) -> Result<bool, StoreError> {
        let remove = Statement::<E>::new(&format!(
            "DELETE FROM private_keys WHERE {} AND deleted_at <= $2 AND (last_used IS NOT NULL OR created_at <= $3)",
            exactly::<E>("key_id", "$1")
        ));
        let life = Statement::<E>::new("DELETE FROM bulla_key_life WHERE key_id = $1");
        let role = Statement::<E>::new("DELETE FROM bulla_key_roles WHERE key_id = $1");
        let id = Value::Text(id.as_str());
        let values = [id, time::<E>(Some(deleted_before)), time::<E>(Some(made_before))];
        self.change(id, (&remove, &values), &[(&life, &[id]), (&role, &[id])]).await
    }
}

impl<E: Engine> SqlKeyStore<E> {
    /// Runs a statement on the key of this id and, if that changed its row, others with it; nothing without an id.
    async fn change(&self, id: Value<'_>, first: Step<'_, E>, then: &[Step<'_, E>]) -> Result<bool, StoreError> {
        if id == Value::Text("") {
            return Ok(false);
        }
        let mut attempts = Attempts::default();
        loop {
            let done = self.try_change(first, then).await;
            if !attempts.go_on(&done) {
                return Ok(done?);
            }
        }
    }

    async fn try_change(&self, first: Step<'_, E>, then: &[Step<'_, E>]) -> Result<bool, Failure> {
        let mut transaction = self.database.begin().await?;
        let mut session = transaction.session()?;
        let is_changed = session.execute(first.0, first.1).await? > 0;
        for (statement, values) in then.iter().filter(|_| is_changed) {
            session.execute(statement, values).await?;
        }
        transaction.commit().await.map(|()| is_changed)
    }
}

/// A statement and its values.
type Step<'a, E> = (&'a Statement<E>, &'a [Value<'a>]);

/// Rows in the order of their places, which is that of the table itself.
pub(super) fn page<E: Engine>() -> Statement<E> {
    select("private_keys.id > $1 ORDER BY private_keys.id LIMIT $2")
}

fn select<E: Engine>(condition: &str) -> Statement<E> {
    // ours holds bytes on MySQL, as the reference's may be of any collation
    let id = match E::ENGINE {
        EngineName::Sqlite | EngineName::Postgres => "private_keys.key_id",
        EngineName::MySql => "CAST(private_keys.key_id AS BINARY)",
    };
    Statement::new(&format!(
        "SELECT private_keys.id, private_keys.key_id, encryption_alg, keywrap_alg, algorithm, passphrase_alias, \
         private_keys.gun, private_keys.role, public, private, created_at, updated_at, deleted_at, last_used, first_used, \
         retired_at, bulla_key_roles.role, bulla_key_roles.gun, noted_at FROM private_keys \
         LEFT JOIN bulla_key_life ON bulla_key_life.key_id = {id} \
         LEFT JOIN bulla_key_roles ON bulla_key_roles.key_id = {id} WHERE {condition}"
    ))
}

pub(super) fn stored<E: Engine>(mut row: Row) -> Result<StoredKey, StoreError> {
    let key = row.text(1).ok().flatten().unwrap_or_default().to_owned();
    let damaged = |fact| StoreError::Damaged { key: KeyId::from_wire(&key), fact };
    let text = |place, column| {
        let text = row.text(place).ok().flatten();
        text.map(str::to_owned).ok_or_else(|| damaged(column))
    };
    let in_rows = |place: usize, column| {
        let at = match E::ENGINE {
            EngineName::Sqlite => row.number(place).map_err(|_| damaged(column))?,
            EngineName::Postgres | EngineName::MySql => {
                row.time(place).map_err(|_| damaged(column))?.map(|micros| micros.div_euclid(MICROS))
            }
        };
        // 0 stands on SQLite for a time that nobody wrote down
        Ok::<_, StoreError>(at.filter(|at| *at != 0).and_then(UtcTime::from_unix_seconds))
    };
    let beside = |place: usize| row.number(place).ok().flatten().and_then(UtcTime::from_unix_seconds);
    let times = Times {
        created: in_rows(10, "created_at")?,
        first_used: beside(14),
        last_used: in_rows(13, "last_used")?,
        retired: beside(15),
        deleted: in_rows(12, "deleted_at")?,
    };
    let updated = in_rows(11, "updated_at")?;
    let taken = beside(18).and_then(|noted| {
        let (role, gun) = (row.text(16).ok().flatten()?.to_owned(), row.text(17).ok().flatten()?.to_owned());
        Some(TakenRole { role, gun, noted })
    });
    let mut read = StoredKey {
        place: row.number(0).ok().flatten().ok_or_else(|| damaged("id"))?,
        key_id: text(1, "key_id")?,
        encryption: text(2, "encryption_alg")?,
        key_wrap: text(3, "keywrap_alg")?,
        algorithm: text(4, "algorithm")?,
        alias: text(5, "passphrase_alias")?,
        gun: text(6, "gun")?,
        role: text(7, "role")?,
        public: Vec::new(),
        sealed: Vec::new(),
        updated,
        times,
        taken,
    };
    let bytes = (row.take_bytes(8).ok().flatten(), row.take_bytes(9).ok().flatten());
    let (Some(public), Some(private)) = bytes else {
        return Err(StoreError::Damaged { key: KeyId::from_wire(&key), fact: "public or private" });
    };
    (read.public, read.sealed) = (public, private);
    Ok(read)
}
