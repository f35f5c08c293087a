//! The verbs of `bulla-server admin`.

use std::process::ExitCode;

use bulla_server::config::Config;

/// What to do with the database.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum AdminVerb {
    /// Looks whether every role of every repository can be read
    Verify {},
    /// Copies everything into another, empty database
    Copy {},
}

/// Does what the verb says. The configuration was read, and what it warns of was said.
pub(crate) fn run(verb: AdminVerb, _config: Config) -> anyhow::Result<ExitCode> {
    match verb {
        AdminVerb::Verify {} | AdminVerb::Copy {} => anyhow::bail!("this verb is not there yet"),
    }
}
