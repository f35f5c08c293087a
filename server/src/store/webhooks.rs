//! How far each webhook has got in the change feed, and which of several processes delivers for it.

use async_trait::async_trait;
use tuf_schema::UtcTime;

use super::StoreError;
use crate::webhooks::WebhookName;

/// The places of webhooks. Each method is one transaction, or needs none.
#[async_trait]
pub trait WebhookPlaces: Send + Sync {
    /// Gives a webhook that is not known a place behind the newest change record. One that is known keeps its place.
    async fn begin_webhook(&self, name: &WebhookName) -> Result<(), StoreError>;

    /// Lends a webhook that is known to `holder` for `seconds` from `now`, by the rule of
    /// [`take_lease`](super::MetadataStore::take_lease), and tells its place; `None` when it is another's.
    async fn take_webhook(
        &self,
        name: &WebhookName,
        holder: &str,
        now: UtcTime,
        seconds: u32,
    ) -> Result<Option<i64>, StoreError>;

    /// Moves a webhook on `from` one place `to` another; false, and nothing is moved, when it is not `holder`'s any more
    /// or at another place.
    async fn move_webhook(&self, name: &WebhookName, holder: &str, from: i64, to: i64) -> Result<bool, StoreError>;

    /// Frees what `holder` was lent. What is another's by now stays that one's.
    async fn give_back_webhook(&self, name: &WebhookName, holder: &str) -> Result<(), StoreError>;
}
