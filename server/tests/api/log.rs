//! What a real process writes of each request, and what it never does.

use std::io::{BufRead, BufReader, Lines, Read, Write};
use std::net::TcpStream;
use std::process::{Child, ChildStderr, Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

/// What must be in no line, as a token and as part of a query.
const SECRET: &str = "eyJhbGciOiJub25lIn0.c2VjcmV0LXRva2Vu.c2lnbmF0dXJl";

struct Process {
    child: Child,
    lines: Lines<BufReader<ChildStderr>>,
    port: u16,
    _folder: TempDir,
}

impl Process {
    /// A server that writes everything, and asks for tokens or does not.
    fn start(format: &str, with_auth: bool) -> Self {
        Self::start_at("debug", format, with_auth)
    }

    /// The same from this level up.
    fn start_at(level: &str, format: &str, with_auth: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut config = json!({
            "server": {"http_addr": "127.0.0.1:0"}, "trust_service": {"type": "local"}, "storage": {"backend": "memory"},
            "logging": {"level": level},
        });
        if with_auth {
            let bundle = rcgen::generate_simple_self_signed([]).unwrap().cert.pem();
            std::fs::write(folder.path().join("bundle.crt"), bundle).unwrap();
            config["auth"] = json!({"type": "token", "options": {
                "realm": "https://auth.example.com/token", "service": "notary-server",
                "issuer": "auth.example.com", "rootcertbundle": "bundle.crt",
            }});
        }
        let path = folder.path().join("server.json");
        std::fs::write(&path, config.to_string()).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_bulla-server"))
            .args(["-config", path.to_str().unwrap(), "-logf", format])
            .env_clear()
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let told = lines.by_ref().map(Result::unwrap).find(|line| line.contains("127.0.0.1:")).unwrap();
        let digits = told.split("127.0.0.1:").nth(1).unwrap().split(|c: char| !c.is_ascii_digit()).next().unwrap();
        Self { child, lines, port: digits.parse().unwrap(), _folder: folder }
    }

    fn ask(&self, path: &str, header: &str) {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        let head = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{header}\r\n\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        stream.read_to_end(&mut Vec::new()).unwrap();
    }

    /// Sends a signal, and waits for the line that says which level it set.
    fn signal(&mut self, name: &str) -> String {
        let sent = Command::new("kill").args([format!("-{name}"), self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
        let lines = self.lines.by_ref().map(Result::unwrap);
        let line: Vec<String> = lines.filter(|line| line.contains("a signal set the log level")).take(1).collect();
        serde_json::from_str::<Value>(&line[0]).unwrap()["log_level"].as_str().unwrap().to_owned()
    }

    /// Ends the process, and gives all it wrote after its start.
    fn end(mut self) -> Vec<String> {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.lines.map(Result::unwrap).collect()
    }
}

#[test]
fn each_request_is_one_line_that_says_what_was_asked_by_whom_and_what_became_of_it() {
    let server = Process::start("json", false);
    server.ask("/v2/example.com/app/_trust/tuf/7.targets/releases.json", "X-Other: 1");
    let written: Vec<Value> = server.end().iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let lines: Vec<&Value> = written.iter().filter(|line| !line["request"].is_null()).collect();
    let [line] = lines.as_slice() else { panic!("{lines:?}") };
    for (member, value) in [
        ("level", json!("info")),
        ("msg", json!("request answered")),
        ("protocol", json!("HTTP/1.1")),
        ("method", json!("GET")),
        ("operation", json!("GetRoleByVersion")),
        ("gun", json!("example.com/app")),
        ("role", json!("targets/releases")),
        ("version", json!("7")),
        ("client", json!("127.0.0.1")),
        ("status", json!(404)),
        ("code", json!("METADATA_NOT_FOUND")),
    ] {
        assert_eq!(line[member], value, "{member}: {line}");
    }
    assert!(line["microseconds"].is_u64() && line["request"].is_string(), "{line}");
}

#[test]
fn no_line_has_a_token_or_anything_of_a_query_at_any_level() {
    for format in ["json", "logfmt"] {
        for with_auth in [false, true] {
            let server = Process::start(format, with_auth);
            let paths = ["/v2/", "/v2/a/b/_trust/tuf/root.json", "/v2/a/b/_trust/changefeed", "/v2/a/b/_trust/update"];
            for path in paths.iter().chain(&["/v2//a/b/_trust/tuf/root.json", "/nothing", "/ready", "/metrics"]) {
                let query = format!("{path}?token={SECRET}&access_token={SECRET}&change_id={SECRET}");
                for scheme in ["Bearer", "Basic", "bearer  "] {
                    server.ask(&query, &format!("Authorization: {scheme} {SECRET}"));
                }
            }
            let written = server.end();
            assert!(written.iter().filter(|line| line.contains("request")).count() >= 24, "{written:#?}");
            // nor a part of it
            for part in SECRET.split('.') {
                assert!(!written.iter().any(|line| line.contains(part)), "{written:#?}");
            }
        }
    }
}

#[test]
fn signals_raise_and_lower_the_log_level_and_end_nothing() {
    let mut server = Process::start_at("info", "json", false);
    for (signal, level) in [("USR1", "debug"), ("USR1", "debug"), ("USR2", "info"), ("USR2", "warning")] {
        assert_eq!(server.signal(signal), level, "{signal}");
    }
    server.ask("/v2/a/b/_trust/tuf/root.json", "X-Other: 1");
    for (signal, level) in [("USR2", "error"), ("USR2", "error"), ("USR1", "warning"), ("USR1", "info")] {
        assert_eq!(server.signal(signal), level, "{signal}");
    }
    server.ask("/v2/c/d/_trust/tuf/root.json", "X-Other: 1");
    let written = server.end();
    let answered: Vec<&String> = written.iter().filter(|line| line.contains("request answered")).collect();
    assert!(
        answered.len() == 1 && answered[0].contains("\"gun\":\"c/d\""),
        "one at info, and none at warning: {written:#?}"
    );
}
