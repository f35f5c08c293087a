//! One repository: who may sign what, how long it is good for, and its versions over time.

use hyper::StatusCode;
use maud::{Markup, html};
use tuf_schema::{Gun, Role, UtcTime};

use super::frame::Page;
use super::{changes, dates};
use crate::admin::{Roles, ShownRole};
use crate::app::App;
use crate::days::days_left;
use crate::http::query::{encoded, value};
use crate::printable::printable;
use crate::store::{ChangeQuery, FileKey, StoreError};

pub(super) const PATH: &str = "/repository";

/// How many roles are shown; `admin show` has all of them.
const MOST_ROLES: usize = 200;
/// How many changes.
const CHANGES: i64 = 20;

pub(super) fn link(gun: &str) -> String {
    format!("{PATH}?gun={}", encoded(gun))
}

pub(super) async fn page(app: &App, query: &str) -> Result<Page, StoreError> {
    let name = value(query, "gun").unwrap_or_default();
    let nothing = || Page::failure(StatusCode::NOT_FOUND, "Nothing is stored under that name.");
    let Ok(gun) = Gun::parse(&name) else { return Ok(nothing()) };
    let asked = ChangeQuery { gun: Some(gun.clone()), change_id: -1, records: -CHANGES };
    let mut changes = app.store.changes(&asked).await?;
    changes.reverse();
    let Some(mut roles) = Roles::of(&*app.store, &gun).await? else {
        if changes.is_empty() {
            return Ok(nothing());
        }
        let content = html! { p { "Nothing is stored of it any more." } h2 { "Recent changes" } (changes::table(&changes, false)) };
        return Ok(Page { status: StatusCode::NOT_FOUND, title: printable(gun.as_str()), content });
    };
    let mut shown = Vec::new();
    let mut is_all = true;
    while let Some(role) = roles.next(&*app.store, &gun).await? {
        if shown.len() == MOST_ROLES {
            is_all = false;
            break;
        }
        shown.push(role);
    }
    shown.sort_by_key(|role| rank(&role.name));
    let now = app.clock.now();
    let content = html! {
        h2 { "Roles and keys" }
        (role_table(&shown, now))
        @if !is_all {
            p { "The first " (MOST_ROLES) " roles. All of them: " code { "bulla-server admin show " (printable(gun.as_str())) } }
        }
        h2 { "Signers" }
        (signers(&shown))
        h2 { "Versions over time" }
        (versions(roles.recent.iter().rev()))
        h2 { "Recent changes" }
        @if changes.is_empty() { p { "The change feed has none." } } @else { (changes::table(&changes, false)) }
    };
    Ok(Page::new(printable(gun.as_str()), content))
}

/// Roles stand below those that name their keys: the deeper a role, the farther to the right.
fn role_table(shown: &[ShownRole], now: UtcTime) -> Markup {
    html! {
        div.wide role="region" aria-label="Roles and keys" tabindex="0" { table {
            caption { "Each role, whose keys are named by the one above it that it is indented under" }
            thead { tr {
                th scope="col" { "Role" }
                th.number scope="col" { "Version" }
                th.number scope="col" { "Stored" }
                th scope="col" { "Ends" }
                th.number scope="col" { "Days left" }
                th scope="col" { "Signatures needed" }
                th scope="col" { "Keys" }
            } }
            tbody { @for role in shown { (row(role, now)) } }
        } }
    }
}

fn row(shown: &ShownRole, now: UtcTime) -> Markup {
    let role = Role::parse(&shown.name).ok();
    let days = |date: UtcTime| match role {
        // the server signs it anew in time
        Some(Role::Timestamp) if date >= now => html! { (days_left(date, now)) },
        _ => dates::days(date, now),
    };
    html! {
        tr {
            th scope="row" class=(depth(role.as_ref())) {
                (printable(&shown.name))
                @for trouble in &shown.troubles { br; strong.over { (trouble.told()) } }
            }
            td.number { @match shown.version { Some(version) => (version), None => "–" } }
            td.number { (shown.stored) }
            @match shown.expires {
                Some(date) => { td { (dates::time(date)) } td.number { (days(date)) } }
                None => { td { "–" } td.number { "–" } }
            }
            @match &shown.grant {
                Some(grant) => {
                    td { (grant.threshold) " of " (grant.key_ids.len()) }
                    td { ul.keys { @for id in &grant.key_ids { li { code { (printable(id.as_str())) } } } } }
                }
                None => { td { "–" } td { "no document that can be read names them" } }
            }
        }
    }
}

/// Delegations follow targets, which names their keys; among themselves roles stay as they are.
fn rank(name: &str) -> u8 {
    match Role::parse(name) {
        Ok(Role::Root) => 0,
        Ok(Role::Targets) => 1,
        Ok(Role::Delegation(_)) => 2,
        Ok(Role::Snapshot) => 3,
        Ok(Role::Timestamp) => 4,
        Err(_) => 5,
    }
}

/// Root is at the left, what it names is one step in, a delegation one step more for each part of its name.
fn depth(role: Option<&Role>) -> &'static str {
    match role {
        None | Some(Role::Root) => "depth-0",
        Some(Role::Targets | Role::Snapshot | Role::Timestamp) => "depth-1",
        Some(Role::Delegation(name)) => match name.as_str().matches('/').count() {
            0 | 1 => "depth-2",
            2 => "depth-3",
            3 => "depth-4",
            _ => "depth-5",
        },
    }
}

/// Who may sign tags beside the owner, by docker's rule: `targets/NAME` is the signer NAME, and `targets/releases` is of all.
fn signers(shown: &[ShownRole]) -> Markup {
    let signers: Vec<(&str, &ShownRole)> = shown
        .iter()
        .filter_map(|role| Some((role.name.strip_prefix("targets/")?, role)))
        .filter(|(name, _)| *name != "releases" && !name.contains('/'))
        .collect();
    html! {
        @if signers.is_empty() {
            p { "Nobody but the owner of the targets key." }
        } @else {
            ul { @for (name, role) in signers { li {
                (printable(name))
                @if let Some(grant) = &role.grant { ": " (grant.key_ids.len()) @if grant.key_ids.len() == 1 { " key" } @else { " keys" } }
            } } }
        }
    }
}

/// Newest first.
fn versions<'a>(files: impl Iterator<Item = &'a FileKey>) -> Markup {
    html! {
        div.wide role="region" aria-label="Versions over time" tabindex="0" { table {
            caption { "The files that were stored last" }
            thead { tr { th scope="col" { "Stored" } th scope="col" { "Role" } th.number scope="col" { "Version" } } }
            tbody { @for file in files { tr {
                td { @match file.created_at { Some(date) => (dates::time(date)), None => "–" } }
                th scope="row" { (printable(&file.role)) }
                td.number { @match file.version { Some(version) => (version), None => "?" } }
            } } }
        } }
    }
}
