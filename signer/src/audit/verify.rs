//! Whether a chain is as its signer wrote it: every line of every file, and every head. Reads line by line, needs nothing but
//! the files, and changes nothing.

use std::fs::File;
use std::path::{Path, PathBuf};

use super::chain::{Gap, Line, LineError, Tip};
use super::entry::Segment;
use super::head::{Head, HeadError};
use super::lines::{Lines, Next};
use super::name::{ChainId, SignerName};
use super::segments::{self, FolderError};

/// A chain in which nothing was found.
#[derive(Debug, PartialEq, Eq)]
pub struct Sound {
    /// Which it is.
    pub chain: ChainId,
    /// How far it has come.
    pub tip: Tip,
    /// How many heads it was held against.
    pub heads: u64,
    /// The last of them.
    pub last_head: Option<Head>,
    /// Bytes behind the last line: a line that is being written, or that a crash left unfinished.
    pub unfinished: u64,
}

/// The first thing that is not as the signer left it.
#[derive(Debug, thiserror::Error)]
pub enum Finding {
    /// A line is not the one that was written.
    #[error("{file}, line {line}: edited: line {sequence} of the chain should stand here, and {source}")]
    Edited {
        /// The file.
        file: PathBuf,
        /// The line in it, from 1.
        line: u64,
        /// The line of the chain that should stand there.
        sequence: u64,
        /// What is wrong with it.
        source: LineError,
    },
    /// Lines are missing.
    #[error("{file}, line {line}: removed: lines {expected} to {last} of the chain are missing before line {found}", last = found - 1)]
    Removed {
        /// The file.
        file: PathBuf,
        /// The line in it, from 1.
        line: u64,
        /// The first line that is missing.
        expected: u64,
        /// The line that stands there.
        found: u64,
    },
    /// A file is missing.
    #[error("{file}: removed: the file is missing, and later ones are there")]
    RemovedFile {
        /// The file.
        file: PathBuf,
    },
    /// Lines stand in another order, or twice.
    #[error("{file}, line {line}: reordered: line {found} of the chain stands where line {expected} should")]
    Reordered {
        /// The file.
        file: PathBuf,
        /// The line in it, from 1.
        line: u64,
        /// The line that should stand there.
        expected: u64,
        /// The line that stands there.
        found: u64,
    },
    /// A line was written anew, with a hash of its own.
    #[error(
        "{file}, line {line}: edited: line {found} of the chain was written behind another line {last} than stands there"
    )]
    Replaced {
        /// The file.
        file: PathBuf,
        /// The line in it, from 1.
        line: u64,
        /// The line that was put in.
        last: u64,
        /// The line behind it.
        found: u64,
    },
    /// A file does not begin as one of the chain.
    #[error("{file}, line 1: it does not begin as a file of this chain")]
    NotOfTheChain {
        /// The file.
        file: PathBuf,
    },
    /// The chain is shorter than a head says.
    #[error("tail cut off: the chain ends with line {count}, and the head of {time} tells of line {expected}")]
    CutOff {
        /// Lines that are there.
        count: u64,
        /// Lines that were there.
        expected: u64,
        /// When the head was signed.
        time: String,
    },
    /// A line is not the one that a head tells of.
    #[error(
        "{file}, line {line}: rewritten: line {sequence} of the chain is not the one that the head of {time} tells of"
    )]
    Rewritten {
        /// The file.
        file: PathBuf,
        /// The line in it, from 1.
        line: u64,
        /// The line of the chain.
        sequence: u64,
        /// When the head was signed.
        time: String,
    },
    /// A head is of another chain.
    #[error("exchanged: the head of {time} tells of the chain {expected}, and this is {found}")]
    Exchanged {
        /// The chain of the head.
        expected: ChainId,
        /// The chain of the files.
        found: ChainId,
        /// When the head was signed.
        time: String,
    },
    /// A head is not signed with a key that it may be signed with.
    #[error("the head of {time} is signed with the key {key}, which is none of those given")]
    OtherKey {
        /// The public key, in hexadecimal.
        key: String,
        /// When the head was signed.
        time: String,
    },
    /// A head was changed.
    #[error("line {line} of the heads: {source}")]
    Head {
        /// The line, from 1.
        line: u64,
        /// What is wrong with it.
        source: HeadError,
    },
    /// Heads go back.
    #[error("the head of {time} tells of fewer lines than the one before it")]
    HeadsReordered {
        /// When it was signed.
        time: String,
    },
}

/// Why a chain could not be verified.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// It was changed.
    #[error(transparent)]
    Found(Box<Finding>),
    /// The files cannot be read.
    #[error(transparent)]
    Folder(FolderError),
}

impl From<FolderError> for VerifyError {
    fn from(error: FolderError) -> Self {
        match error {
            FolderError::Missing { file } => Finding::RemovedFile { file }.into(),
            error @ (FolderError::Io { .. } | FolderError::OpenToOthers { .. } | FolderError::Locked { .. }) => {
                Self::Folder(error)
            }
        }
    }
}

impl From<Finding> for VerifyError {
    fn from(finding: Finding) -> Self {
        Self::Found(Box::new(finding))
    }
}

/// Heads to hold a chain against, in the order in which they were signed.
pub type Heads<'a> = Box<dyn Iterator<Item = Result<Head, Finding>> + 'a>;

/// Verifies the chain of `signer` in `folder`, the directory of that chain. Each of `heads` comes from one place and goes
/// forward; `keys` are the public keys, in hexadecimal, that they may be signed with, and with none of them any key may.
///
/// # Errors
/// The first [`Finding`], or that files cannot be read.
pub fn verify(
    folder: &Path,
    signer: &SignerName,
    heads: Vec<Heads<'_>>,
    keys: &[String],
) -> Result<Sound, VerifyError> {
    let places = heads.into_iter().map(|heads| Place { heads, next: None, last: 0, keys });
    let mut walk =
        Walk { tip: Tip::START, chain: None, unfinished: 0, heads: 0, last_head: None, places: places.collect() };
    for place in &mut walk.places {
        place.advance()?;
    }
    let numbers = segments::numbers(folder)?;
    for (place, number) in numbers.iter().enumerate() {
        let rest = numbers.get(place..).unwrap_or_default();
        walk.read(folder, *number, signer, rest)?;
    }
    walk.end(signer)
}

/// Heads of one place.
struct Place<'a> {
    heads: Heads<'a>,
    next: Option<Head>,
    last: u64,
    keys: &'a [String],
}

impl Place<'_> {
    fn advance(&mut self) -> Result<(), Finding> {
        self.next = self.heads.next().transpose()?;
        let Some(head) = &self.next else { return Ok(()) };
        let (key, time) = (hex::encode(head.key.public_bytes()), head.time.clone());
        if !self.keys.is_empty() && !self.keys.contains(&key) {
            return Err(Finding::OtherKey { key, time });
        }
        if head.tip.count < self.last {
            return Err(Finding::HeadsReordered { time });
        }
        self.last = head.tip.count;
        Ok(())
    }
}

struct Walk<'a> {
    tip: Tip,
    chain: Option<ChainId>,
    unfinished: u64,
    heads: u64,
    last_head: Option<Head>,
    places: Vec<Place<'a>>,
}

impl Walk<'_> {
    /// Reads one file; `rest` are the numbers of it and of those behind it.
    fn read(&mut self, folder: &Path, number: u64, signer: &SignerName, rest: &[u64]) -> Result<(), VerifyError> {
        let file = segments::path(folder, number);
        let mut lines = Lines::new(File::open(&file).map_err(FolderError::of(&file))?);
        loop {
            let next = lines.next().map_err(FolderError::of(&file))?;
            let read = match next {
                Next::End => return Ok(()),
                Next::Line(bytes) => Line::read(bytes),
                Next::Unfinished(bytes) if rest.len() == 1 => {
                    self.unfinished = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
                    return Ok(());
                }
                Next::Unfinished(_) | Next::TooLong => Err(LineError::Form),
            };
            let read = read.map(|line| (self.tip.follow(&line), Segment::read(line.text)));
            let line = lines.number();
            let (followed, segment) = match read {
                Ok(read) => read,
                Err(source) => {
                    let sequence = self.tip.count.saturating_add(1);
                    return Err(Finding::Edited { file, line, sequence, source }.into());
                }
            };
            if let Err(gap) = followed {
                return Err(described(gap, file, line, folder, rest)?.into());
            }
            if line == 1 {
                self.begin_file(&file, number, signer, segment)?;
            }
            self.hold_against_heads(&file, line)?;
        }
    }

    fn begin_file(
        &mut self,
        file: &Path,
        number: u64,
        signer: &SignerName,
        segment: Option<Segment>,
    ) -> Result<(), Finding> {
        let is_ours = |segment: &Segment| {
            let is_same = self.chain.as_ref().is_none_or(|chain| *chain == segment.chain);
            is_same && segment.signer == *signer && segment.segment == number
        };
        let Some(segment) = segment.filter(is_ours) else {
            return Err(Finding::NotOfTheChain { file: file.to_owned() });
        };
        self.chain = Some(segment.chain);
        Ok(())
    }

    fn hold_against_heads(&mut self, file: &Path, line: u64) -> Result<(), Finding> {
        for place in &mut self.places {
            while let Some(head) = place.next.take_if(|head| head.tip.count <= self.tip.count) {
                let (sequence, time) = (head.tip.count, head.time.clone());
                if let Some(found) = self.chain.clone().filter(|chain| *chain != head.chain) {
                    return Err(Finding::Exchanged { expected: head.chain, found, time });
                }
                if head.tip != self.tip {
                    return Err(Finding::Rewritten { file: file.to_owned(), line, sequence, time });
                }
                self.heads = self.heads.saturating_add(1);
                self.last_head = Some(head);
                place.advance()?;
            }
        }
        Ok(())
    }

    fn end(self, signer: &SignerName) -> Result<Sound, VerifyError> {
        let Self { tip, chain, unfinished, heads, last_head, places } = self;
        let waiting = places.iter().filter_map(|place| place.next.as_ref()).max_by_key(|head| head.tip.count);
        match (waiting, chain) {
            (Some(head), chain) => {
                let (expected, time) = (head.tip.count, head.time.clone());
                Err(match chain.filter(|chain| *chain != head.chain) {
                    Some(found) => Finding::Exchanged { expected: head.chain.clone(), found, time },
                    None => Finding::CutOff { count: tip.count, expected, time },
                }
                .into())
            }
            (None, Some(chain)) => Ok(Sound { chain, tip, heads, last_head, unfinished }),
            // a directory without a line of any chain
            (None, None) => Err(Finding::NotOfTheChain { file: PathBuf::from(signer.as_str()) }.into()),
        }
    }
}

/// What it means that a line does not follow: lines that are missing here may stand further back.
fn described(gap: Gap, file: PathBuf, line: u64, folder: &Path, rest: &[u64]) -> Result<Finding, FolderError> {
    Ok(match gap {
        Gap::Missing { expected, found } if stands_in(expected, folder, rest)? => {
            Finding::Reordered { file, line, expected, found }
        }
        Gap::Missing { expected, found } => Finding::Removed { file, line, expected, found },
        Gap::Back { last, found } => Finding::Reordered { file, line, expected: last.saturating_add(1), found },
        Gap::Replaced { last, found } => Finding::Replaced { file, line, last, found },
    })
}

fn stands_in(sequence: u64, folder: &Path, numbers: &[u64]) -> Result<bool, FolderError> {
    for number in numbers {
        let file = segments::path(folder, *number);
        let mut lines = Lines::new(File::open(&file).map_err(FolderError::of(&file))?);
        loop {
            match lines.next().map_err(FolderError::of(&file))? {
                Next::End | Next::TooLong => break,
                Next::Line(bytes) | Next::Unfinished(bytes) => {
                    if Line::read(bytes).is_ok_and(|line| line.sequence == sequence) {
                        return Ok(true);
                    }
                }
            }
        }
    }
    Ok(false)
}

/// The heads of a signer in a file, as the second place has them. Lines that are none, as a crash leaves them, are passed
/// over; what was changed in a head is a finding.
///
/// # Errors
/// When the file cannot be opened.
pub fn heads_of_file<'a>(file: &Path, signer: &'a SignerName) -> Result<Heads<'a>, FolderError> {
    let mut lines = Lines::new(File::open(file).map_err(FolderError::of(file))?);
    Ok(Box::new(std::iter::from_fn(move || {
        loop {
            let read = match lines.next() {
                Ok(Next::Line(bytes) | Next::Unfinished(bytes)) => Head::read(bytes),
                Ok(Next::TooLong) => continue,
                Ok(Next::End) | Err(_) => return None,
            };
            match read {
                Ok(head) if head.signer == *signer => return Some(Ok(head)),
                Ok(_) | Err(HeadError::Form) => {}
                Err(source) => return Some(Err(Finding::Head { line: lines.number(), source })),
            }
        }
    })))
}

/// The signers that have chains in a directory.
///
/// # Errors
/// When it cannot be read.
pub fn signers(directory: &Path) -> Result<Vec<SignerName>, FolderError> {
    let mut signers = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(FolderError::of(directory))? {
        let entry = entry.map_err(FolderError::of(directory))?;
        let is_folder = entry.file_type().map_err(FolderError::of(directory))?.is_dir();
        signers.extend(entry.file_name().to_str().and_then(SignerName::parse).filter(|_| is_folder));
    }
    signers.sort();
    Ok(signers)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use ring::rand::SystemRandom;
    use tuf_schema::sign::{SecretKey, SecretKind, SigningKey as _};

    use super::*;
    use crate::audit::files::tests::{entry, now, open, signer};
    use crate::audit::head::tests::head_of;
    use crate::audit::writer::Disk as _;

    /// A chain of several files with the head of its end.
    struct Written {
        place: tempfile::TempDir,
        head: Head,
        key: String,
    }

    impl Written {
        fn new(entries: u64) -> Self {
            let place = tempfile::tempdir().unwrap();
            let mut files = open(place.path());
            (0..entries).for_each(|number| files.append(&mut [entry(number)].iter(), now()).unwrap());
            let secret = SecretKey::generate(SecretKind::Ed25519, &SystemRandom::new()).unwrap();
            let head = head_of(&secret, &signer(), files.chain(), files.tip());
            Self { place, head, key: hex::encode(secret.public().public_bytes()) }
        }

        fn folder(&self) -> PathBuf {
            self.place.path().join("audit/s-1")
        }

        fn verify(&self) -> Result<Sound, VerifyError> {
            let heads: Heads<'_> = Box::new(std::iter::once(Ok(self.head.clone())));
            verify(&self.folder(), &signer(), vec![heads], std::slice::from_ref(&self.key))
        }

        fn found(&self) -> Finding {
            match self.verify() {
                Err(VerifyError::Found(finding)) => *finding,
                other => panic!("{other:?}"),
            }
        }

        /// Changes the text of one file.
        fn change(&self, segment: u64, change: impl Fn(Vec<&str>) -> Vec<String>) {
            let file = segments::path(&self.folder(), segment);
            let text = std::fs::read_to_string(&file).unwrap();
            let lines = change(text.split_inclusive('\n').collect());
            std::fs::write(file, lines.concat()).unwrap();
        }

        fn files(&self) -> Vec<PathBuf> {
            segments::numbers(&self.folder()).unwrap().iter().map(|n| segments::path(&self.folder(), *n)).collect()
        }
    }

    fn owned(lines: Vec<&str>) -> Vec<String> {
        lines.into_iter().map(str::to_owned).collect()
    }

    #[test]
    fn a_chain_of_several_files_is_sound_up_to_its_head() {
        let written = Written::new(30);
        let sound = written.verify().unwrap();
        assert_eq!((sound.tip, sound.heads, sound.unfinished), (written.head.tip, 1, 0));
        assert!(written.files().len() > 3);
    }

    #[test]
    fn an_edited_line_is_found() {
        let written = Written::new(30);
        written.change(2, |lines| lines.iter().map(|line| line.replace(r#""number":7"#, r#""number":9"#)).collect());
        let finding = written.found();
        assert!(
            matches!(&finding, Finding::Edited { file, source: LineError::Hash, .. } if file.ends_with("00000002.jsonl")),
            "{finding}"
        );
    }

    #[test]
    fn a_removed_line_is_found() {
        let written = Written::new(30);
        written.change(2, |lines| {
            let mut lines = owned(lines);
            lines.remove(2);
            lines
        });
        let finding = written.found();
        assert!(
            matches!(&finding, Finding::Removed { line: 3, expected, found, .. } if *found == expected + 1),
            "{finding}"
        );
    }

    #[test]
    fn two_lines_in_another_order_are_found() {
        let written = Written::new(30);
        written.change(2, |lines| {
            let mut lines = owned(lines);
            lines.swap(1, 3);
            lines
        });
        let finding = written.found();
        assert!(
            matches!(&finding, Finding::Reordered { line: 2, expected, found, .. } if *found == expected + 2),
            "{finding}"
        );
    }

    #[test]
    fn a_tail_that_was_cut_off_is_found_back_to_the_head() {
        let written = Written::new(3);
        written.change(1, |lines| owned(lines)[..3].to_vec());
        let finding = written.found();
        assert!(matches!(finding, Finding::CutOff { count: 3, expected: 4, .. }), "{finding}");
    }

    #[test]
    fn a_removed_file_is_found() {
        let written = Written::new(30);
        let files = written.files();
        std::fs::remove_file(&files[0]).unwrap();
        assert!(matches!(written.found(), Finding::Removed { line: 1, expected: 1, .. }));
        let written = Written::new(30);
        std::fs::remove_file(&written.files()[1]).unwrap();
        let finding = written.found();
        assert!(matches!(&finding, Finding::RemovedFile { file } if file.ends_with("00000002.jsonl")), "{finding}");
    }

    #[test]
    fn a_tail_that_was_written_anew_is_found_by_the_head() {
        let written = Written::new(3);
        written.change(1, |lines| {
            let mut tip = Tip::START;
            let mut kept = owned(lines);
            let forged = kept.pop().unwrap().replace(r#""number":2"#, r#""number":8"#);
            kept.iter().for_each(|line| tip.follow(&Line::read(line.trim_end().as_bytes()).unwrap()).unwrap());
            let body = forged.split_once(r#"","time""#).unwrap().1.rsplit_once(r#","hash""#).unwrap().0;
            let mut line = Vec::new();
            tip.extend(&format!(r#"{{"time"{body}}}"#), &mut line);
            kept.push(String::from_utf8(line).unwrap());
            kept
        });
        assert!(matches!(written.found(), Finding::Rewritten { sequence: 4, line: 4, .. }));
    }

    #[test]
    fn a_head_by_another_key_is_none_of_the_signer_s() {
        let written = Written { key: "00".repeat(32), ..Written::new(3) };
        assert!(matches!(written.found(), Finding::OtherKey { .. }));
    }

    #[test]
    fn heads_are_read_from_a_file_and_what_a_crash_left_is_passed_over() {
        let written = Written::new(3);
        let file = written.place.path().join("heads");
        std::fs::write(&file, format!("{{\"head\":1,\"sig\n{}\n", written.head.text)).unwrap();
        let heads: Vec<_> = heads_of_file(&file, &signer()).unwrap().map(Result::unwrap).collect();
        assert_eq!(heads, std::slice::from_ref(&written.head));
        let changed = written.head.text.replace(r#""count":4"#, r#""count":3"#);
        std::fs::write(&file, changed + "\n").unwrap();
        let read = heads_of_file(&file, &signer()).unwrap().next();
        assert!(matches!(read, Some(Err(Finding::Head { line: 1, source: HeadError::Signature }))));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn any_changed_bit_of_any_file_is_found(at in any::<prop::sample::Index>(), bit in 0..8_u8) {
            let written = Written::new(12);
            let (mut place, mut files) = (at.index(written.files().iter().map(|f| std::fs::read(f).unwrap().len()).sum()), written.files().into_iter());
            let (file, mut bytes) = loop {
                let file = files.next().unwrap();
                let bytes = std::fs::read(&file).unwrap();
                if place < bytes.len() { break (file, bytes) }
                place -= bytes.len();
            };
            bytes[place] ^= 1_u8 << bit;
            std::fs::write(file, bytes).unwrap();
            prop_assert!(written.verify().is_err());
        }

        #[test]
        fn any_shorter_chain_is_found(segment in any::<prop::sample::Index>(), at in any::<prop::sample::Index>()) {
            let written = Written::new(12);
            let files = written.files();
            let file = &files[segment.index(files.len())];
            let bytes = std::fs::read(file).unwrap();
            std::fs::write(file, &bytes[..at.index(bytes.len())]).unwrap();
            prop_assert!(written.verify().is_err());
        }

        #[test]
        fn any_two_lines_that_changed_places_are_found(one in any::<prop::sample::Index>(), other in any::<prop::sample::Index>()) {
            let written = Written::new(12);
            let texts: Vec<String> = written.files().iter().map(|file| std::fs::read_to_string(file).unwrap()).collect();
            let mut lines: Vec<&str> = texts.iter().flat_map(|text| text.lines()).collect();
            let (one, other) = (one.index(lines.len()), other.index(lines.len()));
            prop_assume!(one != other);
            lines.swap(one, other);
            let mut lines = lines.into_iter();
            for (file, text) in written.files().iter().zip(&texts) {
                let lines: Vec<_> = lines.by_ref().take(text.lines().count()).collect();
                std::fs::write(file, lines.join("\n") + "\n").unwrap();
            }
            prop_assert!(written.verify().is_err());
        }
    }
}
