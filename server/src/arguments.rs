//! The command line, as the reference takes it: long names after one dash or two.

use std::path::PathBuf;

use bulla_server::logging::LogFormat;

/// What the command line asks for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Arguments {
    /// `-version`.
    Version,
    /// Serve.
    Serve {
        /// `-config`: the configuration file.
        config: PathBuf,
        /// `-logf`: how events are written.
        log_format: LogFormat,
        /// Flags of the reference that do nothing here.
        ignored: Vec<&'static str>,
    },
}

/// Why the command line cannot be used.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ArgumentError {
    #[error("-config FILE is missing")]
    NoConfig,
    #[error("{0} needs a value")]
    NoValue(String),
    #[error("{0:?} is not known; the flags are -config FILE, -logf json|logfmt and -version")]
    Unknown(String),
    #[error("-logf is {0:?}, but must be json or logfmt")]
    LogFormat(String),
}

impl Arguments {
    /// Reads what follows the program's name.
    pub(crate) fn parse(arguments: impl IntoIterator<Item = String>) -> Result<Self, ArgumentError> {
        let mut arguments = arguments.into_iter();
        let (mut config, mut log_format, mut ignored) = (None, LogFormat::Json, Vec::new());
        while let Some(argument) = arguments.next() {
            let Some(flag) = argument.strip_prefix("--").or_else(|| argument.strip_prefix('-')) else {
                return Err(ArgumentError::Unknown(argument));
            };
            let (name, given) = match flag.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (flag, None),
            };
            match name {
                "version" => return Ok(Self::Version),
                "debug" => ignored.push("-debug"),
                "config" => {
                    let value = given.or_else(|| arguments.next());
                    config = Some(PathBuf::from(value.ok_or(ArgumentError::NoValue(argument))?));
                }
                "logf" => {
                    let value = given.or_else(|| arguments.next()).ok_or(ArgumentError::NoValue(argument))?;
                    log_format = match value.as_str() {
                        "json" => LogFormat::Json,
                        "logfmt" => LogFormat::Logfmt,
                        _ => return Err(ArgumentError::LogFormat(value)),
                    };
                }
                _ => return Err(ArgumentError::Unknown(argument)),
            }
        }
        let config = config.ok_or(ArgumentError::NoConfig)?;
        Ok(Self::Serve { config, log_format, ignored })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Arguments, ArgumentError> {
        Arguments::parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn a_flag_has_one_dash_or_two_and_its_value_behind_a_blank_or_an_equals_sign() {
        for line in ["-config a.json", "--config a.json", "-config=a.json", "--config=a.json"] {
            let expected = Arguments::Serve { config: "a.json".into(), log_format: LogFormat::Json, ignored: vec![] };
            assert_eq!(parse(line), Ok(expected), "{line}");
        }
        let expected = Arguments::Serve { config: "a".into(), log_format: LogFormat::Logfmt, ignored: vec!["-debug"] };
        assert_eq!(parse("-debug -logf logfmt -config a"), Ok(expected));
        assert_eq!(parse("-version"), Ok(Arguments::Version));
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        assert_eq!(parse(""), Err(ArgumentError::NoConfig));
        assert_eq!(parse("-config"), Err(ArgumentError::NoValue("-config".into())));
        assert_eq!(parse("-confg x"), Err(ArgumentError::Unknown("-confg".into())));
        assert_eq!(parse("a.json"), Err(ArgumentError::Unknown("a.json".into())));
        assert_eq!(parse("-logf xml -config a"), Err(ArgumentError::LogFormat("xml".into())));
    }
}
