//! What is wrong in a trust directory: who else may read or write there, torn keys, what killed runs left behind.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use bulla::doctor::{Leftover, examine_directory};
use bulla::keys::KeyRole;
use ring::rand::SystemRandom;
use tuf_schema::UtcTime;

use crate::world::Person;

fn set(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn written(path: &Path) -> UtcTime {
    UtcTime::from_utc(fs::metadata(path).unwrap().modified().unwrap().into())
}

/// Somebody with a root key.
fn owner() -> Person {
    let owner = Person::new();
    owner.keyring().create(KeyRole::Root, None, &SystemRandom::new()).unwrap();
    owner
}

fn examine(person: &Person, now: UtcTime) -> Vec<Leftover> {
    examine_directory(&person.directory(), &person.keyring(), now).unwrap()
}

#[test]
fn a_directory_as_we_and_docker_leave_it_is_in_order() {
    let owner = owner();
    assert_eq!(examine(&owner, written(&owner.directory().private())), []);
    assert_eq!(examine(&Person::new(), written(owner.directory().as_path())), []);
}

#[test]
fn a_key_that_others_may_read_and_a_directory_that_others_may_write_are_named() {
    let owner = owner();
    let private = owner.directory().private();
    let key = owner.directory().private_key(&owner.keyring().list().unwrap()[0].id);
    set(&key, 0o640);
    set(&private, 0o770);
    let found = examine(&owner, written(&key));
    let commands: Vec<_> = found.iter().map(|leftover| leftover.mend().to_string()).collect();
    assert_eq!(commands, [format!("chmod 700 {}", private.display()), format!("chmod 600 {}", key.display())]);
}

#[test]
fn a_temporary_file_counts_when_nobody_can_be_writing_it_any_more() {
    let owner = owner();
    for name in [".bulla-0011223344556677.tmp", ".bulla-0011223344556677.new"] {
        let path = owner.directory().private().join(name);
        fs::write(&path, "").unwrap();
        set(&path, 0o600);
        assert_eq!(examine(&owner, written(&path).plus_seconds(599)), []);
        assert_eq!(examine(&owner, written(&path).plus_seconds(602)), [Leftover::Abandoned(path.clone())]);
        fs::remove_file(path).unwrap();
    }
}

#[test]
fn a_key_file_without_a_key_is_named_and_moved_away_rather_than_removed() {
    let owner = owner();
    let path = owner.directory().private().join("00.key");
    fs::write(&path, "torn").unwrap();
    set(&path, 0o600);
    let found = examine(&owner, written(&path));
    assert_eq!(found, [Leftover::NoKey(path.clone())]);
    let path = path.display();
    assert_eq!(found[0].mend().to_string(), format!("mv {path} {path}.damaged"));
}
