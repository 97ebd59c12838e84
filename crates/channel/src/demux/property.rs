//! What holds for any bytes that a peer sends after the handshake: for a fuzz target and for tests.

use bytes::Bytes;
use hypermesh_wire::Payload;

use super::{Demux, Frames, Run};
use crate::{
    frame::{Header, Kind},
    outcome::ProtocolError,
};

/// The largest message here.
const MAX_MESSAGE: u64 = 4 << 20;
/// What may be held before a byte of a message came.
const FIRST: usize = 128 << 10;
/// What may be held for each byte that came.
const EACH: usize = 64;

/// What a demultiplexer gave out, without the borders of runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// A message: its session, the lower half of its number, and whether it asks.
    Message(u32, u32, bool, Payload),
    /// A message that was too large: its session, the lower half of its number, and its length.
    TooLarge(u32, u32, u64),
    /// Any other frame, or a long one that is passed on.
    Control(Header, Bytes),
}

/// Writes down what it is given. It knows all sessions below 1000, and passes on what is for the last hundred of them.
#[derive(Debug, Default)]
pub(crate) struct Listener {
    pub(crate) heard: Vec<Heard>,
    /// The runs as they came.
    pub(crate) runs: Vec<Run>,
}

impl Frames for Listener {
    fn run(&mut self, session: u32, run: Run) -> Result<(), ProtocolError> {
        self.runs.push(run.clone());
        let mut next = run.first_seq(1 << 31) as u32;
        let mut rest = run;
        while let Some(frame) = rest.front() {
            let header = rest.front_header();
            let seq = header.map_or(next, |header| header.seq);
            let asks = header.is_some_and(|header| header.kind == Kind::DataAsk);
            let payload = frame.payload(Bytes::copy_from_slice);
            let len = frame.len;
            self.heard.push(Heard::Message(session, seq, asks, payload));
            next = seq.wrapping_add(1);
            rest.pop(len);
        }
        Ok(())
    }

    fn begins(&mut self, header: Header) -> Result<bool, ProtocolError> {
        Ok(header.session < 1000)
    }

    fn passes_on(&mut self, session: u32) -> bool {
        (900..1000).contains(&session)
    }

    fn frame(&mut self, header: Header, rest: Bytes) -> Result<(), ProtocolError> {
        self.heard.push(Heard::Control(header, rest));
        Ok(())
    }

    fn message(&mut self, header: Header, payload: Payload) -> Result<(), ProtocolError> {
        let asks = header.kind == Kind::DataAsk;
        let message = Heard::Message(header.session, header.seq, asks, payload);
        self.heard.push(message);
        Ok(())
    }

    fn too_large(&mut self, header: Header, len: u64) -> Result<(), ProtocolError> {
        let message = Heard::TooLarge(header.session, header.seq, len);
        self.heard.push(message);
        Ok(())
    }

    fn control(&mut self, header: Header, body: Bytes) -> Result<(), ProtocolError> {
        self.heard.push(Heard::Control(header, body));
        Ok(())
    }
}

/// Feeds `bytes` to `demux` in pieces of at most `step` bytes, as a connection does: straight into the memory of a
/// long message where there is one.
pub(crate) fn feed_in_steps(
    demux: &mut Demux,
    mut bytes: &[u8],
    step: usize,
    to: &mut impl Frames,
) -> Result<(), ProtocolError> {
    while !bytes.is_empty() {
        let mut n = bytes.len().min(step);
        if let Some(memory) = demux.direct() {
            n = n.min(memory.len());
            assert_ne!(n, 0, "there is room for the next bytes");
            memory[..n].copy_from_slice(&bytes[..n]);
            demux.direct_done(n, to)?;
        } else {
            let piece = Bytes::copy_from_slice(&bytes[..n]);
            demux.feed(&piece, Some(&piece), to)?;
        }
        bytes = &bytes[n..];
    }
    Ok(())
}

/// Checks that nothing panics, that memory grows with what came, and that it does not matter how the bytes are cut.
/// Returns whether the bytes are the start of a stream of frames.
///
/// # Panics
///
/// If that does not hold.
pub fn frames_property(bytes: &[u8]) -> bool {
    if let Some(head) = bytes.first_chunk() {
        // A header has one form.
        let header = Header::decode(head);
        assert!(header.is_err() || header.is_ok_and(|header| header.encode() == *head));
    }
    let read = |step: usize| {
        let mut listener = Listener::default();
        let mut demux = Demux::new(MAX_MESSAGE);
        let mut came = 0;
        for piece in bytes.chunks(step.max(1)) {
            came += piece.len();
            let fed = feed_in_steps(&mut demux, piece, step, &mut listener);
            assert!(demux.memory() <= FIRST + EACH * came, "{came} bytes came");
            if let Err(error) = fed {
                return (listener.heard, Some(error));
            }
        }
        (listener.heard, None)
    };
    let (bytewise, error) = read(1);
    for step in [7, 4096, usize::MAX] {
        let (heard, same) = read(step);
        assert_eq!(error, same, "in steps of {step}");
        // What was whole in front of an error need not be given out.
        let is_prefix = bytewise.starts_with(&heard);
        assert!(is_prefix && (error.is_some() || bytewise.len() == heard.len()));
    }
    error.is_none()
}
