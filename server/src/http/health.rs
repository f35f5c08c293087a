//! GET of the state of health: what does not work, by the reference's names.

use std::error::Error;
use std::future::Future;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::OptionFuture;
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
/// How long a check may take; both are made at the same time.
const LONGEST: Duration = Duration::from_secs(3);

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
    let store = app.health.checks_store.then(|| app.store.check());
    let signer = app.health.checks_signer.then(|| app.signer.check());
    let failing: Map<String, Value> =
        failing(store, signer).await.into_iter().map(|(name, words)| (name.to_owned(), Value::String(words))).collect();
    let status = if failing.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let body = Bytes::from(Value::Object(failing).to_string());
    *last = Some(Checked { at: now, status, body: body.clone() });
    answer::health(status, body)
}

/// Makes the checks at the same time, as a load balancer waits for both, and names those that fail.
async fn failing<S: Error + 'static, T: Error + 'static>(
    store: Option<impl Future<Output = Result<(), S>>>,
    signer: Option<impl Future<Output = Result<(), T>>>,
) -> Vec<(&'static str, String)> {
    let store = OptionFuture::from(store.map(|check| failure("DB operational", check)));
    let signer = OptionFuture::from(signer.map(|check| failure("Trust operational", check)));
    let (store, signer) = tokio::join!(store, signer);
    store.flatten().into_iter().chain(signer.flatten()).collect()
}

/// The words of a check that fails, or is not done in time. The log gets all that led to it, the answer does not.
async fn failure<E: Error + 'static>(
    name: &'static str,
    check: impl Future<Output = Result<(), E>>,
) -> Option<(&'static str, String)> {
    let words = match timeout(LONGEST, check).await {
        Ok(Ok(())) => return None,
        Ok(Err(error)) => {
            let reason: &(dyn Error + 'static) = &error;
            tracing::error!(operation = "Health", check = name, reason, "not healthy");
            error.to_string()
        }
        Err(_) => {
            let reason = "no answer in time";
            tracing::error!(operation = "Health", check = name, reason, "not healthy");
            reason.to_owned()
        }
    };
    Some((name, words))
}

#[cfg(test)]
mod tests {
    use std::fmt::Error as Broken;

    use tokio::sync::Barrier;

    use super::*;

    #[tokio::test]
    async fn both_checks_are_under_way_at_the_same_time() {
        let both = Barrier::new(2);
        let check = async || {
            both.wait().await;
            Ok::<(), Broken>(())
        };
        assert_eq!(failing(Some(check()), Some(check())).await, []);
    }

    #[tokio::test]
    async fn each_check_that_fails_is_named_and_none_stands_for_the_other() {
        let fails = async || Err::<(), Broken>(Broken);
        let works = async || Ok::<(), Broken>(());
        let names = |failing: Vec<(&'static str, String)>| failing.into_iter().map(|it| it.0).collect::<Vec<_>>();
        assert_eq!(names(failing(Some(fails()), Some(works())).await), ["DB operational"]);
        assert_eq!(names(failing(Some(works()), Some(fails())).await), ["Trust operational"]);
        assert_eq!(names(failing(Some(fails()), Some(fails())).await), ["DB operational", "Trust operational"]);
    }
}
