//! Shares that do not fit together, are too few, or were made up give no key; and of shares that cannot be relied on
//! nothing is left.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use ring::rand::SystemRandom;
use tempfile::TempDir;
use tuf_schema::sign::{Passphrase, SecretKind};

use super::*;
use crate::keys::passphrase::Sources;
use crate::keys::{Passphrases, Prompt};
use crate::paths::TrustDirectory;

/// Nobody to ask.
struct Nobody;

impl Prompt for Nobody {
    fn secret(&self, _: &str) -> io::Result<Passphrase> {
        Err(io::ErrorKind::UnexpectedEof.into())
    }

    fn say(&self, _: &str) {}
}

fn rng() -> SystemRandom {
    SystemRandom::new()
}

/// A keyring on an empty machine, whose new keys get a passphrase.
fn keyring(home: &TempDir) -> Keyring {
    let named = |name: &str| (name == "DOCKER_CONTENT_TRUST_ROOT_PASSPHRASE").then(|| "hush".into());
    let trust = TrustDirectory::new(home.path().join("trust"));
    Keyring::new(trust, Passphrases::new(Sources::from_variables(named), Box::new(Nobody)))
}

fn quorum(shares: u32, threshold: u32) -> Quorum {
    Quorum::new(shares, threshold).unwrap()
}

/// A new key in shares, and its id.
fn shares(quorum: Quorum) -> (Vec<Share>, KeyId) {
    let secret = SecretKey::generate(SecretKind::EcdsaP256, &rng()).unwrap();
    (split_key(&secret, quorum, &rng()).unwrap(), secret.public().id().clone())
}

/// The shares in files of this directory, those of one key named by `name`.
fn written(home: &TempDir, name: &str, shares: &[Share]) -> Vec<PathBuf> {
    place(shares, &home.path().join(name), &rng()).unwrap()
}

/// Shares that could not be proven, in files that nobody looked at.
fn made_up(home: &TempDir, shares: &[Share]) -> Vec<PathBuf> {
    let file = |share: &Share| {
        let path = home.path().join(format!("made-up-{}", share.number));
        fs::write(&path, share.to_text().as_bytes()).unwrap();
        path
    };
    shares.iter().map(file).collect()
}

/// Why these files give no key; there is none then.
fn refusal(home: &TempDir, files: &[&PathBuf]) -> ShareError {
    let files: Vec<_> = files.iter().map(|file| (*file).clone()).collect();
    let refused = join(&files, &mut keyring(home), &rng()).unwrap_err();
    assert!(!home.path().join("trust").exists(), "{refused}");
    refused
}

#[test]
fn a_key_of_every_kind_comes_back_from_any_two_of_three_shares() {
    for kind in [SecretKind::EcdsaP256, SecretKind::EcdsaP384, SecretKind::EcdsaP521, SecretKind::Ed25519] {
        let home = tempfile::tempdir().unwrap();
        let secret = SecretKey::generate(kind, &rng()).unwrap();
        let files = written(&home, "s", &split_key(&secret, quorum(3, 2), &rng()).unwrap());
        for pair in [[0, 1], [2, 0], [1, 2]] {
            let home = tempfile::tempdir().unwrap();
            let chosen = pair.map(|number: usize| files[number].clone());
            let joined = join(&chosen, &mut keyring(&home), &rng()).unwrap();
            assert!(joined.key.is_new && joined.key.key.id == *secret.public().id(), "{joined:?}");
            let mut keys = keyring(&home);
            let key = keys.find(secret.public().id()).unwrap();
            assert_eq!((&key.role, &key.gun), (&KeyRole::Root, &None));
            assert_eq!(keys.open(&key).unwrap().public(), secret.public());
        }
    }
}

#[test]
fn more_shares_than_needed_give_the_key_too() {
    let home = tempfile::tempdir().unwrap();
    let (shares, id) = shares(quorum(5, 2));
    let joined = join(&written(&home, "s", &shares), &mut keyring(&home), &rng()).unwrap();
    assert_eq!((joined.key.key.id, joined.numbers), (id, vec![1, 2, 3, 4, 5]));
}

#[test]
fn as_many_shares_as_needed_give_the_key_and_one_less_gives_none() {
    let home = tempfile::tempdir().unwrap();
    let (shares, id) = shares(quorum(4, 3));
    let files = written(&home, "s", &shares);
    let refused = refusal(&home, &[&files[0], &files[2]]);
    let words = format!("2 of the 3 shares that give the key {id}: find 1 more of the split {}", shares[0].split);
    assert_eq!(refused.to_string(), words);
    assert!(matches!(refusal(&home, &[]), ShareError::NoFiles));
    join(&[files[0].clone(), files[2].clone(), files[3].clone()], &mut keyring(&home), &rng()).unwrap();
}

#[test]
fn a_threshold_that_was_lowered_by_hand_gives_no_key() {
    // Who edits the header, and its digest with it, still has too few points of the polynomials.
    let home = tempfile::tempdir().unwrap();
    let (mut shares, id) = shares(quorum(3, 3));
    shares.iter_mut().for_each(|share| share.quorum = quorum(3, 2));
    let files = made_up(&home, &shares);
    let refused = refusal(&home, &[&files[0], &files[1]]);
    assert!(matches!(&refused, ShareError::NotTheKey(key) if *key == id), "{refused}");
}

#[test]
fn a_share_of_another_key_is_named() {
    let home = tempfile::tempdir().unwrap();
    let ((one, id), (other, foreign)) = (shares(quorum(3, 2)), shares(quorum(3, 2)));
    let (one, other) = (written(&home, "one", &one), written(&home, "other", &other));
    let refused = refusal(&home, &[&one[0], &other[1]]);
    let (first, second) = (one[0].display(), other[1].display());
    let words = format!("{second} is a share of the key {foreign}, and {first} one of {id}: nothing was written");
    assert_eq!(refused.to_string(), words);
}

#[test]
fn a_share_of_another_split_of_the_key_is_named() {
    let home = tempfile::tempdir().unwrap();
    let secret = SecretKey::generate(SecretKind::EcdsaP256, &rng()).unwrap();
    let split = || split_key(&secret, quorum(3, 2), &rng()).unwrap();
    let (one, other) = (split(), split());
    let (first, second) = (written(&home, "one", &one), written(&home, "other", &other));
    let refused = refusal(&home, &[&first[0], &second[1]]);
    let words = format!(
        "{} is of the split {}, and {} of {}: shares of two splits do not fit together, and nothing was written",
        second[1].display(),
        other[0].split,
        first[0].display(),
        one[0].split
    );
    assert_eq!(refused.to_string(), words);
}

#[test]
fn one_share_in_two_files_counts_once() {
    let home = tempfile::tempdir().unwrap();
    let (shares, _) = shares(quorum(3, 2));
    let files = written(&home, "s", &shares);
    let copy = home.path().join("copy");
    fs::copy(&files[1], &copy).unwrap();
    let refused = refusal(&home, &[&files[1], &copy]);
    let (first, second) = (files[1].display(), copy.display());
    assert_eq!(refused.to_string(), format!("{first} and {second} are the same share, number 2: nothing was written"));
    let refused = refusal(&home, &[&files[1], &files[0], &files[1]]);
    assert!(matches!(refused, ShareError::Twice { number: 2, .. }), "{refused}");
}

#[test]
fn a_share_that_was_made_up_gives_no_key_even_among_more_than_needed() {
    let home = tempfile::tempdir().unwrap();
    let (mut shares, id) = shares(quorum(3, 2));
    shares[2].body[40] ^= 1;
    let files = made_up(&home, &shares);
    for chosen in [[&files[0], &files[2]].as_slice(), &[&files[0], &files[1], &files[2]]] {
        let refused = refusal(&home, chosen);
        assert!(matches!(&refused, ShareError::NotTheKey(key) if *key == id), "{refused}");
    }
    join(&files[..2], &mut keyring(&home), &rng()).unwrap();
}

#[test]
fn the_shares_of_another_key_under_a_key_s_name_give_nothing() {
    let home = tempfile::tempdir().unwrap();
    let ((mut others, _), (_, id)) = (shares(quorum(2, 2)), shares(quorum(2, 2)));
    others.iter_mut().for_each(|share| share.key = id.clone());
    let files = made_up(&home, &others);
    let refused = refusal(&home, &[&files[0], &files[1]]);
    let words = "one of them was made up, and nothing was written; try others, or look whose it is";
    assert_eq!(refused.to_string(), format!("these shares do not give the key {id}: {words}"));
}

#[test]
fn a_file_that_holds_another_key_than_its_name_says_is_not_taken_for_the_key() {
    let home = tempfile::tempdir().unwrap();
    let (one, id) = shares(quorum(2, 2));
    let mut keys = keyring(&home);
    let other = keys.create(KeyRole::Root, None, &rng()).unwrap();
    let place = other.path().with_file_name(format!("{id}.key"));
    fs::rename(other.path(), &place).unwrap();
    let before = fs::read(&place).unwrap();
    let refused = join(&written(&home, "s", &one), &mut keyring(&home), &rng()).unwrap_err();
    let ShareError::Keyring(KeyringError::WrongName { path, found }) = refused else { panic!("{refused}") };
    assert_eq!((path, found), (place.clone(), other.id));
    assert_eq!(fs::read(&place).unwrap(), before);
}

#[test]
fn files_of_shares_are_0600_in_a_directory_0700_and_tell_nothing_of_the_key() {
    let home = tempfile::tempdir().unwrap();
    let secret = SecretKey::generate(SecretKind::EcdsaP256, &rng()).unwrap();
    let shares = split_key(&secret, quorum(3, 2), &rng()).unwrap();
    let files = written(&home, "s", &shares);
    let id = secret.public().id();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode(&home.path().join("s")), 0o700);
    for (file, number) in files.iter().zip(1..) {
        assert_eq!(*file, home.path().join(format!("s/{id}-{number}.share")));
        assert_eq!(mode(file), 0o600);
    }
    // No bytes of the key stand in a share, as they would if a coefficient were zero throughout.
    let der = secret.to_pkcs8_der().unwrap();
    for share in &shares {
        assert!(der.windows(4).all(|part| share.body.windows(4).all(|bytes| bytes != part)));
    }
    assert!(!format!("{shares:?}").contains("body: ["), "{shares:?}");
}

#[test]
fn where_a_share_is_no_other_is_written() {
    let home = tempfile::tempdir().unwrap();
    let mut keys = keyring(&home);
    let key = keys.create(KeyRole::Root, None, &rng()).unwrap();
    let directory = home.path().join("s");
    fs::create_dir(&directory).unwrap();
    fs::write(directory.join("notes.txt"), "not in the way").unwrap();
    let first = share(&keys, &key.id, quorum(3, 2), &directory, &rng()).unwrap();
    let before: Vec<_> = first.files.iter().map(|file| fs::read(file).unwrap()).collect();
    let refused = share(&keys, &key.id, quorum(3, 2), &directory, &rng()).unwrap_err();
    assert!(matches!(&refused, ShareError::Taken(file) if *file == first.files[0]), "{refused}");
    let after: Vec<_> = first.files.iter().map(|file| fs::read(file).unwrap()).collect();
    assert_eq!(after, before);
    assert_eq!(fs::read_dir(&directory).unwrap().count(), 4);
}

#[test]
fn a_key_that_could_not_be_removed_is_told_with_the_shares_that_give_it() {
    let home = tempfile::tempdir().unwrap();
    let mut keys = keyring(&home);
    let key = keys.create(KeyRole::Root, None, &rng()).unwrap();
    let directory = home.path().join("s");
    let shared = share(&keys, &key.id, quorum(3, 2), &directory, &rng()).unwrap();
    // Where keys lie is no directory for a while: this stops root, too, unlike modes.
    let (private, away) = (home.path().join("trust/private"), home.path().join("away"));
    fs::rename(&private, &away).unwrap();
    fs::write(&private, "").unwrap();
    let refused = remove_shared(&mut keys, &shared, &directory).unwrap_err();
    let words = format!("the shares in {} give the key, which is still here, too", directory.display());
    assert_eq!(refused.to_string(), words);
    assert!(matches!(&refused, ShareError::NotRemoved { source: KeyringError::File(_), .. }), "{refused:?}");
    fs::remove_file(&private).unwrap();
    fs::rename(&away, &private).unwrap();
    assert_eq!(keyring(&home).find(&key.id).unwrap().path(), key.path());
    prove(&shared.files.iter().map(|file| Share::read(file).unwrap()).collect::<Vec<_>>(), &shared.files, &directory)
        .unwrap();
    remove_shared(&mut keys, &shared, &directory).unwrap();
    assert!(!key.path().exists());
}

#[test]
fn only_root_keys_are_shared() {
    let home = tempfile::tempdir().unwrap();
    let trust = TrustDirectory::new(home.path().join("trust"));
    let named = |name: &str| (name == "DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE").then(|| "hush".into());
    let mut keys = Keyring::new(trust, Passphrases::new(Sources::from_variables(named), Box::new(Nobody)));
    let key = keys.create(KeyRole::Signer("alice".to_owned()), None, &rng()).unwrap();
    let refused = share(&keys, &key.id, quorum(3, 2), &home.path().join("s"), &rng()).unwrap_err();
    let words =
        "is for alice, and only root keys are shared: who loses another one has it replaced (`bulla key rotate`)";
    assert_eq!(refused.to_string(), format!("{} {words}", key.id));
    assert!(!home.path().join("s").exists());
}

#[test]
fn of_a_set_that_cannot_be_written_whole_nothing_is_left() {
    let home = tempfile::tempdir().unwrap();
    let (shares, _) = shares(quorum(3, 2));
    let directory = home.path().join("s");
    // The third name is taken between the look and the writing.
    let obstacle = directory.join(shares[2].file_name());
    fs::create_dir_all(&obstacle).unwrap();
    let refused = place(&shares, &directory, &rng()).unwrap_err();
    assert!(matches!(refused, ShareError::New(_)), "{refused}");
    let left: Vec<_> = fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(left, [obstacle]);
}

#[test]
fn shares_that_read_otherwise_than_they_were_written_are_not_relied_on() {
    let home = tempfile::tempdir().unwrap();
    let (shares, _) = shares(quorum(3, 2));
    let directory = home.path().join("s");
    let files = written(&home, "s", &shares);
    assert!(prove(&shares, &files, &directory).is_ok());
    // The last one is none of those that are enough.
    let whole = fs::read(&files[2]).unwrap();
    fs::write(&files[2], &whole[..100]).unwrap();
    let refused = prove(&shares, &files, &directory).unwrap_err();
    assert!(matches!(&refused, ShareError::Unproven(place) if *place == directory), "{refused}");
}

#[test]
fn shares_that_do_not_give_the_key_are_not_relied_on() {
    let home = tempfile::tempdir().unwrap();
    for spoilt in 0..3 {
        let (mut shares, _) = shares(quorum(3, 2));
        shares[spoilt].body[40] ^= 1;
        let directory = home.path().join(spoilt.to_string());
        let refused = place(&shares, &directory, &rng()).unwrap_err();
        assert!(matches!(&refused, ShareError::Unproven(place) if *place == directory), "{refused}");
        assert!(!directory.exists(), "{spoilt}");
    }
}

#[test]
fn shares_that_cannot_be_taken_away_again_are_named() {
    let home = tempfile::tempdir().unwrap();
    let (stays, gone) = (home.path().join("stays"), home.path().join("gone"));
    fs::create_dir(&stays).unwrap();
    let error = undone(vec![stays.clone(), gone], ShareError::Randomness);
    let words = "the key was not shared, and of what was written these are left: destroy";
    assert_eq!(error.to_string(), format!("{words} {}", stays.display()));
    assert!(matches!(undone(Vec::new(), ShareError::Randomness), ShareError::Randomness));
}

#[test]
fn a_file_of_a_share_has_so_many_bytes_and_no_more() {
    let home = tempfile::tempdir().unwrap();
    let (shares, _) = shares(quorum(2, 2));
    let path = home.path().join("x");
    let refusal = |length: u64| {
        let limit = usize::try_from(length).unwrap();
        let mut text = shares[0].to_text().as_bytes().to_vec();
        text.resize(limit, b'\n');
        fs::write(&path, text).unwrap();
        Share::read(&path).map(|_| ())
    };
    refusal(MAX_FILE_BYTES).unwrap();
    let refused = refusal(MAX_FILE_BYTES + 1).unwrap_err();
    assert!(matches!(refused, ShareError::Unusable { source: ShareFileError::TooLarge, .. }), "{refused}");
}
