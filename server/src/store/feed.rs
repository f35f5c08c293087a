//! The change feed: which records are asked for, and what a record says.

use tuf_schema::{Gun, UtcTime};

/// The number of change records that one answer holds when none is asked for.
pub const DEFAULT_CHANGE_RECORDS: u64 = 100;

/// Which change records are asked for (the reference's two numbers and their meaning).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeQuery {
    /// Only records of this GUN.
    pub gun: Option<Gun>,
    /// Where to start; negative means "from the latest backwards".
    pub change_id: i64,
    /// How many; negative means backwards, 0 means [`DEFAULT_CHANGE_RECORDS`].
    pub records: i64,
}

/// A [`ChangeQuery`] as every store carries it out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ChangeWindow {
    /// The oldest `limit` records with an id above `after`.
    Forward { after: i64, limit: u64 },
    /// The newest `limit` records, with an id below `before` if it is there.
    Backward { before: Option<i64>, limit: u64 },
}

impl ChangeQuery {
    pub(crate) fn window(&self) -> ChangeWindow {
        let limit = if self.records == 0 { DEFAULT_CHANGE_RECORDS } else { self.records.unsigned_abs() };
        if self.records < 0 || self.change_id < 0 {
            ChangeWindow::Backward { before: (self.change_id > 0).then_some(self.change_id), limit }
        } else {
            ChangeWindow::Forward { after: self.change_id, limit }
        }
    }
}

/// One record of the change feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Ascending, never used twice.
    pub id: i64,
    /// When it happened.
    pub created_at: UtcTime,
    /// The GUN it happened to.
    pub gun: String,
    /// The version of the stored timestamp; 0 for a deletion.
    pub version: u32,
    /// The digest of the stored timestamp in hexadecimal; empty for a deletion.
    pub sha256: String,
    /// What happened.
    pub category: ChangeCategory,
}

/// What a change record tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeCategory {
    /// A new timestamp was stored.
    Update,
    /// Every file of the GUN was removed.
    Deletion,
}

impl ChangeCategory {
    /// The name in the feed and in the database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Update => "update",
            Self::Deletion => "deletion",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(change_id: i64, records: i64) -> ChangeWindow {
        ChangeQuery { gun: None, change_id, records }.window()
    }

    #[test]
    fn positive_numbers_read_forward() {
        assert_eq!(window(5, 10), ChangeWindow::Forward { after: 5, limit: 10 });
        assert_eq!(window(0, 0), ChangeWindow::Forward { after: 0, limit: 100 });
    }

    #[test]
    fn negative_records_read_backward_from_the_id_or_from_the_latest() {
        assert_eq!(window(5, -3), ChangeWindow::Backward { before: Some(5), limit: 3 });
        assert_eq!(window(0, -3), ChangeWindow::Backward { before: None, limit: 3 });
        assert_eq!(window(-1, -3), ChangeWindow::Backward { before: None, limit: 3 });
    }

    #[test]
    fn a_negative_id_reads_backward_from_the_latest_whatever_the_sign_of_records() {
        assert_eq!(window(-1, 3), ChangeWindow::Backward { before: None, limit: 3 });
        assert_eq!(window(-7, 0), ChangeWindow::Backward { before: None, limit: 100 });
    }
}
