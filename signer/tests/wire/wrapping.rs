//! What wraps keys, with the program itself: passphrases of files and commands, and Vault, in whose place is a stand-in.

use std::time::{Duration, Instant};

use tonic::Code;

use crate::process::{Started, program};
use crate::signer::{Client, Place, Settings, id, refusal};
use crate::stand_in::{Mood, StandIn, TOKEN, secret_file};

const TIMESTAMP: &[u8] = include_bytes!("../../testdata/timestamp.json");

/// A signer whose alias `name` is wrapped as `members` say.
fn settings(name: &str, members: &str) -> Settings {
    Settings {
        passphrase: "",
        storage: format!(r#""backend": "sqlite", "db_url": "keys.db", "default_alias": "{name}""#),
        sections: format!(r#", "wrapping": [{{"alias": "{name}", {members}}}]"#),
        ..Settings::default()
    }
}

fn start(place: &Place, settings: &Settings, variables: &[(&str, &str)]) -> Started {
    let mut command = program(place, settings);
    command.envs(variables.iter().copied());
    Started::by(command, place)
}

/// Asks until the signer is ready, or no longer ready.
async fn wait_for_health(client: &Client, status: i32) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while client.health("").await.unwrap() != status {
        assert!(Instant::now() < deadline, "health does not become {status}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_passphrase_opens_the_same_keys_wherever_it_comes_from() {
    let place = Place::new();
    let mut started = Started::new(&place);
    let client = started.client(&place).await;
    let key = client.create("a/b", "timestamp").await.unwrap();
    drop(client);
    started.terminate().await;

    let file = secret_file(place.path().join("k1.pass"), "right\n");
    let by_file = format!(r#""provider": "passphrase", "file": {file:?}"#);
    let by_command = format!(r#""provider": "passphrase", "command": ["/bin/cat", {file:?}]"#);
    for (number, members) in [&by_file, &by_command].into_iter().enumerate() {
        let mut started = start(&place, &settings("k1", members), &[]);
        let client = started.client(&place).await;
        client.sign(Some(id(&key)), TIMESTAMP).await.unwrap();
        let made = client.create(&format!("made/{number}"), "timestamp").await.unwrap();
        client.sign(Some(id(&made)), TIMESTAMP).await.unwrap();
        assert_eq!(client.health("").await.unwrap(), 1);
        assert!(!started.terminate().await.contains("right"));
    }

    secret_file(file.clone(), "wrong\n");
    let mut started = start(&place, &settings("k1", &by_file), &[]);
    let client = started.client(&place).await;
    assert_eq!(client.health("").await.unwrap(), 2);
    let (code, text) = refusal(client.sign(Some(id(&key)), TIMESTAMP).await);
    let expected = format!("key {} is locked: the passphrase in file {} does not open it", id(&key), file.display());
    assert_eq!((code, text), (Code::FailedPrecondition, expected));
    assert_eq!(refusal(client.create("a/c", "timestamp").await).0, Code::FailedPrecondition);
    // put right while the signer runs
    secret_file(file, "right\n");
    client.sign(Some(id(&key)), TIMESTAMP).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_vault_wraps_sign_after_a_restart_and_while_it_is_away_once_they_are_open() {
    let (place, vault) = (Place::new(), StandIn::start().await);
    let token = secret_file(place.path().join("token"), TOKEN);
    let members = format!(
        r#""provider": "vault", "address": "http://{}", "mount": "team/transit", "key": "bulla", "namespace": "tenant",
           "token_file": {token:?}"#,
        vault.address
    );
    let settings = settings("v1", &members);
    // nobody listens there
    let proxies = ["http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"];
    let variables = proxies.map(|name| (name, "http://127.0.0.1:1"));

    let mut started = start(&place, &settings, &variables);
    let client = started.client(&place).await;
    let key = client.create("a/b", "timestamp").await.unwrap();
    client.sign(Some(id(&key)), TIMESTAMP).await.unwrap();
    assert_eq!(client.health("").await.unwrap(), 1);
    vault.set(Mood::Refuses(503, "Vault is sealed"));
    client.sign(Some(id(&key)), TIMESTAMP).await.unwrap();
    let (code, text) = refusal(client.create("a/c", "timestamp").await);
    assert_eq!(code, Code::Unavailable);
    assert!(
        text.contains("the provider of alias v1 does not answer: Vault answers 503")
            && text.contains("Vault is sealed"),
        "{text}"
    );
    drop(client);
    let log = started.terminate().await;
    assert!(!log.contains(TOKEN), "{log}");

    let mut started = start(&place, &settings, &variables);
    let client = started.client(&place).await;
    assert_eq!(client.health("").await.unwrap(), 2);
    let (code, text) = refusal(client.sign(Some(id(&key)), TIMESTAMP).await);
    assert!(code == Code::Unavailable && text.contains("Vault is sealed"), "{code:?} {text}");
    assert_eq!(refusal(client.create("a/b", "snapshot").await).0, Code::Unavailable);
    vault.set(Mood::Well);
    client.sign(Some(id(&key)), TIMESTAMP).await.unwrap();
    wait_for_health(&client, 1).await;
    client.create("a/b", "snapshot").await.unwrap();
    let [encrypted, decrypted, logins, elsewhere] = vault.counts();
    assert!(encrypted > 2 && decrypted > 2 && (logins, elsewhere) == (0, 0), "{:?}", vault.counts());
    assert_eq!(vault.faults(), [""; 0]);
    drop(client);
    started.terminate().await;

    // the columns say what wrapped it
    let stored =
        ["keys.db", "keys.db-wal"].map(|name| std::fs::read(place.path().join(name)).unwrap_or_default()).concat();
    let has = |text: &str| stored.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(has("bulla-vault-transit") && !has("PBES2-HS256+A128KW"));
}
