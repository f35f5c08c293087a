//! The places of webhooks in memory.

use async_trait::async_trait;
use tuf_schema::UtcTime;

use super::MemoryStore;
use crate::store::{StoreError, WebhookPlaces};
use crate::webhooks::WebhookName;

/// How far a webhook has got, and who delivers for it until when.
pub(super) struct Place {
    place: i64,
    lent: Option<(String, UtcTime)>,
}

#[async_trait]
impl WebhookPlaces for MemoryStore {
    async fn begin_webhook(&self, name: &WebhookName) -> Result<(), StoreError> {
        let mut state = self.state();
        let place = state.last_change_id;
        state.webhooks.entry(name.clone()).or_insert(Place { place, lent: None });
        Ok(())
    }

    async fn take_webhook(
        &self,
        name: &WebhookName,
        holder: &str,
        now: UtcTime,
        seconds: u32,
    ) -> Result<Option<i64>, StoreError> {
        let mut state = self.state();
        let Some(known) = state.webhooks.get_mut(name) else { return Ok(None) };
        let too_late = now.plus_seconds(i64::from(seconds).saturating_mul(2));
        let lent = known.lent.as_ref();
        if lent.is_some_and(|(other, until)| other != holder && *until > now && *until <= too_late) {
            return Ok(None);
        }
        known.lent = Some((holder.to_owned(), now.plus_seconds(seconds.into())));
        Ok(Some(known.place))
    }

    async fn move_webhook(&self, name: &WebhookName, holder: &str, from: i64, to: i64) -> Result<bool, StoreError> {
        let mut state = self.state();
        let Some(known) = state.webhooks.get_mut(name) else { return Ok(false) };
        let is_his = known.lent.as_ref().is_some_and(|(other, _)| other == holder) && known.place == from;
        if is_his {
            known.place = to;
        }
        Ok(is_his)
    }

    async fn give_back_webhook(&self, name: &WebhookName, holder: &str) -> Result<(), StoreError> {
        let mut state = self.state();
        if let Some(known) = state.webhooks.get_mut(name)
            && known.lent.as_ref().is_some_and(|(other, _)| other == holder)
        {
            known.lent = None;
        }
        Ok(())
    }
}
