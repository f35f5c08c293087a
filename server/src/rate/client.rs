//! Who is counted as one: the subject of a token, or an address.

use std::net::{IpAddr, Ipv6Addr};

use crate::auth::Subject;
use crate::config::Network;

/// One client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Client {
    /// Whom a token was made out to. Counts wherever there is one: many people share an address.
    Subject(Subject),
    /// An address; of IPv6 the network of 64 bits, which is what one customer gets.
    Address(IpAddr),
}

impl Client {
    /// The client at an address.
    pub(crate) fn of_address(address: IpAddr) -> Self {
        Self::Address(match address.to_canonical() {
            IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX))),
            address @ IpAddr::V4(_) => address,
        })
    }

    #[cfg(test)]
    pub(crate) fn of_name(name: &str) -> Self {
        Self::Subject(Subject::for_tests(name))
    }
}

/// The address that a request was sent from: `peer` is the other end of the connection, `forwarded` the values of
/// `X-Forwarded-For` in their order, which count only as far as trusted proxies wrote them.
pub(crate) fn sender<'a>(
    peer: IpAddr,
    proxies: &[Network],
    forwarded: impl DoubleEndedIterator<Item = &'a [u8]>,
) -> IpAddr {
    let is_proxy = |address| proxies.iter().any(|network| network.contains(address));
    let mut client = peer;
    // each proxy appends whom it heard the request from; what stands before an address that is no proxy of ours
    // was written by that client
    let mut said = forwarded.rev().flat_map(|value| value.rsplit(|byte| *byte == b','));
    while is_proxy(client) {
        let Some(address) = said.next().and_then(address) else { break };
        client = address;
    }
    client.to_canonical()
}

/// An address as proxies write it: alone, in brackets, or with a port.
fn address(text: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(text).ok()?.trim();
    if let Ok(address) = text.parse() {
        return Some(address);
    }
    if let Ok(socket) = text.parse::<std::net::SocketAddr>() {
        return Some(socket.ip());
    }
    text.strip_prefix('[')?.strip_suffix(']')?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(peer: &str, proxies: &[&str], forwarded: &[&str]) -> Client {
        let proxies: Vec<Network> = proxies.iter().map(|text| Network::parse(text).unwrap()).collect();
        Client::of_address(sender(peer.parse().unwrap(), &proxies, forwarded.iter().map(|value| value.as_bytes())))
    }

    fn at(address: &str) -> Client {
        Client::of_address(address.parse().unwrap())
    }

    #[test]
    fn what_a_client_says_of_itself_does_not_count() {
        assert_eq!(client("192.0.2.1", &[], &["203.0.113.9"]), at("192.0.2.1"));
        assert_eq!(client("192.0.2.1", &["10.0.0.0/8"], &["203.0.113.9"]), at("192.0.2.1"));
        // the proxy appended whom it heard it from; the client made up the rest
        assert_eq!(client("10.0.0.1", &["10.0.0.0/8"], &["203.0.113.9, 192.0.2.1"]), at("192.0.2.1"));
        assert_eq!(client("10.0.0.1", &["10.0.0.0/8"], &["10.0.0.9, 192.0.2.1"]), at("192.0.2.1"));
    }

    #[test]
    fn a_chain_of_trusted_proxies_leads_to_the_client() {
        let forwarded = ["203.0.113.9, 192.0.2.1", "10.1.1.1"];
        assert_eq!(client("10.0.0.1", &["10.0.0.0/8"], &forwarded), at("192.0.2.1"));
        assert_eq!(client("::ffff:10.0.0.1", &["10.0.0.0/8"], &["[2001:db8::1]:443"]), at("2001:db8::1"));
        assert_eq!(client("10.0.0.1", &["10.0.0.0/8"], &["192.0.2.1:5000"]), at("192.0.2.1"));
    }

    #[test]
    fn a_proxy_that_does_not_say_is_the_client_itself() {
        assert_eq!(client("10.0.0.1", &["10.0.0.0/8"], &[]), at("10.0.0.1"));
        assert_eq!(client("10.0.0.1", &["10.0.0.0/8"], &["unknown"]), at("10.0.0.1"));
        assert_eq!(client("10.0.0.1", &["10.0.0.0/8"], &["192.0.2.1, unknown"]), at("10.0.0.1"));
    }

    #[test]
    fn addresses_that_one_customer_gets_are_one_client() {
        assert_eq!(at("2001:db8:1:2::1"), at("2001:db8:1:2:ffff::9"));
        assert_ne!(at("2001:db8:1:2::1"), at("2001:db8:1:3::1"));
        assert_ne!(at("192.0.2.1"), at("192.0.2.2"));
        assert_eq!(at("::ffff:192.0.2.1"), at("192.0.2.1"));
    }
}
