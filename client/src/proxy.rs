//! Proxies from the environment, which never stand between a client and its own machine.

use reqwest::{NoProxy, Proxy};

/// What is asked without a proxy whatever the environment says, as in Go: a proxy that is asked for `localhost` answers
/// for its own, and plain http, spoken to this machine only, must not leave it.
const THIS_MACHINE: &str = "localhost,127.0.0.0/8,::1";

/// The proxies that `HTTPS_PROXY`, `HTTP_PROXY` and `ALL_PROXY` name but for the hosts of `NO_PROXY`, also in small
/// letters. One that is no URL is passed over.
pub(crate) fn from_environment(variable: impl Fn(&str) -> Option<String>) -> Vec<Proxy> {
    let value = |name: &str| [name.to_owned(), name.to_lowercase()].iter().find_map(|name| variable(name));
    let exempt = value("NO_PROXY").map_or(THIS_MACHINE.to_owned(), |others| format!("{THIS_MACHINE},{others}"));
    let named = |name: &str| value(name).filter(|url| !url.is_empty());
    // Under CGI whoever sends a request sets HTTP_PROXY, by a header "Proxy".
    let http = named("HTTP_PROXY").filter(|_| variable("REQUEST_METHOD").is_none());
    let proxies = [
        named("HTTPS_PROXY").and_then(|url| Proxy::https(url).ok()),
        http.and_then(|url| Proxy::http(url).ok()),
        named("ALL_PROXY").and_then(|url| Proxy::all(url).ok()),
    ];
    proxies.into_iter().flatten().map(|proxy| proxy.no_proxy(NoProxy::from_string(&exempt))).collect()
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
            let builder = from_environment(variable).into_iter().fold(Client::builder().no_proxy(), |b, p| b.proxy(p));
            let client = builder.build().unwrap();
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
