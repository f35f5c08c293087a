//! What is written in one transaction: an update, a deletion. The same for every engine.

use std::collections::{BTreeMap, BTreeSet};

use bulla_database::{Engine, EngineName, Session, Statement, Value};
use tuf_schema::{Gun, Role, Sha256, UtcTime, Version};

use super::rows::{number, text, to_edition, to_micros};
use super::statements::{MAX_ROLES, Statements, insert_files, insert_files_and_change};
use super::words::own_name;
use super::{read_failed, write_failed};
use crate::publish::{NewFile, Origin, ValidatedUpdate};
use crate::store::{ChangeCategory, Edition, Misfit, StoreError, decisive_roles, follows};

/// The most files, and about the most bytes, of one statement: a server refuses packets beyond a limit.
const MAX_FILES: usize = 64;
const MAX_BYTES: usize = 4 * 1024 * 1024;

/// Writes the files of `update` and its change record, or says why it does not follow on what is stored. After an error
/// the transaction is to be taken back.
pub(super) async fn write_update<E: Engine>(
    session: &mut Session<'_, E>,
    statements: &Statements<E>,
    update: &ValidatedUpdate,
    now: UtcTime,
) -> Result<(), StoreError> {
    let gun = update.gun();
    statements.names.fit(gun).map_err(|reason| StoreError::DoesNotFit { reason })?;
    let failed = |failure| write_failed(failure, gun);
    take_repository(session, statements, gun, now, used_at(update, now)).await?;
    let newest = newest_of(session, statements, gun, &decisive_roles(update)).await?;
    follows(update, &newest)?;
    if update.base().is_none() && writes_of(session, statements, gun).await? != writes_after(update) {
        // Published and deleted since: its versions are not above those that were taken away.
        return Err(StoreError::Conflict { role: Role::Timestamp, current: None });
    }
    if update.base().is_none()
        && E::ENGINE == EngineName::MySql
        && let Some(stored) = equal_name(session, statements, gun).await?
    {
        return Err(StoreError::DoesNotFit { reason: Misfit::EqualName { stored } });
    }
    let timestamp = update.timestamp();
    let (version, sha256) = (Value::Number(timestamp.version().number().into()), timestamp.sha256().to_hex());
    let is_renewal = update.origin() == Origin::Renewal;
    let files: Vec<&NewFile> = update.files().collect();
    let mut rest = chunks(&files).into_iter().peekable();
    while let Some(chunk) = rest.next() {
        let hashes: Vec<String> = chunk.iter().map(|file| file.sha256().to_hex()).collect();
        let mut values = vec![Value::Time(to_micros(now)), Value::Text(gun.as_str())];
        for (file, sha256) in chunk.iter().zip(&hashes) {
            let number = file.version().number().into();
            let name = file.role().as_str();
            values.extend([Value::Text(name), Value::Number(number), Value::Text(sha256), Value::Bytes(file.bytes())]);
        }
        let is_last = rest.peek().is_none();
        let statement = if is_last && E::ENGINE == EngineName::Postgres {
            values.extend([version, Value::Text(&sha256), Value::Text(ChangeCategory::Update.as_str())]);
            insert_files_and_change(chunk.len(), is_renewal)
        } else {
            insert_files(chunk.len())
        };
        session.execute(&statement, &values).await.map_err(failed)?;
    }
    if E::ENGINE == EngineName::Postgres {
        return Ok(());
    }
    if is_renewal {
        session.execute(&statements.insert_renewal, &[own_name::<E>(gun), version]).await.map_err(failed)?;
    }
    write_change(session, statements, gun, now, version, &sha256, ChangeCategory::Update).await
}

/// How often the repository has been written to when this update was the next one.
fn writes_after(update: &ValidatedUpdate) -> i64 {
    update.writes().unwrap_or_default().saturating_add(1)
}

/// How often it has been written to, the transaction that holds it included.
async fn writes_of<E: Engine>(
    session: &mut Session<'_, E>,
    statements: &Statements<E>,
    gun: &Gun,
) -> Result<i64, StoreError> {
    let rows = session.fetch(&statements.writes, &[own_name::<E>(gun)]).await.map_err(read_failed)?;
    rows.first().map_or(Ok(0), |row| number(row, 0))
}

/// The use of its repository that an update is: the last one counts.
pub(super) fn used_at(update: &ValidatedUpdate, now: UtcTime) -> i64 {
    match update.origin() {
        Origin::Publish => to_micros(now),
        Origin::Renewal => 0,
    }
}

/// Removes the files of a GUN, keeps their highest versions as floors, and says whether there was one. When there was
/// none the transaction is to be taken back.
pub(super) async fn write_deletion<E: Engine>(
    session: &mut Session<'_, E>,
    statements: &Statements<E>,
    gun: &Gun,
    now: UtcTime,
) -> Result<bool, StoreError> {
    let failed = |failure| write_failed(failure, gun);
    take_repository(session, statements, gun, now, 0).await?;
    let names = [Value::Text(gun.as_str()), own_name::<E>(gun)];
    session.execute(&statements.raise_floors, &names).await.map_err(failed)?;
    let removed = session.execute(&statements.delete_files, &[Value::Text(gun.as_str())]).await.map_err(failed)?;
    if removed == 0 {
        return Ok(false);
    }
    session.execute(&statements.delete_renewals, &[own_name::<E>(gun)]).await.map_err(failed)?;
    let version = Value::Number(0);
    write_change(session, statements, gun, now, version, "", ChangeCategory::Deletion).await?;
    Ok(true)
}

/// The newest version and digest of each of `roles`; a statement for every [`MAX_ROLES`] of them.
pub(super) async fn newest_of<E: Engine>(
    session: &mut Session<'_, E>,
    statements: &Statements<E>,
    gun: &Gun,
    roles: &BTreeSet<Role>,
) -> Result<BTreeMap<Role, (Version, Sha256)>, StoreError> {
    let mut newest = BTreeMap::new();
    for (statement, values) in newest_questions(statements, gun, roles) {
        for row in session.fetch(&statement, &values).await.map_err(read_failed)? {
            newest_row(row, &mut newest)?;
        }
    }
    Ok(newest)
}

/// The statements that ask for the newest of `roles`, and their values.
pub(super) fn newest_questions<'a, E: Engine>(
    statements: &Statements<E>,
    gun: &'a Gun,
    roles: &'a BTreeSet<Role>,
) -> Vec<(std::sync::Arc<Statement<E>>, Vec<Value<'a>>)> {
    let roles: Vec<&Role> = roles.iter().collect();
    let question = |chunk: &[&'a Role]| {
        let (count, statement) = statements.newest_of(chunk.len())?;
        let mut values = vec![Value::Text(gun.as_str())];
        values.extend(chunk.iter().map(|role| Value::Text(role.as_str())));
        // Few statements for every number of roles: the last one is asked for again.
        let last = values.last().copied()?;
        values.resize(count.saturating_add(1), last);
        Some((statement, values))
    };
    roles.chunks(MAX_ROLES).filter_map(question).collect()
}

/// Reads a row of a role and the columns of an edition.
pub(super) fn newest_row(
    mut row: bulla_database::Row,
    newest: &mut BTreeMap<Role, (Version, Sha256)>,
) -> Result<(), StoreError> {
    let name = text(&row, 0)?;
    let role = Role::parse(name).map_err(|_| StoreError::Corrupt { what: format!("role {name:?}") })?;
    let Edition { version, sha256 } = to_edition(&mut row, 1)?;
    newest.insert(role, (version, sha256));
    Ok(())
}

/// Another GUN that the table does not tell from this one.
pub(super) async fn equal_name<E: Engine>(
    session: &mut Session<'_, E>,
    statements: &Statements<E>,
    gun: &Gun,
) -> Result<Option<String>, StoreError> {
    let rows = session.fetch(&statements.equal_name, &[Value::Text(gun.as_str())]).await.map_err(read_failed)?;
    rows.first().map(|row| text(row, 0).map(str::to_owned)).transpose()
}

/// The repository's row is its lock: whoever comes second waits here, and reads what the first one wrote.
pub(super) async fn take_repository<E: Engine>(
    session: &mut Session<'_, E>,
    statements: &Statements<E>,
    gun: &Gun,
    now: UtcTime,
    used_at: i64,
) -> Result<(), StoreError> {
    let values = [own_name::<E>(gun), Value::Number(to_micros(now)), Value::Number(used_at)];
    let taken = session.execute(&statements.take_repository, &values).await;
    taken.map(|_| ()).map_err(|failure| write_failed(failure, gun))
}

async fn write_change<E: Engine>(
    session: &mut Session<'_, E>,
    statements: &Statements<E>,
    gun: &Gun,
    now: UtcTime,
    version: Value<'_>,
    sha256: &str,
    category: ChangeCategory,
) -> Result<(), StoreError> {
    let values = [
        Value::Time(to_micros(now)),
        Value::Text(gun.as_str()),
        version,
        Value::Text(sha256),
        Value::Text(category.as_str()),
    ];
    let written = session.execute(&statements.insert_change, &values).await;
    written.map(|_| ()).map_err(|failure| write_failed(failure, gun))
}

/// Files that go into one statement each.
pub(super) fn chunks<'a, 'f>(files: &'a [&'f NewFile]) -> Vec<&'a [&'f NewFile]> {
    let mut chunks = Vec::new();
    let mut rest = files;
    while !rest.is_empty() {
        let mut bytes = 0_usize;
        let more = rest.iter().take(MAX_FILES).take_while(|file| {
            bytes = bytes.saturating_add(file.bytes().len());
            bytes <= MAX_BYTES
        });
        let (chunk, behind) = rest.split_at(more.count().max(1));
        chunks.push(chunk);
        rest = behind;
    }
    chunks
}
