//! Going through a table in batches that fit into memory and into one statement.

use bulla_database::{Cell, Engine, Failure, Session, Statement, Value};

use super::table::{Cells, Content, Key, Table};

/// How many rows are in a batch.
const BATCH_ROWS: i64 = 200;

/// How many bytes of files are in a batch; a longer file goes alone. What MySQL takes at once by default is more.
const BATCH_BYTES: i64 = 4 * 1024 * 1024;

/// The rows of a table, in the order of its key.
pub(super) struct Rows<'t> {
    table: &'t Table,
    after: After,
}

/// Up to where it was read.
enum After {
    Start,
    Id(i64),
    Text(String, i64),
}

impl<'t> Rows<'t> {
    pub(super) fn new(table: &'t Table) -> Self {
        Self { table, after: After::Start }
    }

    /// The next batch; `None` at the end.
    pub(super) async fn next<E: Engine>(
        &mut self,
        session: &mut Session<'_, E>,
    ) -> Result<Option<Vec<Cells>>, Failure> {
        let Table { name, key, .. } = self.table;
        let (names, keys) = (self.table.names(), key.columns());
        let rows = match (&self.after, key) {
            (After::Text(last, _), Key::Gun | Key::Name) => {
                let text = format!("SELECT {names} FROM {name} WHERE {keys} > $1 ORDER BY {keys} LIMIT {BATCH_ROWS}");
                session.fetch(&Statement::new(&text), &[Value::Text(last)]).await?
            }
            (After::Text(gun, version), Key::GunAndVersion) => {
                let beyond = "gun > $1 OR (gun = $1 AND version > $2)";
                let text = format!("SELECT {names} FROM {name} WHERE {beyond} ORDER BY {keys} LIMIT {BATCH_ROWS}");
                session.fetch(&Statement::new(&text), &[Value::Text(gun), Value::Number(*version)]).await?
            }
            (_, Key::Gun | Key::GunAndVersion | Key::Name) => {
                let text = format!("SELECT {names} FROM {name} ORDER BY {keys} LIMIT {BATCH_ROWS}");
                session.fetch(&Statement::new(&text), &[]).await?
            }
            (after, Key::Id) => {
                let after = if let After::Id(id) = after { *id } else { i64::MIN };
                let Some(last) = self.last_of_batch(session, after).await? else { return Ok(None) };
                let text = format!("SELECT {names} FROM {name} WHERE id > $1 AND id <= $2 ORDER BY id");
                session.fetch(&Statement::new(&text), &[Value::Number(after), Value::Number(last)]).await?
            }
        };
        let rows = rows.into_iter().map(|row| self.table.cells(row)).collect::<Result<Vec<_>, _>>()?;
        let Some(last) = rows.last() else { return Ok(None) };
        self.after = match last.as_slice() {
            [Cell::Number(id), ..] => After::Id(*id),
            [Cell::Text(gun), Cell::Number(version), ..] => After::Text(gun.clone(), *version),
            _ => return Ok(None),
        };
        Ok(Some(rows))
    }

    /// The id of the last row that is in the batch after the row `after`.
    async fn last_of_batch<E: Engine>(&self, session: &mut Session<'_, E>, after: i64) -> Result<Option<i64>, Failure> {
        let bytes = self.table.columns.iter().find(|column| column.content == Content::Bytes);
        let length = bytes.map_or_else(|| "0".to_owned(), |column| format!("length({})", column.name));
        let name = self.table.name;
        let text = format!("SELECT id, {length} FROM {name} WHERE id > $1 ORDER BY id LIMIT {BATCH_ROWS}");
        let mut last = None;
        let mut sum = 0_i64;
        for row in session.fetch(&Statement::new(&text), &[Value::Number(after)]).await? {
            sum = sum.saturating_add(row.number(1)?.unwrap_or_default());
            if last.is_some() && sum > BATCH_BYTES {
                break;
            }
            last = row.number(0)?;
        }
        Ok(last)
    }
}
