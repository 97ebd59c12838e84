//! One long message that is put together out of bytes as they come.

use std::mem;

use bytes::Bytes;
use hypermesh_wire::Payload;
use smallvec::SmallVec;

use super::lengths;
use crate::{
    frame::{FrameError, HEADER_LEN, Header, Kind, MAX_PARTS},
    pool::Pool,
};

/// Memory is taken for so many bytes before any of them came, and for so many times the bytes that came.
const FIRST_MEMORY: usize = 64 << 10;
const GROWTH: usize = 16;
/// Less than this is read by way of a buffer.
const DIRECT: usize = 4 << 10;

/// A message in the making.
#[derive(Debug)]
pub(super) struct Assembly {
    max: u64,
    header: Header,
    state: State,
    message: Payload,
    lengths: SmallVec<[u32; 4]>,
    pool: Pool,
}

#[derive(Debug)]
enum State {
    /// The header of a message that comes in chunks.
    Header(Segment),
    /// The lengths of the parts.
    Table(Segment),
    /// The body, or the next part.
    Segment(Segment),
    /// What is too large is thrown away.
    TooLarge { len: u64, left: u64 },
}

/// What became of a message.
pub(super) enum Progress {
    Missing,
    Whole(Header, Payload),
    TooLarge(Header, u64),
}

impl Assembly {
    /// Returns the message of a data frame, whose header was read.
    pub(super) fn new(header: Header, max: u64, pool: &Pool) -> Self {
        Self {
            max,
            header,
            state: State::Table(Segment::new(4 * header.parts as usize)),
            message: Payload::default(),
            lengths: SmallVec::new(),
            pool: pool.clone(),
        }
    }

    /// Returns a message that comes in chunks, of which `chunk` is the first.
    pub(super) fn chunked(chunk: Header, max: u64, pool: &Pool) -> Self {
        Self {
            state: State::Header(Segment::new(HEADER_LEN)),
            ..Self::new(Header { parts: 0, ..chunk }, max, pool)
        }
    }

    /// Returns whether `chunk` is of the same message.
    pub(super) fn goes_on(&self, chunk: Header) -> bool {
        self.header.seq == chunk.seq
    }

    /// Takes bytes up to the end of the message, and returns how many.
    pub(super) fn feed(&mut self, input: &[u8]) -> Result<(usize, Progress), FrameError> {
        let mut taken = 0;
        loop {
            let rest = &input[taken..];
            taken += match &mut self.state {
                State::Header(segment) | State::Table(segment) | State::Segment(segment) => {
                    segment.feed(rest)
                }
                State::TooLarge { left, .. } => {
                    let n = rest.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                    *left -= n as u64;
                    n
                }
            };
            match self.step()? {
                Some(Progress::Missing) => {}
                Some(progress) => return Ok((taken, progress)),
                None => return Ok((taken, Progress::Missing)),
            }
        }
    }

    /// Returns the memory for the next bytes, at most `max` of them, if they are many.
    pub(super) fn direct(&mut self, max: usize) -> Option<&mut [u8]> {
        match &mut self.state {
            State::Segment(segment) => segment.direct(max),
            _ => None,
        }
    }

    /// Records that `n` bytes are in the memory.
    pub(super) fn direct_done(&mut self, n: usize) -> Result<Progress, FrameError> {
        if let State::Segment(segment) = &mut self.state {
            segment.add(n);
        }
        loop {
            match self.step()? {
                Some(Progress::Missing) => {}
                Some(progress) => return Ok(progress),
                None => return Ok(Progress::Missing),
            }
        }
    }

    /// Returns how many bytes of memory it holds, about.
    #[cfg(any(test, feature = "properties"))]
    pub(super) fn memory(&self) -> usize {
        let segment = match &self.state {
            State::Header(segment) | State::Table(segment) | State::Segment(segment) => {
                segment.capacity()
            }
            State::TooLarge { .. } => 0,
        };
        let done = self.message.len() + size_of::<Bytes>() * self.message.parts.len();
        size_of::<Self>() + segment + done + 4 * self.lengths.len()
    }

    /// Goes on to the next state if this one is complete; `Missing` says that it did.
    fn step(&mut self) -> Result<Option<Progress>, FrameError> {
        let next = match &mut self.state {
            State::Header(segment) | State::Table(segment) | State::Segment(segment)
                if segment.missing() > 0 =>
            {
                return Ok(None);
            }
            State::TooLarge { left: 0, len } => {
                return Ok(Some(Progress::TooLarge(self.header, *len)));
            }
            State::TooLarge { .. } => return Ok(None),
            State::Header(segment) => {
                let head = segment.take();
                let head = head[..].first_chunk::<HEADER_LEN>();
                let chunk = self.header;
                // A gateway gives the chunks another number of the session, and does not look into them.
                self.header = Header {
                    session: chunk.session,
                    ..Header::decode(head.expect("all 16 bytes"))?
                };
                if !self.header.kind.is_data() || self.header.seq != chunk.seq {
                    return Err(FrameError::Kind(Kind::Chunk as u8));
                }
                if MAX_PARTS < self.header.parts as usize {
                    return Err(FrameError::TooManyParts(self.header.parts));
                }
                State::Table(Segment::new(4 * self.header.parts as usize))
            }
            State::Table(segment) => {
                self.lengths = lengths(&segment.take()).collect();
                let parts: u64 = self.lengths.iter().map(|&len| u64::from(len)).sum();
                let len = u64::from(self.header.len) + parts;
                if self.max < len {
                    State::TooLarge { len, left: len }
                } else {
                    let len = self.header.len as usize;
                    State::Segment(Segment::content(0, len, &self.pool))
                }
            }
            State::Segment(_) => return Ok(Some(self.segment_done())),
        };
        self.state = next;
        Ok(Some(Progress::Missing))
    }

    /// Puts the segment where it belongs.
    fn segment_done(&mut self) -> Progress {
        let State::Segment(segment) = &mut self.state else {
            return Progress::Missing;
        };
        // The first one is the body.
        let i = segment.number;
        let bytes = segment.lend(&self.pool);
        if i == 0 {
            self.message.body = bytes;
        } else {
            self.message.parts.push(bytes);
        }
        match self.lengths.get(i) {
            Some(&len) => {
                let next = Segment::content(i + 1, len as usize, &self.pool);
                self.state = State::Segment(next);
                Progress::Missing
            }
            None => Progress::Whole(self.header, mem::take(&mut self.message)),
        }
    }
}

/// Bytes that belong together.
#[derive(Debug, Default)]
pub(super) struct Segment {
    /// 0 is the body, 1 the first part.
    number: usize,
    len: usize,
    filled: usize,
    memory: Vec<u8>,
}

impl Segment {
    pub(super) fn new(len: usize) -> Self {
        Self {
            len,
            ..Self::default()
        }
    }

    /// Returns the body or a part, in memory that was used before if there is some.
    fn content(number: usize, len: usize, pool: &Pool) -> Self {
        Self {
            number,
            memory: pool.take(len).unwrap_or_default(),
            ..Self::new(len)
        }
    }

    pub(super) fn missing(&self) -> usize {
        self.len - self.filled
    }

    pub(super) fn feed(&mut self, input: &[u8]) -> usize {
        let mut taken = 0;
        while taken < input.len() && 0 < self.missing() {
            let room = self.room(input.len() - taken);
            let n = room.len();
            room.copy_from_slice(&input[taken..taken + n]);
            self.filled += n;
            taken += n;
        }
        taken
    }

    /// Returns memory for the next bytes, at least one and at most `max` of them.
    pub(super) fn room(&mut self, max: usize) -> &mut [u8] {
        if self.memory.len() == self.filled {
            let most = FIRST_MEMORY.max(GROWTH * self.filled);
            // So that the last of the memory is much longer than all before it, whatever the length.
            let mut len = self.len;
            while most < len {
                len = len.div_ceil(GROWTH);
            }
            if self.filled == 0 {
                // The system gives zeroed memory for large vectors without touching it.
                self.memory = vec![0; len];
            } else {
                // It lengthens large ones where they are.
                self.memory.reserve_exact(len - self.filled);
                self.memory.resize(len, 0);
            }
        }
        let end = self.filled.saturating_add(max).min(self.len);
        let end = end.min(self.memory.len());
        &mut self.memory[self.filled..end]
    }

    /// Returns memory for the next bytes, at most `max` of them, if they are many.
    pub(super) fn direct(&mut self, max: usize) -> Option<&mut [u8]> {
        (DIRECT <= self.missing().min(max)).then(|| self.room(max))
    }

    /// Records that `n` bytes more are in the memory.
    pub(super) fn add(&mut self, n: usize) {
        self.filled += n;
    }

    #[cfg(any(test, feature = "properties"))]
    pub(super) fn capacity(&self) -> usize {
        self.memory.capacity()
    }

    /// Returns the bytes so far.
    pub(super) fn filled(&self) -> &[u8] {
        &self.memory[..self.filled]
    }

    /// Adds bytes to those that belong together.
    pub(super) fn extend_to(&mut self, len: usize) {
        self.len = len;
    }

    pub(super) fn take(&mut self) -> Bytes {
        Bytes::from(mem::take(&mut self.memory))
    }

    fn lend(&mut self, pool: &Pool) -> Bytes {
        pool.lend(mem::take(&mut self.memory), self.len)
    }
}
