//! One database, the reference's signer and ours in turn: what either made, the other signs with.
//!
//! The reference is Debian's `notary-signer`. Where it or an engine is missing the tests are left out with a printed line,
//! and fail where the engines are required.

use std::fs::File;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use bulla_signer::grpc::proto;
use tuf_schema::key::{KeyType, PublicKey};
use tuf_schema::signature::{Signature, SignatureMethod};

use crate::pki::Pair;
use crate::scratch::{Scratch, Server};
use crate::signer::{Client, Place, Running, Settings, connect, id};

const GUN: &str = "registry.test/app";
const TIMESTAMP: &[u8] = include_bytes!("../../testdata/timestamp.json");
const SNAPSHOT: &[u8] = include_bytes!("../../testdata/snapshot.json");

/// A key that the reference made and used, of each recording.
const OF_POSTGRES: &str = "d7e6c5cae1a3f099ad97bf270b14c646756059751e00ed77572f78dfa5c2417d";
const OF_MARIADB: &str = "2f24ff0df62deeb0ad23d2c787333aff47bd958ba011a85bb29abd0d35b7b28a";

#[tokio::test]
async fn on_postgres_the_reference_signs_with_our_keys_and_we_with_its() {
    let Some(scratch) = recorded(Server::Postgres, "notarysigner.postgres.sql").await else { return };
    let storage = format!(r#""backend": "postgres", "db_url": "{}""#, scratch.address());
    there_and_back(&storage, OF_POSTGRES).await;
}

#[tokio::test]
async fn on_mariadb_the_reference_signs_with_our_keys_and_we_with_its() {
    let Some(scratch) = recorded(Server::MySql, "notarysigner.mariadb.sql").await else { return };
    let storage = format!(r#""backend": "mysql", "db_url": "{}parseTime=True""#, scratch.address());
    there_and_back(&storage, OF_MARIADB).await;
}

/// The way back from a database that we made.
#[tokio::test]
async fn the_reference_goes_on_with_tables_that_we_made() {
    for (server, backend, parameter) in [(Server::Postgres, "postgres", ""), (Server::MySql, "mysql", "parseTime=True")]
    {
        let Some(scratch) = with_reference(server.scratch().await) else { continue };
        let storage = format!(r#""backend": "{backend}", "db_url": "{}{parameter}""#, scratch.address());
        let ours = Running::with(&settings(&storage)).await;
        let made = ours.client().await.create(GUN, "timestamp").await.unwrap();
        let place = ours.stop().await;
        let reference = Reference::start(&place, &storage);
        let client = reference.client(&place).await;
        assert_eq!(client.create(GUN, "timestamp").await.unwrap(), made, "unused, so handed out");
        signs(&client, &made, TIMESTAMP).await;
        let second = client.create_with("ed25519", GUN, "snapshot").await.unwrap();
        drop((client, reference));
        let ours = Running::in_place(place, &settings(&storage)).await;
        assert_eq!(ours.client().await.create_with("ed25519", GUN, "snapshot").await.unwrap(), second);
    }
}

async fn there_and_back(storage: &str, recorded: &str) {
    let ours = Running::with(&settings(storage)).await;
    let client = ours.client().await;
    let old = key_of(&client, recorded).await;
    signs(&client, &old, TIMESTAMP).await;
    let used = client.create(GUN, "timestamp").await.unwrap();
    signs(&client, &used, TIMESTAMP).await;
    let unused = client.create_with("ed25519", GUN, "snapshot").await.unwrap();
    drop(client);
    let place = ours.stop().await;

    let reference = Reference::start(&place, storage);
    let client = reference.client(&place).await;
    for (key, content) in [(&old, TIMESTAMP), (&used, TIMESTAMP)] {
        signs(&client, key, content).await;
    }
    assert_eq!(client.create_with("ed25519", GUN, "snapshot").await.unwrap(), unused);
    signs(&client, &unused, SNAPSHOT).await;
    let (theirs, their_unused) =
        (client.create(GUN, "timestamp").await.unwrap(), client.create(GUN, "snapshot").await.unwrap());
    assert_ne!(theirs, used, "it has signed");
    signs(&client, &theirs, TIMESTAMP).await;
    drop((client, reference));

    let ours = Running::in_place(place, &settings(storage)).await;
    let client = ours.client().await;
    for (key, content) in [(&old, TIMESTAMP), (&used, TIMESTAMP), (&unused, SNAPSHOT), (&theirs, TIMESTAMP)] {
        signs(&client, key, content).await;
    }
    assert_eq!(client.create(GUN, "snapshot").await.unwrap(), their_unused);
    assert_ne!(client.create(GUN, "timestamp").await.unwrap(), theirs);
}

/// A signature that the public half verifies.
pub(crate) async fn signs(client: &Client, key: &proto::PublicKey, content: &[u8]) {
    let signed = client.sign(Some(id(key)), content).await.unwrap();
    let algorithm = key.key_info.as_ref().unwrap().algorithm.as_ref().unwrap();
    let public = PublicKey::new(KeyType::parse(&algorithm.algorithm), key.public_key.clone());
    assert_eq!(public.id().as_str(), id(key));
    let method = SignatureMethod::parse(&signed.algorithm.unwrap().algorithm);
    let signature = Signature { key_id: public.id().clone(), method, bytes: signed.content };
    assert!(public.verifies(content, &signature), "{public:?}");
}

/// What a signer says of a key.
pub(crate) async fn key_of(client: &Client, id: &str) -> proto::PublicKey {
    let info = client.describe(id).await.unwrap();
    proto::PublicKey { key_info: info.key_info, public_key: info.public_key }
}

pub(crate) fn settings(storage: &str) -> Settings {
    Settings { storage: format!(r#"{storage}, "default_alias": "alias_one""#), ..Settings::default() }
}

async fn recorded(server: Server, dump: &str) -> Option<Scratch> {
    let scratch = with_reference(server.scratch().await)?;
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/db").join(dump);
    scratch.run(&std::fs::read_to_string(file).unwrap()).await;
    Some(scratch)
}

/// Nothing without the reference; on a continuous integration machine a failure.
fn with_reference(scratch: Option<Scratch>) -> Option<Scratch> {
    let is_there = Command::new("notary-signer").arg("-version").output().is_ok();
    if scratch.is_some() && !is_there {
        #[expect(clippy::disallowed_methods, reason = "what the tests run on is no configuration of the program")]
        let is_required = std::env::var("CI").is_ok_and(|value| value == "true");
        assert!(!is_required, "notary-signer is not installed");
        println!("left out: notary-signer is not installed");
    }
    scratch.filter(|_| is_there)
}

/// The reference's signer as a process, killed at the end.
struct Reference {
    child: Child,
    address: SocketAddr,
}

impl Reference {
    fn start(place: &Place, storage: &str) -> Self {
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let Pair { certificate, key } = &place.server;
        let ca = place.authority.file();
        let text = format!(
            r#"{{"server": {{"grpc_addr": "{address}", "tls_cert_file": {certificate:?}, "tls_key_file": {key:?},
                             "client_ca_file": {ca:?}}},
                "storage": {{{storage}, "default_alias": "alias_one"}}}}"#
        );
        let file = place.path().join("reference.json");
        std::fs::write(&file, text).unwrap();
        let mut command = Command::new("notary-signer");
        command.env("NOTARY_SIGNER_ALIAS_ONE", "fixture-alias-pass-1").arg("-config").arg(file);
        let log = File::create(place.path().join("reference.log")).unwrap();
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().unwrap();
        Self { child, address }
    }

    /// Connects as soon as the process listens.
    async fn client(&self, place: &Place) -> Client {
        let pair = place.authority.issue("server.test");
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            match connect(self.address, &place.authority.file(), Some(&pair)).await {
                Ok(channel) => return Client { channel },
                Err(refusal) => {
                    let log = std::fs::read_to_string(place.path().join("reference.log")).unwrap();
                    assert!(Instant::now() < deadline, "{refusal:?} {log}");
                }
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

impl Drop for Reference {
    fn drop(&mut self) {
        // an error means that it has ended
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
