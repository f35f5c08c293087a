//! What ends soon, told once for each number of days, as far as this process knows what it told.

use std::collections::BTreeSet;

use tuf_schema::{Gun, Role, UtcTime};

use super::event::{self, Event};
use crate::config::Subscription;
use crate::expiry::survey::Survey;
use crate::store::{MetadataStore, StoreError};

const DAY: i64 = 24 * 60 * 60;

/// Within how many days it is told what ends, the fewest first.
const DAYS: [i64; 3] = [1, 7, 30];

/// How often it is looked for, in seconds.
const LOOK_EVERY: i64 = 60;

/// How many documents are asked after in one look: the others come with the next.
const AT_A_TIME: usize = 100;

/// A document with its date, and within how many days it ends.
type Notice = (Gun, Role, UtcTime, i64);

/// What was told already. The same events have the same ids in every process, so that a receiver can drop those that come
/// again after a start.
#[derive(Debug, Default)]
pub(super) struct NearExpiries {
    told: BTreeSet<Notice>,
    looked: Option<UtcTime>,
}

impl NearExpiries {
    /// The events that are due now and were not told before.
    pub(super) async fn due(
        &mut self,
        subscription: &Subscription,
        store: &dyn MetadataStore,
        survey: &Survey,
        now: UtcTime,
    ) -> Result<Vec<Event>, StoreError> {
        if self.looked.is_some_and(|looked| looked <= now && now < looked.plus_seconds(LOOK_EVERY)) {
            return Ok(Vec::new());
        }
        let (mut events, mut still, mut asked) = (Vec::new(), BTreeSet::new(), 0_usize);
        for expiring in survey.expiries.expiring(now) {
            let left = expiring.expires.unix_seconds().saturating_sub(now.unix_seconds());
            let Some(days) = DAYS.into_iter().find(|days| left <= days.saturating_mul(DAY)) else { break };
            let notice = (expiring.gun.clone(), expiring.role.clone(), expiring.expires, days);
            if self.told.contains(&notice) {
                still.insert(notice);
            } else if subscription.is_about(expiring.gun.as_str()) && asked < AT_A_TIME {
                asked = asked.saturating_add(1);
                let roles = BTreeSet::from([expiring.role.clone()]);
                let newest = store.newest_of(&expiring.gun, &roles).await?;
                let Some((version, sha256)) = newest.get(&expiring.role) else { continue };
                match survey.remembered(sha256) {
                    // Published since it was looked at: the survey learns of it.
                    None => continue,
                    Some(expires) if expires == expiring.expires => {
                        events.push(event::near_expiry(&expiring, *version, days, now));
                    }
                    Some(_) => {}
                }
                still.insert(notice);
            }
        }
        // What ends no longer is forgotten, so that this has an end, too.
        self.told = still;
        self.looked = (asked < AT_A_TIME).then_some(now);
        Ok(events)
    }
}
