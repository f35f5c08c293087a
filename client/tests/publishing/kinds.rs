//! Keys of every kind sign what readers believe, whoever made them.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bulla::changelist::{Change, DelegationEdit};
use bulla::keys::KeyRole;
use bulla::publish::Changes;
use bulla::trust::collection::delegations;
use bulla::trust::released;
use ring::rand::SystemRandom;
use tuf_schema::model::Root;
use tuf_schema::sign::{SecretKey, SecretKind};
use tuf_schema::{DelegationName, KeyType, PublicKey, SigningKey as _};

use crate::world::{Person, Server, delegate, gun, tag};

const KINDS: [SecretKind; 5] =
    [SecretKind::EcdsaP256, SecretKind::EcdsaP384, SecretKind::EcdsaP521, SecretKind::Ed25519, SecretKind::Rsa];

/// A key of a kind: RSA keys are others' to make.
fn key(person: &Person, kind: SecretKind) -> SecretKey {
    if kind == SecretKind::Rsa {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/keys/rsatgt.key");
        return person.keyring().open_foreign(&path, &KeyRole::Targets).unwrap();
    }
    SecretKey::generate(kind, &SystemRandom::new()).unwrap()
}

#[tokio::test]
async fn a_signer_s_key_of_every_kind_signs_what_readers_believe() {
    for kind in KINDS {
        let (server, owner, signer) = (Server::new(), Person::new(), Person::new());
        owner.sign(&server, "1", b"one").await.unwrap();
        let secret = key(&signer, kind);
        delegate(secret.public(), &owner, &server, "bob", &[""]);
        signer.keyring().import(secret, KeyRole::Signer("bob".into()), None, &SystemRandom::new()).unwrap();
        signer.sign(&server, "2", b"two").await.unwrap();
        let trusted = Person::new().read(&server).await.unwrap();
        assert!(released(&trusted, &tag("2")).unwrap().is_some(), "{kind}");
    }
}

/// The key in forms that other programs write: with a compressed point, as PEM text.
fn other_form(key: &PublicKey) -> PublicKey {
    let der = key.public_bytes();
    if *key.key_type() == KeyType::Rsa {
        let text: Vec<char> = STANDARD.encode(der).chars().collect();
        let lines: String = text.chunks(64).map(|line| line.iter().collect::<String>() + "\n").collect();
        let pem = format!("-----BEGIN PUBLIC KEY-----\n{lines}-----END PUBLIC KEY-----\n");
        return PublicKey::new(KeyType::Rsa, pem.into_bytes());
    }
    // Lengths, then P-256 and a point without its second half, of which it says whether it is odd.
    let sign = 2 + (der[90] & 1);
    let parts: [&[u8]; 5] = [&[0x30, 0x39], &der[2..23], &[0x03, 0x22, 0x00], &[sign], &der[27..59]];
    PublicKey::new(KeyType::Ecdsa, parts.concat())
}

#[tokio::test]
async fn a_key_that_is_listed_in_another_form_signs_and_is_called_by_the_id_of_its_file() {
    for kind in [SecretKind::EcdsaP256, SecretKind::Rsa] {
        let (server, owner, signer) = (Server::new(), Person::new(), Person::new());
        owner.sign(&server, "1", b"one").await.unwrap();
        let secret = key(&signer, kind);
        let id = secret.public().id().clone();
        let listed = other_form(secret.public());
        assert_ne!(*listed.id(), id);
        delegate(&listed, &owner, &server, "bob", &[""]);
        signer.keyring().import(secret, KeyRole::Signer("bob".into()), None, &SystemRandom::new()).unwrap();
        signer.sign(&server, "2", b"two").await.unwrap();
        let trusted = Person::new().read(&server).await.unwrap();
        assert!(released(&trusted, &tag("2")).unwrap().is_some(), "{kind}");
        assert!(delegations(&trusted).iter().all(|given| given.keys == [id.clone()]), "{kind}");

        let name = DelegationName::parse("targets/bob").unwrap();
        let edit = DelegationEdit { remove_keys: vec![id], ..DelegationEdit::default() };
        owner.publish(&server, &Changes(vec![Change::EditDelegation { name, edit }])).await.unwrap();
    }
}

#[tokio::test]
async fn a_root_key_of_every_kind_that_has_certificates_begins_a_repository() {
    for kind in [SecretKind::EcdsaP256, SecretKind::EcdsaP384, SecretKind::Rsa] {
        let (server, owner) = (Server::new(), Person::new());
        let secret = key(&owner, kind);
        let id = secret.public().id().clone();
        owner.keyring().import(secret, KeyRole::Root, None, &SystemRandom::new()).unwrap();
        owner.sign(&server, "1", b"one").await.unwrap();
        let root: Root = server.current("root");
        let certificate = &root.keys[&root.root.key_ids[0]];
        assert_eq!(certificate.bare().unwrap().id(), &id, "{kind}");
        Person::new().read(&server).await.unwrap();
    }
}

#[tokio::test]
async fn a_targets_key_of_every_kind_signs_what_readers_believe() {
    for kind in KINDS {
        let (server, owner) = (Server::new(), Person::new());
        owner.sign(&server, "1", b"one").await.unwrap();
        let secret = key(&owner, kind);
        let public = secret.public().clone();
        let imported = owner.keyring().import(secret, KeyRole::Targets, Some(&gun()), &SystemRandom::new()).unwrap();
        assert!(imported.is_new);
        crate::hostile::restate(&server, &owner, |root| {
            root.version = root.version.next().unwrap();
            root.targets.key_ids.push(public.id().clone());
            root.keys.insert(public.id().clone(), public.clone());
        });
        let old = owner.keyring().list().unwrap();
        let old = old.iter().find(|key| key.role == KeyRole::Targets && &key.id != public.id()).unwrap();
        owner.keyring().remove(old).unwrap();
        owner.sign(&server, "2", b"two").await.unwrap();
        let trusted = Person::new().read(&server).await.unwrap();
        assert!(released(&trusted, &tag("2")).unwrap().is_some(), "{kind}");
    }
}
