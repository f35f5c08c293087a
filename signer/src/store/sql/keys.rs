//! Sealed keys in the reference's table, on any engine and beside any number of other signers.

use async_trait::async_trait;
use bulla_database::{Database, Engine, EngineName, Failure, Kind, Session, Value};
use ring::digest::{SHA256, digest};
use tuf_schema::UtcTime;
use tuf_schema::key::KeyId;

use super::record::{record, sound, waiting};
use super::roles;
use super::statements::Statements;
use super::wrapped;
use crate::seal::passphrase::Alias;
use crate::store::{KeyKind, KeyRecord, KeyStore, Purpose, StoreError};

/// How often a change is begun anew when other signers were first or the connection broke.
const ATTEMPTS: usize = 10;
/// How many uses are written down in one transaction, so that none holds its rows for long.
const USES_AT_ONCE: usize = 256;

/// The key that was there already, if there was one; or that its row is damaged.
type Inserted = Result<Option<KeyRecord>, StoreError>;

/// Keys in an SQL database.
pub(crate) struct SqlKeyStore<E: Engine> {
    pub(super) database: Database<E>,
    statements: Statements<E>,
    pub(super) wrapped: wrapped::Statements<E>,
    pub(super) roles: roles::Statements<E>,
}

impl<E: Engine> SqlKeyStore<E> {
    /// Over a database whose tables are up to date.
    pub(super) fn new(database: Database<E>) -> Self {
        Self {
            database,
            statements: Statements::new(),
            wrapped: wrapped::Statements::new(),
            roles: roles::Statements::new(),
        }
    }

    /// Fails when the table is not the reference's.
    pub(super) async fn read_table(&self) -> Result<(), Failure> {
        self.database.fetch(&self.statements.find, &[Value::Text("")]).await.map(|_| ())
    }

    /// One try of [`KeyStore::insert_unless_pending`].
    async fn try_insert(&self, record: &KeyRecord, now: UtcTime) -> Result<Inserted, Failure> {
        let mut transaction = self.database.begin().await?;
        let mut session = transaction.session()?;
        if let Some(take_lane) = &self.statements.take_lane {
            session.execute(take_lane, &[Value::Number(lane(record))]).await?;
        }
        let purpose = [
            Value::Text(record.purpose.gun_text()),
            Value::Text(record.purpose.role_text()),
            Value::Text(record.key.key_type().name()),
        ];
        let rows = session.fetch(&self.statements.pending, &purpose).await?;
        let pending = record.kind().map_or(Ok(None), |kind| waiting::<E>(rows, &kind));
        if matches!(pending, Ok(None)) {
            self.insert_into(&mut session, record, now).await?;
        }
        transaction.commit().await?;
        Ok(pending)
    }

    async fn insert_into(&self, session: &mut Session<'_, E>, record: &KeyRecord, now: UtcTime) -> Result<(), Failure> {
        let values = [
            time::<E>(Some(now)),
            Value::Text(record.key.id().as_str()),
            Value::Text(record.sealed.encryption()),
            Value::Text(record.sealed.key_wrap().name()),
            Value::Text(record.key.key_type().name()),
            Value::Text(record.alias.as_str()),
            Value::Bytes(record.key.public_bytes()),
            Value::Bytes(record.sealed.as_str().as_bytes()),
            Value::Text(record.purpose.gun_text()),
            Value::Text(record.purpose.role_text()),
            time::<E>(record.last_used),
        ];
        session.execute(&self.statements.insert, &values).await.map(|_| ())
    }

    async fn try_mark(&self, uses: &[&(KeyId, UtcTime)]) -> Result<(), Failure> {
        // a first use, which a signature waits for. Both may be done twice, and the first without the second.
        if let [(id, at)] = uses {
            let id = Value::Text(id.as_str());
            self.database.execute(&self.statements.note_first_use, &[id, Value::Number(at.unix_seconds())]).await?;
            return self.database.execute(&self.statements.mark_used, &[time::<E>(Some(*at)), id]).await.map(|_| ());
        }
        let mut transaction = self.database.begin().await?;
        let mut session = transaction.session()?;
        for (id, at) in uses {
            session.execute(&self.statements.mark_used, &[time::<E>(Some(*at)), Value::Text(id.as_str())]).await?;
        }
        transaction.commit().await
    }

    async fn try_delete(&self, id: &KeyId, now: UtcTime) -> Result<bool, Failure> {
        let mut transaction = self.database.begin().await?;
        let values = [Value::Text(id.as_str()), time::<E>(Some(now))];
        let deleted = transaction.session()?.execute(&self.statements.delete, &values).await?;
        transaction.commit().await?;
        Ok(deleted > 0)
    }

    /// Whether a row has the id, also a deleted one.
    async fn is_taken(&self, id: &KeyId) -> Result<bool, Failure> {
        let rows = self.database.fetch(&self.statements.is_taken, &[Value::Text(id.as_str())]).await?;
        Ok(!rows.is_empty())
    }
}

#[async_trait]
impl<E: Engine> KeyStore for SqlKeyStore<E> {
    async fn find(&self, id: &KeyId) -> Result<Option<KeyRecord>, StoreError> {
        if id.as_str().is_empty() {
            return Ok(None);
        }
        let rows = none_if_unfit(self.database.fetch(&self.statements.find, &[Value::Text(id.as_str())]).await)?;
        rows.into_iter().next().map(record::<E>).transpose()
    }

    async fn pending(&self, purpose: &Purpose, kind: &KeyKind) -> Result<Option<KeyRecord>, StoreError> {
        let purpose =
            [Value::Text(purpose.gun_text()), Value::Text(purpose.role_text()), Value::Text(kind.algorithm().name())];
        let rows = none_if_unfit(self.database.fetch(&self.statements.pending, &purpose).await)?;
        waiting::<E>(rows, kind)
    }

    async fn insert_unless_pending(&self, record: &KeyRecord, now: UtcTime) -> Result<Option<KeyRecord>, StoreError> {
        let mut attempts = Attempts::default();
        loop {
            let inserted = self.try_insert(record, now).await;
            if !attempts.go_on(&inserted) {
                return inserted?;
            }
            // a conflict may be the id itself; and an end that nobody heard of may have been a good one
            if self.is_taken(record.key.id()).await? {
                let stored = self.find(record.key.id()).await?;
                return match stored.filter(|stored| stored == record) {
                    Some(_) => Ok(None),
                    None => Err(StoreError::Duplicate(record.key.id().clone())),
                };
            }
        }
    }

    #[cfg(test)]
    async fn insert(&self, record: &KeyRecord, now: UtcTime) -> Result<(), StoreError> {
        let mut transaction = self.database.begin().await?;
        match self.insert_into(&mut transaction.session()?, record, now).await {
            Ok(()) => Ok(transaction.commit().await?),
            Err(Failure::Conflict(_)) => Err(StoreError::Duplicate(record.key.id().clone())),
            Err(failure) => Err(failure.into()),
        }
    }

    async fn mark_used(&self, uses: &[(KeyId, UtcTime)]) -> Result<(), StoreError> {
        // in one order, so that signers which write at the same time wait for each other and not in a circle
        let mut uses: Vec<_> = uses.iter().filter(|(id, _)| !id.as_str().is_empty()).collect();
        uses.sort();
        for uses in uses.chunks(USES_AT_ONCE) {
            let mut attempts = Attempts::default();
            loop {
                let marked = self.try_mark(uses).await;
                if !attempts.go_on(&marked) {
                    break marked?;
                }
            }
        }
        Ok(())
    }

    async fn delete(&self, id: &KeyId, now: UtcTime) -> Result<bool, StoreError> {
        if id.as_str().is_empty() {
            return Ok(false);
        }
        let mut attempts = Attempts::default();
        loop {
            let deleted = self.try_delete(id, now).await;
            if !attempts.go_on(&deleted) {
                return Ok(none_if_unfit(deleted)?);
            }
        }
    }

    async fn sealed_under(&self, alias: &Alias, limit: u32) -> Result<Vec<KeyRecord>, StoreError> {
        let values = [Value::Text(alias.as_str()), Value::Number(limit.into())];
        sound::<E>(self.database.fetch(&self.statements.sealed_under, &values).await?)
    }

    async fn newest(&self, limit: u32) -> Result<Vec<KeyId>, StoreError> {
        let rows = self.database.fetch(&self.statements.newest, &[Value::Number(limit.into())]).await?;
        Ok(rows.iter().filter_map(|row| row.text(0).ok().flatten()).map(KeyId::from_wire).collect())
    }

    async fn probe(&self) -> Result<(), StoreError> {
        self.database.fetch(&self.statements.probe, &[]).await?;
        Ok(())
    }
}

/// Counts how often a change that may be made twice was begun.
#[derive(Default)]
pub(super) struct Attempts(usize);

impl Attempts {
    /// Whether to begin anew: another writer was in the way, or the connection broke.
    pub(super) fn go_on<T>(&mut self, done: &Result<T, Failure>) -> bool {
        self.0 += 1;
        matches!(done, Err(Failure::Conflict(_) | Failure::Broken(_))) && self.0 < ATTEMPTS
    }
}

/// What a table cannot hold is not in it.
fn none_if_unfit<T: Default>(found: Result<T, Failure>) -> Result<T, Failure> {
    match found {
        Err(Failure::DoesNotFit(_)) => Ok(T::default()),
        found => found,
    }
}

/// Which of the 256 lanes the making of a key takes: always the same for the same purpose and algorithm.
fn lane(record: &KeyRecord) -> i64 {
    let of = [record.key.key_type().name(), record.purpose.gun_text(), record.purpose.role_text()].join("\0");
    digest(&SHA256, of.as_bytes()).as_ref().first().copied().unwrap_or_default().into()
}

/// A time as the table holds it: our own SQLite table in seconds.
pub(super) fn time<E: Engine>(at: Option<UtcTime>) -> Value<'static> {
    match (E::ENGINE, at) {
        (EngineName::Sqlite, Some(at)) => Value::Number(at.unix_seconds()),
        (EngineName::Postgres | EngineName::MySql, Some(at)) => Value::Time(at.to_utc().timestamp_micros()),
        (_, None) => Value::Null(Kind::Time),
    }
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::DoesNotFit(_) => Self::DoesNotFit(failure.into()),
            Failure::Conflict(_) | Failure::Unavailable(_) | Failure::Broken(_) | Failure::Silent | Failure::Row(_) => {
                Self::Unavailable(failure.into())
            }
        }
    }
}
