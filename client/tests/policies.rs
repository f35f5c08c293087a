//! The binary itself with a policy: one that cannot be used ends every run, and `policy test` says what there is.

#![expect(clippy::unwrap_used, reason = "a test fails where it stands")]

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A trust server at which nobody answers.
const NOBODY: &str = "https://127.0.0.1:1";

/// A home with this policy, readable by everybody.
fn home(policy: &str) -> (tempfile::TempDir, PathBuf) {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join(".docker/trust/policy.toml");
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(&file, policy).unwrap();
    set(&file, 0o644);
    set(file.parent().unwrap(), 0o700);
    (home, file)
}

fn set(file: &Path, mode: u32) {
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(mode)).unwrap();
}

/// Exit status, standard output and standard error.
fn run(home: &Path, arguments: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bulla"));
    let command = command.env_clear().env("HOME", home).env("DOCKER_CONTENT_TRUST_SERVER", NOBODY);
    let output = command.args(arguments).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

const DECIDING: [&[&str]; 3] =
    [&["trust", "verify", "a.test/b:1"], &["verify", "a.test/b:1"], &["policy", "test", "a.test/b:1"]];

#[test]
fn a_policy_that_cannot_be_used_ends_every_verb_that_decides_before_anybody_is_asked() {
    for (text, mode, why) in [
        ("[[rule]]\nimages = [\"*\"]\nsigners = { anyone = true }\n", 0o644, "line 2: rule.images: \"*\" has a star"),
        ("default = \"signed\"\ndefualt = 1\n", 0o644, "line 2: unknown field `defualt`"),
        ("default = \"signed\"\n", 0o666, "is open to others (mode 0666); it should be 0644"),
        ("default = \"signed\"\n", 0o664, "is open to others (mode 0664); it should be 0644"),
    ] {
        let (home, file) = home(text);
        set(&file, mode);
        for arguments in DECIDING {
            let (status, out, said) = run(home.path(), arguments);
            assert_eq!((status, out.as_str()), (1, ""), "{said}");
            assert!(said.contains(&format!("{}", file.display())) && said.contains(why), "{said}");
            assert!(!said.contains("127.0.0.1"), "{said}");
        }
    }
}

#[test]
fn a_policy_that_others_can_replace_ends_every_verb_that_decides() {
    let (home, file) = home("default = \"signed\"\n");
    let directory = file.parent().unwrap();
    set(directory, 0o777);
    for arguments in DECIDING {
        let (status, out, said) = run(home.path(), arguments);
        assert_eq!((status, out.as_str()), (1, ""), "{said}");
        assert!(said.contains(&format!("chmod go-w {}", directory.display())), "{said}");
    }
    // Elsewhere, too; and where only its owner takes a file away, it is used, and the trust server is asked for.
    let elsewhere = home.path().join("p.toml").display().to_string();
    std::fs::write(&elsewhere, "default = \"signed\"\n").unwrap();
    set(Path::new(&elsewhere), 0o644);
    for (mode, expected) in [(0o777, 1), (0o1777, 4), (0o700, 4)] {
        set(home.path(), mode);
        let (status, _, said) = run(home.path(), &[&["--policy", &elsewhere], DECIDING[0]].concat());
        assert_eq!(status, expected, "{mode:o}: {said}");
    }
}

#[test]
fn a_policy_that_cannot_be_used_lets_nothing_run_and_looks_like_no_container_s_end() {
    let (home, _file) = home("defualt = 1\n");
    let image = format!("a.test/b@sha256:{}", "a".repeat(64));
    for (verb, expected) in [("run", 125), ("create", 1), ("pull", 1)] {
        let (status, out, said) = run(home.path(), &["trust", verb, &image]);
        assert_eq!((status, out.as_str()), (expected, ""), "{verb}: {said}");
        assert!(said.contains("unknown field `defualt`"), "{verb}: {said}");
    }
}

#[test]
fn a_policy_that_is_named_and_not_there_is_no_absent_one() {
    let (home, file) = home("");
    std::fs::remove_file(&file).unwrap();
    let named = file.with_file_name("other.toml").display().to_string();
    for arguments in DECIDING {
        let (status, out, said) = run(home.path(), &[&["--policy", &named], arguments].concat());
        assert_eq!((status, out.as_str()), (1, ""), "{said}");
        assert!(said.contains(&format!("cannot read the policy {named}: ")), "{said}");
    }
    // Without one at all the trust server is asked, whom nobody reaches.
    assert_eq!(run(home.path(), DECIDING[0]).0, 4);
    let (status, _, said) = run(home.path(), DECIDING[2]);
    assert_eq!(status, 1);
    assert!(said.starts_with(&format!("Error: there is no policy at {}; --policy FILE names another", file.display())));
}

#[test]
fn a_policy_is_tested_without_a_server_and_says_which_exceptions_have_ended() {
    let exception = |tag: &str, year: u16| {
        format!("[[exception]]\nimage = \"a.test/b:{tag}\"\nuntil = {year}-01-01T00:00:00Z\nreason = \"r\"\n")
    };
    let rule = "[[rule]]\nimages = [\"a.test/*\"]\nsigners = { any = [\"alice\"] }\n";
    let (home, file) = home(&format!("mode = \"audit\"\n{rule}{}{}", exception("1", 2020), exception("2", 9999)));
    let (status, out, said) = run(home.path(), &["policy", "test"]);
    let first = format!("policy {}: mode audit, rules 1, exceptions 2", file.display());
    let ended = "line 6: exception for a.test/b:1; it ended at 2020-01-01T00:00:00Z (r)";
    assert_eq!((status, out.as_str(), said.as_str()), (0, &*format!("{first}\n{ended}\n"), ""));
    let (_, out, _) = run(home.path(), &["--output", "json", "policy", "test"]);
    let document: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(document["policy"]["mode"], "audit");
    assert_eq!(document["ended"].as_array().unwrap().len(), 1);
}

#[test]
fn a_digest_that_an_exception_names_unsigned_is_let_through_with_a_warning_and_no_server() {
    let image = format!("a.test/b@sha256:{}", "0".repeat(64));
    let text = |year: u16| {
        format!("[[exception]]\nimage = \"{image}\"\nuntil = {year}-01-01T00:00:00Z\nreason = \"r\"\nunsigned = true\n")
    };
    let (home, file) = home(&text(9999));
    let (status, out, said) = run(home.path(), &["--output", "json", "verify", &image]);
    let document: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((status, document["images"][0]["decision"].as_str().unwrap()), (0, "excepted"), "{said}");
    assert!(said.contains("{\"warning\":\"") && said.contains("passes by an exception"), "{said}");
    // A tag, or a digest whose exception has ended, needs trust data, and nobody can be asked for it.
    assert_eq!(run(home.path(), &["verify", "a.test/b:1"]).0, 4);
    std::fs::write(&file, text(2020)).unwrap();
    let (status, out, said) = run(home.path(), &["verify", &image]);
    assert_eq!(status, 4, "{said}");
    assert!(out.contains(": undecided") && said.contains("it ended at 2020-01-01T00:00:00Z (r)"), "{out}{said}");
}

#[test]
fn several_images_are_decided_one_by_one_and_one_that_is_none_keeps_no_other_from_it() {
    let (home, _) = home("");
    let (status, out, said) = run(home.path(), &["verify", "a.test/B:1", "a.test/b:1"]);
    assert_eq!(status, 1, "{said}");
    assert!(out.contains("a.test/B:1: undecided") && out.contains("a.test/b:1: undecided"), "{out}");
    assert_eq!(said.matches("Error:").count(), 2, "{said}");
    assert_eq!(run(home.path(), &["verify"]).0, 2);
}
