//! Tells "nobody is there" from "somebody is there, but not whom we may trust": only the first is being offline.

use std::error::Error;
use std::io::ErrorKind;
use std::net::SocketAddr;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::RemoteError;
use crate::image::is_loopback_authority;

/// How many redirects are followed.
pub(crate) const REDIRECTS: usize = 5;

/// The system's resolver, whose failures can be told from those of TLS.
pub(crate) struct PlainResolver;

/// The name of a host that no resolver knows.
#[derive(Debug, thiserror::Error)]
#[error("no address for {host}: {why}")]
pub(crate) struct NameNotResolved {
    host: String,
    why: String,
}

impl Resolve for PlainResolver {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let host = name.as_str().to_owned();
            let found = tokio::net::lookup_host((host.as_str(), 0)).await.map(Iterator::collect::<Vec<_>>);
            match found.and_then(|addresses| believable(&host, addresses)) {
                Ok(addresses) => Ok(Box::new(addresses.into_iter()) as Addrs),
                Err(e) => Err(NameNotResolved { host, why: e.to_string() }.into()),
            }
        })
    }
}

/// The addresses that a host may have. Plain http is spoken to `localhost`, so that must be this machine whatever a
/// resolver says.
fn believable(host: &str, addresses: Vec<SocketAddr>) -> std::io::Result<Vec<SocketAddr>> {
    if is_loopback_authority(host) && !addresses.iter().all(|address| address.ip().is_loopback()) {
        return Err(std::io::Error::other("it should be this machine, and the resolver says another"));
    }
    Ok(addresses)
}

/// What a failed request means. Whatever cannot be proved to be a missing connection is not one.
pub(crate) fn classify(server: &str, error: &reqwest::Error) -> RemoteError {
    let server = server.to_owned();
    let why = innermost(error);
    if error.is_connect() && no_connection_came_up(error) {
        RemoteError::Unreachable { server, why }
    } else {
        RemoteError::Connection { server, why }
    }
}

fn no_connection_came_up(error: &reqwest::Error) -> bool {
    let mut proof = error.is_timeout();
    let mut next: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(current) = next {
        if let Some(io) = current.downcast_ref::<std::io::Error>() {
            if io.get_ref().is_some_and(|inner| inner.is::<rustls::Error>()) {
                return false;
            }
            proof |= matches!(
                io.kind(),
                ErrorKind::ConnectionRefused
                    | ErrorKind::TimedOut
                    | ErrorKind::HostUnreachable
                    | ErrorKind::NetworkUnreachable
            );
        }
        if current.is::<rustls::Error>() {
            return false;
        }
        proof |= current.is::<NameNotResolved>();
        next = current.source();
    }
    proof
}

/// The cause at the end of the chain, in its own words: the outer ones repeat the URL.
pub(crate) fn innermost(error: &(dyn Error + 'static)) -> String {
    let mut current = error;
    while let Some(source) = current.source() {
        current = source;
    }
    match current.downcast_ref::<std::io::Error>() {
        // The TLS library's own words lead to its manual.
        Some(io) if io.kind() == ErrorKind::UnexpectedEof => "it ended in the middle of an answer".to_owned(),
        _ => current.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_answers_and_cannot_prove_who_it_is_does_not_count_as_away() {
        let client = crate::tls::tests_support::client();
        let failure = async |address: SocketAddr| {
            classify("n.test", &client.get(format!("https://{address}/")).send().await.unwrap_err())
        };
        // A server that speaks no TLS at all, and one that hangs up at the greeting.
        let server = crate::testing::Scripted::start(|_| String::new()).await;
        let error = failure(server.address).await;
        assert!(matches!(error, RemoteError::Connection { .. }), "{error}");
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let hangs_up = tokio::spawn(async move { while listener.accept().await.is_ok() {} });
        let error = failure(address).await;
        assert!(matches!(error, RemoteError::Connection { .. }), "{error}");
        hangs_up.abort();
        let _ = hangs_up.await;
        let error = failure(address).await;
        assert!(matches!(error, RemoteError::Unreachable { .. }), "{error}");
    }

    #[test]
    fn localhost_is_this_machine_whatever_the_resolver_says() {
        let addresses = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<SocketAddr>>();
        let here = addresses(&["127.0.0.1:0", "[::1]:0"]);
        assert_eq!(believable("localhost", here.clone()).unwrap(), here);
        assert!(believable("localhost", addresses(&["127.0.0.1:0", "192.0.2.1:0"])).is_err());
        let elsewhere = addresses(&["192.0.2.1:0"]);
        assert_eq!(believable("n.test", elsewhere.clone()).unwrap(), elsewhere);
    }
}
