//! The verb `bulla-signer rewrap`.

use std::io::{self, Write as _};
use std::num::{NonZeroU32, NonZeroU64};
use std::os::unix::fs::MetadataExt as _;
use std::process::ExitCode;
use std::sync::Arc;

use bulla_signer::clock::SystemClock;
use bulla_signer::config::{Config, Sealing};
use bulla_signer::rewrap::{Event, Progress, Request, rewrap};
use bulla_signer::seal::passphrase::Alias;
use ring::rand::SystemRandom;

/// Some keys are still under another alias, or their rows could not be read.
const SOME_LEFT: u8 = 2;

/// Which keys to seal anew, and how fast.
#[derive(Debug, clap::Args)]
pub(crate) struct RewrapArguments {
    /// The alias to seal keys under; every signer must be able to open it already
    #[arg(long, value_name = "ALIAS", value_parser = alias)]
    to: Alias,
    /// Only keys under this alias; without it, under every other one
    #[arg(long, value_name = "ALIAS", value_parser = alias)]
    from: Option<Alias>,
    /// The most keys a second
    #[arg(long, value_name = "N")]
    rate: Option<NonZeroU32>,
    /// The most keys in all; 1 shows whether every signer opens what it is under
    #[arg(long, value_name = "N")]
    limit: Option<NonZeroU64>,
}

/// Seals keys anew. Status 0: none is left; 2: some are; 1, by the error: it could not go on.
pub(crate) async fn run(arguments: RewrapArguments, config: &Config) -> anyhow::Result<ExitCode> {
    let RewrapArguments { to, from, rate, limit } = arguments;
    let operator = format!("operator uid {}", std::fs::metadata("/proc/self")?.uid());
    let request = Request { to, from, rate, limit, operator };
    // what nobody reads any more is no reason to stop
    let mut tell = |event| drop(print(&event));
    let Progress { left, skipped, .. } =
        rewrap(config, &request, Arc::new(SystemClock), Arc::new(SystemRandom::new()), &mut tell).await?;
    if let Sealing::Environment { default_alias, .. } = &config.sealing
        && *default_alias != request.to
    {
        let to = &request.to;
        writeln!(
            io::stdout(),
            "new keys are still sealed under {default_alias}: set storage.default_alias to {to} and run this again"
        )?;
    }
    Ok(if left == 0 && skipped == 0 { ExitCode::SUCCESS } else { ExitCode::from(SOME_LEFT) })
}

fn print(event: &Event) -> io::Result<()> {
    match event {
        Event::Progress(Progress { done, left, skipped }) => {
            writeln!(io::stdout(), "done {done}, left {left}, skipped {skipped}")
        }
        Event::Skipped { key, reason } => writeln!(io::stdout(), "skipped {key}: {reason}"),
    }
}

fn alias(text: &str) -> Result<Alias, &'static str> {
    Alias::parse(text).ok_or("an alias has 1 to 50 characters")
}
