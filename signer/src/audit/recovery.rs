//! What a chain is found like at start: whole since the last head, with an unfinished line after a crash, or not as it was
//! left. Reads, and changes nothing.

use std::fs::File;
use std::path::{Path, PathBuf};

use super::chain::{Gap, Line, LineError, Tip};
use super::entry::Segment;
use super::head::Head;
use super::lines::{Lines, Next};
use super::name::{ChainId, SignerName};
use super::segments::{self, FolderError};

/// A chain that can be gone on with.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// Which it is; absent if not even its first line is there.
    pub(super) chain: Option<ChainId>,
    /// How far it has come.
    pub(super) tip: Tip,
    /// Bytes of whole lines in the last file.
    pub(super) whole: u64,
    /// What stands behind them.
    pub(super) rest: Rest,
}

/// What stands behind the last line end of a chain.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Rest {
    /// Nothing.
    Nothing,
    /// The next line, which lacks its end only: it is part of the chain.
    Line,
    /// So many bytes of what was being written when the process or the machine died. Nobody got an answer for it, as
    /// answers are given when all of a line is on the disk.
    Torn(u64),
}

/// Why a chain cannot be gone on with.
#[derive(Debug, thiserror::Error)]
pub enum OpenChainError {
    /// Its directory or files cannot be used.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// A line is not one that a signer wrote.
    #[error("audit file {file}, line {line}: {source}; see bulla-signer audit verify")]
    Line {
        /// The file.
        file: PathBuf,
        /// The line, from 1.
        line: u64,
        /// What is wrong with it.
        source: LineError,
    },
    /// A line does not follow the one before it.
    #[error("audit file {file}, line {line}: {source}; see bulla-signer audit verify")]
    Order {
        /// The file.
        file: PathBuf,
        /// The line, from 1.
        line: u64,
        /// What is wrong with it.
        source: Gap,
    },
    /// A file does not say which chain it is of, or names another one than the file before.
    #[error("audit file {file} does not begin as a file of the chain of {signer}")]
    NotOfTheChain {
        /// The file.
        file: PathBuf,
        /// Whose chain it should be of.
        signer: SignerName,
    },
    /// What a head tells of is not all there.
    #[error(
        "the audit chain of {signer} ends with line {count}, and its head of {time} tells of {expected}: the tail was cut \
         off. Bring the files back, or begin another chain under another audit.signer"
    )]
    CutOff {
        /// Whose chain it is.
        signer: SignerName,
        /// Lines that are there.
        count: u64,
        /// Lines that were there.
        expected: u64,
        /// When the head was signed.
        time: String,
    },
    /// Another chain stands there than the one that the head tells of.
    #[error(
        "the audit chain of {signer} is not the one that its head of {time} tells of. Bring the files back, or begin \
         another chain under another audit.signer"
    )]
    Exchanged {
        /// Whose chain it is.
        signer: SignerName,
        /// When the head was signed.
        time: String,
    },
}

impl Found {
    /// Reads the chain of `signer` in `folder` from the oldest of `heads` on; what lies further back is for `audit verify`.
    /// `None` if there is no file.
    ///
    /// # Errors
    /// [`OpenChainError`], also if what the heads tell of is not there.
    pub(super) fn read(folder: &Path, signer: &SignerName, heads: &[Head]) -> Result<Option<Self>, OpenChainError> {
        let numbers = segments::numbers(folder)?;
        let oldest = heads.iter().map(|head| head.tip.count).min().unwrap_or(u64::MAX);
        let mut found = match numbers.is_empty() {
            true => None,
            false => {
                let (start, tip) = start(folder, &numbers, oldest)?;
                let mut found = Self { chain: None, tip, whole: 0, rest: Rest::Nothing };
                for number in numbers.iter().skip(start) {
                    found.read_file(folder, *number, signer, heads, Some(number) == numbers.last())?;
                }
                Some(found)
            }
        };
        let (chain, count) = found.as_mut().map_or((None, 0), |found| (found.chain.as_ref(), found.tip.count));
        for head in heads {
            let (signer, time) = (signer.clone(), head.time.clone());
            if chain.is_some_and(|chain| *chain != head.chain) {
                return Err(OpenChainError::Exchanged { signer, time });
            }
            if count < head.tip.count {
                return Err(OpenChainError::CutOff { signer, count, expected: head.tip.count, time });
            }
        }
        Ok(found)
    }

    fn read_file(
        &mut self,
        folder: &Path,
        number: u64,
        signer: &SignerName,
        heads: &[Head],
        is_last: bool,
    ) -> Result<(), OpenChainError> {
        let file = segments::path(folder, number);
        let mut lines = Lines::new(File::open(&file).map_err(FolderError::of(&file))?);
        self.whole = 0;
        loop {
            let next = lines.next().map_err(FolderError::of(&file))?;
            let is_finished = matches!(next, Next::Line(_));
            let line = match next {
                Next::End => return Ok(()),
                Next::Line(bytes) => Line::read(bytes),
                Next::Unfinished(bytes) if is_last => match Line::read(bytes) {
                    Err(_) => {
                        self.rest = Rest::Torn(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
                        return Ok(());
                    }
                    whole => whole,
                },
                Next::Unfinished(_) | Next::TooLong => Err(LineError::Form),
            };
            let (is_first, tip) = (self.whole == 0, &mut self.tip);
            let read =
                line.map(|line| (tip.follow(&line), line.text.len(), is_first.then(|| Segment::read(line.text))));
            let line = lines.number();
            let (followed, length, segment) =
                read.map_err(|source| OpenChainError::Line { file: file.clone(), line, source })?;
            followed.map_err(|source| OpenChainError::Order { file: file.clone(), line, source })?;
            let length = u64::try_from(length).unwrap_or(u64::MAX).saturating_add(u64::from(is_finished));
            if let Some(segment) = segment {
                let is_ours = |segment: &Segment| {
                    segment.signer == *signer
                        && segment.segment == number
                        && self.chain.as_ref().is_none_or(|chain| *chain == segment.chain)
                };
                let ours = segment.filter(is_ours);
                let ours =
                    ours.ok_or_else(|| OpenChainError::NotOfTheChain { file: file.clone(), signer: signer.clone() })?;
                self.chain = Some(ours.chain);
            }
            if let Some(head) = heads.iter().find(|head| head.tip.count == self.tip.count && head.tip != self.tip) {
                return Err(OpenChainError::Exchanged { signer: signer.clone(), time: head.time.clone() });
            }
            self.whole = self.whole.saturating_add(length);
            if !is_finished {
                self.rest = Rest::Line;
                return Ok(());
            }
        }
    }
}

/// With which of the files to begin so that line `oldest` is among what is read, and what comes before it.
fn start(folder: &Path, numbers: &[u64], oldest: u64) -> Result<(usize, Tip), OpenChainError> {
    for (place, number) in numbers.iter().enumerate().rev() {
        let file = segments::path(folder, *number);
        let mut lines = Lines::new(File::open(&file).map_err(FolderError::of(&file))?);
        let Next::Line(bytes) = lines.next().map_err(FolderError::of(&file))? else { continue };
        let first = Line::read(bytes).map_err(|source| OpenChainError::Line { file, line: 1, source })?;
        let before = first.sequence.saturating_sub(1);
        if before < oldest || place == 0 {
            let is_start = *number == 1;
            return Ok((place, if is_start { Tip::START } else { Tip { count: before, hash: first.previous } }));
        }
    }
    Ok((0, Tip::START))
}
