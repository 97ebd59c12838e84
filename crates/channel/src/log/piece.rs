//! One piece of memory with framed messages.

use std::ops::Range;

use bytes::{BufMut, Bytes, BytesMut};
use smallvec::SmallVec;

use super::Mark;
use crate::frame::{HEADER_LEN, Header, Kind, NEXT_LEN, split_next};

/// What follows a head: mostly one part.
pub(super) type Segments = SmallVec<[Bytes; 1]>;

/// Whole frames one behind the other, or one frame whose parts lie elsewhere.
#[derive(Debug)]
pub(super) struct Piece {
    pub(super) bytes: Bytes,
    /// What follows the bytes, if this is a single message.
    segments: Segments,
    /// Where the last message ends.
    pub(super) end: Mark,
}

impl Piece {
    pub(super) fn run(bytes: Bytes, end: Mark) -> Self {
        let segments = Segments::new();
        Self {
            bytes,
            segments,
            end,
        }
    }

    pub(super) fn single(head: Bytes, segments: Segments, end: Mark) -> Self {
        Self {
            bytes: head,
            segments,
            end,
        }
    }

    /// Returns whether this is one message with segments of its own.
    pub(super) fn is_single(&self) -> bool {
        !self.segments.is_empty()
    }

    /// Returns the number of bytes.
    pub(super) fn len(&self) -> usize {
        self.bytes.len() + self.segments.iter().map(Bytes::len).sum::<usize>()
    }

    /// Gives out the bytes of `range`, in order and from where they lie.
    pub(super) fn slice(&self, range: Range<usize>, mut each: impl FnMut(Bytes)) {
        let mut begin = 0;
        for segment in std::iter::once(&self.bytes).chain(&self.segments) {
            let end = begin + segment.len();
            let (from, to) = (range.start.max(begin), range.end.min(end));
            if from < to {
                each(segment.slice(from - begin..to - begin));
            }
            begin = end;
        }
    }

    /// Replaces each message from `first` on that has more than `max` bytes by a void, and returns their sequence
    /// numbers and loads. The piece begins at `at`.
    pub(super) fn limit(
        &mut self,
        session: u32,
        at: Mark,
        first: u64,
        max: u64,
    ) -> Vec<(u64, u64)> {
        let void = |seq: u64, load: u64| {
            let header = Header {
                len: u32::try_from(load).expect("the length was checked before"),
                seq: seq as u32,
                ..Header::control(Kind::Void, session, 0)
            };
            header.encode()
        };
        if self.is_single() {
            let load = self.end.load - at.load;
            if load <= max || at.seq < first {
                return Vec::new();
            }
            self.segments = Segments::new();
            self.bytes = Bytes::copy_from_slice(&void(at.seq, load));
            return vec![(at.seq, load)];
        }
        let stays = |seq: u64, frame: &Frame| frame.load <= max || frame.is_void || seq < first;
        let all = (at.seq..)
            .zip(frames(&self.bytes))
            .all(|(seq, frame)| stays(seq, &frame));
        if all {
            return Vec::new();
        }
        let mut voided = Vec::new();
        let mut bytes = BytesMut::with_capacity(self.bytes.len());
        let (mut offset, mut follows_void) = (0, false);
        for (seq, frame) in (at.seq..).zip(frames(&self.bytes)) {
            let stays = stays(seq, &frame);
            let mut kept = &self.bytes[offset..offset + frame.len];
            offset += frame.len;
            if !stays {
                bytes.extend_from_slice(&void(seq, frame.load));
                voided.push((seq, frame.load));
            } else {
                if let (true, Some((len, body))) = (follows_void, split_next(kept)) {
                    let header = Header::data(session, seq, len);
                    bytes.extend_from_slice(&header.encode());
                    kept = body;
                }
                bytes.extend_from_slice(kept);
            }
            follows_void = !stays || frame.is_void;
        }
        self.bytes = bytes.freeze();
        voided
    }
}

/// One frame of a run.
pub(super) struct Frame {
    pub(super) len: usize,
    pub(super) load: u64,
    is_void: bool,
}

/// Returns the frames of a run, which this end made.
pub(super) fn frames(mut bytes: &[u8]) -> impl Iterator<Item = Frame> {
    std::iter::from_fn(move || {
        if let Some((len, rest)) = split_next(bytes) {
            bytes = &rest[len..];
            return Some(Frame {
                len: NEXT_LEN + len,
                load: len as u64,
                is_void: false,
            });
        }
        let (head, rest) = bytes.split_first_chunk::<HEADER_LEN>()?;
        let header = Header::decode(head).expect("this end made the frame");
        if header.kind == Kind::Void {
            bytes = rest;
            let load = header.len.into();
            return Some(Frame {
                len: HEADER_LEN,
                load,
                is_void: true,
            });
        }
        let table = 4 * header.parts as usize;
        let lens = rest[..table].chunks_exact(4);
        let parts: usize = lens
            .map(|len| u32::from_le_bytes(len.try_into().expect("4 bytes")) as usize)
            .sum();
        let load = header.len as usize + parts;
        let len = HEADER_LEN + table + load;
        bytes = &bytes[len..];
        Some(Frame {
            len,
            load: load as u64,
            is_void: false,
        })
    })
}

/// Writes the lengths of the parts of a message.
pub(super) fn put_table(bytes: &mut BytesMut, parts: &[Bytes]) {
    for part in parts {
        let len = u32::try_from(part.len()).expect("the length was checked before");
        bytes.put_u32_le(len);
    }
}
