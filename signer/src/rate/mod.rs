//! How often one caller may ask and one key may sign, so that who took a server's certificate, or a server that has lost
//! its way, does not keep the signer from the others.

mod keyed;

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use tuf_schema::key::KeyId;

use crate::clock::Clock;
use keyed::KeyedRate;

const MINUTE: Duration = Duration::from_secs(60);

/// How many refusals of one caller are logged in a minute: a flood must not fill a disk.
const TOLD_REFUSALS: u32 = 6;

/// How many refusals of one caller get records of their own in a minute, which are synced each: a caller's flood must
/// not fill the disk of the audit, as signing stops when it is full.
const RECORDED_REFUSALS: u32 = 600;

/// How often one caller may ask, in a minute; 0 is without limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CallerRates {
    /// Requests of any kind but health.
    pub(crate) requests: u32,
    /// Requests for keys that wait for their first use, which are made if there are none.
    pub(crate) new_keys: u32,
}

/// Everything that is counted by time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rates {
    /// For a caller for which nothing else is said.
    pub(crate) of_caller: CallerRates,
    /// Signatures of one key in a minute; 0 is without limit.
    pub(crate) key_signatures: u32,
}

/// What is counted, against what is allowed.
pub(crate) struct RateLimits {
    others: CallerLimits,
    named: HashMap<Arc<str>, CallerLimits>,
    signatures: Limit<KeyId>,
    logged: Limit<Arc<str>>,
    recorded: Limit<Arc<str>>,
}

/// More was asked for than is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("more than {most} {what}; try again in {} seconds, or raise {setting}", .wait.as_secs())]
pub(crate) struct TooMany {
    /// What was counted, and by which time.
    what: &'static str,
    /// How many are allowed.
    most: u32,
    /// When it may be asked for again, in whole seconds from now; at least one.
    wait: Duration,
    /// The setting that allows more.
    setting: &'static str,
}

struct CallerLimits {
    requests: Limit<Arc<str>>,
    new_keys: Limit<Arc<str>>,
}

/// One rate; `None` is without limit.
struct Limit<K: Clone + Eq + Hash> {
    what: &'static str,
    setting: &'static str,
    most: u32,
    rate: Option<KeyedRate<K>>,
}

impl Default for Rates {
    /// What no server meets: one that published ten times a second without an end would ask for a twentieth of it.
    fn default() -> Self {
        Self { of_caller: CallerRates { requests: 1_200_000, new_keys: 60_000 }, key_signatures: 60_000 }
    }
}

impl RateLimits {
    /// `named` are the callers with rates of their own.
    pub(crate) fn new(
        rates: &Rates,
        named: impl IntoIterator<Item = (Arc<str>, CallerRates)>,
        clock: &Arc<dyn Clock>,
    ) -> Self {
        let (requests, new_keys) = ("limits.caller_requests", "limits.caller_new_keys");
        let (own_requests, own_new_keys) =
            ("rates.requests of its entry in callers", "rates.new_keys of its entry in callers");
        let named = named.into_iter();
        Self {
            others: CallerLimits::new(rates.of_caller, requests, new_keys, clock),
            named: named
                .map(|(name, rates)| (name, CallerLimits::new(rates, own_requests, own_new_keys, clock)))
                .collect(),
            signatures: Limit::new(
                "signatures of one key a minute",
                "limits.key_signatures",
                rates.key_signatures,
                clock,
            ),
            logged: Limit::new("lines on refusals a minute", "", TOLD_REFUSALS, clock),
            recorded: Limit::new("records of refusals a minute", "", RECORDED_REFUSALS, clock),
        }
    }

    /// Any request of a caller.
    pub(crate) fn count_request(&self, caller: &Arc<str>) -> Result<(), TooMany> {
        self.of(caller).requests.count(caller)
    }

    /// A request for a new key, beside [`Self::count_request`].
    pub(crate) fn count_new_key(&self, caller: &Arc<str>) -> Result<(), TooMany> {
        self.of(caller).new_keys.count(caller)
    }

    /// A signature, beside [`Self::count_request`].
    pub(crate) fn count_signature(&self, key: &KeyId) -> Result<(), TooMany> {
        self.signatures.count(key)
    }

    /// Whether the log is to be told of one more refusal of a caller.
    pub(crate) fn is_logged(&self, caller: &Arc<str>) -> bool {
        self.logged.count(caller).is_ok()
    }

    /// Whether one more refusal of a caller gets a record of its own.
    pub(crate) fn is_recorded(&self, caller: &Arc<str>) -> bool {
        self.recorded.count(caller).is_ok()
    }

    fn of(&self, caller: &Arc<str>) -> &CallerLimits {
        self.named.get(caller).unwrap_or(&self.others)
    }
}

impl CallerLimits {
    fn new(rates: CallerRates, requests: &'static str, new_keys: &'static str, clock: &Arc<dyn Clock>) -> Self {
        Self {
            requests: Limit::new("requests of one caller a minute", requests, rates.requests, clock),
            new_keys: Limit::new("requests for new keys of one caller a minute", new_keys, rates.new_keys, clock),
        }
    }
}

impl<K: Clone + Eq + Hash> Limit<K> {
    fn new(what: &'static str, setting: &'static str, most: u32, clock: &Arc<dyn Clock>) -> Self {
        Self { what, setting, most, rate: KeyedRate::new(most, MINUTE, Arc::clone(clock)) }
    }

    fn count(&self, key: &K) -> Result<(), TooMany> {
        let Some(Err(wait)) = self.rate.as_ref().map(|rate| rate.count(key)) else { return Ok(()) };
        let whole = wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0)).max(1);
        Err(TooMany { what: self.what, most: self.most, wait: Duration::from_secs(whole), setting: self.setting })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::TestClock;

    fn name(text: &str) -> Arc<str> {
        text.into()
    }

    fn limits(rates: Rates, named: &[(&str, CallerRates)]) -> (Arc<TestClock>, RateLimits) {
        let clock = TestClock::at("2026-11-22T06:00:00Z");
        let as_clock: Arc<dyn Clock> = Arc::clone(&clock) as _;
        let named = named.iter().map(|(caller, rates)| (name(caller), *rates));
        (clock, RateLimits::new(&rates, named, &as_clock))
    }

    fn rates(requests: u32, new_keys: u32, key_signatures: u32) -> Rates {
        Rates { of_caller: CallerRates { requests, new_keys }, key_signatures }
    }

    #[test]
    fn the_one_that_is_too_many_is_told_when_to_come_again_and_what_to_raise() {
        let (clock, limits) = limits(rates(6, 0, 0), &[]);
        let (one, other) = (name("a"), name("b"));
        assert!((0..6).all(|_| limits.count_request(&one).is_ok()));
        let refused = limits.count_request(&one).unwrap_err().to_string();
        let expected =
            "more than 6 requests of one caller a minute; try again in 10 seconds, or raise limits.caller_requests";
        assert_eq!(refused, expected);
        assert_eq!(limits.count_request(&other), Ok(()), "the others go on");
        clock.advance_seconds(10);
        assert_eq!(limits.count_request(&one), Ok(()));
        assert!(limits.count_request(&one).is_err());
    }

    #[test]
    fn keys_and_new_keys_are_counted_by_themselves() {
        let (_clock, limits) = limits(rates(0, 1, 2), &[]);
        let (caller, key) = (name("a"), KeyId::from_wire("k"));
        assert_eq!(limits.count_new_key(&caller), Ok(()));
        assert!(limits.count_new_key(&caller).unwrap_err().to_string().ends_with("raise limits.caller_new_keys"));
        assert_eq!([(); 2].map(|()| limits.count_signature(&key)), [Ok(()); 2]);
        assert!(limits.count_signature(&key).unwrap_err().to_string().ends_with("raise limits.key_signatures"));
        assert_eq!(limits.count_signature(&KeyId::from_wire("other")), Ok(()));
    }

    #[test]
    fn zero_is_without_limit() {
        let (_clock, limits) = limits(rates(0, 0, 0), &[]);
        assert!((0..100_000).all(|_| limits.count_request(&name("a")).is_ok()));
    }

    #[test]
    fn a_caller_may_have_rates_of_its_own() {
        let (_clock, limits) = limits(rates(1, 1, 0), &[("a", CallerRates { requests: 2, new_keys: 0 })]);
        let (own, other) = (name("a"), name("b"));
        assert_eq!([(); 2].map(|()| limits.count_request(&own)), [Ok(()); 2]);
        assert!(limits.count_request(&own).unwrap_err().to_string().contains("of its entry in callers"));
        assert!((0..9).all(|_| limits.count_new_key(&own).is_ok()));
        assert_eq!(limits.count_request(&other), Ok(()));
        assert!(limits.count_request(&other).is_err());
    }

    #[test]
    fn of_a_flood_of_refusals_a_few_are_logged() {
        let (clock, limits) = limits(Rates::default(), &[]);
        assert_eq!((0..1000).filter(|_| limits.is_logged(&name("a"))).count(), 6);
        clock.advance_seconds(60);
        assert_eq!((0..1000).filter(|_| limits.is_logged(&name("a"))).count(), 6);
    }
}
