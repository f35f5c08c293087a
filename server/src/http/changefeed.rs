//! GET of a change feed: what was published and deleted, in order.

use std::num::IntErrorKind;

use serde::Serialize;
use tuf_schema::Gun;

use super::error::ApiError;
use super::query::value;
use super::{Answer, answer};
use crate::app::App;
use crate::auth::{Access, CatalogAccess, Pull};
use crate::rate::Client;
use crate::store::{Change, ChangeQuery};

/// The most records of one page, so that no query makes an answer of the whole feed. Who wants more goes on from the
/// last id.
const MOST_RECORDS: i64 = 10_000;

#[derive(Serialize)]
struct WireFeed {
    count: usize,
    records: Vec<WireRecord>,
}

/// A record as the reference writes it: the id is a text.
#[derive(Serialize)]
struct WireRecord {
    #[serde(rename = "ID")]
    id: String,
    #[serde(rename = "CreatedAt")]
    created_at: String,
    #[serde(rename = "GUN")]
    gun: String,
    #[serde(rename = "Version")]
    version: u32,
    #[serde(rename = "SHA256")]
    sha256: String,
    #[serde(rename = "Category")]
    category: &'static str,
}

pub(super) async fn all(app: &App, _access: CatalogAccess, client: Client, query: &str) -> Result<Answer, ApiError> {
    feed(app, None, client, query).await
}

pub(super) async fn of_repository(
    app: &App,
    access: Access<Pull>,
    client: Client,
    query: &str,
) -> Result<Answer, ApiError> {
    feed(app, Some(access.gun().clone()), client, query).await
}

async fn feed(app: &App, gun: Option<Gun>, client: Client, query: &str) -> Result<Answer, ApiError> {
    let (change_id, records) = parameters(query)?;
    let changes = app.store.changes(&ChangeQuery { gun, change_id, records }).await?;
    let records: Vec<WireRecord> = changes.into_iter().map(WireRecord::from).collect();
    let page = answer::to_json(&WireFeed { count: records.len(), records });
    Ok(answer::text(app.answer_memory.hold(client, page)?))
}

/// `change_id` and `records` of a query: whole numbers of 32 bits. `records` must be there, and counts up to
/// [`MOST_RECORDS`].
fn parameters(query: &str) -> Result<(i64, i64), ApiError> {
    let records = value(query, "records").unwrap_or_default();
    let records = records.parse::<i32>().map_err(|error| {
        let what = match error.kind() {
            IntErrorKind::PosOverflow | IntErrorKind::NegOverflow => "value out of range",
            _ => "invalid syntax",
        };
        ApiError::invalid_records(&records, what)
    })?;
    let change_id = match value(query, "change_id").as_deref() {
        None | Some("") => 0,
        Some(text) => text.parse::<i32>().map_err(|_| ApiError::invalid_change_id())?,
    };
    Ok((i64::from(change_id), i64::from(records).clamp(-MOST_RECORDS, MOST_RECORDS)))
}

impl From<Change> for WireRecord {
    fn from(change: Change) -> Self {
        Self {
            id: change.id.to_string(),
            created_at: change.created_at.to_rfc3339(),
            gun: change.gun,
            version: change.version,
            sha256: change.sha256,
            category: change.category.as_str(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_has_at_most_ten_thousand_records() {
        for (query, expected) in [
            ("records=10000", (0, 10_000)),
            ("records=10001", (0, 10_000)),
            ("records=2147483647&change_id=7", (7, 10_000)),
            ("records=-2147483648&change_id=7", (7, -10_000)),
        ] {
            assert_eq!(parameters(query).ok(), Some(expected), "{query}");
        }
    }

    #[test]
    fn numbers_have_a_sign_and_32_bits() {
        for (query, expected) in [
            ("records=2", (0, 2)),
            ("change_id=3&records=2", (3, 2)),
            ("records=-2&change_id=-1", (-1, -2)),
            ("records=%2D2&change_id=", (0, -2)),
            ("x=y&records=1&records=x", (0, 1)),
        ] {
            assert_eq!(parameters(query).ok(), Some(expected), "{query}");
        }
        for query in
            ["", "records", "records=", "records=x", "records=1.0", "records=2147483648", "records=1&change_id=x"]
        {
            assert!(parameters(query).is_err(), "{query}");
        }
    }
}
