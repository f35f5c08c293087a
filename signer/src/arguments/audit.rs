//! The verbs of `bulla-signer audit`. Status 0: nothing found; 1: the chain is not as it was left; 2: it could not be looked at.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use bulla_signer::audit::export::{Wanted, export};
use bulla_signer::audit::head::Head;
use bulla_signer::audit::name::SignerName;
use bulla_signer::audit::verify::{Heads, VerifyError, heads_of_file, signers, verify};
use bulla_signer::config::Config;
use tuf_schema::UtcTime;

/// What to do with audit chains.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum AuditVerb {
    /// Verifies chains and their heads; status 1 names the first line that is not as the signer left it
    Verify(Verify),
    /// Prints entries as JSON lines
    Export(Export),
}

/// Which chains.
#[derive(Debug, clap::Args)]
pub(crate) struct Chains {
    /// The directory of chains, such as a copy; without it that of the configuration
    #[arg(value_name = "DIRECTORY")]
    directory: Option<PathBuf>,
    /// The chain of this signer only
    #[arg(long, value_name = "NAME", value_parser = signer)]
    signer: Option<SignerName>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Verify {
    #[command(flatten)]
    chains: Chains,
    /// A file of heads, as audit.second_place has them; with --config those of the key database are asked, too
    #[arg(long, value_name = "FILE")]
    heads: Vec<PathBuf>,
    /// A public key that heads may be signed with, in hexadecimal; without it any key counts that a head names
    #[arg(long, value_name = "HEX")]
    public_key: Vec<String>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Export {
    #[command(flatten)]
    chains: Chains,
    /// Not older than this time, in RFC 3339
    #[arg(long, value_name = "TIME", value_parser = time)]
    from: Option<UtcTime>,
    /// Older than this time
    #[arg(long, value_name = "TIME", value_parser = time)]
    to: Option<UtcTime>,
    /// Of this repository
    #[arg(long, value_name = "GUN")]
    gun: Option<String>,
    /// Of this key
    #[arg(long, value_name = "ID")]
    key: Option<String>,
    /// Of this caller
    #[arg(long, value_name = "NAME")]
    caller: Option<String>,
    /// Of this event: create, sign, rewrap, delete and so on
    #[arg(long, value_name = "EVENT")]
    event: Option<String>,
    /// Refused ones only
    #[arg(long)]
    refused: bool,
}

/// Does what the verb says. Without a configuration nothing but the named files is read.
pub(crate) fn run(verb: &AuditVerb, config: Option<&Config>) -> ExitCode {
    let done = match verb {
        AuditVerb::Verify(verb) => verify_chains(verb, config),
        AuditVerb::Export(verb) => export_chains(verb, config),
    };
    done.unwrap_or_else(|error| {
        // if nobody reads it, the status tells
        let _ = writeln!(io::stderr(), "bulla-signer: {error:#}");
        ExitCode::from(2)
    })
}

fn verify_chains(verb: &Verify, config: Option<&Config>) -> anyhow::Result<ExitCode> {
    let mut output = io::stdout();
    let mut is_sound = true;
    // before the files, which may be written to meanwhile
    let stored = stored_heads(config)?;
    let (directory, mut names) = verb.chains.found(config)?;
    let own = config.and_then(|config| config.audit.as_ref()).map(|audit| audit.signer.clone());
    // a chain that is gone as a whole
    names.extend(own.filter(|own| verb.chains.signer.is_none() && !names.contains(own)));
    anyhow::ensure!(!names.is_empty(), "there is no chain in {}", directory.display());
    for name in &names {
        let mut heads: Vec<Heads<'_>> = Vec::new();
        for file in verb.heads.iter().cloned().chain(second_place(config, name)) {
            heads.push(heads_of_file(&file, name)?);
        }
        heads.push(Box::new(stored.iter().filter(|head| head.signer == *name).cloned().map(Ok)));
        match verify(&directory.join(name.as_str()), name, heads, &verb.public_key) {
            Ok(sound) => {
                writeln!(
                    output,
                    "{name}: sound: {} lines of chain {}, {} heads",
                    sound.tip.count, sound.chain, sound.heads
                )?;
                match &sound.last_head {
                    None => writeln!(output, "{name}: no head: a tail that was cut off would not be noticed")?,
                    Some(head) => {
                        let key = hex::encode(head.key.public_bytes());
                        writeln!(output, "{name}: last head of {} at line {}, key {key}", head.time, head.tip.count)?;
                        if verb.public_key.is_empty() {
                            writeln!(output, "{name}: any key was taken for the signer's: give --public-key")?;
                        }
                    }
                }
                if sound.unfinished > 0 {
                    writeln!(output, "{name}: {} bytes of an unfinished line at the end", sound.unfinished)?;
                }
            }
            Err(VerifyError::Found(finding)) => {
                is_sound = false;
                writeln!(output, "{name}: {finding}")?;
            }
            Err(VerifyError::Folder(error)) => return Err(error).with_context(|| format!("{name} cannot be verified")),
        }
    }
    Ok(if is_sound { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

fn export_chains(verb: &Export, config: Option<&Config>) -> anyhow::Result<ExitCode> {
    let (directory, names) = verb.chains.found(config)?;
    let Export { from, to, gun, key, caller, event, refused, .. } = verb;
    let wanted = Wanted {
        from: *from,
        to: *to,
        gun: gun.clone(),
        key: key.clone(),
        caller: caller.clone(),
        event: event.clone(),
        is_refused: *refused,
    };
    let mut output = io::BufWriter::new(io::stdout());
    for name in names {
        match export(&directory.join(name.as_str()), &wanted, &mut output) {
            Ok(()) => {}
            Err(VerifyError::Found(finding)) => {
                output.flush()?;
                writeln!(io::stderr(), "{name}: {finding}")?;
                return Ok(ExitCode::from(1));
            }
            Err(VerifyError::Folder(error)) => return Err(error.into()),
        }
    }
    output.flush()?;
    Ok(ExitCode::SUCCESS)
}

impl Chains {
    /// The directory, and whose chains in it.
    fn found(&self, config: Option<&Config>) -> anyhow::Result<(PathBuf, Vec<SignerName>)> {
        let of_config = || config.and_then(|config| config.audit.as_ref()).map(|audit| audit.directory.clone());
        let directory = self.directory.clone().or_else(of_config);
        let directory = directory.context("name a DIRECTORY, or a -config whose audit.directory is set")?;
        let names = match &self.signer {
            Some(name) => vec![name.clone()],
            None => signers(&directory)?,
        };
        Ok((directory, names))
    }
}

/// The file in the second place, if there is one.
fn second_place(config: Option<&Config>, signer: &SignerName) -> Option<PathBuf> {
    let place = config?.audit.as_ref()?.second_place.as_ref()?;
    Some(place.join(format!("{signer}.heads.jsonl"))).filter(|file| Path::exists(file))
}

/// The heads in the key database.
fn stored_heads(config: Option<&Config>) -> anyhow::Result<Vec<Head>> {
    let Some(config) = config else { return Ok(Vec::new()) };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let texts = runtime.block_on(bulla_signer::stored_heads(config))?;
    let read = |text: &String| Head::read(text.as_bytes()).context("the key database holds something else than heads");
    texts.iter().map(read).collect()
}

fn signer(text: &str) -> Result<SignerName, &'static str> {
    SignerName::parse(text).ok_or("must be the name of a signer: letters, digits, '.', '_' and '-'")
}

fn time(text: &str) -> Result<UtcTime, &'static str> {
    UtcTime::parse(text).map_err(|_| "must be a time as 2026-11-22T05:00:00Z")
}
