//! What is printed: a line for each finding, and a summary.

use std::fmt::Display;
use std::io::{self, Write};

use serde_json::{Value, json};
use tuf_schema::Gun;

use super::finding::{Finding, Weight};

/// Prints and counts.
pub(super) struct Report<'a> {
    output: &'a mut (dyn Write + Send),
    is_json: bool,
    repositories: u64,
    files: u64,
    findings: u64,
    notes: u64,
    repaired: u64,
}

impl<'a> Report<'a> {
    pub(super) fn new(output: &'a mut (dyn Write + Send), is_json: bool) -> Self {
        Self { output, is_json, repositories: 0, files: 0, findings: 0, notes: 0, repaired: 0 }
    }

    /// A repository that was looked at, with its files, what was found in the end, and how many findings more.
    pub(super) fn repository(&mut self, files: u64, findings: &[Finding], more: u64) -> io::Result<()> {
        self.repositories = self.repositories.saturating_add(1);
        self.files = self.files.saturating_add(files);
        for finding in findings {
            let count = match finding.weight() {
                Weight::Finding => &mut self.findings,
                Weight::Note => &mut self.notes,
            };
            *count = count.saturating_add(1);
        }
        for finding in findings {
            if self.is_json {
                writeln!(self.output, "{}", finding.to_json())?
            } else {
                writeln!(self.output, "{finding}")?
            }
        }
        if more == 0 {
            return Ok(());
        }
        self.findings = self.findings.saturating_add(more);
        self.say("more", &format_args!("{more} more of the same repository are not printed"))
    }

    /// A repository for which snapshot or timestamp were signed anew.
    pub(super) fn repaired(&mut self, gun: &Gun, what: &dyn Display) -> io::Result<()> {
        self.repaired = self.repaired.saturating_add(1);
        self.say("repaired", &format_args!("{gun}: {what}"))
    }

    /// A line that is no finding.
    pub(super) fn say(&mut self, kind: &str, what: &dyn Display) -> io::Result<()> {
        if self.is_json {
            let line: Value = json!({"weight": kind, "text": what.to_string()});
            writeln!(self.output, "{line}")
        } else {
            writeln!(self.output, "{kind}: {what}")
        }
    }

    /// The last line; whether there was nothing but notes.
    pub(super) fn finish(self) -> io::Result<bool> {
        let Self { output, is_json, repositories, files, findings, notes, repaired } = self;
        if is_json {
            let line = json!({"weight": "summary", "repositories": repositories, "files": files, "findings": findings,
                "notes": notes, "repaired": repaired});
            writeln!(output, "{line}")?;
        } else {
            writeln!(
                output,
                "summary: {repositories} repositories with {files} files: {findings} findings, {notes} notes, \
                 {repaired} repaired"
            )?;
        }
        output.flush()?;
        Ok(findings == 0)
    }
}
