//! The program itself: what it prints and how it ends.

use std::ffi::OsStr;
use std::fs::File;
use std::net::SocketAddr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use tuf_schema::Sha256;

use crate::clients::get;
use crate::signer::{Client, Place, Settings, connect, id};

pub(crate) const SNAPSHOT: &[u8] = include_bytes!("../../testdata/snapshot.json");
pub(crate) const TIMESTAMP: &[u8] = include_bytes!("../../testdata/timestamp.json");

pub(crate) fn program(place: &Place, settings: &Settings) -> Command {
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
fn a_passphrase_that_is_no_text_is_refused_by_the_name_of_its_variable() {
    let mut program = program(&Place::new(), &Settings::default());
    let Output { status, stderr, .. } =
        program.env("NOTARY_SIGNER_K2", OsStr::from_bytes(b"hush\xff")).output().unwrap();
    let text = String::from_utf8(stderr).unwrap();
    assert_eq!(status.code(), Some(1), "{text}");
    assert!(text.contains("NOTARY_SIGNER_K2") && !text.contains("hush"), "{text}");
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
        "key {} does not sign this: the content is a snapshot document, which this key does not sign",
        id(&key)
    );
    assert_eq!(field("outcome"), ["ok", "ok", refusal.as_str(), "ok"]);
}

#[tokio::test]
async fn a_refused_caller_leaves_a_line_too() {
    let place = Place::new();
    let mut started = Started::new(&place);
    drop(started.client(&place).await);
    let address = started.address().unwrap();
    let other = place.authority.issue("other.test");
    let channel = connect(address, &place.authority.file(), Some(&other)).await.unwrap();
    Client { channel }.delete("0000").await.unwrap_err();
    let log = started.terminate().await;
    let lines = log.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let lines: Vec<_> = lines.filter(|line| line["target"] == "audit").collect();
    assert_eq!(lines.len(), 1, "{log}");
    assert_eq!(lines[0]["caller"], "other.test, localhost, alt.other.test");
    assert!(lines[0]["outcome"].as_str().unwrap().contains("server.allowed_clients"), "{log}");
}

#[tokio::test]
async fn signals_raise_and_lower_the_log_level_and_end_nothing() {
    let place = Place::new();
    let mut started = Started::new(&place);
    let client = started.client(&place).await;
    client.create("a/b", "timestamp").await.unwrap();
    for (signal, level, call) in [("USR1", "debug", "snapshot"), ("USR2", "info", "timestamp"), ("USR2", "warn", "")] {
        let set = |log: &str| log.matches(&format!(r#""log_level":"{level}""#)).count() == 1;
        started.signal(signal);
        let deadline = Instant::now() + Duration::from_secs(20);
        while !set(&started.log()) {
            assert!(Instant::now() < deadline, "{level}: {}", started.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        client.create("a/b", call).await.unwrap();
    }
    let log = started.terminate().await;
    let told: Vec<_> = log.lines().filter(|line| line.contains("request answered")).collect();
    assert_eq!(told.len(), 1, "only while the level was debug: {log}");
    assert!(told[0].contains(r#""method":"CreateKey","code":"Ok","microseconds":"#), "{told:?}");
    assert!(
        log.contains(r#""operation":"create""#) && !log.contains("ending"),
        "audit lines are always written: {log}"
    );
}

#[tokio::test(flavor = "multi_thread")]
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
        let (acknowledge, mut acknowledgements) = tokio::sync::mpsc::unbounded_channel();
        let working = tokio::spawn(async move {
            for number in 0.. {
                let gun = format!("round{round}/{number}");
                let Ok(key) = client.create(&gun, "timestamp").await else { break };
                let signed = client.sign(Some(id(&key)), TIMESTAMP).await.is_ok();
                acknowledge.send((gun, id(&key).to_owned(), signed)).unwrap();
            }
        });
        acknowledged.clear();
        acknowledged.push(acknowledgements.recv().await.unwrap());
        // a different moment each round: while a key is made, stored, used, or its use is stored
        let moment = tokio::time::timeout(Duration::from_millis(7 * round), std::future::pending::<()>()).await;
        moment.unwrap_err();
        started.child.kill().unwrap();
        started.child.wait().unwrap();
        working.await.unwrap();
        while let Some(acknowledgement) = acknowledgements.recv().await {
            acknowledged.push(acknowledgement);
        }
    }
}

/// The program, serving, with its log in a file.
pub(crate) struct Started {
    child: Child,
    log: PathBuf,
}

impl Started {
    pub(crate) fn new(place: &Place) -> Self {
        Self::with(place, &Settings::default())
    }

    pub(crate) fn with(place: &Place, settings: &Settings) -> Self {
        Self::by(program(place, settings), place)
    }

    pub(crate) fn by(mut command: Command, place: &Place) -> Self {
        let log = place.path().join("signer.log");
        command.stderr(File::create(&log).unwrap());
        Self { child: command.spawn().unwrap(), log }
    }

    /// Connects as soon as the program says where it serves.
    pub(crate) async fn client(&mut self, place: &Place) -> Client {
        let pair = place.authority.issue("server.test");
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            if let Some(address) = self.address() {
                return Client { channel: connect(address, &place.authority.file(), Some(&pair)).await.unwrap() };
            }
            assert!(Instant::now() < deadline, "{:?} {}", self.child.try_wait(), self.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub(crate) fn address(&self) -> Option<SocketAddr> {
        self.serving("address")
    }

    /// A member of the line that says where it serves.
    fn serving(&self, name: &str) -> Option<SocketAddr> {
        let log = self.log();
        let line = log.split_inclusive('\n').find(|line| line.contains(r#""serving""#) && line.ends_with('\n'))?;
        serde_json::from_str::<serde_json::Value>(line).unwrap()[name].as_str()?.parse().ok()
    }

    pub(crate) fn process(&self) -> u32 {
        self.child.id()
    }

    /// What it tells Prometheus, once it serves.
    pub(crate) async fn metrics(&self) -> String {
        get(self.serving("http").unwrap(), "/metrics").await
    }

    /// What it tells of its readiness, once it serves.
    pub(crate) async fn readiness(&self) -> String {
        get(self.serving("http").unwrap(), "/ready").await
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status();
        assert!(sent.unwrap().success());
    }

    /// Ends the program and gives what it logged.
    pub(crate) async fn terminate(mut self) -> String {
        self.signal("TERM");
        let deadline = Instant::now() + Duration::from_secs(20);
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(Instant::now() < deadline, "it does not end: {}", self.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        assert!(status.success(), "{status} {}", self.log());
        self.log()
    }
}

/// A test that fails leaves nothing running.
impl Drop for Started {
    fn drop(&mut self) {
        // an error means that it has ended
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
