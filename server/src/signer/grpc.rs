//! The signer in another process, over gRPC and mutual TLS.

use std::error::Error as StdError;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bulla_traces::TRACEPARENT;
use tonic::metadata::MetadataValue;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tonic::{Code, Request, Response, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tuf_schema::{Gun, KeyId, KeyType, PublicKey, Sha256, Signature, SignatureMethod};

use self::proto::key_management_client::KeyManagementClient;
use self::proto::signer_client::SignerClient;
use super::trust::{Listed, TrustError};
use super::{BadAnswer, Custody, KeyAlgorithm, RoleSigner, ServerRole, SignerError};
use crate::bounded::BoundedMap;
use crate::metrics::{Call, SignerCalls};

#[expect(unreachable_pub, unused_qualifications, clippy::allow_attributes_without_reason, reason = "generated code")]
mod proto {
    tonic::include_proto!("proto");
}

/// How many public keys are remembered. A key is below half a kilobyte.
const REMEMBERED_KEYS: usize = 20_000;

/// What a signer's answer may be long: a public key or a signature, far below a kilobyte.
const MAX_ANSWER_BYTES: usize = 64 * 1024;

/// What a question may be long: a snapshot, which stays below the 4 MiB that signers take unless they are told to take
/// more, and what a client's own snapshot of that size grows by when the server takes over.
const MAX_QUESTION_BYTES: usize = 8 * 1024 * 1024;

/// The metadata of a question for a signature that names its repository. The reference's contract has no place for it,
/// and its signer passes over metadata.
const GUN_METADATA: &str = "bulla-gun-bin";

/// Where the signer is and how to prove who asks.
pub struct GrpcSettings {
    /// Host name or address; the signer's certificate must name it.
    pub host: String,
    /// Port.
    pub port: u16,
    /// PEM of the authorities that the signer's certificate may come from; the system's when it is missing.
    pub ca_pem: Option<Vec<u8>>,
    /// PEM of the certificate chain and of the private key that this server shows.
    pub client: Option<(Vec<u8>, Vec<u8>)>,
    /// How long one question may take, connecting included.
    pub deadline: Duration,
}

/// Settings that make no connection.
#[derive(Debug, thiserror::Error)]
pub enum GrpcSettingsError {
    /// The host is none, or a PEM file cannot be used.
    #[error("the signer's address or certificates cannot be used")]
    Transport(#[from] tonic::transport::Error),
    /// The file of authorities cannot be used.
    #[error(transparent)]
    Trust(#[from] TrustError),
}

/// Asks a signer over gRPC. Connects at the first question and again whenever the connection is lost.
pub struct GrpcSigner {
    connection: Mutex<Connection>,
    deadline: Duration,
    /// Keys the signer said it holds, so that a publish costs one question for each signature.
    held: Mutex<BoundedMap<KeyId, PublicKey>>,
    calls: Option<Arc<SignerCalls>>,
}

/// Where the signer is, and the way there at present.
struct Connection {
    endpoint: Endpoint,
    channel: Channel,
}

impl GrpcSigner {
    /// Prepares the connection without making it. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// [`GrpcSettingsError`] when the settings cannot be used whatever the signer does.
    pub fn new(settings: GrpcSettings) -> Result<Self, GrpcSettingsError> {
        Ok(Self {
            connection: Mutex::new(Connection::prepare(&settings)?),
            deadline: settings.deadline,
            held: Mutex::new(BoundedMap::new(REMEMBERED_KEYS)),
            calls: None,
        })
    }

    /// Counts what is asked in `calls`.
    pub(crate) fn counted_in(self, calls: Arc<SignerCalls>) -> Self {
        Self { calls: Some(calls), ..self }
    }

    /// Asks with other certificates from the next question on; questions at work end as they began.
    ///
    /// # Errors
    /// [`GrpcSettingsError`] when they cannot be used; then those before stay.
    pub fn replace(&self, settings: GrpcSettings) -> Result<(), GrpcSettingsError> {
        let connection = Connection::prepare(&settings)?;
        *self.connection() = connection;
        Ok(())
    }

    fn connection(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn channel(&self) -> Channel {
        self.connection().channel.clone()
    }

    fn keys(&self) -> KeyManagementClient<InterceptedService<Channel, Continue>> {
        KeyManagementClient::with_interceptor(self.channel(), GO_ON)
            .max_decoding_message_size(MAX_ANSWER_BYTES)
            .max_encoding_message_size(MAX_QUESTION_BYTES)
    }

    fn signer(&self) -> SignerClient<InterceptedService<Channel, Continue>> {
        SignerClient::with_interceptor(self.channel(), GO_ON)
            .max_decoding_message_size(MAX_ANSWER_BYTES)
            .max_encoding_message_size(MAX_QUESTION_BYTES)
    }

    fn held(&self) -> MutexGuard<'_, BoundedMap<KeyId, PublicKey>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn counted<T>(
        &self,
        call: Call,
        question: impl Future<Output = Result<T, SignerError>> + Send,
    ) -> Result<T, SignerError> {
        match &self.calls {
            Some(calls) => calls.timed(call, question).await,
            None => question.await,
        }
    }

    /// Asks within the deadline, once more if the connection turns out to be lost: every question may be repeated.
    async fn ask<T, F>(&self, question: impl Fn() -> F + Send) -> Result<T, Failure>
    where
        F: Future<Output = Result<Response<T>, Status>> + Send,
    {
        let asked_twice = async {
            match question().await {
                Err(status) if was_lost(&status) => question().await,
                answer => answer,
            }
        };
        match tokio::time::timeout(self.deadline, asked_twice).await {
            Ok(Ok(answer)) => Ok(answer.into_inner()),
            Ok(Err(status)) => Err(failure(status, self.deadline)),
            Err(_) => {
                // Perhaps the signer moved and the connection leads nowhere, which TCP finds out only after minutes.
                // Pings would find it sooner, but the reference's signer hangs up on those who ping often.
                let mut connection = self.connection();
                connection.channel = connection.endpoint.connect_lazy();
                Err(Failure::Other(SignerError::Deadline(self.deadline)))
            }
        }
    }
}

impl Connection {
    fn prepare(settings: &GrpcSettings) -> Result<Self, GrpcSettingsError> {
        let host = if settings.host.contains(':') { format!("[{}]", settings.host) } else { settings.host.clone() };
        let mut tls = ClientTlsConfig::new();
        if let Some((certificates, key)) = &settings.client {
            tls = tls.identity(Identity::from_pem(certificates, key));
        }
        let endpoint = Endpoint::from_shared(format!("https://{host}:{}", settings.port))?
            .connect_timeout(settings.deadline)
            .tcp_nodelay(true);
        let endpoint = match &settings.ca_pem {
            Some(pem) => endpoint.tls_config_with_verifier(tls, Arc::new(Listed::from_pem(pem)?))?,
            None => endpoint.tls_config(tls.ca_certificates(system_authorities()))?,
        };
        Ok(Self { channel: endpoint.connect_lazy(), endpoint })
    }
}

/// The questions themselves.
impl GrpcSigner {
    async fn new_key(&self, gun: &Gun, role: ServerRole, algorithm: KeyAlgorithm) -> Result<PublicKey, SignerError> {
        let request = proto::CreateKeyRequest {
            algorithm: algorithm.as_str().to_owned(),
            gun: gun.as_str().to_owned(),
            role: role.as_str().to_owned(),
        };
        let answer = self
            .ask(|| {
                let (mut client, request) = (self.keys(), request.clone());
                async move { client.create_key(request).await }
            })
            .await
            .map_err(Failure::without_key)?;
        let key = read_key(answer.key_info, answer.public_key)?;
        self.held().insert(key.id().clone(), key.clone());
        Ok(key)
    }

    async fn key_of(&self, id: &KeyId) -> Result<Option<PublicKey>, SignerError> {
        let request = proto::KeyId { id: id.as_str().to_owned() };
        let answer = self
            .ask(|| {
                let (mut client, request) = (self.keys(), request.clone());
                async move { client.get_key_info(request).await }
            })
            .await;
        let answer = match answer {
            Ok(answer) => answer,
            Err(Failure::NotFound(_)) => return Ok(None),
            Err(Failure::Other(error)) => return Err(error),
        };
        let key = read_key(answer.key_info, answer.public_key)?;
        if key.id() != id {
            return Err(SignerError::BadAnswer(BadAnswer::OtherKey { named: key.id().clone(), expected: id.clone() }));
        }
        self.held().insert(id.clone(), key.clone());
        Ok(Some(key))
    }

    async fn signature(&self, gun: &Gun, key: &PublicKey, content: &[u8]) -> Result<Signature, SignerError> {
        let answer = self
            .ask(|| {
                let (mut client, request) = (self.signer(), signature_request(gun, key, content));
                async move { client.sign(request).await }
            })
            .await;
        let answer = match answer {
            Ok(answer) => answer,
            Err(Failure::NotFound(_)) => {
                self.held().remove(key.id());
                return Err(SignerError::NotHeld(key.id().clone()));
            }
            Err(Failure::Other(error)) => return Err(error),
        };
        let method = answer.algorithm.ok_or(SignerError::BadAnswer(BadAnswer::Missing("algorithm")))?.algorithm;
        let signature =
            Signature { key_id: key.id().clone(), method: SignatureMethod::parse(&method), bytes: answer.content };
        if key.verifies(content, &signature) {
            Ok(signature)
        } else {
            Err(SignerError::BadAnswer(BadAnswer::BadSignature(key.id().clone())))
        }
    }

    async fn health(&self) -> Result<(), SignerError> {
        let answer = self
            .ask(|| {
                let mut client = HealthClient::new(self.channel());
                async move { client.check(HealthCheckRequest { service: String::new() }).await }
            })
            .await
            .map_err(Failure::without_key)?;
        match answer.status() {
            ServingStatus::Serving => Ok(()),
            ServingStatus::Unknown | ServingStatus::NotServing | ServingStatus::ServiceUnknown => {
                let message = answer.status().as_str_name().to_owned();
                Err(SignerError::Refused { code: "health".to_owned(), message })
            }
        }
    }
}

#[async_trait]
impl RoleSigner for GrpcSigner {
    async fn create_key(&self, gun: &Gun, role: ServerRole, algorithm: KeyAlgorithm) -> Result<PublicKey, SignerError> {
        self.counted(Call::CreateKey, self.new_key(gun, role, algorithm)).await
    }

    async fn public_key(&self, id: &KeyId) -> Result<Option<PublicKey>, SignerError> {
        // A key is held under its hash and nothing else. The reference's signer answers an empty id with any key it
        // has, and what a root calls its keys is the publisher's choice.
        if Sha256::from_hex(id.as_str()).is_none() {
            return Ok(None);
        }
        self.counted(Call::PublicKey, self.key_of(id)).await
    }

    async fn signing_key(&self, id: &KeyId) -> Result<Option<PublicKey>, SignerError> {
        let remembered = self.held().get(id).cloned();
        match remembered {
            Some(key) => Ok(Some(key)),
            None => self.public_key(id).await,
        }
    }

    async fn sign(&self, gun: &Gun, key: &PublicKey, content: &[u8]) -> Result<Signature, SignerError> {
        self.counted(Call::Sign, self.signature(gun, key, content)).await
    }

    async fn check(&self) -> Result<(), SignerError> {
        self.counted(Call::Check, self.health()).await
    }

    fn custody(&self) -> Custody {
        Custody::Remote
    }
}

/// Puts something into the metadata of each question.
type Continue = fn(Request<()>) -> Result<Request<()>, Status>;

const GO_ON: Continue = go_on_with_trace;

/// Names the trace that a question is part of, if it is part of one. The reference's signer passes over it.
fn go_on_with_trace(mut request: Request<()>) -> Result<Request<()>, Status> {
    if let Some(value) = bulla_traces::traceparent().and_then(|text| text.parse().ok()) {
        request.metadata_mut().insert(TRACEPARENT, value);
    }
    Ok(request)
}

/// The question for a signature, with the repository that it is for.
fn signature_request(gun: &Gun, key: &PublicKey, content: &[u8]) -> Request<proto::SignatureRequest> {
    let mut request = Request::new(proto::SignatureRequest {
        key_id: Some(proto::KeyId { id: key.id().as_str().to_owned() }),
        content: content.to_vec(),
    });
    request.metadata_mut().insert_bin(GUN_METADATA, MetadataValue::from_bytes(gun.as_str().as_bytes()));
    request
}

/// A question's end, before it is known whether "not found" means a key.
enum Failure {
    NotFound(String),
    Other(SignerError),
}

impl Failure {
    /// For questions to which "not found" is no answer.
    fn without_key(self) -> SignerError {
        match self {
            Self::NotFound(message) => SignerError::Refused { code: "NotFound".to_owned(), message },
            Self::Other(error) => error,
        }
    }
}

/// The inverse of the signer's table of statuses.
fn failure(status: Status, deadline: Duration) -> Failure {
    if status.source().is_some() {
        return Failure::Other(SignerError::Unavailable(Box::new(status)));
    }
    let message = status.message().to_owned();
    Failure::Other(match status.code() {
        Code::NotFound => return Failure::NotFound(message),
        Code::FailedPrecondition => SignerError::WrongPassphrase { message },
        Code::Unavailable | Code::Cancelled | Code::Aborted => SignerError::Unavailable(Box::new(status)),
        Code::DeadlineExceeded => SignerError::Deadline(deadline),
        Code::ResourceExhausted => SignerError::Busy { message },
        code @ (Code::Ok
        | Code::Unknown
        | Code::InvalidArgument
        | Code::AlreadyExists
        | Code::PermissionDenied
        | Code::OutOfRange
        | Code::Unimplemented
        | Code::Internal
        | Code::DataLoss
        | Code::Unauthenticated) => SignerError::Refused { code: format!("{code:?}"), message },
    })
}

/// Whether the connection broke, as it does once after each restart of the signer.
fn was_lost(status: &Status) -> bool {
    status.source().is_some() || status.code() == Code::Unavailable
}

fn read_key(info: Option<proto::KeyInfo>, public: Vec<u8>) -> Result<PublicKey, SignerError> {
    let missing = |what| SignerError::BadAnswer(BadAnswer::Missing(what));
    let info = info.ok_or_else(|| missing("key info"))?;
    let named = KeyId::from_wire(&info.key_id.ok_or_else(|| missing("key id"))?.id);
    let algorithm = info.algorithm.ok_or_else(|| missing("algorithm"))?.algorithm;
    let key = PublicKey::new(KeyType::parse(&algorithm), public);
    if *key.id() == named {
        Ok(key)
    } else {
        Err(SignerError::BadAnswer(BadAnswer::OtherKey { named, expected: key.id().clone() }))
    }
}

fn system_authorities() -> Vec<Certificate> {
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        tracing::warn!(%error, "a certificate authority of the system cannot be read");
    }
    let to_pem = |der: &rustls_pki_types::CertificateDer<'_>| pem::encode(&pem::Pem::new("CERTIFICATE", der.to_vec()));
    found.certs.iter().map(|der| Certificate::from_pem(to_pem(der))).collect()
}

#[cfg(test)]
mod tests {
    use tuf_schema::SigningKey as _;
    use tuf_schema::testing::secret_key;

    use super::*;
    use crate::clock::SystemClock;

    const DEADLINE: Duration = Duration::from_secs(5);

    fn told(code: Code) -> Failure {
        failure(Status::new(code, "words"), DEADLINE)
    }

    #[test]
    fn only_not_found_means_that_a_key_is_not_held() {
        for number in 0..=16 {
            let code = Code::from_i32(number);
            assert_eq!(matches!(told(code), Failure::NotFound(_)), code == Code::NotFound, "{code:?}");
        }
    }

    #[test]
    fn a_key_that_cannot_be_opened_is_told_apart() {
        let told = told(Code::FailedPrecondition);
        assert!(matches!(told, Failure::Other(SignerError::WrongPassphrase { message }) if message == "words"));
    }

    #[test]
    fn a_signer_that_is_asked_too_often_is_not_asked_at_once_again() {
        let told = told(Code::ResourceExhausted);
        assert!(matches!(told, Failure::Other(SignerError::Busy { message }) if message == "words"));
        assert!(!was_lost(&Status::new(Code::ResourceExhausted, "words")));
    }

    #[test]
    fn the_signers_own_refusals_keep_their_code_and_words() {
        let Failure::Other(SignerError::Refused { code, message }) = told(Code::PermissionDenied) else { panic!() };
        assert_eq!((code.as_str(), message.as_str()), ("PermissionDenied", "words"));
    }

    fn info(key: &PublicKey, algorithm: &str) -> proto::KeyInfo {
        proto::KeyInfo {
            key_id: Some(proto::KeyId { id: key.id().as_str().to_owned() }),
            algorithm: Some(proto::Algorithm { algorithm: algorithm.to_owned() }),
        }
    }

    #[test]
    fn a_key_is_taken_only_under_the_id_that_is_its_hash() {
        let key = secret_key().public().clone();
        let read = |info, public: &PublicKey| read_key(Some(info), public.public_bytes().to_vec());
        assert_eq!(read(info(&key, "ecdsa"), &key).unwrap(), key);
        let other = secret_key().public().clone();
        let refused = |read| matches!(read, Err(SignerError::BadAnswer(BadAnswer::OtherKey { .. })));
        assert!(refused(read(info(&key, "ecdsa"), &other)));
        assert!(refused(read(info(&key, "ed25519"), &key)));
        assert!(matches!(read_key(None, Vec::new()), Err(SignerError::BadAnswer(BadAnswer::Missing("key info")))));
    }

    #[test]
    fn a_signature_is_asked_for_with_its_repository() {
        let (gun, key) = (Gun::parse("example.com/größe").unwrap(), secret_key().public().clone());
        let request = signature_request(&gun, &key, b"content");
        let named = request.metadata().get_bin("bulla-gun-bin").unwrap().to_bytes().unwrap();
        assert_eq!(named, gun.as_str().as_bytes());
        assert_eq!(request.get_ref().content, b"content");
    }

    #[tokio::test]
    async fn a_signer_that_is_not_there_is_unavailable_and_holds_no_key_back() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let settings = GrpcSettings {
            host: "127.0.0.1".to_owned(),
            // The discard port: nothing listens there.
            port: 9,
            ca_pem: None,
            client: None,
            deadline: DEADLINE,
        };
        let calls = Arc::new(SignerCalls::new(Arc::new(SystemClock)));
        let signer = GrpcSigner::new(settings).unwrap().counted_in(Arc::clone(&calls));
        let (gun, key) = (Gun::parse("example.com/app").unwrap(), secret_key().public().clone());
        assert!(matches!(signer.public_key(key.id()).await, Err(SignerError::Unavailable(_))));
        assert!(matches!(signer.sign(&gun, &key, b"content").await, Err(SignerError::Unavailable(_))));
        assert!(matches!(signer.check().await, Err(SignerError::Unavailable(_))));
        assert!(matches!(signer.signing_key(key.id()).await, Err(SignerError::Unavailable(_))));
        let page = calls.written();
        for (call, count) in [("public_key", 2), ("sign", 1), ("check", 1)] {
            let expected = format!("_seconds_count{{call=\"{call}\",outcome=\"unavailable\"}} {count}\n");
            assert!(page.contains(&expected), "{expected}{page}");
        }
    }

    #[tokio::test]
    async fn an_id_that_is_no_hash_is_not_held_and_not_asked_for() {
        let settings =
            GrpcSettings { host: "127.0.0.1".into(), port: 9, ca_pem: None, client: None, deadline: DEADLINE };
        let calls = Arc::new(SignerCalls::new(Arc::new(SystemClock)));
        let signer = GrpcSigner::new(settings).unwrap().counted_in(Arc::clone(&calls));
        for id in [String::new(), "aa".to_owned(), "A".repeat(64), "a".repeat(100_000)] {
            assert!(matches!(signer.public_key(&KeyId::from_wire(&id)).await, Ok(None)));
        }
        assert!(!calls.written().contains("_count{"));
    }
}
