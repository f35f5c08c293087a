//! Making, using and deleting keys.

use bulla_signer::grpc::INSECURE_SERVICE;
use tonic::Code;
use tuf_schema::key::{KeyType, PublicKey};
use tuf_schema::signature::{Signature, SignatureMethod};

use crate::signer::{Running, Settings, id, refusal};

const GUN: &str = "registry.test/app";
const SNAPSHOT: &[u8] = include_bytes!("../../testdata/snapshot.json");
const TIMESTAMP: &[u8] = include_bytes!("../../testdata/timestamp.json");
const UNKNOWN: &str = "0000000000000000000000000000000000000000000000000000000000000000";

#[tokio::test]
async fn a_made_key_signs_what_its_public_half_verifies() {
    let signer = Running::start().await;
    let client = signer.client().await;
    for (algorithm, method) in [("ecdsa", "ecdsa"), ("ed25519", "eddsa")] {
        let made = client.create_with(algorithm, GUN, "timestamp").await.unwrap();
        let key = PublicKey::new(KeyType::parse(algorithm), made.public_key.clone());
        assert_eq!(key.id().as_str(), id(&made));

        let signed = client.sign(Some(id(&made)), TIMESTAMP).await.unwrap();
        assert_eq!(signed.key_info, made.key_info);
        let method_name = signed.algorithm.unwrap().algorithm;
        assert_eq!(method_name, method);
        let signature =
            Signature { key_id: key.id().clone(), method: SignatureMethod::parse(&method_name), bytes: signed.content };
        assert!(key.verifies(TIMESTAMP, &signature));
    }
}

#[tokio::test]
async fn key_info_is_the_key_and_its_role() {
    let signer = Running::start().await;
    let client = signer.client().await;
    let made = client.create(GUN, "snapshot").await.unwrap();
    let info = client.describe(id(&made)).await.unwrap();
    assert_eq!((info.key_info, info.public_key, info.role.as_str()), (made.key_info, made.public_key, "snapshot"));
}

#[tokio::test]
async fn a_key_signs_for_no_other_repository_than_its_own() {
    let signer = Running::start().await;
    let client = signer.client().await;
    let made = client.create(GUN, "timestamp").await.unwrap();
    let other = client.sign_for(b"registry.test/other", id(&made), TIMESTAMP).await;
    let words = format!("key {} does not sign this: the key is of repository {GUN}", id(&made));
    assert_eq!(refusal(other), (Code::PermissionDenied, words));
    assert_eq!(refusal(client.sign_for(b"a/../b", id(&made), TIMESTAMP).await).0, Code::InvalidArgument);
    assert_eq!(refusal(client.sign_for(b"\xff", id(&made), TIMESTAMP).await).0, Code::InvalidArgument);
    client.sign_for(GUN.as_bytes(), id(&made), TIMESTAMP).await.unwrap();
    client.sign(Some(id(&made)), TIMESTAMP).await.unwrap();
}

#[tokio::test]
async fn nothing_is_done_without_a_key_id() {
    let signer = Running::start().await;
    let client = signer.client().await;
    let made = client.create(GUN, "timestamp").await.unwrap();
    let expected = (Code::InvalidArgument, "the request names no key".to_owned());
    assert_eq!(refusal(client.sign(None, TIMESTAMP).await), expected);
    assert_eq!(refusal(client.sign(Some(""), TIMESTAMP).await), expected);
    assert_eq!(refusal(client.describe("").await), expected);
    assert_eq!(refusal(client.delete("").await), expected);
    client.sign(Some(id(&made)), TIMESTAMP).await.unwrap();
}

#[tokio::test]
async fn a_deleted_key_is_gone_and_no_other() {
    let signer = Running::start().await;
    let client = signer.client().await;
    let (one, two) = (client.create(GUN, "timestamp").await.unwrap(), client.create(GUN, "snapshot").await.unwrap());
    client.delete(id(&one)).await.unwrap();
    client.delete(UNKNOWN).await.unwrap();
    let text = format!("signing key not found: {}", id(&one));
    assert_eq!(refusal(client.sign(Some(id(&one)), TIMESTAMP).await), (Code::NotFound, text));
    let text = format!("key {} not found", id(&one));
    assert_eq!(refusal(client.describe(id(&one)).await), (Code::NotFound, text));
    client.sign(Some(id(&two)), SNAPSHOT).await.unwrap();
}

#[tokio::test]
async fn a_key_signs_for_its_own_role_only() {
    let signer = Running::start().await;
    let client = signer.client().await;
    let made = client.create(GUN, "snapshot").await.unwrap();
    for content in [TIMESTAMP, br#"{"_type":"Root"}"#, b"fixture message", b""] {
        assert_eq!(refusal(client.sign(Some(id(&made)), content).await).0, Code::PermissionDenied);
    }
}

#[tokio::test]
async fn keys_of_root_targets_and_unknown_roles_are_not_made() {
    let signer = Running::start().await;
    let client = signer.client().await;
    for role in ["root", "targets", "targets/releases", "no such role"] {
        assert_eq!(refusal(client.create(GUN, role).await).0, Code::InvalidArgument, "{role}");
    }
    assert_eq!(refusal(client.create("a/../b", "snapshot").await).0, Code::InvalidArgument);
}

#[tokio::test]
async fn an_unknown_algorithm_or_role_is_repeated_in_part_and_without_control_characters() {
    let signer = Running::start().await;
    let client = signer.client().await;
    let name = format!("\n{}", "x".repeat(1000));
    let (code, text) = refusal(client.create_with(&name, GUN, "snapshot").await);
    let expected = format!(r"algorithm \n{}... not supported for create key", "x".repeat(31));
    assert_eq!((code, text), (Code::Unknown, expected));
    let (code, text) = refusal(client.create(GUN, &name).await);
    let expected = format!(r#""\n{}..." is not the name of a role"#, "x".repeat(31));
    assert_eq!((code, text), (Code::InvalidArgument, expected));
}

#[tokio::test]
async fn keys_and_what_was_used_outlive_a_restart() {
    let signer = Running::start().await;
    let client = signer.client().await;
    let used = client.create(GUN, "timestamp").await.unwrap();
    client.sign(Some(id(&used)), TIMESTAMP).await.unwrap();
    let pending = client.create(GUN, "timestamp").await.unwrap();
    drop(client);

    let signer = Running::in_place(signer.stop().await, &Settings::default()).await;
    let client = signer.client().await;
    client.sign(Some(id(&used)), TIMESTAMP).await.unwrap();
    assert_eq!(client.create(GUN, "timestamp").await.unwrap(), pending);
}

#[tokio::test]
async fn a_wrong_passphrase_locks_keys_and_makes_none() {
    let signer = Running::start().await;
    let client = signer.client().await;
    let key = client.create(GUN, "timestamp").await.unwrap();
    client.sign(Some(id(&key)), TIMESTAMP).await.unwrap();
    drop(client);

    let wrong = Settings { passphrase: "wrong", ..Settings::default() };
    let signer = Running::in_place(signer.stop().await, &wrong).await;
    let client = signer.client().await;
    for answer in
        [client.sign(Some(id(&key)), TIMESTAMP).await.map(|_| ()), client.create(GUN, "timestamp").await.map(|_| ())]
    {
        let (code, text) = refusal(answer);
        assert_eq!(code, Code::FailedPrecondition, "{text}");
        assert!(text.contains("NOTARY_SIGNER_K1"), "{text}");
    }
    assert_eq!(client.describe(id(&key)).await.unwrap().public_key, key.public_key);
    for service in ["", "grpc.health.v1.Health.KeyManagement", "grpc.health.v1.Health.Signer"] {
        assert_eq!(client.health(service).await.unwrap(), 2, "{service}");
    }
}

#[tokio::test]
async fn health_is_serving_by_the_reference_s_names_and_no_other() {
    let signer = Running::start().await;
    let client = signer.client().await;
    for service in ["", "grpc.health.v1.Health.KeyManagement", "grpc.health.v1.Health.Signer", INSECURE_SERVICE] {
        assert_eq!(client.health(service).await.unwrap(), 1, "{service}");
    }
    let expected = (Code::NotFound, "unknown service".to_owned());
    assert_eq!(refusal(client.health("grpc.health.v1.Health.Overall").await), expected);
}

#[tokio::test]
async fn keys_in_memory_sign_too() {
    let signer = Running::with(&Settings { storage: r#""backend": "memory""#.to_owned(), ..Settings::default() }).await;
    let client = signer.client().await;
    let key = client.create(GUN, "timestamp").await.unwrap();
    client.sign(Some(id(&key)), TIMESTAMP).await.unwrap();
    assert!(!signer.place.path().join("keys.db").exists());
}
