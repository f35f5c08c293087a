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
    /// Why the keys, or some of them, were not looked at.
    keys_left_out: Option<String>,
}

impl<'a> Report<'a> {
    pub(super) fn new(output: &'a mut (dyn Write + Send), is_json: bool) -> Self {
        Self { output, is_json, repositories: 0, files: 0, findings: 0, notes: 0, repaired: 0, keys_left_out: None }
    }

    /// A repository that was looked at, with its files, what was found in the end, and how many findings more.
    pub(super) fn repository(&mut self, files: u64, findings: &[Finding], more: u64) -> io::Result<()> {
        self.repositories = self.repositories.saturating_add(1);
        self.files = self.files.saturating_add(files);
        for finding in findings {
            self.finding(finding)?;
        }
        if more == 0 {
            return Ok(());
        }
        self.findings = self.findings.saturating_add(more);
        self.say("more", &format_args!("{more} more of the same repository are not printed"))
    }

    /// One finding or note.
    pub(super) fn finding(&mut self, finding: &Finding) -> io::Result<()> {
        let count = match finding.weight() {
            Weight::Finding => &mut self.findings,
            Weight::Note => &mut self.notes,
        };
        *count = count.saturating_add(1);
        if self.is_json { writeln!(self.output, "{}", finding.to_json()) } else { writeln!(self.output, "{finding}") }
    }

    /// The signer is not asked any more; the summary says so, too.
    pub(super) fn keys_not_looked_at(&mut self, why: &str) {
        self.keys_left_out.get_or_insert_with(|| why.to_owned());
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
        let Self { output, is_json, repositories, files, findings, notes, repaired, keys_left_out } = self;
        if is_json {
            let line = json!({"weight": "summary", "repositories": repositories, "files": files, "findings": findings,
                "notes": notes, "repaired": repaired, "keys_looked_at": keys_left_out.is_none()});
            writeln!(output, "{line}")?;
        } else {
            write!(
                output,
                "summary: {repositories} repositories with {files} files: {findings} findings, {notes} notes, \
                 {repaired} repaired"
            )?;
            match keys_left_out {
                Some(why) => writeln!(output, "; keys not looked at: {why}")?,
                None => writeln!(output)?,
            }
        }
        output.flush()?;
        Ok(findings == 0)
    }
}
