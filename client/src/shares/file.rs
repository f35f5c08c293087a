//! The file of a share: a PEM block whose headers say of which key and split it is, and its own digest, so that one that is
//! cut or altered is known by itself. None of it says anything of the key that its public half does not.

use std::fmt;
use std::path::Path;

use ring::error::Unspecified;
use tuf_schema::{KeyId, Sha256};
use zeroize::Zeroizing;

use super::MAX_FILE_BYTES;
use super::error::{ShareError, ShareFileError};
use super::quorum::Quorum;
use super::split::Body;
use crate::cache::read_bounded;
use crate::keys::pem::Block;
use crate::keys::{KeyRole, key_id};

/// The version that is written, and the only one that is read.
pub(super) const VERSION: u64 = 1;
/// What the block calls itself.
const LABEL: &str = "BULLA KEY SHARE";
/// The header with the digest of all else.
const DIGEST: &str = "sha256";
/// How many headers a share has.
const HEADERS: usize = 8;

/// Which split of a key a share is of: each time that a key is shared another one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SplitId([u8; 16]);

/// A share of a root key.
#[derive(PartialEq, Eq)]
pub struct Share {
    pub(super) key: KeyId,
    pub(super) split: SplitId,
    pub(super) quorum: Quorum,
    pub(super) number: u8,
    pub(super) body: Body,
}

impl SplitId {
    /// A new one.
    pub(super) fn new(fill: impl FnOnce(&mut [u8]) -> Result<(), Unspecified>) -> Result<Self, ShareError> {
        let mut bytes = [0; 16];
        fill(&mut bytes).map_err(|_| ShareError::Randomness)?;
        Ok(Self(bytes))
    }

    fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0; 16];
        hex::decode_to_slice(text, &mut bytes).ok()?;
        Some(Self(bytes)).filter(|split| split.to_string() == text)
    }
}

impl Share {
    /// The name of its file.
    pub(super) fn file_name(&self) -> String {
        format!("{}-{}.{EXTENSION}", self.key, self.number)
    }

    /// The share in a file.
    ///
    /// # Errors
    /// [`ShareError::Unusable`], [`ShareError::File`].
    pub(super) fn read(path: &Path) -> Result<Self, ShareError> {
        let unusable = |source| ShareError::Unusable { path: path.to_owned(), source };
        let bytes = read_bounded(path, MAX_FILE_BYTES)?.ok_or_else(|| unusable(ShareFileError::TooLarge))?;
        // What is no text is no base64 either.
        let text = Zeroizing::new(String::from_utf8_lossy(&bytes).into_owned());
        Self::parse(&text).map_err(unusable)
    }

    /// The one share in a text; what stands around it is passed over, as it may have come by mail.
    ///
    /// # Errors
    /// [`ShareFileError`].
    pub fn parse(text: &str) -> Result<Self, ShareFileError> {
        let is_share = |block: &Result<Block, String>| match block {
            Ok(Block { label, .. }) | Err(label) => label == LABEL,
        };
        let mut blocks = Block::parse_each(text).into_iter().filter(is_share);
        let mut block = match (blocks.next(), blocks.next()) {
            (None, _) => return Err(ShareFileError::NoShare),
            (Some(_), Some(_)) => return Err(ShareFileError::Several),
            (Some(block), None) => block.map_err(|_| ShareFileError::Damaged)?,
        };
        let version = number(&block, "version")?;
        if version > VERSION {
            return Err(ShareFileError::Version(version));
        }
        let said = block.header(DIGEST).map(str::to_owned);
        block.headers.retain(|(name, _)| name != DIGEST);
        if said != Some(digest(&block).to_hex()) {
            return Err(ShareFileError::Damaged);
        }
        Self::of(block)
    }

    /// What a block says that is as it was written.
    fn of(block: Block) -> Result<Self, ShareFileError> {
        let header = |name: &'static str| block.header(name).ok_or(ShareFileError::Header(name));
        if number(&block, "version")? != VERSION {
            return Err(ShareFileError::Header("version"));
        }
        let key = key_id(header("key")?).ok_or(ShareFileError::Header("key"))?;
        if KeyRole::parse(header("role")?) != KeyRole::Root {
            return Err(ShareFileError::Header("role"));
        }
        let split = SplitId::parse(header("split")?).ok_or(ShareFileError::Header("split"))?;
        let count = |name| number(&block, name).map(|count| u32::try_from(count).unwrap_or(u32::MAX));
        let quorum =
            Quorum::new(count("shares")?, count("threshold")?).map_err(|_| ShareFileError::Header("threshold"))?;
        let found = u8::try_from(count("number")?).ok().filter(|number| (1..=quorum.shares()).contains(number));
        let number = found.ok_or(ShareFileError::Header("number"))?;
        // Those above, and the digest that was taken out: none twice, and none that means something to others.
        if block.headers.len() != HEADERS - 1 || block.content.is_empty() {
            return Err(ShareFileError::Damaged);
        }
        Ok(Self { key, split, quorum, number, body: block.content })
    }

    /// The text of its file.
    #[must_use]
    pub fn to_text(&self) -> Zeroizing<String> {
        let headers = [
            ("version", VERSION.to_string()),
            ("key", self.key.to_string()),
            ("role", KeyRole::Root.to_string()),
            ("split", self.split.to_string()),
            ("shares", self.quorum.shares().to_string()),
            ("threshold", self.quorum.threshold().to_string()),
            ("number", self.number.to_string()),
        ];
        let headers = headers.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let mut block = Block { label: LABEL.to_owned(), headers, content: self.body.clone() };
        let digest = digest(&block).to_hex();
        block.headers.push((DIGEST.to_owned(), digest));
        block.encode()
    }
}

/// How the files of shares end.
pub(super) const EXTENSION: &str = "share";

/// Whether something is named as the file of a share.
pub(super) fn is_named_as_share(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == EXTENSION)
}

/// The digest of a block without one.
fn digest(block: &Block) -> Sha256 {
    Sha256::of(block.encode().as_bytes())
}

/// A header that is a number, as we write numbers.
fn number(block: &Block, name: &'static str) -> Result<u64, ShareFileError> {
    let text = block.header(name).ok_or(ShareFileError::Header(name))?;
    let number: Option<u64> = text.parse().ok();
    number.filter(|number| number.to_string() == text).ok_or(ShareFileError::Header(name))
}

impl fmt::Display for SplitId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for SplitId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SplitId({self})")
    }
}

/// Without the share itself.
impl fmt::Debug for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, split, quorum, number, body: _ } = self;
        let mut shown = f.debug_struct("Share");
        shown.field("key", key).field("split", split).field("quorum", quorum).field("number", number);
        shown.finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn share(number: u8, body: &[u8]) -> Share {
        Share {
            key: KeyId::from_wire(&"0f".repeat(32)),
            split: SplitId([7; 16]),
            quorum: Quorum::new(3, 2).unwrap(),
            number,
            body: Zeroizing::new(body.to_vec()),
        }
    }

    /// The text of a share with one line in another's place, and a digest that fits.
    fn rewritten(line: &str, to: &str) -> String {
        let text = share(1, &[1; 100]).to_text();
        assert!(text.contains(line), "{}", *text);
        let text = text.replace(line, to);
        let mut block = Block::parse_all(&text).remove(0);
        block.headers.retain(|(name, _)| name != DIGEST);
        let digest = digest(&block).to_hex();
        block.headers.push((DIGEST.to_owned(), digest));
        block.encode().to_string()
    }

    #[test]
    fn a_share_says_of_which_key_and_split_it_is() {
        let text = share(2, &[1; 100]).to_text();
        let said = "-----BEGIN BULLA KEY SHARE-----\nkey: 0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f\n\
                    number: 2\nrole: root\nsha256: ";
        assert!(text.starts_with(said), "{}", *text);
        let rest = "\nshares: 3\nsplit: 07070707070707070707070707070707\nthreshold: 2\nversion: 1\n\nAQEB";
        assert!(text.contains(rest), "{}", *text);
    }

    #[test]
    fn a_share_is_read_among_other_text_and_with_other_line_ends() {
        let text = share(2, &[1; 100]).to_text();
        let mailed = format!("Keep this.\r\n\r\n{}\r\n-- \r\nA\r\n", text.replace('\n', "\r\n"));
        assert_eq!(Share::parse(&mailed).unwrap(), share(2, &[1; 100]));
    }

    #[test]
    fn a_share_that_is_cut_off_anywhere_is_refused() {
        let text = share(1, &[1; 100]).to_text();
        let begin = "-----BEGIN BULLA KEY SHARE-----".len();
        for length in begin..text.len() - 1 {
            assert_eq!(Share::parse(&text[..length]), Err(ShareFileError::Damaged), "{length}");
        }
    }

    #[test]
    fn a_share_that_is_altered_anywhere_is_refused() {
        let whole = share(1, &[1; 100]).to_text();
        let inner = whole.find("key:").unwrap()..whole.find("-----END").unwrap() - 1;
        for place in inner {
            let mut bytes = whole.as_bytes().to_vec();
            // Another letter or digit in its place; not another line end or blank, which mean nothing.
            if !bytes[place].is_ascii_alphanumeric() {
                continue;
            }
            bytes[place] = if bytes[place] == b'7' { b'8' } else { b'7' };
            let text = String::from_utf8(bytes).unwrap();
            assert!(Share::parse(&text).is_err(), "{text}");
        }
        for (line, to) in [("number: 1", "number: 2"), ("shares: 3", "shares: 4"), ("split: 07", "split: 08")] {
            assert_eq!(Share::parse(&whole.replace(line, to)), Err(ShareFileError::Damaged), "{to}");
        }
        assert_eq!(Share::parse(&whole.replace("\nAQEB", "\nAQEC")), Err(ShareFileError::Damaged));
    }

    #[test]
    fn what_is_no_share_is_told_apart() {
        for text in ["", "hello", include_str!("../../../tests/fixtures/keys/genkey-key.pem")] {
            assert_eq!(Share::parse(text), Err(ShareFileError::NoShare), "{text}");
        }
        let two = [share(1, &[1]).to_text(), share(2, &[2]).to_text()].map(|text| text.to_string()).concat();
        assert_eq!(Share::parse(&two), Err(ShareFileError::Several));
    }

    #[test]
    fn a_later_version_is_told() {
        assert_eq!(Share::parse(&rewritten("version: 1", "version: 2")), Err(ShareFileError::Version(2)));
    }

    #[test]
    fn each_header_must_make_sense() {
        for (line, to, header) in [
            ("version: 1", "version: 0", "version"),
            ("version: 1\n", "", "version"),
            ("role: root", "role: targets", "role"),
            ("key: 0f", "key: 0F", "key"),
            ("split: 07", "split: zz", "split"),
            ("shares: 3", "shares: 1", "threshold"),
            ("shares: 3", "shares: 256", "threshold"),
            ("shares: 3\n", "", "shares"),
            ("threshold: 2", "threshold: 1", "threshold"),
            ("threshold: 2", "threshold: 4", "threshold"),
            ("threshold: 2", "threshold: +2", "threshold"),
            ("number: 1", "number: 0", "number"),
            ("number: 1", "number: 4", "number"),
            ("number: 1", "number: 257", "number"),
            ("number: 1", "number: 01", "number"),
        ] {
            assert_eq!(Share::parse(&rewritten(line, to)), Err(ShareFileError::Header(header)), "{to}");
        }
        assert_eq!(Share::parse(&rewritten("number: 1", "number: 3")).unwrap().number, 3);
        let more = rewritten("version: 1", "version: 1\nzz: a second header");
        assert_eq!(Share::parse(&more), Err(ShareFileError::Damaged));
        assert_eq!(Share::parse(&rewritten("number: 1", "number: 1\nnumber: 2")), Err(ShareFileError::Damaged));
        assert_eq!(Share::parse(&share(1, &[]).to_text()), Err(ShareFileError::Damaged));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(number in 1_u8..=3, body in prop::collection::vec(any::<u8>(), 1..3000)) {
            let share = share(number, &body);
            prop_assert_eq!(Share::parse(&share.to_text()).unwrap(), share);
        }

        #[test]
        fn no_text_makes_the_reader_panic(
            text in "(-----BEGIN BULLA KEY SHARE-----\n)?((version|key|number|role|sha256|split|shares|threshold): ?[0-9a-f]{0,70}\n){0,9}\n?[A-Za-z0-9+/=\n]{0,99}(-----END BULLA KEY SHARE-----\n)?",
        ) {
            let _ = Share::parse(&text);
        }

        #[test]
        fn one_changed_character_anywhere_gives_no_other_share(place: prop::sample::Index, to in "[ -~\n]") {
            let share = share(1, &[1; 100]);
            let mut text = share.to_text().to_string();
            let place = place.index(text.len());
            text.replace_range(place..=place, &to);
            if let Ok(read) = Share::parse(&text) {
                prop_assert_eq!(read, share);
            }
        }
    }
}
