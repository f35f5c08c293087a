//! What is counted since the start, and the page that tells it.
//!
//! Written by hand: the library that the signer uses writes OpenMetrics, where the type line of `x_total` says `x`, and
//! dashboards made for the reference read its names as they are. And its histograms have a lock.

mod conditions;
mod deltas;
mod expiry;
mod histogram;
mod label;
mod latency;
mod page;
mod pools;
mod publishes;
mod requests;
mod signer_calls;
mod spans;
mod webhooks;

pub(crate) use deltas::DeltaOutcome;
pub(crate) use expiry::Expiry;
pub(crate) use label::Counters;
pub(crate) use requests::Answered;
pub(crate) use signer_calls::{Call, SignerCalls};

use std::sync::Arc;

use bulla_database::PoolUse;
use bulla_traces::Counts;
use tuf_schema::UtcTime;

use crate::clock::Clock;
use crate::health::Standing;
use crate::webhooks::Tally;
use latency::Latency;
use page::Page;
use publishes::Publishes;
use requests::Requests;

/// What was counted since the start.
pub(crate) struct Metrics {
    requests: Requests,
    latency: Latency,
    pub(crate) publishes: Publishes,
    pub(crate) signer_calls: Arc<SignerCalls>,
}

/// What is known elsewhere when the page is asked for.
pub(crate) struct Others<'a> {
    pub(crate) pools: Vec<PoolUse>,
    pub(crate) deltas: &'a Counters<DeltaOutcome>,
    pub(crate) expiry: Expiry,
    pub(crate) conditions: &'a [Standing],
    pub(crate) spans: Counts,
    pub(crate) webhooks: &'a [Arc<Tally>],
    pub(crate) now: UtcTime,
}

impl Metrics {
    /// `clock` says how long the signer takes.
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            requests: Requests::default(),
            latency: Latency::new(),
            publishes: Publishes::new(),
            signer_calls: Arc::new(SignerCalls::new(clock)),
        }
    }

    /// Counts one answered request.
    pub(crate) fn record(&self, answered: Answered<'_>) {
        self.requests.record(answered);
        self.latency.record(answered);
    }

    /// All of it as text, with what others know.
    pub(crate) fn text(&self, others: &Others<'_>) -> String {
        let mut page = Page::default();
        self.requests.write(&mut page);
        self.latency.write(&mut page);
        self.publishes.write(&mut page);
        self.signer_calls.write(&mut page);
        pools::write(&mut page, &others.pools);
        others.deltas.write(&mut page, "bulla_deltas_total", "Deltas that clients could have been sent.");
        others.expiry.write(&mut page);
        conditions::write(&mut page, others.conditions);
        spans::write(&mut page, &others.spans);
        webhooks::write(&mut page, others.webhooks, others.now);
        page.finish()
    }
}
