//! Duplex links: messages of two types, one in each direction, over one connection.
//!
//! Each direction is a session. The dialling end opens the one that goes *forth*, and the serving end then opens the
//! *way back* on the same connection. So each has its own numbers, credit, acknowledgements, outcomes and timeouts. What
//! this module adds is that the two live together: see `docs/decisions/duplex-links.md`.

mod links;
mod receiving;

use std::{fmt, pin::pin, sync::Arc};

use hypermesh_wire::Message;
use tokio::select;

pub(crate) use links::{Backlog, Halves, Links};
pub(crate) use receiving::{Receiver, Receiving, Side};

use crate::{addr::ChannelAddr, rx::Rx, server::Server, tx::Tx};

/// A server for duplex links on which messages of type `In` come and messages of type `Out` go, from
/// [`Endpoint::serve_duplex`](crate::Endpoint::serve_duplex). It stops when this is dropped, and its links end with it.
///
/// A link takes messages before it is accepted, no more than its credit.
pub struct DuplexServer<In: Message, Out: Message> {
    server: Server,
    backlog: Arc<Backlog<In, Out>>,
}

impl<In: Message, Out: Message> DuplexServer<In, Out> {
    /// At most so many links wait to be accepted; a further one is refused as [`Busy`](crate::Refusal::Busy), and its
    /// dialling end tries again.
    pub const MAX_WAITING: usize = 128;

    pub(crate) fn new(server: Server, backlog: Arc<Backlog<In, Out>>) -> Self {
        Self { server, backlog }
    }

    /// Waits for the next link, and returns its two ends: what sends to the dialling end, and what receives from
    /// it. Each can be closed or dropped alone.
    ///
    /// A link is accepted once, over however many connections it comes. When its connection is lost, the dialling end
    /// connects anew, and what waits here fails if it does not come back in time. After the lifetime of a session
    /// ([`SESSION_LIFETIME`](crate::settings::SESSION_LIFETIME)) without a connection the link ends.
    ///
    /// # Errors
    ///
    /// [`AcceptError`] when the server was closed, or its endpoint was.
    ///
    /// # Cancel safety
    ///
    /// No link is lost if the future is dropped.
    pub async fn accept(&self) -> Result<(Tx<Out>, Rx<In>), AcceptError> {
        loop {
            let mut arrived = pin!(self.backlog.arrived.notified());
            // Registered before the look, so that no link is missed.
            arrived.as_mut().enable();
            if self.server.is_stopped() {
                return Err(AcceptError);
            }
            if let Some(link) = self.backlog.next() {
                return Ok(link);
            }
            select! {
                biased;
                () = self.server.stopping() => {}
                () = arrived => {}
            }
        }
    }

    /// Stops accepting, and ends the links: what was received can still be taken from them, and what was sent and not
    /// acknowledged is lost.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped the server closes all the same.
    pub async fn close(&self) {
        self.server.stop().await;
    }

    /// Returns the address that others dial.
    pub fn addr(&self) -> &ChannelAddr {
        self.server.addr()
    }

    /// Returns the server.
    pub fn server(&self) -> &Server {
        &self.server
    }
}

impl<In: Message, Out: Message> fmt::Debug for DuplexServer<In, Out> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("DuplexServer").field(&self.server).finish()
    }
}

/// Error returned by [`DuplexServer::accept`]: the server is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the server of duplex links is closed")]
pub struct AcceptError;
