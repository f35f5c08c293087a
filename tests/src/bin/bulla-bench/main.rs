//! The benchmark's driver: signs uploads ahead of the clock and replays them against a server, reads on connections
//! that are used once, and says how many a second it took. Makes its documents without our own crates, so that a server is measured, and fed, by
//! something it does not share code with.

mod connect;
mod documents;
mod pinned;
mod prepare;
mod replay;

use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, Parser, Subcommand};

#[derive(Parser)]
#[command(about = "Prepares signed uploads for a content-trust server and replays them")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Asks the server for its keys and signs everything that will be uploaded.
    Prepare {
        #[command(flatten)]
        target: Target,
        /// How many repositories to publish into.
        #[arg(long, default_value_t = 64)]
        repositories: usize,
        /// Tags in each repository before the clock starts.
        #[arg(long, default_value_t = 100)]
        tags: usize,
        /// Updates prepared for each repository; each adds one tag.
        #[arg(long, default_value_t = 80)]
        updates: usize,
    },
    /// Publishes every repository untimed, then the updates against the clock.
    Replay {
        #[command(flatten)]
        target: Target,
        /// Clients at work at once, each on a connection of its own.
        #[arg(long, default_value_t = 8)]
        clients: usize,
        /// When to stop, if the prepared updates last so long.
        #[arg(long, default_value_t = 10)]
        seconds: u64,
    },
    /// Reads timestamps, each on a TLS connection of its own.
    Connect {
        /// `https://host:port` of the server.
        #[arg(long)]
        url: String,
        /// PEM file with the server's certificate; no other is believed.
        #[arg(long)]
        certificate: PathBuf,
        /// How many repositories there are.
        #[arg(long, default_value_t = 64)]
        repositories: usize,
        /// Connections at once.
        #[arg(long, default_value_t = 8)]
        connections: usize,
        /// For how long.
        #[arg(long, default_value_t = 10)]
        seconds: u64,
    },
}

#[derive(Args)]
struct Target {
    /// `https://host:port` of the server.
    #[arg(long)]
    url: String,
    /// PEM file with the authority of the server's certificate; no other is believed.
    #[arg(long)]
    ca: PathBuf,
    /// Where the prepared uploads stand.
    #[arg(long)]
    directory: PathBuf,
}

impl Target {
    fn client(&self) -> anyhow::Result<reqwest::Client> {
        let pem = std::fs::read(&self.ca).with_context(|| format!("cannot read {}", self.ca.display()))?;
        let authority = reqwest::Certificate::from_pem(&pem)?;
        // the clients of the protocol speak HTTP/1.1
        Ok(reqwest::Client::builder().tls_certs_only([authority]).http1_only().no_proxy().tcp_nodelay(true).build()?)
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    if rustls::crypto::ring::default_provider().install_default().is_err() {
        anyhow::bail!("a TLS provider was installed before main");
    }
    match Arguments::parse().command {
        Command::Prepare { target, repositories, tags, updates } => {
            #[expect(clippy::disallowed_methods, reason = "this is the composition root")]
            let now = chrono::DateTime::<chrono::Utc>::from(std::time::SystemTime::now());
            let plan = prepare::Plan { repositories, tags, updates };
            prepare::prepare(&target.client()?, &target.url, &target.directory, plan, now).await
        }
        Command::Replay { target, clients, seconds } => {
            let mut connections = Vec::with_capacity(clients);
            for _ in 0..clients {
                connections.push(target.client()?);
            }
            let limit = std::time::Duration::from_secs(seconds);
            let summary = replay::replay(connections, &target.url, &target.directory, limit).await?;
            report(&summary);
            Ok(())
        }
        Command::Connect { url, certificate, repositories, connections, seconds } => {
            let authority = url.strip_prefix("https://").context("the URL begins with https://")?.to_owned();
            let limit = std::time::Duration::from_secs(seconds);
            let reading = connect::Reading { authority, repositories, connections, limit };
            report(&connect::read(&reading, &certificate)?);
            Ok(())
        }
    }
}

#[expect(clippy::print_stdout, reason = "the line is this program's result")]
fn report(summary: &e2e::summary::Summary) {
    println!("RESULT {summary}");
}
