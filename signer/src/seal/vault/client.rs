//! Asks Vault over HTTP: one question, one bounded answer. No redirect is followed and no proxy asked, as either would
//! be given the token.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{Client, Response, StatusCode};
use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use serde::Serialize;
use tokio::sync::Mutex;
use zeroize::Zeroizing;

use super::super::secret_file::{SecretFileError, read_secret};
use super::answer;
use crate::config::{VaultLogin, VaultSettings};

/// The longest answer that is read, in bytes. Vault's have less than 2,000.
const MAX_ANSWER_BYTES: usize = 64 * 1024;

const TOKEN: HeaderName = HeaderName::from_static("x-vault-token");
const NAMESPACE: HeaderName = HeaderName::from_static("x-vault-namespace");
/// Vault's listener can be set to want it of every request, against forged ones.
const REQUEST: HeaderName = HeaderName::from_static("x-vault-request");

/// Why a client for Vault could not be made.
#[derive(Debug, thiserror::Error)]
pub enum VaultClientError {
    /// The file of authorities cannot be used.
    #[error("ca_file {file} holds no certificates that can be used")]
    Authorities {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// TLS cannot be spoken.
    #[error("no client for Vault can be made")]
    Client(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Why Vault gave no answer that helps.
#[derive(Debug, thiserror::Error)]
pub(crate) enum VaultError {
    /// The token's or a role's file gives none.
    #[error("who the signer is to Vault is not known")]
    NoLogin(#[from] SecretFileError),
    /// A token that no header can hold.
    #[error("the token for Vault has characters that no token has")]
    NoToken,
    /// It does not want to.
    #[error("Vault answers {status}: {said}")]
    Refused {
        /// The status.
        status: StatusCode,
        /// Vault's words.
        said: String,
    },
    /// It is sealed, a standby, overloaded or broken.
    #[error("Vault answers {status}, which may pass: {said}")]
    Busy {
        /// The status.
        status: StatusCode,
        /// Vault's words.
        said: String,
    },
    /// It sends elsewhere.
    #[error("Vault answers {status} and names another address, which is not followed; set address to the active node")]
    Elsewhere {
        /// The status.
        status: StatusCode,
    },
    /// No connection came up, it broke, or the answer did not come in time.
    #[error("Vault cannot be reached")]
    Unreachable(#[source] reqwest::Error),
    /// What came is not Vault's.
    #[error("what answers in Vault's place is not Vault, or not one that this signer knows")]
    NotVault,
    /// More came than any answer has.
    #[error("Vault's answer has more than {MAX_ANSWER_BYTES} bytes")]
    TooLong,
}

/// One Vault, as one caller.
pub(super) struct VaultClient {
    http: Client,
    settings: VaultSettings,
    /// The token of an AppRole, until it is refused.
    token: Mutex<Option<HeaderValue>>,
}

impl VaultError {
    /// Whether it may pass without anybody changing the configuration.
    pub(super) fn may_pass(&self) -> bool {
        match self {
            Self::NoLogin(_) | Self::NoToken | Self::Refused { .. } => false,
            Self::Busy { .. } | Self::Elsewhere { .. } | Self::Unreachable(_) | Self::NotVault | Self::TooLong => true,
        }
    }
}

impl VaultClient {
    /// # Errors
    /// [`VaultClientError`]; Vault is not asked.
    pub(super) fn new(settings: VaultSettings) -> Result<Self, VaultClientError> {
        let roots = roots(settings.authority_file.as_deref())?;
        let tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| VaultClientError::Client(error.into()))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let http = Client::builder()
            .tls_backend_preconfigured(tls)
            .http1_only()
            .redirect(Policy::none())
            .no_proxy()
            .referer(false)
            .retry(reqwest::retry::never())
            .user_agent(concat!("bulla-signer/", env!("CARGO_PKG_VERSION")))
            .timeout(settings.timeout)
            .build()
            .map_err(|error| VaultClientError::Client(error.into()))?;
        Ok(Self { http, settings, token: Mutex::default() })
    }

    /// Posts to `encrypt` or `decrypt` of the key. A token of a login that has ended is replaced once.
    pub(super) async fn post<T: Serialize + Sync>(
        &self,
        operation: &str,
        request: &T,
    ) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        let VaultSettings { mount, key, .. } = &self.settings;
        let path = format!("v1/{mount}/{operation}/{key}");
        let answer = self.send(&path, request, Some(self.token().await?)).await;
        let is_denied = matches!(&answer, Err(VaultError::Refused { status: StatusCode::FORBIDDEN, .. }));
        match &self.settings.login {
            VaultLogin::AppRole { .. } if is_denied => {
                *self.token.lock().await = None;
                self.send(&path, request, Some(self.token().await?)).await
            }
            VaultLogin::AppRole { .. } | VaultLogin::TokenFile(_) => answer,
        }
    }

    async fn token(&self) -> Result<HeaderValue, VaultError> {
        match &self.settings.login {
            VaultLogin::TokenFile(file) => header(&read(file).await?),
            VaultLogin::AppRole { mount, role_id_file, secret_id_file } => {
                let mut held = self.token.lock().await;
                if let Some(token) = held.as_ref() {
                    return Ok(token.clone());
                }
                let (role_id, secret_id) = (read(role_id_file).await?, read(secret_id_file).await?);
                let request = Login { role_id: &role_id, secret_id: &secret_id };
                let body = self.send(&format!("v1/auth/{mount}/login"), &request, None).await?;
                let token = header(&answer::token(&body).ok_or(VaultError::NotVault)?)?;
                *held = Some(token.clone());
                Ok(token)
            }
        }
    }

    async fn send<T: Serialize + Sync>(
        &self,
        path: &str,
        request: &T,
        token: Option<HeaderValue>,
    ) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        let mut headers = HeaderMap::new();
        headers.insert(REQUEST, HeaderValue::from_static("true"));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(token) = token {
            headers.insert(TOKEN, token);
        }
        if let Some(namespace) = &self.settings.namespace {
            headers.insert(NAMESPACE, HeaderValue::from_str(namespace).map_err(|_| VaultError::NoToken)?);
        }
        let mut url = self.settings.address.clone();
        url.set_path(path);
        // wiped when it has been sent; what the layers below copy of it is not
        let body = Zeroizing::new(serde_json::to_vec(request).map_err(|_| VaultError::NotVault)?);
        let sent = self.http.post(url).headers(headers).body(Bytes::from_owner(body)).send().await;
        let response = sent.map_err(|error| VaultError::Unreachable(error.without_url()))?;
        let status = response.status();
        if status.is_redirection() {
            return Err(VaultError::Elsewhere { status });
        }
        let body = whole(response).await?;
        match status {
            StatusCode::OK => Ok(body),
            StatusCode::PRECONDITION_FAILED | StatusCode::TOO_MANY_REQUESTS => {
                Err(VaultError::Busy { status, said: answer::said(&body) })
            }
            // a standby of the enterprise edition
            status if status.as_u16() == 473 || status.is_server_error() => {
                Err(VaultError::Busy { status, said: answer::said(&body) })
            }
            status if status.is_client_error() => Err(VaultError::Refused { status, said: answer::said(&body) }),
            _ => Err(VaultError::NotVault),
        }
    }
}

#[derive(Serialize)]
struct Login<'a> {
    role_id: &'a str,
    secret_id: &'a str,
}

/// The body, if it is not too long.
async fn whole(mut response: Response) -> Result<Zeroizing<Vec<u8>>, VaultError> {
    let mut body = Zeroizing::new(Vec::new());
    while let Some(chunk) = response.chunk().await.map_err(|error| VaultError::Unreachable(error.without_url()))? {
        if body.len() + chunk.len() > MAX_ANSWER_BYTES {
            return Err(VaultError::TooLong);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

async fn read(file: &Path) -> Result<Zeroizing<String>, VaultError> {
    let file = file.to_owned();
    let reading = tokio::task::spawn_blocking(move || read_secret(&file));
    Ok(reading.await.map_err(|_| VaultError::NoToken)??)
}

/// A token as a header that is shown in no log.
fn header(token: &str) -> Result<HeaderValue, VaultError> {
    let mut header = HeaderValue::from_str(token).map_err(|_| VaultError::NoToken)?;
    header.set_sensitive(true);
    Ok(header)
}

fn roots(file: Option<&Path>) -> Result<RootCertStore, VaultClientError> {
    let mut roots = RootCertStore::empty();
    match file {
        None => {
            // one that cannot be read is skipped, as every TLS library does
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
        Some(file) => {
            let unusable = |source| VaultClientError::Authorities { file: file.to_owned(), source };
            let found: Result<Vec<_>, _> = CertificateDer::pem_file_iter(file).and_then(Iterator::collect);
            for certificate in found.map_err(|error| unusable(error.into()))? {
                roots.add(certificate).map_err(|error| unusable(error.into()))?;
            }
            if roots.is_empty() {
                return Err(unusable("it is empty".into()));
            }
        }
    }
    Ok(roots)
}
