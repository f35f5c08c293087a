//! The file of a backup: JSON lines, the first says what it is, the last how many keys there were and the SHA-256 of all
//! before it. Nothing in it is secret without the passphrases, and nothing in it is believed before the last line.

use std::io::{self, BufRead, Write};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::digest::{Context, SHA256};
use serde::{Deserialize, Serialize};
use tuf_schema::UtcTime;

use crate::life::Times;
use crate::store::stored::{StoredKey, TakenRole};

/// What the first line calls the file.
const FORMAT: &str = "bulla-signer keys";
/// The version that is written, and the highest that is read.
const VERSION: u32 = 1;
/// The longest line that is read, in bytes: the columns of MySQL hold 64 KiB each.
const MAX_LINE_BYTES: u64 = 1 << 20;

/// Writes a backup.
pub(super) struct BackupWriter<W> {
    to: W,
    digest: Context,
    keys: u64,
    bytes: u64,
}

/// What was written, or read to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contents {
    /// When the backup was made.
    pub made: String,
    /// How many keys there are.
    pub keys: u64,
    /// The SHA-256 of all but the last line, in hexadecimal digits.
    pub sha256: String,
}

/// Reads a backup key by key. What it gives counts only if [`BackupReader::next`] comes to the end without an error.
pub(super) struct BackupReader<R> {
    from: R,
    digest: Context,
    line: u64,
    made: String,
    expected: u64,
    keys: u64,
    end: Option<Contents>,
}

/// Why a file is no backup, or no whole one.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The system did not read it.
    #[error("the backup cannot be read")]
    Read(#[from] io::Error),
    /// The first line is none of a backup.
    #[error("it is no backup of a signer's keys")]
    NoBackup,
    /// A later build wrote it.
    #[error("the backup has format {found}; this build reads up to {VERSION}")]
    Version {
        /// What the first line says.
        found: u32,
    },
    /// It ends before its last line.
    #[error("the backup ends after line {line}: the rest is missing")]
    Truncated {
        /// The last line that is there.
        line: u64,
    },
    /// A line is longer than any that is written.
    #[error("line {line} of the backup is longer than {MAX_LINE_BYTES} bytes")]
    TooLong {
        /// The line, from 1.
        line: u64,
    },
    /// A line is none that is written.
    #[error("line {line} of the backup is damaged")]
    Damaged {
        /// The line, from 1.
        line: u64,
    },
    /// The lines are not those that were written.
    #[error("the backup is damaged: its SHA-256 is {found}, and its last line says {expected}")]
    Digest {
        /// What the last line says.
        expected: String,
        /// What was read.
        found: String,
    },
    /// Keys are missing, or there are more.
    #[error("the backup is damaged: it has {found} keys and says that it has {expected}")]
    Count {
        /// What its first or last line says.
        expected: u64,
        /// What was read.
        found: u64,
    },
    /// Something follows the last line.
    #[error("the backup is damaged: something follows its last line")]
    Behind,
}

/// One line.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    Backup(Head),
    Key(Box<KeyLine>),
    End(End),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    format: String,
    version: u32,
    made: String,
    keys: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct End {
    keys: u64,
    sha256: String,
}

/// A row. Times are seconds since 1970.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyLine {
    id: String,
    algorithm: String,
    gun: String,
    role: String,
    alias: String,
    encryption: String,
    key_wrap: String,
    public: String,
    sealed: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    created: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    updated: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    first_used: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last_used: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    retired: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    deleted: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    taken: Option<TakenLine>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TakenLine {
    role: String,
    gun: String,
    noted: i64,
}

impl Contents {
    /// Reads a backup to its end, and whether it is whole. Holds one line at a time.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn of(from: impl BufRead) -> Result<Self, FileError> {
        let mut reader = BackupReader::begin(from)?;
        while reader.next()?.is_some() {}
        reader.end.ok_or(FileError::Truncated { line: reader.line })
    }
}

impl<W: Write> BackupWriter<W> {
    /// Begins a backup of so many keys.
    pub(super) fn begin(to: W, made: UtcTime, keys: u64) -> io::Result<(Self, String)> {
        let mut writer = Self { to, digest: Context::new(&SHA256), keys: 0, bytes: 0 };
        let made = made.to_rfc3339();
        let head = Head { format: FORMAT.to_owned(), version: VERSION, made: made.clone(), keys };
        writer.line(&Line::Backup(head))?;
        Ok((writer, made))
    }

    /// Adds a key.
    pub(super) fn key(&mut self, row: &StoredKey) -> io::Result<()> {
        self.keys = self.keys.saturating_add(1);
        self.line(&Line::Key(Box::new(row.into())))
    }

    /// Ends it; what it was written to is given back, not yet on the disk.
    pub(super) fn end(mut self, made: String) -> io::Result<(W, Contents)> {
        let sha256 = hex::encode(self.digest.clone().finish());
        let contents = Contents { made, keys: self.keys, sha256: sha256.clone() };
        self.line(&Line::End(End { keys: self.keys, sha256 }))?;
        self.to.flush()?;
        Ok((self.to, contents))
    }

    fn line(&mut self, line: &Line) -> io::Result<()> {
        let mut text = serde_json::to_vec(line)?;
        text.push(b'\n');
        self.digest.update(&text);
        self.bytes = self.bytes.saturating_add(text.len() as u64);
        self.to.write_all(&text)
    }
}

impl<R: BufRead> BackupReader<R> {
    /// Reads the first line.
    pub(super) fn begin(from: R) -> Result<Self, FileError> {
        let digest = Context::new(&SHA256);
        let mut reader = Self { from, digest, line: 0, made: String::new(), expected: 0, keys: 0, end: None };
        let Ok((text, Line::Backup(head))) = reader.read().map_err(|error| match error {
            FileError::Read(error) => FileError::Read(error),
            _ => FileError::NoBackup,
        }) else {
            return Err(FileError::NoBackup);
        };
        if head.format != FORMAT {
            return Err(FileError::NoBackup);
        }
        if head.version > VERSION {
            return Err(FileError::Version { found: head.version });
        }
        reader.digest.update(&text);
        (reader.made, reader.expected) = (head.made, head.keys);
        Ok(reader)
    }

    /// The next key; `None` at the end of a whole backup.
    pub(super) fn next(&mut self) -> Result<Option<StoredKey>, FileError> {
        if self.end.is_some() {
            return Ok(None);
        }
        let (text, line) = self.read()?;
        match line {
            Line::Key(key) => {
                self.digest.update(&text);
                self.keys = self.keys.saturating_add(1);
                (*key).into_row().map(Some).ok_or(FileError::Damaged { line: self.line })
            }
            Line::End(end) => self.check(end).map(|()| None),
            Line::Backup(_) => Err(FileError::Damaged { line: self.line }),
        }
    }

    /// What was read, after its end.
    pub(super) fn contents(self) -> Option<Contents> {
        self.end
    }

    fn check(&mut self, end: End) -> Result<(), FileError> {
        let found = hex::encode(self.digest.clone().finish());
        if found != end.sha256 {
            return Err(FileError::Digest { expected: end.sha256.chars().take(64).collect(), found });
        }
        for expected in [self.expected, end.keys] {
            if expected != self.keys {
                return Err(FileError::Count { expected, found: self.keys });
            }
        }
        if !self.from.fill_buf()?.is_empty() {
            return Err(FileError::Behind);
        }
        self.end = Some(Contents { made: self.made.clone(), keys: self.keys, sha256: found });
        Ok(())
    }

    fn read(&mut self) -> Result<(Vec<u8>, Line), FileError> {
        let mut text = Vec::new();
        io::Read::take(&mut self.from, MAX_LINE_BYTES).read_until(b'\n', &mut text)?;
        if text.last() != Some(&b'\n') {
            return Err(if text.len() as u64 == MAX_LINE_BYTES {
                FileError::TooLong { line: self.line.saturating_add(1) }
            } else {
                FileError::Truncated { line: self.line }
            });
        }
        self.line = self.line.saturating_add(1);
        let line = serde_json::from_slice(&text).map_err(|_| FileError::Damaged { line: self.line })?;
        Ok((text, line))
    }
}

impl From<&StoredKey> for KeyLine {
    fn from(row: &StoredKey) -> Self {
        let seconds = |at: Option<UtcTime>| at.map(|at| at.unix_seconds());
        Self {
            id: row.key_id.clone(),
            algorithm: row.algorithm.clone(),
            gun: row.gun.clone(),
            role: row.role.clone(),
            alias: row.alias.clone(),
            encryption: row.encryption.clone(),
            key_wrap: row.key_wrap.clone(),
            public: STANDARD.encode(&row.public),
            sealed: STANDARD.encode(&row.sealed),
            created: seconds(row.times.created),
            updated: seconds(row.updated),
            first_used: seconds(row.times.first_used),
            last_used: seconds(row.times.last_used),
            retired: seconds(row.times.retired),
            deleted: seconds(row.times.deleted),
            taken: row.taken.as_ref().map(|TakenRole { role, gun, noted }| TakenLine {
                role: role.clone(),
                gun: gun.clone(),
                noted: noted.unix_seconds(),
            }),
        }
    }
}

impl KeyLine {
    /// The row; `None` when a member is none that is written.
    fn into_row(self) -> Option<StoredKey> {
        // outer: whether it is a time; inner: whether there is one
        let time = |seconds: Option<i64>| seconds.map_or(Some(None), |at| UtcTime::from_unix_seconds(at).map(Some));
        let taken = match self.taken {
            None => None,
            Some(TakenLine { role, gun, noted }) => {
                Some(TakenRole { role, gun, noted: UtcTime::from_unix_seconds(noted)? })
            }
        };
        Some(StoredKey {
            taken,
            place: 0,
            key_id: self.id,
            encryption: self.encryption,
            key_wrap: self.key_wrap,
            algorithm: self.algorithm,
            alias: self.alias,
            gun: self.gun,
            role: self.role,
            public: STANDARD.decode(self.public).ok()?,
            sealed: STANDARD.decode(self.sealed).ok()?,
            updated: time(self.updated)?,
            times: Times {
                created: time(self.created)?,
                first_used: time(self.first_used)?,
                last_used: time(self.last_used)?,
                retired: time(self.retired)?,
                deleted: time(self.deleted)?,
            },
        })
    }
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    pub(crate) fn row(number: i64) -> StoredKey {
        let time = UtcTime::from_unix_seconds(number);
        StoredKey {
            place: 0,
            key_id: format!("{number:064x}"),
            encryption: "A256GCM".to_owned(),
            key_wrap: "PBES2-HS256+A128KW".to_owned(),
            algorithm: "ed25519".to_owned(),
            alias: "k1".to_owned(),
            gun: "registry.test/\"ä\n".to_owned(),
            role: "snapshot".to_owned(),
            public: vec![1; 32],
            sealed: vec![255, 0, 10],
            updated: time,
            times: Times { created: time, last_used: time.filter(|_| number > 1), ..Times::default() },
            taken: None,
        }
    }

    fn written(rows: &[StoredKey]) -> Vec<u8> {
        let made = UtcTime::from_unix_seconds(1_000).unwrap();
        let (mut writer, made) = BackupWriter::begin(Vec::new(), made, rows.len() as u64).unwrap();
        rows.iter().for_each(|row| writer.key(row).unwrap());
        writer.end(made).unwrap().0
    }

    fn read(bytes: &[u8]) -> Result<(Vec<StoredKey>, Contents), FileError> {
        let (mut reader, mut rows) = (BackupReader::begin(bytes)?, Vec::new());
        while let Some(row) = reader.next()? {
            rows.push(row);
        }
        Ok((rows, reader.contents().unwrap()))
    }

    #[test]
    fn what_was_written_is_read() {
        for rows in [vec![], vec![row(1), row(2), row(3)]] {
            let (back, contents) = read(&written(&rows)).unwrap();
            assert_eq!(back, rows);
            assert_eq!((contents.keys, contents.made.as_str()), (rows.len() as u64, "1970-01-01T00:16:40Z"));
        }
    }

    #[test]
    fn a_backup_that_is_cut_off_anywhere_is_refused() {
        let whole = written(&[row(1), row(2)]);
        for length in 0..whole.len() {
            let refusal = read(&whole[..length]).unwrap_err();
            assert!(matches!(refusal, FileError::NoBackup | FileError::Truncated { .. }), "{length}: {refusal}");
        }
    }

    #[test]
    fn a_line_less_or_more_is_refused() {
        let whole = String::from_utf8(written(&[row(1), row(2)])).unwrap();
        let lines: Vec<_> = whole.split_inclusive('\n').collect();
        let less = [lines[0], lines[1], lines[3]].concat();
        assert!(matches!(read(less.as_bytes()), Err(FileError::Digest { .. })));
        let twice = [lines[0], lines[1], lines[1], lines[2], lines[3]].concat();
        assert!(matches!(read(twice.as_bytes()), Err(FileError::Digest { .. })));
        let moved = [lines[0], lines[2], lines[1], lines[3]].concat();
        assert!(matches!(read(moved.as_bytes()), Err(FileError::Digest { .. })));
        assert!(matches!(read((whole.clone() + "\n").as_bytes()), Err(FileError::Behind)));
        let again = [lines[0], lines[0], lines[1]].concat();
        assert!(matches!(read(again.as_bytes()), Err(FileError::Damaged { line: 2 })));
    }

    #[test]
    fn a_first_line_that_counts_otherwise_is_refused() {
        let made = UtcTime::from_unix_seconds(1_000).unwrap();
        let (mut writer, made) = BackupWriter::begin(Vec::new(), made, 2).unwrap();
        writer.key(&row(1)).unwrap();
        let bytes = writer.end(made).unwrap().0;
        assert!(matches!(read(&bytes), Err(FileError::Count { expected: 2, found: 1 })));
    }

    #[test]
    fn a_later_format_and_another_file_are_told_apart() {
        let later = br#"{"backup":{"format":"bulla-signer keys","version":2,"made":"x","keys":0}}"#;
        assert!(matches!(read(&[later, &b"\n"[..]].concat()), Err(FileError::Version { found: 2 })));
        for other in [
            "",
            "\n",
            "{}\n",
            "PK\u{3}\u{4}\n",
            "{\"backup\":{\"format\":\"x\",\"version\":1,\"made\":\"x\",\"keys\":0}}\n",
        ] {
            assert!(matches!(read(other.as_bytes()), Err(FileError::NoBackup)), "{other}");
        }
    }

    #[test]
    fn a_line_has_at_most_a_mebibyte() {
        let long = |bytes: usize| StoredKey { gun: "g".repeat(bytes), ..row(1) };
        let rest = written(&[long(0)]).split(|byte| *byte == b'\n').nth(1).unwrap().len() + 1;
        let limit = usize::try_from(MAX_LINE_BYTES).unwrap() - rest;
        assert_eq!(read(&written(&[long(limit)])).unwrap().0, [long(limit)]);
        assert!(matches!(read(&written(&[long(limit + 1)])), Err(FileError::TooLong { line: 2 })));
    }

    proptest! {
        #[test]
        fn one_changed_byte_anywhere_is_refused(place in any::<prop::sample::Index>(), change in 1..=255_u8) {
            let mut bytes = written(&[row(1), row(2), row(3)]);
            let place = place.index(bytes.len());
            bytes[place] ^= change;
            prop_assert!(read(&bytes).is_err(), "{place}");
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..4096)) {
            prop_assert!(read(&bytes).is_err());
        }

        #[test]
        fn any_lines_behind_a_first_one_are_read_or_refused(lines in prop::collection::vec("[\"{}:,a-z0-9]{0,60}", 0..9)) {
            let head = r#"{"backup":{"format":"bulla-signer keys","version":1,"made":"x","keys":0}}"#;
            let text = [&[head.to_owned()], lines.as_slice(), &[String::new()]].concat().join("\n");
            let refusal = read(text.as_bytes()).unwrap_err();
            let is_expected = matches!(refusal, FileError::Damaged { .. } | FileError::Truncated { .. });
            prop_assert!(is_expected, "{}", refusal);
        }
    }
}
