//! The program itself: its version, and one clear line when it cannot start.

use std::io::{BufRead, BufReader};
use std::process::{Command, Output, Stdio};

use serde_json::json;

fn run(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_bulla-server")).args(arguments).output().unwrap()
}

fn run_with(config: &serde_json::Value) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("server.json");
    std::fs::write(&path, config.to_string()).unwrap();
    let output = run(&["-config", path.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stderr).unwrap();
    text.replace(folder.path().to_str().unwrap(), "FOLDER")
}

#[test]
fn the_version_is_told() {
    for flag in ["-version", "--version"] {
        let output = run(&[flag]);
        assert!(output.status.success());
        assert_eq!(
            String::from_utf8(output.stdout).unwrap(),
            concat!("bulla-server ", env!("CARGO_PKG_VERSION"), "\n")
        );
    }
}

#[test]
fn warnings_of_the_start_are_written_at_every_log_level() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("server.json");
    let config = json!({
        "server": {"http_addr": "0.0.0.0:0"}, "trust_service": {"type": "local"}, "storage": {"backend": "memory"},
        "logging": {"level": "error"}, "limits": {"prats": 1},
    });
    std::fs::write(&path, config.to_string()).unwrap();
    let mut server = Command::new(env!("CARGO_BIN_EXE_bulla-server"))
        .args(["-config", path.to_str().unwrap()])
        .env_clear()
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(server.stderr.take().unwrap()).lines().map_while(Result::ok);
    let told: Vec<String> = lines.take(3).collect();
    server.kill().unwrap();
    server.wait().unwrap();
    for (line, said) in told.iter().zip(["limits.prats is not known", "no authentication", "listening without TLS"]) {
        assert!(line.contains("\"warning\"") && line.contains(said), "{told:?}");
    }
    assert_eq!(told.len(), 3, "{told:?}");
}

#[test]
fn flags_without_effect_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("server.json");
    let config = json!({
        "server": {"http_addr": "127.0.0.1:0"}, "trust_service": {"type": "local", "ephemeral": true},
        "storage": {"backend": "sqlite", "db_url": "server.db"},
    });
    std::fs::write(&path, config.to_string()).unwrap();
    let output = run(&["-debug", "-bootstrap", "-config", path.to_str().unwrap()]);
    assert!(output.status.success(), "{output:?}");
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains("the flag -debug has no effect"), "{told}");
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(said, "bulla-server: the tables are there; every start makes them too, so -bootstrap is not needed\n");
    assert!(folder.path().join("server.db").is_file());
}

#[test]
fn what_stops_the_start_is_one_line() {
    let good = json!({
        "server": {"http_addr": "127.0.0.1:0"}, "trust_service": {"type": "local"}, "storage": {"backend": "memory"},
    });
    let with = |section: &str, value: serde_json::Value| {
        let mut config = good.clone();
        config[section] = value;
        run_with(&config)
    };
    assert_eq!(
        with("server", json!({})),
        "bulla-server: the configuration must set server.http_addr: add \"server\": {\"http_addr\": \":4443\"}\n"
    );
    assert_eq!(
        with("auth", json!({"type": "tokn"})),
        "bulla-server: auth.type is \"tokn\", but must be token: set \"auth\": {\"type\": \"token\", \"options\": \
         {\"realm\": \"https://HOST/service/token\", \"service\": \"SERVICE\", \"issuer\": \"ISSUER\", \
         \"rootcertbundle\": \"/path/of/root.crt\"}} or remove auth (then everybody may do everything)\n"
    );
    assert_eq!(
        with("server", json!({"http_addr": "127.0.0.1:0", "tls_cert_file": "a", "tls_key_file": "b"})),
        "bulla-server: cannot read FOLDER/a, named by server.tls_cert_file: No such file or directory (os error 2)\n"
    );
    assert_eq!(with("server", json!({"http_addr": "256.0.0.1:x"})).lines().count(), 1,);
    assert_eq!(
        with("storage", json!({"backend": "sqlite", "db_url": "a.db"})),
        "bulla-server: trust_service.type \"local\" forgets its keys at every stop while storage.backend keeps the \
         metadata: use \"remote\", or set trust_service.ephemeral to true to accept that\n"
    );
    let output = run(&[]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "bulla-server: -config FILE is missing\n");
}
