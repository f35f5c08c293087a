//! One at a time for each GUN: those who would only get in each other's way wait for their turn.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::OwnedMutexGuard;
use tuf_schema::Gun;

/// The GUNs that somebody is busy with. Holds as many entries as there are turns taken or waited for.
#[derive(Debug, Default)]
pub(crate) struct GunTurns {
    busy: Arc<Mutex<HashMap<Gun, Arc<tokio::sync::Mutex<()>>>>>,
}

/// A turn; it ends when this is dropped.
pub(crate) struct Turn {
    gun: Gun,
    busy: Arc<Mutex<HashMap<Gun, Arc<tokio::sync::Mutex<()>>>>>,
    held: Option<OwnedMutexGuard<()>>,
}

impl GunTurns {
    /// Waits until nobody else is busy with `gun`.
    pub(crate) async fn take(&self, gun: &Gun) -> Turn {
        let mutex = entries(&self.busy).entry(gun.clone()).or_default().clone();
        // Made before the wait: whoever gives up waiting cleans up as well.
        let mut turn = Turn { gun: gun.clone(), busy: self.busy.clone(), held: None };
        turn.held = Some(mutex.lock_owned().await);
        turn
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut busy = entries(&self.busy);
        self.held = None;
        // The map's own reference is the last one when nobody holds the turn or waits for it: both keep one, and new
        // ones are made under the lock that is held here.
        if busy.get(&self.gun).is_some_and(|mutex| Arc::strong_count(mutex) == 1) {
            busy.remove(&self.gun);
        }
    }
}

fn entries(
    busy: &Mutex<HashMap<Gun, Arc<tokio::sync::Mutex<()>>>>,
) -> MutexGuard<'_, HashMap<Gun, Arc<tokio::sync::Mutex<()>>>> {
    busy.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    fn gun(text: &str) -> Gun {
        Gun::parse(text).unwrap()
    }

    #[tokio::test]
    async fn a_turn_is_waited_for_and_another_gun_is_not() {
        let (turns, second_gun) = (GunTurns::default(), gun("g"));
        let first = turns.take(&gun("g")).await;
        let _other = turns.take(&gun("h")).await;
        let mut second = Box::pin(turns.take(&second_gun));
        assert!((&mut second).now_or_never().is_none());
        drop(first);
        assert!((&mut second).now_or_never().is_some());
    }

    #[tokio::test]
    async fn nothing_is_kept_of_turns_that_ended_or_were_given_up() {
        let (turns, second_gun) = (GunTurns::default(), gun("g"));
        let first = turns.take(&gun("g")).await;
        let mut second = Box::pin(turns.take(&second_gun));
        assert!((&mut second).now_or_never().is_none());
        drop(first);
        drop(second);
        assert!(turns.busy.lock().unwrap().is_empty());
    }
}
