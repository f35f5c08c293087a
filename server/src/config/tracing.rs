//! `tracing`: whether requests are traced, and where their spans are sent to. Our own section.

use std::path::PathBuf;

use bulla_traces::{Collector, Ratio};

use super::document::Document;
use super::error::ConfigError;
use super::key::Key;

const ENDPOINT: &str = "tracing.otlp_endpoint";
const RATIO: &str = "tracing.sample_ratio";
const CA_FILE: &str = "tracing.tls_ca_file";
const PLAIN: &str = "tracing.insecure_plain_http";

pub(super) const KEYS: &[Key] = &[
    Key::new(ENDPOINT, "not set: nothing is traced").with_example("\"https://collector.example.com:4317\""),
    Key::new(RATIO, "1").with_example("0.01"),
    Key::new(CA_FILE, "not set: the system's authorities"),
    Key::new(PLAIN, "false").with_example("true"),
];

/// How requests are traced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TracingConfig {
    /// `otlp_endpoint`: where spans are sent to, by OTLP over gRPC.
    pub collector: Collector,
    /// `sample_ratio`: which traces are recorded.
    pub ratio: Ratio,
    /// `tls_ca_file`: the authorities that the collector's certificate may come from, as PEM.
    pub ca_file: Option<PathBuf>,
}

impl TracingConfig {
    /// The key that names [`TracingConfig::ca_file`].
    pub(crate) const CA_FILE: &str = CA_FILE;

    /// `None` without an endpoint: nothing is traced.
    pub(super) fn read(document: &Document) -> Result<Option<Self>, ConfigError> {
        let ratio = match document.text(RATIO)? {
            None => Ratio::ALL,
            Some(text) => {
                text.parse().map_err(|_| ConfigError::WrongType { key: RATIO, expected: "a number from 0 to 1" })?
            }
        };
        let (ca_file, may_be_plain) = (document.path(CA_FILE)?, document.flag(PLAIN)?);
        let Some(address) = document.text(ENDPOINT)? else { return Ok(None) };
        let collector = Collector::parse(&address, may_be_plain).map_err(|fault| ConfigError::Collector {
            key: ENDPOINT,
            allow: PLAIN,
            fault,
        })?;
        Ok(Some(Self { collector, ratio, ca_file }))
    }
}
