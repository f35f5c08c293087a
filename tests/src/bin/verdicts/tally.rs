//! What a run has seen.

use std::collections::BTreeMap;

use crate::deviations::DEVIATIONS;
use crate::dump::Difference;
use crate::rows::Coverage;

/// What was seen; tallies of workers add up.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Uploads that were dealt.
    pub(crate) uploads: u64,
    /// Of these, what the reference accepted.
    pub(crate) accepted: u64,
    /// Of these, what was read back and followed by a further publish.
    pub(crate) followed: u64,
    /// Further uploads: preparing ones, and those that follow.
    pub(crate) others: u64,
    /// Files read on each side.
    pub(crate) reads: u64,
    pub(crate) coverage: Coverage,
    pub(crate) deviations: BTreeMap<&'static str, Met>,
    pub(crate) differences: Vec<Difference>,
    /// Each upload and what was said to it.
    pub(crate) log: Vec<String>,
}

/// How often a deviation was met.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Met {
    pub(crate) times: u64,
    /// Of these, how often the reference had accepted, and could not read again what it accepted.
    pub(crate) unreadable: u64,
}

impl Tally {
    pub(crate) fn add(&mut self, other: Self) {
        self.uploads += other.uploads;
        self.accepted += other.accepted;
        self.followed += other.followed;
        self.others += other.others;
        self.reads += other.reads;
        self.coverage.add(&other.coverage);
        for (name, count) in other.deviations {
            let met = self.deviations.entry(name).or_default();
            met.times += count.times;
            met.unreadable += count.unreadable;
        }
        self.log.extend(other.log);
        self.differences.extend(other.differences);
    }

    /// Deviations that never occurred.
    pub(crate) fn unmet(&self) -> Vec<&'static str> {
        let names = DEVIATIONS.iter().map(|deviation| deviation.name);
        names.filter(|name| !self.deviations.contains_key(name)).collect()
    }
}
