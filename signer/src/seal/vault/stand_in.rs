//! A stand-in for Vault, for tests: it answers `encrypt`, `decrypt` and AppRole logins as they are documented, and refuses
//! and notes whatever differs from that. No Vault was at hand: that it behaves as Vault is read, not tried.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom as _, SystemRandom};
use serde_json::{Map, Value, json};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// The token that may use the key.
pub(crate) const TOKEN: &str = "hvs.the-token-of-the-signer";
/// What an AppRole logs in with.
pub(crate) const ROLE: [&str; 2] = ["the-role-id", "the-secret-id"];

/// How it answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mood {
    /// As documented.
    Well,
    /// With a status and one error.
    Refuses(u16, &'static str),
    /// With 307 to [`StandIn::elsewhere`].
    Redirects,
    /// With something that is not JSON.
    Garbage,
    /// As documented, and the body padded with blanks to so many bytes.
    Padded(usize),
    /// Not at all.
    Silent,
}

/// A stand-in that listens on loopback until it is dropped.
pub(crate) struct StandIn {
    pub(crate) address: SocketAddr,
    said: Arc<Said>,
    listening: tokio::task::JoinHandle<()>,
}

struct Said {
    mood: Mutex<Mood>,
    /// The token that is accepted.
    token: Mutex<String>,
    /// What differed from the documentation.
    faults: Mutex<Vec<String>>,
    /// How many requests came to `encrypt`, `decrypt`, logins and anywhere else.
    counts: Mutex<[usize; 4]>,
    key: LessSafeKey,
}

impl StandIn {
    /// Over plain HTTP.
    pub(crate) async fn start() -> Self {
        Self::serve(TcpListener::bind("127.0.0.1:0").await.unwrap(), None)
    }

    /// Over TLS.
    pub(crate) async fn start_tls(acceptor: TlsAcceptor) -> Self {
        Self::serve(TcpListener::bind("127.0.0.1:0").await.unwrap(), Some(acceptor))
    }

    fn serve(listener: TcpListener, tls: Option<TlsAcceptor>) -> Self {
        let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &[7; 32]).unwrap());
        let said = Arc::new(Said {
            mood: Mutex::new(Mood::Well),
            token: Mutex::new(TOKEN.to_owned()),
            faults: Mutex::default(),
            counts: Mutex::default(),
            key,
        });
        let address = listener.local_addr().unwrap();
        let to_all = Arc::clone(&said);
        let listening = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((socket, _)) = listener.accept().await {
                let (tls, said) = (tls.clone(), Arc::clone(&to_all));
                connections.spawn(async move {
                    match tls {
                        None => talk(socket, said).await,
                        // a caller that does not trust it goes away
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(socket).await {
                                talk(stream, said).await;
                            }
                        }
                    }
                });
            }
        });
        Self { address, said, listening }
    }

    pub(crate) fn set(&self, mood: Mood) {
        *self.said.mood.lock().unwrap() = mood;
    }

    /// From now on another token is accepted, and given to who logs in.
    pub(crate) fn set_token(&self, token: &str) {
        *self.said.token.lock().unwrap() = token.to_owned();
    }

    /// What differed from the documentation.
    pub(crate) fn faults(&self) -> Vec<String> {
        self.said.faults.lock().unwrap().clone()
    }

    /// How many requests came to `encrypt`, `decrypt`, logins and anywhere else.
    pub(crate) fn counts(&self) -> [usize; 4] {
        *self.said.counts.lock().unwrap()
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

/// A file that holds `text` and that only its owner may read.
pub(crate) fn secret_file(file: PathBuf, text: &str) -> PathBuf {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::write(&file, text).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    file
}

async fn talk(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, said: Arc<Said>) {
    let service = service_fn(move |request| {
        let said = Arc::clone(&said);
        async move { Ok::<_, Infallible>(said.answer(request).await) }
    });
    // an error is a caller that went away
    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

impl Said {
    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let mood = *self.mood.lock().unwrap();
        let (head, body) = request.into_parts();
        let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
        let place = match head.uri.path() {
            "/v1/team/transit/encrypt/bulla" => 0,
            "/v1/team/transit/decrypt/bulla" => 1,
            "/v1/auth/approle/login" => 2,
            _ => 3,
        };
        self.counts.lock().unwrap()[place] += 1;
        let of_mood = |status: u16, text: String| {
            let location = "http://127.0.0.1:1/v1/elsewhere";
            let builder = Response::builder().status(status).header("content-type", "application/json");
            builder.header("location", location).body(Full::from(text)).unwrap()
        };
        match mood {
            Mood::Refuses(status, error) => return of_mood(status, json!({"errors": [error]}).to_string()),
            Mood::Redirects => return of_mood(307, String::new()),
            Mood::Garbage => return of_mood(200, "<html>It works!</html>".to_owned()),
            Mood::Silent => std::future::pending().await,
            Mood::Well | Mood::Padded(_) => {}
        }
        let (status, answer) = match self.documented(place, &head, &body) {
            Ok(answer) => (StatusCode::OK, answer),
            Err((status, error)) => {
                if status == StatusCode::BAD_REQUEST && !error.starts_with("cipher:") {
                    self.faults.lock().unwrap().push(error.clone());
                }
                (status, json!({"errors": [error]}))
            }
        };
        let mut text = answer.to_string();
        if let Mood::Padded(bytes) = mood {
            text.push_str(&" ".repeat(bytes - text.len()));
        }
        Response::builder().status(status).header("content-type", "application/json").body(Full::from(text)).unwrap()
    }

    /// The answer, or a status and an error. What is not in the documentation is 400.
    fn documented(
        &self,
        place: usize,
        head: &hyper::http::request::Parts,
        body: &[u8],
    ) -> Result<Value, (StatusCode, String)> {
        let fault = |text: String| (StatusCode::BAD_REQUEST, text);
        let header = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok());
        if head.method != Method::POST {
            return Err(fault(format!("method {}", head.method)));
        }
        if head.uri.query().is_some() {
            return Err(fault("a query".to_owned()));
        }
        for (name, expected) in
            [("x-vault-request", "true"), ("x-vault-namespace", "tenant"), ("content-type", "application/json")]
        {
            if header(name) != Some(expected) {
                return Err(fault(format!("header {name} is {:?}", header(name))));
            }
        }
        let members: Map<String, Value> =
            serde_json::from_slice(body).map_err(|error| fault(format!("the body: {error}")))?;
        let text = |name: &str| members.get(name).and_then(Value::as_str).unwrap_or_default();
        let has = |names: [&str; 2]| members.len() == 2 && names.iter().all(|name| members.contains_key(*name));
        let base64 = |name: &str| STANDARD.decode(text(name)).map_err(|error| fault(format!("{name}: {error}")));
        let token = self.token.lock().unwrap().clone();
        if place == 2 {
            if header("x-vault-token").is_some() || !has(["role_id", "secret_id"]) {
                return Err(fault("a login with a token or other members".to_owned()));
            }
            if [text("role_id"), text("secret_id")] != ROLE {
                return Err((StatusCode::FORBIDDEN, "invalid role or secret ID".to_owned()));
            }
            return Ok(
                json!({"auth": {"client_token": token, "lease_duration": 1200, "renewable": true}, "data": null}),
            );
        }
        if header("x-vault-token") != Some(&token) {
            return Err((StatusCode::FORBIDDEN, "permission denied".to_owned()));
        }
        match place {
            0 if has(["plaintext", "associated_data"]) => {
                let (mut content, bound) = (base64("plaintext")?, base64("associated_data")?);
                let mut nonce = [0; NONCE_LEN];
                SystemRandom::new().fill(&mut nonce).unwrap();
                let sealing = (Nonce::assume_unique_for_key(nonce), Aad::from(bound));
                self.key.seal_in_place_append_tag(sealing.0, sealing.1, &mut content).unwrap();
                let ciphertext = format!("vault:v1:{}", STANDARD.encode([&nonce[..], &content].concat()));
                Ok(json!({"request_id": "r", "data": {"ciphertext": ciphertext, "key_version": 1}, "auth": null}))
            }
            1 if has(["ciphertext", "associated_data"]) => {
                let bound = base64("associated_data")?;
                let sealed = text("ciphertext").strip_prefix("vault:v1:").and_then(|text| STANDARD.decode(text).ok());
                let mut sealed = sealed.ok_or_else(|| fault("invalid ciphertext: no prefix".to_owned()))?;
                let mut content = sealed.split_off(NONCE_LEN);
                let nonce = Nonce::try_assume_unique_for_key(&sealed).unwrap();
                let opened = self.key.open_in_place(nonce, Aad::from(bound), &mut content);
                let opened = opened.map_err(|_| fault("cipher: message authentication failed".to_owned()))?;
                Ok(json!({"request_id": "r", "data": {"plaintext": STANDARD.encode(opened)}, "auth": null}))
            }
            0 | 1 => Err(fault(format!("members {:?}", members.keys()))),
            _ => {
                self.faults.lock().unwrap().push(format!("path {}", head.uri.path()));
                Err((StatusCode::NOT_FOUND, "no handler for route".to_owned()))
            }
        }
    }
}
