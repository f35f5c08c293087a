//! Counters in Prometheus' text format, under the reference's names.
//!
//! Written by hand: the names end in `_total` without the type line of OpenMetrics, and dashboards made for the
//! reference read them as they are.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

const PREFIX: &str = "notary_server_http";

/// What was counted since the start.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    counted: Mutex<Counted>,
}

#[derive(Debug, Default)]
struct Counted {
    requests: BTreeMap<(u16, String, &'static str), u64>,
    operations: BTreeMap<&'static str, Sums>,
}

#[derive(Debug, Default)]
struct Sums {
    count: u64,
    microseconds: f64,
    request_bytes: u64,
    answer_bytes: u64,
}

impl Metrics {
    /// Counts one answered request.
    pub(crate) fn record(
        &self,
        operation: &'static str,
        method: &str,
        status: u16,
        duration: Duration,
        request_bytes: u64,
        answer_bytes: u64,
    ) {
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        let requests = counted.requests.entry((status, method.to_lowercase(), operation)).or_default();
        *requests = requests.wrapping_add(1);
        let sums = counted.operations.entry(operation).or_default();
        sums.count = sums.count.wrapping_add(1);
        sums.microseconds += duration.as_secs_f64() * 1e6;
        sums.request_bytes = sums.request_bytes.wrapping_add(request_bytes);
        sums.answer_bytes = sums.answer_bytes.wrapping_add(answer_bytes);
    }

    /// All counters as text.
    pub(crate) fn text(&self) -> String {
        let counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        let mut text = String::new();
        summary(
            &mut text,
            "request_duration_microseconds",
            "The HTTP request latencies in microseconds.",
            &counted,
            |sums| sums.microseconds,
        );
        summary(&mut text, "request_size_bytes", "The HTTP request sizes in bytes.", &counted, |sums| {
            sums.request_bytes
        });
        head(&mut text, "requests_total", "Total number of HTTP requests made.", "counter");
        for ((status, method, operation), count) in &counted.requests {
            let labels = format!("code=\"{status}\",method=\"{method}\",operation=\"{operation}\"");
            line(&mut text, &format!("requests_total{{{labels}}}"), count);
        }
        summary(&mut text, "response_size_bytes", "The HTTP response sizes in bytes.", &counted, |sums| {
            sums.answer_bytes
        });
        text
    }
}

fn summary<T: std::fmt::Display>(
    text: &mut String,
    name: &str,
    help: &str,
    counted: &Counted,
    sum: impl Fn(&Sums) -> T,
) {
    head(text, name, help, "summary");
    for (operation, sums) in &counted.operations {
        line(text, &format!("{name}_sum{{operation=\"{operation}\"}}"), sum(sums));
        line(text, &format!("{name}_count{{operation=\"{operation}\"}}"), sums.count);
    }
}

fn head(text: &mut String, name: &str, help: &str, kind: &str) {
    let _infallible = write!(text, "# HELP {PREFIX}_{name} {help}\n# TYPE {PREFIX}_{name} {kind}\n");
}

fn line(text: &mut String, series: &str, value: impl std::fmt::Display) {
    let _infallible = writeln!(text, "{PREFIX}_{series} {value}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_counted_under_the_reference_s_names() {
        let metrics = Metrics::default();
        for status in [200, 200, 404] {
            metrics.record("GetRole", "GET", status, Duration::from_micros(1500), 10, 20);
        }
        let text = metrics.text();
        for expected in [
            "# TYPE notary_server_http_requests_total counter\n",
            "notary_server_http_requests_total{code=\"200\",method=\"get\",operation=\"GetRole\"} 2\n",
            "notary_server_http_requests_total{code=\"404\",method=\"get\",operation=\"GetRole\"} 1\n",
            "# TYPE notary_server_http_request_duration_microseconds summary\n",
            "notary_server_http_request_duration_microseconds_sum{operation=\"GetRole\"} 4500\n",
            "notary_server_http_request_duration_microseconds_count{operation=\"GetRole\"} 3\n",
            "notary_server_http_request_size_bytes_sum{operation=\"GetRole\"} 30\n",
            "notary_server_http_response_size_bytes_sum{operation=\"GetRole\"} 60\n",
        ] {
            assert!(text.contains(expected), "{expected}{text}");
        }
    }
}
