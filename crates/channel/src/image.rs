//! What a connection is about to write: a list of pieces that lie where they were made.
//!
//! # Invariants
//!
//! - **INV-1**: between two fills the image ends at the end of a frame, so that whoever fills it next may
//!   begin one.

#[cfg(test)]
mod tests;

use std::{collections::VecDeque, io::IoSlice, sync::Arc};

use bytes::Bytes;
use smallvec::SmallVec;

use crate::carried::Carried;

/// The most pieces that one system call takes.
pub(crate) const MAX_PIECES: usize = 1024;
/// The longest piece that is copied.
const SMALL: usize = 40;

/// The slices of one write.
pub(crate) type Slices<'a> = SmallVec<[IoSlice<'a>; 8]>;

/// One piece.
#[derive(Debug)]
enum Piece {
    Shared(Bytes),
    Copied { bytes: [u8; SMALL], len: u8 },
}

impl Piece {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Shared(bytes) => bytes,
            Self::Copied { bytes, len } => &bytes[..usize::from(*len)],
        }
    }
}

/// The frames that are handed to a connection and not written.
#[derive(Default)]
pub(crate) struct Image {
    pieces: VecDeque<Piece>,
    /// The bytes of the first piece that are written.
    offset: usize,
    /// The bytes that are not written.
    len: usize,
    /// All bytes that were ever pushed.
    pushed: u64,
    fills: VecDeque<Fill>,
}

/// What one session handed over at once.
struct Fill {
    begin: u64,
    session: Arc<dyn Carried>,
    /// How many messages it had handed over before.
    sent: u64,
}

impl Image {
    /// Returns the number of bytes that are not written.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Adds bytes from where they lie.
    pub(crate) fn push(&mut self, bytes: Bytes) {
        if !bytes.is_empty() {
            self.add(bytes.len());
            self.pieces.push_back(Piece::Shared(bytes));
        }
    }

    /// Adds a copy of a few bytes.
    pub(crate) fn copy(&mut self, bytes: &[u8]) {
        if bytes.len() > SMALL {
            return self.push(Bytes::copy_from_slice(bytes));
        }
        self.add(bytes.len());
        if let Some(Piece::Copied { bytes: before, len }) = self.pieces.back_mut() {
            let from = usize::from(*len);
            if from + bytes.len() <= SMALL {
                before[from..from + bytes.len()].copy_from_slice(bytes);
                *len += bytes.len() as u8;
                return;
            }
        }
        let mut copy = [0; SMALL];
        copy[..bytes.len()].copy_from_slice(bytes);
        let len = bytes.len() as u8;
        self.pieces.push_back(Piece::Copied { bytes: copy, len });
    }

    /// Records that what was pushed since `begin` bytes is from `session`, which had handed over `sent`
    /// messages before.
    pub(crate) fn filled(&mut self, begin: u64, session: &Arc<dyn Carried>, sent: u64) {
        let session = session.clone();
        self.fills.push_back(Fill {
            begin,
            session,
            sent,
        });
    }

    /// Returns how many bytes were ever pushed.
    pub(crate) fn pushed(&self) -> u64 {
        self.pushed
    }

    /// Returns how many of them were written.
    pub(crate) fn written(&self) -> u64 {
        self.pushed - self.len as u64
    }

    /// Returns the next bytes to write.
    pub(crate) fn slices(&self) -> Slices<'_> {
        let mut slices = Slices::new();
        let mut offset = self.offset;
        for piece in self.pieces.iter().take(MAX_PIECES) {
            slices.push(IoSlice::new(&piece.bytes()[offset..]));
            offset = 0;
        }
        slices
    }

    /// Returns the first piece that is not written, without a copy if there is one to share.
    pub(crate) fn first(&self) -> Option<Bytes> {
        Some(match self.pieces.front()? {
            Piece::Shared(bytes) => bytes.slice(self.offset..),
            piece @ Piece::Copied { .. } => Bytes::copy_from_slice(&piece.bytes()[self.offset..]),
        })
    }

    /// Records that the next `n` bytes are written.
    pub(crate) fn advance(&mut self, mut n: usize) {
        self.len -= n;
        while let Some(piece) = self.pieces.front() {
            let left = piece.bytes().len() - self.offset;
            if n < left {
                self.offset += n;
                break;
            }
            n -= left;
            self.offset = 0;
            self.pieces.pop_front();
        }
        let written = self.written();
        while self.fills.front().is_some_and(|fill| fill.begin < written) {
            self.fills.pop_front();
        }
        if self.len == 0 && self.pieces.capacity() > 64 {
            self.pieces = VecDeque::new();
        }
    }

    /// Gives memory back that is kept for the next pieces, if there are none.
    pub(crate) fn relax(&mut self) {
        if self.is_empty() {
            self.pieces = VecDeque::new();
            self.fills = VecDeque::new();
        }
    }

    /// Tells the sessions of whose last fills no byte was written.
    pub(crate) fn abandon(self) {
        for fill in self.fills.into_iter().rev() {
            fill.session.unsend(fill.sent);
        }
    }

    fn add(&mut self, len: usize) {
        self.len += len;
        self.pushed += len as u64;
    }
}

impl std::fmt::Debug for Image {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Image")
            .field("len", &self.len)
            .field("pieces", &self.pieces.len())
            .finish_non_exhaustive()
    }
}
