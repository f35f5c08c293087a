//! The program itself: what it prints and how it ends.

use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use tuf_schema::Sha256;

use crate::signer::{Client, Place, Settings, connect, id};

const SNAPSHOT: &[u8] = br#"{"_type":"Snapshot","version":1}"#;
const TIMESTAMP: &[u8] = br#"{"_type":"Timestamp","version":1}"#;

fn program(place: &Place, settings: &Settings) -> Command {
    let file = place.path().join("signer.json");
    std::fs::write(&file, place.config_text(settings)).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_bulla-signer"));
    command.env_clear().env("NOTARY_SIGNER_K1", settings.passphrase).arg("-config").arg(file).stdin(Stdio::null());
    command
}

/// What is printed by a signer that does not start.
fn refused(settings: &Settings) -> String {
    let Output { status, stderr, .. } = program(&Place::new(), settings).output().unwrap();
    assert_eq!(status.code(), Some(1));
    String::from_utf8(stderr).unwrap()
}

#[test]
fn without_an_authority_it_prints_the_lines_to_add_and_exits_1() {
    let text = refused(&Settings { server: String::new(), ..Settings::default() });
    for line in [
        r#"signer: "server": {"client_ca_file": "#,
        r#"server: "trust_service": {"tls_client_cert": "#,
        r#""tls_client_key": "#,
    ] {
        assert!(text.contains(line), "{text}");
    }
}

#[test]
fn an_empty_list_of_clients_exits_1() {
    let server = r#", "client_ca_file": "ca.crt", "allowed_clients": []"#.to_owned();
    let text = refused(&Settings { server, ..Settings::default() });
    assert!(text.contains("server.allowed_clients is empty"), "{text}");
}

#[test]
fn without_the_default_passphrase_it_names_the_variable_and_exits_1() {
    // an empty variable counts as none
    let text = refused(&Settings { passphrase: "", ..Settings::default() });
    assert!(text.contains("set NOTARY_SIGNER_K1,"), "{text}");
}

#[test]
fn a_named_file_that_cannot_be_read_exits_1() {
    let server = r#", "client_ca_file": "absent.crt""#.to_owned();
    let text = refused(&Settings { server, ..Settings::default() });
    assert!(text.contains("server.client_ca_file") && text.contains("absent.crt"), "{text}");
}

#[tokio::test]
async fn every_key_use_leaves_one_line_with_a_digest_and_nothing_secret() {
    let place = Place::new();
    let mut started = Started::new(&place);
    let client = started.client(&place).await;
    let key = client.create("registry.test/app", "timestamp").await.unwrap();
    client.sign(Some(id(&key)), TIMESTAMP).await.unwrap();
    client.sign(Some(id(&key)), SNAPSHOT).await.unwrap_err();
    client.describe(id(&key)).await.unwrap();
    client.delete(id(&key)).await.unwrap();
    let log = started.terminate().await;

    assert!(!log.contains("_type") && !log.contains("right"), "content or passphrase: {log}");
    let lines = log.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let lines: Vec<_> = lines.filter(|line| line["target"] == "audit").collect();
    let field = |name: &str| lines.iter().map(|line| line[name].as_str().unwrap().to_owned()).collect::<Vec<_>>();
    assert_eq!(field("operation"), ["create", "sign", "sign", "delete"]);
    assert_eq!(field("caller"), ["server.test"; 4]);
    assert_eq!(field("key_id"), [id(&key); 4]);
    assert_eq!(field("gun")[..3], ["registry.test/app"; 3]);
    assert_eq!(field("role")[..3], ["timestamp"; 3]);
    assert_eq!(field("sha256")[1..3], [Sha256::of(TIMESTAMP).to_hex(), Sha256::of(SNAPSHOT).to_hex()]);
    let refusal = format!(
        "key {} does not sign this: the content is of type \"Snapshot\", which this key does not sign",
        id(&key)
    );
    assert_eq!(field("outcome"), ["ok", "ok", refusal.as_str(), "ok"]);
}

#[tokio::test]
async fn sigterm_ends_it_well_although_a_client_is_connected() {
    let place = Place::new();
    let mut started = Started::new(&place);
    let client = started.client(&place).await;
    client.health("").await.unwrap();
    let log = started.terminate().await;
    assert!(log.contains("ending"), "{log}");
    drop(client);
}

/// Twelve rounds of one store; each ends in the midst of making and using keys.
#[tokio::test]
async fn a_key_that_was_handed_out_outlives_a_kill() {
    let place = Place::new();
    let mut acknowledged: Vec<(String, String, bool)> = Vec::new();
    for round in 0..12 {
        let mut started = Started::new(&place);
        let client = started.client(&place).await;
        for (gun, key, signed) in &acknowledged {
            if *signed {
                let next = client.create(gun, "timestamp").await.unwrap();
                assert_ne!(id(&next), key, "it has signed, and was handed out again");
            }
            client.sign(Some(key), TIMESTAMP).await.unwrap();
        }
        let mut working = tokio::spawn(async move {
            let mut done = Vec::new();
            for number in 0.. {
                let gun = format!("round{round}/{number}");
                let Ok(key) = client.create(&gun, "timestamp").await else { break };
                let signed = client.sign(Some(id(&key)), TIMESTAMP).await.is_ok();
                done.push((gun, id(&key).to_owned(), signed));
            }
            done
        });
        // a different moment each round
        let moment = tokio::time::timeout(Duration::from_millis(40 + 13 * round), &mut working).await;
        assert!(moment.is_err(), "the work ended by itself");
        started.child.kill().unwrap();
        started.child.wait().unwrap();
        acknowledged = working.await.unwrap();
        assert!(!acknowledged.is_empty());
    }
}

/// The program, serving.
struct Started {
    child: Child,
    address: SocketAddr,
}

impl Started {
    fn new(place: &Place) -> Self {
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let mut command = program(place, &Settings::default());
        command.env("NOTARY_SIGNER_SERVER_GRPC_ADDR", address.to_string());
        command.stderr(Stdio::piped());
        Self { child: command.spawn().unwrap(), address }
    }

    /// Connects as soon as the program listens.
    async fn client(&mut self, place: &Place) -> Client {
        let pair = place.authority.issue("server.test");
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            match connect(self.address, &place.authority.file(), Some(&pair)).await {
                Ok(channel) => return Client { channel },
                Err(error) => assert!(Instant::now() < deadline, "{error:?} {:?}", self.child.try_wait()),
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Ends the program and gives what it logged.
    async fn terminate(self) -> String {
        Command::new("kill").arg(self.child.id().to_string()).status().unwrap();
        let end = tokio::task::spawn_blocking(move || self.child.wait_with_output().unwrap());
        let Output { status, stderr, .. } = tokio::time::timeout(Duration::from_secs(20), end).await.unwrap().unwrap();
        let log = String::from_utf8(stderr).unwrap();
        assert!(status.success(), "{status} {log}");
        log
    }
}
