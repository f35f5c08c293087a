//! A backup of a signer that runs, brought back on another machine with nothing but configuration and passphrases.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Output;

use crate::process::{Started, program};
use crate::signer::{Place, Settings, id};

const SNAPSHOT: &[u8] = include_bytes!("../../testdata/snapshot.json");
const TIMESTAMP: &[u8] = include_bytes!("../../testdata/timestamp.json");

fn keys(place: &Place, settings: &Settings, words: &[&str], file: &Path) -> Result<String, String> {
    let Output { status, stdout, stderr } =
        program(place, settings).arg("keys").args(words).arg(file).output().unwrap();
    let (stdout, stderr) = (String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap());
    if status.success() { Ok(stdout) } else { Err(format!("{stdout}{stderr}")) }
}

fn without_passphrase() -> Settings {
    Settings { passphrase: "", ..Settings::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_sign_on_another_machine_after_backup_and_restore() {
    let (here, there) = (Place::new(), Place::new());
    let file = here.path().join("keys.backup");
    let mut started = Started::new(&here);
    let client = started.client(&here).await;
    let (snapshot, timestamp, pending, deleted) = (
        client.create("a/b", "snapshot").await.unwrap(),
        client.create_with("ed25519", "a/b", "timestamp").await.unwrap(),
        client.create("a/new", "timestamp").await.unwrap(),
        client.create("a/old", "timestamp").await.unwrap(),
    );
    client.sign(Some(id(&snapshot)), SNAPSHOT).await.unwrap();
    client.sign(Some(id(&timestamp)), TIMESTAMP).await.unwrap();
    client.delete(id(&deleted)).await.unwrap();

    let told = keys(&here, &without_passphrase(), &["backup"], &file).unwrap();
    assert!(told.contains("4 keys are in"), "{told}");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let text = std::fs::read_to_string(&file).unwrap();
    assert_eq!(text.lines().count(), 6);
    assert!(!text.contains("right"), "the passphrase");
    let refused = keys(&here, &without_passphrase(), &["backup"], &file).unwrap_err();
    assert!(refused.contains("is there already"), "{refused}");
    let refused = keys(&here, &Settings::default(), &["restore"], &file).unwrap_err();
    assert!(refused.contains("the key store is not empty, it has 4 keys"), "{refused}");
    started.terminate().await;

    let told = keys(&there, &Settings::default(), &["restore"], &file).unwrap();
    assert!(told.contains("4 keys are restored") && told.contains("4 opened, signed and were verified"), "{told}");
    let mut started = Started::new(&there);
    let client = started.client(&there).await;
    let signed = client.sign(Some(id(&snapshot)), SNAPSHOT).await.unwrap();
    assert_eq!(signed.key_info.unwrap().key_id.unwrap().id, id(&snapshot));
    client.sign(Some(id(&timestamp)), TIMESTAMP).await.unwrap();
    assert_eq!(id(&client.create("a/new", "timestamp").await.unwrap()), id(&pending), "it is pending still");
    client.sign(Some(id(&deleted)), TIMESTAMP).await.unwrap_err();
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_right_passphrase_nothing_is_restored() {
    let (here, there) = (Place::new(), Place::new());
    let file = here.path().join("keys.backup");
    let mut started = Started::new(&here);
    let key = started.client(&here).await.create("a/b", "snapshot").await.unwrap();
    keys(&here, &without_passphrase(), &["backup"], &file).unwrap();

    let wrong = Settings { passphrase: "wrong", ..Settings::default() };
    let refused = keys(&there, &wrong, &["restore"], &file).unwrap_err();
    assert!(refused.contains("1 keys are not proved; 1 under alias \"k1\""), "{refused}");
    assert!(refused.contains("NOTARY_SIGNER_K1"), "{refused}");
    let other = r#""backend": "sqlite", "db_url": "keys.db", "default_alias": "alias_one""#.to_owned();
    let missing = Settings { storage: other, passphrase: "", ..Settings::default() };
    let mut command = program(&there, &missing);
    let command = command.env("NOTARY_SIGNER_ALIAS_ONE", "x").args(["keys", "restore"]).arg(&file);
    let told = String::from_utf8(command.output().unwrap().stderr).unwrap();
    assert!(told.contains("set NOTARY_SIGNER_K1"), "{told}");

    let text = std::fs::read_to_string(&file).unwrap();
    let cut = here.path().join("cut.backup");
    std::fs::write(&cut, &text[..text.len() - 2]).unwrap();
    let refused = keys(&there, &Settings::default(), &["restore"], &cut).unwrap_err();
    assert!(refused.contains("the backup ends after line 2"), "{refused}");

    // what cannot be proved comes back only by name
    let told = keys(&there, &wrong, &["restore", "--unproved", id(&key)], &file).unwrap();
    assert!(told.contains("0 opened, signed and were verified, 1 were taken unproved"), "{told}");
    let Output { status, stdout, .. } =
        program(&there, &Settings::default()).args(["keys", "verify"]).output().unwrap();
    assert_eq!(String::from_utf8(stdout).unwrap(), "1 keys: 1 opened, signed and were verified, 0 did not\n");
    assert!(status.success());
    let Output { status, stdout, .. } = program(&there, &wrong).args(["keys", "verify"]).output().unwrap();
    assert!(String::from_utf8(stdout).unwrap().contains("1 keys: 0 opened, signed and were verified, 1 did not"));
    assert_eq!(status.code(), Some(2));
}
