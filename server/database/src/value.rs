//! What goes into a statement and what comes out of a row: the few kinds of columns that the tables have.

use std::fmt;

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Text.
    Text,
    /// A whole number of any width.
    Number,
    /// Bytes.
    Bytes,
    /// A time in the engine's own form, as the reference's tables hold it; on SQLite microseconds as a number.
    Time,
}

/// A parameter of a statement.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Value<'a> {
    /// Text.
    Text(&'a str),
    /// A whole number.
    Number(i64),
    /// Bytes.
    Bytes(&'a [u8]),
    /// A time in microseconds since 1970 in UTC. An engine that keeps less rounds down.
    Time(i64),
    /// Nothing, in a place for the kind.
    Null(Kind),
}

/// The values themselves may be anybody's data.
impl fmt::Debug for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text(_) => "Text",
            Self::Number(_) => "Number",
            Self::Bytes(_) => "Bytes",
            Self::Time(_) => "Time",
            Self::Null(_) => "Null",
        })
    }
}

/// A value of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cell {
    /// Nothing.
    Null,
    /// Text.
    Text(String),
    /// A whole number.
    Number(i64),
    /// Bytes.
    Bytes(Vec<u8>),
    /// Microseconds since 1970 in UTC.
    Time(i64),
}

/// A row, its columns by their places in the statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row(Vec<Cell>);

/// A column that is not there, or of another kind than was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("column {place} of the row is no {kind:?}")]
pub struct WrongColumn {
    /// Where it was looked for, from 0.
    pub place: usize,
    /// What was looked for.
    pub kind: Kind,
}

impl Row {
    /// A row of these columns.
    #[must_use]
    pub fn new(cells: Vec<Cell>) -> Self {
        Self(cells)
    }

    /// Every column, in order.
    #[must_use]
    pub fn cells(&self) -> &[Cell] {
        &self.0
    }

    /// Text without the blanks that a `char` column adds behind it; `None` for nothing.
    ///
    /// # Errors
    /// [`WrongColumn`] when there is neither text nor the bytes of one.
    pub fn trimmed(&self, place: usize) -> Result<Option<&str>, WrongColumn> {
        Ok(self.text(place)?.map(|text| text.trim_end_matches(' ')))
    }

    /// Text as it is; `None` for nothing. Names in a binary column are text, too.
    ///
    /// # Errors
    /// [`WrongColumn`] when there is neither text nor the bytes of one.
    pub fn text(&self, place: usize) -> Result<Option<&str>, WrongColumn> {
        let wrong = WrongColumn { place, kind: Kind::Text };
        match self.0.get(place) {
            Some(Cell::Text(text)) => Ok(Some(text)),
            Some(Cell::Bytes(bytes)) => std::str::from_utf8(bytes).map(Some).map_err(|_| wrong),
            Some(Cell::Null) => Ok(None),
            Some(Cell::Number(_) | Cell::Time(_)) | None => Err(wrong),
        }
    }

    /// A number; `None` for nothing.
    ///
    /// # Errors
    /// [`WrongColumn`] when it is none.
    pub fn number(&self, place: usize) -> Result<Option<i64>, WrongColumn> {
        match self.0.get(place) {
            Some(Cell::Number(number)) => Ok(Some(*number)),
            Some(Cell::Null) => Ok(None),
            Some(Cell::Text(_) | Cell::Bytes(_) | Cell::Time(_)) | None => {
                Err(WrongColumn { place, kind: Kind::Number })
            }
        }
    }

    /// Microseconds since 1970; `None` for nothing.
    ///
    /// # Errors
    /// [`WrongColumn`] when it is no time.
    pub fn time(&self, place: usize) -> Result<Option<i64>, WrongColumn> {
        match self.0.get(place) {
            Some(Cell::Time(micros) | Cell::Number(micros)) => Ok(Some(*micros)),
            Some(Cell::Null) => Ok(None),
            Some(Cell::Text(_) | Cell::Bytes(_)) | None => Err(WrongColumn { place, kind: Kind::Time }),
        }
    }

    /// Takes bytes out of the row; `None` for nothing.
    ///
    /// # Errors
    /// [`WrongColumn`] when there are none.
    pub fn take_bytes(&mut self, place: usize) -> Result<Option<Vec<u8>>, WrongColumn> {
        match self.0.get_mut(place).map(|cell| std::mem::replace(cell, Cell::Null)) {
            Some(Cell::Bytes(bytes)) => Ok(Some(bytes)),
            Some(Cell::Text(text)) => Ok(Some(text.into_bytes())),
            Some(Cell::Null) => Ok(None),
            Some(Cell::Number(_) | Cell::Time(_)) | None => Err(WrongColumn { place, kind: Kind::Bytes }),
        }
    }
}
