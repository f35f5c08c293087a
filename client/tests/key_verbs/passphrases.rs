//! Where passphrases are taken from: in which order, and what is said when a place gives none.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use bulla::keys::KeyFile;
use tuf_schema::SigningKey as _;
use tuf_schema::sign::Passphrase;

use crate::process::{Ended, Home};

/// No passphrase of these tests may be printed; each has this word in it.
const MARK: &str = "hush";
const DOCKERS: (&str, &str) = ("DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE", "hush dockers");
const NOTARYS: (&str, &str) = ("NOTARY_DELEGATION_PASSPHRASE", "hush notarys");
const GENERATE: [&str; 4] = ["key", "generate", "--role", "alice"];

fn secret(home: &Home, name: &str, text: &str) {
    let path = home.write(name, text);
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

/// A program that answers questions.
fn program(home: &Home, name: &str, script: &str) -> String {
    let path = home.write(name, &format!("#!/bin/sh\n{script}\n"));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
    path.to_str().unwrap().to_owned()
}

/// Which of these texts opens the only key.
fn sealed_with<'a>(home: &Home, texts: &[&'a str]) -> Vec<&'a str> {
    let keys = home.keys();
    assert_eq!(keys.len(), 1, "{keys:?}");
    let text = fs::read_to_string(home.private().join(&keys[0])).unwrap();
    let file = KeyFile::parse_all(&text).remove(0);
    let opens = |text: &&&str| file.open(Some(&Passphrase::from_text((**text).to_owned()))).is_ok();
    texts.iter().filter(opens).copied().collect()
}

/// The error of a run that failed, with its exit code, and nothing secret in what it printed.
fn failed(ended: &Ended) -> String {
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(!ended.err.contains(MARK) && !ended.out.contains(MARK), "{ended:?}");
    let (_, error) = ended.err.split_once("Error: ").unwrap();
    error.trim_end().to_owned()
}

#[test]
fn what_is_nearer_to_the_command_comes_first() {
    let texts = ["hush fd", "hush dockers", "hush notarys", "hush file", "hush asked"];
    let home = Home::new();
    secret(&home, "fd", "hush fd\n");
    secret(&home, "file", "hush file\n");
    let askpass = program(&home, "askpass", "echo hush asked");
    let file = [("BULLA_DELEGATION_PASSPHRASE_FILE", "file"), ("BULLA_ASKPASS", askpass.as_str())];
    let all = [[DOCKERS, NOTARYS].as_slice(), &file].concat();
    for (from, expected) in texts.iter().enumerate() {
        let script = match from {
            0 => "exec \"$BULLA\" --passphrase-fd 3 \"$@\" 3<fd",
            _ => "exec \"$BULLA\" \"$@\"",
        };
        let ended = home.shell(script, &GENERATE, &all[from.saturating_sub(1)..], "");
        assert_eq!(ended.code, Some(0), "{ended:?}");
        assert_eq!(sealed_with(&home, &texts), [*expected]);
        fs::remove_dir_all(home.private()).unwrap();
    }
}

#[test]
fn what_exists_is_opened_with_the_first_that_fits() {
    let home = Home::new();
    secret(&home, "file", "hush file");
    let file = ("BULLA_DELEGATION_PASSPHRASE_FILE", "file");
    home.done(&GENERATE, &[file]);
    let id = home.keys()[0].trim_end_matches(".key").to_owned();
    secret(&home, "new", "hush new");
    let passwd = ["key", "passwd", &id];
    let new = ("BULLA_NEW_PASSPHRASE_FILE", "new");
    home.done(&passwd, &[DOCKERS, NOTARYS, file, new]);
    assert_eq!(sealed_with(&home, &["hush new", "hush dockers", "hush file"]), ["hush new"]);
    let error = failed(&home.run(&passwd, &[DOCKERS, NOTARYS, file, new], ""));
    let expected = format!(
        "the passphrase in DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE and NOTARY_DELEGATION_PASSPHRASE and the file file \
         that BULLA_DELEGATION_PASSPHRASE_FILE names does not open the alice key with ID {}: mend it, or leave it out to \
         be asked",
        &id[..7]
    );
    assert_eq!(error, expected);
}

#[test]
fn a_descriptor_may_be_for_the_keys_of_one_role() {
    let home = Home::new();
    let script = "echo hush root >r; echo hush alice >a
        exec \"$BULLA\" --passphrase-fd root=3 --passphrase-fd delegation=4 \"$@\" 3<r 4<a";
    assert_eq!(home.shell(script, &GENERATE, &[DOCKERS], "").code, Some(0));
    assert_eq!(sealed_with(&home, &["hush root", "hush alice", "hush dockers"]), ["hush alice"]);
    fs::remove_dir_all(home.private()).unwrap();
    assert_eq!(home.shell(script, &["key", "generate"], &[], "").code, Some(0));
    assert_eq!(sealed_with(&home, &["hush root", "hush alice"]), ["hush root"]);
    for wrong in ["x", "-1", "alice=3", "root=", "root", "4294967296", ""] {
        let ended = home.run(&["--passphrase-fd", wrong, "key", "list"], &[], "");
        assert_eq!(ended.code, Some(2), "{wrong}: {ended:?}");
    }
}

#[test]
fn a_descriptor_may_be_a_pipe_and_one_is_read_once_for_all_keys() {
    let home = Home::new();
    let script = "{ echo hush pipe; echo more; } | \"$BULLA\" --passphrase-fd 0 key import \"$@\"";
    let key = |name: &str| crate::process::fixture("keys").join(name).to_str().unwrap().to_owned();
    let ended = home.shell(script, &[&key("alice.key"), &key("rsatgt.key")], &[], "");
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(ended.out.lines().count(), 2);
}

#[test]
fn each_way_in_which_a_file_gives_no_passphrase_is_told_with_what_to_do() {
    let home = Home::new();
    let named = |path: &str| format!("from the file {path} that BULLA_DELEGATION_PASSPHRASE_FILE names");
    let run = |path: &str| home.run(&GENERATE, &[("BULLA_DELEGATION_PASSPHRASE_FILE", path)], "");
    let limit = "x".repeat(4096);
    secret(&home, "empty", "");
    secret(&home, "blank", "\nhush");
    secret(&home, "long", &format!("{limit}x"));
    fs::write(home.path().join("binary"), b"hush \xff").unwrap();
    fs::set_permissions(home.path().join("binary"), fs::Permissions::from_mode(0o600)).unwrap();
    for (path, cause) in [
        ("absent", "it is not there; write the passphrase into it, or unset the variable"),
        ("empty", "its first line is empty"),
        ("blank", "its first line is empty"),
        ("long", "it is longer than 4096 bytes"),
        ("binary", "it is no UTF-8 text"),
        (".", "it cannot be read: Is a directory (os error 21)"),
    ] {
        let error = failed(&run(path));
        assert!(error.starts_with("cannot take the passphrase for the new alice key with ID "), "{error}");
        assert!(error.ends_with(&format!("{}: {cause}", named(path))), "{error}");
    }
    assert!(home.keys().is_empty());
    secret(&home, "limit", &limit);
    assert_eq!(run("limit").code, Some(0));
    assert_eq!(sealed_with(&home, &[&limit]), [&limit]);
}

#[test]
fn a_file_that_others_may_read_is_warned_of_and_one_that_they_may_write_is_refused() {
    let home = Home::new();
    let path = home.write("file", "hush file");
    for (mode, taken) in [(0o600, true), (0o400, true), (0o644, true), (0o440, true), (0o620, false), (0o602, false)] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let ended = home.run(&GENERATE, &[("BULLA_DELEGATION_PASSPHRASE_FILE", "file")], "");
        let warning = format!("Warning: file is open to others (mode {mode:04o}); it should be 0600\n");
        if taken {
            assert_eq!(ended.code, Some(0), "{ended:?}");
            assert_eq!(ended.err, if mode & 0o077 == 0 { String::new() } else { warning });
        } else {
            let error = failed(&ended);
            assert!(error.ends_with(&format!("others may write to it (mode {mode:04o}); make it 0600")), "{error}");
        }
    }
}

#[test]
fn a_descriptor_that_gives_no_passphrase_is_told_with_what_to_do() {
    let home = Home::new();
    for (descriptor, cause) in [
        ("9", "it is not open for reading; open it with the shell, as in `--passphrase-fd 3 3<FILE`: No such"),
        ("3 3</dev/null", "its first line is empty"),
        ("3 3<long", "it is longer than 4096 bytes"),
        ("3 3<binary", "it is no UTF-8 text"),
        ("3 3<.", "it cannot be read: Is a directory"),
    ] {
        fs::write(home.path().join("binary"), b"hush \xff").unwrap();
        secret(&home, "long", &"x".repeat(4097));
        let ended = home.shell(&format!("exec \"$BULLA\" \"$@\" --passphrase-fd {descriptor}"), &GENERATE, &[], "");
        let error = failed(&ended);
        let number = &descriptor[..1];
        assert!(error.contains(&format!(" from file descriptor {number}: {cause}")), "{error}");
    }
}

#[test]
fn a_variable_that_cannot_be_a_passphrase_is_told() {
    let home = Home::new();
    let long = "x".repeat(4097);
    let error = failed(&home.run(&GENERATE, &[(DOCKERS.0, &long)], ""));
    assert!(
        error.ends_with("from DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE: it is longer than 4096 bytes"),
        "{error}"
    );
    let script = "export DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE=$(printf 'hush\\377'); exec \"$BULLA\" \"$@\"";
    let error = failed(&home.shell(script, &GENERATE, &[], ""));
    assert!(error.ends_with("from DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE: it is no UTF-8 text"), "{error}");
    home.done(&GENERATE, &[(DOCKERS.0, &long[1..])]);
}

#[test]
fn another_passphrase_is_that_of_every_file_of_a_key_and_a_link_stays_one() {
    use std::os::unix::fs::symlink;
    let home = Home::new();
    secret(&home, "new", "hush new");
    let new = ("BULLA_NEW_PASSPHRASE_FILE", "new");
    home.done(&GENERATE, &[DOCKERS]);
    let name = home.keys().remove(0);
    let id = name.trim_end_matches(".key").to_owned();
    let first = home.private().join(&name);
    let old = home.private().join("root_keys").join(format!("{id}_root.key"));
    fs::create_dir(old.parent().unwrap()).unwrap();
    fs::copy(&first, &old).unwrap();
    let (safe, before) = (home.path().join("safe.key"), fs::read_to_string(&first).unwrap());
    fs::rename(&first, &safe).unwrap();
    symlink(&safe, &first).unwrap();
    home.done(&["key", "passwd", &id], &[DOCKERS, new]);
    assert!(fs::symlink_metadata(&first).unwrap().is_symlink());
    for path in [&safe, &old] {
        let text = fs::read_to_string(path).unwrap();
        assert_ne!(text, before, "{}", path.display());
        let file = KeyFile::parse_all(&text).remove(0);
        let with = |passphrase: &str| file.open(Some(&Passphrase::from_text(passphrase.to_owned())));
        assert_eq!(with("hush new").unwrap().public().id().to_string(), id, "{}", path.display());
        assert!(with(DOCKERS.1).is_err(), "{}", path.display());
    }
}

#[test]
fn another_key_under_the_name_of_one_is_not_lost_with_its_passphrase() {
    let home = Home::new();
    secret(&home, "new", "hush new");
    home.done(&GENERATE, &[DOCKERS]);
    let id = home.keys().remove(0).trim_end_matches(".key").to_owned();
    home.done(&GENERATE, &[DOCKERS]);
    let other = home.keys().into_iter().find(|name| !name.starts_with(&id)).unwrap();
    let old = home.private().join("root_keys").join(format!("{id}_root.key"));
    fs::create_dir(old.parent().unwrap()).unwrap();
    fs::rename(home.private().join(&other), &old).unwrap();
    let files = || [fs::read(&old).unwrap(), fs::read(home.private().join(format!("{id}.key"))).unwrap()];
    let before = files();
    let error = failed(&home.run(&["key", "passwd", &id], &[DOCKERS, ("BULLA_NEW_PASSPHRASE_FILE", "new")], ""));
    assert!(error.contains(&format!("holds the key {}", other.trim_end_matches(".key"))), "{error}");
    assert_eq!(files(), before);
}

#[test]
fn a_program_that_is_asked_sees_no_passphrase() {
    let home = Home::new();
    let script = "env >seen; echo hush asked";
    let askpass = program(&home, "askpass", script);
    home.done(&GENERATE, &[("BULLA_ASKPASS", &askpass), ("DOCKER_CONTENT_TRUST_ROOT_PASSPHRASE", "hush root")]);
    let seen = fs::read_to_string(home.path().join("seen")).unwrap();
    assert!(seen.contains("BULLA_ASKPASS=") && !seen.contains("hush"), "{seen}");
}

#[test]
fn a_program_is_asked_when_nothing_is_given_and_no_one_else_is() {
    let home = Home::new();
    let askpass = program(&home, "askpass", "echo \"$1\" >>asked; echo hush asked; echo url: x");
    let variables = [("BULLA_ASKPASS", askpass.as_str())];
    home.done(&GENERATE, &variables);
    let id = home.keys()[0].trim_end_matches(".key").to_owned();
    let short = &id[..7];
    let asked = || fs::read_to_string(home.path().join("asked")).unwrap();
    let new = format!(
        "Enter passphrase for new alice key with ID {short}: \nRepeat passphrase for new alice key with ID {short}: \n"
    );
    assert_eq!(asked(), new);
    home.done(&["key", "passwd", &id], &variables);
    assert_eq!(asked(), format!("{new}Enter passphrase for alice key with ID {short}: \n{new}"));
    // What is given and wrong is an error, and no question.
    let ended = home.run(&["key", "passwd", &id], &[variables[0], DOCKERS], "");
    assert!(failed(&ended).contains("does not open the alice key"), "{ended:?}");
    assert_eq!(asked().lines().count(), 5);
}

#[test]
fn each_way_in_which_a_program_gives_no_passphrase_is_told() {
    let home = Home::new();
    for (name, script, cause) in [
        ("refuses", "exit 1", "it ended with exit status: 1"),
        ("answers-and-fails", "echo hush; exit 7", "it ended with exit status: 7"),
        ("silent", "true", "its first line is empty"),
        ("endless", "yes hush | tr -d '\\n'", "it is longer than 4096 bytes"),
        ("binary", "printf 'hush\\377'", "it is no UTF-8 text"),
    ] {
        let askpass = program(&home, name, script);
        let error = failed(&home.run(&GENERATE, &[("BULLA_ASKPASS", &askpass)], ""));
        assert!(error.ends_with(&format!("from the command {askpass} that BULLA_ASKPASS names: {cause}")), "{error}");
    }
    let error = failed(&home.run(&GENERATE, &[("BULLA_ASKPASS", "/nowhere/askpass")], ""));
    let expected =
        "/nowhere/askpass that BULLA_ASKPASS names: it cannot be run: No such file or directory (os error 2)";
    assert!(error.ends_with(expected), "{error}");
    let short = program(&home, "short", "echo 7 chars");
    let ended = home.run(&GENERATE, &[("BULLA_ASKPASS", &short)], "");
    assert!(ended.err.contains("Passphrase is too short."), "{ended:?}");
    assert!(failed(&ended).ends_with("after 3 attempts"), "{ended:?}");
    assert!(home.keys().is_empty());
    let long_enough = program(&home, "long-enough", "echo 8 chars.");
    home.done(&GENERATE, &[("BULLA_ASKPASS", &long_enough)]);
}

#[test]
fn without_a_terminal_the_places_for_a_passphrase_are_named() {
    let home = Home::new();
    for (role, [variable, file]) in [
        ("root", ["DOCKER_CONTENT_TRUST_ROOT_PASSPHRASE", "BULLA_ROOT_PASSPHRASE_FILE"]),
        ("alice", ["DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE", "BULLA_DELEGATION_PASSPHRASE_FILE"]),
        ("targets", ["DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE", "BULLA_TARGETS_PASSPHRASE_FILE"]),
        ("snapshot", ["DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE", "BULLA_SNAPSHOT_PASSPHRASE_FILE"]),
    ] {
        let ended = home.run(&["key", "generate", "--role", role, "--gun", "a.test/b"], &[], "");
        let error = failed(&ended);
        assert!(error.starts_with("no passphrase for the new "), "{error}");
        assert!(
            error.contains(&format!(": set {variable} or {file}, use --passphrase-fd, or run at a terminal")),
            "{error}"
        );
    }
    assert!(home.keys().is_empty());
}
