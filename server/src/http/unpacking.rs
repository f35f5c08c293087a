//! A body that is one zstd frame (RFC 8878), unpacked in pieces as it comes.
//!
//! The window is what RFC 9659 lets senders use. What is held is known before it is used: the caller charges it.

use zstd::zstd_safe::zstd_sys::ZSTD_ErrorCode;
use zstd::zstd_safe::{DCtx, DParameter, ErrorCode, InBuffer, OutBuffer};

/// The base-two logarithm of the largest window of a frame.
const MAX_WINDOW_LOG: u32 = 23;
/// The most that is unpacked, and taken of what came, before others get the thread.
const PIECE_BYTES: usize = 64 << 10;
/// The longest head of a frame. The window is allocated behind it.
const MAX_HEAD_BYTES: usize = 18;
/// The most that unpacking holds in memory: the largest window, three blocks of 128 KiB, its tables, and a piece.
pub(super) const MOST_BYTES: usize = (1 << MAX_WINDOW_LOG) + (1 << 20);

/// A frame that is being unpacked.
pub(super) struct Unpacking {
    context: DCtx<'static>,
    piece: Vec<u8>,
    taken: usize,
    /// Whether more may come out although nothing more went in.
    is_full: bool,
    has_ended: bool,
}

/// Why a body is not one frame that is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum ZstdFault {
    #[error("the body is not the zstd frame that its coding says, or is damaged")]
    Damaged,
    #[error("the checksum of the body's zstd frame is another")]
    Checksum,
    #[error("the window of the body's zstd frame is larger than {} bytes", 1_u32 << MAX_WINDOW_LOG)]
    Window,
    #[error("the body's zstd frame breaks off")]
    BreaksOff,
    #[error("the body goes on after its zstd frame")]
    GoesOn,
    #[error("there is no memory to unpack the body in")]
    NoMemory,
}

impl Unpacking {
    pub(super) fn new() -> Result<Self, ZstdFault> {
        let mut context = DCtx::try_create().ok_or(ZstdFault::NoMemory)?;
        context.set_parameter(DParameter::WindowLogMax(MAX_WINDOW_LOG)).map_err(fault)?;
        Ok(Self { context, piece: vec![0; PIECE_BYTES], taken: 0, is_full: false, has_ended: false })
    }

    /// What it holds in memory. It grows once, with the head of the frame: of what it grows by then one block at most is
    /// written to before the next step.
    pub(super) fn held_bytes(&self) -> usize {
        self.context.sizeof().saturating_add(self.piece.len())
    }

    /// Whether there is nothing to do before more comes.
    pub(super) fn is_done_with(&self, input: &[u8]) -> bool {
        input.is_empty() && !self.is_full
    }

    /// Takes a little off `input`, and gives a little of what it unpacks to.
    pub(super) fn step(&mut self, input: &mut &[u8]) -> Result<&[u8], ZstdFault> {
        if self.has_ended {
            self.is_full = false;
            return if input.is_empty() { Ok(&[]) } else { Err(ZstdFault::GoesOn) };
        }
        let most = match MAX_HEAD_BYTES.saturating_sub(self.taken) {
            0 => PIECE_BYTES,
            of_head => of_head,
        };
        let (next, _later) = input.split_at_checked(most).unwrap_or((input, &[]));
        let (mut source, mut target) = (InBuffer::around(next), OutBuffer::around(self.piece.as_mut_slice()));
        let wanted = self.context.decompress_stream(&mut target, &mut source).map_err(fault)?;
        let (taken, given) = (source.pos(), target.pos());
        *input = input.get(taken..).unwrap_or_default();
        self.taken = self.taken.saturating_add(taken);
        self.has_ended = wanted == 0;
        self.is_full = given == PIECE_BYTES;
        Ok(self.piece.get(..given).unwrap_or_default())
    }

    /// That nothing more comes.
    pub(super) fn finish(self) -> Result<(), ZstdFault> {
        if self.has_ended { Ok(()) } else { Err(ZstdFault::BreaksOff) }
    }
}

/// zstd gives its errors as negative numbers of a type without sign.
fn fault(code: ErrorCode) -> ZstdFault {
    let is = |known: ZSTD_ErrorCode| code.wrapping_neg() == known as usize;
    if is(ZSTD_ErrorCode::ZSTD_error_checksum_wrong) {
        ZstdFault::Checksum
    } else if is(ZSTD_ErrorCode::ZSTD_error_frameParameter_windowTooLarge) {
        ZstdFault::Window
    } else if is(ZSTD_ErrorCode::ZSTD_error_memory_allocation) {
        ZstdFault::NoMemory
    } else {
        ZstdFault::Damaged
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::io::Write as _;

    use proptest::prelude::*;
    use zstd::stream::write::Encoder;

    use super::*;

    /// One frame with a checksum, whose head does not say how long its content is.
    pub(in crate::http) fn packed(content: &[u8], window_log: u32) -> Vec<u8> {
        let mut encoder = Encoder::new(Vec::new(), 1).unwrap();
        encoder.include_checksum(true).unwrap();
        encoder.window_log(window_log).unwrap();
        encoder.write_all(content).unwrap();
        encoder.finish().unwrap()
    }

    /// A frame with this byte for its window, of so many empty blocks and a last one.
    fn frame_of_window(window: u8, blocks: usize) -> Vec<u8> {
        let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0, window];
        frame.extend([0, 0, 0].repeat(blocks));
        frame.extend([1, 0, 0]);
        frame
    }

    /// What comes out when the frame comes in pieces of so many bytes, and the most that was held.
    fn unpacked(frame: &[u8], pieces: usize) -> Result<(Vec<u8>, usize), ZstdFault> {
        let (mut unpacking, mut out, mut most) = (Unpacking::new()?, Vec::new(), 0);
        for mut input in frame.chunks(pieces) {
            while !unpacking.is_done_with(input) {
                let step = unpacking.step(&mut input)?;
                assert!(step.len() <= PIECE_BYTES);
                out.extend_from_slice(step);
                most = most.max(unpacking.held_bytes());
            }
        }
        unpacking.finish()?;
        Ok((out, most))
    }

    #[test]
    fn a_frame_is_unpacked_in_whatever_pieces_it_comes() {
        let content: Vec<u8> = (0..300_000_u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
        for length in [0, 1, PIECE_BYTES - 1, PIECE_BYTES, PIECE_BYTES + 1, 2 * PIECE_BYTES, content.len()] {
            let frame = packed(&content[..length], 20);
            for pieces in [1, 7, 1000, frame.len()] {
                assert_eq!(unpacked(&frame, pieces).unwrap().0, content[..length], "{length} in {pieces}");
            }
        }
    }

    #[test]
    fn a_frame_cut_anywhere_breaks_off() {
        let frame = packed(b"some content that is not long", 20);
        for end in 0..frame.len() {
            assert_eq!(unpacked(&frame[..end], 5).unwrap_err(), ZstdFault::BreaksOff, "{end}");
        }
    }

    #[test]
    fn whatever_follows_a_frame_is_refused_another_frame_included() {
        let frame = packed(b"content", 20);
        for more in [&b"\0"[..], b"\r\n", &frame, &[0x50, 0x2a, 0x4d, 0x18, 0, 0, 0, 0]] {
            let body = [frame.as_slice(), more].concat();
            for pieces in [1, frame.len(), body.len()] {
                assert_eq!(unpacked(&body, pieces).unwrap_err(), ZstdFault::GoesOn, "{more:?}");
            }
        }
    }

    #[test]
    fn another_checksum_and_what_is_no_frame_are_told_apart() {
        let mut frame = packed(b"content", 20);
        *frame.last_mut().unwrap() ^= 1;
        assert_eq!(unpacked(&frame, 3).unwrap_err(), ZstdFault::Checksum);
        assert_eq!(unpacked(b"--b\r\nContent-Disposition: form-data", 100).unwrap_err(), ZstdFault::Damaged);
        let of_dictionary = [0x28, 0xb5, 0x2f, 0xfd, 1, 0x50, 7, 1, 0, 0];
        assert_eq!(unpacked(&of_dictionary, 100).unwrap_err(), ZstdFault::Damaged);
    }

    #[test]
    fn a_window_has_8_mebibytes_and_not_one_step_more_and_what_is_held_is_bounded() {
        let largest = (23 - 10) << 3;
        let (out, held) = unpacked(&frame_of_window(largest, 10), 100).unwrap();
        assert!(out.is_empty());
        assert!((1 << 23..=MOST_BYTES).contains(&held), "{held}");
        assert_eq!(unpacked(&frame_of_window(largest + 1, 10), 100).unwrap_err(), ZstdFault::Window);
        assert_eq!(unpacked(&frame_of_window(0xff, 10), 1).unwrap_err(), ZstdFault::Window);
        let (_, small) = unpacked(&packed(&vec![7; 1 << 20], 10), 100).unwrap();
        assert!(small < 512 << 10, "{small}");
    }

    proptest! {
        #[test]
        fn any_bytes_are_unpacked_or_refused(
            content in prop::collection::vec(any::<u8>(), 0..300),
            at in any::<prop::sample::Index>(), byte in any::<u8>(), pieces in 1_usize..50,
        ) {
            let mut frame = packed(&content, 20);
            let place = at.index(frame.len());
            frame[place] = byte;
            if let Ok((out, held)) = unpacked(&frame, pieces) {
                prop_assert!(held <= MOST_BYTES);
                prop_assert!(out == content || place < 6, "the checksum is of the content");
            }
            let _ = unpacked(&content, pieces);
        }
    }
}
