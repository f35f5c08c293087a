//! How long requests took, by operation and class of status.

use super::label::{Histograms, Label};
use super::page::Page;
use super::requests::Answered;
use crate::http::Operation;

/// How long requests took.
#[derive(Debug)]
pub(super) struct Latency(Histograms<Operation, StatusClass>);

/// The hundred that a status is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum StatusClass {
    Done,
    Elsewhere,
    Refused,
    Failed,
}

impl Latency {
    pub(super) fn new() -> Self {
        Self(Histograms::new())
    }

    pub(super) fn record(&self, answered: Answered<'_>) {
        self.0.observe(answered.operation, StatusClass::of(answered.status), answered.duration);
    }

    pub(super) fn write(&self, page: &mut Page) {
        self.0.write(page, "bulla_request_seconds", "What requests took, by operation and class of status.");
    }
}

impl StatusClass {
    /// Answers have no other status than from 200 to 599.
    fn of(status: u16) -> Self {
        match status {
            ..300 => Self::Done,
            300..400 => Self::Elsewhere,
            400..500 => Self::Refused,
            500.. => Self::Failed,
        }
    }
}

impl Label for Operation {
    const NAME: &'static str = "operation";
    const ALL: &'static [Self] = &Self::EVERY;

    fn as_str(self) -> &'static str {
        Self::as_str(self)
    }
}

impl Label for StatusClass {
    const NAME: &'static str = "status";
    const ALL: &'static [Self] = &[Self::Done, Self::Elsewhere, Self::Refused, Self::Failed];

    fn as_str(self) -> &'static str {
        match self {
            Self::Done => "2xx",
            Self::Elsewhere => "3xx",
            Self::Refused => "4xx",
            Self::Failed => "5xx",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_status_is_of_the_class_of_its_hundred() {
        for (status, class) in [(200, "2xx"), (299, "2xx"), (301, "3xx"), (400, "4xx"), (499, "4xx"), (500, "5xx")] {
            assert_eq!(StatusClass::of(status).as_str(), class);
        }
    }

    #[test]
    fn each_operation_has_its_own_histogram() {
        let latency = Latency::new();
        for operation in Operation::EVERY {
            let duration = Duration::from_millis(3);
            latency.record(Answered {
                operation,
                method: "GET",
                status: 404,
                duration,
                request_bytes: 0,
                answer_bytes: 0,
            });
        }
        let mut page = Page::default();
        latency.write(&mut page);
        let page = page.finish();
        for operation in Operation::EVERY {
            let labels = format!("operation=\"{}\",status=\"4xx\"", operation.as_str());
            for expected in [
                format!("bulla_request_seconds_bucket{{{labels},le=\"0.0025\"}} 0\n"),
                format!("bulla_request_seconds_bucket{{{labels},le=\"0.005\"}} 1\n"),
                format!("bulla_request_seconds_bucket{{{labels},le=\"+Inf\"}} 1\n"),
                format!("bulla_request_seconds_sum{{{labels}}} 0.003000000\n"),
                format!("bulla_request_seconds_count{{{labels}}} 1\n"),
            ] {
                assert!(page.contains(&expected), "{expected}{page}");
            }
        }
    }
}
