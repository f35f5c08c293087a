//! MySQL and MariaDB.

use chrono::{DateTime, NaiveDateTime, Utc};
use sqlx::error::{BoxDynError, DatabaseError};
use sqlx::mysql::{MySqlArguments, MySqlDatabaseError, MySqlRow};
use sqlx::{Arguments as _, MySql, Row as _, TypeInfo as _, ValueRef as _};

use super::{Engine, EngineName, runs_statements};
use crate::failure::Class;
use crate::value::{Cell, Kind, Value};

const MICROS: i64 = 1_000_000;

impl Engine for MySql {
    const ENGINE: EngineName = EngineName::MySql;

    const BEGIN: &'static str = "START TRANSACTION";

    const BEGIN_READING: &'static str =
        "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY";

    fn bind(arguments: &mut MySqlArguments, value: Value<'_>) -> Result<(), BoxDynError> {
        match value {
            Value::Text(text) => arguments.add(text),
            Value::Number(number) => arguments.add(number),
            Value::Bytes(bytes) => arguments.add(bytes),
            // The columns keep seconds, and the database itself would round to the nearest one.
            Value::Time(micros) => arguments.add(in_seconds(micros)?),
            Value::Null(Kind::Text) => arguments.add(None::<&str>),
            Value::Null(Kind::Number) => arguments.add(None::<i64>),
            Value::Null(Kind::Bytes) => arguments.add(None::<&[u8]>),
            Value::Null(Kind::Time) => arguments.add(None::<NaiveDateTime>),
        }
    }

    fn cell(row: &MySqlRow, place: usize) -> Result<Cell, sqlx::Error> {
        let value = row.try_get_raw(place)?;
        if value.is_null() {
            return Ok(Cell::Null);
        }
        let type_info = value.type_info().into_owned();
        Ok(match type_info.name() {
            "BOOLEAN" | "TINYINT" | "SMALLINT" | "MEDIUMINT" | "INT" | "BIGINT" => {
                Cell::Number(row.try_get_unchecked(place)?)
            }
            "TINYINT UNSIGNED" | "SMALLINT UNSIGNED" | "MEDIUMINT UNSIGNED" | "INT UNSIGNED" | "BIGINT UNSIGNED" => {
                let number: u64 = row.try_get_unchecked(place)?;
                Cell::Number(i64::try_from(number).map_err(|error| sqlx::Error::Decode(error.into()))?)
            }
            "TIMESTAMP" | "DATETIME" => {
                Cell::Time(row.try_get_unchecked::<DateTime<Utc>, _>(place)?.timestamp_micros())
            }
            "BLOB" | "TINYBLOB" | "MEDIUMBLOB" | "LONGBLOB" | "BINARY" | "VARBINARY" => {
                Cell::Bytes(row.try_get_unchecked(place)?)
            }
            _ => Cell::Text(row.try_get_unchecked(place)?),
        })
    }

    runs_statements!();

    fn class(error: &dyn DatabaseError) -> Class {
        let number = error.try_downcast_ref::<MySqlDatabaseError>().map_or(0, MySqlDatabaseError::number);
        match number {
            // a row that is there, deadlock or failed certification, lock wait, a row changed since the snapshot
            1062 | 1205 | 1213 | 1020 => Class::Conflict,
            // a character that the column's set lacks (written, or compared with), a value that is too long
            1366 | 1267 | 1406 | 3988 => Class::DoesNotFit,
            // shutdown, killed, idle too long, a server that only reads after a failover, a node that is not ready
            1053 | 1927 | 4031 | 1290 | 1836 | 1047 => Class::Broken,
            _ => Class::Unavailable,
        }
    }
}

fn in_seconds(micros: i64) -> Result<NaiveDateTime, BoxDynError> {
    Ok(DateTime::from_timestamp(micros.div_euclid(MICROS), 0).ok_or("no such time")?.naive_utc())
}
