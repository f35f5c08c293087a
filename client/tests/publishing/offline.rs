//! Reading while the trust server is away: what is cached is used by permission only, and never without its age.

use std::fs::File;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use tuf_schema::{Role, UtcTime};

use crate::world::{Person, Server, gun};

/// A verb that reads, what it prints of the cache, and how it ends if that may not be read.
struct Verb {
    words: &'static [&'static str],
    prints: &'static str,
    refused: i32,
}

/// How a run ended and what it printed.
#[derive(Debug)]
struct Ended {
    code: Option<i32>,
    out: String,
    err: String,
}

const IMAGE: &str = "registry.test:5000/team/app:1";
const GUN: &str = "registry.test:5000/team/app";
/// Of the content `one`.
const DIGEST: &str = "7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed";
const VERBS: [Verb; 7] = [
    // As docker, always 1.
    Verb { words: &["trust", "inspect", IMAGE], prints: DIGEST, refused: 1 },
    Verb { words: &["trust", "inspect", "--pretty", IMAGE], prints: DIGEST, refused: 1 },
    Verb { words: &["trust", "verify", IMAGE], prints: DIGEST, refused: 4 },
    Verb { words: &["repo", "list", GUN], prints: DIGEST, refused: 4 },
    Verb { words: &["repo", "lookup", GUN, "1"], prints: DIGEST, refused: 4 },
    Verb { words: &["repo", "verify", GUN, "1"], prints: "one", refused: 4 },
    Verb { words: &["delegation", "list", GUN], prints: "No delegations present", refused: 4 },
];
const ALLOWED: &str = r#"{"allow_cached": true}"#;
const FORBIDDEN: &str = r#"{"allow_cached": false}"#;

/// Somebody who has signed, and fetched the newest timestamp two hours and a half ago.
async fn reader() -> Person {
    let (server, person) = (Server::new(), Person::new());
    #[expect(clippy::disallowed_methods, reason = "the process that is run has no other clock")]
    let now = SystemTime::now();
    *server.clock.lock().unwrap() = UtcTime::from_utc(now.into());
    person.sign(&server, "1", b"one").await.unwrap();
    person.read(&server).await.unwrap();
    let timestamp = File::options().write(true).open(person.directory().metadata(&gun(), &Role::Timestamp)).unwrap();
    timestamp.set_modified(now - Duration::from_secs(9_000)).unwrap();
    person
}

/// Runs `bulla` with `settings` as its own file, where nobody answers.
fn run(person: &Person, settings: Option<&str>, words: &[&str]) -> Ended {
    let own = person.directory().own_file();
    match settings {
        Some(text) => std::fs::write(own, text).unwrap(),
        None => drop(std::fs::remove_file(own)),
    }
    let mut child = Command::new(env!("CARGO_BIN_EXE_bulla"))
        .arg("-d")
        .arg(person.directory().as_path())
        .args(["-s", "https://127.0.0.1:1"])
        .args(words)
        .env_clear()
        .env("HOME", person.directory().as_path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A verb that reads none may have ended.
    let _ = child.stdin.take().unwrap().write_all(b"one");
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ended { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

fn with_flag(words: &[&'static str]) -> Vec<&'static str> {
    [words, &["--allow-cached"]].concat()
}

#[tokio::test]
async fn no_verb_reads_the_cache_unless_it_is_allowed_and_each_says_how_old_it_is_and_how_to_allow_it() {
    let person = reader().await;
    let file = person.directory().own_file();
    let how = format!(
        "cannot reach 127.0.0.1:1: Connection refused (os error 111); what is cached was fetched 2 hours ago: to use it \
         until it expires, say --allow-cached, or \"allow_cached\": true in {}\n",
        file.display()
    );
    for verb in &VERBS {
        for settings in [None, Some(FORBIDDEN)] {
            let ended = run(&person, settings, verb.words);
            assert_eq!(ended.code, Some(verb.refused), "{:?}: {ended:?}", verb.words);
            assert!(!ended.out.contains(verb.prints), "{ended:?}");
            assert!(ended.err.contains(&how), "{ended:?}");
        }
    }
    let ended = run(&person, None, &["trust", "verify", IMAGE, "--output", "json"]);
    assert!(ended.err.contains(r#"{"error":{"code":"unreachable","#), "{ended:?}");
}

#[tokio::test]
async fn every_verb_reads_the_cache_where_the_command_line_or_the_settings_allow_it_and_says_how_old_it_is() {
    let person = reader().await;
    for verb in &VERBS {
        let flag = with_flag(verb.words);
        for (settings, words) in
            [(None, flag.as_slice()), (Some(FORBIDDEN), &flag), (Some(ALLOWED), &flag), (Some(ALLOWED), verb.words)]
        {
            let ended = run(&person, settings, words);
            assert_eq!(ended.code, Some(0), "{words:?}: {ended:?}");
            assert!(ended.out.contains(verb.prints), "{ended:?}");
            let warning = "Warning: the trust server cannot be reached; using cached trust data, fetched 2 hours ago, valid until";
            assert!(ended.err.contains(warning), "{ended:?}");
        }
    }
}

#[tokio::test]
async fn what_to_pin_is_never_read_from_the_cache() {
    let ended = run(&reader().await, Some(ALLOWED), &["pin", "show", GUN]);
    assert_eq!((ended.code, ended.out.as_str()), (Some(4), ""), "{ended:?}");
    assert!(!ended.err.contains("cached"), "{ended:?}");
}

#[test]
fn where_nothing_is_cached_nothing_is_said_of_a_cache() {
    let person = Person::new();
    std::fs::create_dir_all(person.directory().as_path()).unwrap();
    for words in [VERBS[2].words.to_vec(), with_flag(VERBS[2].words)] {
        let ended = run(&person, None, &words);
        assert_eq!(ended.code, Some(4), "{ended:?}");
        assert_eq!(
            ended.err,
            format!("Error: cannot verify {IMAGE}: cannot reach 127.0.0.1:1: Connection refused (os error 111)\n")
        );
    }
}
