//! GET of the list of repositories: those that the caller may know of, a page at a time.

use hyper::header::{HeaderValue, LINK};
use serde_json::{Value, json};

use super::error::ApiError;
use super::query::{encoded, value};
use super::{Answer, answer};
use crate::app::App;
use crate::auth::{ListAccess, Visible};
use crate::printable::printable;
use crate::rate::Client;
use crate::repositories::{MAX_LISTED, Page, PageQuery, page, page_of};

/// How many repositories a page has when nothing is said.
const USUALLY_LISTED: u32 = 100;

/// Answers a page. What the caller may not know of leaves no trace in it: such repositories are not looked for.
pub(super) async fn list(app: &App, access: &ListAccess, client: Client, query: &str) -> Result<Answer, ApiError> {
    let limit = limit(query)?;
    let after = value(query, "last").filter(|last| !last.is_empty());
    let found = match access.visible() {
        Visible::All => {
            let prefix = String::new();
            page(&*app.store, &PageQuery { prefix, after, limit }).await?
        }
        Visible::These(names) => page_of(&*app.store, names, after.as_deref(), limit).await?,
    };
    let next = found.next.as_deref().map(|last| link(last, limit));
    let mut answer = answer::text(app.answer_memory.hold(client, answer::to_json(&body(&found, app)))?);
    if let Some(next) = next.and_then(|next| HeaderValue::from_str(&next).ok()) {
        answer.headers_mut().insert(LINK, next);
    }
    Ok(answer)
}

fn body(page: &Page, app: &App) -> Value {
    let now = app.clock.now();
    let repositories: Vec<Value> = page.repositories.iter().map(|listed| listed.to_json(now)).collect();
    json!({"repositories": repositories, "next": page.next.as_deref().map(printable)})
}

/// `n` of a query.
fn limit(query: &str) -> Result<u32, ApiError> {
    let Some(text) = value(query, "n") else { return Ok(USUALLY_LISTED) };
    let limit = text.parse().ok().filter(|number| (1..=MAX_LISTED).contains(number));
    limit.ok_or_else(|| ApiError::invalid_page(MAX_LISTED))
}

/// Where the next page is, as registries say it (RFC 8288).
fn link(last: &str, limit: u32) -> String {
    format!("</v2/_trust/repositories?n={limit}&last={}>; rel=\"next\"", encoded(last))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_has_from_1_to_1000_repositories_and_100_when_nothing_is_said() {
        for (query, expected) in [("", 100), ("last=a", 100), ("n=1", 1), ("n=1000&last=a", 1000), ("n=%31", 1)] {
            assert_eq!(limit(query).ok(), Some(expected), "{query}");
        }
        for query in ["n=", "n=0", "n=1001", "n=-1", "n=x", "n=1.0", "n=99999999999"] {
            assert!(limit(query).is_err(), "{query}");
        }
    }

    #[test]
    fn a_link_names_the_last_repository_as_a_query_can() {
        let link = link("a.test:5000/b c&d=1>", 7);
        assert_eq!(link, "</v2/_trust/repositories?n=7&last=a.test:5000/b%20c%26d%3D1%3E>; rel=\"next\"");
        let query = link.split('?').nth(1).unwrap().split('>').next().unwrap();
        assert_eq!(value(query, "last").as_deref(), Some("a.test:5000/b c&d=1>"));
    }
}
