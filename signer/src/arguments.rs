//! The command line: the reference's flags, after one dash or two, and verbs of our own. Without a verb it serves.

pub(crate) mod audit;
mod backup;
pub(crate) mod config;
pub(crate) mod keys;
pub(crate) mod rewrap;
pub(crate) mod tokens;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Parser, Subcommand};

pub(crate) use audit::AuditVerb;
pub(crate) use config::ConfigVerb;
pub(crate) use keys::KeysVerb;
pub(crate) use rewrap::RewrapArguments;
pub(crate) use tokens::TokensVerb;

/// Holds the keys that a content-trust server signs with, and signs for it over gRPC.
#[derive(Debug, Parser)]
#[command(name = "bulla-signer", disable_version_flag = true, subcommand_value_name = "VERB")]
pub(crate) struct Arguments {
    /// The configuration file: the reference's, in JSON
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// How log lines are written: json or logfmt
    #[arg(long, global = true, value_name = "FORMAT", default_value = "json", value_parser = log_format)]
    pub(crate) logf: LogFormat,
    /// Lets core files and debuggers at the memory with keys in it; the reference serves a profiler, too
    #[arg(long, num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true", value_parser = flag, action = clap::ArgAction::Set)]
    pub(crate) debug: bool,
    /// Prints the version
    #[arg(long, num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true", value_parser = flag, action = clap::ArgAction::Set)]
    pub(crate) version: bool,
    /// What to do instead of serving.
    #[command(subcommand)]
    pub(crate) verb: Option<Verb>,
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LogFormat {
    /// One JSON object a line.
    Json,
    /// Text.
    Text,
}

/// What to do instead of serving.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Looks at the configuration without serving
    #[command(subcommand)]
    Config(ConfigVerb),
    /// Verifies the chains of audit records, and prints from them
    #[command(subcommand)]
    Audit(AuditVerb),
    /// Looks at the keys of the configured store and changes what may be done with them; signers may be running
    #[command(subcommand)]
    Keys(KeysVerb),
    /// Seals stored keys anew under another alias, while signers sign with them; can be broken off and run again
    Rewrap(RewrapArguments),
    /// Looks at the keys on the configured PKCS #11 tokens
    #[command(subcommand)]
    Tokens(TokensVerb),
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
        "logfmt" => Ok(LogFormat::Text),
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
        let words = std::iter::once("bulla-signer").chain(line.split_whitespace()).map(OsString::from);
        Arguments::parse_from_line(words).map_err(|error| error.to_string())
    }

    #[test]
    fn one_dash_two_dashes_and_an_equals_sign_mean_the_same() {
        for line in ["-config a.json", "--config a.json", "-config=a.json", "--debug --config=a.json"] {
            let read = parse(line).unwrap();
            assert_eq!((read.config, read.logf), (Some("a.json".into()), LogFormat::Json), "{line}");
        }
        assert_eq!(parse("-logf logfmt -config a").unwrap().logf, LogFormat::Text);
        assert!(!parse("-debug=false -config a").unwrap().debug);
        assert!(parse("-version").unwrap().version);
    }

    #[test]
    fn a_flag_stands_before_a_verb_or_behind_it() {
        for line in ["-config a config check", "config check --config a"] {
            let read = parse(line).unwrap();
            assert_eq!(read.config, Some("a".into()), "{line}");
            assert!(matches!(read.verb, Some(Verb::Config(ConfigVerb::Check))), "{line}");
        }
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        for (line, named) in [
            ("-config", "--config"),
            ("-confg x", "--confg"),
            ("signer.json", "signer.json"),
            ("-logf xml -config a", "must be json or logfmt"),
            ("-debug=maybe -config a", "must be true or false"),
        ] {
            let refusal = parse(line).unwrap_err();
            assert!(refusal.contains(named), "{line}: {refusal}");
        }
    }
}
