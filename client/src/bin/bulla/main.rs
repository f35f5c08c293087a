//! `bulla`: arguments to an outcome, an outcome to an exit code.

use clap::{Parser, Subcommand};

mod clock;
mod cmd;
mod context;
mod error;
mod exit;
mod output;
mod printable;
mod terminal;

use context::Context;
use exit::Exit;
use output::Output;

/// Sign image tags, see who signed them, and verify them before a pull.
///
/// Works in docker's own directories (~/.docker or $DOCKER_CONFIG): keys and cached trust data are shared with docker
/// and notary. The trust server is $DOCKER_CONTENT_TRUST_SERVER, else the registry's own host.
#[derive(Parser)]
#[command(name = "bulla", version, after_help = exit::HELP)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Manage trust on images
    #[command(subcommand)]
    Trust(cmd::trust::Command),
}

#[tokio::main]
async fn main() -> std::process::ExitCode {
    let output = Output::standard();
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(e) if e.use_stderr() => {
            output.lines(e.render().to_string().trim_end());
            return Exit::Usage.into();
        }
        // Help, or the version.
        Err(e) => {
            let _ = e.print();
            return Exit::Success.into();
        }
    };
    // It can only have been installed already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let outcome = match Context::from_process(output) {
        Ok(context) => match arguments.command {
            Command::Trust(command) => cmd::trust::run(command, &context).await,
        },
        Err(e) => Err(e),
    };
    let exit = outcome.unwrap_or_else(|e| {
        output.error(&e);
        Exit::of(&e)
    });
    exit.into()
}
