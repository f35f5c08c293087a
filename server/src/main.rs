//! `bulla-server`: reads its arguments and its configuration, and serves until it is told to stop.

mod arguments;

use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use arguments::Arguments;
use bulla_server::clock::{Clock, SystemClock};
use bulla_server::config::Config;
use bulla_server::logging;
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
    let environment =
        std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    let (config, warnings) = Config::load(&config, environment)?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    logging::start(config.log_level, log_format, Arc::clone(&clock));
    for flag in ignored {
        warn!(flag, "the flag has no effect");
    }
    for warning in warnings {
        warn!("{warning}");
    }
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().context("cannot start the runtime")?;
    runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate()).context("cannot wait for SIGTERM")?;
        let mut interrupt = signal(SignalKind::interrupt()).context("cannot wait for SIGINT")?;
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
