//! Where a webhook is sent to. Such addresses often have a secret in them, so that none is ever printed.

use std::fmt;

use hyper::Uri;
use hyper::http::uri::PathAndQuery;

/// The address of a receiver.
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookUrl {
    pub(super) is_tls: bool,
    /// A name, or an address without brackets.
    pub(super) host: String,
    pub(super) port: u16,
    /// Host and port as a request names them.
    pub(super) authority: String,
    pub(super) path_and_query: PathAndQuery,
}

/// Why nothing is sent to an address. It does not hold the address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// It is not of the form that is taken.
    #[error("must be https://HOST[:PORT][/PATH][?QUERY]")]
    Form,
    /// Whoever reads on the way would read the events, and answer in the receiver's place.
    #[error("is plain http, which is for a receiver on this machine only, with allow_private_addresses")]
    Plain,
}

impl WebhookUrl {
    /// Takes `https`, and `http` where `may_be_plain`.
    ///
    /// # Errors
    /// [`UrlError`].
    pub fn parse(text: &str, may_be_plain: bool) -> Result<Self, UrlError> {
        let uri: Uri = text.parse().map_err(|_| UrlError::Form)?;
        let authority = uri.authority().ok_or(UrlError::Form)?;
        // A name and password there would be for HTTP's own authentication, in place of which there is the signature.
        if authority.as_str().contains('@') || authority.host().is_empty() || text.contains('#') {
            return Err(UrlError::Form);
        }
        let is_tls = match uri.scheme_str() {
            Some("https") => true,
            Some("http") if may_be_plain => false,
            Some("http") => return Err(UrlError::Plain),
            _ => return Err(UrlError::Form),
        };
        let port = match (authority.port_u16(), authority.as_str() == authority.host()) {
            (Some(port), _) if port > 0 => port,
            (None, true) if is_tls => 443,
            (None, true) => 80,
            // A port that is none.
            _ => return Err(UrlError::Form),
        };
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let path_and_query = uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
        Ok(Self { is_tls, host, port, authority: authority.as_str().to_owned(), path_and_query })
    }
}

impl fmt::Debug for WebhookUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WebhookUrl(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_host_and_may_have_port_path_and_query() {
        for (text, host, port, target) in [
            ("https://hooks.example.com", "hooks.example.com", 443, "/"),
            ("https://hooks.example.com:8443/a/b?token=x", "hooks.example.com", 8443, "/a/b?token=x"),
            ("https://[2a00::1]:444/x", "2a00::1", 444, "/x"),
        ] {
            let url = WebhookUrl::parse(text, false).unwrap();
            assert!(url.is_tls);
            assert_eq!((url.host.as_str(), url.port, url.path_and_query.as_str()), (host, port, target));
        }
    }

    #[test]
    fn plain_http_is_taken_only_where_it_is_allowed() {
        assert_eq!(WebhookUrl::parse("http://127.0.0.1/x", false), Err(UrlError::Plain));
        let url = WebhookUrl::parse("http://127.0.0.1/x", true).unwrap();
        assert_eq!((url.is_tls, url.port), (false, 80));
    }

    #[test]
    fn an_address_of_another_form_is_refused() {
        for text in [
            "",
            "hooks.example.com",
            "/path",
            "https://",
            "https://name:password@hooks.example.com/",
            "https://name@hooks.example.com/",
            "https://hooks.example.com:0/",
            "https://hooks.example.com:99999/",
            "https://hooks.example.com:/",
            "https://hooks.example.com/#part",
            "ftp://hooks.example.com/",
            "https://hooks example.com/",
        ] {
            assert_eq!(WebhookUrl::parse(text, true), Err(UrlError::Form), "{text}");
        }
    }

    #[test]
    fn an_address_is_not_printed() {
        let url = WebhookUrl::parse("https://hooks.example.com/T0/geheim?token=geheim", false).unwrap();
        assert_eq!(format!("{url:?}"), "WebhookUrl(..)");
    }
}
