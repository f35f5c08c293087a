//! The heads that a chain is held against: where they come from, and whether they may count.

use std::fs::File;
use std::path::Path;

use super::{Finding, VerifyError};
use crate::audit::head::{Head, HeadError};
use crate::audit::lines::{Lines, Next};
use crate::audit::name::SignerName;
use crate::audit::segments::FolderError;

/// Heads to hold a chain against, in the order in which they were signed.
pub type Heads<'a> = Box<dyn Iterator<Item = Result<Head, VerifyError>> + 'a>;

/// The heads of a signer in a file, as the second place has them. Lines that are none, as a crash leaves them, are passed
/// over; what was changed in a head is a finding, and what cannot be read is told.
///
/// # Errors
/// When the file cannot be opened.
pub fn heads_of_file<'a>(file: &Path, signer: &'a SignerName) -> Result<Heads<'a>, FolderError> {
    let file = file.to_owned();
    let mut lines = Lines::new(File::open(&file).map_err(FolderError::of(&file))?);
    Ok(Box::new(std::iter::from_fn(move || {
        loop {
            let read = match lines.next() {
                Ok(Next::Line(bytes) | Next::Unfinished(bytes)) => Head::read(bytes),
                Ok(Next::TooLong) => continue,
                Ok(Next::End) => return None,
                Err(error) => return Some(Err(FolderError::of(&file)(error).into())),
            };
            match read {
                Ok(head) if head.signer == *signer => return Some(Ok(head)),
                Ok(_) | Err(HeadError::Form) => {}
                Err(source) => return Some(Err(Finding::Head { line: lines.number(), source }.into())),
            }
        }
    })))
}

/// Heads of one place.
pub(super) struct Place<'a> {
    heads: Heads<'a>,
    /// The one that the chain was not held against yet.
    pub(super) next: Option<Head>,
    last: u64,
    keys: &'a [String],
}

impl<'a> Place<'a> {
    /// Takes the first head. With none of `keys` any key may have signed them.
    pub(super) fn new(heads: Heads<'a>, keys: &'a [String]) -> Result<Self, VerifyError> {
        let mut place = Self { heads, next: None, last: 0, keys };
        place.advance()?;
        Ok(place)
    }

    /// Takes the next head.
    pub(super) fn advance(&mut self) -> Result<(), VerifyError> {
        self.next = self.heads.next().transpose()?;
        let Some(head) = &self.next else { return Ok(()) };
        let (key, time) = (hex::encode(head.key.public_bytes()), head.time.clone());
        if !self.keys.is_empty() && !self.keys.contains(&key) {
            return Err(Finding::OtherKey { key, time }.into());
        }
        if head.tip.count < self.last {
            return Err(Finding::HeadsReordered { time }.into());
        }
        self.last = head.tip.count;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::chain::Tip;
    use crate::audit::files::tests::signer;
    use crate::audit::verify::tests::Written;
    use crate::audit::verify::verify;

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
        let Some(Err(VerifyError::Found(finding))) = read else { panic!("{read:?}") };
        assert!(matches!(*finding, Finding::Head { line: 1, source: HeadError::Signature }), "{finding}");
    }

    #[test]
    fn heads_that_cannot_be_read_are_not_taken_for_none() {
        let written = Written::new(3);
        // a directory opens, and does not read
        let (folder, signer) = (written.place.path(), signer());
        let heads = heads_of_file(folder, &signer).unwrap();
        let refusal = verify(&written.folder(), &signer, vec![heads], &[]).unwrap_err();
        assert!(matches!(&refusal, VerifyError::Folder(FolderError::Io { file, .. }) if file == folder), "{refusal}");
    }

    #[test]
    fn heads_that_go_back_are_found() {
        let (written, signer) = (Written::new(3), signer());
        let heads = |counts: [u64; 2]| -> Heads<'static> {
            let heads = counts.map(|count| Ok(Head { tip: Tip { count, ..written.head.tip }, ..written.head.clone() }));
            Box::new(heads.into_iter())
        };
        let verified = |counts| verify(&written.folder(), &signer, vec![heads(counts)], &[]);
        let count = written.head.tip.count;
        assert_eq!(verified([count, count]).unwrap().heads, 2, "the same one again is none that goes back");
        let Err(VerifyError::Found(finding)) = verified([count, count - 1]) else { panic!("not found") };
        assert!(matches!(*finding, Finding::HeadsReordered { .. }), "{finding}");
    }
}
