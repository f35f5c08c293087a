//! All repositories, a page at a time, and whether what the server stands on answers.

use maud::{Markup, html};
use tuf_schema::{BaseRole, Role, UtcTime};

use super::frame::Page;
use super::{dates, repository};
use crate::app::App;
use crate::http::query::{encoded, value};
use crate::printable::printable;
use crate::repositories::{self, Listed, ListedFile, PageQuery, ROLES};
use crate::store::StoreError;

/// How many repositories a page has.
const ROWS: u32 = 100;

pub(super) async fn page(app: &App, query: &str) -> Result<Page, StoreError> {
    let prefix = value(query, "prefix").unwrap_or_default();
    let after = value(query, "last").filter(|last| !last.is_empty());
    let is_first = after.is_none();
    let found = repositories::page(&*app.store, &PageQuery { prefix: prefix.clone(), after, limit: ROWS }).await?;
    let standings = app.health.look(&*app.store, &*app.signer, &*app.clock).await;
    let now = app.clock.now();
    let content = html! {
        @if is_first && !standings.is_empty() {
            h2 { "Health" }
            ul { @for standing in &standings {
                li { @if standing.amiss.is_some() { strong.over { (standing) } } @else { (standing) } }
            } }
        }
        form role="search" action="/" method="get" {
            label for="prefix" { "Names that begin with" }
            input #prefix name="prefix" type="search" value=(printable(&prefix)) autocomplete="off" spellcheck="false";
            button { "Show" }
        }
        @if found.repositories.is_empty() {
            p { "There are none" @if !is_first { " behind that name" } "." }
        } @else {
            div.wide role="region" aria-label="Repositories" tabindex="0" { table {
                caption { "The newest version of each role, and what people have to sign anew first" }
                thead { tr {
                    th scope="col" { "Repository" }
                    @for role in ROLES { th.number scope="col" { (Role::from(role)) } }
                    th.number scope="col" { "Days left" }
                    th scope="col" { "Ends first" }
                } }
                tbody { @for listed in &found.repositories { (row(listed, now)) } }
            } }
        }
        @if let Some(next) = &found.next {
            p { a href={ "/?prefix=" (encoded(&prefix)) "&last=" (encoded(next)) } rel="next" { "Next page" } }
        }
        @if !is_first { p { a href={ "/?prefix=" (encoded(&prefix)) } { "First page" } } }
    };
    Ok(Page::new("Repositories", content))
}

fn row(listed: &Listed, now: UtcTime) -> Markup {
    html! {
        tr {
            th scope="row" {
                a href=(repository::link(&listed.name)) { (printable(&listed.name)) }
                @if let Some(trouble) = listed.trouble() { br; strong.over { (printable(&trouble)) } }
            }
            @for file in listed.files { td.number { (version(file)) } }
            @match first_to_sign(listed, now) {
                Some((role, date)) => {
                    td.number { (dates::days(date, now)) }
                    td { (Role::from(role)) }
                }
                None => { td.number { "–" } td { "–" } }
            }
        }
    }
}

/// What ends first of all that people sign. Timestamps end within days and are signed anew by the server: one is named when that
/// was not done.
fn first_to_sign(listed: &Listed, now: UtcTime) -> Option<(BaseRole, UtcTime)> {
    let dates = ROLES.into_iter().zip(&listed.files).filter_map(|(role, file)| Some((role, (*file)?.expires?)));
    dates.filter(|(role, date)| *role != BaseRole::Timestamp || *date < now).min_by_key(|(_, date)| *date)
}

fn version(file: Option<ListedFile>) -> Markup {
    html! {
        @match file {
            None => "–",
            Some(ListedFile { version: Some(version), .. }) => (version),
            Some(ListedFile { version: None, .. }) => "?",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timestamp_ends_first_only_when_it_was_not_signed_anew() {
        let date = |text: &str| UtcTime::parse(text).unwrap();
        let file = |text: &str| Some(ListedFile { version: Some(1), expires: Some(date(text)) });
        let files = [file("2036-11-21T00:00:00Z"), file("2029-11-21T00:00:00Z"), None, file("2026-12-01T00:00:00Z")];
        let listed = Listed { name: "a".to_owned(), files, grants: None };
        let first = |now: &str| first_to_sign(&listed, date(now)).unwrap().0;
        assert_eq!(first("2026-12-01T00:00:00Z"), BaseRole::Targets);
        assert_eq!(first("2026-12-01T00:00:01Z"), BaseRole::Timestamp);
    }
}
