//! A session as the connection that carries it sees it.

use std::sync::Arc;

use bytes::Bytes;
use hypermesh_wire::Payload;

use crate::{
    demux::Run,
    frame::{FrameError, Header, Kind},
    image::Image,
    outcome::ProtocolError,
};

/// What a session wants from its connection after it was told something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Wish {
    /// Nothing.
    #[default]
    None,
    /// It wants to be told the time after the delay of acknowledgements.
    AckLater,
    /// It is not carried any more.
    Leave,
}

/// A session, at work on one connection at a time. All calls are short, and none blocks.
///
/// `connection` is the number of the connection that calls: a session that was taken over by a newer one
/// ignores the older.
pub(crate) trait Carried: Send + Sync {
    /// Frames what is to be written into `image`, not much more than `budget` bytes, and returns whether there
    /// is more for which it is not scheduled.
    fn fill(self: Arc<Self>, connection: u64, budget: usize, image: &mut Image) -> bool;

    /// Takes whole messages that came one behind the other.
    fn on_run(self: Arc<Self>, connection: u64, run: Run) -> Result<Wish, ProtocolError> {
        let _ = (connection, run);
        Err(FrameError::Kind(Kind::Data as u8).into())
    }

    /// Learns that a long message begins, by the header of its first frame, and returns whether it is taken. Nothing of
    /// it is kept otherwise.
    fn on_begin(self: Arc<Self>, connection: u64, header: Header) -> Result<bool, ProtocolError> {
        let _ = (connection, header);
        Ok(true)
    }

    /// Takes one long message.
    fn on_message(
        self: Arc<Self>,
        connection: u64,
        header: Header,
        payload: Payload,
    ) -> Result<Wish, ProtocolError> {
        let _ = (connection, payload);
        Err(FrameError::Kind(header.kind as u8).into())
    }

    /// Returns whether it takes long frames as they are, and puts no message together.
    fn passes_on(&self) -> bool {
        false
    }

    /// Takes one long frame as it is: its header, and what follows that.
    fn on_frame(
        self: Arc<Self>,
        connection: u64,
        header: Header,
        rest: Bytes,
    ) -> Result<Wish, ProtocolError> {
        let _ = (connection, rest);
        Err(FrameError::Kind(header.kind as u8).into())
    }

    /// Learns that what the peer said of the session breaks the protocol. If it takes that upon itself, the connection
    /// goes on.
    fn on_fault(
        self: Arc<Self>,
        connection: u64,
        error: ProtocolError,
    ) -> Result<Wish, ProtocolError> {
        let _ = connection;
        Err(error)
    }

    /// Learns of one message that is longer than this end takes; its bytes are gone.
    fn on_too_large(
        self: Arc<Self>,
        connection: u64,
        header: Header,
        len: u64,
    ) -> Result<Wish, ProtocolError> {
        let _ = (connection, len);
        Err(FrameError::Kind(header.kind as u8).into())
    }

    /// Takes any other frame.
    fn on_control(
        self: Arc<Self>,
        connection: u64,
        header: Header,
        body: &Bytes,
    ) -> Result<Wish, ProtocolError>;

    /// Learns at a tick that a message is on its way, of which some is there.
    fn on_coming(self: Arc<Self>, connection: u64) {
        let _ = connection;
    }

    /// Learns that the delay of acknowledgements is over.
    fn on_ack_time(self: Arc<Self>, connection: u64) {
        let _ = connection;
    }

    /// Learns that some seconds have passed, on a connection whose peer is there.
    fn on_tick(self: Arc<Self>, connection: u64) -> Wish;

    /// Learns that the connection is gone. What is not written of the last fills was told before.
    fn on_lost(self: Arc<Self>, connection: u64);

    /// Learns that no byte was written of what it handed over after the first `sent` messages.
    fn unsend(&self, sent: u64) {
        let _ = sent;
    }
}
