//! Entries of a chain, as the JSON lines they are, those that are asked for.

use std::borrow::Cow;
use std::fs::File;
use std::io::Write;
use std::path::Path;

use serde::Deserialize;
use tuf_schema::UtcTime;

use super::chain::{Line, LineError};
use super::lines::{Lines, Next};
use super::segments::{self, FolderError};
use super::verify::{Finding, VerifyError};

/// Which entries are asked for; what is not set asks for all.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Not older than this.
    pub from: Option<UtcTime>,
    /// Older than this.
    pub to: Option<UtcTime>,
    /// Of this repository.
    pub gun: Option<String>,
    /// Of this key.
    pub key: Option<String>,
    /// Of this caller.
    pub caller: Option<String>,
    /// Of this event, such as `sign`.
    pub event: Option<String>,
    /// Refused ones only.
    pub is_refused: bool,
}

#[derive(Deserialize)]
struct Members<'a> {
    time: Cow<'a, str>,
    event: Cow<'a, str>,
    outcome: Option<Cow<'a, str>>,
    caller: Option<Cow<'a, str>>,
    key: Option<Cow<'a, str>>,
    gun: Option<Cow<'a, str>>,
}

impl Wanted {
    fn is(&self, line: &str) -> bool {
        let Ok(members) = serde_json::from_str::<Members<'_>>(line) else { return false };
        let is = |wanted: &Option<String>, found: Option<&Cow<'_, str>>| {
            wanted.as_ref().is_none_or(|wanted| found.is_some_and(|found| *found == wanted.as_str()))
        };
        let Ok(time) = UtcTime::parse(&members.time) else { return false };
        self.from.is_none_or(|from| time >= from)
            && self.to.is_none_or(|to| time < to)
            && is(&self.gun, members.gun.as_ref())
            && is(&self.key, members.key.as_ref())
            && is(&self.caller, members.caller.as_ref())
            && is(&self.event, Some(&members.event))
            && (!self.is_refused || members.outcome.is_some_and(|outcome| outcome == "refused"))
    }
}

/// Writes the wanted lines of a chain, as they are.
///
/// # Errors
/// At the first line whose bytes do not have its hash, and when files cannot be read or nobody reads the output.
pub fn export(folder: &Path, wanted: &Wanted, output: &mut dyn Write) -> Result<(), VerifyError> {
    let numbers = segments::numbers(folder)?;
    let mut expected = None;
    for number in &numbers {
        let file = segments::path(folder, *number);
        let mut lines = Lines::new(File::open(&file).map_err(FolderError::of(&file))?);
        loop {
            let line = match lines.next().map_err(FolderError::of(&file))? {
                Next::End => break,
                // it is being written
                Next::Unfinished(_) if Some(number) == numbers.last() => break,
                Next::Line(bytes) => Line::read(bytes),
                Next::Unfinished(_) | Next::TooLong => Err(LineError::Form),
            };
            match line {
                Ok(line) => {
                    expected = line.sequence.checked_add(1);
                    if wanted.is(line.text) {
                        writeln!(output, "{}", line.text).map_err(FolderError::of(Path::new("standard output")))?;
                    }
                }
                Err(source) => {
                    // the first file that is there may not be the first of the chain
                    let (line, sequence) = (lines.number(), expected.unwrap_or(1));
                    return Err(Finding::Edited { file, line, sequence, source }.into());
                }
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::files::tests::{entry, now, open};
    use crate::audit::writer::Disk as _;

    #[test]
    fn the_first_line_without_its_hash_ends_it_and_is_named_by_file_and_number() {
        let place = tempfile::tempdir().unwrap();
        let mut files = open(place.path());
        (0..30).for_each(|number| files.append(&mut [entry(number)].iter(), now()).unwrap());
        let folder = place.path().join("audit/s-1");
        let file = segments::path(&folder, 2);
        let text = std::fs::read_to_string(&file).unwrap();
        let first = Line::read(text.lines().next().unwrap().as_bytes()).unwrap().sequence;
        let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
        lines[2] = lines[2].replace("number", "numbed");
        std::fs::write(&file, lines.join("\n") + "\n").unwrap();
        let mut output = Vec::new();
        let Err(VerifyError::Found(finding)) = export(&folder, &Wanted::default(), &mut output) else { panic!() };
        let is_it = |finding: &Finding| matches!(finding, Finding::Edited { line: 3, sequence, source: LineError::Hash, .. } if *sequence == first + 2);
        assert!(is_it(&finding) && finding.to_string().contains("00000002.jsonl, line 3"), "{finding}");
        assert_eq!(output.iter().filter(|byte| **byte == b'\n').count() as u64, first + 1);
    }

    #[test]
    fn what_is_asked_for_is_told_by_its_members() {
        let line = r#"{"sequence":1,"previous":"","time":"2026-11-22T05:00:00.5Z","event":"sign","outcome":"refused","caller":"server","gun":"a/b","hash":""}"#;
        let time = |text| Some(UtcTime::parse(text).unwrap());
        let text = |text: &str| Some(text.to_owned());
        for (wanted, is) in [
            (Wanted::default(), true),
            (Wanted { from: time("2026-11-22T05:00:00.5Z"), ..Wanted::default() }, true),
            (Wanted { from: time("2026-11-22T05:00:01Z"), ..Wanted::default() }, false),
            (Wanted { to: time("2026-11-22T05:00:00.5Z"), ..Wanted::default() }, false),
            (Wanted { to: time("2026-11-22T05:00:01Z"), ..Wanted::default() }, true),
            (Wanted { gun: text("a/b"), event: text("sign"), is_refused: true, ..Wanted::default() }, true),
            (Wanted { gun: text("a/c"), ..Wanted::default() }, false),
            (Wanted { key: text("k"), ..Wanted::default() }, false),
            (Wanted { caller: text("other"), ..Wanted::default() }, false),
        ] {
            assert_eq!(wanted.is(line), is, "{wanted:?}");
        }
    }
}
