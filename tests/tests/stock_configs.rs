//! The configurations that deployments of the reference run with, each given to the real program: it starts, or it stops
//! with the message that stands beside the file.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails where it stands")]

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, SystemTime};

use certs_dev::DevelopmentPki;
use e2e::process::{binary, free_port};
use serde_json::Value;
use sqlx::Connection as _;
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::process::Command;

/// How long a program may take to start or to stop.
const LONGEST: Duration = Duration::from_secs(30);

/// How many ports are tried.
const TRIES: u32 = 5;

/// Where the files look for certificates; all of them are in one folder here.
const FOLDERS: &[&str] = &[
    "/go/src/github.com/theupdateframework/notary/fixtures/database/",
    "/etc/ssl/notary/",
    "/etc/notary/",
    "/certs/",
    "/fixtures/",
    "/tls/",
    "./",
];

/// What is to become of a file.
#[derive(Debug)]
struct Expected {
    starts: bool,
    /// The whole message, or the beginnings of warnings.
    said: String,
}

struct Stock {
    name: String,
    config: Value,
    environment: Vec<(String, String)>,
    expected: Expected,
    folder: TempDir,
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/stock-configs")
}

impl Stock {
    /// The file of this name, with paths that lead to certificates of a development PKI.
    fn read(name: &str) -> Self {
        let text = |ending: &str| std::fs::read_to_string(fixtures().join(format!("{name}.{ending}")));
        let folder = tempfile::tempdir().unwrap();
        let mut json = text("json").unwrap();
        let here = format!("{}/", folder.path().display());
        for path in FOLDERS {
            json = json
                .replace(&format!("\"{path}"), &format!("\"{here}"))
                .replace(&format!("={path}"), &format!("={here}"));
        }
        json = json.replace("\"/root.crt", &format!("\"{here}root.crt"));
        certificates(folder.path());
        let expected = text("expected").unwrap();
        let (first, said) = expected.split_once('\n').unwrap();
        let environment = text("env").unwrap_or_default();
        Self {
            name: name.to_owned(),
            config: serde_json::from_str(&json).unwrap(),
            environment: environment
                .lines()
                .map(|line| line.split_once('=').unwrap())
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
            expected: Expected { starts: first == "starts", said: said.trim_end().to_owned() },
            folder,
        }
    }

    fn program(&self) -> &'static str {
        if self.config["server"].get("grpc_addr").is_some() { "bulla-signer" } else { "bulla-server" }
    }

    fn write(&self) -> PathBuf {
        let path = self.folder.path().join("config.json");
        std::fs::write(&path, self.config.to_string()).unwrap();
        path
    }

    fn command(&self) -> Command {
        let mut command = Command::new(binary(self.program()).unwrap());
        command.env_clear().envs(self.environment.iter().cloned()).stdin(Stdio::null()).kill_on_drop(true);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// The check of the file as it is, where the program has one: nothing is connected to.
    async fn check(&self) {
        if self.program() == "bulla-signer" {
            return;
        }
        let output = self.command().args(["config", "check", "-config"]).arg(self.write()).output().await.unwrap();
        let printed = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.success(), self.expected.starts, "{}: {printed}", self.name);
        let kind = if self.expected.starts { "warning" } else { "REFUSED" };
        for line in self.expected.said.lines() {
            assert!(printed.contains(&format!("{kind}  {line}")), "{}: {line}\n{printed}", self.name);
        }
        assert!(!printed.contains("changeit"), "{}: {printed}", self.name);
    }

    /// Puts a database that exists in the place of the file's; false when there is no engine to make one.
    async fn settle_database(&mut self) -> bool {
        let database = match self.config["storage"]["backend"].as_str() {
            Some("postgres") => postgres(&self.name).await,
            Some("mysql") => mysql(&self.name).await,
            _ => return true,
        };
        if let Some(database) = &database {
            self.config["storage"]["db_url"] = database.as_str().into();
        }
        database.is_some()
    }

    /// Puts free ports in the place of the file's, and gives the one that is served on.
    fn settle_ports(&mut self) -> u16 {
        let port = free_port().unwrap();
        let server = &mut self.config["server"];
        if server.get("grpc_addr").is_some() {
            server["grpc_addr"] = format!("127.0.0.1:{port}").into();
            if server.get("http_addr").is_some() {
                server["http_addr"] = format!("127.0.0.1:{}", free_port().unwrap()).into();
            }
        } else {
            server["http_addr"] = format!("127.0.0.1:{port}").into();
        }
        port
    }

    /// A start that serves. A free port may be taken by somebody else before the program has it; then another is tried.
    async fn starts(mut self) {
        if !self.settle_database().await {
            return;
        }
        for _ in 0..TRIES {
            match self.serves().await {
                Ok(()) => return,
                Err(said) if said.contains("Address already in use") => {}
                Err(said) => panic!("{}: {said}", self.name),
            }
        }
        panic!("{}: no port stays free", self.name);
    }

    /// Starts the program until it accepts; otherwise what it said at its end.
    async fn serves(&mut self) -> Result<(), String> {
        let port = self.settle_ports();
        let mut child = self.command().arg("-config").arg(self.write()).stdout(Stdio::null()).spawn().unwrap();
        let serves = async {
            let mut pause = tokio::time::interval(Duration::from_millis(20));
            loop {
                pause.tick().await;
                if child.try_wait().unwrap().is_some() {
                    return false;
                }
                if TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
                    return true;
                }
            }
        };
        if tokio::time::timeout(LONGEST, serves).await.unwrap() {
            child.kill().await.unwrap();
            return Ok(());
        }
        let output = child.wait_with_output().await.unwrap();
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }

    /// A start that ends at once, with the one message.
    async fn stops(self) {
        let output = self.command().arg("-config").arg(self.write()).output();
        let output = tokio::time::timeout(LONGEST, output).await.unwrap().unwrap();
        assert_eq!(output.status.code(), Some(1), "{}", self.name);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(said, format!("{}: {}\n", self.program(), self.expected.said), "{}", self.name);
    }
}

/// Certificates under every name that the files use.
fn certificates(folder: &Path) {
    #[expect(clippy::disallowed_methods, reason = "certificates are made for real clocks")]
    let pki = DevelopmentPki::make(&[], SystemTime::now()).unwrap();
    let pki_folder = folder.join("pki");
    pki.write(&pki_folder).unwrap();
    for (made, names) in [
        ("ca.crt", &["root-ca.crt", "notary-signer-ca.crt", "root.crt", "ca.crt", "ca.pem"][..]),
        ("signer.crt", &["notary-signer.crt", "tls.crt", "notary-signer.pem"]),
        ("signer.key", &["notary-signer.key", "tls.key", "notary-signer-key.pem"]),
        ("client.crt", &["notary-server.crt", "notary-server.pem"]),
        ("client.key", &["notary-server.key", "notary-server-key.pem"]),
    ] {
        for name in names {
            std::fs::copy(pki_folder.join(made), folder.join(name)).unwrap();
        }
    }
}

/// The address that the environment gives for an engine. `tests/with-engines.sh` gives both.
#[expect(clippy::disallowed_methods, reason = "a story asks its environment where the engines are")]
fn engine(variable: &str) -> Option<String> {
    let address = std::env::var(variable).ok();
    let is_required = std::env::var("BULLA_TEST_ENGINES").is_ok_and(|value| value == "required");
    assert!(address.is_some() || !is_required, "{variable} is not set");
    address
}

/// A name that a database can have.
fn database_name(name: &str) -> String {
    format!("stock_{}_{}", name.replace(['-', '.'], "_"), std::process::id())
}

async fn postgres(name: &str) -> Option<String> {
    let address = engine("BULLA_TEST_POSTGRES")?;
    let name = database_name(name);
    let mut connection = sqlx::PgConnection::connect(&address).await.unwrap();
    let statement = format!("CREATE DATABASE {name}");
    sqlx::raw_sql(sqlx::AssertSqlSafe(statement)).execute(&mut connection).await.unwrap();
    let (before, query) = address.split_once('?').unwrap_or((&address, ""));
    let (server, _) = before.rsplit_once('/').unwrap();
    Some(format!("{server}/{name}?{query}"))
}

async fn mysql(name: &str) -> Option<String> {
    let address = engine("BULLA_TEST_MYSQL")?;
    let name = database_name(name);
    let url = format!("mysql://{}", address.replace("@tcp(", "@").replace(')', ""));
    let mut connection = sqlx::MySqlConnection::connect(&url).await.unwrap();
    let statement = format!("CREATE DATABASE {name}");
    sqlx::raw_sql(sqlx::AssertSqlSafe(statement)).execute(&mut connection).await.unwrap();
    let (server, _) = address.rsplit_once('/').unwrap();
    Some(format!("{server}/{name}?parseTime=True"))
}

#[tokio::test(flavor = "multi_thread")]
async fn stock_configurations_start_or_say_which_line_to_add() {
    let mut names: Vec<String> = std::fs::read_dir(fixtures())
        .unwrap()
        .filter_map(|entry| entry.unwrap().file_name().into_string().ok())
        .filter_map(|name| name.strip_suffix(".json").map(str::to_owned))
        .collect();
    names.sort();
    assert!(names.len() > 20, "{names:?}");
    for name in names {
        let stock = Stock::read(&name);
        stock.check().await;
        if stock.expected.starts {
            stock.starts().await;
        } else {
            stock.stops().await;
        }
    }
}
