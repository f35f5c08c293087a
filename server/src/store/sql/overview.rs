//! Repositories with what is newest of each, a page of them in one statement.

use std::collections::BTreeMap;

use bulla_database::{Database, Engine, Failure, Row, Value};
use bytes::Bytes;
use tuf_schema::{BaseRole, Gun, Role};

use super::read_failed;
use super::rows::{is_full, number, text, wrong};
use super::statements::Statements;
use super::words::{own_name, own_text};
use crate::store::overview::beginning_bytes;
use crate::store::{Beginning, OverviewPage, OverviewQuery, RepositoryRow, StoreError};

/// $1 from this name on, $2 but not this one, $3 how many are looked at.
pub(super) fn of_page(same_gun: &str) -> String {
    told(same_gun, "gun >= $1 AND gun <> $2 ORDER BY gun LIMIT $3")
}

/// $1 this name.
pub(super) fn of_one(same_gun: &str) -> String {
    told(same_gun, "gun = $1")
}

/// Of the repositories `meant` each name, whether files of it are there, and for each base role the version and the beginning
/// of its newest file. `same_gun` is the condition that a file `t` is of the repository `r`.
///
/// Each value is looked up by itself: a join is planned by the guessed number of rows, and a wrong guess reads every file.
fn told(same_gun: &str, meant: &str) -> String {
    let newest = |role: BaseRole, value: &str| {
        let role = Role::from(role);
        format!(
            "(SELECT {value} FROM tuf_files t WHERE {same_gun} AND t.role = '{}' AND t.deleted_at IS NULL \
             ORDER BY t.version DESC LIMIT 1)",
            role.as_str()
        )
    };
    let columns = BaseRole::ALL.map(|role| {
        let beginning = format!("substr(t.data, 1, {})", beginning_bytes(role));
        format!("{}, {}", newest(role, "t.version"), newest(role, &beginning))
    });
    // No EXISTS: PostgreSQL may answer many of them with a walk through the whole table.
    format!(
        "SELECT r.gun, CASE WHEN (SELECT 1 FROM tuf_files t WHERE {same_gun} AND t.deleted_at IS NULL LIMIT 1) = 1 \
         THEN 1 ELSE 0 END AS found, {} FROM (SELECT gun FROM bulla_repositories WHERE {meant}) AS r ORDER BY r.gun",
        columns.join(", ")
    )
}

/// Asks for a page.
pub(super) async fn page<E: Engine>(
    database: &Database<E>,
    statements: &Statements<E>,
    query: &OverviewQuery,
) -> Result<OverviewPage, StoreError> {
    let values = [own_text::<E>(query.first()), own_text::<E>(query.left_out()), Value::Number(query.limit.into())];
    let rows = found(database.fetch(&statements.overview, &values).await)?;
    let is_full = is_full(&rows, query.limit);
    let mut page = OverviewPage::default();
    for mut row in rows {
        let name = text(&row, 0)?.to_owned();
        // Names with one beginning stand together.
        if !name.starts_with(&query.prefix) {
            page.next = None;
            return Ok(page);
        }
        page.next = is_full.then(|| name.clone());
        page.repositories.extend(repository(&mut row, name)?);
    }
    Ok(page)
}

/// Asks for one repository.
pub(super) async fn one<E: Engine>(
    database: &Database<E>,
    statements: &Statements<E>,
    gun: &Gun,
) -> Result<Option<RepositoryRow>, StoreError> {
    let rows = found(database.fetch(&statements.overview_of, &[own_name::<E>(gun)]).await)?;
    let Some(mut row) = rows.into_iter().next() else { return Ok(None) };
    repository(&mut row, gun.as_str().to_owned())
}

/// No stored name is, or begins with, what the database cannot hold.
fn found(rows: Result<Vec<Row>, Failure>) -> Result<Vec<Row>, StoreError> {
    match rows {
        Err(Failure::DoesNotFit(_)) => Ok(Vec::new()),
        rows => rows.map_err(read_failed),
    }
}

/// What a row tells of the repository `name`; `None` when nothing of it is stored any more.
fn repository(row: &mut Row, name: String) -> Result<Option<RepositoryRow>, StoreError> {
    if number(row, 1)? == 0 {
        return Ok(None);
    }
    let mut newest = BTreeMap::new();
    for (role, place) in BaseRole::ALL.into_iter().zip((2_usize..).step_by(2)) {
        newest.extend(beginning(row, place)?.map(|beginning| (role, beginning)));
    }
    Ok(Some(RepositoryRow { name, newest }))
}

/// The columns version and bytes from `place` on; both are nothing where there is no file. A version that is no number
/// must not hide the other repositories.
fn beginning(row: &mut Row, place: usize) -> Result<Option<Beginning>, StoreError> {
    let bytes = row.take_bytes(place.saturating_add(1)).map_err(wrong)?;
    let version = row.number(place).ok().flatten();
    Ok(bytes.map(|bytes| Beginning { version, bytes: Bytes::from(bytes) }))
}
