//! The life of a key: pending, active, retired, deleted; and what may be removed when. Decides, and does nothing.

use tuf_schema::UtcTime;

mod keys;

pub use keys::{KeyChanges, Keys, KeysError, Purged};

/// How old a key that never signed must be before it may be deleted or removed here. A root that names it may have been
/// published long before the first snapshot or timestamp that it signs.
pub const PENDING_DAYS: u32 = 180;
/// How long a deleted key can be brought back, unless the operator says otherwise.
pub const GRACE_DAYS: u32 = 30;

const SECONDS_OF_A_DAY: i64 = 86_400;

/// Where a key is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It has not signed yet: it is handed out when a key of its purpose is asked for.
    Pending,
    /// It has signed, and signs.
    Active,
    /// It signs no more, until that is taken back. Its public half is still told.
    Retired,
    /// It answers no question; it can be brought back as long as its row is there.
    Deleted,
}

/// What is known of when; `None` for what did not happen, or was not written down.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Times {
    /// When it was made.
    pub created: Option<UtcTime>,
    /// When it first signed. The reference does not write it down.
    pub first_used: Option<UtcTime>,
    /// When it last signed, some seconds late at most.
    pub last_used: Option<UtcTime>,
    /// Since when it signs no more.
    pub retired: Option<UtcTime>,
    /// Since when it is deleted.
    pub deleted: Option<UtcTime>,
}

/// A key as it stands in the store, without its halves. The texts are the row's, which need not be what a signer writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its id.
    pub id: String,
    /// Its algorithm.
    pub algorithm: String,
    /// The alias that its secret half is sealed under.
    pub alias: String,
    /// The repository it was made for; empty for none.
    pub gun: String,
    /// The role it was made for; empty for none.
    pub role: String,
    /// Its times.
    pub times: Times,
}

/// What a purge may take: everything that was so for long enough.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    now: UtcTime,
    deleted_days: u32,
    pending_days: Option<u32>,
}

/// The next step of a key that a purge may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// A key that never signed is deleted, and can be brought back.
    Deletion,
    /// The row of a deleted key is removed for good.
    Removal,
}

/// A purge that nobody may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LimitError {
    /// Keys that never signed are kept for longer.
    #[error(
        "keys that never signed are kept for {PENDING_DAYS} days, as a published root may name them; {days} is too few"
    )]
    PendingTooYoung {
        /// What was asked for.
        days: u32,
    },
    /// There would be no time to bring a deleted key back.
    #[error("a deleted key is kept for a day at least")]
    NoGrace,
}

impl Times {
    /// Where the key is in its life.
    #[must_use]
    pub fn state(&self) -> State {
        match (self.deleted, self.retired, self.last_used) {
            (Some(_), _, _) => State::Deleted,
            (None, Some(_), _) => State::Retired,
            (None, None, Some(_)) => State::Active,
            (None, None, None) => State::Pending,
        }
    }
}

impl Limits {
    /// Deleted keys go after `deleted_days`, keys that never signed after `pending_days`, or with `None` not at all.
    ///
    /// # Errors
    /// [`LimitError`] when that is too soon.
    pub fn new(now: UtcTime, deleted_days: u32, pending_days: Option<u32>) -> Result<Self, LimitError> {
        match pending_days {
            _ if deleted_days == 0 => Err(LimitError::NoGrace),
            Some(days) if days < PENDING_DAYS => Err(LimitError::PendingTooYoung { days }),
            pending_days => Ok(Self { now, deleted_days, pending_days }),
        }
    }

    /// What a key of these times has to expect. A key that has signed and is not deleted never has anything to expect.
    #[must_use]
    pub fn due(&self, times: &Times) -> Option<Due> {
        let never_used_for = |days| times.last_used.is_some() || self.is_past(times.created, days);
        match (times.state(), self.pending_days) {
            (State::Deleted, _) => {
                let may_go = self.is_past(times.deleted, self.deleted_days) && never_used_for(PENDING_DAYS);
                may_go.then_some(Due::Removal)
            }
            (State::Pending, Some(days)) => never_used_for(days).then_some(Due::Deletion),
            (State::Pending, None) | (State::Active | State::Retired, _) => None,
        }
    }

    /// The latest moment that is `days` ago.
    pub(crate) fn ago(&self, days: u32) -> UtcTime {
        self.now.plus_seconds(-i64::from(days) * SECONDS_OF_A_DAY)
    }

    pub(crate) fn deleted_before(&self) -> UtcTime {
        self.ago(self.deleted_days)
    }

    /// Whether the moment is known and `days` ago or more.
    fn is_past(&self, moment: Option<UtcTime>, days: u32) -> bool {
        moment.is_some_and(|moment| moment <= self.ago(days))
    }
}

impl State {
    /// Every state.
    pub const ALL: [Self; 4] = [Self::Pending, Self::Active, Self::Retired, Self::Deleted];

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Active => "active",
            Self::Retired => "retired",
            Self::Deleted => "deleted",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(number: i64) -> UtcTime {
        UtcTime::from_unix_seconds(number * SECONDS_OF_A_DAY).unwrap()
    }

    fn made(number: i64) -> Times {
        Times { created: Some(day(number)), ..Times::default() }
    }

    #[test]
    fn what_happened_last_in_a_life_is_its_state() {
        let mut times = made(1);
        assert_eq!(times.state(), State::Pending);
        times.last_used = Some(day(2));
        assert_eq!(times.state(), State::Active);
        times.retired = Some(day(3));
        assert_eq!(times.state(), State::Retired);
        times.deleted = Some(day(4));
        assert_eq!(times.state(), State::Deleted);
    }

    #[test]
    fn a_pending_key_is_kept_for_180_days_whatever_is_asked_for() {
        assert_eq!(Limits::new(day(500), 30, Some(179)), Err(LimitError::PendingTooYoung { days: 179 }));
        let limits = Limits::new(day(500), 30, Some(180)).unwrap();
        assert_eq!(limits.due(&made(320)), Some(Due::Deletion), "at the limit");
        let younger = Times { created: Some(day(320).plus_seconds(1)), ..Times::default() };
        assert_eq!(limits.due(&younger), None, "one second past it");
        assert_eq!(limits.due(&Times::default()), None, "nobody knows how old it is");
        assert_eq!(Limits::new(day(500), 30, None).unwrap().due(&made(0)), None, "it was not asked for");
    }

    #[test]
    fn a_deleted_key_is_kept_for_its_grace() {
        assert_eq!(Limits::new(day(500), 0, None), Err(LimitError::NoGrace));
        let limits = Limits::new(day(500), 30, None).unwrap();
        let deleted = |at| Times { last_used: Some(day(1)), deleted: Some(at), ..made(1) };
        assert_eq!(limits.due(&deleted(day(470))), Some(Due::Removal));
        assert_eq!(limits.due(&deleted(day(470).plus_seconds(1))), None);
    }

    #[test]
    fn a_deleted_key_that_never_signed_is_kept_for_180_days_of_its_life_too() {
        let limits = Limits::new(day(500), 30, Some(180)).unwrap();
        let deleted = |made| Times { created: Some(made), deleted: Some(day(400)), ..Times::default() };
        assert_eq!(limits.due(&deleted(day(320))), Some(Due::Removal));
        assert_eq!(limits.due(&deleted(day(320).plus_seconds(1))), None);
    }

    #[test]
    fn a_key_that_signs_and_a_retired_one_are_never_due() {
        let limits = Limits::new(day(5000), 1, Some(180)).unwrap();
        let active = Times { last_used: Some(day(2)), ..made(1) };
        assert_eq!(limits.due(&active), None);
        assert_eq!(limits.due(&Times { retired: Some(day(3)), ..active }), None);
        assert_eq!(limits.due(&Times { retired: Some(day(3)), ..made(1) }), None);
    }
}
