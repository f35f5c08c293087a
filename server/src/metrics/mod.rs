//! What is counted since the start, and the page that tells it.
//!
//! Written by hand: the library that the signer uses writes OpenMetrics, where the type line of `x_total` says `x`, and
//! dashboards made for the reference read its names as they are.

mod page;
mod requests;

pub(crate) use requests::Answered;

use page::Page;
use requests::Requests;

/// What was counted since the start.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    requests: Requests,
}

impl Metrics {
    /// Counts one answered request.
    pub(crate) fn record(&self, answered: Answered<'_>) {
        self.requests.record(answered);
    }

    /// All of it as text.
    pub(crate) fn text(&self) -> String {
        let mut page = Page::default();
        self.requests.write(&mut page);
        page.finish()
    }
}
