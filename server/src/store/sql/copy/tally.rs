//! The rows of a table counted and digested, to compare what was sent with what arrived.

use bulla_database::{Cell, EngineName};
use ring::digest::{Context, SHA256};

use super::table::Cells;

/// Microseconds of a second.
const SECOND: i64 = 1_000_000;

/// Rows so far.
pub(super) struct Tally {
    rows: u64,
    digest: Context,
    /// The reference's MySQL tables hold whole seconds.
    whole_seconds: bool,
}

impl Tally {
    /// Compares rows of these engines.
    pub(super) fn new(engines: [EngineName; 2]) -> Self {
        Self { rows: 0, digest: Context::new(&SHA256), whole_seconds: engines.contains(&EngineName::MySql) }
    }

    pub(super) fn add(&mut self, rows: &[Cells]) {
        for row in rows {
            self.rows = self.rows.saturating_add(1);
            for cell in row {
                self.add_cell(cell);
            }
        }
    }

    pub(super) fn rows(&self) -> u64 {
        self.rows
    }

    /// The digest of all of them, in hexadecimal.
    pub(super) fn digest(&self) -> String {
        hex::encode(self.digest.clone().finish())
    }

    /// Each cell by its kind, its length and its bytes, so that none runs over into the next.
    fn add_cell(&mut self, cell: &Cell) {
        let number;
        let (kind, bytes): (u8, &[u8]) = match cell {
            Cell::Null => (0, b""),
            Cell::Text(text) => (1, text.as_bytes()),
            Cell::Bytes(bytes) => (2, bytes),
            Cell::Number(value) => {
                number = value.to_be_bytes();
                (3, &number)
            }
            Cell::Time(micros) => {
                number = if self.whole_seconds { micros.div_euclid(SECOND) } else { *micros }.to_be_bytes();
                (4, &number)
            }
        };
        self.digest.update(&[kind]);
        self.digest.update(&u64::try_from(bytes.len()).unwrap_or(u64::MAX).to_be_bytes());
        self.digest.update(bytes);
    }
}
