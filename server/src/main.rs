//! `bulla-server`: reads its arguments and its configuration, and serves until it is told to stop.

mod arguments;

use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use arguments::Arguments;
use bulla_server::clock::{Clock, SystemClock};
use bulla_server::config::Config;
use bulla_server::logging::{self, STARTUP};
use tokio::signal::unix::{SignalKind, signal};
use tracing::warn;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // one line, whether or not the log has been started
            let _unwritable = writeln!(std::io::stderr(), "bulla-server: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> anyhow::Result<()> {
    let arguments = Arguments::parse(std::env::args().skip(1))?;
    let Arguments::Serve { config, log_format, ignored } = arguments else {
        writeln!(std::io::stdout(), "bulla-server {}", env!("CARGO_PKG_VERSION"))?;
        return Ok(());
    };
    // a value that is no text is taken as well as may be: passed over, it might open what it was to close
    let environment = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.to_string_lossy().into_owned())));
    let (config, warnings) = Config::load(&config, environment)?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    logging::start(config.log_level, log_format, Arc::clone(&clock));
    for flag in ignored {
        warn!(target: STARTUP, flag, "the flag has no effect");
    }
    for warning in warnings {
        warn!(target: STARTUP, "{warning}");
    }
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().context("cannot start the runtime")?;
    runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate()).context("cannot wait for SIGTERM")?;
        let mut interrupt = signal(SignalKind::interrupt()).context("cannot wait for SIGINT")?;
        // the reference raises and lowers its log level by these; untaken they would end the process
        let mut louder = signal(SignalKind::user_defined1()).context("cannot wait for SIGUSR1")?;
        let mut quieter = signal(SignalKind::user_defined2()).context("cannot wait for SIGUSR2")?;
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    _ = louder.recv() => warn!("SIGUSR1 has no effect: set logging.level and start again"),
                    _ = quieter.recv() => warn!("SIGUSR2 has no effect: set logging.level and start again"),
                }
            }
        });
        let shutdown = async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        };
        let listener = bulla_server::bind(&config.listen.address).await?;
        bulla_server::run(config, listener, clock, shutdown).await?;
        Ok(())
    })
}
