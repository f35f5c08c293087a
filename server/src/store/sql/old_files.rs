//! Superseded files of a repository, found and removed a page at a time.

use bulla_database::{Engine, EngineName, Row, Session, Value};
use tuf_schema::{Gun, UtcTime};

use super::read_failed;
use super::rows::{is_full, number, text, to_micros, wrong};
use super::statements::Statements;
use super::words::is;
use super::write::take_repository;
use crate::store::{OldFiles, OldFilesPage, StoreError};

/// How many files one statement removes.
const REMOVED_AT_ONCE: usize = 64;

/// $1 GUN, $2 after this id, $3 how many are looked at, $4 time. Of each file the id, role, digest and length, and whether
/// one with a higher version was stored before the time.
pub(super) fn find<E: Engine>() -> String {
    let same_role = match E::ENGINE {
        EngineName::Sqlite | EngineName::Postgres => "t.role = f.role",
        EngineName::MySql => "t.role = f.role AND CAST(t.role AS BINARY) = CAST(f.role AS BINARY)",
    };
    format!(
        "SELECT f.id, f.role, f.sha256, f.bytes, CASE WHEN (SELECT t.created_at FROM tuf_files t WHERE {} AND {same_role} \
         AND t.version > f.version AND t.deleted_at IS NULL ORDER BY t.version LIMIT 1) < $4 THEN 1 ELSE 0 END AS found \
         FROM (SELECT id, role, version, sha256, length(data) AS bytes FROM tuf_files WHERE {} AND id > $2 \
         AND deleted_at IS NULL ORDER BY id LIMIT $3) AS f ORDER BY f.id",
        is::<E>("t.gun", 1),
        is::<E>("gun", 1),
    )
}

/// $1 ... ids, [`REMOVED_AT_ONCE`] of them.
pub(super) fn remove() -> String {
    let places: Vec<String> = (1..=REMOVED_AT_ONCE).map(|place| format!("${place}")).collect();
    format!("DELETE FROM tuf_files WHERE id IN ({})", places.join(", "))
}

/// The parameters of [`find`].
pub(super) fn values<'a>(gun: &'a Gun, query: &OldFiles<'_>) -> [Value<'a>; 4] {
    let (after, limit) = (query.after.unwrap_or_default(), query.limit.into());
    [Value::Text(gun.as_str()), Value::Number(after), Value::Number(limit), Value::Time(to_micros(query.before))]
}

/// What is meant of the rows of [`find`], and their ids.
pub(super) fn meant(rows: &[Row], query: &OldFiles<'_>) -> Result<(OldFilesPage, Vec<i64>), StoreError> {
    let (mut page, mut ids) = (OldFilesPage::default(), Vec::new());
    for row in rows {
        let sha256 = row.trimmed(2).map_err(wrong)?.unwrap_or_default();
        if number(row, 4)? != 0 && query.mean(text(row, 1)?, sha256) {
            page.add(number(row, 3)?);
            ids.push(number(row, 0)?);
        }
    }
    if is_full(rows, query.limit) {
        page.next = rows.last().map(|row| number(row, 0)).transpose()?;
    }
    Ok((page, ids))
}

/// Removes what is meant. Publishes to the repository wait meanwhile, so that nobody's next version is taken for this one's.
pub(super) async fn write_removal<E: Engine>(
    session: &mut Session<'_, E>,
    statements: &Statements<E>,
    gun: &Gun,
    query: &OldFiles<'_>,
    now: UtcTime,
) -> Result<OldFilesPage, StoreError> {
    // it counts as no use
    take_repository(session, statements, gun, now, 0).await?;
    let rows = session.fetch(&statements.old_files, &values(gun, query)).await.map_err(read_failed)?;
    let (page, ids) = meant(&rows, query)?;
    for chunk in ids.chunks(REMOVED_AT_ONCE) {
        // an id that is named twice is one file
        let repeated = chunk.iter().chain(std::iter::repeat(chunk.last().unwrap_or(&0)));
        let ids: Vec<Value<'_>> = repeated.take(REMOVED_AT_ONCE).map(|id| Value::Number(*id)).collect();
        session.execute(&statements.remove_files, &ids).await.map_err(read_failed)?;
    }
    Ok(page)
}
