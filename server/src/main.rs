//! `bulla-server`: reads its arguments and its configuration, and serves until it is told to stop.

mod arguments;

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use arguments::{Arguments, ConfigVerb, Verb};
use bulla_server::chain::with_sources;
use bulla_server::check;
use bulla_server::clock::{Clock, SystemClock};
use bulla_server::config::{Config, LogLevel};
use bulla_server::logging::{self, Log, STARTUP};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tracing::warn;

/// How often the files of certificates, keys and authorities are looked at; SIGHUP does it at once.
const BETWEEN_LOOKS: Duration = Duration::from_secs(5);

fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(error) => {
            // one line, whether or not the log has been started
            let _unwritable = writeln!(std::io::stderr(), "bulla-server: {}", with_sources(error.as_ref()));
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
        writeln!(std::io::stdout(), "bulla-server {}", env!("CARGO_PKG_VERSION"))?;
        return Ok(ExitCode::SUCCESS);
    }
    let file = arguments.config.as_deref().context("-config FILE is missing")?;
    if let Some(Verb::Config(ConfigVerb::Check { connect })) = arguments.verb {
        return check(file, connect);
    }
    let (config, warnings) = Config::load(file, environment())?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let log = logging::start(config.log_level, arguments.logf, Arc::clone(&clock));
    if arguments.debug {
        warn!(target: STARTUP, "the flag -debug has no effect");
    }
    for warning in warnings {
        warn!(target: STARTUP, "{warning}");
    }
    match arguments.verb {
        Some(Verb::Admin(verb)) => arguments::admin::run(verb, &config),
        _ if arguments.bootstrap => bootstrap(config, clock).map(|()| ExitCode::SUCCESS),
        Some(Verb::Config(_)) | None => serve(config, clock, log).map(|()| ExitCode::SUCCESS),
    }
}

/// The environment. A value that is no text is taken as well as may be: passed over, it might open what it was to close.
fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.to_string_lossy().into_owned())))
}

/// Prints what a start would make of the configuration.
fn check(file: &Path, connect: bool) -> anyhow::Result<ExitCode> {
    let report = runtime()?.block_on(check::check(file, environment(), connect, SystemClock.now()));
    write!(std::io::stdout(), "{report}")?;
    Ok(if report.is_good() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Makes the tables of the database, which is what the reference's flag is for, and serves nothing.
fn bootstrap(config: Config, clock: Arc<dyn Clock>) -> anyhow::Result<()> {
    runtime()?.block_on(bulla_server::make_tables(config, clock))?;
    writeln!(
        std::io::stdout(),
        "bulla-server: the tables are there; every start makes them too, so -bootstrap is not needed"
    )?;
    Ok(())
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().context("cannot start the runtime")
}

fn serve(config: Config, clock: Arc<dyn Clock>, mut log: Log) -> anyhow::Result<()> {
    runtime()?.block_on(async {
        let mut terminate = signal(SignalKind::terminate()).context("cannot wait for SIGTERM")?;
        let mut interrupt = signal(SignalKind::interrupt()).context("cannot wait for SIGINT")?;
        // the reference raises and lowers its log level by these; untaken they would end the process
        let mut louder = signal(SignalKind::user_defined1()).context("cannot wait for SIGUSR1")?;
        let mut quieter = signal(SignalKind::user_defined2()).context("cannot wait for SIGUSR2")?;
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    _ = louder.recv() => log.turn(LogLevel::louder),
                    _ = quieter.recv() => log.turn(LogLevel::quieter),
                }
            }
        });
        let mut again = signal(SignalKind::hangup()).context("cannot wait for SIGHUP")?;
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
        let shutdown = async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        };
        let listeners = bulla_server::Listeners::bind(&config).await?;
        bulla_server::run_watching(config, listeners, clock, shutdown, looks).await?;
        Ok(())
    })
}
