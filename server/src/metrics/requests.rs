//! Requests under the reference's names, which its dashboards read.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::page::{Kind, Page};
use crate::http::Operation;

/// What every name starts with.
const PREFIX: &str = "notary_server_http";

/// Answered requests.
#[derive(Debug, Default)]
pub(super) struct Requests {
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

/// A request as it was answered.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Answered<'a> {
    pub(crate) operation: Operation,
    pub(crate) method: &'a str,
    pub(crate) status: u16,
    pub(crate) duration: Duration,
    pub(crate) request_bytes: u64,
    pub(crate) answer_bytes: u64,
}

impl Requests {
    pub(super) fn record(&self, answered: Answered<'_>) {
        let Answered { operation, method, status, duration, request_bytes, answer_bytes } = answered;
        let operation = operation.as_str();
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        let requests = counted.requests.entry((status, method.to_lowercase(), operation)).or_default();
        *requests = requests.wrapping_add(1);
        let sums = counted.operations.entry(operation).or_default();
        sums.count = sums.count.wrapping_add(1);
        sums.microseconds += duration.as_secs_f64() * 1e6;
        sums.request_bytes = sums.request_bytes.wrapping_add(request_bytes);
        sums.answer_bytes = sums.answer_bytes.wrapping_add(answer_bytes);
    }

    pub(super) fn write(&self, page: &mut Page) {
        let counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        summary(
            page,
            "request_duration_microseconds",
            "The HTTP request latencies in microseconds.",
            &counted,
            |sums| sums.microseconds,
        );
        summary(page, "request_size_bytes", "The HTTP request sizes in bytes.", &counted, |sums| sums.request_bytes);
        let requests = format!("{PREFIX}_requests_total");
        page.family(&requests, Kind::Counter, "Total number of HTTP requests made.");
        for ((status, method, operation), count) in &counted.requests {
            let status = status.to_string();
            let labels = [("code", status.as_str()), ("method", method.as_str()), ("operation", *operation)];
            page.sample(&requests, &labels, count);
        }
        summary(page, "response_size_bytes", "The HTTP response sizes in bytes.", &counted, |sums| sums.answer_bytes);
    }
}

fn summary<T: Display>(page: &mut Page, name: &str, help: &str, counted: &Counted, sum: impl Fn(&Sums) -> T) {
    let name = format!("{PREFIX}_{name}");
    page.family(&name, Kind::Summary, help);
    for (&operation, sums) in &counted.operations {
        page.sample(&format!("{name}_sum"), &[("operation", operation)], sum(sums));
        page.sample(&format!("{name}_count"), &[("operation", operation)], sums.count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_counted_under_the_reference_s_names() {
        let requests = Requests::default();
        for status in [200, 200, 404] {
            requests.record(Answered {
                operation: Operation::GetRole,
                method: "GET",
                status,
                duration: Duration::from_micros(1500),
                request_bytes: 10,
                answer_bytes: 20,
            });
        }
        let mut page = Page::default();
        requests.write(&mut page);
        let expected = "\
# HELP notary_server_http_request_duration_microseconds The HTTP request latencies in microseconds.
# TYPE notary_server_http_request_duration_microseconds summary
notary_server_http_request_duration_microseconds_sum{operation=\"GetRole\"} 4500
notary_server_http_request_duration_microseconds_count{operation=\"GetRole\"} 3
# HELP notary_server_http_request_size_bytes The HTTP request sizes in bytes.
# TYPE notary_server_http_request_size_bytes summary
notary_server_http_request_size_bytes_sum{operation=\"GetRole\"} 30
notary_server_http_request_size_bytes_count{operation=\"GetRole\"} 3
# HELP notary_server_http_requests_total Total number of HTTP requests made.
# TYPE notary_server_http_requests_total counter
notary_server_http_requests_total{code=\"200\",method=\"get\",operation=\"GetRole\"} 2
notary_server_http_requests_total{code=\"404\",method=\"get\",operation=\"GetRole\"} 1
# HELP notary_server_http_response_size_bytes The HTTP response sizes in bytes.
# TYPE notary_server_http_response_size_bytes summary
notary_server_http_response_size_bytes_sum{operation=\"GetRole\"} 60
notary_server_http_response_size_bytes_count{operation=\"GetRole\"} 3
";
        assert_eq!(page.finish(), expected);
    }
}
