//! Timestamps that were made by renewal, and what becomes of them when newer ones have come.

use bulla_database::{Database, Engine, Row, Session, Value};
use tuf_schema::UtcTime;

use super::rows::{is_full, number, text, to_micros};
use super::statements::Statements;
use super::words::own_text;
use super::{read_failed, unavailable};
use crate::store::{Dropped, RenewalKey, StoreError};

/// Looks at some renewals and removes the timestamps of those whose successor was stored before a time.
pub(super) async fn drop_superseded<E: Engine>(
    database: &Database<E>,
    statements: &Statements<E>,
    before: UtcTime,
    after: Option<&RenewalKey>,
    limit: u32,
) -> Result<Dropped, StoreError> {
    let (superseded, next) = superseded(database, statements, before, after, limit).await?;
    if superseded.is_empty() {
        return Ok(Dropped { timestamps: 0, next });
    }
    let mut transaction = database.begin().await.map_err(unavailable)?;
    let mut session = transaction.session().map_err(unavailable)?;
    let timestamps = write_superseded(&mut session, statements, &superseded).await?;
    transaction.commit().await.map_err(unavailable)?;
    Ok(Dropped { timestamps, next })
}

/// Those that are superseded, and the last one that was looked at if there may be more.
async fn superseded<E: Engine>(
    database: &Database<E>,
    statements: &Statements<E>,
    before: UtcTime,
    after: Option<&RenewalKey>,
    limit: u32,
) -> Result<(Vec<RenewalKey>, Option<RenewalKey>), StoreError> {
    let (gun, version) = after.map_or(("", 0), |after| (after.gun.as_str(), after.version));
    let values =
        [own_text::<E>(gun), Value::Number(version), Value::Number(limit.into()), Value::Time(to_micros(before))];
    let rows = database.fetch(&statements.superseded, &values).await.map_err(read_failed)?;
    let key = |row: &Row| Ok::<_, StoreError>(RenewalKey { gun: text(row, 0)?.to_owned(), version: number(row, 1)? });
    let mut superseded = Vec::new();
    for row in &rows {
        if number(row, 2)? != 0 {
            superseded.push(key(row)?);
        }
    }
    let next = if is_full(&rows, limit) { rows.last().map(key).transpose()? } else { None };
    Ok((superseded, next))
}

/// Removes superseded timestamps, by GUN and version, and says how many there were.
async fn write_superseded<E: Engine>(
    session: &mut Session<'_, E>,
    statements: &Statements<E>,
    superseded: &[RenewalKey],
) -> Result<u64, StoreError> {
    let mut dropped = 0_u64;
    for RenewalKey { gun, version } in superseded {
        let version = Value::Number(*version);
        let renewals = session.execute(&statements.drop_renewal, &[own_text::<E>(gun), version]).await;
        // Deleted since it was looked for: what bears its version now may be a publish's.
        if renewals.map_err(read_failed)? == 0 {
            continue;
        }
        let timestamps = session.execute(&statements.drop_timestamp, &[Value::Text(gun), version]).await;
        dropped = dropped.saturating_add(timestamps.map_err(read_failed)?);
    }
    Ok(dropped)
}
