//! What is counted since the start, and the page that tells it.
//!
//! Written by hand: the library that the signer uses writes OpenMetrics, where the type line of `x_total` says `x`, and
//! dashboards made for the reference read its names as they are. And its histograms have a lock.

mod histogram;
mod label;
mod latency;
mod page;
mod publishes;
mod requests;

pub(crate) use requests::Answered;

use latency::Latency;
use page::Page;
use publishes::Publishes;
use requests::Requests;

/// What was counted since the start.
#[derive(Debug)]
pub(crate) struct Metrics {
    requests: Requests,
    latency: Latency,
    pub(crate) publishes: Publishes,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        Self { requests: Requests::default(), latency: Latency::new(), publishes: Publishes::new() }
    }

    /// Counts one answered request.
    pub(crate) fn record(&self, answered: Answered<'_>) {
        self.requests.record(answered);
        self.latency.record(answered);
    }

    /// All of it as text.
    pub(crate) fn text(&self) -> String {
        let mut page = Page::default();
        self.requests.write(&mut page);
        self.latency.write(&mut page);
        self.publishes.write(&mut page);
        page.finish()
    }
}
