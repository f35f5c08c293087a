//! Where in the story of a fault we are.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use tuf_schema::UtcTime;

/// The parts of the story.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    /// Nothing is broken yet.
    Before,
    /// Something is.
    Fault,
    /// It is mended.
    Healed,
    /// Nobody begins anything any more.
    Over,
}

/// Tells the phase, and the time since the fault ended.
#[derive(Debug)]
pub(crate) struct Clock {
    state: Mutex<(Phase, Instant)>,
}

impl Clock {
    pub(crate) fn start() -> Self {
        Self { state: Mutex::new((Phase::Before, Instant::now())) }
    }

    /// Goes on to `phase`.
    pub(crate) fn enter(&self, phase: Phase) {
        let mut state = self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        *state = (phase, if phase == Phase::Over { state.1 } else { Instant::now() });
    }

    pub(crate) fn phase(&self) -> Phase {
        self.state().0
    }

    /// How long ago the fault ended; `None` while it has not.
    pub(crate) fn since_healed(&self) -> Option<Duration> {
        let (phase, entered) = self.state();
        (phase >= Phase::Healed).then(|| entered.elapsed())
    }

    /// The time for documents.
    #[expect(clippy::unused_self, reason = "time comes from the clock, here as elsewhere")]
    pub(crate) fn now(&self) -> UtcTime {
        e2e::upload::now()
    }

    fn state(&self) -> (Phase, Instant) {
        *self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
