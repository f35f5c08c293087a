//! `bulla`: arguments to an outcome, an outcome to an exit code.

use std::ffi::{OsStr, OsString};
use std::io::IsTerminal as _;
use std::path::PathBuf;

use bulla::config::{Flags, process_variable};
use bulla::engine::Engine;
use bulla::keys::passphrase::Descriptor;
use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

mod age;
mod clock;
mod cmd;
mod context;
mod error;
mod exit;
mod output;
mod plugin;
mod printable;
mod terminal;

use context::Context;
use error::CliError;
use exit::{Code, Exit};
use output::{Format, Output, Watcher};
use plugin::{Asked, Call, Called, Metadata};

/// Sign image tags, see who signed them, and verify them before a pull.
///
/// Works in docker's own directories (~/.docker or $DOCKER_CONFIG): keys and cached trust data are shared with docker
/// and notary. With notary's configuration file, or its directory, it works there. The trust server is that of --server,
/// else $DOCKER_CONTENT_TRUST_SERVER, else that of notary's configuration, else the host that the name begins with.
#[derive(Parser)]
#[command(name = "bulla", version, after_help = exit::HELP)]
struct Arguments {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// Sign image tags, see who signed them, and pull and run what is signed.
///
/// This is bulla as a plugin of docker's. Keys and cached trust data are docker's own (~/.docker/trust). The trust server
/// is that of --server, else $DOCKER_CONTENT_TRUST_SERVER, else the host that the image's name begins with.
#[derive(Parser)]
#[command(name = "docker", version, after_help = exit::HELP)]
struct PluginArguments {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: cmd::trust::Command,
}

/// What every verb takes.
#[derive(Args)]
#[command(next_help_heading = "Options of every verb")]
struct Global {
    /// The form of what is printed
    #[arg(long, global = true, value_enum, default_value_t, value_name = "FORMAT")]
    output: Format,
    /// Directory of keys and trusted metadata [default: that of notary's configuration, else ~/.docker/trust]
    #[arg(short = 'd', long, visible_alias = "trustDir", global = true, value_name = "DIR")]
    trust_dir: Option<PathBuf>,
    /// notary's configuration file, in JSON [default: config.json in the directory of --trust-dir]
    #[arg(short, long, visible_alias = "configFile", global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Trust server, an https URL
    #[arg(short, long, global = true, value_name = "URL")]
    server: Option<String>,
    /// Trust only this authority's certificates of the trust server
    #[arg(long, global = true, value_name = "FILE")]
    tlscacert: Option<PathBuf>,
    /// Certificate to show to the trust server; takes --tlskey
    #[arg(long, global = true, value_name = "FILE")]
    tlscert: Option<PathBuf>,
    /// Key of that certificate
    #[arg(long, global = true, value_name = "FILE")]
    tlskey: Option<PathBuf>,
    /// Policy: which images need which signers [default: policy.toml in the directory of --trust-dir]
    #[arg(long, global = true, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// File descriptor whose first line is the passphrase of all keys, or of those of one role: root, targets,
    /// snapshot or delegation
    #[arg(long, global = true, value_name = "[ROLE=]N")]
    passphrase_fd: Vec<Descriptor>,
}

impl Global {
    /// Where things are.
    fn flags(&self, docker_directory: Option<PathBuf>) -> Flags {
        Flags {
            docker_directory,
            trust_directory: self.trust_dir.clone(),
            notary_file: self.config.clone(),
            server: self.server.clone(),
            authority: self.tlscacert.clone(),
            certificate: self.tlscert.clone(),
            key: self.tlskey.clone(),
            policy: self.policy.clone(),
        }
    }
}

#[derive(Subcommand)]
enum Command {
    /// Manage trust on images
    #[command(subcommand)]
    Trust(cmd::trust::Command),
    /// Operate on private keys
    #[command(subcommand)]
    Key(cmd::key::Command),
    /// See what to pin of repositories
    #[command(subcommand)]
    Pin(cmd::pin::Command),
    /// Say whether images may be pulled, and why
    Verify(cmd::verify::Arguments),
    /// See what a policy decides
    #[command(subcommand)]
    Policy(cmd::policy::Command),
    /// Sign anew what has expired, or soon will
    Renew(cmd::renew::Arguments),
    /// Say what is wrong with repositories and keys, and which command mends it
    Doctor(cmd::doctor::Arguments),
    /// Print what a shell needs to complete verbs and options
    Completions(cmd::completions::Arguments),
    /// Write manual pages
    Man(cmd::man::Arguments),
    /// Manage the targets of a repository
    #[command(subcommand)]
    Repo(cmd::repo::Command),
    /// Manage who may sign what in a repository
    #[command(subcommand)]
    Delegation(cmd::delegation::Command),
    /// Have several keys sign a role
    #[command(subcommand)]
    Threshold(cmd::threshold::Command),
    /// Sign together: a file that is passed around until enough have signed
    #[command(subcommand)]
    Session(cmd::session::Command),
}

/// Documents of ten thousand tags are some hundred thousand small pieces of memory, all gone when the command is done.
#[global_allocator]
static MEMORY: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> std::process::ExitCode {
    let unread = |called| Output::new(format_of_unread(), Watcher::Nobody, called);
    let call = match Call::read(std::env::args_os(), process_variable) {
        Ok(call) => call,
        Err(e) => {
            unread(Called::Bulla).failed(Code::Usage, &e.to_string());
            return Code::Usage.exit().into();
        }
    };
    let called = call.called;
    let words = match call.asked {
        Asked::Command(words) => words,
        asked => return tell_docker(&asked, unread(called)).into(),
    };
    let arguments = match parse(called, words) {
        Ok(arguments) => arguments,
        Err(e) if e.use_stderr() => {
            unread(called).failed(Code::Usage, e.render().to_string().trim_end());
            return Code::Usage.exit().into();
        }
        // Help, or the version.
        Err(e) => {
            let _ = e.print();
            return Exit::Success.into();
        }
    };
    let output = Output::new(arguments.global.output, watcher(), called);
    // It can only have been installed already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let starts = matches!(arguments.command, Command::Trust(cmd::trust::Command::Run(_)));
    let exit = run(arguments, call.docker_directory, call.engine, output).await.unwrap_or_else(|e| {
        output.error(&e);
        // What fails before docker has the word, settings included, must not look as if the container had ended so.
        if starts { Exit::NotStarted } else { Code::of(&e).exit() }
    });
    exit.into()
}

/// Reads the words by the name that the program was called under.
fn parse(called: Called, words: Vec<OsString>) -> Result<Arguments, clap::Error> {
    let program = |name: &OsStr| std::iter::once(name.to_owned());
    match called {
        Called::Bulla => {
            let command = Arguments::command();
            let words = plugin::guarded(&command, &["trust"], words);
            Arguments::from_arg_matches(&command.try_get_matches_from(program("bulla".as_ref()).chain(words))?)
        }
        Called::Plugin(name) => {
            let command = PluginArguments::command().bin_name(format!("docker {name}"));
            let words = plugin::guarded(&command, &[], words);
            let matches = command.try_get_matches_from(program("docker".as_ref()).chain(words))?;
            let PluginArguments { global, command } = PluginArguments::from_arg_matches(&matches)?;
            Ok(Arguments { global, command: Command::Trust(command) })
        }
    }
}

/// Answers docker's own questions of its plugin.
fn tell_docker(asked: &Asked, output: Output) -> Exit {
    let told = match asked {
        Asked::Metadata => output.show(&Metadata::OURS),
        Asked::Completion(words) => output.show(&plugin::Completions::of(&PluginArguments::command(), words)),
        Asked::Command(_) => Ok(()),
    };
    if told.is_ok() { Exit::Success } else { Exit::Failure }
}

/// Runs the verb. Those that only tell of the program itself need no directories.
async fn run(
    arguments: Arguments,
    docker_directory: Option<PathBuf>,
    engine: Engine,
    output: Output,
) -> Result<Exit, CliError> {
    let (flags, descriptors) = (arguments.global.flags(docker_directory), arguments.global.passphrase_fd);
    let context = || Context::from_process(&flags, descriptors, engine, output);
    match arguments.command {
        Command::Trust(command) => cmd::trust::run(command, &context()?).await,
        Command::Key(command) => cmd::key::run(command, &context()?).await,
        Command::Pin(command) => cmd::pin::run(command, &context()?).await,
        Command::Verify(arguments) => cmd::verify::run(&arguments, &context()?).await,
        Command::Policy(command) => cmd::policy::run(command, &context()?).await,
        Command::Repo(command) => cmd::repo::run(command, &context()?).await,
        Command::Delegation(command) => cmd::delegation::run(command, &context()?).await,
        Command::Threshold(command) => cmd::threshold::run(command, &context()?).await,
        Command::Session(command) => cmd::session::run(command, &context()?).await,
        Command::Renew(arguments) => cmd::renew::run(&arguments, &context()?).await,
        Command::Doctor(arguments) => cmd::doctor::run(&arguments, &context()?).await,
        Command::Completions(arguments) => cmd::completions::run(&arguments, Arguments::command(), output),
        Command::Man(arguments) => cmd::man::run(&arguments, Arguments::command(), output),
    }
}

/// The form that was asked for by arguments that make no sense otherwise.
fn format_of_unread() -> Format {
    let words: Vec<_> = std::env::args_os().collect();
    let json = |pair: &[OsString]| matches!(pair, [name, value] if name == "--output" && value == "json");
    if words.windows(2).any(json) || words.iter().any(|word| word == "--output=json") {
        Format::Json
    } else {
        Format::Text
    }
}

/// Who looks at standard error, and whether he asked for plain text (no-color.org).
fn watcher() -> Watcher {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    if !std::io::stderr().is_terminal() || set("TERM").as_deref() == Some(OsStr::new("dumb")) {
        Watcher::Nobody
    } else if set("NO_COLOR").is_some() {
        Watcher::Plain
    } else {
        Watcher::Coloured
    }
}
