//! When stored documents expire, as it must be known weeks ahead: most of them nobody but their publishers can sign anew.
//!
//! It is held in memory, so that telling it asks the database nothing. `survey` looks, in the background.

pub(crate) mod survey;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tuf_schema::{Gun, Role, UtcTime};

const DAY: i64 = 24 * 60 * 60;

/// How many documents are held: those that expire first. With usual names they take some two megabytes.
const HELD: usize = 10_000;

/// How many of them are told by their names, which are foreign: each is a series of its own to whoever reads them.
pub(crate) const TOLD_BY_NAME: usize = 100;

/// What has been expired for longer is not told, in seconds: whoever needs it has noticed, and what nobody mends must not
/// take the places of what somebody still can.
const TOLD_AFTERWARDS: i64 = 30 * DAY;

/// When the documents of repositories expire, as far as they were looked at.
#[derive(Debug, Default)]
pub(crate) struct Expiries {
    known: Mutex<Known>,
}

/// A document and when it expires.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Expiring {
    pub(crate) gun: Gun,
    pub(crate) role: Role,
    pub(crate) expires: UtcTime,
}

#[derive(Debug, Default)]
struct Known {
    by_gun: BTreeMap<Gun, Looked>,
    /// The same, what expires first before all others.
    order: BTreeSet<(UtcTime, Gun, Role)>,
    rounds: u64,
}

/// What was found in a repository.
#[derive(Debug)]
struct Looked {
    /// After how many rounds.
    rounds: u64,
    dated: Vec<(Role, UtcTime)>,
}

impl Expiries {
    /// When the documents of a repository expire, in place of what was known of it.
    fn note(&self, gun: &Gun, dated: Vec<(Role, UtcTime)>) {
        let mut known = self.known();
        let rounds = known.rounds;
        known.put(gun, rounds, dated);
    }

    /// The same for one that is known. It does not count as looked at in this round: that it is still in use is for the
    /// round to find out.
    fn note_again(&self, gun: &Gun, dated: Vec<(Role, UtcTime)>) {
        let mut known = self.known();
        if let Some(rounds) = known.by_gun.get(gun).map(|looked| looked.rounds) {
            known.put(gun, rounds, dated);
        }
    }

    /// Every repository was looked at: those that were not among them are gone, or not in use any more.
    fn end_round(&self) {
        let mut known = self.known();
        let rounds = known.rounds;
        let before = known.by_gun.iter().filter(|(_, looked)| looked.rounds != rounds);
        let gone: Vec<Gun> = before.map(|(gun, _)| gun.clone()).collect();
        gone.iter().for_each(|gun| known.remove(gun));
        known.rounds = rounds.wrapping_add(1);
    }

    /// How often every repository was looked at.
    pub(crate) fn rounds(&self) -> u64 {
        self.known().rounds
    }

    /// What is to be told, what expires first before all others.
    pub(crate) fn expiring(&self, now: UtcTime) -> Vec<Expiring> {
        let since = now.plus_seconds(-TOLD_AFTERWARDS);
        let known = self.known();
        let told = known.order.iter().skip_while(|(expires, ..)| *expires < since);
        told.map(|(expires, gun, role)| Expiring { gun: gun.clone(), role: role.clone(), expires: *expires }).collect()
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn put(&mut self, gun: &Gun, rounds: u64, dated: Vec<(Role, UtcTime)>) {
        self.remove(gun);
        for (role, expires) in &dated {
            self.order.insert((*expires, gun.clone(), role.clone()));
        }
        if !dated.is_empty() {
            self.by_gun.insert(gun.clone(), Looked { rounds, dated });
        }
        while self.order.len() > HELD {
            let Some((_, gun, role)) = self.order.pop_last() else { return };
            let Some(looked) = self.by_gun.get_mut(&gun) else { continue };
            looked.dated.retain(|(known, _)| *known != role);
            if looked.dated.is_empty() {
                self.by_gun.remove(&gun);
            }
        }
    }

    fn remove(&mut self, gun: &Gun) {
        let Some(looked) = self.by_gun.remove(gun) else { return };
        for (role, expires) in looked.dated {
            self.order.remove(&(expires, gun.clone(), role));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> UtcTime {
        UtcTime::parse("2026-11-21T21:05:00Z").unwrap()
    }

    fn gun(number: usize) -> Gun {
        Gun::parse(&format!("g{number}")).unwrap()
    }

    /// A root that expires in so many seconds.
    fn root(seconds: usize) -> Vec<(Role, UtcTime)> {
        vec![(Role::Root, now().plus_seconds(i64::try_from(seconds).unwrap()))]
    }

    fn told(expiries: &Expiries) -> Vec<(String, String)> {
        let told = expiries.expiring(now()).into_iter();
        told.map(|it| (it.gun.to_string(), it.role.to_string())).collect()
    }

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(gun, role)| ((*gun).to_owned(), (*role).to_owned())).collect()
    }

    #[test]
    fn what_expires_first_is_told_first_whichever_repository_it_is_of() {
        let expiries = Expiries::default();
        let at = |seconds| now().plus_seconds(seconds);
        expiries.note(&gun(1), vec![(Role::Root, at(30)), (Role::Targets, at(10))]);
        expiries.note(&gun(2), vec![(Role::Root, at(20)), (Role::Snapshot, at(-5))]);
        let expected = pairs(&[("g2", "snapshot"), ("g1", "targets"), ("g2", "root"), ("g1", "root")]);
        assert_eq!(told(&expiries), expected);
    }

    #[test]
    fn what_is_found_of_a_repository_takes_the_place_of_what_was_known() {
        let expiries = Expiries::default();
        expiries.note(&gun(1), vec![(Role::Root, now()), (Role::Targets, now())]);
        expiries.note(&gun(1), root(5));
        assert_eq!(told(&expiries), pairs(&[("g1", "root")]));
        expiries.note(&gun(1), Vec::new());
        assert_eq!(told(&expiries), []);
        assert!(expiries.known().by_gun.is_empty());
    }

    #[test]
    fn ten_thousand_documents_are_held_and_of_one_more_those_that_expire_first() {
        let expiries = Expiries::default();
        for number in 1..=HELD {
            expiries.note(&gun(number), root(number));
        }
        assert_eq!(expiries.expiring(now()).len(), HELD);
        // The last of them goes, and with it what was known of its repository.
        expiries.note(&gun(0), root(0));
        assert_eq!((expiries.expiring(now()).len(), expiries.known().by_gun.len()), (HELD, HELD));
        assert_eq!(expiries.expiring(now())[0].gun, gun(0));
        assert_eq!(expiries.expiring(now())[HELD - 1].gun, gun(HELD - 1));
        // One that expires after all others finds no place.
        expiries.note(&gun(HELD + 1), root(HELD + 1));
        assert_eq!(expiries.expiring(now())[HELD - 1].gun, gun(HELD - 1));
        assert_eq!(expiries.known().by_gun.len(), HELD);
    }

    #[test]
    fn what_a_round_did_not_come_by_is_forgotten_at_its_end() {
        let expiries = Expiries::default();
        expiries.note(&gun(1), root(1));
        expiries.note(&gun(2), root(2));
        expiries.end_round();
        assert_eq!(expiries.rounds(), 1);
        expiries.note(&gun(2), root(3));
        // Looked at for its date, and not because it is in use.
        expiries.note_again(&gun(1), root(4));
        assert_eq!(told(&expiries), pairs(&[("g2", "root"), ("g1", "root")]));
        expiries.end_round();
        assert_eq!(told(&expiries), pairs(&[("g2", "root")]));
        expiries.note_again(&gun(1), root(4));
        assert_eq!(told(&expiries), pairs(&[("g2", "root")]));
    }

    #[test]
    fn what_has_been_expired_for_thirty_days_is_told_and_a_second_longer_is_not() {
        let expiries = Expiries::default();
        let at = |seconds| now().plus_seconds(seconds);
        expiries.note(&gun(1), vec![(Role::Root, at(-30 * DAY)), (Role::Targets, at(-30 * DAY - 1))]);
        assert_eq!(told(&expiries), pairs(&[("g1", "root")]));
    }
}
