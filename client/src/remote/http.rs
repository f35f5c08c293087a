//! The trust server over https, as the reference's client speaks to it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use reqwest::header::{AUTHORIZATION, HeaderValue};
use reqwest::multipart::{Form, Part as FormPart};
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode};
use tuf_schema::update_answer::Held;
use tuf_schema::verify::chain::DocumentName;
use tuf_schema::verify::limits::{MAX_ERROR_BYTES, MAX_KEY_BYTES};
use tuf_schema::{BaseRole, Gun, KeyType, PublicKey, Role};

use super::at_once;
use super::auth::{Action, Challenge};
use super::failure::classify;
use super::packed::{self, Packed};
use super::patience::Patience;
use super::{Part, Remote, RemoteError, TrustServer};
use crate::credentials::Credentials;

/// The field name of every part of an upload (the reference's client; servers look at the file name only).
const UPLOAD_FIELD: &str = "files";

/// A trust server over https, for one repository.
pub struct HttpRemote {
    pub(super) client: Client,
    pub(super) server: TrustServer,
    pub(super) gun: Gun,
    credentials: Credentials,
    action: Action,
    /// What is shown with each request.
    authorization: Mutex<Option<HeaderValue>>,
    /// Whether it says that it answers updates in one, and has not failed to yet.
    answers_at_once: AtomicBool,
    /// Whether it says that it takes packed uploads, and has not refused one yet.
    takes_packed: AtomicBool,
}

impl HttpRemote {
    /// Asks the server at `/v2/` whether it wants a token, and gets one with `credentials` if so.
    ///
    /// # Errors
    /// [`RemoteError::Unreachable`] when no connection came up; else what went wrong on the way to the token.
    pub async fn connect(
        client: Client,
        server: &TrustServer,
        gun: &Gun,
        credentials: Credentials,
        action: Action,
    ) -> Result<Self, RemoteError> {
        let (server, gun, authorization) = (server.clone(), gun.clone(), Mutex::default());
        let (answers_at_once, takes_packed) = (AtomicBool::new(false), AtomicBool::new(false));
        let mut remote =
            Self { client, server, gun, credentials, action, authorization, answers_at_once, takes_packed };
        let asked = format!("{}/v2/", remote.server);
        let ping = remote.client.get(&asked).send().await.map_err(|e| classify(remote.server.authority(), &e))?;
        *remote.answers_at_once.get_mut() = at_once::is_offered(&ping, &asked);
        *remote.takes_packed.get_mut() = packed::is_taken(&ping, &asked);
        if let Some(challenge) = Challenge::of(&ping, &asked) {
            remote.answer(&challenge).await?;
        }
        Ok(remote)
    }

    /// Gets what the server wants to see, for the requests that follow.
    async fn answer(&self, challenge: &Challenge) -> Result<(), RemoteError> {
        let header = challenge.answer(&self.client, &self.credentials, self.gun.as_str(), self.action).await?;
        *self.shown() = header;
        Ok(())
    }

    pub(super) fn shown(&self) -> MutexGuard<'_, Option<HeaderValue>> {
        self.authorization.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The URL of what the server has of the repository, or of one file of it.
    fn url(&self, file: &str) -> String {
        format!("{}/v2/{}/_trust/tuf/{file}", self.server, self.gun)
    }

    /// Sends what `build` makes of a method and a URL, anew when the server is busy or the token has ended.
    async fn send(
        &self,
        method: Method,
        url: &str,
        build: impl Fn(RequestBuilder) -> Result<RequestBuilder, RemoteError>,
    ) -> Result<Response, RemoteError> {
        let authority = self.server.authority();
        let (mut patience, mut answered) = (Patience::default(), false);
        loop {
            let shown = self.shown().clone();
            // A token that was never good will not be the next time.
            let may_have_ended = shown.is_some() && !answered;
            let request = build(self.client.request(method.clone(), url))?;
            let request = shown.into_iter().fold(request, |request, header| request.header(AUTHORIZATION, header));
            let response = request.send().await.map_err(|e| classify(authority, &e))?;
            if let Some(pause) = patience.pause(authority, &response)? {
                tokio::time::sleep(pause).await;
                continue;
            }
            match Challenge::of(&response, url) {
                Some(challenge) if may_have_ended && challenge.asks_for_another_token() => {
                    self.answer(&challenge).await?;
                    answered = true;
                }
                _ => return Ok(response),
            }
        }
    }

    /// Sends an upload packed; `None` when it is to be sent as it is, which a server that refuses this always is from then on.
    async fn sent_packed(
        &self,
        parts: &[(String, Bytes)],
        form: impl Fn() -> Result<Form, RemoteError>,
    ) -> Result<Option<Response>, RemoteError> {
        let bytes = parts.iter().fold(0_usize, |sum, (_, bytes)| sum.saturating_add(bytes.len()));
        if bytes <= packed::SMALL_UPLOAD_BYTES || !self.takes_packed.load(Ordering::Relaxed) {
            return Ok(None);
        }
        let Some(packed) = Packed::of(form()?).await else { return Ok(None) };
        let response = self.send(Method::POST, &self.url(""), |request| Ok(packed.body_of(request))).await?;
        if response.status() == StatusCode::UNSUPPORTED_MEDIA_TYPE {
            self.takes_packed.store(false, Ordering::Relaxed);
            return Ok(None);
        }
        Ok(Some(response))
    }

    async fn key(&self, method: Method, role: BaseRole) -> Result<PublicKey, RemoteError> {
        let response = self.send(method, &self.url(&format!("{}.key", Role::from(role))), Ok).await?;
        match response.status().as_u16() {
            200 => parse_key(&read_capped(response, self.server.authority(), MAX_KEY_BYTES).await?),
            status => Err(refusal(status)),
        }
    }
}

#[async_trait]
impl Remote for HttpRemote {
    async fn fetch(&self, name: &DocumentName, cap: u64) -> Result<Option<Vec<u8>>, RemoteError> {
        let response = self.send(Method::GET, &self.url(&name.to_string()), Ok).await?;
        match response.status().as_u16() {
            200 => read_capped(response, self.server.authority(), cap).await.map(Some),
            404 => Ok(None),
            status => Err(refusal(status)),
        }
    }

    async fn server_key(&self, role: BaseRole) -> Result<PublicKey, RemoteError> {
        self.key(Method::GET, role).await
    }

    async fn rotate_server_key(&self, role: BaseRole) -> Result<PublicKey, RemoteError> {
        self.key(Method::POST, role).await
    }

    async fn publish(&self, parts: Vec<Part>) -> Result<(), RemoteError> {
        let authority = self.server.authority();
        let parts: Vec<_> = parts.into_iter().map(|part| (part.role.to_string(), Bytes::from(part.bytes))).collect();
        let form = || {
            let mut form = Form::new();
            for (role, bytes) in &parts {
                let part = FormPart::stream_with_length(bytes.clone(), bytes.len() as u64).file_name(role.clone());
                let part = part.mime_str("application/octet-stream").map_err(|e| classify(authority, &e))?;
                form = form.part(UPLOAD_FIELD, part);
            }
            Ok(form)
        };
        let plain = |request: RequestBuilder| Ok(request.multipart(form()?));
        let response = match self.sent_packed(&parts, form).await? {
            Some(response) => response,
            None => self.send(Method::POST, &self.url(""), plain).await?,
        };
        match response.status().as_u16() {
            200 => Ok(()),
            status @ (400 | 500) => Err(rejection(status, &read_start(response, authority, MAX_ERROR_BYTES).await?)),
            status => Err(refusal(status)),
        }
    }

    async fn delete_all(&self) -> Result<(), RemoteError> {
        match self.send(Method::DELETE, &self.url(""), Ok).await?.status().as_u16() {
            200 => Ok(()),
            status => Err(refusal(status)),
        }
    }

    fn answers_at_once(&self) -> bool {
        self.answers_at_once.load(Ordering::Relaxed)
    }

    async fn lacking(&self, held: &Held, cap: u64) -> Option<Bytes> {
        let answer = self.ask_at_once(held, cap).await;
        if answer.is_none() {
            self.answers_at_once.store(false, Ordering::Relaxed);
        }
        answer
    }
}

/// Reads a body that must not be longer than `cap`.
pub(crate) async fn read_capped(response: Response, authority: &str, cap: u64) -> Result<Vec<u8>, RemoteError> {
    if response.content_length().is_some_and(|length| length > cap) {
        return Err(RemoteError::TooLong { most: cap });
    }
    // One byte more than allowed tells a longer body from one that just fits.
    let bytes = read_start(response, authority, cap.saturating_add(1)).await?;
    if bytes.len() as u64 > cap { Err(RemoteError::TooLong { most: cap }) } else { Ok(bytes) }
}

/// Reads at most `limit` bytes of a body and leaves the rest.
pub(crate) async fn read_start(mut response: Response, authority: &str, limit: u64) -> Result<Vec<u8>, RemoteError> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    // Room for all that is announced, so that a large document is not copied each time it has outgrown its place.
    let announced = response.content_length().and_then(|length| usize::try_from(length).ok()).unwrap_or_default();
    let mut bytes = Vec::with_capacity(announced.min(limit));
    while let Some(chunk) = response.chunk().await.map_err(|e| classify(authority, &e))? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() >= limit {
            bytes.truncate(limit);
            break;
        }
    }
    Ok(bytes)
}

fn refusal(status: u16) -> RemoteError {
    if status == 401 { RemoteError::Unauthorized } else { RemoteError::Status(status) }
}

/// What a refused publish says: `{"errors":[{"code","message","detail"}]}`, printable characters only.
///
/// The reference over PostgreSQL answers a race with 500 and UPDATING instead of 400 and VERSION, and stores nothing
/// then either; what is published next decides whether it was one.
fn rejection(status: u16, body: &[u8]) -> RemoteError {
    let answer: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    let first = answer.pointer("/errors/0");
    let text = |pointer: &str| first.and_then(|e| e.pointer(pointer)).and_then(|v| v.as_str());
    match (status, text("/code")) {
        (400, Some("VERSION")) | (500, Some("UPDATING")) => RemoteError::VersionConflict,
        (400, _) => {
            let why = text("/detail/Error/Msg").or(text("/message")).unwrap_or("no reason given");
            RemoteError::Rejected(why.chars().filter(|c| !c.is_control()).collect())
        }
        _ => refusal(status),
    }
}

fn parse_key(body: &[u8]) -> Result<PublicKey, RemoteError> {
    use base64::Engine as _;
    let answer: serde_json::Value = serde_json::from_slice(body).map_err(|_| RemoteError::BadResponse)?;
    let text = |pointer: &str| answer.pointer(pointer).and_then(|v| v.as_str()).ok_or(RemoteError::BadResponse);
    let public = base64::engine::general_purpose::STANDARD.decode(text("/keyval/public")?);
    let key = PublicKey::new(KeyType::parse(text("/keytype")?), public.map_err(|_| RemoteError::BadResponse)?);
    // A key that verifies nothing would make a repository that nobody can read.
    if key.material().is_some() { Ok(key) } else { Err(RemoteError::BadResponse) }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::testing::{self, Scripted};
    use crate::tls::Scheme;
    use crate::tls::tests_support::client_of;

    /// The repository `a.test/b` of `server`, with what is shown to it.
    pub(in crate::remote) fn remote(
        server: &Scripted,
        credentials: Credentials,
        shown: Option<&'static str>,
    ) -> HttpRemote {
        HttpRemote {
            client: client_of(Scheme::PlainOnLoopback),
            server: TrustServer::of_test(&format!("http://{}", server.address)),
            gun: Gun::parse("a.test/b").unwrap(),
            credentials,
            action: Action::Admin,
            authorization: Mutex::new(shown.map(HeaderValue::from_static)),
            answers_at_once: AtomicBool::new(false),
            takes_packed: AtomicBool::new(false),
        }
    }

    #[tokio::test]
    async fn no_redirect_is_followed_from_trust_metadata() {
        let server = Scripted::start(|line| match line.split(' ').nth(1) {
            Some("/elsewhere") => testing::answer("200 OK", &[], "{}"),
            _ => testing::answer("302 Found", &[("Location", "/elsewhere")], ""),
        })
        .await;
        let remote = remote(&server, Credentials::Anonymous, None);
        let published = remote.publish(vec![Part { role: Role::Targets, bytes: b"{}".to_vec() }]).await;
        assert!(matches!(published, Err(RemoteError::Status(302))), "{published:?}");
        let fetched = remote.fetch(&DocumentName::current(Role::Root), 10).await;
        assert!(matches!(fetched, Err(RemoteError::Status(302))), "{fetched:?}");
        let key = remote.server_key(BaseRole::Snapshot).await;
        assert!(matches!(key, Err(RemoteError::Status(302))), "{key:?}");
        let key = remote.rotate_server_key(BaseRole::Snapshot).await;
        assert!(matches!(key, Err(RemoteError::Status(302))), "{key:?}");
        let deleted = remote.delete_all().await;
        assert!(matches!(deleted, Err(RemoteError::Status(302))), "{deleted:?}");
        assert_eq!(server.requests().len(), 5);
    }

    #[tokio::test]
    async fn administration_has_the_references_requests() {
        let key = r#"{"keytype":"ed25519","keyval":{"public":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=","private":null}}"#;
        let server = Scripted::start(move |_| testing::answer("200 OK", &[], key)).await;
        let remote = remote(&server, Credentials::Anonymous, None);
        assert_eq!(remote.rotate_server_key(BaseRole::Timestamp).await.unwrap().key_type(), &KeyType::Ed25519);
        remote.delete_all().await.unwrap();
        let expected =
            ["POST /v2/a.test/b/_trust/tuf/timestamp.key HTTP/1.1", "DELETE /v2/a.test/b/_trust/tuf/ HTTP/1.1"];
        assert_eq!(server.requests(), expected);
    }

    /// A server that wants a token every time, and why; its token service gives one.
    async fn guarded(why: &'static str) -> Scripted {
        let realm = Scripted::start(|_| testing::answer("200 OK", &[], r#"{"token":"new"}"#)).await;
        let challenge = format!("Bearer realm=\"http://{}/token\",service=\"s\"{why}", realm.address);
        Scripted::start(move |_| testing::answer("401 Unauthorized", &[("WWW-Authenticate", &challenge)], "")).await
    }

    #[tokio::test]
    async fn another_token_is_asked_for_once_when_one_has_ended_and_not_when_it_allows_too_little() {
        for (why, shown, requests) in [
            (",error=\"invalid_token\"", Some("Bearer old"), 2),
            (",error=\"insufficient_scope\"", Some("Bearer old"), 1),
            ("", None, 1),
        ] {
            let server = guarded(why).await;
            let remote = remote(&server, Credentials::Anonymous, shown);
            let deleted = remote.delete_all().await;
            assert!(matches!(deleted, Err(RemoteError::Unauthorized)), "{deleted:?}");
            assert_eq!(server.requests().len(), requests, "{why}");
            let now = remote.shown().as_ref().map(|header| header.to_str().unwrap().to_owned());
            assert_eq!(now.as_deref(), if requests == 2 { Some("Bearer new") } else { shown });
        }
    }

    #[tokio::test]
    async fn a_publish_that_a_busy_server_did_not_take_is_sent_again_as_it_was() {
        let busy = AtomicBool::new(true);
        let server = Scripted::start(move |_| {
            let first = busy.swap(false, Ordering::Relaxed);
            if first {
                testing::answer("503 Service Unavailable", &[("Retry-After", "0")], "")
            } else {
                testing::answer("200 OK", &[], "")
            }
        })
        .await;
        let remote = remote(&server, Credentials::Anonymous, None);
        remote.publish(vec![Part { role: Role::Targets, bytes: b"{}".to_vec() }]).await.unwrap();
        assert_eq!(server.requests(), ["POST /v2/a.test/b/_trust/tuf/ HTTP/1.1"; 2]);
    }

    /// An answer of `length` bytes that does or does not say how long it is.
    fn answer(length: usize, told: bool) -> Response {
        let bytes = vec![b'x'; length];
        let chunk = |chunk: &[u8]| Ok::<_, std::io::Error>(chunk.to_vec());
        let chunks: Vec<_> = bytes.chunks(1000).map(chunk).collect();
        let streamed = reqwest::Body::wrap_stream(futures_util::stream::iter(chunks));
        http::Response::new(if told { bytes.into() } else { streamed }).into()
    }

    #[tokio::test]
    async fn a_body_may_be_as_long_as_the_cap_and_not_one_byte_longer() {
        for told in [true, false] {
            let read = async |length| read_capped(answer(length, told), "n.test", 2500).await;
            assert_eq!(read(2500).await.unwrap().len(), 2500);
            assert!(matches!(read(2501).await, Err(RemoteError::TooLong { most: 2500 })), "{told}");
            assert!(matches!(read(1_000_000).await, Err(RemoteError::TooLong { most: 2500 })), "{told}");
        }
    }

    #[test]
    fn a_version_conflict_is_told_apart_from_other_rejections() {
        let body = br#"{"errors":[{"code":"VERSION","message":"A newer version of metadata is already available.","detail":{}}]}"#;
        assert!(matches!(rejection(400, body), RemoteError::VersionConflict));
        let body = br#"{"errors":[{"code":"INVALID_UPDATE","message":"m","detail":{"Name":"ErrBadRoot","Error":{"Msg":"why\u001b[2J"}}}]}"#;
        assert!(matches!(rejection(400, body), RemoteError::Rejected(why) if why == "why[2J"));
        let body =
            br#"{"errors":[{"code":"UPDATING","message":"An error has occurred while updating the TUF repository."}]}"#;
        assert!(matches!(rejection(500, body), RemoteError::VersionConflict));
        assert!(matches!(rejection(400, body), RemoteError::Rejected(_)));
        assert!(matches!(rejection(500, br#"{"errors":[{"code":"UNKNOWN"}]}"#), RemoteError::Status(500)));
        assert!(matches!(rejection(400, b"{cut"), RemoteError::Rejected(why) if why == "no reason given"));
    }

    #[test]
    fn a_key_that_verifies_nothing_is_a_bad_response() {
        let good = br#"{"keytype":"ed25519","keyval":{"public":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=","private":null}}"#;
        assert_eq!(parse_key(good).unwrap().key_type(), &KeyType::Ed25519);
        let short = br#"{"keytype":"ed25519","keyval":{"public":"AAAA","private":null}}"#;
        assert!(matches!(parse_key(short), Err(RemoteError::BadResponse)));
        assert!(matches!(parse_key(b"[]"), Err(RemoteError::BadResponse)));
    }
}
