//! Proxies from the environment, which never stand between a client and its own machine.

use std::fmt;

use reqwest::{ClientBuilder, NoProxy, Proxy};

/// What is asked without a proxy whatever the environment says, as in Go: a proxy that is asked for `localhost` answers
/// for its own, and plain http, spoken to this machine only, must not leave it.
const THIS_MACHINE: &str = "localhost,127.0.0.0/8,::1";

/// The proxies of one run.
#[derive(Clone, Default)]
pub struct Proxies(Vec<Proxy>);

impl Proxies {
    /// The proxies that `HTTPS_PROXY`, `HTTP_PROXY` and `ALL_PROXY` name but for the hosts of `NO_PROXY`, also in small
    /// letters. One that is no URL is passed over.
    #[must_use]
    pub fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Self {
        let value = |name: &str| [name.to_owned(), name.to_lowercase()].iter().find_map(|name| variable(name));
        let exempt = value("NO_PROXY").map_or(THIS_MACHINE.to_owned(), |others| format!("{THIS_MACHINE},{others}"));
        // Under CGI whoever sends a request sets HTTP_PROXY, by a header "Proxy".
        let http = value("HTTP_PROXY").filter(|_| variable("REQUEST_METHOD").is_none());
        let proxies = [
            value("HTTPS_PROXY").and_then(|url| Proxy::https(url).ok()),
            http.and_then(|url| Proxy::http(url).ok()),
            value("ALL_PROXY").and_then(|url| Proxy::all(url).ok()),
        ];
        let exempted = |proxy: Proxy| proxy.no_proxy(NoProxy::from_string(&exempt));
        Self(proxies.into_iter().flatten().map(exempted).collect())
    }

    /// Has a client use these proxies and no others: by itself it would take them from the environment.
    pub(crate) fn apply(&self, builder: ClientBuilder) -> ClientBuilder {
        self.0.iter().fold(builder.no_proxy(), |builder, proxy| builder.proxy(proxy.clone()))
    }
}

/// How many there are: their URLs may hold passwords.
impl fmt::Debug for Proxies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Proxies").field(&self.0.len()).finish()
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
}
