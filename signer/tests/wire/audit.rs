//! The audit chain of a real process: what it records, that tampering is found, and what a full disk does.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output};
use std::time::{Duration, Instant};

use tonic::Code;
use tuf_schema::Sha256;

use crate::left_out::left_out;
use crate::process::{SNAPSHOT, Started, TIMESTAMP, program};
use crate::signer::{Client, Place, Settings, connect, id};

/// Settings with a chain of records in `directory`.
pub(crate) fn settings(directory: &Path) -> Settings {
    let usual = Settings::default();
    // the section behind the one of the storage
    let storage = format!(
        r#"{}}}, "audit": {{"directory": {directory:?}, "signer": "signer-1", "second_place": ".""#,
        usual.storage
    );
    Settings { storage, ..usual }
}

/// With readiness on a port of its own, too.
fn with_http(directory: &Path) -> Settings {
    let mut settings = settings(directory);
    settings.server.push_str(r#", "http_addr": "127.0.0.1:0""#);
    settings
}

fn audit(place: &Place, directory: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let Output { status, stdout, stderr } =
        program(place, &settings(directory)).args(["audit"]).args(arguments).output().unwrap();
    (status.code(), String::from_utf8([stdout, stderr].concat()).unwrap())
}

/// Offline, on copied files.
fn verify_copy(directory: &Path, heads: &Path) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bulla-signer"));
    command.env_clear().args(["audit", "verify"]).arg(directory).arg("--heads").arg(heads);
    let Output { status, stdout, stderr } = command.output().unwrap();
    (status.code(), String::from_utf8([stdout, stderr].concat()).unwrap())
}

async fn until_ready_says(started: &Started, told: &str) {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let ready = started.readiness().await;
        if ready.contains(told) {
            return;
        }
        assert!(Instant::now() < deadline, "{ready}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

pub(crate) async fn create_sign_refuse_delete(client: &Client) -> String {
    let key = client.create("registry.test/app", "timestamp").await.unwrap();
    client.sign(Some(id(&key)), TIMESTAMP).await.unwrap();
    client.sign(Some(id(&key)), SNAPSHOT).await.unwrap_err();
    client.delete(id(&key)).await.unwrap();
    id(&key).to_owned()
}

struct Copy(tempfile::TempDir);

impl Copy {
    fn of(place: &Place, directory: &Path) -> Self {
        let copy = Self(tempfile::tempdir().unwrap());
        fs::create_dir_all(copy.chain().parent().unwrap()).unwrap();
        fs::copy(directory.join("signer-1/00000001.jsonl"), copy.chain()).unwrap();
        fs::copy(place.path().join("signer-1.heads.jsonl"), copy.heads()).unwrap();
        copy
    }
    fn chain(&self) -> PathBuf {
        self.0.path().join("audit/signer-1/00000001.jsonl")
    }
    fn heads(&self) -> PathBuf {
        self.0.path().join("heads")
    }
    fn change(&self, change: impl Fn(&mut Vec<String>)) {
        let mut lines: Vec<_> = fs::read_to_string(self.chain()).unwrap().lines().map(str::to_owned).collect();
        change(&mut lines);
        fs::write(self.chain(), lines.join("\n") + "\n").unwrap();
    }
    fn verify(&self) -> (Option<i32>, String) {
        verify_copy(&self.0.path().join("audit"), &self.heads())
    }
}

#[tokio::test]
async fn every_use_is_in_the_chain_and_each_tampering_is_found() {
    let place = Place::new();
    let directory = place.path().join("audit");
    let mut started = Started::by(program(&place, &settings(&directory)), &place);
    let key = create_sign_refuse_delete(&started.client(&place).await).await;
    started.terminate().await;

    let (status, text) = audit(&place, &directory, &["verify"]);
    assert_eq!(status, Some(0), "{text}");
    let (status, text) = audit(&place, &directory, &["export", "--key", &key]);
    assert_eq!(status, Some(0), "{text}");
    let lines: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let told: Vec<_> =
        lines.iter().map(|line| (line["event"].as_str().unwrap(), line["outcome"].as_str().unwrap())).collect();
    let expected = [("create", "done"), ("sign", "done"), ("sign", "refused"), ("delete", "begun"), ("delete", "done")];
    assert_eq!(told, expected);
    assert_eq!(lines[1]["sha256"], Sha256::of(TIMESTAMP).to_hex());
    assert_eq!((&lines[1]["caller"], &lines[1]["gun"]), (&"server.test".into(), &"registry.test/app".into()));

    let found = |change: &dyn Fn(&mut Vec<String>)| {
        let copy = Copy::of(&place, &directory);
        assert_eq!(copy.verify().0, Some(0));
        copy.change(change);
        let (status, text) = copy.verify();
        assert_eq!(status, Some(1), "{text}");
        text
    };
    let text = found(&|lines| lines[3] = lines[3].replace("server.test", "server.tess"));
    assert!(text.contains("00000001.jsonl, line 4: edited"), "{text}");
    let text = found(&|lines| drop(lines.remove(3)));
    assert!(text.contains("00000001.jsonl, line 4: removed: lines 4 to 4"), "{text}");
    let text = found(&|lines| lines.swap(3, 4));
    assert!(text.contains("00000001.jsonl, line 4: reordered: line 5"), "{text}");
    let copy = Copy::of(&place, &directory);
    fs::copy(copy.chain(), copy.chain().with_file_name("00000003.jsonl")).unwrap();
    let (status, text) = copy.verify();
    assert!(status == Some(1) && text.contains("00000002.jsonl: removed: the file is missing"), "{status:?} {text}");
    let text = found(&|lines| drop(lines.pop()));
    assert!(text.contains("tail cut off: the chain ends with line 7"), "{text}");
    let (status, text) = verify_copy(&directory.join("absent"), &place.path().join("signer-1.heads.jsonl"));
    assert_eq!(status, Some(2), "{text}");
    // a directory in the place of the file of heads
    let (status, text) = verify_copy(&directory, place.path());
    assert!(status == Some(2) && !text.contains("sound"), "{text}");
}

#[tokio::test]
async fn a_signer_does_not_start_on_a_chain_whose_tail_was_cut_off() {
    let place = Place::new();
    let directory = place.path().join("audit");
    let mut started = Started::by(program(&place, &settings(&directory)), &place);
    create_sign_refuse_delete(&started.client(&place).await).await;
    started.terminate().await;
    let file = directory.join("signer-1/00000001.jsonl");
    let text = fs::read_to_string(&file).unwrap();
    let kept = text.lines().count() - 1;
    fs::write(&file, text.split_inclusive('\n').take(kept).collect::<String>()).unwrap();
    let Output { status, stderr, .. } = program(&place, &settings(&directory)).output().unwrap();
    let printed = String::from_utf8(stderr).unwrap();
    assert_eq!(status.code(), Some(1), "{printed}");
    assert!(printed.contains("the tail was cut off"), "{printed}");
    // put back, it starts
    fs::write(&file, text).unwrap();
    let mut started = Started::by(program(&place, &settings(&directory)), &place);
    started.client(&place).await.health("").await.unwrap();
    started.terminate().await;
}

#[tokio::test]
async fn a_flood_that_is_turned_away_is_a_few_lines_that_count_it() {
    const FLOOD: u64 = 200;
    let place = Place::new();
    let directory = place.path().join("audit");
    let mut limited = settings(&directory);
    limited.storage.push_str(r#"}, "limits": {"key_signatures": 1"#);
    let mut started = Started::by(program(&place, &limited), &place);
    let client = started.client(&place).await;
    let key = client.create("registry.test/app", "timestamp").await.unwrap();
    client.sign(Some(id(&key)), TIMESTAMP).await.unwrap();
    let other = place.authority.issue("other.test");
    for _ in 0..FLOOD {
        assert_eq!(client.sign(Some(id(&key)), TIMESTAMP).await.unwrap_err().code(), Code::ResourceExhausted);
        assert_eq!(client.sign(None, TIMESTAMP).await.unwrap_err().code(), Code::InvalidArgument);
    }
    let channel = connect(started.address().unwrap(), &place.authority.file(), Some(&other)).await.unwrap();
    let stranger = Client { channel };
    for _ in 0..FLOOD {
        assert_eq!(stranger.describe(id(&key)).await.unwrap_err().code(), Code::PermissionDenied);
    }
    let log = started.terminate().await;
    assert_eq!(log.matches("turned away").count(), 2 * 6, "{log}");

    let (status, text) = audit(&place, &directory, &["export"]);
    assert_eq!(status, Some(0), "{text}");
    let lines: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(lines.iter().all(|line| line["outcome"] != "refused"), "{text}");
    // one in the first minute, and one at the end
    for (caller, number) in [("server.test", 2 * FLOOD), ("other.test, localhost, alt.other.test", FLOOD)] {
        let is_its = |line: &&serde_json::Value| line["event"] == "turned_away" && line["caller"] == caller;
        let counted: Vec<_> = lines.iter().filter(is_its).map(|line| line["number"].as_u64().unwrap()).collect();
        assert!((1..=2).contains(&counted.len()) && counted.iter().sum::<u64>() == number, "{text}");
    }
    assert_eq!(audit(&place, &directory, &["verify"]).0, Some(0));
}

#[tokio::test]
async fn the_key_of_heads_is_sealed_anew_with_the_others_and_is_never_replaced() {
    let place = Place::new();
    let directory = place.path().join("audit");
    let program_with = |default: &str, passphrases: &[(&str, &str)]| {
        let mut settings = settings(&directory);
        settings.storage = settings.storage.replace("k1", default);
        let mut command = program(&place, &settings);
        command.env_remove("NOTARY_SIGNER_K1").envs(passphrases.iter().copied());
        command
    };
    let (old, new) = (("NOTARY_SIGNER_OLD", "one"), ("NOTARY_SIGNER_NEW", "two"));
    let public_key = |log: &str| {
        let lines = log.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        lines.filter_map(|line| line["public_key"].as_str().map(str::to_owned)).next().unwrap()
    };
    let mut started = Started::by(program_with("old", &[old]), &place);
    create_sign_refuse_delete(&started.client(&place).await).await;
    let key = public_key(&started.terminate().await);

    let Output { status, stderr, .. } = program_with("new", &[new]).output().unwrap();
    let printed = String::from_utf8(stderr).unwrap();
    assert_eq!(status.code(), Some(1), "{printed}");
    assert!(printed.contains("of signer-1 does not open under alias old: set what opens it"), "{printed}");

    let rewrap = program_with("new", &[old, new]).args(["rewrap", "--to", "new", "--from", "old"]).output().unwrap();
    assert_eq!(rewrap.status.code(), Some(0), "{rewrap:?}");
    let mut started = Started::by(program_with("new", &[new]), &place);
    create_sign_refuse_delete(&started.client(&place).await).await;
    assert_eq!(public_key(&started.terminate().await), key);
    let verify =
        program_with("new", &[new]).args(["audit", "verify", "--signer", "signer-1", "--public-key", &key]).output();
    let verify = verify.unwrap();
    assert_eq!(verify.status.code(), Some(0), "{verify:?}");
}

/// A small disk of its own; `None` where this account may not mount one.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(at: &Path) -> Option<Self> {
        fs::create_dir(at).unwrap();
        let done =
            Command::new("mount").args(["-t", "tmpfs", "-o", "size=256k,mode=700", "bulla-audit"]).arg(at).status();
        if done.is_ok_and(|status| status.success()) {
            return Some(Self(at.to_owned()));
        }
        left_out("no disk can be mounted");
        None
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // a disk that stays is left to the system
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[tokio::test]
async fn readiness_says_that_answers_do_not_wait_for_the_disk() {
    for (sync, told) in [("true", "audit chain"), ("false", "audit chain, relaxed: answers do not wait for the disk")] {
        let place = Place::new();
        let directory = place.path().join("audit");
        let mut relaxed = with_http(&directory);
        relaxed.storage.push_str(&format!(r#", "sync": {sync}"#));
        let mut started = Started::by(program(&place, &relaxed), &place);
        let client = started.client(&place).await;
        create_sign_refuse_delete(&client).await;
        let ready = started.readiness().await;
        assert!(ready.contains(&format!("\n{told} (to make keys and to sign): ok\n")), "{ready}");
        started.terminate().await;
        assert_eq!(audit(&place, &directory, &["verify"]).0, Some(0));
    }
}

/// A pipe that is full: whoever writes into it waits until somebody reads, as with a mount that hangs.
fn full_pipe(at: &Path) -> File {
    assert!(Command::new("mkfifo").arg(at).status().unwrap().success());
    let flags = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap();
    let mut pipe = File::options().read(true).write(true).custom_flags(flags).open(at).unwrap();
    while pipe.write_all(&[0; 4096]).is_ok() {}
    while pipe.write_all(&[0; 1]).is_ok() {}
    pipe
}

#[tokio::test]
async fn a_second_place_that_hangs_is_named_by_readiness_and_holds_up_neither_heads_nor_the_end() {
    let place = Place::new();
    let directory = place.path().join("audit");
    let mut started = Started::by(program(&place, &with_http(&directory)), &place);
    let client = started.client(&place).await;
    let (pipe, heads) = (place.path().join("pipe"), place.path().join("signer-1.heads.jsonl"));
    let _unread = full_pipe(&pipe);
    fs::rename(&pipe, &heads).unwrap();
    let key = client.create("registry.test/app", "timestamp").await.unwrap();
    let told = "\naudit heads: the head of the audit chain is not in the second place: audit.second_place does not \
                answer within 3 seconds; look at what is mounted there\n";
    until_ready_says(&started, told).await;
    client.sign(Some(id(&key)), TIMESTAMP).await.unwrap();
    started.terminate().await;
    // the head of the end is in the database
    fs::remove_file(&heads).unwrap();
    let (status, text) = audit(&place, &directory, &["verify"]);
    assert!(status == Some(0) && text.contains("5 lines") && text.contains(" at line 5,"), "{text}");
}

#[tokio::test]
async fn a_full_disk_stops_signing_until_there_is_room() {
    let place = Place::new();
    let mount = place.path().join("disk");
    let Some(_disk) = SmallDisk::mount(&mount) else { return };
    let directory = mount.join("audit");
    let mut started = Started::by(program(&place, &with_http(&directory)), &place);
    let client = started.client(&place).await;
    let key = client.create("registry.test/app", "timestamp").await.unwrap();
    client.sign(Some(id(&key)), TIMESTAMP).await.unwrap();

    let filler = mount.join("filler");
    let mut file = File::create(&filler).unwrap();
    while file.write_all(&[0; 1024]).is_ok() {}
    while file.write_all(&[0; 1]).is_ok() {}
    // what is left of the chain's last page is used up
    let refusal = loop {
        match client.sign(Some(id(&key)), TIMESTAMP).await {
            Ok(_) => {}
            Err(refusal) => break refusal,
        }
    };
    assert_eq!(refusal.code(), Code::Unavailable, "{refusal}");
    assert!(refusal.message().contains("audit record"), "{refusal}");
    assert_eq!(client.delete(id(&key)).await.unwrap_err().code(), Code::Unavailable);
    let ready = started.readiness().await;
    assert!(ready.contains("\naudit chain (to make keys and to sign): the audit record cannot be written"), "{ready}");

    drop(file);
    fs::remove_file(&filler).unwrap();
    client.sign(Some(id(&key)), TIMESTAMP).await.unwrap();
    let ready = started.readiness().await;
    assert!(ready.contains("\naudit chain (to make keys and to sign): ok\n"), "{ready}");
    started.terminate().await;
    let (status, text) = audit(&place, &directory, &["verify"]);
    assert_eq!(status, Some(0), "{text}");
    let (_, resumed) = audit(&place, &directory, &["export", "--event", "resumed"]);
    assert!(resumed.contains(r#""number":2"#) && resumed.contains("No space left"), "{resumed}");
}

/// A disk that does not answer: each `fdatasync` of a file by a process waits for a minute, or until this is gone.
/// `None` where other processes cannot be traced.
struct HeldDisk(Child);

impl HeldDisk {
    fn hold(process: u32, file: &Path, log: &Path) -> Option<Self> {
        let mut command = Command::new("strace");
        command.args(["-f", "-e", "trace=fdatasync", "-e", "inject=fdatasync:delay_enter=60s", "-P"]).arg(file);
        let started = command.args(["-p", &process.to_string()]).stderr(File::create(log).unwrap()).spawn();
        let Ok(child) = started else {
            left_out("there is no strace");
            return None;
        };
        let mut held = Self(child);
        // it says so when it holds every thread
        while !fs::read_to_string(log).unwrap().contains("attached") {
            if held.0.try_wait().unwrap().is_some() {
                left_out("strace may not trace other processes");
                return None;
            }
            std::thread::yield_now();
        }
        Some(held)
    }
}

impl Drop for HeldDisk {
    fn drop(&mut self) {
        // an error means that it has ended
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn a_disk_that_hangs_is_named_by_readiness_until_it_answers() {
    let place = Place::new();
    let directory = place.path().join("audit");
    let mut started = Started::by(program(&place, &with_http(&directory)), &place);
    let client = started.client(&place).await;
    let key = client.create("registry.test/app", "timestamp").await.unwrap();
    let file = directory.join("signer-1/00000001.jsonl");
    let Some(held) = HeldDisk::hold(started.process(), &file, &place.path().join("strace.log")) else { return };
    let refusal = client.sign(Some(id(&key)), TIMESTAMP).await.unwrap_err();
    assert_eq!(refusal.code(), Code::Unavailable, "{refusal}");
    let told = "\naudit chain (to make keys and to sign): the audit record does not get to the disk in time; nothing is \
                signed until it does\n";
    until_ready_says(&started, told).await;
    assert_eq!(client.health("").await.unwrap(), 2, "not serving");
    drop(held);
    client.sign(Some(id(&key)), TIMESTAMP).await.unwrap();
    until_ready_says(&started, "\naudit chain (to make keys and to sign): ok\n").await;
    started.terminate().await;
    assert_eq!(audit(&place, &directory, &["verify"]).0, Some(0));
}
