//! A chain in files: entries are appended to the last one, all of a group or none, and the next file is begun when it is
//! large enough.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use tuf_schema::UtcTime;

use super::chain::Tip;
use super::entry::Entry;
use super::head::Head;
use super::name::{ChainId, SignerName};
use super::recovery::{Found, OpenChainError, Rest};
use super::segments::{self, FolderError, MAX_SEGMENTS};
use super::writer::Disk;

/// A chain that this process writes.
pub(super) struct Files {
    folder: PathBuf,
    signer: SignerName,
    chain: ChainId,
    manner: Manner,
    segment: u64,
    file: File,
    /// Bytes of the file that are there for good.
    length: u64,
    /// Whether there may be more bytes in the file than that.
    is_unclean: bool,
    /// How far the chain has come, of what is there for good.
    tip: Tip,
    /// Keeps other processes out.
    _lock: File,
}

/// How a chain is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Manner {
    /// When the next file is begun, in bytes.
    pub(super) file_bytes: u64,
    /// Whether what is appended waits for the disk.
    pub(super) is_synced: bool,
}

impl Files {
    /// Opens the chain of `signer` in `directory`, or begins one with the id `fresh`. Gives the number of bytes of an
    /// unfinished line that was cut off, too.
    ///
    /// # Errors
    /// [`OpenChainError`], also if what the heads tell of is not there.
    pub(super) fn open(
        directory: &Path,
        signer: &SignerName,
        fresh: ChainId,
        manner: Manner,
        heads: &[Head],
        now: UtcTime,
    ) -> Result<(Self, Option<u64>), OpenChainError> {
        segments::make_folder(directory)?;
        let folder = directory.join(signer.as_str());
        segments::make_folder(&folder)?;
        let lock = segments::lock(&folder)?;
        let found = Found::read(&folder, signer, heads)?;
        let segment = segments::numbers(&folder)?.last().copied().unwrap_or(1);
        let path = segments::path(&folder, segment);
        let file = match &found {
            Some(_) => OpenOptions::new().append(true).open(&path).map_err(FolderError::of(&path))?,
            None => segments::create(&folder, segment)?,
        };
        let nothing = Found { chain: None, tip: Tip::START, whole: 0, rest: Rest::Nothing };
        let Found { chain, tip, whole: length, rest } = found.unwrap_or(nothing);
        let (signer, chain) = (signer.clone(), chain.unwrap_or(fresh));
        let is_unclean = matches!(rest, Rest::Torn(_));
        let mut files = Self { folder, signer, chain, manner, segment, file, length, is_unclean, tip, _lock: lock };
        let cut = match rest {
            Rest::Nothing => None,
            Rest::Torn(bytes) => Some(bytes),
            Rest::Line => {
                files.write(b"\n", true).map_err(FolderError::of(&path))?;
                None
            }
        };
        if files.length == 0 {
            files.write_first_line(now).map_err(FolderError::of(&path))?;
        }
        Ok((files, cut))
    }

    /// Which chain it is.
    pub(super) fn chain(&self) -> &ChainId {
        &self.chain
    }

    /// Writes behind what is there for good. If that fails, what came of it is taken away before anything else is
    /// written: a record that somebody was told is not there must not be.
    fn write(&mut self, bytes: &[u8], is_synced: bool) -> io::Result<()> {
        if self.is_unclean {
            self.file.set_len(self.length)?;
            self.file.sync_all()?;
        }
        self.is_unclean = true;
        let mut written = self.file.write_all(bytes);
        if is_synced {
            written = written.and_then(|()| self.file.sync_data());
        }
        if let Err(error) = written {
            // on a full disk this gives room back; whether it does is found out by the next try
            let _ = self.file.set_len(self.length);
            return Err(error);
        }
        self.is_unclean = false;
        self.length = self.length.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        Ok(())
    }

    fn begin_next(&mut self, now: UtcTime) -> io::Result<()> {
        self.file.sync_all()?;
        let next = self.segment.saturating_add(1);
        let file = segments::create(&self.folder, next).map_err(|error| match error {
            FolderError::Io { source, .. } => source,
            other => io::Error::other(other),
        })?;
        let before = (std::mem::replace(&mut self.file, file), self.segment, self.length);
        (self.segment, self.length) = (next, 0);
        let begun = self.write_first_line(now);
        if begun.is_err() {
            // without its first line it is none; if it stays, the next try says so
            let _ = fs::remove_file(segments::path(&self.folder, next));
            (self.file, self.segment, self.length) = before;
            self.is_unclean = false;
        }
        begun
    }

    fn write_first_line(&mut self, now: UtcTime) -> io::Result<()> {
        let entry = Entry::of_segment(now, &self.signer, &self.chain, self.segment);
        let (mut tip, mut line) = (self.tip, Vec::new());
        tip.extend(entry.as_str(), &mut line);
        self.write(&line, true)?;
        self.tip = tip;
        Ok(())
    }
}

impl Disk for Files {
    fn append(&mut self, entries: &mut dyn Iterator<Item = &Entry>, now: UtcTime) -> io::Result<()> {
        if self.length >= self.manner.file_bytes && self.segment < MAX_SEGMENTS {
            self.begin_next(now)?;
        }
        let (mut tip, mut lines) = (self.tip, Vec::new());
        entries.for_each(|entry| tip.extend(entry.as_str(), &mut lines));
        self.write(&lines, self.manner.is_synced)?;
        self.tip = tip;
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn tip(&self) -> Tip {
        self.tip
    }
}

#[cfg(test)]
pub(super) mod tests {
    use ring::rand::SystemRandom;
    use tuf_schema::sign::{SecretKey, SecretKind};

    use super::*;
    use crate::audit::chain::Line;
    use crate::audit::entry::Event;
    use crate::audit::head::tests::head_of;

    pub(in crate::audit) const MANNER: Manner = Manner { file_bytes: 2000, is_synced: true };

    pub(in crate::audit) fn now() -> UtcTime {
        UtcTime::from_unix_seconds(1_800_000_000).unwrap()
    }

    pub(in crate::audit) fn signer() -> SignerName {
        SignerName::parse("s-1").unwrap()
    }

    fn chain_id(digit: &str) -> ChainId {
        ChainId::parse(&digit.repeat(32)).unwrap()
    }

    fn try_open(place: &Path, heads: &[Head]) -> Result<(Files, Option<u64>), OpenChainError> {
        Files::open(&place.join("audit"), &signer(), chain_id("a"), MANNER, heads, now())
    }

    pub(in crate::audit) fn open(place: &Path) -> Files {
        try_open(place, &[]).unwrap().0
    }

    pub(in crate::audit) fn entry(number: u64) -> Entry {
        Entry::of_event(now(), Event::Cut { bytes: number })
    }

    /// A chain of several files, closed.
    fn written(place: &Path, entries: u64) -> Tip {
        let mut files = open(place);
        (0..entries).for_each(|number| files.append(&mut [entry(number)].iter(), now()).unwrap());
        files.tip()
    }

    fn file(place: &Path, segment: u64) -> PathBuf {
        segments::path(&place.join("audit/s-1"), segment)
    }

    fn last_file(place: &Path) -> PathBuf {
        let numbers = segments::numbers(&place.join("audit/s-1")).unwrap();
        file(place, *numbers.last().unwrap())
    }

    fn head_at(tip: Tip, chain: &ChainId) -> Head {
        let key = SecretKey::generate(SecretKind::Ed25519, &SystemRandom::new()).unwrap();
        head_of(&key, &signer(), chain, tip)
    }

    /// Takes bytes off the end.
    fn cut(file: &Path, bytes: u64) {
        let file = OpenOptions::new().write(true).open(file).unwrap();
        file.set_len(file.metadata().unwrap().len() - bytes).unwrap();
    }

    #[test]
    fn the_next_file_goes_on_with_the_chain() {
        let place = tempfile::tempdir().unwrap();
        let tip = written(place.path(), 30);
        let numbers = segments::numbers(&place.path().join("audit/s-1")).unwrap();
        assert!(numbers.len() > 3, "{numbers:?}");
        let mut read = Tip::START;
        for number in &numbers {
            let text = fs::read_to_string(file(place.path(), *number)).unwrap();
            assert!(text.lines().next().unwrap().contains(&format!(
                r#""event":"segment","format":1,"signer":"s-1","chain":"{}","segment":{number}"#,
                chain_id("a")
            )));
            text.lines().for_each(|line| read.follow(&Line::read(line.as_bytes()).unwrap()).unwrap());
        }
        assert_eq!(read, tip);
        assert_eq!(tip.count, 30 + u64::try_from(numbers.len()).unwrap());
    }

    #[test]
    fn a_chain_is_gone_on_with_where_it_ended() {
        let place = tempfile::tempdir().unwrap();
        let tip = written(place.path(), 10);
        let (files, cut) = try_open(place.path(), &[head_at(tip, &chain_id("a"))]).unwrap();
        assert_eq!((files.tip(), cut), (tip, None));
        let other = Files::open(&place.path().join("audit"), &signer(), chain_id("b"), MANNER, &[], now());
        assert!(matches!(other, Err(OpenChainError::Folder(FolderError::Locked { .. }))), "two writers");
        drop(files);
        let other = Files::open(&place.path().join("audit"), &signer(), chain_id("b"), MANNER, &[], now()).unwrap();
        assert_eq!(*other.0.chain(), chain_id("a"), "the id stays");
    }

    #[test]
    fn an_unfinished_line_is_cut_off_and_whole_ones_stay() {
        let place = tempfile::tempdir().unwrap();
        let tip = written(place.path(), 3);
        let mut text = fs::read(last_file(place.path())).unwrap();
        let whole = text.len();
        text.extend_from_slice(br#"{"sequence":5,"previous":"00"#);
        fs::write(last_file(place.path()), &text).unwrap();
        let (mut files, cut) = try_open(place.path(), &[head_at(tip, &chain_id("a"))]).unwrap();
        assert_eq!((files.tip(), cut), (tip, Some(28)));
        files.append(&mut [entry(9)].iter(), now()).unwrap();
        let after = fs::read(last_file(place.path())).unwrap();
        assert_eq!(after[..whole], text[..whole]);
        assert!(Line::read(after[whole..].strip_suffix(b"\n").unwrap()).is_ok());
    }

    #[test]
    fn a_line_that_lacks_only_its_end_stays() {
        let place = tempfile::tempdir().unwrap();
        let tip = written(place.path(), 3);
        let before = fs::read(last_file(place.path())).unwrap();
        cut(&last_file(place.path()), 1);
        let (files, cut) = try_open(place.path(), &[head_at(tip, &chain_id("a"))]).unwrap();
        assert_eq!((files.tip(), cut), (tip, None));
        assert_eq!(fs::read(last_file(place.path())).unwrap(), before);
    }

    #[test]
    fn a_file_whose_first_line_was_not_finished_is_begun_again() {
        for rest in [&b""[..], br#"{"sequence":"#] {
            let place = tempfile::tempdir().unwrap();
            let tip = written(place.path(), 3);
            fs::write(file(place.path(), 2), rest).unwrap();
            let (files, cut) = try_open(place.path(), &[head_at(tip, &chain_id("a"))]).unwrap();
            assert_eq!((files.tip().count, cut.unwrap_or(0)), (tip.count + 1, rest.len() as u64));
            drop(files);
            try_open(place.path(), &[]).unwrap();
        }
    }

    /// The tail is cut off at every byte: up to the head it is refused, behind it it is gone on with.
    #[test]
    fn a_tail_that_was_cut_off_before_the_head_is_refused() {
        let place = tempfile::tempdir().unwrap();
        let at_head = written(place.path(), 2);
        let length_at_head = fs::metadata(file(place.path(), 1)).unwrap().len();
        let head = head_at(at_head, &chain_id("a"));
        written(place.path(), 2);
        let text = fs::read(file(place.path(), 1)).unwrap();
        for length in 0..text.len() {
            fs::write(file(place.path(), 1), &text[..length]).unwrap();
            let opened = try_open(place.path(), std::slice::from_ref(&head));
            // the end of the head's own line may be missing
            if (length as u64) < length_at_head - 1 {
                let refusal = opened.err().unwrap();
                assert!(matches!(refusal, OpenChainError::CutOff { expected: 3, .. }), "{length}: {refusal}");
            } else {
                assert!(opened.unwrap().0.tip().count >= at_head.count, "{length}");
            }
        }
    }

    #[test]
    fn another_chain_in_the_place_of_the_one_that_was_signed_for_is_refused() {
        let place = tempfile::tempdir().unwrap();
        let tip = written(place.path(), 3);
        let other = Tip { hash: Tip::START.hash, ..tip };
        for head in [head_at(tip, &chain_id("b")), head_at(other, &chain_id("a"))] {
            let refusal = try_open(place.path(), &[head]).err().unwrap();
            assert!(matches!(refusal, OpenChainError::Exchanged { .. }), "{refusal}");
        }
    }

    #[test]
    fn a_directory_that_was_emptied_is_refused() {
        let place = tempfile::tempdir().unwrap();
        let tip = written(place.path(), 3);
        fs::remove_dir_all(place.path().join("audit")).unwrap();
        let refusal = try_open(place.path(), &[head_at(tip, &chain_id("a"))]).err().unwrap();
        assert!(matches!(refusal, OpenChainError::CutOff { count: 0, expected: 4, .. }), "{refusal}");
    }

    /// The null device takes every byte and brings none to a disk.
    #[test]
    fn an_entry_counts_when_the_disk_has_it_unless_that_is_relaxed() {
        for is_synced in [true, false] {
            let place = tempfile::tempdir().unwrap();
            let mut files = open(place.path());
            files.file = File::options().write(true).open("/dev/null").unwrap();
            files.manner.is_synced = is_synced;
            let before = files.tip();
            let appended = files.append(&mut [entry(1)].iter(), now());
            assert_eq!((appended.is_err(), files.tip() == before), (is_synced, is_synced));
        }
    }

    #[test]
    fn an_edited_line_is_refused_by_file_and_line() {
        let place = tempfile::tempdir().unwrap();
        written(place.path(), 3);
        let text = fs::read_to_string(file(place.path(), 1)).unwrap();
        fs::write(file(place.path(), 1), text.replace(r#""number":1"#, r#""number":7"#)).unwrap();
        let refusal = try_open(place.path(), &[]).err().unwrap();
        assert!(matches!(&refusal, OpenChainError::Line { line: 3, .. }), "{refusal}");
    }

    #[test]
    fn a_chain_of_another_signer_is_refused() {
        let place = tempfile::tempdir().unwrap();
        written(place.path(), 3);
        fs::rename(place.path().join("audit/s-1"), place.path().join("audit/s-2")).unwrap();
        let other = SignerName::parse("s-2").unwrap();
        let refusal = Files::open(&place.path().join("audit"), &other, chain_id("a"), MANNER, &[], now()).err();
        assert!(matches!(refusal, Some(OpenChainError::NotOfTheChain { .. })), "{refusal:?}");
    }
}
