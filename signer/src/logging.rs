//! The log on standard error, and its level, which SIGUSR1 and SIGUSR2 move while the program runs.

use std::io;

use anyhow::Context as _;
use bulla_signer::audit;
use bulla_signer::config::{LogLevel, WARNING_TARGET};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

use crate::arguments::LogFormat;

/// What is written from now on.
pub(crate) struct Log {
    level: LogLevel,
    write_from: Box<dyn Fn(EnvFilter) -> bool + Send + Sync>,
}

/// Writes what is of a level or above to standard error. Audit lines and warnings of the configuration always are.
pub(crate) fn start(level: LogLevel, format: LogFormat) -> anyhow::Result<Log> {
    let log = tracing_subscriber::fmt().with_env_filter(filter(level)?).with_writer(io::stderr);
    let failed = |error| anyhow::anyhow!("logging cannot start: {error}");
    let write_from: Box<dyn Fn(EnvFilter) -> bool + Send + Sync> = match format {
        LogFormat::Json => {
            let log = log.json().flatten_event(true).with_filter_reloading();
            let handle = log.reload_handle();
            log.try_init().map_err(failed)?;
            Box::new(move |filter| handle.reload(filter).is_ok())
        }
        LogFormat::Text => {
            let log = log.with_ansi(false).with_filter_reloading();
            let handle = log.reload_handle();
            log.try_init().map_err(failed)?;
            Box::new(move |filter| handle.reload(filter).is_ok())
        }
    };
    Ok(Log { level, write_from })
}

impl Log {
    /// Takes the signals by which the reference raises and lowers its log level, for ever. Untaken they would end the
    /// process.
    pub(crate) fn follow_signals(mut self) -> anyhow::Result<()> {
        let mut louder = signal(SignalKind::user_defined1()).context("SIGUSR1 cannot be taken")?;
        let mut quieter = signal(SignalKind::user_defined2()).context("SIGUSR2 cannot be taken")?;
        tokio::spawn(async move {
            loop {
                let level = tokio::select! {
                    _ = louder.recv() => self.level.louder(),
                    _ = quieter.recv() => self.level.quieter(),
                };
                self.set(level);
            }
        });
        Ok(())
    }

    fn set(&mut self, level: LogLevel) {
        if filter(level).is_ok_and(|filter| (self.write_from)(filter)) {
            self.level = level;
        }
        tracing::warn!(target: WARNING_TARGET, log_level = self.level.as_filter(), "a signal set the log level");
    }
}

fn filter(level: LogLevel) -> anyhow::Result<EnvFilter> {
    // debug is for this program; its libraries would drown it
    let libraries = if level == LogLevel::Debug { LogLevel::Info } else { level };
    let filter = format!(
        "{},bulla_signer={},{}=info,{WARNING_TARGET}=warn",
        libraries.as_filter(),
        level.as_filter(),
        audit::TARGET
    );
    Ok(EnvFilter::try_new(filter)?)
}
