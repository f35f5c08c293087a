//! The end of the change feed that may yet change: numbers are given before a transaction ends, and who reads on from the
//! last record he saw would never meet one that comes later with a lower number.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tuf_schema::UtcTime;

use crate::store::Change;

/// How many gaps before records from the future are remembered.
const MAX_GAPS: usize = 1_000;

/// What is known of the change feed's numbers.
#[derive(Debug)]
pub(super) struct Feed {
    /// How far apart they are: more than 1 on a cluster whose nodes take turns.
    step: i64,
    /// For how long after the record behind it a number that is missing may belong to a writer that has not come to its
    /// end.
    unsettled_seconds: i64,
    /// Since when there is seen to be a gap before a record that is dated in the future, by the record's id.
    gaps: Mutex<BTreeMap<i64, UtcTime>>,
}

impl Feed {
    /// Of a database whose statements end after `statement_timeout`: the writer of the missing number may be in its last
    /// statement and rest before its end for as long again; clocks of replicas are at most ten seconds apart. A writer
    /// that waited longer than that between its date and its number is not covered.
    pub(super) fn new(step: i64, statement_timeout: Duration) -> Self {
        let timeout = i64::try_from(statement_timeout.as_secs().saturating_add(1)).unwrap_or(i64::MAX);
        Self { step, unsettled_seconds: timeout.saturating_mul(2).saturating_add(10), gaps: Mutex::default() }
    }

    /// The records, which come after the number `after`, before the first number that may yet come.
    pub(super) fn settled(&self, records: Vec<Change>, after: i64, now: UtcTime) -> Vec<Change> {
        let mut last = after;
        let settled = records.into_iter().take_while(|record| {
            let is_gap = record.id > last.saturating_add(self.step);
            last = record.id;
            !is_gap || self.is_settled(record, now)
        });
        settled.collect()
    }

    /// Whether nothing comes any more before a record behind a gap. One that is dated in the future was written by
    /// another clock than ours, so that its age tells nothing; then this process waits from when it first saw the gap.
    fn is_settled(&self, record: &Change, now: UtcTime) -> bool {
        let age = |since: UtcTime| now.unix_seconds().saturating_sub(since.unix_seconds());
        if age(record.created_at) >= 0 {
            return age(record.created_at) > self.unsettled_seconds;
        }
        let mut gaps = self.gaps.lock().unwrap_or_else(PoisonError::into_inner);
        if gaps.len() >= MAX_GAPS && !gaps.contains_key(&record.id) {
            gaps.clear();
        }
        let since = gaps.entry(record.id).or_insert(now);
        *since = (*since).min(now);
        age(*since) > self.unsettled_seconds
    }
}
