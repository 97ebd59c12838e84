//! Messages out of a stream of bytes that may be cut anywhere.
//!
//! # Invariants
//!
//! - **INV-1**: memory grows with the bytes that arrived, never with a length that was announced.
//! - **INV-2**: a received message holds memory of its own, never the buffer it was read into
//!   together with others.
//! - **INV-3**: a message is given out when its last byte is there, and not before.

#[cfg(test)]
pub(crate) mod tests;

use std::mem;

use bytes::Bytes;
use hypermesh_wire::Payload;
use smallvec::SmallVec;

use crate::frame::{FrameError, HEADER_LEN, Header, Sent};

/// Bodies and parts of at least this length are read straight into memory of their own.
const LARGE: usize = 64 << 10;

/// Reads the messages of one connection.
#[derive(Debug)]
pub(crate) struct Decoder {
    max: u64,
    state: State,
    /// Whether the sender has asked for an acknowledgement.
    asked: bool,
}

#[derive(Debug)]
enum State {
    /// The first bytes of a header.
    Header {
        bytes: [u8; HEADER_LEN],
        have: usize,
    },
    /// The first bytes of the lengths of the parts.
    Lengths {
        body: usize,
        bytes: Vec<u8>,
        len: usize,
    },
    /// The first bytes of the body or of a part.
    Segment {
        message: Partial,
        bytes: Vec<u8>,
        len: usize,
    },
}

impl State {
    fn start() -> Self {
        Self::Header {
            bytes: [0; HEADER_LEN],
            have: 0,
        }
    }
}

/// A message of which the lengths are known.
#[derive(Debug, Default)]
struct Partial {
    body: Option<Bytes>,
    parts: SmallVec<[Bytes; 2]>,
    /// The lengths of all parts.
    lengths: SmallVec<[u32; 4]>,
}

impl Partial {
    /// Adds the next segment and returns the length of the one after it, or the whole message.
    fn push(&mut self, segment: Bytes) -> Result<usize, Payload> {
        match self.body {
            None => self.body = Some(segment),
            Some(_) => self.parts.push(segment),
        }
        match self.lengths.get(self.parts.len()) {
            Some(&len) => Ok(len as usize),
            None => Err(Payload {
                body: self.body.take().expect("the body was pushed first"),
                parts: mem::take(&mut self.parts),
            }),
        }
    }
}

impl Decoder {
    /// Returns a decoder at the start of a stream of messages of at most `max` bytes each.
    pub(crate) fn new(max: u64) -> Self {
        Self {
            max,
            state: State::start(),
            asked: false,
        }
    }

    /// Returns whether the sender has asked for an acknowledgement since the last time.
    pub(crate) fn take_asked(&mut self) -> bool {
        mem::take(&mut self.asked)
    }

    /// Takes the next bytes of the stream and appends the messages that are complete to `messages`.
    ///
    /// # Errors
    ///
    /// The fault of the stream; nothing is to be fed after it.
    pub(crate) fn feed(
        &mut self,
        mut input: &[u8],
        messages: &mut Vec<Payload>,
    ) -> Result<(), FrameError> {
        while !input.is_empty() {
            if let Some((message, rest)) = self.whole(input)? {
                messages.push(message);
                input = rest;
                continue;
            }
            input = self.step(input, messages)?;
        }
        Ok(())
    }

    /// Returns the memory to read into, if the stream is inside a large body or part, and how many
    /// bytes of it are missing. It has room for at least one byte.
    ///
    /// What was read is to be told by [`direct_done`](Self::direct_done).
    pub(crate) fn direct(&mut self) -> Option<(&mut Vec<u8>, usize)> {
        match &mut self.state {
            State::Segment { bytes, len, .. } if LARGE <= *len => {
                let missing = *len - bytes.len();
                reserve(bytes, missing, 1);
                Some((bytes, missing))
            }
            _ => None,
        }
    }

    /// Records that bytes were appended to what [`direct`](Self::direct) returned.
    ///
    /// # Errors
    ///
    /// As [`feed`](Self::feed).
    pub(crate) fn direct_done(&mut self, messages: &mut Vec<Payload>) -> Result<(), FrameError> {
        self.step(&[], messages).map(|_| ())
    }

    /// Checks that the stream may end here.
    ///
    /// # Errors
    ///
    /// [`FrameError::Cut`] inside a frame.
    pub(crate) fn end(&self) -> Result<(), FrameError> {
        match self.state {
            State::Header { have: 0, .. } => Ok(()),
            _ => Err(FrameError::Cut),
        }
    }

    /// Returns the message at the start of `input` if it has no parts and is there as a whole, which
    /// is how nearly all small messages arrive.
    fn whole<'a>(&self, input: &'a [u8]) -> Result<Option<(Payload, &'a [u8])>, FrameError> {
        let State::Header { have: 0, .. } = self.state else {
            return Ok(None);
        };
        let Some((header, rest)) = input.split_first_chunk::<HEADER_LEN>() else {
            return Ok(None);
        };
        let Sent::Data { parts: 0, body } = Header::decode_sent(*header, self.max)? else {
            return Ok(None);
        };
        if rest.len() < body {
            return Ok(None);
        }
        let (body, rest) = rest.split_at(body);
        // INV-2: copied out of the read buffer.
        let body = Bytes::copy_from_slice(body);
        Ok(Some((
            Payload {
                body,
                parts: SmallVec::new(),
            },
            rest,
        )))
    }

    /// Takes bytes up to the next border inside a frame, and goes over that border when it is
    /// reached.
    fn step<'a>(
        &mut self,
        mut input: &'a [u8],
        messages: &mut Vec<Payload>,
    ) -> Result<&'a [u8], FrameError> {
        match &mut self.state {
            State::Header { bytes, have } => {
                let n = input.len().min(HEADER_LEN - *have);
                bytes[*have..*have + n].copy_from_slice(&input[..n]);
                *have += n;
                input = &input[n..];
                if *have == HEADER_LEN {
                    self.state = match Header::decode_sent(*bytes, self.max)? {
                        Sent::Ask => {
                            self.asked = true;
                            State::start()
                        }
                        Sent::Data { parts: 0, body } => State::Segment {
                            message: Partial::default(),
                            bytes: Vec::new(),
                            len: body,
                        },
                        Sent::Data { parts, body } => State::Lengths {
                            body,
                            bytes: Vec::new(),
                            len: 4 * parts,
                        },
                    };
                }
            }
            State::Lengths { body, bytes, len } => {
                input = take(bytes, *len, input);
                if bytes.len() == *len {
                    let message = Partial {
                        lengths: lengths(bytes),
                        ..Partial::default()
                    };
                    let parts: u64 = message.lengths.iter().map(|&len| u64::from(len)).sum();
                    let total = *body as u64 + parts;
                    if self.max < total {
                        return Err(FrameError::TooLarge {
                            len: total,
                            max: self.max,
                        });
                    }
                    self.state = State::Segment {
                        message,
                        bytes: Vec::new(),
                        len: *body,
                    };
                }
            }
            State::Segment { bytes, len, .. } => input = take(bytes, *len, input),
        }
        self.finish_segments(messages);
        Ok(input)
    }

    /// Goes over the ends of all segments that are complete; empty ones are so at once.
    fn finish_segments(&mut self, messages: &mut Vec<Payload>) {
        while let State::Segment {
            message,
            bytes,
            len,
        } = &mut self.state
            && bytes.len() == *len
        {
            match message.push(mem::take(bytes).into()) {
                Ok(next) => *len = next,
                Err(message) => {
                    messages.push(message);
                    self.state = State::start();
                }
            }
        }
    }
}

/// Moves bytes from `input` to the end of `bytes`, until that has `len`, and returns the rest.
fn take<'a>(bytes: &mut Vec<u8>, len: usize, input: &'a [u8]) -> &'a [u8] {
    let missing = len - bytes.len();
    let (now, rest) = input.split_at(input.len().min(missing));
    reserve(bytes, missing, now.len());
    bytes.extend_from_slice(now);
    rest
}

/// Makes room for the next `n` of `missing` bytes, and for at most as many more as have arrived
/// (INV-1), but 64 KiB to begin with.
fn reserve(bytes: &mut Vec<u8>, missing: usize, n: usize) {
    if bytes.capacity() - bytes.len() < n {
        bytes.reserve_exact(missing.min(bytes.len().max(LARGE)).max(n));
    }
}

fn lengths(bytes: &[u8]) -> SmallVec<[u32; 4]> {
    let length = |chunk: &[u8]| u32::from_le_bytes(chunk.try_into().expect("chunks of 4 bytes"));
    bytes.chunks_exact(4).map(length).collect()
}
