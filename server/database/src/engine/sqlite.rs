//! SQLite: times are numbers, columns have no types but values.

use sqlx::error::{BoxDynError, DatabaseError};
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{Arguments as _, Row as _, Sqlite, TypeInfo as _, ValueRef as _};

use super::{Engine, EngineName, runs_statements};
use crate::failure::Class;
use crate::value::{Cell, Value};

impl Engine for Sqlite {
    const ENGINE: EngineName = EngineName::Sqlite;

    // Takes the write lock before the first read, so what is compared is what is there at the commit.
    const BEGIN: &'static str = "BEGIN IMMEDIATE";

    // The first read makes the moment; the writer goes on.
    const BEGIN_READING: &'static str = "BEGIN";

    fn bind(arguments: &mut SqliteArguments, value: Value<'_>) -> Result<(), BoxDynError> {
        match value {
            Value::Text(text) => arguments.add(text.to_owned()),
            Value::Number(number) | Value::Time(number) => arguments.add(number),
            Value::Bytes(bytes) => arguments.add(bytes.to_vec()),
            Value::Null(_) => arguments.add(None::<i64>),
        }
    }

    fn cell(row: &SqliteRow, place: usize) -> Result<Cell, sqlx::Error> {
        let value = row.try_get_raw(place)?;
        if value.is_null() {
            return Ok(Cell::Null);
        }
        let type_info = value.type_info().into_owned();
        Ok(match type_info.name() {
            "INTEGER" => Cell::Number(row.try_get_unchecked(place)?),
            "BLOB" => Cell::Bytes(row.try_get_unchecked(place)?),
            _ => Cell::Text(row.try_get_unchecked(place)?),
        })
    }

    runs_statements!();

    fn class(error: &dyn DatabaseError) -> Class {
        if error.is_unique_violation() { Class::Conflict } else { Class::Unavailable }
    }
}
