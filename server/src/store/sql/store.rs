//! The store over any engine.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use async_trait::async_trait;
use bulla_database::{Database, Engine, EngineName, Failure, PoolUse, Row, Statement, Value, to_its_end};
use tuf_schema::{Gun, Role, Sha256, UtcTime, Version};

use super::at_once::AtOnce;
use super::by_hash::ByHash;
use super::group::GroupCommit;
use super::newest_timestamp::NewestTimestamp;
use super::rows::{
    is_full, number, text, to_change, to_edition, to_file_key, to_file_row, to_floor, to_gun, to_micros, to_stored,
};
use super::statements::Statements;
use super::together::Together;
use super::unsettled::Feed;
use super::words::{Names, own_name, own_text};
use super::write::{equal_name, newest_questions, newest_row, write_deletion, write_update};
use super::{old_files, overview, renewals};
use super::{read_failed, unavailable, write_failed};
use crate::clock::Clock;
use crate::publish::ValidatedUpdate;
use crate::store::{
    Aging, AgingPage, Change, ChangeQuery, ChangeWindow, Dropped, FileKey, FileRow, Floors, Lease, MetadataStore,
    Misfit, Newest, OldFiles, OldFilesPage, OverviewPage, OverviewQuery, RenewalKey, RepositoryRow, StoreError, Stored,
};

/// How many files are looked at in one statement for repositories that have no row of ours.
const ADOPTED_AT_A_TIME: i64 = 10_000;

/// How many files behind the last one that was seen are looked at again: writers may end in another order than that of
/// their ids.
const ADOPTED_AGAIN: i64 = 10_000;

/// Metadata in SQL.
pub struct SqlStore<E: Engine> {
    clock: Arc<dyn Clock>,
    pub(super) database: Database<E>,
    pub(super) statements: Arc<Statements<E>>,
    /// On the engine with one writer.
    groups: Option<GroupCommit>,
    timestamps: Together<E, NewestTimestamp>,
    by_hash: ByHash<E>,
    feed: Feed,
    /// The highest id among the files whose repositories have a row of ours.
    adopted: AtomicI64,
    pub(super) longest_file: Option<usize>,
}

/// What a transaction needs that goes on when nobody waits for it any more.
struct Writer<E: Engine> {
    database: Database<E>,
    statements: Arc<Statements<E>>,
    clock: Arc<dyn Clock>,
}

impl<E: Engine> Writer<E> {
    async fn commit(&self, update: &ValidatedUpdate) -> Result<(), StoreError> {
        let Some(at_once) = AtOnce::of::<E>(update, self.clock.now()) else {
            return self.commit_in_steps(update).await;
        };
        match self.database.execute(&at_once.statement(), &at_once.values()).await {
            // Who was first and with which version is told by the other way.
            Ok(0) | Err(Failure::Conflict(_)) => self.commit_in_steps(update).await,
            Ok(_) => Ok(()),
            Err(Failure::Broken(error)) => match self.commit_in_steps(update).await {
                // Perhaps it was this update that came first: nobody knows.
                Err(StoreError::Conflict { .. }) => Err(unavailable(Failure::Broken(error))),
                done => done,
            },
            Err(failure) => Err(write_failed(failure, update.gun())),
        }
    }

    async fn commit_in_steps(&self, update: &ValidatedUpdate) -> Result<(), StoreError> {
        let mut transaction = self.database.begin().await.map_err(unavailable)?;
        let mut session = transaction.session().map_err(unavailable)?;
        match write_update(&mut session, &self.statements, update, self.clock.now()).await {
            Ok(()) => transaction.commit().await.map_err(|failure| write_failed(failure, update.gun())),
            Err(error) => {
                // Whatever becomes of it, nothing of the update counts.
                let _ = transaction.rollback().await;
                Err(error)
            }
        }
    }

    async fn delete(&self, gun: &Gun) -> Result<bool, StoreError> {
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
}

/// A transaction that was begun comes to its end also when the publisher hangs up: broken off in a statement it would
/// cost the database a session, and broken off at its end nobody would know whether it counts.
async fn ended<T: Send + 'static>(
    work: impl Future<Output = Result<T, StoreError>> + Send + 'static,
) -> Result<T, StoreError> {
    to_its_end(work).await.unwrap_or_else(|| Err(unavailable("the server is stopping")))
}

impl<E: Engine> SqlStore<E> {
    fn writer(&self) -> Writer<E> {
        let (statements, clock) = (Arc::clone(&self.statements), Arc::clone(&self.clock));
        Writer { database: self.database.clone(), statements, clock }
    }

    pub(super) fn over(database: Database<E>, names: Names, feed: Feed, clock: Arc<dyn Clock>) -> Self {
        let statements = Arc::new(Statements::new(names));
        let groups = match E::ENGINE {
            EngineName::Sqlite => Some(GroupCommit::start(database.clone(), statements.clone(), clock.clone())),
            EngineName::Postgres | EngineName::MySql => None,
        };
        Self {
            clock,
            timestamps: Together::new(database.clone()),
            by_hash: ByHash::new(database.clone()),
            database,
            statements,
            groups,
            feed,
            adopted: AtomicI64::new(0),
            longest_file: None,
        }
    }

    /// How long a file may be that the database takes, in bytes; `None` where it sets no limit of its own.
    #[must_use]
    pub fn longest_file(&self) -> Option<usize> {
        self.longest_file
    }

    /// How many of the database's connections are in use now.
    #[must_use]
    pub fn pools(&self) -> Vec<PoolUse> {
        self.database.pools()
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

    /// Gives each repository that another server stored a row of ours: at first all of them, then the newer ones.
    async fn adopt_new(&self) -> Result<(), StoreError> {
        let mut after = self.adopted.load(Ordering::Relaxed).saturating_sub(ADOPTED_AGAIN).max(0);
        let now = Value::Number(to_micros(self.clock.now()));
        loop {
            let range = [Value::Number(after), Value::Number(ADOPTED_AT_A_TIME)];
            let rows = self.database.fetch(&self.statements.adopt_up_to, &range).await.map_err(read_failed)?;
            let up_to = rows.first().map(|row| number(row, 0)).transpose()?.unwrap_or_default();
            if up_to <= after {
                self.adopted.fetch_max(after, Ordering::Relaxed);
                return Ok(());
            }
            let values = [now, Value::Number(after), Value::Number(up_to)];
            self.database.execute(&self.statements.adopt, &values).await.map_err(read_failed)?;
            after = up_to;
        }
    }
}

/// The GUNs among names of which the second column says whether they are asked for.
fn found_guns(rows: &[Row]) -> Result<Vec<Gun>, StoreError> {
    let mut guns = Vec::new();
    for row in rows {
        if number(row, 1)? != 0 {
            guns.extend(to_gun(row)?);
        }
    }
    Ok(guns)
}

#[async_trait]
impl<E: Engine> MetadataStore for SqlStore<E> {
    async fn latest(&self, gun: &Gun, role: &Role) -> Result<Option<Stored>, StoreError> {
        if self.statements.names.fit(gun).is_err() {
            return Ok(None);
        }
        if *role == Role::Timestamp {
            return self.timestamps.ask(NewestTimestamp(gun.clone())).await;
        }
        let values = [Value::Text(gun.as_str()), Value::Text(role.as_str())];
        self.file(gun, &self.statements.latest, &values).await
    }

    async fn newest(&self, gun: &Gun) -> Result<Newest, StoreError> {
        let values = [Value::Text(gun.as_str()), own_name::<E>(gun)];
        let mut newest = Newest::default();
        for mut row in self.rows_of(gun, &self.statements.newest, &values).await? {
            match text(&row, 0)? {
                "root" => newest.root = Some(to_stored(&mut row, 1)?),
                "targets" => newest.targets = Some(to_edition(&mut row, 1)?),
                "snapshot" => newest.snapshot = Some(to_stored(&mut row, 1)?),
                "timestamp" => newest.timestamp = Some(to_stored(&mut row, 1)?),
                _ => {
                    newest.floors =
                        Floors { snapshot: to_floor(number(&row, 1)?)?, timestamp: to_floor(number(&row, 5)?)? };
                    newest.writes = Some(number(&row, 6)?);
                }
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
                newest_row(row, &mut newest)?;
            }
        }
        Ok(newest)
    }

    async fn by_version(&self, gun: &Gun, role: &Role, version: Version) -> Result<Option<Stored>, StoreError> {
        let values = [Value::Text(gun.as_str()), Value::Text(role.as_str()), Value::Number(version.number().into())];
        self.file(gun, &self.statements.by_version, &values).await
    }

    async fn by_sha256(&self, gun: &Gun, role: &Role, sha256: &Sha256) -> Result<Option<Stored>, StoreError> {
        if self.statements.names.fit(gun).is_err() {
            return Ok(None);
        }
        if let Some(bytes) = self.by_hash.bytes(sha256) {
            return self.by_hash.file(gun, role, *sha256, bytes).await;
        }
        let digits = sha256.to_hex();
        let values = [Value::Text(gun.as_str()), Value::Text(role.as_str()), Value::Text(&digits)];
        let stored = self.file(gun, &self.statements.by_sha256, &values).await?;
        stored.iter().for_each(|stored| self.by_hash.remember(gun, role, stored));
        Ok(stored)
    }

    async fn listed(&self, gun: &Gun, role: &Role, sha256: &Sha256) -> Result<Option<Stored>, StoreError> {
        match self.by_hash.found_before(gun, role, sha256) {
            Some(stored) => Ok(Some(stored)),
            None => self.by_sha256(gun, role, sha256).await,
        }
    }

    async fn commit(&self, update: &ValidatedUpdate) -> Result<(), StoreError> {
        match &self.groups {
            Some(groups) => groups.commit(update).await,
            None => {
                let (writer, update) = (self.writer(), update.clone());
                let gun = update.gun().clone();
                match ended(async move { writer.commit(&update).await }).await {
                    Ok(()) => Ok(()),
                    Err(error) => Err(self.explained(&gun, error).await),
                }
            }
        }
    }

    async fn delete(&self, gun: &Gun) -> Result<bool, StoreError> {
        if self.statements.names.fit(gun).is_err() {
            return Ok(false);
        }
        let (writer, gun) = (self.writer(), gun.clone());
        ended(async move { writer.delete(&gun).await }).await
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
            // SQLite has one writer, and the records of one GUN get their numbers one after another, as its row is the lock.
            (ChangeWindow::Forward { after, .. }, None) if E::ENGINE != EngineName::Sqlite => {
                self.feed.settled(changes, after, self.clock.now())
            }
            _ => changes,
        })
    }

    async fn aging(&self, query: &Aging) -> Result<AgingPage, StoreError> {
        if query.after.is_none() {
            self.adopt_new().await?;
        }
        let values = [
            // No name is empty, so all of them come after "".
            own_text::<E>(query.after.as_deref().unwrap_or_default()),
            Value::Number(query.limit.into()),
            Value::Number(to_micros(query.used_since)),
            Value::Time(to_micros(query.before)),
        ];
        let rows = self.database.fetch(&self.statements.aging, &values).await.map_err(read_failed)?;
        let next = if is_full(&rows, query.limit) { rows.last() } else { None };
        let next = next.map(|row| text(row, 0).map(str::to_owned)).transpose()?;
        Ok(AgingPage { guns: found_guns(&rows)?, next })
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
        let too_late = to_micros(now.plus_seconds(i64::from(seconds).saturating_mul(2)));
        let mut values = vec![
            Value::Text(lease.as_str()),
            Value::Text(holder),
            Value::Number(until),
            Value::Number(to_micros(now)),
            Value::Number(too_late),
        ];
        if self.database.execute(&self.statements.prolong_lease, &values).await.map_err(read_failed)? > 0 {
            return Ok(true);
        }
        values.truncate(3);
        Ok(self.database.execute(&self.statements.new_lease, &values).await.map_err(read_failed)? > 0)
    }

    async fn give_back_lease(&self, lease: Lease, holder: &str) -> Result<(), StoreError> {
        let values = [Value::Text(lease.as_str()), Value::Text(holder)];
        self.database.execute(&self.statements.return_lease, &values).await.map(|_| ()).map_err(read_failed)
    }

    async fn drop_superseded(
        &self,
        before: UtcTime,
        after: Option<&RenewalKey>,
        limit: u32,
    ) -> Result<Dropped, StoreError> {
        renewals::drop_superseded(&self.database, &self.statements, before, after, limit).await
    }

    async fn guns(&self, after: Option<&Gun>, limit: u32) -> Result<Vec<Gun>, StoreError> {
        if after.is_none() {
            self.adopt_new().await?;
        }
        let mut after = after.map_or("", Gun::as_str).to_owned();
        // A page of which nothing is there any more, or is a GUN, is not the end.
        loop {
            let values = [own_text::<E>(&after), Value::Number(limit.into())];
            let rows = self.database.fetch(&self.statements.guns, &values).await.map_err(read_failed)?;
            let guns = found_guns(&rows)?;
            match rows.last() {
                Some(last) if guns.is_empty() => after = text(last, 0)?.to_owned(),
                _ => return Ok(guns),
            }
        }
    }

    async fn strange_names(&self, after: &str, limit: u32) -> Result<Vec<String>, StoreError> {
        if after.is_empty() {
            self.adopt_new().await?;
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

    async fn file_keys(&self, gun: &Gun, after: Option<i64>, limit: u32) -> Result<Vec<FileKey>, StoreError> {
        let values = [Value::Text(gun.as_str()), Value::Number(after.unwrap_or_default()), Value::Number(limit.into())];
        let rows = self.rows_of(gun, &self.statements.file_keys, &values).await?;
        rows.iter().map(to_file_key).collect()
    }

    async fn overview(&self, query: &OverviewQuery) -> Result<OverviewPage, StoreError> {
        overview::page(&self.database, &self.statements, query).await
    }

    async fn overview_of(&self, gun: &Gun) -> Result<Option<RepositoryRow>, StoreError> {
        overview::one(&self.database, &self.statements, gun).await
    }

    async fn adopt(&self) -> Result<(), StoreError> {
        self.adopt_new().await
    }

    async fn old_files(&self, gun: &Gun, query: &OldFiles<'_>) -> Result<OldFilesPage, StoreError> {
        let rows = self.rows_of(gun, &self.statements.old_files, &old_files::values(gun, query)).await?;
        old_files::meant(&rows, query).map(|(page, _)| page)
    }

    async fn remove_old_files(&self, gun: &Gun, query: &OldFiles<'_>) -> Result<OldFilesPage, StoreError> {
        let mut transaction = self.database.begin().await.map_err(unavailable)?;
        let mut session = transaction.session().map_err(unavailable)?;
        let now = self.clock.now();
        let page = old_files::write_removal(&mut session, &self.statements, gun, query, now).await?;
        transaction.commit().await.map_err(unavailable)?;
        Ok(page)
    }

    async fn check(&self) -> Result<(), StoreError> {
        if let Some(groups) = &self.groups {
            groups.check()?;
        }
        self.database.fetch(&self.statements.check, &[]).await.map(|_| ()).map_err(read_failed)
    }
}
