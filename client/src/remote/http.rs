//! The trust server over https, as the reference's client speaks to it.

use async_trait::async_trait;
use reqwest::header::{AUTHORIZATION, HeaderValue};
use reqwest::multipart::{Form, Part as FormPart};
use reqwest::{Client, RequestBuilder, Response};
use tuf_schema::verify::chain::DocumentName;
use tuf_schema::verify::limits::{MAX_ERROR_BYTES, MAX_KEY_BYTES};
use tuf_schema::{BaseRole, Gun, KeyType, PublicKey, Role};

use super::auth::{Action, Challenge};
use super::failure::classify;
use super::{Part, Remote, RemoteError, TrustServer};
use crate::credentials::Credentials;

/// The field name of every part of an upload (the reference's client; servers look at the file name only).
const UPLOAD_FIELD: &str = "files";

/// A trust server over https, for one repository.
pub struct HttpRemote {
    client: Client,
    base: String,
    authority: String,
    authorization: Option<HeaderValue>,
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
        credentials: &Credentials,
        action: Action,
    ) -> Result<Self, RemoteError> {
        let authority = server.authority().to_owned();
        let asked = format!("{server}/v2/");
        let ping = client.get(&asked).send().await.map_err(|e| classify(&authority, &e))?;
        let authorization = match Challenge::of(&ping, &asked) {
            Some(challenge) => challenge.answer(&client, credentials, gun.as_str(), action).await?,
            None => None,
        };
        Ok(Self { client, base: format!("{server}/v2/{gun}/_trust/tuf/"), authority, authorization })
    }

    async fn send(&self, request: RequestBuilder) -> Result<Response, RemoteError> {
        let request = match &self.authorization {
            Some(header) => request.header(AUTHORIZATION, header.clone()),
            None => request,
        };
        request.send().await.map_err(|e| classify(&self.authority, &e))
    }
}

#[async_trait]
impl Remote for HttpRemote {
    async fn fetch(&self, name: &DocumentName, cap: u64) -> Result<Option<Vec<u8>>, RemoteError> {
        let response = self.send(self.client.get(format!("{}{name}", self.base))).await?;
        match response.status().as_u16() {
            200 => read_capped(response, &self.authority, cap).await.map(Some),
            404 => Ok(None),
            status => Err(refusal(status)),
        }
    }

    async fn server_key(&self, role: BaseRole) -> Result<PublicKey, RemoteError> {
        let url = format!("{}{}.key", self.base, Role::from(role));
        let response = self.send(self.client.get(url)).await?;
        match response.status().as_u16() {
            200 => parse_key(&read_capped(response, &self.authority, MAX_KEY_BYTES).await?),
            status => Err(refusal(status)),
        }
    }

    async fn publish(&self, parts: Vec<Part>) -> Result<(), RemoteError> {
        let mut form = Form::new();
        for Part { role, bytes } in parts {
            let part = FormPart::bytes(bytes).file_name(role.to_string());
            let part = part.mime_str("application/octet-stream").map_err(|e| classify(&self.authority, &e))?;
            form = form.part(UPLOAD_FIELD, part);
        }
        let response = self.send(self.client.post(&self.base).multipart(form)).await?;
        match response.status().as_u16() {
            200 => Ok(()),
            400 => Err(rejection(&read_start(response, &self.authority, MAX_ERROR_BYTES).await?)),
            status => Err(refusal(status)),
        }
    }
}

/// Reads a body that must not be longer than `cap`.
pub(crate) async fn read_capped(response: Response, authority: &str, cap: u64) -> Result<Vec<u8>, RemoteError> {
    if response.content_length().is_some_and(|length| length > cap) {
        return Err(RemoteError::BadResponse);
    }
    // One byte more than allowed tells a longer body from one that just fits.
    let bytes = read_start(response, authority, cap.saturating_add(1)).await?;
    if bytes.len() as u64 > cap { Err(RemoteError::BadResponse) } else { Ok(bytes) }
}

/// Reads at most `limit` bytes of a body and leaves the rest.
async fn read_start(mut response: Response, authority: &str, limit: u64) -> Result<Vec<u8>, RemoteError> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let mut bytes = Vec::new();
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

/// What a 400 says: `{"errors":[{"code","message","detail"}]}`, printable characters only.
fn rejection(body: &[u8]) -> RemoteError {
    let answer: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    let first = answer.pointer("/errors/0");
    let text = |pointer: &str| first.and_then(|e| e.pointer(pointer)).and_then(|v| v.as_str());
    if text("/code") == Some("VERSION") {
        return RemoteError::VersionConflict;
    }
    let why = text("/detail/Error/Msg").or(text("/message")).unwrap_or("no reason given");
    RemoteError::Rejected(why.chars().filter(|c| !c.is_control()).collect())
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
mod tests {
    use super::*;
    use crate::testing::{self, Scripted};
    use crate::tls::Scheme;
    use crate::tls::tests_support::client_of;

    #[tokio::test]
    async fn no_redirect_is_followed_from_trust_metadata() {
        let server = Scripted::start(|line| match line.split(' ').nth(1) {
            Some("/elsewhere") => testing::answer("200 OK", &[], "{}"),
            _ => testing::answer("302 Found", &[("Location", "/elsewhere")], ""),
        })
        .await;
        let remote = HttpRemote {
            client: client_of(Scheme::PlainOnLoopback),
            base: format!("http://{}/v2/a.test/b/_trust/tuf/", server.address),
            authority: server.address.to_string(),
            authorization: None,
        };
        let published = remote.publish(vec![Part { role: Role::Targets, bytes: b"{}".to_vec() }]).await;
        assert!(matches!(published, Err(RemoteError::Status(302))), "{published:?}");
        let fetched = remote.fetch(&DocumentName::current(Role::Root), 10).await;
        assert!(matches!(fetched, Err(RemoteError::Status(302))), "{fetched:?}");
        let key = remote.server_key(BaseRole::Snapshot).await;
        assert!(matches!(key, Err(RemoteError::Status(302))), "{key:?}");
        assert_eq!(server.requests().len(), 3);
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
            assert!(matches!(read(2501).await, Err(RemoteError::BadResponse)), "{told}");
            assert!(matches!(read(1_000_000).await, Err(RemoteError::BadResponse)), "{told}");
        }
    }

    #[test]
    fn a_version_conflict_is_told_apart_from_other_rejections() {
        let body = br#"{"errors":[{"code":"VERSION","message":"A newer version of metadata is already available.","detail":{}}]}"#;
        assert!(matches!(rejection(body), RemoteError::VersionConflict));
        let body = br#"{"errors":[{"code":"INVALID_UPDATE","message":"m","detail":{"Name":"ErrBadRoot","Error":{"Msg":"why\u001b[2J"}}}]}"#;
        assert!(matches!(rejection(body), RemoteError::Rejected(why) if why == "why[2J"));
        assert!(matches!(rejection(b"{cut"), RemoteError::Rejected(why) if why == "no reason given"));
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
