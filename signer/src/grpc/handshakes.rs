//! How many handshakes one address may have under way, so that who connects and says nothing does not keep the others out.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How many of one address go on at once; of IPv6 the first 64 bits count, which one machine may have to itself.
pub(super) const MAX_OF_ADDRESS: usize = 64;

/// Those under way, by address.
#[derive(Clone, Default)]
pub(super) struct Handshakes(Arc<Mutex<HashMap<IpAddr, usize>>>);

/// One that is under way, until it is dropped.
pub(super) struct UnderWay {
    all: Handshakes,
    of: IpAddr,
}

impl Handshakes {
    /// Counts one more; nothing when the address has as many as it may.
    pub(super) fn begin(&self, address: IpAddr) -> Option<UnderWay> {
        let of = machine(address);
        let mut counts = self.counts();
        let count = counts.entry(of).or_default();
        if *count >= MAX_OF_ADDRESS {
            return None;
        }
        *count += 1;
        Some(UnderWay { all: self.clone(), of })
    }

    fn counts(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let mut counts = self.all.counts();
        if let Some(count) = counts.get_mut(&self.of) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.of);
            }
        }
    }
}

fn machine(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [one, two, three, four, ..] = address.segments();
            Ipv6Addr::new(one, two, three, four, 0, 0, 0, 0).into()
        }
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn an_address_has_64_at_once_and_not_one_more() {
        let handshakes = Handshakes::default();
        let mut under_way: Vec<_> = (0..64).map(|_| handshakes.begin(address("192.0.2.1")).unwrap()).collect();
        assert!(handshakes.begin(address("192.0.2.1")).is_none());
        assert!(handshakes.begin(address("::ffff:192.0.2.1")).is_none(), "the same by another version of IP");
        assert!(handshakes.begin(address("192.0.2.2")).is_some());
        under_way.pop();
        assert!(handshakes.begin(address("192.0.2.1")).is_some());
        drop(under_way);
        assert!(handshakes.counts().is_empty(), "nothing is kept of who has gone");
    }

    #[test]
    fn a_network_of_ipv6_counts_as_one_address() {
        let handshakes = Handshakes::default();
        let _under_way: Vec<_> =
            (0..64).map(|host| handshakes.begin(address(&format!("2001:db8::{host:x}"))).unwrap()).collect();
        assert!(handshakes.begin(address("2001:db8::ffff")).is_none());
        assert!(handshakes.begin(address("2001:db8:0:1::1")).is_some());
    }
}
