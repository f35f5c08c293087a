//! What is acknowledged has reached the disk before: `kill` cannot show a missing fsync, the system calls do.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test fails where it stands")]

use std::process::Stdio;

use e2e::stack::{Kind, Stack};
use e2e::upload::{Story, server_key};
use tokio::process::{Child, Command};

/// Traces both processes' syncs and answers; `None` where strace is not installed.
struct Trace {
    strace: Child,
    output: std::path::PathBuf,
}

impl Trace {
    async fn attach(stack: &Stack) -> Option<Self> {
        let output = stack.folder().join("strace.out");
        let ids = [stack.server.id().unwrap(), stack.signer.as_ref().unwrap().id().unwrap()];
        let mut command = Command::new("strace");
        command.args(["-f", "-y", "-s", "64", "-e", "trace=fsync,fdatasync,write,writev,sendto,sendmsg", "-o"]);
        command.arg(&output);
        for id in ids {
            command.args(["-p", &id.to_string()]);
        }
        let Ok(strace) = command.stderr(Stdio::piped()).kill_on_drop(true).spawn() else {
            #[expect(clippy::disallowed_methods, reason = "CI forbids a silent skip")]
            let ci = std::env::var("CI").is_ok();
            assert!(!ci, "strace is not installed");
            println!("SKIP: strace is not installed");
            return None;
        };
        let mut trace = Self { strace, output };
        trace.wait_until_attached().await;
        Some(trace)
    }

    /// strace says so on stderr, once for each process.
    async fn wait_until_attached(&mut self) {
        use tokio::io::AsyncBufReadExt as _;
        let stderr = self.strace.stderr.take().unwrap();
        let mut lines = tokio::io::BufReader::new(stderr).lines();
        for _ in 0..2 {
            let line = lines.next_line().await.unwrap().unwrap_or_default();
            assert!(line.contains("attached"), "strace says {line:?}");
        }
        // It goes on talking about new threads, and would end if nobody listened.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    }

    /// Ends the trace and gives its lines.
    async fn lines(mut self) -> Vec<String> {
        let id = self.strace.id().unwrap().to_string();
        Command::new("kill").args(["-INT", &id]).status().await.unwrap();
        self.strace.wait().await.unwrap();
        std::fs::read_to_string(&self.output).unwrap().lines().map(str::to_owned).collect()
    }
}

fn is_sync_of(line: &str, database: &str) -> bool {
    (line.contains("fsync(") || line.contains("fdatasync(")) && line.contains(database)
}

/// For each HTTP 200 in the trace, whether `database` was synced since the answer before it.
fn synced_before_each_answer(lines: &[String], database: &str) -> Vec<bool> {
    let mut answers = Vec::new();
    let mut synced = false;
    for line in lines {
        synced |= is_sync_of(line, database);
        if line.contains("HTTP/1.1 200") {
            answers.push(std::mem::take(&mut synced));
        }
    }
    answers
}

#[tokio::test]
async fn every_publish_is_synced_before_it_is_acknowledged() {
    let stack = Stack::start(Kind::Durable).await.unwrap();
    let mut story = Story::published(stack.port(), "example.com/synced").await.unwrap();
    let Some(trace) = Trace::attach(&stack).await else { return };
    for number in 0..5 {
        assert_eq!(story.send_tag(&format!("t{number}")).await.unwrap().status, 200);
    }
    let answers = synced_before_each_answer(&trace.lines().await, "/server.db");
    assert_eq!(answers, [true; 5], "one entry for each publish");
}

#[tokio::test]
async fn every_new_key_is_synced_before_it_is_handed_out() {
    let stack = Stack::start(Kind::Durable).await.unwrap();
    let Some(trace) = Trace::attach(&stack).await else { return };
    for number in 0..5 {
        server_key(stack.port(), &format!("example.com/key/{number}"), "timestamp").await.unwrap();
    }
    let answers = synced_before_each_answer(&trace.lines().await, "/signer.db");
    assert_eq!(answers, [true; 5], "one entry for each key");
}
