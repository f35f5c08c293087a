//! What came of a measurement: how many a second, how many failed, how long they took.

use std::fmt;
use std::time::Duration;

/// The figures of one measurement. Displays as `RATE ERRORS MIN MEDIAN P99 MAX`, latencies in milliseconds.
#[derive(Debug, Default)]
pub struct Summary {
    /// Of what was answered well.
    latencies: Vec<Duration>,
    errors: usize,
    /// From the common start to the last answer.
    elapsed: Duration,
}

impl Summary {
    /// Nothing measured yet.
    #[must_use]
    pub fn empty() -> Self {
        Self { latencies: Vec::new(), errors: 0, elapsed: Duration::ZERO }
    }

    /// One that was answered well after `latency`.
    pub fn count(&mut self, latency: Duration) {
        self.latencies.push(latency);
    }

    /// One that failed.
    pub fn count_error(&mut self) {
        self.errors += 1;
    }

    /// How many were answered well.
    #[must_use]
    pub fn answered(&self) -> usize {
        self.latencies.len()
    }

    /// How many failed.
    #[must_use]
    pub fn errors(&self) -> usize {
        self.errors
    }

    /// Whether anything failed.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.errors > 0
    }

    /// How long the measurement took.
    pub fn lasted(&mut self, elapsed: Duration) {
        self.elapsed = elapsed;
    }

    /// How long it took so far.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.elapsed
    }

    /// Adds the figures of somebody who measured at the same time.
    pub fn add(&mut self, other: Self) {
        self.latencies.extend(other.latencies);
        self.errors += other.errors;
        self.elapsed = self.elapsed.max(other.elapsed);
    }

    /// Puts the latencies in order, before they are displayed.
    pub fn sort(&mut self) {
        self.latencies.sort_unstable();
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let quantile = |percent: usize| {
            let last = self.latencies.len().saturating_sub(1);
            self.latencies.get(last * percent / 100).map_or(0.0, |latency| latency.as_secs_f64() * 1000.0)
        };
        let rate = self.latencies.len() as f64 / self.elapsed.as_secs_f64();
        let errors = self.errors;
        write!(f, "{rate:.1} {errors} {:.2} {:.2} {:.2} {:.2}", quantile(0), quantile(50), quantile(99), quantile(100))
    }
}
