//! The verb of `bulla-signer config`.

use std::io::{self, Write as _};
use std::process::ExitCode;

use bulla_signer::config::Config;

/// What to do with the configuration.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum ConfigVerb {
    /// Reads the configuration and the files it names, and changes nothing; status 0 if it would serve
    Check,
}

/// Does what the verb says. The configuration was read, or this would not be reached.
pub(crate) fn run(verb: &ConfigVerb, config: &Config) -> anyhow::Result<ExitCode> {
    match verb {
        ConfigVerb::Check => {
            let mut output = io::stdout();
            for warning in &config.warnings {
                writeln!(output, "warning: {warning}")?;
            }
            bulla_signer::check(config)?;
            writeln!(output, "the configuration can be used")?;
            Ok(ExitCode::SUCCESS)
        }
    }
}
