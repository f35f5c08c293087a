//! Registries that are one host, however it is spelled: capital letters, zeros before the port, the port of https.
//!
//! Names are taken as they are written, by docker and by trust data, and nothing here changes one. It only tells that two
//! spell one host differently, so that what is said of the one is not passed by under the other.

use std::net::Ipv6Addr;

use tuf_schema::Gun;

use crate::image::DOCKER_HUB;

/// The port that stands for none.
const HTTPS: u16 = 443;

/// A repository's name, or what its name begins with, with its `HOST[:PORT]` in the one spelling that all have.
pub(crate) fn alike(written: &str) -> String {
    match written.split_once('/') {
        Some((host, path)) => format!("{}/{path}", host_alike(host)),
        None => host_alike(written),
    }
}

/// The repository, below the host as it is spelled in another name.
pub(crate) fn spelled_as(other: &str, gun: &Gun) -> String {
    let host = other.split('/').next().unwrap_or(other);
    gun.as_str().split_once('/').map_or_else(|| gun.to_string(), |(_, path)| format!("{host}/{path}"))
}

fn host_alike(written: &str) -> String {
    let lower = written.to_ascii_lowercase();
    let (host, port) = match lower.rsplit_once(':') {
        // Those of an address in brackets are none of a port.
        Some((host, port)) if !port.contains(']') && (host.ends_with(']') || !host.contains(':')) => (host, Some(port)),
        _ => (lower.as_str(), None),
    };
    let address = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let host = match address.and_then(|address| address.parse::<Ipv6Addr>().ok()) {
        Some(address) => format!("[{address}]"),
        None if host == "index.docker.io" => DOCKER_HUB.to_owned(),
        None => host.to_owned(),
    };
    match port.map(|port| (port, port.parse::<u16>())) {
        None | Some((_, Ok(HTTPS))) => host,
        Some((_, Ok(port))) => format!("{host}:{port}"),
        Some((port, Err(_))) => format!("{host}:{port}"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn spellings_of_one_host_are_alike_and_other_hosts_are_not() {
        for (one, other) in [
            ("a.test/b", "A.Test/b"),
            ("a.test/b", "a.test:443/b"),
            ("a.test/b", "A.TEST:0443/b"),
            ("a.test:5000/b", "a.test:05000/b"),
            ("a.test", "A.test:443"),
            ("[::1]/b", "[0:0::1]:443/b"),
            ("[2001:db8::a]:5000/b", "[2001:DB8:0::A]:5000/b"),
            ("docker.io/library/b", "Index.Docker.IO/library/b"),
        ] {
            assert_eq!(alike(one), alike(other));
            assert_eq!(alike(one), one);
        }
        for (one, other) in [
            ("a.test/b", "a.test/B"),
            ("a.test/b", "a.test:5000/b"),
            ("a.test:80/b", "a.test/b"),
            ("a.test:443.evil.test/b", "a.test/b"),
            ("[::1]/b", "[::2]/b"),
            ("a.test:99999/b", "a.test/b"),
        ] {
            assert_ne!(alike(one), alike(other));
        }
    }

    #[test]
    fn only_the_host_is_spelled_as_in_the_other_name() {
        let gun = Gun::parse("A.TEST:0443/team/app").unwrap();
        assert_eq!(spelled_as("a.test/team", &gun), "a.test/team/app");
        assert_eq!(spelled_as("a.test", &gun), "a.test/team/app");
    }

    proptest! {
        #[test]
        fn what_is_alike_stays_so(text in "(\\PC|[A-Za-z.:/\\[\\]0-9]){0,30}") {
            prop_assert_eq!(alike(&alike(&text)), alike(&text));
        }
    }
}
