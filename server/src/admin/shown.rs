//! One role as `admin show` prints it.

use std::io::{self, Write};

use serde_json::{Value, json};
use tuf_schema::model::KeyGrant;
use tuf_schema::{Sha256, UtcTime};

use super::finding::Trouble;
use crate::days::days_left;
use crate::printable::printable;

/// What is known of a role.
#[derive(Debug, Default)]
pub(crate) struct ShownRole {
    /// As its rows name it.
    pub(crate) name: String,
    /// How many versions are stored.
    pub(crate) stored: u64,
    /// Of the newest file; none without one, or when its row holds no number.
    pub(crate) version: Option<i64>,
    /// Of the newest file; none when it cannot be read.
    pub(crate) expires: Option<UtcTime>,
    /// Of the newest file's bytes.
    pub(crate) sha256: Option<Sha256>,
    /// Who may sign it; none when no document that can be read says so.
    pub(crate) grant: Option<KeyGrant>,
    /// What is wrong with it.
    pub(crate) troubles: Vec<Trouble>,
}

impl ShownRole {
    /// One line of JSON.
    pub(super) fn write_json(&self, now: UtcTime, output: &mut (dyn Write + Send)) -> io::Result<()> {
        let keys = self.grant.as_ref().map(|grant| {
            let keys = grant.key_ids.iter().map(|key| printable(&key.to_string()));
            keys.collect::<Vec<_>>()
        });
        let troubles: Vec<Value> =
            self.troubles.iter().map(|trouble| json!({"code": trouble.code(), "text": trouble.told()})).collect();
        let line = json!({
            "role": printable(&self.name),
            "version": self.version,
            "stored": self.stored,
            "expires": self.expires.map(|date| date.to_rfc3339()),
            "days": self.expires.map(|date| days_left(date, now)),
            "threshold": self.grant.as_ref().map(|grant| grant.threshold.get()),
            "keys": keys,
            "sha256": self.sha256.map(|sha256| sha256.to_hex()),
            "troubles": troubles,
        });
        writeln!(output, "{line}")
    }

    /// The name, and a line for each thing that is known below it.
    pub(super) fn write_text(&self, now: UtcTime, output: &mut (dyn Write + Send)) -> io::Result<()> {
        writeln!(output, "{}", printable(&self.name))?;
        match self.version {
            Some(version) => writeln!(output, "  version    {version} ({} stored)", self.stored)?,
            None => writeln!(output, "  version    - ({} stored)", self.stored)?,
        }
        if let Some(date) = self.expires {
            writeln!(output, "  expires    {} (days left: {})", date.to_rfc3339(), days_left(date, now))?;
        }
        match &self.grant {
            Some(grant) => {
                writeln!(output, "  threshold  {} of {}", grant.threshold, grant.key_ids.len())?;
                for key in &grant.key_ids {
                    writeln!(output, "  key        {}", printable(&key.to_string()))?;
                }
            }
            None => writeln!(output, "  threshold  - (no document above it that can be read names its keys)")?,
        }
        if let Some(sha256) = self.sha256 {
            writeln!(output, "  sha256     {sha256}")?;
        }
        for trouble in &self.troubles {
            writeln!(output, "  trouble    {}", trouble.told())?;
        }
        Ok(())
    }
}
