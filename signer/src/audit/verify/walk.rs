//! The way through the files of a chain, line by line.

use std::fs::File;
use std::path::{Path, PathBuf};

use super::heads::Place;
use super::{Finding, Sound, VerifyError};
use crate::audit::chain::{Gap, Line, LineError, Tip};
use crate::audit::entry::Segment;
use crate::audit::head::Head;
use crate::audit::lines::{Lines, Next};
use crate::audit::name::{ChainId, SignerName};
use crate::audit::segments::{self, FolderError};

/// How far a chain was read, and was held against its heads.
pub(super) struct Walk<'a> {
    tip: Tip,
    chain: Option<ChainId>,
    unfinished: u64,
    heads: u64,
    last_head: Option<Head>,
    places: Vec<Place<'a>>,
}

impl<'a> Walk<'a> {
    /// Before the first file.
    pub(super) fn new(places: Vec<Place<'a>>) -> Self {
        Self { tip: Tip::START, chain: None, unfinished: 0, heads: 0, last_head: None, places }
    }

    /// Reads one file; `rest` are the numbers of it and of those behind it.
    pub(super) fn read(
        &mut self,
        folder: &Path,
        number: u64,
        signer: &SignerName,
        rest: &[u64],
    ) -> Result<(), VerifyError> {
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

    fn hold_against_heads(&mut self, file: &Path, line: u64) -> Result<(), VerifyError> {
        for place in &mut self.places {
            while let Some(head) = place.next.take_if(|head| head.tip.count <= self.tip.count) {
                let (sequence, time) = (head.tip.count, head.time.clone());
                if let Some(found) = self.chain.clone().filter(|chain| *chain != head.chain) {
                    return Err(Finding::Exchanged { expected: head.chain, found, time }.into());
                }
                if head.tip != self.tip {
                    return Err(Finding::Rewritten { file: file.to_owned(), line, sequence, time }.into());
                }
                self.heads = self.heads.saturating_add(1);
                self.last_head = Some(head);
                place.advance()?;
            }
        }
        Ok(())
    }

    /// Whether nothing is missing behind the last file.
    pub(super) fn end(self, signer: &SignerName) -> Result<Sound, VerifyError> {
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
