//! `config check`: what a start would make of a configuration, told without serving.
//!
//! The files are read by the code that reads them at a start, so that both agree on what can be used.

mod files;
mod reach;

use std::error::Error;
use std::fmt;
use std::path::{Path, PathBuf};

use tuf_schema::UtcTime;

use crate::chain::with_sources;
use crate::config::{Config, Origin, Setting};

/// What was found out about a configuration.
#[derive(Debug)]
pub struct Report {
    file: PathBuf,
    settings: Vec<Setting>,
    findings: Vec<Finding>,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// It can be used.
    Good(String),
    /// It can be used, and should be looked at.
    Warning(String),
    /// With it the server does not start, or not as it should.
    Refused(String),
}

/// Looks at a configuration and at the files that it names; with `connect` also whether database and signer answer.
/// Changes nothing: no table is made, and no file.
pub async fn check(
    file: &Path,
    environment: impl IntoIterator<Item = (String, String)>,
    connect: bool,
    now: UtcTime,
) -> Report {
    let mut report = Report { file: file.to_owned(), settings: Vec::new(), findings: Vec::new() };
    let examination = match Config::examine(file, environment) {
        Ok(examination) => examination,
        Err(error) => {
            report.findings.push(Finding::refused(&error));
            return report;
        }
    };
    report.settings = examination.settings;
    report.findings.extend(examination.warnings.iter().map(|warning| Finding::Warning(warning.to_string())));
    match examination.outcome {
        Err(errors) => report.findings.extend(errors.iter().map(|error| Finding::refused(error))),
        Ok(config) => {
            report.findings.extend(listen("server.http_addr", &config.listen.address).await);
            if let Some(address) = &config.metrics.address {
                report.findings.extend(listen("metrics.http_addr", address).await);
            }
            if let Some(console) = &config.console {
                report.findings.extend(listen("console.http_addr", &console.address).await);
            }
            report.findings.extend(files::look(&config, now));
            if config.auth.is_none() {
                let said = "no authentication: who reaches the port may read, publish and delete everything";
                report.findings.push(Finding::Warning(said.to_owned()));
            }
            if connect {
                report.findings.extend(reach::look(&config).await);
            }
        }
    }
    report
}

/// Whether the address can be listened on, as far as that can be told without doing it.
async fn listen(key: &str, address: &str) -> Option<Finding> {
    let error = crate::serve::resolve(address).await.err()?;
    Some(Finding::Refused(format!("{key}: {}", with_sources(&error))))
}

impl Report {
    /// Whether nothing was refused.
    #[must_use]
    pub fn is_good(&self) -> bool {
        !self.findings.iter().any(|finding| matches!(finding, Finding::Refused(_)))
    }

    /// Everything that was found, in the order in which it was looked at.
    #[must_use]
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    fn count(&self, is_counted: fn(&Finding) -> bool) -> usize {
        self.findings.iter().filter(|finding| is_counted(finding)).count()
    }
}

impl Finding {
    /// An error with its causes, in one line, as a start writes it.
    fn refused(error: &dyn Error) -> Self {
        Self::Refused(with_sources(error))
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n", self.file.display())?;
        let widest = self.settings.iter().map(|setting| setting.key.len()).max().unwrap_or(0);
        for setting in &self.settings {
            let from = match &setting.origin {
                Origin::File => "file".to_owned(),
                Origin::Environment(variable) => variable.clone(),
                Origin::Default => "default".to_owned(),
            };
            writeln!(f, "  {:widest$}  {}  [{from}]", setting.key, setting.value)?;
        }
        if !self.settings.is_empty() {
            writeln!(f)?;
        }
        for finding in &self.findings {
            match finding {
                Finding::Good(text) => writeln!(f, "ok       {text}")?,
                Finding::Warning(text) => writeln!(f, "warning  {text}")?,
                Finding::Refused(text) => writeln!(f, "REFUSED  {text}")?,
            }
        }
        let warnings = self.count(|finding| matches!(finding, Finding::Warning(_)));
        let refused = self.count(|finding| matches!(finding, Finding::Refused(_)));
        match refused {
            0 => writeln!(f, "\nbulla-server starts with this configuration; warnings: {warnings}"),
            _ => writeln!(f, "\nbulla-server does NOT start with this; refused: {refused}, warnings: {warnings}"),
        }
    }
}
