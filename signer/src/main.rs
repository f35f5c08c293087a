//! The process: reads arguments, configuration and environment, and serves until SIGTERM or does what a verb says.

mod arguments;
mod handover;
mod logging;

use std::alloc::System;
use std::io::{self, Write as _};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use arguments::{Arguments, Verb};
use bulla_signer::clock::SystemClock;
use bulla_signer::config::{Config, Environment, WARNING_TARGET};
use bulla_signer::listen::listen;
use bulla_signer::memory::process;
use bulla_signer::{Listeners, Signer};
use logging::Log;
use ring::rand::SystemRandom;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use zeroizing_alloc::ZeroAlloc;

/// Wipes what is freed: libraries leave copies of keys in memory that they give back.
#[global_allocator]
static ALLOCATOR: ZeroAlloc<System> = ZeroAlloc(System);

/// How often the files of certificates, keys and authorities are looked at; SIGHUP does it at once.
const BETWEEN_LOOKS: Duration = Duration::from_secs(5);

fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(error) => {
            // plain text, because some of these texts are lines to copy; if nobody reads them, so be it
            let _ = writeln!(io::stderr(), "bulla-signer: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> anyhow::Result<ExitCode> {
    let arguments = match Arguments::parse_from_line(std::env::args_os()) {
        Ok(arguments) => arguments,
        Err(error) => {
            // help goes to standard output and is no failure
            error.print()?;
            return Ok(if error.use_stderr() { ExitCode::FAILURE } else { ExitCode::SUCCESS });
        }
    };
    if arguments.version {
        writeln!(io::stdout(), "bulla-signer {}", env!("CARGO_PKG_VERSION"))?;
        return Ok(ExitCode::SUCCESS);
    }
    let dumpable = if arguments.debug { None } else { process::refuse_dumps() };
    let (variables, left) = handover::environment()?;
    let environment = Environment::new(variables);
    if let Some(Verb::Audit(verb)) = &arguments.verb {
        let read = |file| Config::read_without_passphrases(file, &environment);
        return Ok(match arguments.config.as_deref().map(read).transpose() {
            Ok(config) => arguments::audit::run(verb, config.as_ref()),
            Err(error) => {
                writeln!(io::stderr(), "bulla-signer: {:#}", anyhow::Error::from(error))?;
                ExitCode::from(2)
            }
        });
    }
    let file = arguments.config.context("-config FILE is missing")?;
    let swappable = process::lock_memory();
    let config = match &arguments.verb {
        Some(Verb::Keys(_) | Verb::Rewrap(_) | Verb::Tokens(_)) => {
            Config::read_without_passphrases(&file, &environment)?
        }
        Some(Verb::Config(_) | Verb::Audit(_)) | None => Config::read(&file, &environment)?,
    };
    if let Some(Verb::Config(verb)) = &arguments.verb {
        return arguments::config::run(verb, &config);
    }
    let log = logging::start(config.log_level, arguments.logf)?;
    config.warnings.iter().for_each(|warning| tracing::warn!(target: WARNING_TARGET, "{warning}"));
    if arguments.debug {
        tracing::warn!("-debug is set: the memory with keys in it may be read by core files and debuggers");
    }
    for unprotected in [dumpable, swappable].into_iter().flatten() {
        tracing::info!("{unprotected}");
    }
    if let Some(error) = left {
        tracing::warn!(%error, "the program could not be started anew: passphrases of the environment stay readable in memory");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    match arguments.verb {
        Some(Verb::Tokens(verb)) => return runtime.block_on(arguments::tokens::run(verb, &config)),
        Some(Verb::Keys(verb)) => return runtime.block_on(arguments::keys::run(verb, &config)),
        Some(Verb::Rewrap(asked)) => return runtime.block_on(arguments::rewrap::run(asked, &config)),
        Some(Verb::Config(_) | Verb::Audit(_)) | None => runtime.block_on(serve(&config, log))?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn serve(config: &Config, log: Log) -> anyhow::Result<()> {
    let signer = Signer::open(config, Arc::new(SystemClock), Arc::new(SystemRandom::new())).await?;
    let grpc =
        listen(&config.grpc_address).await.with_context(|| format!("server.grpc_addr {}", config.grpc_address))?;
    let http = match &config.http_address {
        Some(address) => Some(listen(address).await.with_context(|| format!("server.http_addr {address}"))?),
        None => None,
    };
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    log.follow_signals()?;
    let shutdown = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("ending");
    };
    let metrics_at = http.as_ref().and_then(|http| http.local_addr().ok()).map(|address| address.to_string());
    let mut again = signal(SignalKind::hangup())?;
    let (look, looks) = mpsc::channel(1);
    tokio::spawn(async move {
        let mut pause = tokio::time::interval(BETWEEN_LOOKS);
        loop {
            tokio::select! {
                _ = pause.tick() => {}
                _ = again.recv() => {}
            }
            if look.send(()).await.is_err() {
                return;
            }
        }
    });
    tracing::info!(address = %grpc.local_addr()?, http = metrics_at, version = env!("CARGO_PKG_VERSION"), "serving");
    Ok(signer.looking_at_files(looks).serve(Listeners { grpc, http }, shutdown).await?)
}
