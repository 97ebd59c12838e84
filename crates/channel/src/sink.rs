//! Where a server delivers what it receives, and who it came from.

use std::{
    fmt,
    future::{self, Future},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
};

use hypermesh_wire::Payload;

use crate::{
    addr::ChannelAddr, identity::PeerIdentity, incarnation::Incarnation, outcome::panic_text,
};

/// What takes the messages of a server.
///
/// It is called on the tasks of the connections, for several links at once, and in order for each of them. It
/// must not block. A panic is caught and concerns the link that it came from, no other.
pub trait Sink: Send + Sync + 'static {
    /// Takes messages off the front of `batch`. With [`Flow::Continue`] all of them count as taken;
    /// with [`Flow::Pause`] those that are left in `batch` come again when [`ready`](Self::ready)
    /// says so, and the link waits until then.
    ///
    /// What is taken is acknowledged to its sender.
    fn deliver(&self, peer: &Peer, batch: &mut Vec<Payload>) -> Flow;

    /// Waits until more can be taken, after a [`Flow::Pause`].
    fn ready(&self, peer: &Peer) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        let _ = peer;
        Box::pin(future::ready(()))
    }

    /// Learns that a link has ended, or lost its connection. In the second case it may come again, and go on where
    /// it was.
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

/// The other end of a link.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Peer {
    /// The life of the peer's endpoint.
    pub incarnation: Incarnation,
    /// Where the peer can be dialled, if it said so. It is the peer's word, not checked.
    pub advertised: Option<ChannelAddr>,
    /// Who the peer has proved to be; `None` where its transport proves nothing, and for a link whose route may lead
    /// through gateways: what a connection proves, it proves of the gateway.
    pub identity: Option<PeerIdentity>,
    /// A number of this link, which no other one of this endpoint has; it stays the same over all its connections.
    pub session: u64,
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

/// Tells a sink that a link has ended, or lost its connection, and returns the text of its panic if it panicked.
pub(crate) fn tell_lost(sink: &dyn Sink, peer: &Peer) -> Option<String> {
    let told = catch_unwind(AssertUnwindSafe(|| sink.lost(peer)));
    Some(panic_text(told.err()?.as_ref()))
}
