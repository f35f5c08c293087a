//! `certs-dev OUT_DIR [--host NAME]...`: writes a development PKI into a new directory.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::SystemTime;

use anyhow::{Context, bail};
use certs_dev::{CERTIFICATES_READ_ME, DevelopmentPki, VALID_DAYS};

const USAGE: &str = "usage: certs-dev OUT_DIR [--host NAME]...";

fn main() -> ExitCode {
    match run(std::env::args().skip(1)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "certs-dev: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: impl Iterator<Item = String>) -> anyhow::Result<()> {
    let Some(Wanted { directory, hosts }) = parse(arguments)? else {
        writeln!(io::stdout(), "{USAGE}")?;
        return Ok(());
    };
    #[expect(clippy::disallowed_methods, reason = "main is where the clock is read")]
    let now = SystemTime::now();
    DevelopmentPki::make(&hosts, now)?.write(&directory)?;
    let mut out = io::stdout().lock();
    writeln!(out, "{}: a development PKI, valid for {VALID_DAYS} days", directory.display())
        .and_then(|()| out.write_all(CERTIFICATES_READ_ME.as_bytes()))
        .context("standard output")
}

#[derive(Debug, PartialEq, Eq)]
struct Wanted {
    directory: PathBuf,
    hosts: Vec<String>,
}

/// `None` when only help was asked for.
fn parse(mut arguments: impl Iterator<Item = String>) -> anyhow::Result<Option<Wanted>> {
    let mut directory = None;
    let mut hosts = Vec::new();
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "-h" | "--help" => return Ok(None),
            "--host" => hosts.push(arguments.next().context("--host needs a name")?),
            option if option.starts_with('-') => bail!("unknown option {option}; {USAGE}"),
            path if directory.is_none() => directory = Some(PathBuf::from(path)),
            extra => bail!("{extra} is one argument too many; {USAGE}"),
        }
    }
    let directory = directory.context(USAGE)?;
    Ok(Some(Wanted { directory, hosts }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(arguments: &[&str]) -> anyhow::Result<Option<Wanted>> {
        parse(arguments.iter().map(|&argument| argument.to_owned()))
    }

    #[test]
    fn hosts_may_stand_on_either_side_of_the_directory() {
        let wanted = parsed(&["--host", "a", "out", "--host", "b"]).unwrap().unwrap();
        let hosts = vec!["a".to_owned(), "b".to_owned()];
        assert_eq!(wanted, Wanted { directory: "out".into(), hosts });
    }

    #[test]
    fn a_missing_or_second_directory_and_a_host_without_name_are_refused() {
        for arguments in [&[][..], &["a", "b"], &["a", "--host"], &["a", "--hots", "b"]] {
            assert!(parsed(arguments).is_err(), "{arguments:?}");
        }
    }
}
