//! Bulla as its users run it: a server, and a signer where keys are to last, with their files in a temporary folder.

use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::SystemTime;

use anyhow::{Context as _, ensure};
use certs_dev::DevelopmentPki;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Command;

use crate::process::{Process, binary, free_port};

/// Where keys and metadata are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// In the server's memory; no signer.
    Memory,
    /// In SQLite files; a signer of its own.
    Durable,
}

/// A running server, and its signer.
#[derive(Debug)]
pub struct Stack {
    folder: TempDir,
    /// The server's process.
    pub server: Process,
    /// The signer's process; none in memory.
    pub signer: Option<Process>,
    server_port: u16,
    signer_port: u16,
}

impl Stack {
    /// Starts both.
    pub async fn start(kind: Kind) -> anyhow::Result<Self> {
        Self::start_with(kind, json!({})).await
    }

    /// Starts both; `limits` goes into the server's configuration.
    pub async fn start_with(kind: Kind, limits: Value) -> anyhow::Result<Self> {
        let storage = match kind {
            Kind::Memory => json!({"backend": "memory"}),
            Kind::Durable => sqlite_storage(),
        };
        Self::start_in(TempDir::new()?, kind, storage, json!({"limits": limits}), PASSPHRASE).await
    }

    /// Starts both in SQLite files, with this section `tracing`.
    pub async fn start_traced(section: Value) -> anyhow::Result<Self> {
        Self::start_in(TempDir::new()?, Kind::Durable, sqlite_storage(), json!({"tracing": section}), PASSPHRASE).await
    }

    /// The same behind TLS, which clients insist on.
    pub async fn start_traced_for_clients(section: Value) -> anyhow::Result<Self> {
        let sections = json!({"tracing": section, "server": {
            "tls_cert_file": "pki/server.crt", "tls_key_file": "pki/server.key",
        }});
        Self::start_in(TempDir::new()?, Kind::Durable, sqlite_storage(), sections, PASSPHRASE).await
    }

    /// Starts both on copies of these SQLite files, whose keys this passphrase opens. A file that is missing is made
    /// anew.
    pub async fn start_on(server: &Path, signer: &Path, passphrase: &str) -> anyhow::Result<Self> {
        let folder = TempDir::new()?;
        for (from, name) in [(server, "server.db"), (signer, "signer.db")] {
            match std::fs::copy(from, folder.path().join(name)) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
                Ok(_) | Err(_) => {}
            }
        }
        Self::start_in(folder, Kind::Durable, sqlite_storage(), json!({}), passphrase).await
    }

    /// Starts a server on the database that this `storage` section names, and a signer on a copy of a SQLite file, or
    /// on a new one if there is none.
    pub async fn start_over(storage: Value, signer: &Path) -> anyhow::Result<Self> {
        let folder = TempDir::new()?;
        if signer.exists() {
            std::fs::copy(signer, folder.path().join("signer.db"))?;
        }
        Self::start_in(folder, Kind::Durable, storage, json!({}), PASSPHRASE).await
    }

    async fn start_in(
        folder: TempDir,
        kind: Kind,
        storage: Value,
        sections: Value,
        passphrase: &str,
    ) -> anyhow::Result<Self> {
        let (server_port, signer_port) = (free_port()?, free_port()?);
        #[expect(clippy::disallowed_methods, reason = "certificates are made for real clocks")]
        let pki = DevelopmentPki::make(&[], SystemTime::now())?;
        pki.write(&folder.path().join("pki"))?;
        write(&folder.path().join("signer.json"), &signer_config(signer_port, &sections))?;
        write(&folder.path().join("server.json"), &server_config(kind, server_port, signer_port, storage, &sections))?;
        let signer = match kind {
            Kind::Memory => None,
            Kind::Durable => Some(start_signer(folder.path(), signer_port, passphrase).await?),
        };
        let server = start_server(folder.path(), server_port).await?;
        Ok(Self { folder, server, signer, server_port, signer_port })
    }

    /// Starts the server again after it was killed.
    pub async fn restart_server(&mut self) -> anyhow::Result<()> {
        self.server = start_server(self.folder.path(), self.server_port).await?;
        Ok(())
    }

    /// Starts the signer again after it was killed.
    pub async fn restart_signer(&mut self) -> anyhow::Result<()> {
        self.restart_signer_with(PASSPHRASE).await
    }

    /// Starts the signer again with another passphrase for its keys.
    pub async fn restart_signer_with(&mut self, passphrase: &str) -> anyhow::Result<()> {
        self.signer = Some(start_signer(self.folder.path(), self.signer_port, passphrase).await?);
        Ok(())
    }

    /// Runs `bulla-server -config server.json ARGUMENTS...` to its end.
    pub async fn command(&self, arguments: &[&str]) -> anyhow::Result<Output> {
        let mut command = Command::new(binary("bulla-server")?);
        command.arg("-config").arg(self.folder.path().join("server.json")).args(arguments).kill_on_drop(true);
        Ok(command.output().await?)
    }

    /// What the signer tells of its keys, as JSON.
    pub async fn signer_keys(&self) -> anyhow::Result<Vec<u8>> {
        let mut command = Command::new(binary("bulla-signer")?);
        command.arg("-config").arg(self.folder.path().join("signer.json")).kill_on_drop(true);
        let output = command.args(["keys", "list", "--output", "json"]).output().await?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Ok(output.stdout)
    }

    /// The server's base URL; plain HTTP, so that a story can send what no HTTP library would.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.server_port)
    }

    /// The server's port on loopback.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.server_port
    }

    /// The temporary folder: `server.db`, `signer.db`, logs, certificates.
    #[must_use]
    pub fn folder(&self) -> PathBuf {
        self.folder.path().to_owned()
    }
}

/// Opens the signer's keys.
pub const PASSPHRASE: &str = "a-passphrase-of-the-stories";

async fn start_server(folder: &Path, port: u16) -> anyhow::Result<Process> {
    start("bulla-server", folder, "server", ("BULLA_STORY", "yes"), port).await
}

async fn start_signer(folder: &Path, port: u16, passphrase: &str) -> anyhow::Result<Process> {
    start("bulla-signer", folder, "signer", ("NOTARY_SIGNER_K1", passphrase), port).await
}

async fn start(program: &str, folder: &Path, name: &str, variable: (&str, &str), port: u16) -> anyhow::Result<Process> {
    let config = folder.join(format!("{name}.json"));
    let log = folder.join(format!("{name}.log"));
    let config = config.to_str().context("the temporary folder has no UTF-8 name")?;
    let started = Process::start(&binary(program)?, &["-config", config], variable, &log, port).await;
    started.with_context(|| std::fs::read_to_string(&log).unwrap_or_default())
}

/// `sections`: those that differ between stories.
fn signer_config(port: u16, sections: &Value) -> Value {
    let config = json!({
        "server": {
            "grpc_addr": format!("127.0.0.1:{port}"),
            "tls_cert_file": "pki/signer.crt", "tls_key_file": "pki/signer.key",
            "client_ca_file": "pki/ca.crt", "allowed_clients": [certs_dev::SERVER_CLIENT_NAME],
        },
        "logging": {"level": "warning"},
        "storage": {"backend": "sqlite", "db_url": "signer.db", "default_alias": "k1"},
    });
    with(config, "tracing", sections)
}

/// The configuration with what a story has in a section.
fn with(mut config: Value, section: &str, sections: &Value) -> Value {
    let members = sections.get(section).and_then(Value::as_object).cloned().unwrap_or_default();
    if let Some(config) = config.as_object_mut().filter(|_| !members.is_empty()) {
        let section = config.entry(section).or_insert_with(|| json!({}));
        section.as_object_mut().into_iter().for_each(|section| section.extend(members.clone()));
    }
    config
}

fn sqlite_storage() -> Value {
    json!({"backend": "sqlite", "db_url": "server.db"})
}

fn server_config(kind: Kind, port: u16, signer_port: u16, storage: Value, sections: &Value) -> Value {
    let trust = match kind {
        Kind::Memory => json!({"type": "local"}),
        Kind::Durable => json!({
            "type": "remote", "hostname": "localhost", "port": signer_port.to_string(), "key_algorithm": "ecdsa",
            "tls_ca_file": "pki/ca.crt", "tls_client_cert": "pki/client.crt", "tls_client_key": "pki/client.key",
        }),
    };
    let config = json!({
        "server": {"http_addr": format!("127.0.0.1:{port}")},
        "trust_service": trust, "storage": storage, "logging": {"level": "warning"},
    });
    ["server", "limits", "tracing"].into_iter().fold(config, |config, section| with(config, section, sections))
}

fn write(path: &Path, config: &Value) -> anyhow::Result<()> {
    std::fs::write(path, config.to_string()).with_context(|| path.display().to_string())
}
