//! A signer in this process, and clients for it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bulla_signer::clock::SystemClock;
use bulla_signer::config::{Config, Environment};
use bulla_signer::grpc::proto;
use bulla_signer::grpc::proto::key_management_client::KeyManagementClient;
use bulla_signer::grpc::proto::signer_client::SignerClient;
use bulla_signer::{Listeners, Signer};
use ring::rand::SystemRandom;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tonic::{Code, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use crate::pki::{Authority, Pair};

/// A signer on loopback, and what belongs to it.
pub(crate) struct Running {
    pub(crate) place: Place,
    pub(crate) address: SocketAddr,
    pub(crate) http: SocketAddr,
    stop: oneshot::Sender<()>,
    served: JoinHandle<std::io::Result<()>>,
}

/// A directory with certificates and a key store.
pub(crate) struct Place {
    folder: TempDir,
    pub(crate) authority: Authority,
    pub(crate) server: Pair,
}

/// What a test may change of a signer.
pub(crate) struct Settings {
    /// Members of the `server` section, after those of the certificate.
    pub(crate) server: String,
    pub(crate) passphrase: &'static str,
    /// The members of the `storage` section.
    pub(crate) storage: String,
    /// Further sections, each after a comma.
    pub(crate) sections: String,
}

impl Place {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::new(folder.path(), "ca");
        let server = authority.issue("signer.test");
        Self { folder, authority, server }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The configuration as a file would hold it.
    pub(crate) fn config_text(&self, settings: &Settings) -> String {
        let Settings { server, storage, sections, .. } = settings;
        let Pair { certificate, key } = &self.server;
        format!(
            r#"{{"server": {{"grpc_addr": "127.0.0.1:0", "tls_cert_file": {certificate:?}, "tls_key_file": {key:?}{server}}},
                "storage": {{{storage}}}{sections}}}"#
        )
    }

    pub(crate) fn config(&self, settings: &Settings) -> Config {
        let variables =
            [("NOTARY_SIGNER_K1", settings.passphrase), ("NOTARY_SIGNER_ALIAS_ONE", "fixture-alias-pass-1")];
        let environment = Environment::new(variables.map(|(name, value)| (name.to_owned(), value.to_owned())));
        Config::parse(&self.config_text(settings), self.path(), &environment).unwrap()
    }
}

impl Default for Settings {
    /// Clients of the authority named `server.test`; keys in SQLite.
    fn default() -> Self {
        Self {
            server: r#", "client_ca_file": "ca.crt", "allowed_clients": ["server.test"]"#.to_owned(),
            passphrase: "right",
            storage: r#""backend": "sqlite", "db_url": "keys.db", "default_alias": "k1""#.to_owned(),
            sections: String::new(),
        }
    }
}

impl Running {
    pub(crate) async fn start() -> Self {
        Self::in_place(Place::new(), &Settings::default()).await
    }

    pub(crate) async fn with(settings: &Settings) -> Self {
        Self::in_place(Place::new(), settings).await
    }

    pub(crate) async fn in_place(place: Place, settings: &Settings) -> Self {
        let config = place.config(settings);
        let signer = Signer::open(&config, Arc::new(SystemClock), Arc::new(SystemRandom::new())).await.unwrap();
        let (grpc, http) =
            (TcpListener::bind("127.0.0.1:0").await.unwrap(), TcpListener::bind("127.0.0.1:0").await.unwrap());
        let (address, http_address) = (grpc.local_addr().unwrap(), http.local_addr().unwrap());
        let (stop, stopped) = oneshot::channel::<()>();
        let shutdown = async {
            stopped.await.unwrap();
        };
        let served = tokio::spawn(signer.serve(Listeners { grpc, http: Some(http) }, shutdown));
        Self { place, address, http: http_address, stop, served }
    }

    /// Ends the signer, and leaves its files.
    pub(crate) async fn stop(self) -> Place {
        self.stop.send(()).unwrap();
        self.served.await.unwrap().unwrap();
        self.place
    }

    /// A client that shows the certificate which the default settings let in.
    pub(crate) async fn client(&self) -> Client {
        let pair = self.place.authority.issue("server.test");
        Client::connect(self, Some(&pair)).await.unwrap()
    }
}

/// A client over one connection.
pub(crate) struct Client {
    pub(crate) channel: Channel,
}

impl Client {
    pub(crate) async fn connect(signer: &Running, pair: Option<&Pair>) -> Result<Self, tonic::transport::Error> {
        connect(signer.address, &signer.place.authority.file(), pair).await.map(|channel| Self { channel })
    }

    pub(crate) async fn create(&self, gun: &str, role: &str) -> Result<proto::PublicKey, Status> {
        self.create_with("ecdsa", gun, role).await
    }

    pub(crate) async fn create_with(&self, algorithm: &str, gun: &str, role: &str) -> Result<proto::PublicKey, Status> {
        let request =
            proto::CreateKeyRequest { algorithm: algorithm.to_owned(), gun: gun.to_owned(), role: role.to_owned() };
        KeyManagementClient::new(self.channel.clone()).create_key(request).await.map(tonic::Response::into_inner)
    }

    pub(crate) async fn describe(&self, id: &str) -> Result<proto::GetKeyInfoResponse, Status> {
        let request = proto::KeyId { id: id.to_owned() };
        KeyManagementClient::new(self.channel.clone()).get_key_info(request).await.map(tonic::Response::into_inner)
    }

    pub(crate) async fn delete(&self, id: &str) -> Result<(), Status> {
        let request = proto::KeyId { id: id.to_owned() };
        KeyManagementClient::new(self.channel.clone()).delete_key(request).await.map(|_| ())
    }

    pub(crate) async fn sign(&self, id: Option<&str>, content: &[u8]) -> Result<proto::Signature, Status> {
        let key_id = id.map(|id| proto::KeyId { id: id.to_owned() });
        let request = proto::SignatureRequest { key_id, content: content.to_vec() };
        SignerClient::new(self.channel.clone()).sign(request).await.map(tonic::Response::into_inner)
    }

    /// Signs for the repository that the caller names.
    pub(crate) async fn sign_for(&self, gun: &[u8], id: &str, content: &[u8]) -> Result<proto::Signature, Status> {
        let key_id = Some(proto::KeyId { id: id.to_owned() });
        let mut request = tonic::Request::new(proto::SignatureRequest { key_id, content: content.to_vec() });
        request.metadata_mut().insert_bin("bulla-gun-bin", tonic::metadata::MetadataValue::from_bytes(gun));
        SignerClient::new(self.channel.clone()).sign(request).await.map(tonic::Response::into_inner)
    }

    /// 1 is serving, 2 is not.
    pub(crate) async fn health(&self, service: &str) -> Result<i32, Status> {
        let request = HealthCheckRequest { service: service.to_owned() };
        HealthClient::new(self.channel.clone()).check(request).await.map(|answer| answer.into_inner().status)
    }
}

pub(crate) async fn connect(
    address: SocketAddr,
    authority: &PathBuf,
    pair: Option<&Pair>,
) -> Result<Channel, tonic::transport::Error> {
    let read = |file: &PathBuf| std::fs::read(file).unwrap();
    let mut tls =
        ClientTlsConfig::new().domain_name("localhost").ca_certificate(Certificate::from_pem(read(authority)));
    if let Some(pair) = pair {
        tls = tls.identity(Identity::from_pem(read(&pair.certificate), read(&pair.key)));
    }
    Endpoint::from_shared(format!("https://{address}")).unwrap().tls_config(tls).unwrap().connect().await
}

pub(crate) fn id(key: &proto::PublicKey) -> &str {
    &key.key_info.as_ref().unwrap().key_id.as_ref().unwrap().id
}

/// The status code and message of a refusal.
pub(crate) fn refusal<T>(answer: Result<T, Status>) -> (Code, String) {
    let Err(status) = answer else { panic!("not refused") };
    (status.code(), status.message().to_owned())
}
