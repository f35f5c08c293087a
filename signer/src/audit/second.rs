//! The second place: a directory, best on another disk or machine, to which heads are appended, one line each.
//!
//! The directory is not made: where a mount is missing, heads must not go to the disk below it.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use super::courier::Place;
use super::head::{Head, HeadError, MAX_HEAD_BYTES};
use super::name::SignerName;

/// A file of heads.
#[derive(Debug)]
pub(super) struct SecondPlace(PathBuf);

/// Why heads do not get to the second place, or cannot be read there.
#[derive(Debug, thiserror::Error)]
pub enum SecondPlaceError {
    /// The system refused.
    #[error("file {file} of audit.second_place cannot be used")]
    Io {
        /// The file.
        file: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The last line is not a head.
    #[error("the last line of {file} of audit.second_place is none of this signer's")]
    Head {
        /// The file.
        file: PathBuf,
        /// What it is.
        source: HeadError,
    },
    /// It hangs.
    #[error("audit.second_place does not answer within {seconds} seconds; look at what is mounted there")]
    Late {
        /// How long was waited.
        seconds: u64,
    },
    /// What goes there has ended before its time.
    #[error("the thread that uses audit.second_place has ended; start the signer anew")]
    Gone,
}

impl SecondPlace {
    /// The file of a signer in a directory.
    pub(super) fn new(directory: &Path, signer: &SignerName) -> Self {
        Self(directory.join(format!("{signer}.heads.jsonl")))
    }

    fn try_append(&self, head: &Head) -> io::Result<()> {
        let mut file = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(&self.0)?;
        let mut line = String::new();
        if !ends_with_a_line(&mut file)? {
            // what a crash left there stays, on a line of its own
            line.push('\n');
        }
        line.push_str(&head.text);
        line.push('\n');
        file.write_all(line.as_bytes())?;
        file.sync_data()
    }

    fn io(&self, source: io::Error) -> SecondPlaceError {
        SecondPlaceError::Io { file: self.0.clone(), source }
    }
}

impl Place for SecondPlace {
    fn append(&self, head: &Head) -> Result<(), SecondPlaceError> {
        self.try_append(head).map_err(|source| self.io(source))
    }

    /// The last whole line.
    fn last(&self) -> Result<Option<Head>, SecondPlaceError> {
        let line = match File::open(&self.0) {
            Ok(file) => last_line(file).map_err(|source| self.io(source))?,
            // the directory itself is missing when the next head is appended
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(self.io(source)),
        };
        let read = |line: Vec<u8>| Head::read(&line);
        line.map(read).transpose().map_err(|source| SecondPlaceError::Head { file: self.0.clone(), source })
    }
}

fn ends_with_a_line(file: &mut File) -> io::Result<bool> {
    if file.metadata()?.len() == 0 {
        return Ok(true);
    }
    file.seek(SeekFrom::End(-1))?;
    let mut last = [0];
    file.read_exact(&mut last)?;
    Ok(last == *b"\n")
}

/// The last line that has an end. Reads no more than the longest two heads.
fn last_line(mut file: File) -> io::Result<Option<Vec<u8>>> {
    let most = u64::try_from(2 * MAX_HEAD_BYTES + 2).unwrap_or(u64::MAX);
    let start = file.metadata()?.len().saturating_sub(most);
    file.seek(SeekFrom::Start(start))?;
    let mut end = Vec::new();
    file.take(most).read_to_end(&mut end)?;
    let mut lines = end.rsplit(|byte| *byte == b'\n');
    // what stands behind the last line end is unfinished
    lines.next();
    Ok(lines.next().map(<[u8]>::to_vec))
}

#[cfg(test)]
pub(super) mod tests {
    use ring::rand::SystemRandom;
    use tuf_schema::sign::{SecretKey, SecretKind};

    use super::*;
    use crate::audit::chain::{LineHash, Tip};
    use crate::audit::head::tests::head_of;
    use crate::audit::name::ChainId;

    pub(in crate::audit) fn heads(count: u64) -> Vec<Head> {
        let key = SecretKey::generate(SecretKind::Ed25519, &SystemRandom::new()).unwrap();
        let (signer, chain) = (SignerName::parse("s").unwrap(), ChainId::parse(&"0a".repeat(16)).unwrap());
        (1..=count).map(|count| head_of(&key, &signer, &chain, Tip { count, hash: LineHash::NONE })).collect()
    }

    #[test]
    fn the_last_head_is_found_also_behind_an_unfinished_line() {
        let folder = tempfile::tempdir().unwrap();
        let place = SecondPlace::new(folder.path(), &SignerName::parse("s").unwrap());
        assert_eq!(place.last().unwrap(), None);
        let heads = heads(20);
        for head in &heads {
            place.append(head).unwrap();
            assert_eq!(place.last().unwrap().as_ref(), Some(head));
        }
        let mut text = std::fs::read(&place.0).unwrap();
        text.extend_from_slice(br#"{"head":1,"sig"#);
        std::fs::write(&place.0, &text).unwrap();
        assert_eq!(place.last().unwrap().as_ref(), heads.last());
        place.append(&heads[3]).unwrap();
        assert_eq!(place.last().unwrap().as_ref(), Some(&heads[3]));
        assert!(std::fs::read(&place.0).unwrap().starts_with(&text), "nothing is taken away");
    }

    #[test]
    fn a_directory_that_is_missing_is_not_made() {
        let folder = tempfile::tempdir().unwrap();
        let absent = folder.path().join("mount");
        let place = SecondPlace::new(&absent, &SignerName::parse("s").unwrap());
        assert!(matches!(place.append(&heads(1)[0]), Err(SecondPlaceError::Io { .. })));
        assert!(!absent.exists());
    }
}
