//! One real process: started, watched, killed by its id.

use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

/// How long a process may take until its port accepts.
const START: Duration = Duration::from_secs(30);

/// How often a port is tried.
const TRY: Duration = Duration::from_millis(10);

/// A running process that dies with this value.
#[derive(Debug)]
pub struct Process {
    child: Child,
    name: String,
}

impl Process {
    /// Starts `program` with its output going to `log` and one more variable in its environment, and waits until `port`
    /// on loopback accepts.
    pub async fn start(
        program: &Path,
        arguments: &[&str],
        variable: (&str, &str),
        log: &Path,
        port: u16,
    ) -> anyhow::Result<Self> {
        let output = std::fs::OpenOptions::new().create(true).append(true).open(log)?;
        let name = program.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let child = Command::new(program)
            .args(arguments)
            .env(variable.0, variable.1)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("{} does not start; `cargo build --workspace` makes it", program.display()))?;
        let mut process = Self { child, name };
        tokio::time::timeout(START, process.accepts(port)).await.context("the port never accepted")??;
        Ok(process)
    }

    /// Waits until the port accepts; fails when the process ends before.
    async fn accepts(&mut self, port: u16) -> anyhow::Result<()> {
        let mut tick = tokio::time::interval(TRY);
        loop {
            tick.tick().await;
            if TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
                return Ok(());
            }
            if let Some(status) = self.child.try_wait()? {
                bail!("{} ended before its port accepted: {status}", self.name);
            }
        }
    }

    /// Kills the process as `kill -9` does and waits for its end.
    pub async fn kill(&mut self) -> anyhow::Result<()> {
        self.child.kill().await.context("kill")
    }

    /// Waits for the end of a process that was asked to end.
    pub async fn end(&mut self) -> anyhow::Result<ExitStatus> {
        self.child.wait().await.context("wait")
    }

    /// The process id.
    pub fn id(&self) -> anyhow::Result<u32> {
        self.child.id().context("the process has ended")
    }

    /// The most memory that the process ever held, in bytes (`VmHWM`).
    pub fn peak_memory(&self) -> anyhow::Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id()?))?;
        let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:")).context("no VmHWM")?;
        let kib: u64 = line.trim().trim_end_matches("kB").trim().parse()?;
        Ok(kib.saturating_mul(1024))
    }
}

/// A binary of this workspace, from the folder in which the running test was built.
pub fn binary(name: &str) -> anyhow::Result<PathBuf> {
    let test = std::env::current_exe()?;
    let built = test.ancestors().find(|folder| folder.join(name).is_file());
    Ok(built.with_context(|| format!("{name} is not built; `cargo build --workspace` makes it"))?.join(name))
}

/// A port that nothing listens on at this moment.
pub fn free_port() -> anyhow::Result<u16> {
    Ok(std::net::TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}
