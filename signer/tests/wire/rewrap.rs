//! A passphrase is given up: every key is sealed under another one while the signer signs, by a program that is killed
//! half-way and run again.
//!
//! From the environment: `REWRAP_KEYS`, how many keys there are (100); `REWRAP_SIGNING`, how many of them sign (20);
//! `REWRAP_RATE`, how many signatures they make in a second (20). A key is held open for 10 seconds, so that each is opened
//! over and over, under whichever alias it is by then. `make test-full` has 10,000, 100 and 100, of a release build: what
//! derives keys is ten times as slow without.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bulla_signer::grpc::proto;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;
use tonic::Code;
use tuf_schema::key::{KeyType, PublicKey};
use tuf_schema::signature::{Signature, SignatureMethod};

use crate::process::{Started, program};
use crate::scratch::Server;
use crate::signer::{Client, Place, Settings, id};

const TIMESTAMP: &[u8] = include_bytes!("../../testdata/timestamp.json");
/// How many questions are open at once where the number does not matter.
const AT_ONCE: usize = 8;

const OLD: (&str, &str) = ("NOTARY_SIGNER_OLD", "the passphrase that is given up");
const NEW: (&str, &str) = ("NOTARY_SIGNER_NEW", "the passphrase that takes its place");

/// The program on one database, with the passphrases that it has.
fn signer(place: &Place, storage: &str, default_alias: &str, passphrases: &[(&str, &str)]) -> Command {
    let storage = format!(r#"{storage}, "default_alias": "{default_alias}"}}, "cache": {{"seconds": 10"#);
    let mut command = program(place, &Settings { storage, ..Settings::default() });
    command.env_remove("NOTARY_SIGNER_K1").envs(passphrases.iter().copied());
    command
}

#[expect(clippy::disallowed_methods, reason = "how much is done is no configuration of the program")]
fn number(variable: &str, usual: usize) -> usize {
    std::env::var(variable).ok().map_or(usual, |number| number.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_passphrase_is_given_up_without_a_failed_signature() {
    let Some(scratch) = Server::Postgres.scratch().await else { return };
    let storage = format!(r#""backend": "postgres", "db_url": "{}""#, scratch.address());
    let (place, wanted) = (Place::new(), number("REWRAP_KEYS", 100));

    let mut started = Started::by(signer(&place, &storage, "old", &[OLD, NEW]), &place);
    let made = Instant::now();
    let keys = Arc::new(make_keys(&started.client(&place).await, wanted).await);
    println!("{wanted} keys made in {:.1} s", made.elapsed().as_secs_f64());
    started.terminate().await;

    // new keys go under the new alias from here on, so that none is left behind
    let mut started = Started::by(signer(&place, &storage, "new", &[OLD, NEW]), &place);
    let client = started.client(&place).await;
    let some = keys.iter().step_by(wanted.div_ceil(number("REWRAP_SIGNING", 20))).cloned().collect();
    let (stop, rate) = (Arc::new(AtomicBool::new(false)), u32::try_from(number("REWRAP_RATE", 20)).unwrap());
    let load = tokio::spawn(sign_steadily(client, some, Arc::clone(&stop), rate));

    let rewrap = || {
        let mut command = signer(&place, &storage, "new", &[OLD, NEW]);
        command.args(["rewrap", "--from", "old", "--to", "new"]).stdout(Stdio::piped()).stderr(Stdio::null());
        command
    };
    let begun = Instant::now();
    let done = run_until(rewrap(), u64::try_from(wanted / 2).unwrap());
    println!("killed after {done} keys and {:.1} s", begun.elapsed().as_secs_f64());
    let last = run(rewrap());
    println!("resumed: {last}; {:.1} s in all", begun.elapsed().as_secs_f64());
    assert!(last.ends_with("left 0, skipped 0"), "{last}");
    assert!(!last.starts_with(&format!("done {wanted},")), "nothing was left to resume: {last}");
    assert_eq!(run(rewrap()), "done 0, left 0, skipped 0");

    stop.store(true, Ordering::SeqCst);
    let load = load.await.unwrap();
    println!("{load}");
    assert!(load.failed.is_empty(), "{:?}", load.failed.first());
    assert!(load.millis.len() > 10, "there was hardly any load: {load}");
    started.terminate().await;

    let mut started = Started::by(signer(&place, &storage, "new", &[NEW]), &place);
    let client = started.client(&place).await;
    assert_eq!(client.health("").await.unwrap(), 1);
    let opened = Instant::now();
    sign_with_each(&client, &keys).await;
    println!("without the old passphrase {wanted} keys signed in {:.1} s", opened.elapsed().as_secs_f64());
    started.terminate().await;
}

/// What the order of the steps is for.
#[tokio::test(flavor = "multi_thread")]
async fn a_signer_that_lacks_the_new_passphrase_tells_it_after_the_first_key() {
    let place = Place::new();
    let storage = r#""backend": "sqlite", "db_url": "keys.db""#;
    let mut started = Started::by(signer(&place, storage, "old", &[OLD]), &place);
    let keys = make_keys(&started.client(&place).await, 3).await;
    let mut command = signer(&place, storage, "old", &[OLD, NEW]);
    command.args(["rewrap", "--to", "new", "--limit", "1"]);
    let ended = command.output().unwrap();
    let text = String::from_utf8(ended.stdout).unwrap();
    assert_eq!(ended.status.code(), Some(2), "{text}");
    assert!(text.contains("done 1, left 2, skipped 0"), "{text}");
    assert!(text.contains("new keys are still sealed under old: set storage.default_alias to new"), "{text}");
    started.terminate().await;

    let mut started = Started::by(signer(&place, storage, "old", &[OLD]), &place);
    let client = started.client(&place).await;
    assert_eq!(client.health("grpc.health.v1.Health.Signer").await.unwrap(), 2);
    assert_eq!(client.health("grpc.health.v1.Health.KeyManagement").await.unwrap(), 1);
    let mut locked = 0;
    for key in &keys {
        match client.sign(Some(id(key)), TIMESTAMP).await {
            Ok(_) => {}
            Err(status) => {
                assert_eq!(status.code(), Code::FailedPrecondition);
                assert!(status.message().contains("NOTARY_SIGNER_NEW"), "{}", status.message());
                locked += 1;
            }
        }
    }
    assert_eq!(locked, 1, "keys of the other alias sign");
    let log = started.terminate().await;
    assert!(log.contains("alias new (to sign): nothing that is sealed under alias new opens"), "{log}");
}

#[test]
fn what_cannot_be_done_is_refused_with_status_1_and_changes_nothing() {
    let place = Place::new();
    let storage = r#""backend": "sqlite", "db_url": "keys.db""#;
    for (arguments, passphrases, named) in [
        (&["--to", "new"][..], &[OLD][..], "NOTARY_SIGNER_NEW"),
        (&["--to", "old", "--from", "old"], &[OLD], "under another one"),
        (&["--to", ""], &[OLD], "1 to 50 characters"),
        (&[], &[OLD], "--to"),
    ] {
        let mut command = signer(&place, storage, "old", passphrases);
        let ended = command.arg("rewrap").args(arguments).output().unwrap();
        let text = String::from_utf8(ended.stderr).unwrap();
        assert_eq!(ended.status.code(), Some(1), "{text}");
        assert!(text.contains(named), "{text}");
    }
}

async fn make_keys(client: &Client, wanted: usize) -> Vec<proto::PublicKey> {
    let mut tasks = JoinSet::new();
    for first in 0..AT_ONCE {
        let client = Client { channel: client.channel.clone() };
        tasks.spawn(async move {
            let mut keys = Vec::new();
            for number in (first..wanted).step_by(AT_ONCE) {
                keys.push(client.create(&format!("registry.test/app-{number}"), "timestamp").await.unwrap());
            }
            keys
        });
    }
    tasks.join_all().await.into_iter().flatten().collect()
}

/// What became of the signatures that were asked for.
struct Load {
    /// How long each took, in milliseconds, in order.
    millis: Vec<u128>,
    /// What was said where none was given.
    failed: Vec<String>,
}

impl std::fmt::Display for Load {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let at = |percent| self.millis.get(self.millis.len() * percent / 100).copied().unwrap_or_default();
        let (given, failed) = (self.millis.len(), self.failed.len());
        let longest = self.millis.last().copied().unwrap_or_default();
        write!(f, "{given} signatures, {failed} failed; ms: half in {}, 99% in {}, longest {longest}", at(50), at(99))
    }
}

/// Asks for signatures at a steady rate, whether or not the last ones have come, with one key after the other.
async fn sign_steadily(client: Client, keys: Vec<proto::PublicKey>, stop: Arc<AtomicBool>, rate: u32) -> Load {
    let mut ticks = tokio::time::interval(Duration::from_secs(1) / rate);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut tasks = JoinSet::new();
    let mut order = keys.iter().cycle();
    while !stop.load(Ordering::SeqCst) {
        ticks.tick().await;
        let (client, key) = (Client { channel: client.channel.clone() }, order.next().unwrap().clone());
        tasks.spawn(async move {
            let asked = Instant::now();
            sign(&client, &key).await.map(|()| asked.elapsed().as_millis())
        });
    }
    let mut load = Load { millis: Vec::new(), failed: Vec::new() };
    for ended in tasks.join_all().await {
        match ended {
            Ok(millis) => load.millis.push(millis),
            Err(text) => load.failed.push(text),
        }
    }
    load.millis.sort_unstable();
    load
}

/// A signature that the public half verifies.
async fn sign(client: &Client, key: &proto::PublicKey) -> Result<(), String> {
    let signed = client.sign(Some(id(key)), TIMESTAMP).await.map_err(|status| status.to_string())?;
    let public = PublicKey::new(KeyType::Ecdsa, key.public_key.clone());
    let method = SignatureMethod::parse(&signed.algorithm.unwrap().algorithm);
    let signature = Signature { key_id: public.id().clone(), method, bytes: signed.content };
    if public.verifies(TIMESTAMP, &signature) { Ok(()) } else { Err("the signature does not verify".to_owned()) }
}

async fn sign_with_each(client: &Client, keys: &Arc<Vec<proto::PublicKey>>) {
    let mut tasks = JoinSet::new();
    for first in 0..AT_ONCE {
        let (client, keys) = (Client { channel: client.channel.clone() }, Arc::clone(keys));
        tasks.spawn(async move {
            for key in keys.iter().skip(first).step_by(AT_ONCE) {
                sign(&client, key).await.unwrap();
            }
        });
    }
    tasks.join_all().await;
}

/// Runs the program until it says that so many keys are done, and kills it. Says how many there were.
fn run_until(mut command: Command, enough: u64) -> u64 {
    let mut child = command.spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let done = lines.map_while(Result::ok).filter_map(|line| {
        line.strip_prefix("done ").and_then(|rest| rest.split_once(',')).map(|(done, _)| done.parse::<u64>().unwrap())
    });
    let reached = done.into_iter().find(|done| *done >= enough);
    // it may have ended
    let _ = child.kill();
    child.wait().unwrap();
    reached.unwrap_or_else(|| panic!("it ended before {enough} keys were done"))
}

/// Runs the program to its end, which must be a good one. The last line it prints.
fn run(mut command: Command) -> String {
    let ended = command.output().unwrap();
    let text = String::from_utf8(ended.stdout).unwrap();
    assert!(ended.status.success(), "{} {text}", ended.status);
    text.lines().last().unwrap().to_owned()
}
