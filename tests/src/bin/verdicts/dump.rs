//! What is kept of an unlisted difference, so that it can be looked at and made again.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use crate::upload::Sent;

/// An unlisted difference.
#[derive(Debug)]
pub(crate) struct Difference {
    pub(crate) sequence: usize,
    /// The how manieth upload of the sequence it was.
    pub(crate) step: usize,
    pub(crate) kinds: String,
    /// What was compared.
    pub(crate) about: String,
    pub(crate) reference: String,
    pub(crate) ours: String,
}

impl Difference {
    pub(crate) fn text(&self) -> String {
        let Self { sequence, step, kinds, about, reference, ours } = self;
        format!("sequence {sequence} step {step} [{kinds}] {about}\n    reference: {reference}\n    ours:      {ours}")
    }

    /// Writes it and both uploads into a directory of its own.
    pub(crate) fn write(&self, into: &Path, seed: u64, reference: &Sent, ours: &Sent) -> anyhow::Result<PathBuf> {
        let directory = into.join(format!("{seed}-{}-{}", self.sequence, self.step));
        std::fs::create_dir_all(&directory)?;
        let mut text = self.text();
        writeln!(text, "\nmade again by VERDICTS_SEED={seed} VERDICTS_ONLY={}", self.sequence)?;
        writeln!(text, "content type {:?}, to {}", reference.content_type, reference.gun)?;
        std::fs::write(directory.join("difference.txt"), text)?;
        for (side, sent) in [("reference", reference), ("ours", ours)] {
            std::fs::write(directory.join(format!("{side}.body")), &sent.body)?;
            for (at, document) in sent.documents.iter().enumerate() {
                let name = format!("{side}.{at}.{}", document.role.replace('/', "+"));
                std::fs::write(directory.join(name), &document.bytes)?;
            }
        }
        Ok(directory)
    }
}
