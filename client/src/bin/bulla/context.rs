//! What every command needs: settings, the time, randomness, a place to write to.

use bulla::config::{Config, EnvironmentPassphrases, Flags, process_variable};
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
    /// Reads what the command line names, the environment and the clock.
    pub(crate) fn from_process(flags: &Flags, out: Output) -> Result<Self, CliError> {
        let config = Config::from_process(flags)?;
        for warning in &config.warnings {
            out.warn(warning);
        }
        for exposed in exposure::of_directories(&config.docker, &config.trust) {
            out.warn(&exposed.to_string());
        }
        Ok(Self { config, now: clock::now(), rng: SystemRandom::new(), out })
    }

    /// The keys of the trust directory.
    pub(crate) fn keyring(&self) -> Result<Keyring, CliError> {
        // Read here rather than kept: passphrases are not to be copied about.
        let environment = EnvironmentPassphrases::from_variables(process_variable);
        let passphrases = Passphrases::new(environment, Box::new(Terminal(self.out)));
        Ok(Keyring::new(self.config.trust.clone(), passphrases))
    }
}
