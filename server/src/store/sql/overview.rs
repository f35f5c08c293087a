//! A page of repositories with what is newest of each, in one statement.

use std::collections::BTreeMap;

use bulla_database::{Database, Engine, Failure, Row, Value};
use bytes::Bytes;
use tuf_schema::{BaseRole, Role};

use super::read_failed;
use super::rows::{is_full, number, text, wrong};
use super::statements::Statements;
use super::words::own_text;
use crate::store::overview::beginning_bytes;
use crate::store::{Beginning, OverviewPage, OverviewQuery, RepositoryRow, StoreError};

/// $1 from this name on, $2 but not this one, $3 how many are looked at. Each name, whether files of it are there, and for
/// each base role the version and the beginning of its newest file. `same_gun` is the condition that a file `t` is of the
/// repository `r`.
///
/// Each value is looked up by itself: a join is planned by the guessed number of rows, and a wrong guess reads every file.
pub(super) fn statement(same_gun: &str) -> String {
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
         THEN 1 ELSE 0 END AS found, {} FROM (SELECT gun FROM bulla_repositories WHERE gun >= $1 AND gun <> $2 \
         ORDER BY gun LIMIT $3) AS r ORDER BY r.gun",
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
    let rows = match database.fetch(&statements.overview, &values).await {
        // No stored name begins with what the database cannot hold.
        Err(Failure::DoesNotFit(_)) => Vec::new(),
        rows => rows.map_err(read_failed)?,
    };
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
        if number(&row, 1)? != 0 {
            let mut newest = BTreeMap::new();
            for (role, place) in BaseRole::ALL.into_iter().zip((2_usize..).step_by(2)) {
                newest.extend(beginning(&mut row, place)?.map(|beginning| (role, beginning)));
            }
            page.repositories.push(RepositoryRow { name, newest });
        }
    }
    Ok(page)
}

/// The columns version and bytes from `place` on; both are nothing where there is no file. A version that is no number
/// must not hide the other repositories.
fn beginning(row: &mut Row, place: usize) -> Result<Option<Beginning>, StoreError> {
    let bytes = row.take_bytes(place.saturating_add(1)).map_err(wrong)?;
    let version = row.number(place).ok().flatten();
    Ok(bytes.map(|bytes| Beginning { version, bytes: Bytes::from(bytes) }))
}
