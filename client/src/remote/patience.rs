//! Answers that ask to come back later: how often, and for how long, a client does.

use std::time::Duration;

use reqwest::header::RETRY_AFTER;
use reqwest::{Response, StatusCode};

use super::RemoteError;

/// How often a request is sent that is answered with "later" every time.
const ATTEMPTS: usize = 5;
/// The longest time that a server may ask to wait for.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// How often a request has been sent.
#[derive(Default)]
pub(crate) struct Patience {
    sent: usize,
}

impl Patience {
    /// For how long to wait until the request is sent again; `None` to take the answer.
    ///
    /// Only 429 and 503 with a number of seconds say "later": the server did nothing yet, and knows when it will. After
    /// any other answer nobody knows whether the same request has another fate.
    ///
    /// # Errors
    /// [`RemoteError::Busy`] when it has been tried often enough, or the time to wait is too long.
    pub(crate) fn pause(&mut self, server: &str, response: &Response) -> Result<Option<Duration>, RemoteError> {
        self.sent = self.sent.saturating_add(1);
        let status = response.status();
        let says_later = matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE);
        let Some(pause) = asked_pause(response).filter(|_| says_later) else { return Ok(None) };
        if self.sent < ATTEMPTS && pause <= LONGEST_PAUSE {
            return Ok(Some(pause));
        }
        Err(RemoteError::Busy { server: server.to_owned(), status: status.as_u16(), sent: self.sent, pause })
    }
}

/// The seconds of `Retry-After`; a date counts as none, as it is worth what two clocks agree.
fn asked_pause(response: &Response) -> Option<Duration> {
    let text = response.headers().get(RETRY_AFTER)?.to_str().ok()?;
    Some(Duration::from_secs(text.trim().parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, retry_after: Option<&str>) -> Response {
        let mut answer = http::Response::builder().status(status);
        if let Some(value) = retry_after {
            answer = answer.header(RETRY_AFTER, value);
        }
        answer.body("").unwrap().into()
    }

    #[test]
    fn a_server_that_is_busy_is_asked_a_bounded_number_of_times() {
        for status in [429, 503] {
            let mut patience = Patience::default();
            for _ in 1..ATTEMPTS {
                let pause = patience.pause("n.test", &answer(status, Some(" 7 "))).unwrap();
                assert_eq!(pause, Some(Duration::from_secs(7)));
            }
            let error = patience.pause("n.test", &answer(status, Some("7"))).unwrap_err();
            let expected =
                format!("n.test is busy ({status}): it was asked 5 times, and says to come back after 7 seconds");
            assert_eq!(error.to_string(), expected);
        }
    }

    #[test]
    fn an_answer_that_does_not_say_when_to_come_back_is_taken() {
        for (status, retry_after) in [
            (429, None),
            (503, Some("Sun, 22 Nov 2026 09:00:00 GMT")),
            (503, Some("-1")),
            (503, Some("")),
            (500, Some("1")),
            (400, Some("1")),
            (200, Some("1")),
        ] {
            let pause = Patience::default().pause("n.test", &answer(status, retry_after)).unwrap();
            assert_eq!(pause, None, "{status} {retry_after:?}");
        }
    }

    #[test]
    fn a_pause_may_be_as_long_as_the_bound_and_not_a_second_longer() {
        let pause = |seconds| Patience::default().pause("n.test", &answer(503, Some(seconds)));
        assert_eq!(pause("60").unwrap(), Some(LONGEST_PAUSE));
        assert!(matches!(pause("61"), Err(RemoteError::Busy { sent: 1, .. })));
        assert_eq!(pause("99999999999999999999999").unwrap(), None);
    }
}
