//! Events for others: each publish, deletion, change of keys and document that ends soon, posted to the receivers that the
//! configuration names, signed, at least once and in the order of the change feed.

mod address;
mod courier;
mod event;
mod history;
mod name;
mod near_expiry;
mod post;
mod receiver;
mod secret;
mod tally;
#[cfg(test)]
mod tests;
mod url;

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use ring::rand::SystemRandom;
use tokio::sync::Mutex;

pub use event::EventKind;
pub use name::WebhookName;
pub(crate) use receiver::CA_FILE;
pub use secret::SecretError;
pub(crate) use tally::Tally;
pub use url::{UrlError, WebhookUrl};

use self::courier::{Courier, Tools};
use self::post::HttpPost;
use self::receiver::Equipment;
use crate::app::StartError;
use crate::clock::Clock;
use crate::config::WebhookConfig;
use crate::expiry::survey::Survey;
use crate::store::MetadataStore;
use crate::watched::Watched;

/// How long it may take at the end to let another process go on at once.
const GIVING_BACK: Duration = Duration::from_secs(2);

/// All webhooks of a server.
pub(crate) struct Webhooks {
    couriers: Vec<Mutex<Courier>>,
    pub(crate) tallies: Vec<Arc<Tally>>,
    store: Arc<dyn MetadataStore>,
}

impl Webhooks {
    /// Reads the files that `configs` name, and says how to read them again. Nothing is sent yet.
    ///
    /// # Errors
    /// [`StartError`] for the first file that cannot be used.
    pub(crate) fn start(
        configs: &[WebhookConfig],
        store: &Arc<dyn MetadataStore>,
        clock: &Arc<dyn Clock>,
        watched: &mut Vec<Watched>,
    ) -> Result<Self, StartError> {
        let (mut couriers, mut tallies) = (Vec::new(), Vec::new());
        for config in configs {
            let (equipment, files) = Equipment::start(config)?;
            watched.push(files);
            let post = HttpPost { url: config.url.clone(), allows_private: config.allows_private, equipment };
            let tools = Tools {
                store: Arc::clone(store),
                clock: Arc::clone(clock),
                chance: Arc::new(SystemRandom::new()),
                post: Box::new(post),
            };
            let tally = Arc::new(Tally::new(config.name.clone()));
            let subscription = config.subscription.clone();
            couriers.push(Mutex::new(Courier::new(config.name.clone(), subscription, Arc::clone(&tally), tools)));
            tallies.push(tally);
        }
        Ok(Self { couriers, tallies, store: Arc::clone(store) })
    }

    /// Whether the files of a webhook can be used.
    ///
    /// # Errors
    /// [`StartError`] for the first that cannot.
    pub(crate) fn check(config: &WebhookConfig) -> Result<(), StartError> {
        Equipment::start(config).map(drop)
    }

    /// Delivers in the background, for ever. `survey` knows what ends soon.
    pub(crate) async fn run(&self, survey: &Survey) {
        join_all(self.couriers.iter().map(|courier| async { courier.lock().await.run(survey).await })).await;
    }

    /// Lets another process go on at once, after [`Self::run`] was broken off.
    pub(crate) async fn give_back(&self) {
        let given = join_all(self.couriers.iter().map(|courier| async {
            let courier = courier.lock().await;
            if let Err(error) = self.store.give_back_webhook(&courier.name, &courier.holder).await {
                let error: &(dyn std::error::Error + 'static) = &error;
                tracing::warn!(webhook = %courier.name, error, "another process goes on half a minute later");
            }
        }));
        let _too_late = tokio::time::timeout(GIVING_BACK, given).await;
    }
}
