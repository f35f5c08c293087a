//! Bundles that others made are refused for what is wrong with them, and nothing is written.

use std::{fs, io};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use ring::rand::SystemRandom;
use tar::EntryType;
use tuf_schema::sign::Passphrase;
use tuf_schema::testing::secret_key;
use tuf_schema::{KeyId, PublicKey, SigningKey as _};

use super::archive::tests::foreign;
use super::seal::{Cost, seal_at};
use super::*;
use crate::keys::passphrase::Sources;
use crate::keys::{KeyringError, Passphrases, Prompt};

const KEY: &[u8] = include_bytes!("../../../tests/fixtures/keys/genkey-key.pem");
const ROOT: &[u8] = include_bytes!("../../../tests/fixtures/trust-dir/tuf/example.com/fix/simple/metadata/root.json");
const REGULAR: EntryType = EntryType::Regular;

/// Nobody to ask.
struct Nobody;

impl Prompt for Nobody {
    fn secret(&self, _: &str) -> io::Result<Passphrase> {
        Err(io::ErrorKind::UnexpectedEof.into())
    }

    fn say(&self, _: &str) {}
}

/// A home with an empty trust directory and the passphrase of bundles.
struct Machine(tempfile::TempDir);

impl Machine {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join("words"), "words of the bundle").unwrap();
        Self(home)
    }

    fn trust(&self) -> TrustDirectory {
        TrustDirectory::new(self.0.path().join("trust"))
    }

    fn keys(&self) -> Keyring {
        let words = self.0.path().join("words");
        let named = |name: &str| (name == "BULLA_BUNDLE_PASSPHRASE_FILE").then(|| words.clone().into_os_string());
        Keyring::new(self.trust(), Passphrases::new(Sources::from_variables(named), Box::new(Nobody)))
    }

    /// What opening and restoring a bundle of this archive comes to.
    fn restores(&self, archive: &[u8]) -> Result<(), BundleError> {
        let cheap = Cost { log_n: 1, block: 1, passes: 1 };
        let words = Passphrase::from_text("words of the bundle".to_owned());
        let file = self.0.path().join("x.bundle");
        fs::write(&file, seal_at(cheap, archive, &words).unwrap()).unwrap();
        let (keys, trust) = (self.keys(), self.trust());
        let bundle = Bundle::open(&file, &keys, &trust, now())?;
        bundle.plan(&keys, &trust)?.carry_out(&SystemRandom::new())
    }

    /// Why a bundle of these files is refused; nothing is then in the trust directory.
    fn refusal(&self, entries: &[(EntryType, &str, &str, &[u8])]) -> ContentError {
        let refused = self.restores(&foreign(entries.len() as u64, entries)).unwrap_err();
        assert!(!self.trust().as_path().exists(), "{refused}");
        match refused {
            BundleError::Unusable { source, .. } => source,
            other => panic!("{other}"),
        }
    }
}

fn now() -> UtcTime {
    UtcTime::parse("2026-11-22T00:00:00Z").unwrap()
}

#[test]
fn what_a_bundle_holds_is_restored() {
    let machine = Machine::new();
    let files = [
        (REGULAR, "private/1.key", "", KEY),
        (REGULAR, "tuf/example.com/fix/simple/metadata/root.json", "", ROOT),
        (REGULAR, "bulla.json", "", br#"{"pins": {"ca": {"a.test/": "ca/a.pem"}}}"#),
        (REGULAR, "ca/a.pem", "", b"a certificate"),
        (REGULAR, "policy.toml", "", b"[pins.ca]\n\"b.test/\" = \"b.pem\"\n"),
        (REGULAR, "b.pem", "", b"another certificate"),
    ];
    machine.restores(&foreign(6, &files)).unwrap();
    for (_, name, _, content) in files {
        assert_eq!(fs::read(machine.trust().as_path().join(name)).unwrap(), content, "{name}");
    }
}

#[test]
fn paths_and_links_that_lead_out_of_the_directory_are_refused_with_nothing_written() {
    let machine = Machine::new();
    for name in ["../evil.key", "/tmp/evil.key", "private/../../evil.key"] {
        let good = (REGULAR, "private/1.key", "", KEY);
        let refusal = machine.refusal(&[good, (REGULAR, name, "", KEY)]);
        assert!(matches!(&refusal, ContentError::Place { name: refused, .. } if refused == name), "{refusal}");
    }
    for kind in [EntryType::Symlink, EntryType::Link] {
        let refusal = machine.refusal(&[(kind, "private/1.key", "/etc/passwd", b"")]);
        assert!(matches!(&refusal, ContentError::NoFile(name) if name == "private/1.key"), "{refusal}");
    }
    assert!(!machine.0.path().join("evil.key").exists());
}

#[test]
fn what_is_no_key_and_what_is_no_root_is_refused() {
    let machine = Machine::new();
    let refusal = machine.refusal(&[(REGULAR, "private/1.key", "", b"#!/bin/sh")]);
    assert!(matches!(&refusal, ContentError::NoKey(name) if name == "private/1.key"), "{refusal}");
    let mut altered = ROOT.to_vec();
    let version = altered.windows(10).position(|bytes| bytes == b"\"version\":").unwrap();
    altered[version + 10] = b'9';
    for (name, root) in [
        ("tuf/example.com/fix/other/metadata/root.json", ROOT),
        ("tuf/example.com/fix/simple/metadata/root.json", altered.as_slice()),
        ("tuf/example.com/fix/simple/metadata/root.json", b"{}"),
    ] {
        let refusal = machine.refusal(&[(REGULAR, name, "", root)]);
        assert!(matches!(refusal, ContentError::NoRoot { .. }), "{name}: {refusal}");
    }
}

#[test]
fn a_file_that_nothing_pins_is_refused() {
    let machine = Machine::new();
    let refusal = machine.refusal(&[(REGULAR, "stray.pem", "", b"x")]);
    assert!(matches!(&refusal, ContentError::NotPinned(name) if name == "stray.pem"), "{refusal}");
    let refusal = machine.refusal(&[(REGULAR, "bulla.json", "", b"{")]);
    assert!(matches!(refusal, ContentError::Settings(_)), "{refusal}");
    let refusal = machine.refusal(&[(REGULAR, "policy.toml", "", b"x = 1")]);
    assert!(matches!(refusal, ContentError::Policy(_)), "{refusal}");
}

/// Says of the key of the fixtures that it is on a token.
fn tell_of_token(machine: &Machine, public: &PublicKey) {
    let private = machine.trust().private();
    fs::create_dir_all(&private).unwrap();
    let text = serde_json::json!({
        "bulla_token_key": 1, "role": "alice", "token": "safe", "serial": "17", "object": "01",
        "algorithm": public.key_type().name(), "public": BASE64_STANDARD.encode(public.public_bytes()),
    });
    fs::write(private.join(format!("{}.token", public.id())), text.to_string()).unwrap();
}

#[test]
fn a_key_of_a_token_is_refused_by_its_id_and_else_left_out_with_a_word() {
    let machine = Machine::new();
    let secret = secret_key();
    let id = secret.public().id();
    tell_of_token(&machine, secret.public());
    fs::write(machine.trust().private().join("1.key"), KEY).unwrap();
    let collect = |keys: &[&str]| {
        let keys = keys.iter().map(|id| KeyId::from_wire(id)).collect();
        Bundle::collect(&machine.keys(), &machine.trust(), &Selection { keys, guns: Vec::new() }, now())
    };
    let Collected { bundle, left_out } = collect(&[]).unwrap();
    assert_eq!(bundle.files.keys().map(ToString::to_string).collect::<Vec<_>>(), ["private/1.key"]);
    assert!(matches!(left_out.as_slice(), [LeftOut::OnToken { key, token }] if key == id && token.label == "safe"));
    for named in [vec![id.as_str()], vec!["1", id.as_str()]] {
        let refused = collect(&named).unwrap_err();
        assert!(matches!(&refused, BundleError::Keyring(KeyringError::OnToken { key, .. }) if key == id), "{refused}");
    }
}

#[test]
fn settings_that_are_a_link_to_nowhere_are_not_left_out_without_a_word() {
    for name in ["bulla.json", "policy.toml"] {
        let machine = Machine::new();
        let private = machine.trust().private();
        fs::create_dir_all(&private).unwrap();
        fs::write(private.join("1.key"), KEY).unwrap();
        let collect = || Bundle::collect(&machine.keys(), &machine.trust(), &Selection::default(), now());
        assert!(collect().unwrap().left_out.is_empty());
        let path = machine.trust().as_path().join(name);
        std::os::unix::fs::symlink("nowhere", &path).unwrap();
        let refused = collect().unwrap_err().to_string();
        assert!(refused.starts_with(&format!("cannot read {}", path.display())), "{refused}");
    }
}

#[test]
fn the_copy_of_a_key_is_restored_though_a_token_has_the_key_too() {
    let machine = Machine::new();
    let secret = secret_key();
    tell_of_token(&machine, secret.public());
    let name = format!("private/{}.key", secret.public().id());
    let private = machine.trust().private();
    let archive = foreign(1, &[(REGULAR, name.as_str(), "", KEY)]);
    machine.restores(&archive).unwrap();
    assert_eq!(fs::read(machine.trust().as_path().join(&name)).unwrap(), KEY);
    assert_eq!(fs::read_dir(private).unwrap().count(), 2);
    assert!(machine.keys().find(secret.public().id()).unwrap().token().is_none());
}

#[test]
fn a_pin_makes_no_authority_of_a_file_of_settings() {
    // notary's configuration names a trust server, and is read wherever a trust directory is named.
    let machine = Machine::new();
    let pins = br#"{"pins": {"ca": {"a.test/": "config.json"}}}"#;
    let settings = br#"{"remote_server": {"url": "https://evil.test"}}"#;
    let refusal = machine.refusal(&[(REGULAR, "bulla.json", "", pins), (REGULAR, "config.json", "", settings)]);
    let no_place = |refusal: &ContentError| matches!(refusal, ContentError::Place { name, source: PlaceError::NoPlace } if name == "config.json");
    assert!(no_place(&refusal), "{refusal}");
}

#[test]
fn a_bundle_has_so_many_bytes_and_no_more() {
    let machine = Machine::new();
    let file = machine.0.path().join("large");
    let refusal = |length| {
        fs::File::create(&file).unwrap().set_len(length).unwrap();
        match Bundle::open(&file, &machine.keys(), &machine.trust(), now()).unwrap_err() {
            BundleError::Unusable { source, .. } => source,
            other => panic!("{other}"),
        }
    };
    assert!(matches!(refusal(MAX_BUNDLE_BYTES), ContentError::NoBundle));
    assert!(matches!(refusal(MAX_BUNDLE_BYTES + 1), ContentError::TooLarge));
}
