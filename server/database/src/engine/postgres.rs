//! PostgreSQL.

use chrono::{DateTime, NaiveDateTime, Utc};
use sqlx::error::{BoxDynError, DatabaseError};
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::{Arguments as _, Postgres, Row as _, TypeInfo as _, ValueRef as _};

use super::{Engine, EngineName, runs_statements};
use crate::failure::Class;
use crate::value::{Cell, Kind, Value};

impl Engine for Postgres {
    const ENGINE: EngineName = EngineName::Postgres;

    const BEGIN: &'static str = "BEGIN";

    const BEGIN_READING: &'static str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

    fn bind(arguments: &mut PgArguments, value: Value<'_>) -> Result<(), BoxDynError> {
        match value {
            Value::Text(text) => arguments.add(text),
            Value::Number(number) => arguments.add(number),
            Value::Bytes(bytes) => arguments.add(bytes),
            Value::Time(micros) => arguments.add(naive(micros)?),
            Value::Null(Kind::Text) => arguments.add(None::<&str>),
            Value::Null(Kind::Number) => arguments.add(None::<i64>),
            Value::Null(Kind::Bytes) => arguments.add(None::<&[u8]>),
            Value::Null(Kind::Time) => arguments.add(None::<NaiveDateTime>),
        }
    }

    fn cell(row: &PgRow, place: usize) -> Result<Cell, sqlx::Error> {
        let value = row.try_get_raw(place)?;
        if value.is_null() {
            return Ok(Cell::Null);
        }
        let type_info = value.type_info().into_owned();
        Ok(match type_info.name() {
            "INT8" => Cell::Number(row.try_get_unchecked(place)?),
            "INT4" => Cell::Number(row.try_get_unchecked::<i32, _>(place)?.into()),
            "INT2" => Cell::Number(row.try_get_unchecked::<i16, _>(place)?.into()),
            "BOOL" => Cell::Number(row.try_get_unchecked::<bool, _>(place)?.into()),
            "BYTEA" => Cell::Bytes(row.try_get_unchecked(place)?),
            "TIMESTAMP" => Cell::Time(row.try_get_unchecked::<NaiveDateTime, _>(place)?.and_utc().timestamp_micros()),
            "TIMESTAMPTZ" => Cell::Time(row.try_get_unchecked::<DateTime<Utc>, _>(place)?.timestamp_micros()),
            _ => Cell::Text(row.try_get_unchecked(place)?),
        })
    }

    runs_statements!();

    fn class(error: &dyn DatabaseError) -> Class {
        match error.code().as_deref().unwrap_or_default() {
            // unique violation, serialization failure, deadlock, lock not available in time
            "23505" | "40001" | "40P01" | "55P03" => Class::Conflict,
            // a character that the database's encoding lacks, a text that is too long
            "22P05" | "22021" | "22001" => Class::DoesNotFit,
            // the end of the server or of the session, a server that starts, one that only reads after a failover
            "57P01" | "57P02" | "57P03" | "57P05" | "25P03" | "25006" => Class::Broken,
            code if code.starts_with("08") => Class::Broken,
            _ => Class::Unavailable,
        }
    }
}

fn naive(micros: i64) -> Result<NaiveDateTime, BoxDynError> {
    Ok(DateTime::from_timestamp_micros(micros).ok_or("no such time")?.naive_utc())
}
