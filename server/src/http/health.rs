//! GET of the state of health: what does not work, by the reference's names.

use std::time::Duration;

use bytes::Bytes;
use hyper::StatusCode;
use serde_json::{Map, Value};
use tokio::sync::Mutex;
use tokio::time::timeout;

use super::{Answer, answer};
use crate::app::App;

/// The checks of a server, and what they said last: anybody may ask, so a flood of questions must not become one at
/// database and signer.
#[derive(Debug)]
pub(crate) struct Health {
    /// Whether the store can fail by itself; memory cannot.
    pub(crate) checks_store: bool,
    /// Whether the signer can; keys in memory cannot.
    pub(crate) checks_signer: bool,
    last: Mutex<Option<Checked>>,
}

#[derive(Debug)]
struct Checked {
    /// The clock's uptime.
    at: Duration,
    status: StatusCode,
    body: Bytes,
}

/// How long an answer is repeated.
const FRESH: Duration = Duration::from_secs(1);
/// How long a check may take.
const LONGEST: Duration = Duration::from_secs(5);

impl Health {
    pub(crate) fn new(checks_store: bool, checks_signer: bool) -> Self {
        Self { checks_store, checks_signer, last: Mutex::new(None) }
    }
}

pub(super) async fn health(app: &App) -> Answer {
    let mut last = app.health.last.lock().await;
    let now = app.clock.uptime();
    if let Some(checked) = &*last
        && now.saturating_sub(checked.at) < FRESH
    {
        return answer::health(checked.status, checked.body.clone());
    }
    let mut failures = Map::new();
    let mut note =
        |name: &str, words: Option<String>| failures.extend(words.map(|w| (name.to_owned(), Value::String(w))));
    if app.health.checks_store {
        let outcome = timeout(LONGEST, app.store.check()).await;
        note("DB operational", words(outcome.map(|checked| checked.map_err(|error| error.to_string()))));
    }
    if app.health.checks_signer {
        let outcome = timeout(LONGEST, app.signer.check()).await;
        note("Trust operational", words(outcome.map(|checked| checked.map_err(|error| error.to_string()))));
    }
    let status = if failures.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let body = Bytes::from(Value::Object(failures).to_string());
    *last = Some(Checked { at: now, status, body: body.clone() });
    answer::health(status, body)
}

fn words(outcome: Result<Result<(), String>, tokio::time::error::Elapsed>) -> Option<String> {
    match outcome {
        Ok(Ok(())) => None,
        Ok(Err(words)) => Some(words),
        Err(_) => Some("no answer in time".to_owned()),
    }
}
