//! Addresses as the reference's configuration writes them, and sockets on them.

use std::io;

use tokio::net::TcpListener;

/// Listens on `host:port`; on every interface, by both versions of IP if there are both, for `:port`.
///
/// # Errors
/// When the address is none or is taken.
pub async fn listen(address: &str) -> io::Result<TcpListener> {
    match address.strip_prefix(':') {
        Some(port) => match TcpListener::bind(format!("[::]:{port}")).await {
            Ok(listener) => Ok(listener),
            Err(_) => TcpListener::bind(format!("0.0.0.0:{port}")).await,
        },
        None => TcpListener::bind(address).await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_port_alone_is_every_interface() {
        assert!(listen(":0").await.unwrap().local_addr().unwrap().ip().is_unspecified());
    }

    #[tokio::test]
    async fn a_host_and_a_port_are_that_interface() {
        assert!(listen("127.0.0.1:0").await.unwrap().local_addr().unwrap().ip().is_loopback());
    }

    #[tokio::test]
    async fn an_address_without_a_port_is_refused() {
        assert_eq!(listen("localhost").await.unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }
}
