//! Asks a signer for signatures over gRPC and mutual TLS, as fast as it answers or at a steady rate, and says how many came,
//! how long they took, and what processor time they cost. Speaks the contract that Bulla's signer and the reference's share, and
//! has no code of either.

mod alone;
mod connection;
mod documents;
mod keys;
mod load;
mod processor;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use clap::{Args, Parser, Subcommand, ValueEnum};
use processor::Watched;

/// The stubs of the signer's contract.
#[expect(unreachable_pub, unused_qualifications, clippy::allow_attributes_without_reason, reason = "generated code")]
mod proto {
    tonic::include_proto!("proto");
}

#[derive(Debug, Parser)]
#[command(about = "Loads a signer with questions for signatures")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Has keys made, of snapshot and timestamp in turn, and writes them into a file.
    Keys {
        #[command(flatten)]
        target: Target,
        /// How many.
        #[arg(long, default_value_t = 64)]
        keys: usize,
        /// Of which algorithm.
        #[arg(long, value_enum, default_value_t = Algorithm::Ecdsa)]
        algorithm: Algorithm,
        /// What the repositories' names begin with. Keys of repositories that have unused ones are not made anew.
        #[arg(long, default_value = "load.test/repository")]
        repositories: String,
        /// Where they are written.
        #[arg(long)]
        file: PathBuf,
    },
    /// Asks for signatures until the time is over, SIGINT or SIGTERM; each document is of a version above the one before.
    Run {
        #[command(flatten)]
        target: Target,
        /// What `keys` wrote. Keys are used in turn.
        #[arg(long)]
        file: PathBuf,
        /// Connections, each of its own handshake.
        #[arg(long, default_value_t = 4)]
        connections: usize,
        /// Questions under way at once on each.
        #[arg(long, default_value_t = 8)]
        in_flight: usize,
        /// For how long.
        #[arg(long, default_value_t = 10)]
        seconds: u64,
        /// Seconds of the same load before anything is counted, after each key has signed once; 0: neither.
        #[arg(long, default_value_t = 0)]
        warm_up: u64,
        /// Questions a second; without it as many as are answered. Latency then counts from when the question was due.
        #[arg(long)]
        rate: Option<u32>,
        /// The version of the first documents: what was signed in an earlier run may count.
        #[arg(long, default_value_t = 1)]
        first_version: u64,
        /// Of how many signatures one is verified.
        #[arg(long, default_value_t = 1)]
        verify_every: u64,
        /// NAME=PID: a process whose processor time for each signature is told, its descendants' included.
        #[arg(long = "process")]
        processes: Vec<Watched>,
    },
    /// Signs the same documents with `ring` in one thread of this process, as fast as it goes.
    Alone {
        /// By which algorithm.
        #[arg(long, value_enum, default_value_t = Algorithm::Ecdsa)]
        algorithm: Algorithm,
        /// For how long.
        #[arg(long, default_value_t = 3)]
        seconds: u64,
    },
}

#[derive(Debug, Args)]
struct Target {
    /// `host:port` of the signer; its certificate names the host.
    #[arg(long)]
    signer: String,
    /// PEM file with the authority of its certificate.
    #[arg(long)]
    ca: PathBuf,
    /// PEM file with the certificate that it is shown.
    #[arg(long)]
    certificate: PathBuf,
    /// PEM file with the key of that certificate.
    #[arg(long)]
    key: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Algorithm {
    Ecdsa,
    Ed25519,
}

impl Algorithm {
    /// The name in the contract.
    fn name(self) -> &'static str {
        match self {
            Self::Ecdsa => "ecdsa",
            Self::Ed25519 => "ed25519",
        }
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    if rustls::crypto::ring::default_provider().install_default().is_err() {
        anyhow::bail!("a TLS provider was installed before main");
    }
    match Arguments::parse().command {
        Command::Keys { target, keys: number, algorithm, repositories, file } => {
            let made = keys::make(&target, number, algorithm, &repositories).await?;
            keys::write(&file, &made).with_context(|| format!("cannot write {}", file.display()))
        }
        Command::Run {
            target,
            file,
            connections,
            in_flight,
            seconds,
            warm_up,
            rate,
            first_version,
            verify_every,
            processes,
        } => {
            ensure!(rate != Some(0) && verify_every > 0, "--rate and --verify-every are at least 1");
            let keys = keys::read(&file, first_version)?;
            let plan = load::Plan {
                connections,
                in_flight,
                warm_up: Duration::from_secs(warm_up),
                limit: Duration::from_secs(seconds),
                rate,
                verify_every,
                processes,
            };
            say(&load::run(&target, keys, plan).await?)
        }
        Command::Alone { algorithm, seconds } => say(&alone::sign(algorithm, Duration::from_secs(seconds))?),
    }
}

#[expect(clippy::print_stdout, reason = "these lines are this program's result")]
fn say(outcome: &impl std::fmt::Display) -> anyhow::Result<()> {
    print!("{outcome}");
    Ok(())
}
