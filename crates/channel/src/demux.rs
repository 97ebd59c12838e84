//! Frames out of a stream of bytes that may be cut anywhere, and to which session each belongs.
//!
//! # Invariants
//!
//! - **INV-1**: memory grows with the bytes that arrived, never with a length that was announced.
//! - **INV-2**: what is given out holds memory of its own, or a good part of the memory that it was read into.
//! - **INV-3**: a message is given out when its last byte is there, and not before.
//! - **INV-4**: a session has at most one message in the making, and none when it begins anew, ends, or is not carried.
//! - **INV-5**: no memory is taken for a message that its session does not take: it is asked before.

mod assembly;
mod passing;
#[cfg(any(test, feature = "properties"))]
pub(crate) mod property;
mod run;
#[cfg(test)]
mod tests;

use std::collections::HashMap;

use bytes::Bytes;
use hypermesh_wire::Payload;

use crate::{
    frame::{
        CHUNK_ABOVE, FrameError, HEADER_LEN, Header, Kind, MAX_PARTS, NEXT_LEN, check_next,
        is_next, split_next,
    },
    outcome::ProtocolError,
    pool::Pool,
};
use assembly::{Assembly, Progress};
use passing::Passing;
pub(crate) use run::Run;

/// Longer frames are put together in memory of their own.
const LARGE: usize = 64 << 10;
/// At least so many bytes are given out where they were read to.
const SHARED: usize = 64 << 10;
/// The most memory that may be fed as shared.
pub(crate) const MAX_SHARED: usize = 4 * SHARED;
/// The most memory that is kept for long messages: two of 64 MiB, one that is received and one that is looked at.
const KEPT: usize = 128 << 20;

/// Where frames go.
pub(crate) trait Frames {
    /// Takes whole messages of one session.
    fn run(&mut self, session: u32, run: Run) -> Result<(), ProtocolError>;
    /// Learns that a long message begins, of which nothing but the header of a frame is there, and returns whether memory
    /// is taken for it: not if the connection does not carry the session, or the message came before.
    fn begins(&mut self, header: Header) -> Result<bool, ProtocolError>;
    /// Returns whether long frames of the session are passed on as they are.
    fn passes_on(&mut self, session: u32) -> bool {
        let _ = session;
        false
    }
    /// Takes a long frame of such a session: its header, and what follows that.
    fn frame(&mut self, header: Header, rest: Bytes) -> Result<(), ProtocolError> {
        let _ = rest;
        Err(FrameError::Kind(header.kind as u8).into())
    }
    /// Learns that the chunks of a session make no message; if that is not the fault of the connection, it goes on.
    fn fault(&mut self, session: u32, error: ProtocolError) -> Result<(), ProtocolError> {
        let _ = session;
        Err(error)
    }
    /// Takes one long message.
    fn message(&mut self, header: Header, payload: Payload) -> Result<(), ProtocolError>;
    /// Learns of a message that is too large; its bytes are gone.
    fn too_large(&mut self, header: Header, len: u64) -> Result<(), ProtocolError>;
    /// Takes any other frame.
    fn control(&mut self, header: Header, body: Bytes) -> Result<(), ProtocolError>;
}

/// Reads the frames of one connection.
#[derive(Debug)]
pub(crate) struct Demux {
    max_message: u64,
    /// The beginning of a short frame.
    partial: Vec<u8>,
    /// Of the message in front of what comes, if another one may follow it.
    last: Option<Header>,
    /// The frame that the stream is inside of, if that is a long one.
    inside: Option<Inside>,
    /// The same, if that is passed on.
    passing: Option<Passing>,
    /// Messages that are not complete, by session.
    assemblies: HashMap<u32, Assembly>,
    /// Memory for the next ones.
    pool: Pool,
}

/// A long frame, of which bytes are missing.
#[derive(Clone, Copy, Debug)]
struct Inside {
    session: u32,
    /// How many bytes of a chunk are missing; a data frame knows its end by itself.
    chunk: Option<usize>,
}

/// What is at the front of some bytes.
enum Front {
    /// A whole frame of so many bytes.
    Whole(Header, usize),
    /// A whole message of so many bytes that follows the one before.
    Next(usize),
    /// The beginning of a short frame.
    Part,
    /// The header of a long frame.
    Long(Header),
}

impl Demux {
    /// Returns a demultiplexer at the start of a stream of messages of at most `max_message` bytes each.
    pub(crate) fn new(max_message: u64) -> Self {
        Self {
            max_message,
            partial: Vec::new(),
            last: None,
            inside: None,
            passing: None,
            assemblies: HashMap::new(),
            pool: Pool::new(KEPT),
        }
    }

    /// Takes the next bytes of the stream. Those that are `shared`, with memory of at most [`MAX_SHARED`] bytes, need not
    /// be copied.
    ///
    /// # Errors
    ///
    /// The fault of the stream; nothing is to be fed after it.
    pub(crate) fn feed(
        &mut self,
        bytes: &[u8],
        shared: Option<&Bytes>,
        to: &mut impl Frames,
    ) -> Result<(), ProtocolError> {
        let mut input = bytes;
        while !input.is_empty() {
            if self.inside.is_some() || self.passing.is_some() {
                input = self.feed_inside(input, to)?;
            } else if !self.partial.is_empty() {
                input = self.feed_partial(input, to)?;
            } else {
                let own = |range: &[u8]| own_bytes(range, shared);
                input = self.feed_frames(input, own, to)?;
            }
        }
        Ok(())
    }

    /// Returns the memory to read into, if the stream is inside a long message.
    ///
    /// What was read is to be told by [`direct_done`](Self::direct_done).
    pub(crate) fn direct(&mut self) -> Option<&mut [u8]> {
        if let Some(passing) = &mut self.passing {
            return passing.direct();
        }
        let inside = self.inside.as_ref()?;
        let assembly = self.assemblies.get_mut(&inside.session)?;
        assembly.direct(inside.chunk.unwrap_or(usize::MAX))
    }

    /// Records that `n` bytes were read into what [`direct`](Self::direct) returned.
    ///
    /// # Errors
    ///
    /// As [`feed`](Self::feed).
    pub(crate) fn direct_done(
        &mut self,
        n: usize,
        to: &mut impl Frames,
    ) -> Result<(), ProtocolError> {
        if let Some(passing) = &mut self.passing {
            passing.direct_done(n);
            return self.pass_on(to);
        }
        let Some(inside) = self.inside else {
            return Ok(());
        };
        if let Some(assembly) = self.assemblies.get_mut(&inside.session) {
            let progress = match assembly.direct_done(n) {
                Ok(progress) => progress,
                Err(error) => self.give_up(inside.session, error, to)?,
            };
            self.progress(inside, n, progress, to)?;
        }
        Ok(())
    }

    /// Returns whether the stream is inside a long message.
    pub(crate) fn is_inside(&self) -> bool {
        self.inside.is_some()
    }

    /// Returns the sessions of which a message is on its way, and some of it is there.
    pub(crate) fn begun(&self) -> Vec<u32> {
        let short = if is_next(&self.partial) {
            self.last
        } else {
            let head = self.partial.first_chunk::<HEADER_LEN>();
            head.and_then(|head| Header::decode(head).ok())
        };
        let long = self.assemblies.keys().copied();
        long.chain(short.map(|header| header.session)).collect()
    }

    /// Gives memory back that is kept for long messages, if there were none lately.
    pub(crate) fn relax(&mut self) {
        self.pool.relax();
    }

    /// Checks that the stream may end here.
    ///
    /// # Errors
    ///
    /// [`FrameError::Cut`] inside a frame.
    pub(crate) fn end(&self) -> Result<(), FrameError> {
        if self.inside.is_none() && self.passing.is_none() && self.partial.is_empty() {
            Ok(())
        } else {
            Err(FrameError::Cut)
        }
    }

    /// Returns how many bytes of memory are held, about.
    #[cfg(any(test, feature = "properties"))]
    pub(crate) fn memory(&self) -> usize {
        let assemblies: usize = self.assemblies.values().map(Assembly::memory).sum();
        let passing = self.passing.as_ref().map_or(0, Passing::memory);
        self.partial.capacity() + assemblies + passing
    }

    /// Takes whole frames, and the beginning of one that is not whole.
    fn feed_frames<'a>(
        &mut self,
        mut input: &'a [u8],
        own: impl Fn(&[u8]) -> Bytes,
        to: &mut impl Frames,
    ) -> Result<&'a [u8], ProtocolError> {
        let max = usize::try_from(self.max_message).unwrap_or(usize::MAX);
        // The messages of one session so far: where they begin, and what they are.
        let mut begun: Option<(&'a [u8], Run)> = None;
        while !input.is_empty() {
            let (header, len, load) = match front(input, self.max_message)? {
                Front::Whole(header, len) => (header, len, header.load(len)),
                Front::Next(len) => {
                    let last = self.last.ok_or(FrameError::StrayNext)?;
                    let seq = u64::from(last.seq) + 1;
                    let header = Header::data(last.session, seq, len);
                    (header, NEXT_LEN + len, len as u64)
                }
                Front::Part => {
                    hand_over(begun.take(), input, &own, to)?;
                    self.partial.extend_from_slice(input);
                    return Ok(&[]);
                }
                Front::Long(header) => {
                    hand_over(begun.take(), input, &own, to)?;
                    return self.begin(header, input, to);
                }
            };
            if header.kind.is_data() && load <= self.max_message {
                let mut run = match begun.take() {
                    Some((from, run)) if run.session() == header.session => (from, run),
                    other => {
                        hand_over(other, input, &own, to)?;
                        (input, Run::new(header))
                    }
                };
                run.1.add(header, load);
                input = run.1.add_next(&input[len..], max);
                self.last = Some(run.1.last_header());
                begun = Some(run);
                continue;
            }
            hand_over(begun.take(), input, &own, to)?;
            let frame = &input[..len];
            input = &input[len..];
            self.last = header.kind.is_data().then_some(header);
            if header.kind.is_data() {
                // It follows another one: the others that are too large count as long.
                if to.passes_on(header.session) {
                    to.frame(header, Bytes::copy_from_slice(&frame[NEXT_LEN..]))?;
                } else {
                    to.too_large(header, load)?;
                }
                continue;
            }
            if matches!(header.kind, Kind::Open | Kind::Close | Kind::Lost) {
                // INV-4
                self.assemblies.remove(&header.session);
            }
            to.control(header, Bytes::copy_from_slice(&frame[HEADER_LEN..]))?;
        }
        hand_over(begun, input, &own, to)?;
        Ok(input)
    }

    /// Completes a short frame of which the beginning came before.
    fn feed_partial<'a>(
        &mut self,
        mut input: &'a [u8],
        to: &mut impl Frames,
    ) -> Result<&'a [u8], ProtocolError> {
        loop {
            let missing = missing(&self.partial)?;
            let n = missing.min(input.len());
            self.partial.extend_from_slice(&input[..n]);
            input = &input[n..];
            match front(&self.partial, self.max_message)? {
                Front::Part if input.is_empty() => return Ok(input),
                Front::Part => {}
                Front::Long(header) => {
                    let bytes = std::mem::take(&mut self.partial);
                    let mut rest = self.begin(header, &bytes, to)?;
                    while !rest.is_empty() {
                        rest = self.feed_inside(rest, to)?;
                    }
                    return Ok(input);
                }
                Front::Whole(..) | Front::Next(_) => {
                    let bytes = std::mem::take(&mut self.partial);
                    self.feed_frames(&bytes, Bytes::copy_from_slice, to)?;
                    return Ok(input);
                }
            }
        }
    }

    /// Begins a long frame, and returns the bytes after its header.
    fn begin<'a>(
        &mut self,
        header: Header,
        input: &'a [u8],
        to: &mut impl Frames,
    ) -> Result<&'a [u8], ProtocolError> {
        let session = header.session;
        let rest = &input[HEADER_LEN..];
        self.last = header.kind.is_data().then_some(header);
        let chunk = (header.kind == Kind::Chunk).then_some(header.len as usize);
        if to.passes_on(session) {
            self.passing = Some(Passing::new(header));
            self.pass_on(to)?;
            return Ok(rest);
        }
        let begun = self.assemblies.get(&session);
        if begun.is_some_and(|begun| chunk.is_none() || !begun.goes_on(header)) {
            self.give_up(session, FrameError::StrayChunk, to)?;
        }
        if !self.assemblies.contains_key(&session) {
            let is_taken = to.begins(header)?;
            let max = if is_taken { self.max_message } else { 0 };
            let assembly = match chunk {
                None => Some(Assembly::new(header, max, &self.pool)),
                Some(_) if is_taken => Some(Assembly::chunked(header, max, &self.pool)),
                // Nobody's chunk is skipped (INV-4).
                Some(_) => None,
            };
            self.assemblies
                .extend(assembly.map(|begun| (session, begun)));
        }
        self.inside = (chunk != Some(0)).then_some(Inside { session, chunk });
        Ok(rest)
    }

    /// Takes bytes of a long frame.
    fn feed_inside<'a>(
        &mut self,
        input: &'a [u8],
        to: &mut impl Frames,
    ) -> Result<&'a [u8], ProtocolError> {
        if let Some(passing) = &mut self.passing {
            let n = passing.feed(input);
            self.pass_on(to)?;
            return Ok(&input[n..]);
        }
        let Some(inside) = self.inside else {
            return Ok(input);
        };
        let n = inside.chunk.unwrap_or(usize::MAX).min(input.len());
        let (taken, progress) = match self.assemblies.get_mut(&inside.session) {
            Some(assembly) => match assembly.feed(&input[..n]) {
                Ok(fed) => fed,
                Err(error) => (n, self.give_up(inside.session, error, to)?),
            },
            None => (n, Progress::Missing),
        };
        self.progress(inside, taken, progress, to)?;
        Ok(&input[taken..])
    }

    /// Gives out the frame that is passed on, if it is whole.
    fn pass_on(&mut self, to: &mut impl Frames) -> Result<(), ProtocolError> {
        let whole = match &mut self.passing {
            Some(passing) => passing.whole()?,
            None => None,
        };
        if let Some((header, rest)) = whole {
            self.passing = None;
            to.frame(header, rest)?;
        }
        Ok(())
    }

    /// Throws the message of a session away that is none. Unless that ends the connection, the rest of its chunk is
    /// skipped.
    fn give_up(
        &mut self,
        session: u32,
        error: FrameError,
        to: &mut impl Frames,
    ) -> Result<Progress, ProtocolError> {
        self.assemblies.remove(&session);
        to.fault(session, error.into())?;
        Ok(Progress::Missing)
    }

    fn progress(
        &mut self,
        mut inside: Inside,
        n: usize,
        progress: Progress,
        to: &mut impl Frames,
    ) -> Result<(), ProtocolError> {
        if let Some(chunk) = &mut inside.chunk {
            *chunk -= n;
        }
        let is_done = !matches!(progress, Progress::Missing);
        if is_done && inside.chunk.is_some_and(|left| left > 0) {
            self.inside = Some(inside);
            self.give_up(inside.session, FrameError::StrayChunk, to)?;
            return Ok(());
        }
        let is_over = is_done || inside.chunk == Some(0);
        self.inside = (!is_over).then_some(inside);
        if is_done {
            self.assemblies.remove(&inside.session);
        }
        match progress {
            Progress::Missing => Ok(()),
            Progress::Whole(header, payload) => to.message(header, payload),
            Progress::TooLarge(header, len) => to.too_large(header, len),
        }
    }
}

/// Gives out the messages that begin at `from` and end where `rest` begins.
fn hand_over(
    begun: Option<(&[u8], Run)>,
    rest: &[u8],
    own: &impl Fn(&[u8]) -> Bytes,
    to: &mut impl Frames,
) -> Result<(), ProtocolError> {
    match begun {
        Some((from, run)) => {
            let bytes = own(&from[..from.len() - rest.len()]);
            to.run(run.session(), run.of(bytes))
        }
        None => Ok(()),
    }
}

/// Returns the bytes as memory of their own, or as a good part of the `shared` one (INV-2).
fn own_bytes(bytes: &[u8], shared: Option<&Bytes>) -> Bytes {
    match shared {
        Some(shared) if SHARED <= bytes.len() => shared.slice_ref(bytes),
        _ => Bytes::copy_from_slice(bytes),
    }
}

/// Returns what is at the front of `input`. A message of more than `max` bytes counts as a long one, however short
/// it is.
#[inline]
fn front(input: &[u8], max: u64) -> Result<Front, FrameError> {
    if let Some((len, rest)) = split_next(input) {
        check_next(len)?;
        return Ok(if rest.len() < len {
            Front::Part
        } else {
            Front::Next(len)
        });
    }
    let Some((head, rest)) = input.split_first_chunk::<HEADER_LEN>() else {
        return Ok(Front::Part);
    };
    let header = Header::decode(head)?;
    let body = header.len as usize;
    if !header.kind.is_data() {
        return Ok(match header.kind {
            Kind::Chunk => Front::Long(header),
            Kind::Void => Front::Whole(header, HEADER_LEN),
            _ if rest.len() < body => Front::Part,
            _ => Front::Whole(header, HEADER_LEN + body),
        });
    }
    let parts = header.parts as usize;
    if MAX_PARTS < parts {
        return Err(FrameError::TooManyParts(header.parts));
    }
    let least = (HEADER_LEN + 4 * parts + body) as u64;
    if CHUNK_ABOVE < least {
        return Err(header.too_long(least));
    }
    if LARGE < 4 * parts + body {
        return Ok(Front::Long(header));
    }
    if parts == 0 {
        let len = least as usize;
        return Ok(if max < body as u64 {
            Front::Long(header)
        } else if input.len() < len {
            Front::Part
        } else {
            Front::Whole(header, len)
        });
    }
    let Some(table) = rest.get(..4 * parts) else {
        return Ok(Front::Part);
    };
    let len = least + lengths(table).map(u64::from).sum::<u64>();
    if CHUNK_ABOVE < len {
        return Err(header.too_long(len));
    }
    let content = len - (HEADER_LEN + 4 * parts) as u64;
    Ok(if LARGE < len as usize || max < content {
        Front::Long(header)
    } else if input.len() < len as usize {
        Front::Part
    } else {
        Front::Whole(header, len as usize)
    })
}

/// Returns how many bytes more than `partial` are needed to know more about it.
fn missing(partial: &[u8]) -> Result<usize, FrameError> {
    let have = partial.len();
    if is_next(partial) {
        let len = split_next(partial).map_or(0, |(len, _)| len);
        return Ok((NEXT_LEN + len).saturating_sub(have).max(1));
    }
    let Some(head) = partial.first_chunk::<HEADER_LEN>() else {
        return Ok(HEADER_LEN - have);
    };
    let header = Header::decode(head)?;
    let parts = 4 * header.parts as usize;
    let body = if header.kind == Kind::Void {
        0
    } else {
        header.len as usize
    };
    let table = partial.get(HEADER_LEN..HEADER_LEN + parts);
    let len = match table {
        // At least the table, and at least a byte.
        None => HEADER_LEN + parts,
        Some(table) => {
            HEADER_LEN + parts + body + lengths(table).map(|len| len as usize).sum::<usize>()
        }
    };
    Ok(len.saturating_sub(have).max(1))
}

/// Returns the lengths in a table of them.
pub(crate) fn lengths(table: &[u8]) -> impl Iterator<Item = u32> + '_ {
    table
        .chunks_exact(4)
        .map(|len| u32::from_le_bytes(len.try_into().expect("4 bytes")))
}
