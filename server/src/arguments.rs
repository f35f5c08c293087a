//! The command line: the reference's flags, after one dash or two, and verbs of our own. Without a verb it serves.

pub(crate) mod admin;

use std::ffi::OsString;
use std::path::PathBuf;

use bulla_server::logging::LogFormat;
use clap::{Parser, Subcommand};

pub(crate) use admin::AdminVerb;

/// Serves signed metadata of container images, to clients of Notary v1.
#[derive(Debug, Parser)]
#[command(name = "bulla-server", disable_version_flag = true, subcommand_value_name = "VERB")]
pub(crate) struct Arguments {
    /// The configuration file: the reference's, in JSON
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// How log lines are written: json or logfmt
    #[arg(long, global = true, value_name = "FORMAT", default_value = "json", value_parser = log_format)]
    pub(crate) logf: LogFormat,
    /// Has no effect: the reference serves a profiler then
    #[arg(long, num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true", value_parser = flag, action = clap::ArgAction::Set)]
    pub(crate) debug: bool,
    /// Makes the tables of the database and ends; every start makes them anyhow
    #[arg(long, num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true", value_parser = flag, action = clap::ArgAction::Set)]
    pub(crate) bootstrap: bool,
    /// Prints the version
    #[arg(long, num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true", value_parser = flag, action = clap::ArgAction::Set)]
    pub(crate) version: bool,
    /// What to do instead of serving.
    #[command(subcommand)]
    pub(crate) verb: Option<Verb>,
}

/// What to do instead of serving.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Looks at the configuration without serving
    #[command(subcommand)]
    Config(ConfigVerb),
    /// Looks after the database
    #[command(subcommand)]
    Admin(AdminVerb),
}

/// What to do with the configuration.
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigVerb {
    /// Says what a start would make of the configuration and the files it names; status 0 if it would serve
    Check {
        /// Also asks the database and the signer whether they can be reached
        #[arg(long)]
        connect: bool,
    },
}

impl Arguments {
    /// Reads the command line, the program's name first.
    pub(crate) fn parse_from_line(line: impl IntoIterator<Item = OsString>) -> Result<Self, clap::Error> {
        Self::try_parse_from(two_dashes(line))
    }
}

/// Puts a second dash before the names that Go's flags have after one; what follows a bare `--` stays.
fn two_dashes(line: impl IntoIterator<Item = OsString>) -> impl Iterator<Item = OsString> {
    let mut is_over = false;
    line.into_iter().map(move |word| {
        is_over |= word == "--";
        match word.to_str().and_then(|text| text.strip_prefix('-')) {
            // a short flag, as -h, has one letter
            Some(name) if !is_over && name.len() > 1 && !name.starts_with('-') => format!("--{name}").into(),
            _ => word,
        }
    })
}

fn log_format(text: &str) -> Result<LogFormat, &'static str> {
    match text {
        "json" => Ok(LogFormat::Json),
        "logfmt" => Ok(LogFormat::Logfmt),
        _ => Err("must be json or logfmt"),
    }
}

/// A truth value as Go writes it.
fn flag(text: &str) -> Result<bool, &'static str> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err("must be true or false"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Arguments, String> {
        let words = std::iter::once("bulla-server").chain(line.split_whitespace()).map(OsString::from);
        Arguments::parse_from_line(words).map_err(|error| error.to_string())
    }

    #[test]
    fn a_flag_has_one_dash_or_two_and_its_value_behind_a_blank_or_an_equals_sign() {
        for line in ["-config a.json", "--config a.json", "-config=a.json", "--config=a.json"] {
            let read = parse(line).unwrap();
            assert_eq!(read.config, Some("a.json".into()), "{line}");
            assert_eq!((read.logf, read.debug, read.verb.is_none()), (LogFormat::Json, false, true), "{line}");
        }
        let read = parse("-debug -bootstrap=true -logf logfmt -config a").unwrap();
        assert_eq!((read.logf, read.debug, read.bootstrap), (LogFormat::Logfmt, true, true));
        assert!(!parse("-debug=false -config a").unwrap().debug);
        assert!(parse("-version").unwrap().version);
    }

    #[test]
    fn a_flag_stands_before_a_verb_or_behind_it() {
        for line in ["-config a config check -connect", "config check --connect --config a"] {
            let read = parse(line).unwrap();
            assert_eq!(read.config, Some("a".into()), "{line}");
            assert!(matches!(read.verb, Some(Verb::Config(ConfigVerb::Check { connect: true }))), "{line}");
        }
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        for (line, named) in [
            ("-config", "--config"),
            ("-confg x", "--confg"),
            ("a.json", "a.json"),
            ("-logf xml -config a", "must be json or logfmt"),
            ("-debug=maybe -config a", "must be true or false"),
        ] {
            let refusal = parse(line).unwrap_err();
            assert!(refusal.contains(named), "{line}: {refusal}");
        }
    }
}
