//! Links for messages of one type: the receiving end.

use std::{
    collections::VecDeque,
    fmt,
    marker::PhantomData,
    mem,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use hypermesh_wire::{DecodeError, Message, Payload, decode, decode_borrowed};
use tokio::{select, sync::Notify};

use crate::{
    addr::ChannelAddr, demux::Run, duplex::Receiver, endpoint::ServeError, served::Served,
    server::Server,
};

/// A server for messages of type `M`, from [`Endpoint::serve`](crate::Endpoint::serve), or what receives on a duplex
/// link, from [`Endpoint::dial_duplex`](crate::Endpoint::dial_duplex) and
/// [`DuplexServer::accept`](crate::DuplexServer::accept).
///
/// It holds messages that were acknowledged and not received, of each sender no more than its credit; a sender that
/// has used that up waits. When the receiver goes, those messages go with it.
pub struct Rx<M> {
    queue: Arc<RxQueue>,
    /// What is being received.
    current: Option<Arrived>,
    source: Source,
    message: PhantomData<fn() -> M>,
}

/// Where messages come from.
#[derive(Debug)]
enum Source {
    /// All links for them to an address.
    Server(Server),
    /// One duplex link.
    Link(Receiver),
}

impl<M: Message> Rx<M> {
    /// Returns a receiver whose queue `serve` serves.
    pub(crate) fn serve(
        serve: impl FnOnce(Arc<RxQueue>) -> Result<Server, ServeError>,
    ) -> Result<(ChannelAddr, Self), ServeError> {
        let queue = Arc::new(RxQueue::default());
        let server = serve(queue.clone())?;
        let addr = server.addr().clone();
        Ok((addr, Self::new(queue, Source::Server(server))))
    }

    /// Returns what receives on a duplex link.
    pub(crate) fn of_link(receiver: Receiver) -> Self {
        Self::new(receiver.queue().clone(), Source::Link(receiver))
    }

    fn new(queue: Arc<RxQueue>, source: Source) -> Self {
        Self {
            queue,
            current: None,
            source,
            message: PhantomData,
        }
    }

    /// Waits for the next message, and decodes it.
    ///
    /// # Errors
    ///
    /// [`RecvError::Decode`] for a message that is not an `M`: it is skipped, and the next call gives
    /// the next one. [`RecvError::Closed`] when the receiver was closed and everything received; that of a duplex link
    /// also when the other end sends no more, or the link has ended.
    ///
    /// # Cancel safety
    ///
    /// No message is lost if the future is dropped.
    pub async fn recv(&mut self) -> Result<M, RecvError> {
        let mut has_ended = false;
        loop {
            if let Some(result) = self.next() {
                return result;
            }
            let queue = self.queue.clone();
            let mut arrived = pin!(queue.arrived.notified());
            // Registered before the look, so that no message is missed.
            arrived.as_mut().enable();
            if let Some(result) = self.next() {
                return result;
            }
            if has_ended {
                return Err(RecvError::Closed);
            }
            select! {
                biased;
                () = arrived => {}
                () = self.source.ended() => has_ended = true,
            }
        }
    }

    /// Takes the next message that is there.
    #[inline(always)]
    fn next(&mut self) -> Option<Result<M, RecvError>> {
        loop {
            if let Some(current) = &mut self.current {
                let result = current.next();
                if current.is_empty() {
                    // It makes room now, and not with the next call.
                    self.current = None;
                }
                if result.is_some() {
                    return result;
                }
            }
            self.current = Some(self.queue.pop()?);
        }
    }

    /// Stops accepting: the senders learn that no more is taken. What was accepted can still be
    /// received.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped the receiver closes all the same.
    pub async fn close(&self) {
        match &self.source {
            Source::Server(server) => server.stop().await,
            Source::Link(receiver) => receiver.stop().await,
        }
    }

    /// Returns the server; nothing if this receives on a duplex link.
    pub fn server(&self) -> Option<&Server> {
        match &self.source {
            Source::Server(server) => Some(server),
            Source::Link(_) => None,
        }
    }
}

impl Source {
    async fn ended(&self) {
        match self {
            Self::Server(server) => server.ended().await,
            Self::Link(receiver) => receiver.ended().await,
        }
    }
}

impl<M> fmt::Debug for Rx<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Rx").field(&self.source).finish()
    }
}

/// Error returned by [`Rx::recv`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecvError {
    /// The receiver was closed and everything received.
    #[error("the receiver is closed")]
    Closed,
    /// What arrived is not a message of this type.
    #[error("what arrived cannot be decoded")]
    Decode(#[source] Box<DecodeError>),
}

/// Messages that were acknowledged and not received, in one piece.
pub(crate) struct Arrived {
    what: What,
    /// The session that gives credit for them.
    from: Arc<Served>,
    messages: u64,
    load: u64,
}

enum What {
    Run(Run),
    Payload(Payload),
}

impl Arrived {
    pub(crate) fn run(run: Run, from: Arc<Served>) -> Self {
        let (messages, load) = (run.messages(), run.load());
        let what = What::Run(run);
        Self {
            what,
            from,
            messages,
            load,
        }
    }

    pub(crate) fn payload(payload: Payload, from: Arc<Served>) -> Self {
        let load = payload.len() as u64;
        let what = What::Payload(payload);
        Self {
            what,
            from,
            messages: 1,
            load,
        }
    }

    /// Takes the next message, if there is one left.
    ///
    /// The error is in a box, so that a message is moved field by field and not with a part of an error.
    #[inline(always)]
    fn next<M: Message>(&mut self) -> Option<Result<M, RecvError>> {
        let result = match &mut self.what {
            What::Run(run) => {
                let frame = run.front()?;
                let len = frame.len;
                let result = if frame.has_parts() {
                    decode_borrowed(frame.body, &frame.parts())
                } else {
                    decode_borrowed(frame.body, &[])
                };
                run.pop(len);
                result
            }
            What::Payload(payload) => {
                let payload = mem::take(payload);
                self.what = What::Run(Run::empty());
                decode(&payload)
            }
        };
        Some(result.map_err(|error| RecvError::Decode(Box::new(error))))
    }

    fn is_empty(&self) -> bool {
        matches!(&self.what, What::Run(run) if run.is_empty())
    }
}

/// Whoever received it all, or threw it away, makes room for more.
impl Drop for Arrived {
    fn drop(&mut self) {
        self.from.consumed(self.messages, self.load);
    }
}

/// What was acknowledged and not received. The credit of each session bounds what it has in here.
#[derive(Default)]
pub(crate) struct RxQueue {
    waiting: Mutex<VecDeque<Arrived>>,
    arrived: Notify,
}

impl RxQueue {
    pub(crate) fn push(&self, arrived: Arrived) {
        self.lock().push_back(arrived);
        self.arrived.notify_one();
    }

    fn pop(&self) -> Option<Arrived> {
        self.lock().pop_front()
    }

    /// Throws away what waits.
    pub(crate) fn clear(&self) {
        let waiting = mem::take(&mut *self.lock());
        // It makes room, which is not done under the lock.
        drop(waiting);
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Arrived>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
