//! `bulla-signer keys` beside a signer that is running.

use std::process::Output;

use serde_json::Value;

use crate::process::{Started, program};
use crate::signer::{Client, Place, Running, Settings, id, refusal};

const TIMESTAMP: &[u8] = include_bytes!("../../testdata/timestamp.json");

/// What a verb printed; no passphrase is there.
fn keys(place: &Place, words: &[&str]) -> Result<String, String> {
    let mut command = program(place, &Settings { passphrase: "", ..Settings::default() });
    let Output { status, stdout, stderr } = command.arg("keys").args(words).output().unwrap();
    let (stdout, stderr) = (String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap());
    if status.success() { Ok(stdout) } else { Err(stderr) }
}

fn list(place: &Place, words: &[&str]) -> Vec<(String, String)> {
    let printed = keys(place, &[&["list", "--output", "json"], words].concat()).unwrap();
    let lines = printed.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let text = |line: &Value, name: &str| line[name].as_str().unwrap().to_owned();
    lines.map(|line| (text(&line, "id"), text(&line, "state"))).collect()
}

/// Waits until the signer has noticed what was changed beside it.
async fn sign_until(client: &Client, key: &str, is_there: impl Fn(&Result<(), String>) -> bool) {
    let mut tries = 0;
    loop {
        let signed = client.sign(Some(key), TIMESTAMP).await;
        let signed = signed.map(|_| ()).map_err(|status| format!("{:?} {}", status.code(), status.message()));
        if is_there(&signed) {
            return;
        }
        tries += 1;
        assert!(tries < 100, "{signed:?}");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_retired_and_taken_back_while_signers_run() {
    let place = Place::new();
    let mut started = Started::new(&place);
    let client = started.client(&place).await;
    let (used, pending) =
        (client.create("a/used", "timestamp").await.unwrap(), client.create("a/new", "timestamp").await.unwrap());
    client.sign(Some(id(&used)), TIMESTAMP).await.unwrap();
    let entry = |key, state: &str| (id(key).to_owned(), state.to_owned());
    assert_eq!(list(&place, &[]), [entry(&used, "active"), entry(&pending, "pending")]);
    assert_eq!(list(&place, &["--state", "pending"]), [entry(&pending, "pending")]);
    assert_eq!(list(&place, &["--gun", "a/used", "--alias", "k1"]), [entry(&used, "active")]);
    assert_eq!(list(&place, &["--role", "snapshot"]), []);

    let told = keys(&place, &["retire", id(&used)]).unwrap();
    assert!(told.contains("is retired"), "{told}");
    let retired = |signed: &Result<(), String>| matches!(signed, Err(told) if told.contains("was retired at"));
    sign_until(&client, id(&used), retired).await;
    let (code, _) = refusal(client.sign(Some(id(&used)), TIMESTAMP).await);
    assert_eq!(code, tonic::Code::FailedPrecondition);
    assert!(keys(&place, &["retire", id(&used)]).unwrap_err().contains("is retired, and only one that may sign"));
    client.describe(id(&used)).await.unwrap();

    keys(&place, &["retire", "--undo", id(&used)]).unwrap();
    sign_until(&client, id(&used), Result::is_ok).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_key_is_brought_back_and_nothing_young_is_purged() {
    let place = Place::new();
    let mut started = Started::new(&place);
    let client = started.client(&place).await;
    let key = client.create("a/b", "timestamp").await.unwrap();
    client.sign(Some(id(&key)), TIMESTAMP).await.unwrap();
    client.delete(id(&key)).await.unwrap();
    let shown = keys(&place, &["show", id(&key)]).unwrap();
    assert!(shown.contains(" deleted ") && shown.contains(" last_used="), "{shown}");
    assert_eq!(keys(&place, &["purge", "--deleted-for", "1", "--pending-for", "180", "--apply"]).unwrap(), "");
    let refused = keys(&place, &["purge", "--pending-for", "179"]).unwrap_err();
    assert!(refused.contains("kept for 180 days, as a published root may name them; 179 is too few"), "{refused}");

    keys(&place, &["undelete", id(&key)]).unwrap();
    sign_until(&client, id(&key), Result::is_ok).await;
    let refused = keys(&place, &["undelete", id(&key)]).unwrap_err();
    assert!(refused.contains("is active, and not deleted"), "{refused}");
}

#[test]
fn keys_are_named_by_their_whole_ids() {
    let place = Place::new();
    let refused = keys(&place, &["list"]).unwrap_err();
    assert!(refused.contains("there is no key store"), "a look makes none: {refused}");
    std::fs::write(place.path().join("keys.db"), "").unwrap();
    for verb in ["show", "retire", "undelete"] {
        assert!(keys(&place, &[verb, "%"]).unwrap_err().contains("there is no key %"));
        assert!(keys(&place, &[verb, ""]).unwrap_err().contains("must be the whole id"));
    }
}

/// Makes a place with an audit chain, and a key in it.
async fn audited() -> (Place, Settings, String) {
    let storage = r#""backend": "sqlite", "db_url": "keys.db", "default_alias": "k1"},
        "audit": {"directory": "audit", "signer": "s1""#;
    let settings = || Settings { storage: storage.to_owned(), ..Settings::default() };
    let signer = Running::with(&settings()).await;
    let key = signer.client().await.create("a/b", "timestamp").await.unwrap();
    (signer.stop().await, settings(), id(&key).to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_is_in_a_chain_of_its_own_before_it_is_done() {
    let (place, settings, key) = audited().await;
    let retire = |passphrase, words: &[&str]| {
        let settings = Settings { passphrase, storage: settings.storage.clone(), ..Settings::default() };
        program(&place, &settings).arg("keys").args(words).output().unwrap()
    };
    let refused = retire("", &["retire", &key]);
    let told = String::from_utf8(refused.stderr).unwrap();
    assert!(!refused.status.success() && told.contains("as it could not be recorded"), "{told}");
    let listed = String::from_utf8(retire("", &["list"]).stdout).unwrap();
    assert!(listed.contains(" pending "), "not done, and looked at without the passphrase: {listed}");

    assert!(retire("right", &["retire", &key]).status.success());
    let chains = std::fs::read_dir(place.path().join("audit")).unwrap();
    let of_keys = chains.map(|entry| entry.unwrap().path()).find(|path| path.to_str().unwrap().ends_with("s1.keys"));
    let files = std::fs::read_dir(of_keys.unwrap()).unwrap();
    let text: String = files.map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap_or_default()).collect();
    let lines: Vec<_> = text.lines().filter(|line| line.contains(&key)).collect();
    assert_eq!(lines.len(), 2, "asked for, and done: {text}");
    assert!(lines.iter().all(|line| line.contains("retire") && line.contains("operator uid ")), "{lines:?}");
}
