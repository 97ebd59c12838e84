//! Whole messages of one session, as they came one behind the other.

use bytes::{Buf, Bytes};
use hypermesh_wire::Payload;
use smallvec::SmallVec;

use super::lengths;
use crate::frame::{HEADER_LEN, Header, Kind, NEXT_LEN, split_next};

/// Some messages in one piece of memory.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    session: u32,
    /// The lower half of the first sequence number.
    first: Header,
    messages: u64,
    load: u64,
    /// The bytes of the last message.
    last: u64,
    /// The lower half of its sequence number.
    last_seq: u32,
    asks: bool,
    is_consecutive: bool,
    bytes: Bytes,
}

impl Run {
    /// Returns a run that begins with the message of `header`, and has none so far.
    pub(super) fn new(header: Header) -> Self {
        Self {
            session: header.session,
            first: header,
            messages: 0,
            load: 0,
            last: 0,
            last_seq: header.seq,
            asks: false,
            is_consecutive: true,
            bytes: Bytes::new(),
        }
    }

    /// Returns a run without a message.
    pub(crate) fn empty() -> Self {
        Self::new(Header::control(Kind::Data, 0, 0))
    }

    /// Adds one message of so many bytes.
    #[inline]
    pub(super) fn add(&mut self, header: Header, load: u64) {
        self.is_consecutive &= header.seq == self.first.seq.wrapping_add(self.messages as u32);
        self.messages += 1;
        self.load += load;
        self.last = load;
        self.last_seq = header.seq;
        self.asks |= header.kind == Kind::DataAsk;
    }

    /// Adds the messages at the front of `input` that follow each other and are whole, none of which has more than `max`
    /// bytes, and returns the rest.
    #[inline]
    pub(super) fn add_next<'a>(&mut self, mut input: &'a [u8], max: usize) -> &'a [u8] {
        let (mut messages, mut load, mut last) = (0, 0, self.last as usize);
        while let Some((len, rest)) = split_next(input)
            && len <= max
            && let Some(rest) = rest.get(len..)
        {
            messages += 1;
            load += len as u64;
            last = len;
            input = rest;
        }
        self.messages += messages;
        self.load += load;
        self.last = last as u64;
        self.last_seq = self.last_seq.wrapping_add(messages as u32);
        input
    }

    /// Returns what the header of the next message would say, but for its length.
    pub(super) fn last_header(&self) -> Header {
        Header::data(self.session, self.last_seq.into(), 0)
    }

    /// Returns the run with its bytes.
    pub(super) fn of(self, bytes: Bytes) -> Self {
        Self { bytes, ..self }
    }

    pub(crate) fn session(&self) -> u32 {
        self.session
    }

    /// Returns the frames as they came. If the first one follows a message that is not here, its header is beside them,
    /// and they begin behind it.
    pub(crate) fn into_frames(mut self) -> (Option<Header>, Bytes) {
        let first = split_next(&self.bytes)
            .map(|(len, _)| Header::data(self.session, self.first.seq.into(), len));
        if first.is_some() {
            self.bytes.advance(NEXT_LEN);
        }
        (first, self.bytes)
    }

    /// Returns whether no message is left.
    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Returns the number of messages.
    pub(crate) fn messages(&self) -> u64 {
        self.messages
    }

    /// Returns the number of bytes of the messages.
    pub(crate) fn load(&self) -> u64 {
        self.load
    }

    /// Returns the number of bytes of the last message.
    pub(crate) fn last_load(&self) -> u64 {
        self.last
    }

    /// Returns whether the sender wants to hear at once what was taken.
    pub(crate) fn asks(&self) -> bool {
        self.asks
    }

    /// Returns the sequence number of the first message, the one nearest to `near`.
    pub(crate) fn first_seq(&self, near: u64) -> u64 {
        self.first.full_seq(near)
    }

    /// Returns whether the sequence numbers have no gap.
    pub(crate) fn is_consecutive(&self) -> bool {
        self.is_consecutive
    }

    /// Removes the first `count` messages.
    pub(crate) fn skip(&mut self, count: u64) {
        for _ in 0..count {
            let Some((len, load)) =
                Frame::first(&self.bytes).map(|frame| (frame.len, frame.load()))
            else {
                return;
            };
            self.bytes.advance(len);
            self.messages -= 1;
            self.load -= load;
            self.first.seq = self.first.seq.wrapping_add(1);
        }
    }

    /// Returns the first message.
    #[inline(always)]
    pub(crate) fn front(&self) -> Option<Frame<'_>> {
        Frame::first(&self.bytes)
    }

    /// Returns the header of the first message, if it does not follow another one.
    #[cfg(any(test, feature = "properties"))]
    pub(crate) fn front_header(&self) -> Option<Header> {
        let head = self.bytes.first_chunk::<HEADER_LEN>()?;
        Header::decode(head).ok()
    }

    /// Removes the first message, whose frame has `len` bytes.
    #[inline(always)]
    pub(crate) fn pop(&mut self, len: usize) {
        self.bytes.advance(len);
    }

    /// Returns all messages, each in memory of its own; one alone has that of the run.
    pub(crate) fn into_payloads(self) -> Vec<Payload> {
        if self.messages == 1
            && let Some(one) = self.frames().next()
        {
            return vec![one.payload(|bytes| self.bytes.slice_ref(bytes))];
        }
        let frames = self.frames();
        frames
            .map(|frame| frame.payload(Bytes::copy_from_slice))
            .collect()
    }

    fn frames(&self) -> impl Iterator<Item = Frame<'_>> {
        let mut bytes = &self.bytes[..];
        std::iter::from_fn(move || {
            let frame = Frame::first(bytes)?;
            bytes = &bytes[frame.len..];
            Some(frame)
        })
    }
}

/// One message where it was read to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Frame<'a> {
    /// The length of the frame.
    pub(crate) len: usize,
    pub(crate) body: &'a [u8],
    table: &'a [u8],
    /// The parts, one behind the other.
    parts: &'a [u8],
}

impl<'a> Frame<'a> {
    /// Returns the first frame of `bytes`, which hold whole ones.
    // A call would hand the fields over in memory, and whoever reads them would wait for that.
    #[inline(always)]
    fn first(bytes: &'a [u8]) -> Option<Self> {
        if let Some((len, rest)) = split_next(bytes) {
            return Some(Self {
                len: NEXT_LEN + len,
                body: &rest[..len],
                table: &[],
                parts: &[],
            });
        }
        let (head, rest) = bytes.split_first_chunk::<HEADER_LEN>()?;
        let header = Header::decode(head).expect("the frame was read before");
        let (table, rest) = rest.split_at(4 * header.parts as usize);
        let (body, rest) = rest.split_at(header.len as usize);
        let parts: usize = lengths(table).map(|len| len as usize).sum();
        let (parts, _) = rest.split_at(parts);
        Some(Self {
            len: HEADER_LEN + table.len() + body.len() + parts.len(),
            body,
            table,
            parts,
        })
    }

    /// Returns the bytes of the message.
    pub(crate) fn load(&self) -> u64 {
        (self.body.len() + self.parts.len()) as u64
    }

    /// Returns copies of the parts.
    #[inline(always)]
    pub(crate) fn parts(&self) -> SmallVec<[Bytes; 2]> {
        if self.table.is_empty() {
            SmallVec::new()
        } else {
            self.each_part(Bytes::copy_from_slice)
        }
    }

    /// Returns the message in what `own` makes of its bytes.
    pub(super) fn payload(&self, own: impl Fn(&[u8]) -> Bytes) -> Payload {
        Payload {
            body: own(self.body),
            parts: self.each_part(own),
        }
    }

    fn each_part(&self, own: impl Fn(&[u8]) -> Bytes) -> SmallVec<[Bytes; 2]> {
        let mut rest = self.parts;
        let each = lengths(self.table).map(|len| {
            let (part, after) = rest.split_at(len as usize);
            rest = after;
            own(part)
        });
        each.collect()
    }
}
