//! Docker's way to a token: a challenge, a token service, credentials. The same for registry and trust server.

use reqwest::header::{HeaderValue, WWW_AUTHENTICATE};
use reqwest::{Client, Response, Url};
use serde::Deserialize;
use zeroize::Zeroizing;

use super::RemoteError;
use super::failure::{classify, innermost};
use super::http::read_capped;
use super::patience::Patience;
use crate::credentials::Credentials;
use crate::image::is_loopback_authority;

/// The largest answer of a token service that is read, in bytes.
const MAX_TOKEN_ANSWER: u64 = 1 << 20;

/// What is to be done with a repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Read only.
    Pull,
    /// Read and publish.
    PullAndPush,
    /// Everything: reading and publishing, and what no signer needs, to delete and to have the server make new keys.
    Admin,
}

/// What a server demands before it answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Challenge {
    /// A token of this service.
    Bearer {
        /// The token service's URL.
        realm: String,
        /// The name the token must be made for.
        service: Option<String>,
        /// Whether the token that was shown is good, and allows too little.
        insufficient: bool,
    },
    /// Name and password.
    Basic,
}

#[derive(Deserialize)]
struct TokenAnswer {
    #[serde(default)]
    token: Zeroizing<String>,
    #[serde(default)]
    access_token: Zeroizing<String>,
}

impl Action {
    fn scope(self) -> &'static str {
        match self {
            Self::Pull => "pull",
            Self::PullAndPush => "pull,push",
            Self::Admin => "*",
        }
    }
}

impl Challenge {
    /// The challenge of a 401 answer: Bearer if it is among them, else Basic.
    ///
    /// None of another server than the one that was `asked`: whoever a redirect leads to must not name the place where
    /// credentials are shown.
    pub(crate) fn of(response: &Response, asked: &str) -> Option<Self> {
        if response.status() != reqwest::StatusCode::UNAUTHORIZED || !is_of(response, asked) {
            return None;
        }
        let headers = response.headers().get_all(WWW_AUTHENTICATE);
        let challenges: Vec<_> = headers.iter().filter_map(|h| h.to_str().ok()).filter_map(Self::parse).collect();
        let bearer = challenges.iter().find(|c| matches!(c, Self::Bearer { .. }));
        bearer.or(challenges.first()).cloned()
    }

    fn parse(header: &str) -> Option<Self> {
        let (scheme, rest) = header.trim().split_once(' ').unwrap_or((header.trim(), ""));
        if scheme.eq_ignore_ascii_case("basic") {
            return Some(Self::Basic);
        }
        if !scheme.eq_ignore_ascii_case("bearer") {
            return None;
        }
        let parameters = parameters(rest);
        let value = |name: &str| parameters.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.clone());
        let insufficient = value("error").is_some_and(|error| error == "insufficient_scope");
        Some(Self::Bearer { realm: value("realm")?, service: value("service"), insufficient })
    }

    /// Whether another token might do where one was refused: it may have ended meanwhile.
    pub(crate) fn asks_for_another_token(&self) -> bool {
        matches!(self, Self::Bearer { insufficient: false, .. })
    }

    /// The `Authorization` header that answers the challenge; `None` when there is nothing to show.
    pub(crate) async fn answer(
        &self,
        client: &Client,
        credentials: &Credentials,
        repository: &str,
        action: Action,
    ) -> Result<Option<HeaderValue>, RemoteError> {
        match (self, credentials) {
            (Self::Basic, _) => Ok(basic(credentials)),
            (Self::Bearer { .. }, Credentials::RegistryToken(token)) => {
                Ok(secret_header(&format!("Bearer {}", **token)))
            }
            (Self::Bearer { realm, service, .. }, _) => {
                let scope = format!("repository:{repository}:{}", action.scope());
                let token = token(client, credentials, realm, service.as_deref(), &scope).await?;
                Ok(secret_header(&format!("Bearer {}", *token)))
            }
        }
    }
}

/// Whether an answer is of the server that was asked, and not of another that a redirect led to.
pub(super) fn is_of(response: &Response, asked: &str) -> bool {
    Url::parse(asked).is_ok_and(|asked| asked.origin() == response.url().origin())
}

/// Splits `a="b",c=d`; a quoted value may hold commas and escaped quotes.
fn parameters(text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut rest = text.trim_start_matches([' ', ',']);
    while let Some((name, after)) = rest.split_once('=') {
        let (value, after) = match after.strip_prefix('"') {
            Some(quoted) => unquote(quoted),
            None => {
                let end = after.find(',').unwrap_or(after.len());
                let (value, after) = after.split_at(end);
                (value.trim().to_owned(), after)
            }
        };
        found.push((name.trim().to_owned(), value));
        rest = after.trim_start_matches([' ', ',']);
    }
    found
}

fn unquote(text: &str) -> (String, &str) {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, c)) = characters.next() {
        match c {
            '"' => return (value, text.get(at.saturating_add(1)..).unwrap_or_default()),
            '\\' => value.extend(characters.next().map(|(_, escaped)| escaped)),
            _ => value.push(c),
        }
    }
    (value, "")
}

async fn token(
    client: &Client,
    credentials: &Credentials,
    realm: &str,
    service: Option<&str>,
    scope: &str,
) -> Result<Zeroizing<String>, RemoteError> {
    let failed = |why: &str| RemoteError::Token { realm: realm.to_owned(), why: why.to_owned() };
    let mut url = Url::parse(realm).map_err(|_| failed("its URL is malformed"))?;
    if url.scheme() != "https" && !url.host_str().is_some_and(is_loopback_authority) {
        return Err(failed("its URL is not https, so no credentials are shown to it"));
    }
    let parameters: Vec<(&str, &str)> = service.map(|s| ("service", s)).into_iter().chain([("scope", scope)]).collect();
    let request = match credentials {
        Credentials::IdentityToken(refresh) => {
            let mut form = Url::parse("form:").map_err(|_| failed("its URL is malformed"))?;
            form.query_pairs_mut()
                .extend_pairs(&parameters)
                .append_pair("grant_type", "refresh_token")
                .append_pair("client_id", "docker")
                .append_pair("refresh_token", refresh);
            let body = form.query().unwrap_or_default().to_owned();
            client.post(url.clone()).header("Content-Type", "application/x-www-form-urlencoded").body(body)
        }
        Credentials::Anonymous | Credentials::Password { .. } | Credentials::RegistryToken(_) => {
            if let Some(account) = credentials.username() {
                url.query_pairs_mut().append_pair("account", account);
            }
            url.query_pairs_mut().extend_pairs(&parameters);
            let request = client.get(url.clone());
            match basic(credentials) {
                Some(header) => request.header(reqwest::header::AUTHORIZATION, header),
                None => request,
            }
        }
    };
    let authority = url.authority().to_owned();
    let mut patience = Patience::default();
    let response = loop {
        let request = request.try_clone().ok_or_else(|| failed("the request cannot be sent again"))?;
        let response = request.send().await.map_err(|e| match classify(&authority, &e) {
            // That the token service is away says nothing about the trust server.
            RemoteError::Unreachable { .. } => failed(&innermost(&e)),
            other => other,
        })?;
        match patience.pause(&authority, &response)? {
            Some(pause) => tokio::time::sleep(pause).await,
            None => break response,
        }
    };
    // A refresh token is for the very place that was named: an answer from anywhere else counts for nothing.
    if matches!(credentials, Credentials::IdentityToken(_)) && response.url() != &url {
        return Err(failed("it leads elsewhere with what only it may see"));
    }
    let status = response.status().as_u16();
    if status == 401 {
        return Err(RemoteError::Unauthorized);
    }
    if status != 200 {
        return Err(failed(&format!("it answered {status}")));
    }
    let body = Zeroizing::new(read_capped(response, &authority, MAX_TOKEN_ANSWER).await?);
    let answer: TokenAnswer = serde_json::from_slice(&body).map_err(|_| failed("its answer cannot be understood"))?;
    let token = if answer.token.is_empty() { answer.access_token } else { answer.token };
    if token.is_empty() { Err(failed("its answer holds no token")) } else { Ok(token) }
}

fn basic(credentials: &Credentials) -> Option<HeaderValue> {
    use base64::Engine as _;
    let Credentials::Password { username, password } = credentials else { return None };
    let pair = Zeroizing::new(format!("{username}:{}", **password));
    let encoded = Zeroizing::new(base64::engine::general_purpose::STANDARD.encode(pair.as_bytes()));
    secret_header(&format!("Basic {}", *encoded))
}

fn secret_header(text: &str) -> Option<HeaderValue> {
    let mut header = HeaderValue::from_str(text).ok()?;
    header.set_sensitive(true);
    Some(header)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::{Scripted, answer};
    use crate::tls::Scheme;
    use crate::tls::tests_support::client_of;

    #[test]
    fn a_bearer_challenge_names_realm_and_service() {
        let header = r#"Bearer realm="https://auth.test/token",service="trust.test",scope="registry:catalog:*""#;
        let expected = Challenge::Bearer {
            realm: "https://auth.test/token".into(),
            service: Some("trust.test".into()),
            insufficient: false,
        };
        assert_eq!(Challenge::parse(header), Some(expected));
    }

    #[test]
    fn values_may_be_bare_quoted_and_escaped() {
        let found = parameters(r#"realm="a,b\"c", service=d , scope="e""#);
        let expected = [("realm", "a,b\"c"), ("service", "d"), ("scope", "e")];
        assert_eq!(found, expected.map(|(n, v)| (n.to_owned(), v.to_owned())));
    }

    #[test]
    fn an_unknown_scheme_is_no_challenge() {
        assert_eq!(Challenge::parse("Negotiate abc"), None);
        assert_eq!(Challenge::parse("Bearer service=\"no realm\""), None);
        assert_eq!(Challenge::parse("Basic realm=\"x\""), Some(Challenge::Basic));
    }

    #[tokio::test]
    async fn no_credentials_are_shown_to_a_realm_without_https() {
        let client = crate::tls::tests_support::client();
        let challenge =
            Challenge::Bearer { realm: "http://auth.test/token".into(), service: None, insufficient: false };
        let error = challenge.answer(&client, &Credentials::Anonymous, "a/b", Action::Pull).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "no token from http://auth.test/token: its URL is not https, so no credentials are shown to it"
        );
    }

    #[tokio::test]
    async fn what_a_token_service_is_shown_is_handed_on_to_nobody() {
        let password = || Credentials::Password { username: "me".into(), password: String::from("secret").into() };
        let refresh = || Credentials::IdentityToken(String::from("secret").into());
        let thief = Scripted::start(|_| answer("200 OK", &[], r#"{"token":"t"}"#)).await;
        let client = client_of(Scheme::PlainOnLoopback);
        for status in ["307 Temporary Redirect", "308 Permanent Redirect", "302 Found", "303 See Other"] {
            for credentials in [password(), refresh(), Credentials::Anonymous] {
                let location = format!("http://{}/token", thief.address);
                let service = Scripted::start(move |_| answer(status, &[("Location", &location)], "")).await;
                let realm = format!("http://{}/token", service.address);
                let challenge = Challenge::Bearer { realm: realm.clone(), service: None, insufficient: false };
                let error = challenge.answer(&client, &credentials, "a/b", Action::Pull).await.unwrap_err();
                let expected = format!("no token from {realm}: it answered {}", status.split_at(3).0);
                assert_eq!(error.to_string(), expected);
            }
        }
        assert_eq!(thief.requests(), Vec::<String>::new());
    }

    #[tokio::test]
    async fn a_refresh_token_gets_its_answer_where_it_was_sent() {
        let within = |line: &str| match line.contains(" /token") {
            true => answer("307 Temporary Redirect", &[("Location", "/other")], ""),
            false => answer("200 OK", &[], r#"{"token":"t"}"#),
        };
        let service = Scripted::start(within).await;
        let realm = format!("http://{}/token", service.address);
        let challenge = Challenge::Bearer { realm: realm.clone(), service: None, insufficient: false };
        let client = client_of(Scheme::PlainOnLoopback);
        let refresh = Credentials::IdentityToken(String::from("secret").into());
        let error = challenge.answer(&client, &refresh, "a/b", Action::Pull).await.unwrap_err();
        assert_eq!(error.to_string(), format!("no token from {realm}: it leads elsewhere with what only it may see"));
        assert!(challenge.answer(&client, &Credentials::Anonymous, "a/b", Action::Pull).await.unwrap().is_some());
    }

    proptest! {
        #[test]
        fn any_challenge_is_read_or_not(header in "(Bearer |Basic |)([a-z]{1,5}=(\"([^\"]|\\\\.)*\"?|[^,]*),? ?){0,4}") {
            let _ = Challenge::parse(&header);
        }

        #[test]
        fn what_a_server_quotes_is_read_as_it_was_meant(realm in "[ -~]{0,30}", service in "[ -~]{0,30}") {
            let quoted = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"");
            let header = format!("Bearer realm=\"{}\",service=\"{}\"", quoted(&realm), quoted(&service));
            let expected = Challenge::Bearer { realm, service: Some(service), insufficient: false };
            prop_assert_eq!(Challenge::parse(&header), Some(expected));
        }
    }
}
