//! `bulla repo verify`: holds data against a target, and passes it on if it is the signed one.

use std::fs::File;
use std::io::{self, Read, Write as _};
use std::path::PathBuf;

use clap::Args;
use serde::Serialize;
use tuf_schema::model;

use super::RepoError;
use super::arguments::{Named, gun};
use super::list::Target;
use super::lookup::Place;
use crate::context::Context;
use crate::error::CliError;
use crate::exit::Exit;
use crate::output::{Format, Show};

#[derive(Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    named: Named,
    /// Read the data from this file instead of standard input
    #[arg(short, long, value_name = "FILE")]
    input: Option<PathBuf>,
    /// Write the data to this file instead of standard output
    #[arg(short = 'o', long = "to", value_name = "FILE")]
    to: Option<PathBuf>,
    /// Do not write the data to standard output
    #[arg(short, long)]
    quiet: bool,
    #[command(flatten)]
    place: Place,
}

/// Data that is the signed one.
#[derive(Serialize)]
struct Matching {
    gun: String,
    #[serde(flatten)]
    target: Target,
}

impl Show for Matching {
    /// Nothing: standard output is for the data.
    fn text(&self) -> String {
        String::new()
    }
}

/// Runs the verb.
pub(super) async fn run(arguments: &Arguments, context: &Context) -> Result<Exit, CliError> {
    let gun = gun(&arguments.named.gun)?;
    let name = &arguments.named.target;
    let found = arguments.place.search(&gun, name, context).await?;
    let (signed, target) = found.ok_or_else(|| RepoError::NoTarget(name.clone()))?;
    let content = match &arguments.input {
        Some(path) => {
            let failed = |source| RepoError::Read { path: path.clone(), source };
            let mut file = File::open(path).map_err(failed)?;
            matching(&mut file, name, &signed).map_err(failed)??
        }
        None => {
            let failed = |source| RepoError::Read { path: PathBuf::from("standard input"), source };
            matching(&mut io::stdin().lock(), name, &signed).map_err(failed)??
        }
    };
    if let Some(path) = &arguments.to {
        std::fs::write(path, &content).map_err(|source| RepoError::Write { path: path.clone(), source })?;
    } else if !arguments.quiet && context.out.format() == Format::Text {
        // The very bytes: what is passed on is data, not text for a terminal.
        let mut stdout = io::stdout().lock();
        stdout.write_all(&content).and_then(|()| stdout.flush())?;
    }
    context.out.show(&Matching { gun: gun.to_string(), target })?;
    Ok(Exit::Success)
}

/// All of `data`, if it is what was signed. No more is read than could be.
fn matching(data: &mut dyn Read, name: &str, signed: &model::Target) -> io::Result<Result<Vec<u8>, RepoError>> {
    let mut content = Vec::new();
    data.take(signed.length.saturating_add(1)).read_to_end(&mut content)?;
    if content.len() as u64 != signed.length {
        let found = content.len() as u64;
        let found = if found > signed.length { "more".to_owned() } else { found.to_string() };
        return Ok(Err(RepoError::Length { name: name.to_owned(), expected: signed.length, found }));
    }
    let checked = signed.digests.check(&content);
    Ok(checked.map(|()| content).map_err(|why| RepoError::Differs { name: name.to_owned(), why }))
}

#[cfg(test)]
mod tests {
    use tuf_schema::Digests;

    use super::*;

    fn check(data: &[u8], signed: &[u8]) -> Result<Vec<u8>, RepoError> {
        let signed = model::Target { length: signed.len() as u64, digests: Digests::of(signed), custom: None };
        matching(&mut &*data, "v1", &signed).unwrap()
    }

    #[test]
    fn only_the_signed_bytes_pass() {
        assert_eq!(check(b"one\xff", b"one\xff").unwrap(), b"one\xff");
        assert_eq!(check(b"", b"").unwrap(), b"");
        let refused = |data: &[u8]| check(data, b"one").unwrap_err().to_string();
        let before = "data not present in the trusted collection, v1: ";
        assert!(refused(b"two").starts_with(&format!("{before}sha256 checksum did not match: expected 7692c3")));
        assert_eq!(refused(b"on"), format!("{before}expected 3 bytes, found 2"));
        assert_eq!(refused(b"one and more"), format!("{before}expected 3 bytes, found more"));
    }

    #[test]
    fn data_without_end_is_read_as_far_as_it_could_match() {
        let signed = model::Target { length: 3, digests: Digests::of(b"one"), custom: None };
        let refused = matching(&mut io::repeat(b'o'), "v1", &signed).unwrap();
        assert!(matches!(refused, Err(RepoError::Length { .. })));
    }
}
