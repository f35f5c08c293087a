//! The section `tracing`: whether requests are traced, and where their spans are sent to. Ours.

use std::path::PathBuf;

use bulla_traces::{Collector, Ratio};

use super::ConfigError;
use super::settings::Settings;

const ENDPOINT: &str = "tracing.otlp_endpoint";
const RATIO: &str = "tracing.sample_ratio";
const PLAIN: &str = "tracing.insecure_plain_http";

/// How requests are traced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TracingSettings {
    /// Where spans are sent to, by OTLP over gRPC.
    pub collector: Collector,
    /// Which traces are recorded that no caller has begun.
    pub ratio: Ratio,
    /// The authorities that the collector's certificate may come from, as PEM; absent: the system's.
    pub ca_file: Option<PathBuf>,
}

/// `None` without an endpoint: nothing is traced.
pub(super) fn read(settings: &Settings) -> Result<Option<TracingSettings>, ConfigError> {
    let ratio = match settings.text(RATIO)? {
        None => Ratio::ALL,
        Some(text) => {
            let wrong = |_| ConfigError::WrongType { name: RATIO, expected: "a number from 0 to 1" };
            text.parse().map_err(wrong)?
        }
    };
    let (ca_file, may_be_plain) = (settings.path("tracing.tls_ca_file")?, settings.flag(PLAIN)?);
    let Some(address) = settings.text(ENDPOINT)? else { return Ok(None) };
    let collector = Collector::parse(&address, may_be_plain).map_err(|fault| ConfigError::Collector {
        name: ENDPOINT,
        allow: PLAIN,
        fault,
    })?;
    Ok(Some(TracingSettings { collector, ratio, ca_file }))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::Environment;

    fn tracing(members: &str) -> Result<Option<TracingSettings>, ConfigError> {
        let text = format!(r#"{{"tracing": {{{members}}}}}"#);
        read(&Settings::parse(&text, Path::new("/etc/signer"), &Environment::default()).unwrap())
    }

    #[test]
    fn nothing_is_traced_unless_a_collector_is_named() {
        assert_eq!(tracing(r#""sample_ratio": 0.5"#).unwrap(), None);
        let on = tracing(r#""otlp_endpoint": "https://c:4317", "sample_ratio": 0.5, "tls_ca_file": "ca.pem""#);
        let expected = TracingSettings {
            collector: Collector::parse("https://c:4317", false).unwrap(),
            ratio: "0.5".parse().unwrap(),
            ca_file: Some("/etc/signer/ca.pem".into()),
        };
        assert_eq!(on.unwrap(), Some(expected));
        assert_eq!(tracing(r#""otlp_endpoint": "https://c:4317""#).unwrap().unwrap().ratio, Ratio::ALL);
    }

    #[test]
    fn plain_http_to_another_machine_is_refused_unless_it_is_allowed() {
        let refusal = tracing(r#""otlp_endpoint": "http://c:4317""#).unwrap_err();
        assert_eq!(
            refusal.to_string(),
            "tracing.otlp_endpoint is plain http to another machine: use https, or set the key that allows it \
             (tracing.insecure_plain_http)"
        );
        assert!(tracing(r#""otlp_endpoint": "http://c:4317", "insecure_plain_http": true"#).unwrap().is_some());
        let refusal = tracing(r#""otlp_endpoint": "http://localhost:4317", "sample_ratio": 1.5"#).unwrap_err();
        assert_eq!(refusal.to_string(), "tracing.sample_ratio must be a number from 0 to 1");
    }
}
