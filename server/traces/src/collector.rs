//! Where spans are sent to: an address of OTLP over gRPC.

use std::net::IpAddr;

use http::Uri;

/// The address of a collector that spans may be sent to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Collector {
    address: String,
    is_tls: bool,
}

/// Why spans are not sent to an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CollectorError {
    /// It is not of the form that is taken.
    #[error("must be https://HOST:PORT, or http://HOST:PORT on this machine, the address of OTLP over gRPC")]
    Form,
    /// Spans name repositories, and nothing would hide them on their way.
    #[error("is plain http to another machine: use https, or set the key that allows it")]
    Plain,
}

impl Collector {
    /// Takes `https://HOST:PORT`, and `http://` for loopback, or for any host where `may_be_plain`.
    ///
    /// # Errors
    /// [`CollectorError`].
    pub fn parse(address: &str, may_be_plain: bool) -> Result<Self, CollectorError> {
        let uri: Uri = address.parse().map_err(|_| CollectorError::Form)?;
        let authority = uri.authority().ok_or(CollectorError::Form)?;
        // no name and password: they would end up in logs
        let has_more = authority.as_str().contains('@') || uri.query().is_some() || !matches!(uri.path(), "" | "/");
        if has_more || uri.port_u16().is_none() || authority.host().is_empty() {
            return Err(CollectorError::Form);
        }
        let is_tls = match uri.scheme_str() {
            Some("https") => true,
            Some("http") if may_be_plain || is_loopback(authority.host()) => false,
            Some("http") => return Err(CollectorError::Plain),
            _ => return Err(CollectorError::Form),
        };
        Ok(Self { address: address.trim_end_matches('/').to_owned(), is_tls })
    }

    /// The address as it was written.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Whether the way there is TLS.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        self.is_tls
    }
}

fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || address.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_goes_to_this_machine_and_elsewhere_only_if_that_is_said() {
        for here in ["http://localhost:4317", "http://127.0.0.1:4317", "http://127.9.9.9:4317/", "http://[::1]:4317"] {
            assert!(!Collector::parse(here, false).unwrap().is_tls(), "{here}");
        }
        for elsewhere in
            ["http://collector:4317", "http://10.0.0.1:4317", "http://localhost.example:4317", "http://[::]:1"]
        {
            assert_eq!(Collector::parse(elsewhere, false), Err(CollectorError::Plain), "{elsewhere}");
            assert!(!Collector::parse(elsewhere, true).unwrap().is_tls(), "{elsewhere}");
        }
        assert!(Collector::parse("https://collector:4317", false).unwrap().is_tls());
    }

    #[test]
    fn an_address_of_another_form_is_refused() {
        for address in [
            "",
            "collector",
            "collector:4317",
            "https://collector",
            "https://:4317",
            "https://name:password@collector:4317",
            "https://collector:4317/v1/traces",
            "https://collector:4317/?token=x",
            "grpc://collector:4317",
            "https://collector:99999",
        ] {
            assert_eq!(Collector::parse(address, true), Err(CollectorError::Form), "{address}");
        }
    }
}
