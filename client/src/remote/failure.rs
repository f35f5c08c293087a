//! Tells "nobody is there" from "somebody is there, but not whom we may trust": only the first is being offline.

use std::error::Error;
use std::io::ErrorKind;
use std::net::SocketAddr;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use rustls::CertificateError;

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
    let why = innermost(error) + &next_step(server, error);
    let server = server.to_owned();
    if error.is_connect() && no_connection_came_up(error) {
        RemoteError::Unreachable { server, why }
    } else {
        RemoteError::Connection { server, why }
    }
}

/// What to do about a server that could not prove who it is, where that can be told.
fn next_step(server: &str, error: &(dyn Error + 'static)) -> String {
    match tls_failure(error) {
        Some(rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer)) => format!(
            "; if it is the right server, its authority belongs in tls/{server}/ca.crt of docker's directory, or in the \
             file of --tlscacert if one is given"
        ),
        Some(rustls::Error::InvalidCertificate(CertificateError::Other(other))) if is_authority(other) => {
            "; its certificate is an authority's own: it needs one that such an authority issued".to_owned()
        }
        Some(rustls::Error::InvalidMessage(_)) => "; it does not speak TLS, so it is another server or port".to_owned(),
        _ => String::new(),
    }
}

/// Whether a certificate was refused because it is an authority's, as `openssl req -x509` makes them unless it is told not to.
fn is_authority(refusal: &rustls::OtherError) -> bool {
    matches!(refusal.0.downcast_ref(), Some(webpki::Error::CaUsedAsEndEntity))
}

fn tls_failure<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    let mut next = Some(error);
    while let Some(current) = next {
        if let Some(found) = current.downcast_ref() {
            return Some(found);
        }
        // What an io::Error carries is not its source, and may be an io::Error itself.
        let carried = current.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        next = carried.map(|inner| inner as &(dyn Error + 'static)).or_else(|| current.source());
    }
    None
}

fn no_connection_came_up(error: &reqwest::Error) -> bool {
    if tls_failure(error).is_some() {
        return false;
    }
    let mut proof = error.is_timeout();
    let mut next: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(current) = next {
        if let Some(io) = current.downcast_ref::<std::io::Error>() {
            proof |= matches!(
                io.kind(),
                ErrorKind::ConnectionRefused
                    | ErrorKind::TimedOut
                    | ErrorKind::HostUnreachable
                    | ErrorKind::NetworkUnreachable
            );
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
        let plain = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = plain.local_addr().unwrap();
        let answers = tokio::spawn(async move {
            let (mut stream, _) = plain.accept().await.unwrap();
            tokio::io::AsyncWriteExt::write_all(&mut stream, b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
        });
        let error = failure(address).await;
        answers.await.unwrap();
        assert!(matches!(error, RemoteError::Connection { .. }), "{error}");
        assert!(error.to_string().ends_with("; it does not speak TLS, so it is another server or port"), "{error}");
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
    fn a_certificate_that_nobody_vouches_for_is_told_what_it_lacks() {
        let said = |cause| {
            // A connection wraps its failure once more.
            let tls = std::io::Error::other(rustls::Error::InvalidCertificate(cause));
            next_step("n.test:4443", &std::io::Error::other(tls))
        };
        let other = |cause| CertificateError::Other(rustls::OtherError(std::sync::Arc::new(cause)));
        assert_eq!(
            said(CertificateError::UnknownIssuer),
            "; if it is the right server, its authority belongs in tls/n.test:4443/ca.crt of docker's directory, or in the \
             file of --tlscacert if one is given"
        );
        assert_eq!(
            said(other(webpki::Error::CaUsedAsEndEntity)),
            "; its certificate is an authority's own: it needs one that such an authority issued"
        );
        assert_eq!(said(other(webpki::Error::BadDer)), "");
        assert_eq!(said(CertificateError::Revoked), "");
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
