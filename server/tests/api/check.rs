//! `config check`: what the program says of a configuration, and that it changes nothing.

use std::process::Command;

use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Runs the check; its status and what it prints, with the folder's name taken out.
fn check(folder: &TempDir, config: &Value, more: &[&str], variables: &[(&str, &str)]) -> (i32, String) {
    let path = folder.path().join("server.json");
    std::fs::write(&path, config.to_string()).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_bulla-server"))
        .args(["config", "check", "-config", path.to_str().unwrap()])
        .args(more)
        .env_clear()
        .envs(variables.iter().copied())
        .output()
        .unwrap();
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
    let printed = String::from_utf8(output.stdout).unwrap().replace(folder.path().to_str().unwrap(), "FOLDER");
    (output.status.code().unwrap(), printed)
}

fn config() -> Value {
    json!({
        "server": {"http_addr": ":4443", "tls_cert_file": "s.crt", "tls_key_file": "s.key"},
        "trust_service": {
            "type": "remote", "hostname": "127.0.0.1", "port": "9", "key_algorithm": "ecdsa", "tls_ca_file": "s.crt",
            "tls_client_cert": "s.crt", "tls_client_key": "s.key",
        },
        "storage": {"backend": "sqlite", "db_url": "server.db"},
    })
}

/// A folder with a certificate that ends in this year, and its key.
fn folder(year: i32) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let key = KeyPair::generate().unwrap();
    let mut parameters = CertificateParams::new(["trust.example".to_owned(), "127.0.0.1".to_owned()]).unwrap();
    parameters.not_before = date_time_ymd(2001, 1, 1);
    parameters.not_after = date_time_ymd(year, 1, 1);
    std::fs::write(folder.path().join("s.crt"), parameters.self_signed(&key).unwrap().pem()).unwrap();
    std::fs::write(folder.path().join("s.key"), key.serialize_pem()).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(folder.path().join("s.key"), mode).unwrap();
    folder
}

#[test]
fn a_configuration_that_starts_is_told_value_by_value_and_nothing_is_made() {
    let folder = folder(2099);
    let (status, printed) = check(&folder, &config(), &[], &[("NOTARY_SERVER_LOGGING_LEVEL", "info")]);
    assert_eq!(status, 0, "{printed}");
    for line in [
        "  logging.level                        info  [NOTARY_SERVER_LOGGING_LEVEL]\n",
        "  server.http_addr                     :4443  [file]\n",
        "  storage.db_url                       FOLDER/server.db  [file]\n",
        "  caching.max_age.current_metadata     300  [default]\n",
        "ok       server.tls_cert_file: FOLDER/s.crt: trust.example, 127.0.0.1: valid until 2099-01-01T00:00:00Z\n",
        "ok       storage.db_url: FOLDER/server.db is not there; the first start makes it\n",
        "warning  no authentication: who reaches the port may read, publish and delete everything\n",
    ] {
        assert!(printed.contains(line), "{line}{printed}");
    }
    assert!(printed.ends_with("\nbulla-server starts with this configuration; warnings: 1\n"), "{printed}");
    assert!(!folder.path().join("server.db").exists());
}

#[test]
fn an_expired_certificate_and_an_open_key_are_warned_of() {
    let folder = folder(2002);
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    std::fs::set_permissions(folder.path().join("s.key"), mode).unwrap();
    let (status, printed) = check(&folder, &config(), &[], &[]);
    assert_eq!(status, 0, "{printed}");
    let expired = "warning  server.tls_cert_file: FOLDER/s.crt: trust.example, 127.0.0.1: has expired on 2002-01-01";
    assert!(printed.contains(expired), "{printed}");
    let open = "warning  FOLDER/s.key, named by server.tls_key_file, can be read by every account of this machine";
    assert!(printed.contains(open), "{printed}");
}

#[test]
fn files_that_stop_a_start_are_refused() {
    let (folder, other) = (folder(2099), folder(2099));
    std::fs::copy(other.path().join("s.key"), folder.path().join("other.key")).unwrap();
    for (pointer, file, said) in [
        (
            "/server/tls_key_file",
            "none",
            "REFUSED  cannot read FOLDER/none, named by server.tls_key_file: No such file",
        ),
        ("/server/tls_key_file", "other.key", "REFUSED  the server's certificate and key cannot be used: "),
        ("/trust_service/tls_client_key", "other.key", "REFUSED  trust_service cannot be used: "),
        ("/trust_service/tls_ca_file", "none", "REFUSED  cannot read FOLDER/none, named by trust_service.tls_ca_file"),
        ("/storage/db_url", "none/a.db", "REFUSED  storage.db_url: the directory of FOLDER/none/a.db is not there"),
    ] {
        let mut config = config();
        *config.pointer_mut(pointer).unwrap() = file.into();
        let (status, printed) = check(&folder, &config, &[], &[]);
        assert_eq!(status, 1, "{pointer} {file}: {printed}");
        assert!(printed.contains(said), "{pointer} {file}: {printed}");
        assert!(printed.contains("\nbulla-server does NOT start with this; refused: 1"), "{printed}");
    }
}

#[test]
fn whether_database_and_signer_answer_is_told_when_it_is_asked_for() {
    let folder = folder(2099);
    let mut config = config();
    config["storage"] = json!({"backend": "postgres", "db_url": "postgres://u:geheim@127.0.0.1:9/d?sslmode=disable"});
    let (status, printed) = check(&folder, &config, &[], &[]);
    assert_eq!(status, 0, "not asked for: {printed}");
    let (status, printed) = check(&folder, &config, &["-connect"], &[]);
    assert_eq!(status, 1, "{printed}");
    let database = printed.lines().find(|line| line.starts_with("REFUSED  ")).unwrap();
    assert!(database.starts_with("REFUSED  storage.db_url: postgres 127.0.0.1:9/d cannot be used: "), "{printed}");
    assert!(database.contains("Connection refused"), "{printed}");
    assert!(!printed.contains("geheim"), "{printed}");
}

#[test]
fn a_signer_that_is_away_is_warned_of_as_the_server_starts_without_it() {
    let folder = folder(2099);
    let (status, printed) = check(&folder, &config(), &["-connect"], &[]);
    assert_eq!(status, 0, "{printed}");
    let away = "warning  trust_service.hostname: the signer at 127.0.0.1:9 cannot be used: ";
    let told = printed.lines().find(|line| line.starts_with(away)).unwrap();
    assert!(told.contains("Connection refused"), "{printed}");
    let meaning = ": the server starts and serves reads; publishes are 503 until it does";
    assert!(told.ends_with(meaning), "{printed}");
}

#[test]
fn an_address_that_nobody_can_listen_on_is_refused() {
    let folder = folder(2099);
    for address in ["4443", ":99999", "127.0.0.1:99999", "no-such-host.invalid:4443"] {
        let mut config = config();
        config["server"]["http_addr"] = address.into();
        let (status, printed) = check(&folder, &config, &[], &[]);
        assert_eq!(status, 1, "{address}: {printed}");
        let said = format!("REFUSED  server.http_addr: cannot listen on {address}: ");
        assert!(printed.contains(&said), "{address}: {printed}");
        config["server"]["http_addr"] = "127.0.0.1:0".into();
        config["metrics"] = serde_json::json!({"http_addr": address});
        let (status, printed) = check(&folder, &config, &[], &[]);
        assert_eq!(status, 1, "{address}: {printed}");
        let said = format!("REFUSED  metrics.http_addr: cannot listen on {address}: ");
        assert!(printed.contains(&said), "{address}: {printed}");
    }
}

#[test]
fn files_that_a_database_address_names_are_read() {
    let folder = folder(2099);
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (certificate, key, none) = (path("s.crt"), path("s.key"), path("none"));
    for (root, shown, secret, wrong) in [
        (&certificate, &certificate, &key, None),
        (&none, &certificate, &key, Some("sslrootcert")),
        (&certificate, &none, &key, Some("sslcert")),
        (&certificate, &certificate, &none, Some("sslkey")),
    ] {
        let address = format!(
            "postgres://u@127.0.0.1:9/d?sslmode=verify-full&sslrootcert={root}&sslcert={shown}&sslkey={secret}"
        );
        let mut config = config();
        config["storage"] = json!({"backend": "postgres", "db_url": address});
        let (status, printed) = check(&folder, &config, &[], &[]);
        match wrong {
            None => assert!(status == 0 && printed.contains("ok       sslcert of storage.db_url: "), "{printed}"),
            Some(parameter) => {
                let said = format!("REFUSED  cannot read FOLDER/none, named by {parameter} of storage.db_url: ");
                assert!(status == 1 && printed.contains(&said), "{printed}");
            }
        }
    }
}
