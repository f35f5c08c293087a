//! Requests to a registry about one repository: which scheme it speaks, and what it wants to see first.

use std::sync::{Mutex, MutexGuard, PoisonError};

use reqwest::header::{AUTHORIZATION, HeaderValue};
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode};

use crate::credentials::Credentials;
use crate::image::ImageName;
use crate::remote::RemoteError;
use crate::remote::auth::{Action, Challenge};
use crate::remote::failure::classify;
use crate::remote::patience::Patience;

/// The registry behind docker's short names.
const DOCKER_HUB_HOST: &str = "registry-1.docker.io";

/// A repository of a registry.
pub(super) struct Connection {
    client: Client,
    host: String,
    path: String,
    credentials: Credentials,
    action: Action,
    state: Mutex<State>,
}

/// What has been learnt of the registry.
#[derive(Clone)]
struct State {
    scheme: SchemeOf,
    /// What is shown with each request.
    authorization: Option<HeaderValue>,
}

/// How a registry is spoken to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum SchemeOf {
    /// By https, which it may not speak: it is on this machine, and there plain http is allowed.
    Unknown,
    Https,
    Http,
}

impl Connection {
    pub(super) fn new(client: Client, image: &ImageName, credentials: Credentials, action: Action) -> Self {
        let host = if image.is_docker_hub() { DOCKER_HUB_HOST } else { image.domain() };
        let scheme = if image.is_loopback_registry() { SchemeOf::Unknown } else { SchemeOf::Https };
        let state = Mutex::new(State { scheme, authorization: None });
        Self { client, host: host.to_owned(), path: image.path().to_owned(), credentials, action, state }
    }

    pub(super) fn host(&self) -> &str {
        &self.host
    }

    /// Sends what `build` makes of a method and the URL of a manifest; to plain http where nothing else is spoken, with
    /// credentials where the registry asks for them, and anew when it is busy.
    pub(super) async fn send(
        &self,
        method: Method,
        reference: &str,
        build: impl Fn(RequestBuilder) -> RequestBuilder,
    ) -> Result<Response, RemoteError> {
        let send = |scheme| self.send_by(scheme, &method, reference, &build);
        let scheme = self.state().scheme;
        let (found, response) = match scheme {
            SchemeOf::Http => (SchemeOf::Http, send("http").await?),
            SchemeOf::Https => (SchemeOf::Https, send("https").await?),
            SchemeOf::Unknown => match send("https").await {
                Err(e @ (RemoteError::Connection { .. } | RemoteError::Unreachable { .. })) => {
                    match send("http").await {
                        // A TLS server answers plain http with 400: then the first error is the one that matters.
                        Ok(response) if response.status() == StatusCode::BAD_REQUEST => return Err(e),
                        Err(RemoteError::Connection { .. } | RemoteError::Unreachable { .. }) => return Err(e),
                        other => (SchemeOf::Http, other?),
                    }
                }
                other => (SchemeOf::Https, other?),
            },
        };
        self.state().scheme = found;
        Ok(response)
    }

    async fn send_by(
        &self,
        scheme: &str,
        method: &Method,
        reference: &str,
        build: &impl Fn(RequestBuilder) -> RequestBuilder,
    ) -> Result<Response, RemoteError> {
        let url = format!("{scheme}://{}/v2/{}/manifests/{reference}", self.host, self.path);
        let (mut patience, mut answered) = (Patience::default(), false);
        loop {
            let shown = self.state().authorization.clone();
            let request = build(self.client.request(method.clone(), &url));
            let request = shown.into_iter().fold(request, |request, header| request.header(AUTHORIZATION, header));
            let response = request.send().await.map_err(|e| classify(&self.host, &e))?;
            if let Some(pause) = patience.pause(&self.host, &response)? {
                tokio::time::sleep(pause).await;
                continue;
            }
            let Some(challenge) = Challenge::of(&response, &url).filter(|_| !answered) else { return Ok(response) };
            match challenge.answer(&self.client, &self.credentials, &self.path, self.action).await? {
                Some(header) => self.state().authorization = Some(header),
                None => return Ok(response),
            }
            answered = true;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
