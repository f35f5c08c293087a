//! Command-line arguments, in the reference's manner: `-name value`, `--name value` or `-name=value`.

use std::path::PathBuf;

/// What the command line asks for.
#[derive(Debug, PartialEq, Eq)]
pub enum Arguments {
    /// To serve.
    Serve {
        /// The configuration file.
        config: PathBuf,
        /// How log lines are written.
        log_format: LogFormat,
    },
    /// To print the version.
    Version,
    /// To print how to call this program.
    Help,
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// Text.
    Text,
}

/// Arguments that make no sense.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ArgumentError {
    /// A flag that there is not.
    #[error("unknown argument {0:?}")]
    Unknown(String),
    /// A flag without its value.
    #[error("-{0} needs a value")]
    NoValue(&'static str),
    /// `-logf` with a format that there is not.
    #[error("-logf {0:?} is neither json nor logfmt")]
    UnknownLogFormat(String),
    /// No `-config`.
    #[error("-config FILE is missing")]
    NoConfig,
}

/// How to call this program.
pub const USAGE: &str = "\
usage: bulla-signer -config FILE [-logf json|logfmt]
       bulla-signer -version
";

impl Arguments {
    /// Reads the arguments after the program's name.
    ///
    /// # Errors
    /// [`ArgumentError`] names the argument.
    pub fn parse(arguments: impl IntoIterator<Item = String>) -> Result<Self, ArgumentError> {
        let mut arguments = arguments.into_iter();
        let mut config = None;
        let mut log_format = LogFormat::Json;
        while let Some(argument) = arguments.next() {
            let flag = argument.strip_prefix("--").or_else(|| argument.strip_prefix('-'));
            let (name, value) = match flag.map(|flag| flag.split_once('=').unzip()) {
                Some((Some(name), value)) => (Some(name.to_owned()), value.map(str::to_owned)),
                Some((None, _)) => (flag.map(str::to_owned), None),
                None => (None, None),
            };
            let mut value_of = |name| value.clone().or_else(|| arguments.next()).ok_or(ArgumentError::NoValue(name));
            match name.as_deref() {
                Some("config") => config = Some(PathBuf::from(value_of("config")?)),
                Some("logf") => log_format = LogFormat::parse(&value_of("logf")?)?,
                // the reference then serves a profiler, which there is none of here
                Some("debug") => {}
                Some("version") => return Ok(Self::Version),
                Some("h" | "help") => return Ok(Self::Help),
                _ => return Err(ArgumentError::Unknown(argument)),
            }
        }
        Ok(Self::Serve { config: config.ok_or(ArgumentError::NoConfig)?, log_format })
    }
}

impl LogFormat {
    fn parse(name: &str) -> Result<Self, ArgumentError> {
        match name {
            "json" => Ok(Self::Json),
            "logfmt" => Ok(Self::Text),
            _ => Err(ArgumentError::UnknownLogFormat(name.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Result<Arguments, ArgumentError> {
        Arguments::parse(arguments.iter().map(|argument| (*argument).to_owned()))
    }

    #[test]
    fn one_dash_two_dashes_and_an_equals_sign_mean_the_same() {
        let serve = Ok(Arguments::Serve { config: "/etc/s.json".into(), log_format: LogFormat::Json });
        assert_eq!(parse(&["-config", "/etc/s.json"]), serve);
        assert_eq!(parse(&["--config", "/etc/s.json"]), serve);
        assert_eq!(parse(&["-config=/etc/s.json"]), serve);
        assert_eq!(parse(&["--debug", "--config=/etc/s.json"]), serve);
    }

    #[test]
    fn a_flag_without_its_value_is_refused() {
        assert_eq!(parse(&["-config"]), Err(ArgumentError::NoValue("config")));
    }

    #[test]
    fn unknown_arguments_are_named() {
        assert_eq!(parse(&["-confg=x"]), Err(ArgumentError::Unknown("-confg=x".into())));
        assert_eq!(parse(&["signer.json"]), Err(ArgumentError::Unknown("signer.json".into())));
    }

    #[test]
    fn without_a_configuration_there_is_nothing_to_serve() {
        assert_eq!(parse(&[]), Err(ArgumentError::NoConfig));
        assert_eq!(parse(&["-version"]), Ok(Arguments::Version));
    }

    #[test]
    fn a_log_format_is_one_of_two() {
        assert_eq!(parse(&["-logf", "xml"]), Err(ArgumentError::UnknownLogFormat("xml".into())));
    }
}
