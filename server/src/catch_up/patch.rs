//! What turns one document into another: zstd with the one as its dictionary.

use bytes::Bytes;
use tuf_schema::update_answer::MAX_WINDOW_LOG;
use zstd::zstd_safe::{CCtx, CParameter};

/// zstd's own default; what is found far away is not found better with more.
const LEVEL: i32 = 3;

/// One zstd frame of at most so many bytes, which is `file` to whoever has `base`.
pub(super) fn patch(base: &[u8], file: &[u8], most: usize) -> Option<Bytes> {
    let mut context = context(base, file.len())?;
    // in one call, for which nothing is copied; it fails when there is more than `most`
    let mut delta = Vec::with_capacity(most);
    context.compress2(&mut delta, file).ok()?;
    delta.shrink_to_fit();
    Some(delta.into())
}

/// What compresses a file of so many bytes against `base`.
fn context(base: &[u8], file_bytes: usize) -> Option<CCtx<'_>> {
    let mut context = CCtx::try_create()?;
    let window = window_log(base.len().saturating_add(file_bytes))?;
    for parameter in [
        CParameter::CompressionLevel(LEVEL),
        CParameter::WindowLog(window),
        CParameter::EnableLongDistanceMatching(true),
    ] {
        context.set_parameter(parameter).ok()?;
    }
    context.ref_prefix(base).ok()?;
    Some(context)
}

/// The window that reaches from the end of a file to the beginning of its base.
fn window_log(bytes: usize) -> Option<u32> {
    const SMALLEST: u32 = 10;
    let log = bytes.checked_next_power_of_two()?.ilog2().max(SMALLEST);
    (log <= MAX_WINDOW_LOG).then_some(log)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tuf_schema::update_answer::MAX_DELTA_DOCUMENT_BYTES;
    use zstd::zstd_safe::DCtx;

    use super::*;
    use crate::catch_up::tests::lines;

    fn applied(base: &[u8], delta: &[u8], length: usize) -> Vec<u8> {
        let mut file = Vec::with_capacity(length);
        let mut context = DCtx::create();
        context.ref_prefix(base).unwrap();
        context.decompress(&mut file, delta).unwrap();
        file
    }

    #[test]
    fn a_delta_of_one_changed_line_is_small_wherever_the_line_is() {
        let base = lines("line", 20_000);
        for at in [0, base.len() / 2, base.len() - 65] {
            let mut file = base.clone();
            file[at] ^= 1;
            file.splice(at..at, *b"one line more");
            let delta = patch(&base, &file, file.len() / 4).unwrap();
            assert!(delta.len() < 1000, "{}", delta.len());
            assert_eq!(applied(&base, &delta, file.len()), file);
        }
    }

    #[test]
    fn a_delta_that_saves_too_little_is_none() {
        let (base, file) = (lines("line", 1000), lines("line", 2000));
        let delta = patch(&base, &file, file.len()).unwrap();
        assert_eq!(applied(&base, &delta, file.len()), file);
        assert!(patch(&base, &file, delta.len() - 1).is_none());
    }

    #[test]
    fn beside_the_largest_documents_a_delta_takes_at_most_12_mebibytes() {
        let largest = vec![b'x'; usize::try_from(MAX_DELTA_DOCUMENT_BYTES).unwrap()];
        let mut context = context(&largest, largest.len()).unwrap();
        let mut delta = Vec::with_capacity(1 << 20);
        context.compress2(&mut delta, &largest).unwrap();
        assert!(context.sizeof() <= 12 << 20, "{}", context.sizeof());
    }

    #[test]
    fn the_window_covers_both_documents_and_no_decoder_is_asked_for_more_than_it_takes() {
        assert_eq!(window_log(0), Some(10));
        assert_eq!(window_log((1 << 20) + 1), Some(21));
        let largest = usize::try_from(MAX_DELTA_DOCUMENT_BYTES).unwrap();
        assert_eq!(window_log(2 * largest), Some(MAX_WINDOW_LOG));
        assert_eq!(window_log(2 * largest + 1), None);
    }

    proptest! {
        #[test]
        fn whoever_has_the_base_has_the_document(base in prop::collection::vec(any::<u8>(), 0..2000), cut in 0_usize..2000, more in prop::collection::vec(any::<u8>(), 0..300)) {
            let cut = cut.min(base.len());
            let file = [&base[cut..], &more, &base[..cut]].concat();
            if let Some(delta) = patch(&base, &file, file.len() + 1000) {
                prop_assert_eq!(applied(&base, &delta, file.len()), file);
            }
        }
    }
}
