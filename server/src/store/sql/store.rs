//! The store over any engine.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use bulla_database::{Database, Engine, EngineName, Failure, Row, Statement, Value};
use tuf_schema::{Gun, Role, Sha256, UtcTime, Version};

use super::group::GroupCommit;
use super::rows::{number, text, to_change, to_file_row, to_floor, to_gun, to_micros, to_stored};
use super::statements::Statements;
use super::words::{Names, own_name, own_text};
use super::write::{equal_name, newest_questions, newest_row, write_deletion, write_superseded, write_update};
use super::{read_failed, unavailable, write_failed};
use crate::clock::Clock;
use crate::publish::ValidatedUpdate;
use crate::store::{
    Aging, Change, ChangeQuery, ChangeWindow, FileRow, Lease, MetadataStore, Misfit, Newest, StoreError, Stored,
};

/// For how long a number that is missing in the feed may belong to a writer that has not come to its end. Longer than
/// any transaction of ours lives: the database ends what takes longer.
const UNSETTLED_SECONDS: i64 = 15;

/// Metadata in SQL.
pub struct SqlStore<E: Engine> {
    clock: Arc<dyn Clock>,
    pub(super) database: Database<E>,
    statements: Arc<Statements<E>>,
    /// On the engine with one writer.
    groups: Option<GroupCommit>,
    /// How far apart the feed's numbers are: more than 1 on a cluster whose nodes take turns.
    feed_step: i64,
}

impl<E: Engine> SqlStore<E> {
    pub(super) fn over(database: Database<E>, names: Names, feed_step: i64, clock: Arc<dyn Clock>) -> Self {
        let statements = Arc::new(Statements::new(names));
        let groups = match E::ENGINE {
            EngineName::Sqlite => Some(GroupCommit::start(database.clone(), statements.clone(), clock.clone())),
            EngineName::Postgres | EngineName::MySql => None,
        };
        Self { clock, database, statements, groups, feed_step }
    }

    /// Waits for what is being written and closes the database.
    pub async fn close(&self) {
        self.database.close().await;
    }

    /// The rows about a GUN. What the table cannot hold is not in it.
    async fn rows_of(&self, gun: &Gun, statement: &Statement<E>, values: &[Value<'_>]) -> Result<Vec<Row>, StoreError> {
        if self.statements.names.fit(gun).is_err() {
            return Ok(Vec::new());
        }
        match self.database.fetch(statement, values).await {
            Err(Failure::DoesNotFit(_)) => Ok(Vec::new()),
            rows => rows.map_err(read_failed),
        }
    }

    async fn file(
        &self,
        gun: &Gun,
        statement: &Statement<E>,
        values: &[Value<'_>],
    ) -> Result<Option<Stored>, StoreError> {
        let mut rows = self.rows_of(gun, statement, values).await?;
        rows.first_mut().map(|row| to_stored(row, 0)).transpose()
    }

    async fn commit_alone(&self, update: &ValidatedUpdate) -> Result<(), StoreError> {
        let mut transaction = self.database.begin().await.map_err(unavailable)?;
        let mut session = transaction.session().map_err(unavailable)?;
        let written = write_update(&mut session, &self.statements, update, self.clock.now()).await;
        match written {
            Ok(()) => transaction.commit().await.map_err(|failure| write_failed(failure, update.gun())),
            Err(error) => {
                // Whatever becomes of it, nothing of the update counts.
                let _ = transaction.rollback().await;
                Err(error)
            }
        }
    }

    /// A conflict that the database found, with what it was about.
    async fn explained(&self, gun: &Gun, error: StoreError) -> StoreError {
        match error {
            StoreError::Conflict { role: Role::Timestamp, current: None } => {
                if let Ok(Some(stored)) = self.equal_name(gun).await {
                    return StoreError::DoesNotFit { reason: Misfit::EqualName { stored } };
                }
                let newest = self.newest_of(gun, &BTreeSet::from([Role::Timestamp])).await.unwrap_or_default();
                let current = newest.get(&Role::Timestamp).map(|(version, _)| *version);
                StoreError::Conflict { role: Role::Timestamp, current }
            }
            other => other,
        }
    }

    async fn equal_name(&self, gun: &Gun) -> Result<Option<String>, StoreError> {
        if E::ENGINE != EngineName::MySql {
            return Ok(None);
        }
        let mut transaction = self.database.begin().await.map_err(unavailable)?;
        let mut session = transaction.session().map_err(unavailable)?;
        let found = equal_name(&mut session, &self.statements, gun).await?;
        transaction.rollback().await.map_err(unavailable)?;
        Ok(found)
    }

    /// The GUNs that a statement answers page by page; `values` gives its values for the name after which a page
    /// begins. A page of which nothing is a GUN is not the end.
    async fn page(
        &self,
        statement: &Statement<E>,
        after: Option<&Gun>,
        values: impl Fn(&str) -> Vec<OwnedValue>,
    ) -> Result<Vec<Gun>, StoreError> {
        // No GUN is empty, so all of them come after "".
        let mut after = after.map_or("", Gun::as_str).to_owned();
        loop {
            let owned = values(&after);
            let values: Vec<Value<'_>> = owned.iter().map(|value| value.lent::<E>()).collect();
            let rows = self.database.fetch(statement, &values).await.map_err(read_failed)?;
            let mut guns = Vec::with_capacity(rows.len());
            for row in &rows {
                guns.extend(to_gun(row)?);
            }
            match rows.last() {
                Some(last) if guns.is_empty() => after = text(last, 0)?.to_owned(),
                _ => return Ok(guns),
            }
        }
    }

    /// The records before the first number that may yet come: numbers are given before a transaction ends, and who
    /// reads on from the last record he saw would never meet it.
    fn settled(&self, records: Vec<Change>, after: i64) -> Vec<Change> {
        if E::ENGINE == EngineName::Sqlite {
            return records;
        }
        let now = self.clock.now();
        let mut last = after;
        let settled = records.into_iter().take_while(|record| {
            let is_gap = record.id > last.saturating_add(self.feed_step);
            last = record.id;
            let age = now.unix_seconds().saturating_sub(record.created_at.unix_seconds());
            !is_gap || age.abs() > UNSETTLED_SECONDS
        });
        settled.collect()
    }
}

/// A value of a page's statement.
enum OwnedValue {
    /// A name, for our own tables.
    OwnName(String),
    /// A name, for the reference's.
    Name(String),
    Number(i64),
    Time(i64),
}

impl OwnedValue {
    fn lent<E: Engine>(&self) -> Value<'_> {
        match self {
            Self::OwnName(name) => own_text::<E>(name),
            Self::Name(name) => Value::Text(name),
            Self::Number(number) => Value::Number(*number),
            Self::Time(micros) => Value::Time(*micros),
        }
    }
}

#[async_trait]
impl<E: Engine> MetadataStore for SqlStore<E> {
    async fn latest(&self, gun: &Gun, role: &Role) -> Result<Option<Stored>, StoreError> {
        let values = [Value::Text(gun.as_str()), Value::Text(role.as_str())];
        self.file(gun, &self.statements.latest, &values).await
    }

    async fn newest(&self, gun: &Gun) -> Result<Newest, StoreError> {
        let values = [Value::Text(gun.as_str()), own_name::<E>(gun)];
        let mut newest = Newest::default();
        for mut row in self.rows_of(gun, &self.statements.newest, &values).await? {
            match text(&row, 0)? {
                "root" => newest.root = Some(to_stored(&mut row, 1)?),
                "targets" => newest.targets = Some(to_stored(&mut row, 1)?),
                "snapshot" => newest.snapshot = Some(to_stored(&mut row, 1)?),
                "timestamp" => newest.timestamp = Some(to_stored(&mut row, 1)?),
                "snapshot floor" => newest.floors.snapshot = to_floor(number(&row, 1)?)?,
                _ => newest.floors.timestamp = to_floor(number(&row, 1)?)?,
            }
        }
        Ok(newest)
    }

    async fn newest_of(
        &self,
        gun: &Gun,
        roles: &BTreeSet<Role>,
    ) -> Result<BTreeMap<Role, (Version, Sha256)>, StoreError> {
        let mut newest = BTreeMap::new();
        for (statement, values) in newest_questions(&self.statements, gun, roles) {
            for row in self.rows_of(gun, &statement, &values).await? {
                newest_row(&row, &mut newest)?;
            }
        }
        Ok(newest)
    }

    async fn by_version(&self, gun: &Gun, role: &Role, version: Version) -> Result<Option<Stored>, StoreError> {
        let values = [Value::Text(gun.as_str()), Value::Text(role.as_str()), Value::Number(version.number().into())];
        self.file(gun, &self.statements.by_version, &values).await
    }

    async fn by_sha256(&self, gun: &Gun, role: &Role, sha256: &Sha256) -> Result<Option<Stored>, StoreError> {
        let sha256 = sha256.to_hex();
        let values = [Value::Text(gun.as_str()), Value::Text(role.as_str()), Value::Text(&sha256)];
        self.file(gun, &self.statements.by_sha256, &values).await
    }

    async fn commit(&self, update: &ValidatedUpdate) -> Result<(), StoreError> {
        match &self.groups {
            Some(groups) => groups.commit(update).await,
            None => match self.commit_alone(update).await {
                Ok(()) => Ok(()),
                Err(error) => Err(self.explained(update.gun(), error).await),
            },
        }
    }

    async fn delete(&self, gun: &Gun) -> Result<bool, StoreError> {
        if self.statements.names.fit(gun).is_err() {
            return Ok(false);
        }
        let mut transaction = self.database.begin().await.map_err(unavailable)?;
        let mut session = transaction.session().map_err(unavailable)?;
        let removed = write_deletion(&mut session, &self.statements, gun, self.clock.now()).await;
        match removed {
            Ok(true) => transaction.commit().await.map_err(|failure| write_failed(failure, gun))?,
            Ok(false) | Err(_) => {
                let _ = transaction.rollback().await;
            }
        }
        removed
    }

    async fn changes(&self, query: &ChangeQuery) -> Result<Vec<Change>, StoreError> {
        let window = query.window();
        let statements = &self.statements;
        let (statement, edge, limit) = match (window, &query.gun) {
            (ChangeWindow::Forward { after, limit }, None) => (&statements.forward, after, limit),
            (ChangeWindow::Forward { after, limit }, Some(_)) => (&statements.forward_of_gun, after, limit),
            (ChangeWindow::Backward { before, limit }, None) => {
                (&statements.backward, before.unwrap_or(i64::MAX), limit)
            }
            (ChangeWindow::Backward { before, limit }, Some(_)) => {
                (&statements.backward_of_gun, before.unwrap_or(i64::MAX), limit)
            }
        };
        let mut values = vec![Value::Number(edge), Value::Number(i64::try_from(limit).unwrap_or(i64::MAX))];
        let rows = match &query.gun {
            Some(gun) => {
                values.push(Value::Text(gun.as_str()));
                self.rows_of(gun, statement, &values).await?
            }
            None => self.database.fetch(statement, &values).await.map_err(read_failed)?,
        };
        let mut changes = rows.iter().map(to_change).collect::<Result<Vec<_>, _>>()?;
        changes.sort_by_key(|change| change.id);
        Ok(match (window, &query.gun) {
            // The records of one GUN get their numbers one after another, as its row is the lock.
            (ChangeWindow::Forward { after, .. }, None) => self.settled(changes, after),
            _ => changes,
        })
    }

    async fn aging(&self, query: &Aging) -> Result<Vec<Gun>, StoreError> {
        if query.after.is_none() {
            let now = to_micros(self.clock.now());
            self.database.execute(&self.statements.adopt, &[Value::Number(now)]).await.map_err(read_failed)?;
        }
        let values = |after: &str| {
            vec![
                OwnedValue::OwnName(after.to_owned()),
                OwnedValue::Number(to_micros(query.used_since)),
                OwnedValue::Time(to_micros(query.before)),
                OwnedValue::Number(query.limit.into()),
            ]
        };
        self.page(&self.statements.aging, query.after.as_ref(), values).await
    }

    async fn note_use(&self, guns: &[Gun], at: UtcTime) -> Result<(), StoreError> {
        for gun in guns.iter().filter(|gun| self.statements.names.fit(gun).is_ok()) {
            let values = [own_name::<E>(gun), Value::Number(to_micros(at)), Value::Text(gun.as_str())];
            self.database.execute(&self.statements.note_use, &values).await.map_err(read_failed)?;
        }
        Ok(())
    }

    async fn take_lease(&self, lease: Lease, holder: &str, now: UtcTime, seconds: u32) -> Result<bool, StoreError> {
        let until = to_micros(now.plus_seconds(seconds.into()));
        let mut values =
            vec![Value::Text(lease.as_str()), Value::Text(holder), Value::Number(until), Value::Number(to_micros(now))];
        if self.database.execute(&self.statements.prolong_lease, &values).await.map_err(read_failed)? > 0 {
            return Ok(true);
        }
        values.truncate(3);
        Ok(self.database.execute(&self.statements.new_lease, &values).await.map_err(read_failed)? > 0)
    }

    async fn drop_superseded(&self, before: UtcTime, limit: u32) -> Result<u64, StoreError> {
        let mut transaction = self.database.begin().await.map_err(unavailable)?;
        let mut session = transaction.session().map_err(unavailable)?;
        let dropped = write_superseded(&mut session, &self.statements, before, limit).await?;
        transaction.commit().await.map_err(unavailable)?;
        Ok(dropped)
    }

    async fn guns(&self, after: Option<&Gun>, limit: u32) -> Result<Vec<Gun>, StoreError> {
        let values = |after: &str| vec![OwnedValue::Name(after.to_owned()), OwnedValue::Number(limit.into())];
        self.page(&self.statements.guns, after, values).await
    }

    async fn strange_names(&self, after: &str, limit: u32) -> Result<Vec<String>, StoreError> {
        if after.is_empty() {
            self.adopt().await?;
        }
        let mut after = after.to_owned();
        loop {
            let values = [own_text::<E>(&after), Value::Number(limit.into())];
            let rows = self.database.fetch(&self.statements.guns, &values).await.map_err(read_failed)?;
            let mut strange = Vec::new();
            for row in &rows {
                let name = text(row, 0)?;
                if number(row, 1)? != 0 && Gun::parse(name).is_err() {
                    strange.push(name.to_owned());
                }
            }
            match rows.last() {
                Some(last) if strange.is_empty() => after = text(last, 0)?.to_owned(),
                _ => return Ok(strange),
            }
        }
    }

    async fn files(&self, gun: &Gun, after: Option<i64>, limit: u32) -> Result<Vec<FileRow>, StoreError> {
        let values = [Value::Text(gun.as_str()), Value::Number(after.unwrap_or_default()), Value::Number(limit.into())];
        let mut rows = self.rows_of(gun, &self.statements.files, &values).await?;
        rows.iter_mut().map(to_file_row).collect()
    }

    async fn check(&self) -> Result<(), StoreError> {
        if let Some(groups) = &self.groups {
            groups.check()?;
        }
        self.database.fetch(&self.statements.check, &[]).await.map(|_| ()).map_err(read_failed)
    }
}
