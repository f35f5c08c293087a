//! Whether a chain is as its signer wrote it: every line of every file, and every head. Reads line by line, needs nothing but
//! the files, and changes nothing.

use std::path::Path;

use super::chain::Tip;
use super::head::Head;
use super::name::{ChainId, SignerName};
use super::segments::{self, FolderError};

mod finding;
mod heads;
mod walk;

pub use finding::{Finding, VerifyError};
use heads::Place;
pub use heads::{Heads, heads_of_file};
use walk::Walk;

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
    let places = heads.into_iter().map(|heads| Place::new(heads, keys)).collect::<Result<_, _>>()?;
    let mut walk = Walk::new(places);
    let numbers = segments::numbers(folder)?;
    for (place, number) in numbers.iter().enumerate() {
        let rest = numbers.get(place..).unwrap_or_default();
        walk.read(folder, *number, signer, rest)?;
    }
    walk.end(signer)
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
    use std::path::PathBuf;

    use proptest::prelude::*;
    use ring::rand::SystemRandom;
    use tuf_schema::sign::{SecretKey, SecretKind, SigningKey as _};

    use super::*;
    use crate::audit::chain::{Line, LineError};
    use crate::audit::files::tests::{entry, now, open, signer};
    use crate::audit::head::tests::head_of;
    use crate::audit::writer::Disk as _;

    /// A chain of several files with the head of its end.
    pub(super) struct Written {
        pub(super) place: tempfile::TempDir,
        pub(super) head: Head,
        pub(super) key: String,
    }

    impl Written {
        pub(super) fn new(entries: u64) -> Self {
            let place = tempfile::tempdir().unwrap();
            let mut files = open(place.path());
            (0..entries).for_each(|number| files.append(&mut [entry(number)].iter(), now()).unwrap());
            let secret = SecretKey::generate(SecretKind::Ed25519, &SystemRandom::new()).unwrap();
            let head = head_of(&secret, &signer(), files.chain(), files.tip());
            Self { place, head, key: hex::encode(secret.public().public_bytes()) }
        }

        pub(super) fn folder(&self) -> PathBuf {
            self.place.path().join("audit/s-1")
        }

        fn verify(&self) -> Result<Sound, VerifyError> {
            let heads: Heads<'_> = Box::new(std::iter::once(Ok(self.head.clone())));
            verify(&self.folder(), &signer(), vec![heads], std::slice::from_ref(&self.key))
        }

        pub(super) fn found(&self) -> Finding {
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
