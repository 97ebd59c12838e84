//! The bytes of a batch of frames, ready for vectored writes.
//!
//! Headers and small bodies are copied into one buffer, because one long piece costs the kernel
//! less than many short ones; everything else is written from where it lies.

use std::io::IoSlice;

use bytes::{Buf, Bytes};
use hypermesh_wire::{PART_THRESHOLD, Payload};

use crate::frame::{ASK_FRAME, Header};

/// Bodies below this length are copied beside their header.
const BODY_COPIED_BELOW: usize = 2048;
/// The most pieces that one system call takes.
const MAX_PIECES: usize = 1024;
/// A buffer that grew above this is not kept for the next batch.
const KEPT_BUFFER: usize = 512 << 10;

/// Frames that are being written.
#[derive(Debug, Default)]
pub(crate) struct Image {
    copied: Vec<u8>,
    pieces: Vec<Piece>,
    /// The first piece that is not written to its end.
    next: usize,
    frames: usize,
    len: usize,
}

#[derive(Debug)]
enum Piece {
    /// What is left of a range of `copied`.
    Copied(std::ops::Range<usize>),
    /// What is left of a body or part.
    Shared(Bytes),
}

impl Piece {
    fn bytes<'a>(&'a self, copied: &'a [u8]) -> &'a [u8] {
        match self {
            Self::Copied(range) => &copied[range.clone()],
            Self::Shared(bytes) => bytes,
        }
    }

    fn advance(&mut self, n: usize) {
        match self {
            Self::Copied(range) => range.start += n,
            Self::Shared(bytes) => bytes.advance(n),
        }
    }
}

impl Image {
    /// Adds the frame of a message, which is within the limits.
    pub(crate) fn push(&mut self, payload: &Payload) {
        self.frames += 1;
        self.copy(&Header::data(payload).encode());
        for part in &payload.parts {
            let len = u32::try_from(part.len()).expect("the length was checked before");
            self.copy(&len.to_le_bytes());
        }
        self.add(&payload.body, BODY_COPIED_BELOW);
        for part in &payload.parts {
            self.add(part, PART_THRESHOLD);
        }
    }

    /// Adds the question for an acknowledgement.
    pub(crate) fn push_ask(&mut self) {
        self.copy(&ASK_FRAME);
    }

    /// Returns the number of messages added since it was empty.
    pub(crate) fn frames(&self) -> usize {
        self.frames
    }

    /// Returns the number of bytes that are not written.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Returns whether everything is written.
    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Returns what to write next, as much as one system call takes.
    pub(crate) fn slices(&self) -> Vec<IoSlice<'_>> {
        let pieces = self.pieces[self.next..].iter().take(MAX_PIECES);
        pieces
            .map(|piece| IoSlice::new(piece.bytes(&self.copied)))
            .collect()
    }

    /// Records that `n` more bytes are written.
    pub(crate) fn advance(&mut self, mut n: usize) {
        self.len -= n;
        while let Some(piece) = self.pieces.get_mut(self.next) {
            let left = piece.bytes(&self.copied).len();
            if n < left {
                piece.advance(n);
                return;
            }
            n -= left;
            self.next += 1;
        }
        self.clear();
    }

    fn clear(&mut self) {
        self.pieces.clear();
        self.copied.clear();
        self.copied.shrink_to(KEPT_BUFFER);
        (self.next, self.frames) = (0, 0);
    }

    fn add(&mut self, bytes: &Bytes, copied_below: usize) {
        if bytes.len() < copied_below {
            self.copy(bytes);
        } else {
            self.len += bytes.len();
            self.pieces.push(Piece::Shared(bytes.clone()));
        }
    }

    fn copy(&mut self, bytes: &[u8]) {
        let start = self.copied.len();
        self.copied.extend_from_slice(bytes);
        let end = self.copied.len();
        self.len += bytes.len();
        match self.pieces.last_mut() {
            Some(Piece::Copied(range)) => range.end = end,
            _ => self.pieces.push(Piece::Copied(start..end)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decoder::tests::any_payload;
    use proptest::prelude::*;

    /// Writes the image in pieces of at most `step` bytes.
    fn written(image: &mut Image, step: usize) -> Vec<u8> {
        let mut all = Vec::new();
        while !image.is_empty() {
            let slices = image.slices();
            let bytes = slices.iter().flat_map(|slice| slice.iter().copied());
            let before = all.len();
            all.extend(bytes.take(step));
            image.advance(all.len() - before);
        }
        all
    }

    /// The bytes of a frame, put together without any cleverness.
    fn plain(payload: &Payload) -> Vec<u8> {
        let mut bytes = Header::data(payload).encode().to_vec();
        for part in &payload.parts {
            bytes.extend((part.len() as u32).to_le_bytes());
        }
        bytes.extend(&payload.body);
        payload.parts.iter().for_each(|part| bytes.extend(part));
        bytes
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn vectored_and_partial_writes_give_the_same_bytes(
            payloads in proptest::collection::vec(any_payload(), 0..8),
            step in 100usize..5000,
        ) {
            let mut image = Image::default();
            payloads.iter().for_each(|payload| image.push(payload));
            let expected: Vec<u8> = payloads.iter().flat_map(plain).collect();
            prop_assert_eq!(image.len(), expected.len());
            prop_assert_eq!(image.frames(), payloads.len());
            prop_assert_eq!(written(&mut image, step), expected);
            prop_assert_eq!(image.frames(), 0);
        }
    }

    #[test]
    fn a_large_part_is_written_from_where_it_lies() {
        let part = Bytes::from(vec![7; PART_THRESHOLD]);
        let mut image = Image::default();
        image.push(&Payload {
            body: Bytes::from_static(b"body"),
            parts: [part.clone()].into_iter().collect(),
        });
        let slices = image.slices();
        assert_eq!(slices.len(), 2);
        assert_eq!(slices[1].as_ptr(), part.as_ptr());
    }

    #[test]
    fn more_pieces_than_a_system_call_takes_are_written_in_several() {
        let part = Bytes::from(vec![7; PART_THRESHOLD]);
        let mut image = Image::default();
        let payload = Payload {
            body: Bytes::new(),
            parts: std::iter::repeat_n(part, 5000).collect(),
        };
        image.push(&payload);
        assert_eq!(image.slices().len(), MAX_PIECES);
        assert_eq!(written(&mut image, usize::MAX), plain(&payload));
    }
}
