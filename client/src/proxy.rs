//! Proxies from the environment, which never stand between a client and its own machine.

use std::fmt;

use reqwest::{ClientBuilder, NoProxy, Proxy};

/// What is asked without a proxy whatever the environment says, as in Go: a proxy that is asked for `localhost` answers
/// for its own, and plain http, spoken to this machine only, must not leave it.
const THIS_MACHINE: &str = "localhost,127.0.0.0/8,::1";

/// The proxies of one run.
#[derive(Clone, Default)]
pub struct Proxies {
    used: Vec<Proxy>,
    unusable: Vec<&'static str>,
}

impl Proxies {
    /// The proxies that `HTTPS_PROXY`, `HTTP_PROXY` and `ALL_PROXY` name but for the hosts of `NO_PROXY`, also in small
    /// letters. One that is no URL of a proxy that is understood is passed over.
    #[must_use]
    pub fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Self {
        let value = |name: &str| [name.to_owned(), name.to_lowercase()].iter().find_map(|name| variable(name));
        let exempt = value("NO_PROXY").map_or(THIS_MACHINE.to_owned(), |others| format!("{THIS_MACHINE},{others}"));
        // Under CGI whoever sends a request sets HTTP_PROXY, by a header "Proxy".
        let http = value("HTTP_PROXY").filter(|_| variable("REQUEST_METHOD").is_none());
        let mut proxies = Self::default();
        for (name, proxy) in [
            ("HTTPS_PROXY", value("HTTPS_PROXY").map(Proxy::https)),
            ("HTTP_PROXY", http.map(Proxy::http)),
            ("ALL_PROXY", value("ALL_PROXY").map(Proxy::all)),
        ] {
            match proxy {
                Some(Ok(proxy)) if value(name).is_some_and(|url| is_http(&url)) => {
                    proxies.used.push(proxy.no_proxy(NoProxy::from_string(&exempt)))
                }
                Some(_) => proxies.unusable.push(name),
                None => {}
            }
        }
        proxies
    }

    /// The variables that name no proxy which is understood.
    #[must_use]
    pub fn unusable(&self) -> &[&'static str] {
        &self.unusable
    }

    /// Has a client use these proxies and no others: by itself it would take them from the environment.
    pub(crate) fn apply(&self, builder: ClientBuilder) -> ClientBuilder {
        self.used.iter().fold(builder.no_proxy(), |builder, proxy| builder.proxy(proxy.clone()))
    }
}

/// Whether we can speak to it; without a scheme it is http, as in Go.
fn is_http(url: &str) -> bool {
    url.split_once("://").is_none_or(|(scheme, _)| matches!(scheme.to_ascii_lowercase().as_str(), "http" | "https"))
}

/// How many there are: their URLs may hold passwords.
impl fmt::Debug for Proxies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Proxies").field(&self.used.len()).finish()
    }
}

#[cfg(test)]
mod tests {
    use reqwest::Client;

    use super::*;
    use crate::testing::{Scripted, answer};

    #[tokio::test]
    async fn this_machine_is_asked_without_a_proxy() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let proxy = Scripted::start(|_| answer("200 OK", &[], "proxy")).await;
        let server = Scripted::start(|_| answer("200 OK", &[], "server")).await;
        for name in ["HTTP_PROXY", "http_proxy", "ALL_PROXY"] {
            let variable = |asked: &str| match asked {
                "NO_PROXY" => Some("exempt.test".to_owned()),
                _ => (asked == name).then(|| format!("http://{}", proxy.address)),
            };
            let client = Proxies::from_variables(variable).apply(Client::builder()).build().unwrap();
            let ask =
                async |host: &str| client.get(format!("http://{host}/")).send().await.unwrap().text().await.unwrap();
            let port = server.address.port();
            for host in [format!("127.0.0.1:{port}"), format!("localhost:{port}")] {
                assert_eq!(ask(&host).await, "server", "{name}: {host}");
            }
            assert_eq!(ask("n.test").await, "proxy", "{name}");
        }
    }

    #[tokio::test]
    async fn a_proxy_may_be_named_without_its_scheme_and_with_a_password() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let proxy = Scripted::start(|_| answer("200 OK", &[], "proxy")).await;
        for prefix in ["", "http://", "http://user:word@"] {
            let url = format!("{prefix}{}", proxy.address);
            let proxies = Proxies::from_variables(|name| (name == "http_proxy").then(|| url.clone()));
            let client = proxies.apply(Client::builder()).build().unwrap();
            assert_eq!(client.get("http://n.test/").send().await.unwrap().text().await.unwrap(), "proxy", "{url}");
        }
        assert!(proxy.full_requests()[2].contains("\r\nproxy-authorization: Basic dXNlcjp3b3Jk\r\n"));
    }

    #[tokio::test]
    async fn https_goes_through_a_tunnel_but_not_to_hosts_that_are_exempt() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let proxy = Scripted::start(|_| answer("502 Bad Gateway", &[], "")).await;
        let variable = |name: &str| match name {
            "HTTPS_PROXY" => Some(format!("http://{}", proxy.address)),
            "NO_PROXY" => Some(".exempt.invalid,10.0.0.0/8".to_owned()),
            _ => None,
        };
        let client = Proxies::from_variables(variable).apply(Client::builder()).build().unwrap();
        for host in ["n.invalid", "a.exempt.invalid"] {
            client.get(format!("https://{host}/v2/")).send().await.unwrap_err();
        }
        assert_eq!(proxy.requests(), ["CONNECT n.invalid:443 HTTP/1.1"]);
    }

    #[test]
    fn a_proxy_that_is_not_understood_is_told_by_its_variable_and_not_by_its_password() {
        let variable = |name: &str| match name {
            "HTTPS_PROXY" => Some("socks5://user:c2VjcmV0@n.test".to_owned()),
            "ALL_PROXY" => Some("http://".to_owned()),
            "HTTP_PROXY" => Some("http://user:c2VjcmV0@n.test".to_owned()),
            _ => None,
        };
        let proxies = Proxies::from_variables(variable);
        assert_eq!(proxies.unusable(), ["HTTPS_PROXY", "ALL_PROXY"]);
        assert!(!format!("{proxies:?}").contains("c2VjcmV0"));
    }
}
