//! What a trust server offers for an update in one answer: it stands in for requests, and is believed as little.
//!
//! A document is taken from it only if it is what was to be asked for: of that role and digest, and no longer than it
//! may be. What is a delta is put together when it is wanted, into no more room than the document may have.

use bytes::Bytes;
use tuf_schema::model::Snapshot;
use tuf_schema::update_answer::{Held, MAX_HELD, UpdateFile, UpdateIndex};
use tuf_schema::verify::chain::{DocumentName, Which};
use tuf_schema::version::Version;
use tuf_schema::{Dialect, Envelope, Role, Sha256};
use zstd::zstd_safe::DCtx;

use crate::cache::Cache;
use crate::remote::Remote;

/// The longest answer that is read, in bytes.
const MAX_ANSWER_BYTES: u64 = 128 << 20;

/// What is offered for one update.
pub(super) struct Offers {
    /// Whether the server has still to be asked.
    open: bool,
    files: Vec<(UpdateFile, Bytes)>,
    used: bool,
}

impl Offers {
    /// Those of an update that has yet to begin.
    pub(super) fn to_be_asked_for() -> Self {
        Self { open: true, files: Vec::new(), used: false }
    }

    /// None: every document is asked for by its name.
    pub(super) fn none() -> Self {
        Self { open: false, files: Vec::new(), used: false }
    }

    /// Whether a document of the answer was taken.
    pub(super) fn were_used(&self) -> bool {
        self.used
    }

    /// Asks the server once, if it answers so, for what is lacking beside the root of this version and the cache.
    pub(super) async fn ask(&mut self, remote: &dyn Remote, cache: &Cache, root: Option<Version>) {
        if !std::mem::take(&mut self.open) || !remote.answers_at_once() {
            return;
        }
        let Some(held) = held(cache, root) else { return };
        let answer = remote.lacking(&held, MAX_ANSWER_BYTES).await;
        let files = answer.and_then(|answer| UpdateIndex::take_apart(&answer).ok());
        self.files = files.unwrap_or_default();
    }

    /// The document of this name, if it is offered and has at most `most` bytes. `kept` is what is cached of its role.
    pub(super) fn take(&mut self, name: &DocumentName, most: u64, kept: Option<&Bytes>) -> Option<Bytes> {
        let of_role = self.files.iter().filter(|(file, _)| file.role == name.role && file.length <= most);
        let (file, sent) = match &name.which {
            Which::Digest(digest) => of_role.into_iter().find(|(file, _)| file.sha256 == *digest),
            Which::Version(version) => of_role.into_iter().find(|(file, _)| file.version == *version),
            // Of several roots the newest is the one in force.
            Which::Current => of_role.into_iter().max_by_key(|(file, _)| file.version),
        }?;
        let document = match file.base {
            None => sent.clone(),
            Some(_) => rebuilt(kept?, sent, file.length)?.into(),
        };
        let is_whole = document.len() as u64 == file.length && Sha256::of(&document) == file.sha256;
        self.used |= is_whole;
        is_whole.then_some(document)
    }
}

/// What a reader has to say that it holds; `None` when that is too much for one question, and it would be sent anew what
/// it could not say.
///
/// Of the cached documents no more is looked at than what the cached snapshot says of them, as they may be large: who
/// claims what is not so gets a delta that comes to nothing.
fn held(cache: &Cache, root: Option<Version>) -> Option<Held> {
    let mut held = Held { root, ..Held::default() };
    let Ok(Some(bytes)) = cache.read(&Role::Snapshot) else { return Some(held) };
    let digest = Sha256::of(&bytes);
    let envelope = Envelope::parse(Dialect::Notary, bytes.into()).ok();
    let snapshot = envelope.and_then(|envelope| envelope.decode::<Snapshot>(Role::Snapshot).ok());
    let Some(snapshot) = snapshot else { return Some(held) };
    held.documents.insert(Role::Snapshot, digest);
    let listed = &snapshot.claims().meta;
    if listed.len() > MAX_HELD {
        return None;
    }
    for (role, meta) in listed.iter().filter(|(role, _)| role.lists_targets()) {
        let digest = meta.digests.sha256().filter(|_| cache.length(role) == Some(meta.length));
        held.documents.extend(digest.map(|digest| (role.clone(), digest)));
    }
    held.fits_a_query().then_some(held)
}

/// What becomes of `base` by `delta`, of at most `length` bytes. In one step, so that the room for it is all that it
/// takes: no window is kept beside it, however large the frame says that one is.
fn rebuilt(base: &[u8], delta: &[u8], length: u64) -> Option<Vec<u8>> {
    let mut document = Vec::new();
    document.try_reserve_exact(usize::try_from(length).ok()?).ok()?;
    let mut decoder = DCtx::try_create()?;
    decoder.ref_prefix(base).ok()?;
    decoder.decompress(&mut document, delta).ok()?;
    Some(document)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use proptest::prelude::*;
    use tuf_schema::update_answer::MAX_WINDOW_LOG;
    use zstd::stream::write::Encoder;

    use super::*;

    const MEBIBYTE: usize = 1 << 20;

    fn offered(file: UpdateFile, sent: Vec<u8>) -> Offers {
        Offers { open: false, files: vec![(file, sent.into())], used: false }
    }

    fn file(role: Role, document: &[u8], sent: usize) -> UpdateFile {
        UpdateFile {
            role,
            version: Version::FIRST,
            sha256: Sha256::of(document),
            length: document.len() as u64,
            sent: sent as u64,
            base: None,
        }
    }

    /// A frame that makes `document` of `base`, with a window of `log`.
    fn frame(document: &[u8], base: &[u8], log: u32) -> Vec<u8> {
        let mut encoder = Encoder::with_ref_prefix(Vec::new(), 1, base).unwrap();
        encoder.window_log(log).unwrap();
        encoder.long_distance_matching(true).unwrap();
        encoder.write_all(document).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn a_document_may_be_as_long_as_was_asked_for_and_not_one_byte_longer() {
        let document = b"a document".as_slice();
        let name = DocumentName { role: Role::Targets, which: Which::Digest(Sha256::of(document)) };
        let whole = || offered(file(Role::Targets, document, 10), document.to_vec());
        assert_eq!(whole().take(&name, 10, None).unwrap(), document);
        assert_eq!(whole().take(&name, 9, None), None);
        let sent = frame(document, b"", 10);
        let made = || {
            let file = UpdateFile { base: Some(Sha256::of(b"")), ..file(Role::Targets, document, sent.len()) };
            offered(file, sent.clone())
        };
        let kept = Bytes::new();
        assert_eq!(made().take(&name, 10, Some(&kept)).unwrap(), document);
        assert_eq!(made().take(&name, 9, Some(&kept)), None);
        assert_eq!(made().take(&name, 10, None), None);
    }

    #[test]
    fn a_document_is_taken_by_what_it_was_asked_for_alone() {
        let document = b"a root".as_slice();
        let take = |role: Role, which| {
            offered(file(Role::Root, document, 6), document.to_vec())
                .take(&DocumentName { role, which }, 6, None)
                .is_some()
        };
        let digest = Which::Digest(Sha256::of(document));
        assert!(take(Role::Root, Which::Current) && take(Role::Root, digest.clone()));
        assert!(take(Role::Root, Which::Version(Version::FIRST)));
        assert!(!take(Role::Root, Which::Version(Version::MAX)) && !take(Role::Root, Which::Digest(Sha256::of(b""))));
        assert!(!take(Role::Timestamp, Which::Current) && !take(Role::Targets, digest));
    }

    #[test]
    fn a_frame_gets_no_more_room_than_the_document_may_have() {
        let grown = vec![b' '; 64 * MEBIBYTE];
        let sent = frame(&grown, b"", MAX_WINDOW_LOG);
        assert!(sent.len() < MEBIBYTE, "{}", sent.len());
        assert_eq!(rebuilt(b"", &sent, grown.len() as u64 - 1), None);
        assert!(rebuilt(b"", &sent, grown.len() as u64).is_some_and(|made| made == grown));
        // The room is what is asked for, and no window comes to it.
        assert!(rebuilt(b"", &frame(b"short", b"", 31), 5).is_some_and(|made| made.capacity() == 5));
        assert_eq!(rebuilt(b"", &sent, u64::MAX), None);
    }

    #[test]
    fn a_long_document_is_made_of_its_base() {
        let line = |n: u32| Sha256::of(&n.to_be_bytes()).to_hex();
        let base: String = (0..100_000).map(line).collect();
        let document = base.replacen(&line(50_000), &line(7_000_000), 1);
        let sent = frame(document.as_bytes(), base.as_bytes(), 24);
        assert!(sent.len() < 2_000, "{}", sent.len());
        assert_eq!(rebuilt(base.as_bytes(), &sent, document.len() as u64).unwrap(), document.as_bytes());
    }

    proptest! {
        #[test]
        fn any_delta_makes_no_more_than_may_be(
            base in prop::collection::vec(any::<u8>(), 0..200), at: prop::sample::Index, mask in 1_u8..,
            noise in prop::collection::vec(any::<u8>(), 0..60), length in 0_u64..600,
        ) {
            let mut sent = frame(&[base.as_slice(), &noise, &base].concat(), &base, 10);
            let at = at.index(sent.len());
            sent[at] ^= mask;
            for delta in [sent.as_slice(), &noise] {
                let made = rebuilt(&base, delta, length);
                prop_assert!(made.is_none_or(|made| made.len() as u64 <= length));
            }
        }
    }
}
