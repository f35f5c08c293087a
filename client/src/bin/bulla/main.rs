//! `bulla`: arguments to an outcome, an outcome to an exit code.

use std::ffi::OsStr;
use std::io::IsTerminal as _;

use clap::{Args, Parser, Subcommand};

mod clock;
mod cmd;
mod context;
mod error;
mod exit;
mod output;
mod printable;
mod terminal;

use context::Context;
use exit::{Code, Exit};
use output::{Format, Output};

/// Sign image tags, see who signed them, and verify them before a pull.
///
/// Works in docker's own directories (~/.docker or $DOCKER_CONFIG): keys and cached trust data are shared with docker
/// and notary. The trust server is $DOCKER_CONTENT_TRUST_SERVER, else the registry's own host.
#[derive(Parser)]
#[command(name = "bulla", version, after_help = exit::HELP)]
struct Arguments {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// What every verb takes.
#[derive(Args)]
struct Global {
    /// The form of what is printed
    #[arg(long, global = true, value_enum, default_value_t, value_name = "FORMAT")]
    output: Format,
}

#[derive(Subcommand)]
enum Command {
    /// Manage trust on images
    #[command(subcommand)]
    Trust(cmd::trust::Command),
}

#[tokio::main]
async fn main() -> std::process::ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(e) if e.use_stderr() => {
            Output::new(format_of_unread(), false).failed(Code::Usage, e.render().to_string().trim_end());
            return Code::Usage.exit().into();
        }
        // Help, or the version.
        Err(e) => {
            let _ = e.print();
            return Exit::Success.into();
        }
    };
    let output = Output::new(arguments.global.output, may_colour());
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
        Code::of(&e).exit()
    });
    exit.into()
}

/// The form that was asked for by arguments that make no sense otherwise.
fn format_of_unread() -> Format {
    let words: Vec<_> = std::env::args_os().collect();
    let json = |pair: &[std::ffi::OsString]| matches!(pair, [name, value] if name == "--output" && value == "json");
    if words.windows(2).any(json) || words.iter().any(|word| word == "--output=json") {
        Format::Json
    } else {
        Format::Text
    }
}

/// Whether somebody looks at standard error who did not ask for plain text (no-color.org).
fn may_colour() -> bool {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    std::io::stderr().is_terminal() && set("NO_COLOR").is_none() && set("TERM").as_deref() != Some(OsStr::new("dumb"))
}
