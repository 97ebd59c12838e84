//! Links for messages of one type: the receiving end.

use std::{
    collections::VecDeque,
    fmt,
    marker::PhantomData,
    mem,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use hypermesh_wire::{DecodeError, Message, Payload, decode_borrowed};
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
    #[inline]
    pub async fn recv(&mut self) -> Result<M, RecvError> {
        let mut has_ended = false;
        loop {
            if let Some(current) = &mut self.current {
                let result = current.next();
                if current.is_empty() {
                    // It makes room now, and not with the next call.
                    self.current = None;
                }
                return result.map_err(RecvError::Decode);
            }
            self.current = self.queue.pop();
            if self.current.is_some() {
                continue;
            }
            if has_ended {
                return Err(RecvError::Closed);
            }
            // Apart and on the heap: most calls find a message, and have nothing of the state of those that wait.
            has_ended = Box::pin(self.queue.wait(&self.source)).await;
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

/// Messages that were acknowledged and not received, in one piece: one at least.
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

    /// Takes the next message, of which one is left.
    // One call to decode, the result of which is returned where it lies: a message is not moved from place to place.
    #[inline(always)]
    fn next<M: Message>(&mut self) -> Result<M, Box<DecodeError>> {
        let copied;
        let (body, parts, len) = match &self.what {
            What::Run(run) => {
                let frame = run.front().expect("it goes when it is empty");
                copied = frame.parts();
                (frame.body, &copied[..], frame.len)
            }
            What::Payload(payload) => (&payload.body[..], &payload.parts[..], 0),
        };
        let result = decode_borrowed(body, parts);
        match &mut self.what {
            What::Run(run) => run.pop(len),
            What::Payload(_) => self.what = What::Run(Run::empty()),
        }
        result
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

    /// Waits until something may be there, or no more comes, and returns whether no more comes.
    async fn wait(&self, source: &Source) -> bool {
        let mut arrived = pin!(self.arrived.notified());
        // Registered before the look, so that no message is missed.
        arrived.as_mut().enable();
        if !self.lock().is_empty() {
            return false;
        }
        select! {
            biased;
            () = arrived => false,
            () = source.ended() => true,
        }
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
