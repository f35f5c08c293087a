//! The benchmark's driver: signs uploads ahead of the clock and replays them against a server, reads on connections
//! that are used once, and says how many a second it took. Makes its documents without our own crates, so that a server is measured, and fed, by
//! something it does not share code with.

mod connect;
mod documents;
mod live;
mod mixed;
mod pinned;
mod prepare;
mod race;
mod replay;

use std::path::{Path, PathBuf};
use std::time::Duration;

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
        /// The first publishes against the clock, and no updates.
        #[arg(long)]
        first: bool,
        /// Clients at work at once, each on a connection of its own.
        #[arg(long, default_value_t = 8)]
        clients: usize,
        /// When to stop, if the prepared updates last so long.
        #[arg(long, default_value_t = 10)]
        seconds: u64,
    },
    /// Publishes all prepared updates of the first repository, all clients into that one.
    Race {
        #[command(flatten)]
        target: Target,
        /// The reference's answer UPDATING, of status 500, is that of a try that was overtaken.
        #[arg(long)]
        updating_too: bool,
        /// Clients at work at once, each on a connection of its own.
        #[arg(long, default_value_t = 8)]
        clients: usize,
        /// When to stop, if the prepared updates last so long.
        #[arg(long, default_value_t = 10)]
        seconds: u64,
    },
    /// Reads, publishes and rotates snapshot keys in new repositories, signing as it goes.
    Mixed {
        /// `https://host:port` of the server.
        #[arg(long)]
        url: String,
        /// PEM file with the authority of the server's certificate; no other is believed.
        #[arg(long)]
        ca: PathBuf,
        /// Shares of a round: reads of a timestamp.
        #[arg(long, default_value_t = 900)]
        reads: usize,
        /// Publishes.
        #[arg(long, default_value_t = 98)]
        publishes: usize,
        /// Rotations of the snapshot key.
        #[arg(long, default_value_t = 2)]
        rotations: usize,
        /// Repositories of each client.
        #[arg(long, default_value_t = 8)]
        repositories: usize,
        /// Tags of each.
        #[arg(long, default_value_t = 100)]
        tags: usize,
        /// Clients at work at once, each on a connection of its own.
        #[arg(long, default_value_t = 8)]
        clients: usize,
        /// Requests a second of all together; as fast as they go without.
        #[arg(long)]
        rate: Option<f64>,
        /// For how long.
        #[arg(long, default_value_t = 10)]
        seconds: u64,
        /// Seconds between lines of figures.
        #[arg(long, default_value_t = 60)]
        sample: u64,
        /// Processes whose memory stands in these lines, in MiB.
        #[arg(long)]
        process: Vec<u32>,
    },
    /// Reads, each request on a TLS connection of its own.
    Connect {
        /// What is read each time.
        #[arg(long, value_enum, default_value = "timestamp")]
        check: connect::Check,
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

fn client_of(ca: &Path) -> anyhow::Result<reqwest::Client> {
    let pem = std::fs::read(ca).with_context(|| format!("cannot read {}", ca.display()))?;
    let authority = reqwest::Certificate::from_pem(&pem)?;
    // the clients of the protocol speak HTTP/1.1
    Ok(reqwest::Client::builder().tls_certs_only([authority]).http1_only().no_proxy().tcp_nodelay(true).build()?)
}

/// Each with connections of its own.
fn clients_of(ca: &Path, count: usize) -> anyhow::Result<Vec<reqwest::Client>> {
    (0..count).map(|_| client_of(ca)).collect()
}

#[expect(clippy::disallowed_methods, reason = "this is the composition root")]
fn now() -> chrono::DateTime<chrono::Utc> {
    std::time::SystemTime::now().into()
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    if rustls::crypto::ring::default_provider().install_default().is_err() {
        anyhow::bail!("a TLS provider was installed before main");
    }
    match Arguments::parse().command {
        Command::Prepare { target, repositories, tags, updates } => {
            let plan = prepare::Plan { repositories, tags, updates };
            let client = client_of(&target.ca)?;
            report(&prepare::prepare(&client, &target.url, &target.directory, plan, now()).await?);
            Ok(())
        }
        Command::Replay { target, first, clients, seconds } => {
            let limit = Duration::from_secs(seconds);
            let clients = clients_of(&target.ca, clients)?;
            report(&replay::replay(clients, &target.url, &target.directory, limit, first).await?);
            Ok(())
        }
        Command::Race { target, updating_too, clients, seconds } => {
            let limit = Duration::from_secs(seconds);
            let clients = clients_of(&target.ca, clients)?;
            let (summary, overtaken) = race::race(clients, &target.url, &target.directory, limit, updating_too).await?;
            report(&summary);
            report_overtaken(overtaken);
            Ok(())
        }
        Command::Mixed {
            url,
            ca,
            reads,
            publishes,
            rotations,
            repositories,
            tags,
            clients,
            rate,
            seconds,
            sample,
            process,
        } => {
            let (limit, sample) = (Duration::from_secs(seconds), Duration::from_secs(sample.max(1)));
            let mixture = mixed::Mixture { url, reads, publishes, rotations, repositories, tags, rate, limit, sample };
            let clients = clients_of(&ca, clients)?;
            report(&mixed::work(clients, mixture, now(), |second, part| report_sample(second, part, &process)).await?);
            Ok(())
        }
        Command::Connect { check, url, certificate, repositories, connections, seconds } => {
            let authority = url.strip_prefix("https://").context("the URL begins with https://")?.to_owned();
            let limit = Duration::from_secs(seconds);
            let reading = connect::Reading { authority, check, repositories, connections, limit };
            report(&connect::read(&reading, &certificate)?);
            Ok(())
        }
    }
}

#[expect(clippy::print_stdout, reason = "the line is this program's result")]
fn report(summary: &e2e::summary::Summary) {
    println!("RESULT {summary}");
}

#[expect(clippy::print_stdout, reason = "the line is this program's result")]
fn report_overtaken(tries: usize) {
    println!("OVERTAKEN {tries}");
}

/// The figures since the last of these lines, and what each process holds, in MiB.
#[expect(clippy::print_stdout, reason = "the line is this program's result")]
fn report_sample(second: u64, part: &e2e::summary::Summary, processes: &[u32]) {
    let held: Vec<String> = processes.iter().map(|pid| format!("{:.1}", resident(*pid).unwrap_or(f64::NAN))).collect();
    println!("SAMPLE {second} {part} {}", held.join(" "));
}

fn resident(pid: u32) -> Option<f64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.trim().strip_suffix(" kB")?.parse::<f64>().ok()? / 1024.0)
}
