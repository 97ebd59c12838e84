//! One long frame of a session that is passed on as it is.

use bytes::Bytes;

use super::{assembly::Segment, lengths};
use crate::frame::{CHUNK_ABOVE, FrameError, HEADER_LEN, Header, Kind};

/// A frame in the making.
#[derive(Debug)]
pub(super) struct Passing {
    header: Header,
    /// What follows the header; as long as it is not all announced, the lengths of the parts.
    rest: Segment,
    is_all: bool,
}

impl Passing {
    pub(super) fn new(header: Header) -> Self {
        let is_chunk = header.kind == Kind::Chunk;
        let len = if is_chunk {
            header.len
        } else {
            4 * header.parts
        };
        Self {
            header,
            rest: Segment::new(len as usize),
            is_all: is_chunk,
        }
    }

    /// Takes bytes up to the end of the frame, and returns how many.
    pub(super) fn feed(&mut self, input: &[u8]) -> usize {
        self.rest.feed(input)
    }

    /// Returns memory for the next bytes.
    pub(super) fn direct(&mut self) -> Option<&mut [u8]> {
        self.rest.direct(usize::MAX)
    }

    /// Records that `n` bytes are in the memory.
    pub(super) fn direct_done(&mut self, n: usize) {
        self.rest.add(n);
    }

    /// Returns how many bytes of memory it holds, about.
    #[cfg(any(test, feature = "properties"))]
    pub(super) fn memory(&self) -> usize {
        size_of::<Self>() + self.rest.capacity()
    }

    /// Returns the frame if it is whole.
    pub(super) fn whole(&mut self) -> Result<Option<(Header, Bytes)>, FrameError> {
        if self.rest.missing() > 0 {
            return Ok(None);
        }
        if !self.is_all {
            self.is_all = true;
            let parts: u64 = lengths(self.rest.filled()).map(u64::from).sum();
            let table = 4 * u64::from(self.header.parts);
            let len = table + u64::from(self.header.len) + parts;
            if CHUNK_ABOVE < HEADER_LEN as u64 + len {
                return Err(self.header.too_long(HEADER_LEN as u64 + len));
            }
            self.rest.extend_to(len as usize);
            if self.rest.missing() > 0 {
                return Ok(None);
            }
        }
        Ok(Some((self.header, self.rest.take())))
    }
}
