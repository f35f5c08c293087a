//! The binary itself: what it prints about arguments that make no sense, and how it ends.

#![expect(clippy::unwrap_used, reason = "a test fails where it stands")]

use std::process::Command;

/// Exit status and standard error of a run with a home of its own.
fn run(arguments: &[&str]) -> (i32, String) {
    let home = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_bulla"));
    let output = command.env_clear().env("HOME", home.path()).args(arguments).output().unwrap();
    assert!(output.stdout.is_empty(), "{:?}", String::from_utf8_lossy(&output.stdout));
    assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 0, "nothing is written for a refused argument");
    (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn an_image_name_with_an_escape_sequence_is_refused_and_shown_without_it() {
    let (status, said) = run(&["trust", "verify", "a.test/\u{1b}[2JB\u{9b}1m:1"]);
    assert_eq!(status, 1);
    assert_eq!(said, "Error: invalid reference format: repository name (\\u{1b}[2JB\\u{9b}1m) must be lowercase\n");
}

#[test]
fn an_argument_that_makes_no_sense_ends_with_2_and_is_shown_without_what_a_terminal_obeys() {
    for arguments in [
        ["trust", "\u{1b}[2J", "x"].as_slice(),
        &["trust", "sign", "a.test/b:1", "--digest", "\u{1b}[2J", "--length", "1"],
        &["trust", "sign", "a.test/b:1", "--\u{9b}2J"],
    ] {
        let (status, said) = run(arguments);
        assert_eq!(status, 2, "{said}");
        assert!(!said.contains(|c: char| c.is_control() && c != '\n'), "{said:?}");
    }
}

#[test]
fn with_json_a_failure_is_one_document_that_names_its_code() {
    for (arguments, status, code, message) in [
        (["--output", "json", "trust", "verify", "a.test/B:1"].as_slice(), 1, "invalid", "(B) must be lowercase"),
        (&["trust", "verify", "a.test/b", "--output=json"], 1, "invalid", "no tag specified for a.test/b"),
        (&["trust", "nonsense", "--output", "json"], 2, "usage", "unrecognized subcommand 'nonsense'"),
        (&["--output=json"], 2, "usage", "Usage: bulla"),
    ] {
        let (exit, said) = run(arguments);
        let document: serde_json::Value = serde_json::from_str(&said).unwrap();
        assert_eq!((exit, document["error"]["code"].as_str().unwrap()), (status, code), "{said}");
        assert!(document["error"]["message"].as_str().unwrap().contains(message), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
    }
}

#[test]
fn a_container_without_an_image_looks_like_no_container_s_end() {
    for (arguments, expected) in
        [(["trust", "run"].as_slice(), 125), (&["trust", "run", "--rm"], 125), (&["trust", "create"], 2)]
    {
        let (status, said) = run(arguments);
        assert_eq!(status, expected, "{said}");
        assert!(said.contains("no image is named"), "{said}");
    }
}

#[test]
fn a_rotation_without_a_role_or_of_a_role_that_is_none_makes_no_sense() {
    for (arguments, message) in [
        (["key", "rotate", "a.test/b"].as_slice(), "must specify a GUN and a key role to rotate"),
        (&["key", "rotate", "a.test/b", "nonsense"], "\"nonsense\" is not the name of a role"),
        (&["key", "rotate"], "Usage: bulla key rotate GUN ROLE..."),
        (&["renew"], "Usage: bulla renew"),
        (&["doctor", "a.test/b", "--all"], "cannot be used with"),
    ] {
        let (status, said) = run(arguments);
        assert_eq!(status, 2, "{said}");
        assert!(said.contains(message), "{said}");
    }
}

#[test]
fn a_list_of_repositories_with_a_bad_line_is_refused_by_its_number() {
    let lists = tempfile::tempdir().unwrap();
    let path = lists.path().join("list");
    std::fs::write(&path, "a.test/b\n\na.test/\u{1}\n").unwrap();
    let path = path.to_str().unwrap();
    for arguments in [["renew", "--from", path].as_slice(), &["key", "rotate", "--from", path, "targets"]] {
        let (status, said) = run(arguments);
        assert_eq!(status, 1, "{said}");
        assert!(said.contains(", line 3: \"a.test/\\u{1}\" names no repository"), "{said}");
    }
}

#[test]
fn a_doctor_of_an_empty_directory_says_that_it_knows_no_repository() {
    let (status, said) = run(&["doctor"]);
    assert_eq!(status, 0, "{said}");
    assert!(said.starts_with("no repository is known in ") && said.ends_with("/.docker/trust\n"), "{said}");
}
