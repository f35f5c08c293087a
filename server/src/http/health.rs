//! What tells of this process: health by the reference's names, readiness, liveness, and the page of metrics.

use bytes::Bytes;
use hyper::StatusCode;
use serde_json::{Map, Value};

use super::{Answer, answer};
use crate::app::App;
use crate::health::Standing;

/// What fails, by the reference's names.
pub(super) async fn health(app: &App) -> Answer {
    let failing: Map<String, Value> = look(app)
        .await
        .into_iter()
        .filter_map(|standing| Some((standing.condition.check_name().to_owned(), Value::String(standing.amiss?))))
        .collect();
    let status = if failing.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    answer::health(status, Bytes::from(Value::Object(failing).to_string()))
}

/// Whether reads can be served, and with the parameter `publish` whether publishes can: one line in all, and one for
/// each condition.
pub(super) async fn ready(app: &App, query: &str) -> Answer {
    let (is_ready, lines) = readiness(&look(app).await, asks_to_publish(query));
    answer::lines(if is_ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }, lines)
}

/// The process answers, whatever it can do: for those who would start it again.
pub(super) fn live() -> Answer {
    answer::lines(StatusCode::OK, "live\n".to_owned())
}

/// The page of metrics.
pub(super) async fn metrics(app: &App) -> Answer {
    answer::metrics(app.metrics_page(&look(app).await))
}

async fn look(app: &App) -> Vec<Standing> {
    app.health.look(&*app.store, &*app.signer, &*app.clock).await
}

/// Whatever its value: who writes it means it.
fn asks_to_publish(query: &str) -> bool {
    query.split('&').any(|parameter| parameter.split('=').next() == Some("publish"))
}

/// Reads go on without a signer: a load balancer that took replicas away because of it would end them.
fn readiness(standings: &[Standing], to_publish: bool) -> (bool, String) {
    let holds = |is_needed: fn(&Standing) -> bool| {
        standings.iter().filter(|standing| is_needed(standing)).all(|standing| standing.amiss.is_none())
    };
    let (reads, publishes) = (holds(|standing| standing.condition.is_needed_to_read()), holds(|_| true));
    let is_ready = if to_publish { publishes } else { reads };
    let first = match (is_ready, publishes) {
        (false, _) => "not ready",
        (true, false) => "ready to read, not to publish",
        (true, true) => "ready",
    };
    let lines = standings.iter().map(|standing| format!("{standing}\n"));
    (is_ready, std::iter::once(format!("{first}\n")).chain(lines).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::health::Condition;

    fn found(database: Option<&str>, signer: Option<&str>) -> [Standing; 2] {
        let standing = |condition, amiss: Option<&str>| Standing { condition, amiss: amiss.map(str::to_owned) };
        [standing(Condition::Database, database), standing(Condition::Signer, signer)]
    }

    #[test]
    fn a_server_without_its_signer_is_ready_to_read_and_says_what_is_amiss() {
        let without = found(None, Some("away"));
        let lines = "ready to read, not to publish\ndatabase (to read and to publish): ok\nsigner (to publish): away\n";
        assert_eq!(readiness(&without, false), (true, lines.to_owned()));
        let (is_ready, lines) = readiness(&without, true);
        assert!(!is_ready && lines.starts_with("not ready\n"), "{lines}");
    }

    #[test]
    fn a_server_without_its_database_is_not_ready_for_anything() {
        let without = found(Some("away"), None);
        for to_publish in [false, true] {
            let lines = "not ready\ndatabase (to read and to publish): away\nsigner (to publish): ok\n";
            assert_eq!(readiness(&without, to_publish), (false, lines.to_owned()));
        }
    }

    #[test]
    fn a_server_with_both_or_that_needs_neither_is_ready_for_everything() {
        for to_publish in [false, true] {
            assert!(readiness(&found(None, None), to_publish).1.starts_with("ready\n"));
            assert_eq!(readiness(&[], to_publish), (true, "ready\n".to_owned()));
        }
    }

    #[test]
    fn the_parameter_asks_whatever_its_value_is_and_no_other_does() {
        for asked in ["publish", "publish=", "publish=1", "a=b&publish"] {
            assert!(asks_to_publish(asked), "{asked}");
        }
        for other in ["", "a=publish", "publisher", "Publish"] {
            assert!(!asks_to_publish(other), "{other}");
        }
    }
}
