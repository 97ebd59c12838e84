//! Where a server delivers what it receives, and who it came from.

use std::{
    fmt,
    future::{self, Future},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
};

use hypermesh_wire::Payload;

use crate::{addr::ChannelAddr, incarnation::Incarnation, outcome::panic_text};

/// What takes the messages of a server.
///
/// It is called on the tasks of the connections, several at once, and in order for each of them. It
/// must not block. A panic is caught and ends the connection that it came from, no other.
pub trait Sink: Send + Sync + 'static {
    /// Takes messages off the front of `batch`. With [`Flow::Continue`] all of them count as taken;
    /// with [`Flow::Pause`] those that are left in `batch` come again when [`ready`](Self::ready)
    /// says so, and nothing is read from this connection until then.
    ///
    /// What is taken is acknowledged to its sender.
    fn deliver(&self, peer: &Peer, batch: &mut Vec<Payload>) -> Flow;

    /// Waits until more can be taken, after a [`Flow::Pause`].
    fn ready(&self, peer: &Peer) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        let _ = peer;
        Box::pin(future::ready(()))
    }

    /// Learns that a connection ended, however it did; nothing more comes from it. The same peer may
    /// connect again.
    fn lost(&self, peer: &Peer) {
        let _ = peer;
    }
}

/// Whether a sink takes more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// It took all, and takes more.
    Continue,
    /// It takes no more until it is ready.
    Pause,
}

/// The other end of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Peer {
    /// The life of the peer's endpoint.
    pub incarnation: Incarnation,
    /// Where the peer can be dialled, if it said so. It is the peer's word, not checked.
    pub advertised: Option<ChannelAddr>,
    /// A number of this connection, which no other one of this endpoint has.
    pub connection: u64,
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.incarnation)?;
        match &self.advertised {
            Some(addr) => write!(f, " at {addr}"),
            None => Ok(()),
        }
    }
}

/// What a sink did with a batch.
#[derive(Debug)]
pub(crate) enum Taken {
    /// It took all.
    All,
    /// It took so many, and takes no more until it is ready.
    Some(usize),
    /// It panicked with this text; what it took is not known, and the batch is gone.
    Panicked(String),
}

/// Gives a batch to a sink.
pub(crate) fn hand_over(sink: &dyn Sink, peer: &Peer, batch: &mut Vec<Payload>) -> Taken {
    let before = batch.len();
    match catch_unwind(AssertUnwindSafe(|| sink.deliver(peer, batch))) {
        Ok(Flow::Continue) => {
            batch.clear();
            Taken::All
        }
        Ok(Flow::Pause) => Taken::Some(before.saturating_sub(batch.len())),
        Err(panic) => {
            batch.clear();
            Taken::Panicked(panic_text(panic.as_ref()))
        }
    }
}

/// Tells a sink that a connection ended.
pub(crate) fn tell_lost(sink: &dyn Sink, peer: &Peer) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| sink.lost(peer))) {
        tracing::error!(%peer, panic = panic_text(panic.as_ref()), "a sink panicked");
    }
}
