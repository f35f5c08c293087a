//! What a caller may do that the list `callers` names.

use tonic::Code;

use crate::signer::{Client, Running, Settings, id, refusal};

const SNAPSHOT: &[u8] = include_bytes!("../../testdata/snapshot.json");
const TIMESTAMP: &[u8] = include_bytes!("../../testdata/timestamp.json");

/// Two servers with repositories of their own, one that renews timestamps, and a rate for each key.
const SECTIONS: &str = r#""backend": "sqlite", "db_url": "keys.db", "default_alias": "k1"},
    "callers": [
        {"name": "server.test"},
        {"name": "a.test", "gun_prefixes": ["registry.test/a/"]},
        {"name": "alt.b.test", "gun_prefixes": ["registry.test/b/", "registry.test/tools"], "algorithms": ["ecdsa"]},
        {"name": "renewer.test", "roles": ["timestamp"]}
    ],
    "limits": {"key_signatures": 5"#;

async fn start() -> Running {
    let settings = Settings {
        server: r#", "client_ca_file": "ca.crt""#.to_owned(),
        storage: SECTIONS.to_owned(),
        ..Settings::default()
    };
    Running::with(&settings).await
}

async fn client(signer: &Running, name: &str) -> Client {
    Client::connect(signer, Some(&signer.place.authority.issue(name))).await.unwrap()
}

#[tokio::test]
async fn two_servers_of_one_signer_have_keys_of_their_own_repositories_only() {
    let signer = start().await;
    let (a, b) = (client(&signer, "a.test").await, client(&signer, "b.test").await);
    let of_a = a.create("registry.test/a/app", "timestamp").await.unwrap();
    let of_b = b.create("registry.test/b/app", "timestamp").await.unwrap();
    b.create("registry.test/tools", "snapshot").await.unwrap();
    let denied = (Code::PermissionDenied, "this caller makes no such keys: its entry in callers says which".to_owned());
    for gun in ["registry.test/b/app", "registry.test/a", "registry.test/ab/app", "registry.test/tools", ""] {
        assert_eq!(refusal(a.create(gun, "timestamp").await), denied, "{gun}");
    }
    assert_eq!(refusal(b.create_with("ed25519", "registry.test/b/app", "timestamp").await), denied);

    let not_yours = |key: &str| (Code::PermissionDenied, format!("key {key} is not this caller's to use"));
    for (stranger, key) in [(&a, id(&of_b)), (&b, id(&of_a))] {
        assert_eq!(refusal(stranger.describe(key).await), not_yours(key));
        assert_eq!(refusal(stranger.sign(Some(key), TIMESTAMP).await), not_yours(key));
        assert_eq!(refusal(stranger.sign_for(b"registry.test/a/app", key, TIMESTAMP).await), not_yours(key));
        assert_eq!(refusal(stranger.delete(key).await), not_yours(key));
    }
    a.sign(Some(id(&of_a)), TIMESTAMP).await.unwrap();
    b.sign_for(b"registry.test/b/app", id(&of_b), TIMESTAMP).await.unwrap();
    a.delete(id(&of_a)).await.unwrap();
}

#[tokio::test]
async fn a_renewer_has_timestamps_signed_and_no_snapshots() {
    let signer = start().await;
    let (server, renewer) = (client(&signer, "server.test").await, client(&signer, "renewer.test").await);
    let timestamp = server.create("registry.test/app", "timestamp").await.unwrap();
    let snapshot = server.create("registry.test/app", "snapshot").await.unwrap();
    renewer.sign(Some(id(&timestamp)), TIMESTAMP).await.unwrap();
    assert_eq!(refusal(renewer.sign(Some(id(&snapshot)), SNAPSHOT).await).0, Code::PermissionDenied);
    assert_eq!(refusal(renewer.create("registry.test/app", "snapshot").await).0, Code::PermissionDenied);
    server.sign(Some(id(&snapshot)), SNAPSHOT).await.unwrap();
}

#[tokio::test]
async fn who_is_not_among_the_callers_may_do_nothing() {
    let signer = start().await;
    let stranger = client(&signer, "b.test.evil").await;
    let (code, text) = refusal(stranger.health("").await);
    assert_eq!(code, Code::PermissionDenied);
    assert!(text.contains("b.test.evil") && text.contains("callers"), "{text}");
}

#[tokio::test]
async fn a_key_that_signs_too_often_waits_and_the_others_go_on() {
    let signer = start().await;
    let server = client(&signer, "server.test").await;
    let key = server.create("registry.test/app", "timestamp").await.unwrap();
    let other = server.create("registry.test/other", "timestamp").await.unwrap();
    for _ in 0..5 {
        server.sign(Some(id(&key)), TIMESTAMP).await.unwrap();
    }
    let (code, text) = refusal(server.sign(Some(id(&key)), TIMESTAMP).await);
    assert_eq!(code, Code::ResourceExhausted);
    assert!(text.starts_with("more than 5 signatures of one key a minute; try again in "), "{text}");
    assert!(text.ends_with("seconds, or raise limits.key_signatures"), "{text}");
    server.sign(Some(id(&other)), TIMESTAMP).await.unwrap();
}
