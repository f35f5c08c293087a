//! What every command needs: settings, the time, randomness, a place to write to.

use bulla::config::{Config, Flags, process_variable};
use bulla::engine::Engine;
use bulla::exposure;
use bulla::keys::passphrase::{Descriptor, Sources};
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
    /// What the command line says of where things are.
    pub(crate) flags: Flags,
    pub(crate) now: UtcTime,
    pub(crate) rng: SystemRandom,
    pub(crate) out: Output,
    /// The docker that is run.
    pub(crate) engine: Engine,
    /// Where the command line says that passphrases are.
    descriptors: Vec<Descriptor>,
}

impl Context {
    /// Reads what the command line names, the environment and the clock.
    pub(crate) fn from_process(
        flags: &Flags,
        descriptors: Vec<Descriptor>,
        engine: Engine,
        out: Output,
    ) -> Result<Self, CliError> {
        let config = Config::from_process(flags)?;
        for warning in &config.warnings {
            out.warn(warning);
        }
        for exposed in exposure::of_directories(&config.docker, &config.trust) {
            out.warn(&exposed.to_string());
        }
        let (flags, now, rng) = (flags.clone(), clock::now(), SystemRandom::new());
        Ok(Self { config, flags, now, rng, out, engine, descriptors })
    }

    /// The keys of the trust directory.
    pub(crate) fn keyring(&self) -> Result<Keyring, CliError> {
        Ok(self.keyring_with(None))
    }

    /// The same, with a descriptor for the passphrase that keys are sealed with anew.
    pub(crate) fn keyring_with(&self, new: Option<u32>) -> Keyring {
        // Read here rather than kept: passphrases are not to be copied about.
        self.keyring_from(self.sources().with_new_descriptor(new))
    }

    /// The same, with a descriptor for the passphrase of a bundle of keys.
    pub(crate) fn keyring_and_bundle(&self, bundle: Option<u32>) -> Keyring {
        self.keyring_from(self.sources().with_bundle_descriptor(bundle))
    }

    fn sources(&self) -> Sources {
        Sources::from_variables(process_variable).with_descriptors(&self.descriptors)
    }

    fn keyring_from(&self, sources: Sources) -> Keyring {
        let passphrases = Passphrases::new(sources, Box::new(Terminal(self.out)));
        Keyring::new(self.config.trust.clone(), passphrases).with_module(self.config.pkcs11_module.clone())
    }
}
