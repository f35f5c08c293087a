//! The verbs of `bulla-signer keys` that open keys or carry them elsewhere: `verify`, `backup` and `restore`.

use std::collections::BTreeSet;
use std::io::{self, Write as _};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use bulla_signer::backup::{self, Unproved};
use bulla_signer::clock::SystemClock;
use bulla_signer::config::Config;
use ring::rand::SystemRandom;
use tuf_schema::key::KeyId;

use super::keys::{operator, shown};

/// Some keys cannot be used.
const FINDINGS: u8 = 2;

pub(super) async fn verify(config: &Config) -> anyhow::Result<ExitCode> {
    let mut findings = 0_u64;
    let tell = |one: Unproved| {
        findings = findings.saturating_add(1);
        told(&one)
    };
    let keys = backup::verify(config, Arc::new(SystemClock), Arc::new(SystemRandom::new()), tell).await?;
    let proved = keys.saturating_sub(findings);
    writeln!(io::stdout(), "{keys} keys: {proved} opened, signed and were verified, {findings} did not")?;
    Ok(if findings == 0 { ExitCode::SUCCESS } else { ExitCode::from(FINDINGS) })
}

pub(super) async fn backup(config: &Config, file: &Path) -> anyhow::Result<ExitCode> {
    let made = backup::backup(config, file, &SystemClock).await?;
    let mut output = io::stdout();
    for key in made.unsound {
        writeln!(output, "{}: its row is none that a signer can use; a restore must be told to take it", shown(&key))?;
    }
    let (keys, sha256) = (made.contents.keys, made.contents.sha256);
    writeln!(output, "{keys} keys are in {}, sealed as they were; sha256 {sha256}", file.display())?;
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn restore(config: &Config, file: &Path, unproved: BTreeSet<KeyId>) -> anyhow::Result<ExitCode> {
    let (clock, rng) = (Arc::new(SystemClock), Arc::new(SystemRandom::new()));
    let restored = backup::restore(config, file, &unproved, &operator()?, clock, rng).await?;
    for one in &restored.unproved {
        told(one)?;
    }
    let (proved, unproved, made) = (restored.proved, restored.unproved.len(), restored.contents.made);
    writeln!(
        io::stdout(),
        "{} keys are restored from the backup of {made}: {proved} opened, signed and were verified, {unproved} were taken unproved",
        restored.contents.keys
    )?;
    Ok(ExitCode::SUCCESS)
}

fn told(one: &Unproved) -> io::Result<()> {
    writeln!(io::stdout(), "{} under alias {}: {}", shown(&one.key), shown(&one.alias), one.reason)
}
