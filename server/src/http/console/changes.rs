//! What changed last: of one repository, or of all.

use maud::{Markup, html};

use super::frame::Page;
use super::{dates, repository};
use crate::app::App;
use crate::http::query::value;
use crate::printable::printable;
use crate::store::{Change, ChangeCategory, ChangeQuery, StoreError};

pub(super) const PATH: &str = "/changes";

/// How many changes a page has.
const ROWS: i64 = 100;

pub(super) async fn page(app: &App, query: &str) -> Result<Page, StoreError> {
    let before = value(query, "before").and_then(|text| text.parse::<i64>().ok()).filter(|id| *id > 0);
    let asked = ChangeQuery { gun: None, change_id: before.unwrap_or(-1), records: -ROWS };
    let mut changes = app.store.changes(&asked).await?;
    changes.reverse();
    let is_full = i64::try_from(changes.len()).is_ok_and(|found| found >= ROWS);
    let oldest = changes.last().filter(|_| is_full).map(|change| change.id);
    let content = html! {
        @if changes.is_empty() {
            p { "Nothing was published or deleted" @if before.is_some() { " before that" } "." }
        } @else { (table(&changes, true)) }
        @if let Some(oldest) = oldest {
            p { a href={ (PATH) "?before=" (oldest) } rel="next" { "Older changes" } }
        }
        @if before.is_some() { p { a href=(PATH) { "Newest changes" } } }
    };
    Ok(Page::new("Recent changes", content))
}

/// Newest first.
pub(super) fn table(changes: &[Change], with_names: bool) -> Markup {
    html! {
        div.wide role="region" aria-label="Changes" tabindex="0" { table {
            caption { "A publish, a key that was rotated and a timestamp that was signed anew each store a new timestamp" }
            thead { tr {
                th scope="col" { "Time" }
                @if with_names { th scope="col" { "Repository" } }
                th scope="col" { "Change" }
                th.number scope="col" { "Number" }
            } }
            tbody { @for change in changes { tr {
                td { (dates::time(change.created_at)) }
                @if with_names { th scope="row" { a href=(repository::link(&change.gun)) { (printable(&change.gun)) } } }
                td { @match change.category {
                    ChangeCategory::Update => { "timestamp " (change.version) },
                    ChangeCategory::Deletion => strong { "deleted" },
                } }
                td.number { (change.id) }
            } } }
        } }
    }
}
