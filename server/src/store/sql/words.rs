//! What the engines write differently: the words from which the statements are put together.

use bulla_database::{Engine, EngineName, Value};
use tuf_schema::Gun;

use crate::store::Misfit;

/// How the columns of names compare and what they can hold. Learned once, when the database is opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Names {
    /// The character set of `tuf_files.gun`, as MySQL calls it; empty where every character fits.
    pub(super) charset: String,
    /// Its collation.
    pub(super) collation: String,
}

impl Names {
    /// Every character, compared exactly.
    pub(super) fn exact() -> Self {
        Self { charset: String::new(), collation: String::new() }
    }

    /// Whether the column can hold a GUN at all.
    pub(super) fn fit(&self, gun: &Gun) -> Result<(), Misfit> {
        let highest = match self.charset.as_str() {
            "" | "utf8mb4" | "binary" => return Ok(()),
            "utf8" | "utf8mb3" | "ucs2" => '\u{ffff}',
            // Of other sets we know that ASCII is in them.
            _ => '\u{7f}',
        };
        match gun.as_str().chars().find(|character| *character > highest) {
            Some(character) => Err(Misfit::Character { character, set: self.charset.clone() }),
            None => Ok(()),
        }
    }
}

/// A GUN for a column of our own tables.
pub(super) fn own_name<E: Engine>(gun: &Gun) -> Value<'_> {
    own_text::<E>(gun.as_str())
}

/// The same for a text that may be no GUN.
pub(super) fn own_text<E: Engine>(text: &str) -> Value<'_> {
    match E::ENGINE {
        EngineName::Sqlite | EngineName::Postgres => Value::Text(text),
        EngineName::MySql => Value::Bytes(text.as_bytes()),
    }
}

/// That a column of the reference's tables is byte for byte the parameter `place`.
pub(super) fn is<E: Engine>(column: &str, place: usize) -> String {
    match E::ENGINE {
        EngineName::Sqlite | EngineName::Postgres => format!("{column} = ${place}"),
        // First by the index, whose collation may take many names for one, then exactly.
        EngineName::MySql => format!("{column} = ${place} AND CAST({column} AS BINARY) = CAST(${place} AS BINARY)"),
    }
}

/// That `tuf_files.sha256` is the parameter `place`; by the index also on PostgreSQL, whose column pads.
pub(super) fn is_sha256<E: Engine>(place: usize) -> String {
    match E::ENGINE {
        EngineName::Sqlite | EngineName::MySql => format!("sha256 = ${place}"),
        EngineName::Postgres => format!("sha256 = ${place}::bpchar"),
    }
}

/// The newest of the rows of one digest, mostly the only one. Of a bare `version` SQLite would go by the index of versions,
/// and read them all, each behind its file.
pub(super) const NEWEST_OF_A_DIGEST: &str = "ORDER BY +version DESC LIMIT 1";

/// That a row `t` of `tuf_files` is of the GUN of a row `r` of our own tables, by the index of `t`.
pub(super) fn same_gun<E: Engine>(names: &Names) -> String {
    match E::ENGINE {
        EngineName::Sqlite => "t.gun = r.gun".to_owned(),
        EngineName::Postgres => "t.gun = r.gun COLLATE \"default\"".to_owned(),
        EngineName::MySql if names.charset == "binary" => "t.gun = r.gun".to_owned(),
        EngineName::MySql => format!(
            "t.gun = CONVERT(r.gun USING {}) COLLATE {} AND CAST(t.gun AS BINARY) = r.gun",
            names.charset, names.collation
        ),
    }
}

/// The same, by the index of `r`.
pub(super) fn same_own_gun<E: Engine>() -> &'static str {
    match E::ENGINE {
        EngineName::Sqlite => "r.gun = t.gun",
        EngineName::Postgres => "r.gun = t.gun COLLATE \"C\"",
        EngineName::MySql => "r.gun = CAST(t.gun AS BINARY)",
    }
}

/// A GUN of `tuf_files` that compares by its bytes.
pub(super) fn bytewise<E: Engine>(column: &str) -> String {
    match E::ENGINE {
        EngineName::Sqlite => column.to_owned(),
        EngineName::Postgres => format!("{column} COLLATE \"C\""),
        EngineName::MySql => format!("CAST({column} AS BINARY)"),
    }
}

/// The greater of two numbers.
pub(super) fn greater<E: Engine>(left: &str, right: &str) -> String {
    match E::ENGINE {
        EngineName::Sqlite => format!("max({left}, {right})"),
        EngineName::Postgres | EngineName::MySql => format!("GREATEST({left}, {right})"),
    }
}

/// What an insertion does when the row is there: change it.
pub(super) fn or_update<E: Engine>(key: &str) -> String {
    match E::ENGINE {
        EngineName::Sqlite | EngineName::Postgres => format!("ON CONFLICT ({key}) DO UPDATE SET"),
        EngineName::MySql => "ON DUPLICATE KEY UPDATE".to_owned(),
    }
}

/// An insertion that leaves a row that is there as it is: before and after the values.
pub(super) fn insert_or_leave<E: Engine>() -> (&'static str, &'static str) {
    match E::ENGINE {
        EngineName::Sqlite | EngineName::Postgres => ("INSERT INTO", "ON CONFLICT DO NOTHING"),
        EngineName::MySql => ("INSERT IGNORE INTO", ""),
    }
}

/// Several selections one after another, each with its own order and limit.
pub(super) fn all_of<E: Engine>(selections: &[String]) -> String {
    let selections: Vec<String> = selections
        .iter()
        .map(|selection| match E::ENGINE {
            EngineName::Sqlite => format!("SELECT * FROM ({selection})"),
            EngineName::Postgres | EngineName::MySql => format!("({selection})"),
        })
        .collect();
    selections.join(" UNION ALL ")
}
