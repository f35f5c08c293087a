//! How much one client and one repository may use, so that none keeps the server from the others.

mod client;
mod keyed;
mod shares;

use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use tuf_schema::{Gun, Sha256};

pub(crate) use client::{Client, sender};
pub(crate) use shares::{Share, ShareUsed, Shares};

use crate::clock::Clock;
use crate::config::Rates;
use keyed::KeyedRate;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

/// A repository, as it is counted: of one length, whatever its name's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Repository(Sha256);

/// Everything that is counted by time.
pub(crate) struct RateLimits {
    client_requests: Limit<Client>,
    address_requests: Limit<Client>,
    gun_reads: Limit<Repository>,
    gun_publishes: Limit<Repository>,
    gun_key_requests: Limit<Repository>,
    gun_new_keys: Limit<Repository>,
    client_new_keys: Limit<Client>,
}

/// More was asked for than is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("more than {most} {what}; try again in {} seconds", .wait.as_secs())]
pub(crate) struct TooMany {
    /// What was counted, and by which time.
    what: &'static str,
    /// How many are allowed.
    most: u32,
    /// When it may be asked for again, in whole seconds from now; at least one.
    pub(crate) wait: Duration,
}

/// One rate; `None` is without limit.
struct Limit<K: Clone + Eq + Hash> {
    what: &'static str,
    most: u32,
    rate: Option<KeyedRate<K>>,
}

impl Repository {
    pub(crate) fn of(gun: &Gun) -> Self {
        Self(Sha256::of(gun.as_str().as_bytes()))
    }
}

impl RateLimits {
    pub(crate) fn new(rates: &Rates, clock: &Arc<dyn Clock>) -> Self {
        Self {
            client_requests: Limit::new("requests of one client a minute", rates.client_requests, MINUTE, clock),
            address_requests: Limit::new("requests from one address a minute", rates.address_requests, MINUTE, clock),
            gun_reads: Limit::new("reads of one repository a minute", rates.gun_reads, MINUTE, clock),
            gun_publishes: Limit::new("publishes to one repository a minute", rates.gun_publishes, MINUTE, clock),
            gun_key_requests: Limit::new(
                "questions for the keys of one repository a minute",
                rates.gun_key_requests,
                MINUTE,
                clock,
            ),
            gun_new_keys: Limit::new("new keys for one repository an hour", rates.gun_new_keys, HOUR, clock),
            client_new_keys: Limit::new("new keys for one client an hour", rates.client_new_keys, HOUR, clock),
        }
    }

    /// Any request, once it is known who sent it.
    pub(crate) fn count_request(&self, client: Client) -> Result<(), TooMany> {
        match client {
            Client::Subject(_) => self.client_requests.count(&client),
            Client::Address(_) => self.address_requests.count(&client),
        }
    }

    /// A read of a repository.
    pub(crate) fn count_read(&self, gun: &Gun) -> Result<(), TooMany> {
        self.gun_reads.count(&Repository::of(gun))
    }

    /// A publish or a deletion, whatever becomes of it.
    pub(crate) fn count_publish(&self, gun: &Gun) -> Result<(), TooMany> {
        self.gun_publishes.count(&Repository::of(gun))
    }

    /// A question for a key of the server.
    pub(crate) fn count_key_request(&self, gun: &Gun) -> Result<(), TooMany> {
        self.gun_key_requests.count(&Repository::of(gun))
    }

    /// A question for a key that waits for its first use, and is made if there is none.
    pub(crate) fn count_new_key(&self, gun: &Gun, client: Client) -> Result<(), TooMany> {
        self.client_new_keys.count(&client)?;
        self.gun_new_keys.count(&Repository::of(gun))
    }
}

impl<K: Clone + Eq + Hash> Limit<K> {
    fn new(what: &'static str, most: u32, period: Duration, clock: &Arc<dyn Clock>) -> Self {
        Self { what, most, rate: KeyedRate::new(most, period, Arc::clone(clock)) }
    }

    fn count(&self, key: &K) -> Result<(), TooMany> {
        let Some(Err(wait)) = self.rate.as_ref().map(|rate| rate.count(key)) else { return Ok(()) };
        let whole = wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0)).max(1);
        Err(TooMany { what: self.what, most: self.most, wait: Duration::from_secs(whole) })
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;
    use crate::clock::TestClock;

    fn gun(name: &str) -> Gun {
        Gun::parse(name).unwrap()
    }

    fn client(last: u8) -> Client {
        Client::of_address(IpAddr::V4(Ipv4Addr::new(192, 0, 2, last)))
    }

    fn limits(rates: Rates) -> (Arc<TestClock>, RateLimits) {
        let clock = TestClock::at("2026-11-21T21:05:00Z");
        let as_clock: Arc<dyn Clock> = Arc::clone(&clock) as _;
        (clock, RateLimits::new(&rates, &as_clock))
    }

    #[test]
    fn the_one_that_is_too_many_is_told_when_to_come_again() {
        let (clock, limits) = limits(Rates { gun_publishes: 6, ..Rates::default() });
        for _ in 0..6 {
            assert_eq!(limits.count_publish(&gun("a")), Ok(()));
        }
        let refused = limits.count_publish(&gun("a")).unwrap_err();
        assert_eq!(refused.to_string(), "more than 6 publishes to one repository a minute; try again in 10 seconds");
        assert_eq!(limits.count_publish(&gun("b")), Ok(()));
        clock.advance_seconds(10);
        assert_eq!(limits.count_publish(&gun("a")), Ok(()));
        assert!(limits.count_publish(&gun("a")).is_err());
    }

    #[test]
    fn zero_is_without_limit() {
        let (_clock, limits) = limits(Rates { gun_publishes: 0, ..Rates::default() });
        assert!((0..100_000).all(|_| limits.count_publish(&gun("a")).is_ok()));
    }

    #[test]
    fn new_keys_are_counted_by_repository_and_by_client() {
        let (clock, limits) = limits(Rates { gun_new_keys: 2, client_new_keys: 3, ..Rates::default() });
        assert_eq!(limits.count_new_key(&gun("a"), client(1)), Ok(()));
        assert_eq!(limits.count_new_key(&gun("a"), client(2)), Ok(()));
        assert_eq!(limits.count_new_key(&gun("a"), client(3)).unwrap_err().wait, Duration::from_secs(1800));
        assert_eq!(limits.count_new_key(&gun("b"), client(1)), Ok(()));
        assert_eq!(limits.count_new_key(&gun("c"), client(1)), Ok(()));
        let refused = limits.count_new_key(&gun("d"), client(1)).unwrap_err();
        assert_eq!((refused.what, refused.wait), ("new keys for one client an hour", Duration::from_secs(1200)));
        clock.advance_seconds(3600);
        assert_eq!(limits.count_new_key(&gun("d"), client(1)), Ok(()));
    }

    #[test]
    fn what_a_subject_asks_for_is_not_counted_against_its_address() {
        let (_clock, limits) = limits(Rates { client_requests: 1, address_requests: 2, ..Rates::default() });
        let (alice, bob) = (Client::of_name("alice"), Client::of_name("bob"));
        assert_eq!(limits.count_request(alice), Ok(()));
        assert!(limits.count_request(alice).is_err());
        assert_eq!(limits.count_request(bob), Ok(()));
        assert_eq!(limits.count_request(client(1)), Ok(()));
        assert_eq!(limits.count_request(client(1)), Ok(()));
        assert!(limits.count_request(client(1)).is_err());
        assert_eq!(limits.count_request(client(2)), Ok(()));
    }
}
