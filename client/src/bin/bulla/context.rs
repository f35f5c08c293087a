//! What every command needs: settings, the time, randomness, a place to write to.

use bulla::config::Config;
use bulla::exposure;
use bulla::keys::{Keyring, Passphrases};
use ring::rand::SystemRandom;
use tuf_schema::UtcTime;

use crate::clock;
use crate::error::CliError;
use crate::output::Output;
use crate::terminal::Terminal;

/// The surroundings of one run.
pub(crate) struct Context {
    pub(crate) config: Config,
    pub(crate) now: UtcTime,
    pub(crate) rng: SystemRandom,
    pub(crate) out: Output,
}

impl Context {
    /// Reads the environment and the clock.
    pub(crate) fn from_process(out: Output) -> Result<Self, CliError> {
        let config = Config::from_process()?;
        for exposed in exposure::of_directories(&config.docker) {
            out.warn(&exposed.to_string());
        }
        Ok(Self { config, now: clock::now(), rng: SystemRandom::new(), out })
    }

    /// The keys of docker's trust directory.
    pub(crate) fn keyring(&self) -> Result<Keyring, CliError> {
        // Read again rather than shared: passphrases are not to be copied about.
        let passphrases = Passphrases::new(Config::from_process()?.passphrases, Box::new(Terminal(self.out)));
        Ok(Keyring::new(self.config.docker.trust(), passphrases))
    }
}
