//! Links for messages of one type: the receiving end.

use std::{
    collections::VecDeque,
    fmt,
    future::Future,
    marker::PhantomData,
    pin::{Pin, pin},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use hypermesh_wire::{DecodeError, Message, Payload, decode};
use tokio::{select, sync::Notify};

use crate::{
    addr::ChannelAddr,
    endpoint::ServeError,
    server::Server,
    sink::{Flow, Peer, Sink},
};

/// A server for messages of type `M`, from [`Endpoint::serve`](crate::Endpoint::serve).
///
/// It holds a bounded number of messages that were acknowledged and not received; when it is full the
/// senders wait. When it goes, those messages go with it.
pub struct Rx<M> {
    queue: Arc<RxQueue>,
    server: Server,
    message: PhantomData<fn() -> M>,
}

impl<M: Message> Rx<M> {
    /// Returns a receiver with a bounded queue that `serve` serves as a sink.
    pub(crate) fn serve(
        max_messages: usize,
        max_bytes: u64,
        serve: impl FnOnce(Arc<dyn Sink>) -> Result<Server, ServeError>,
    ) -> Result<(ChannelAddr, Self), ServeError> {
        let queue = Arc::new(RxQueue::new(max_messages, max_bytes));
        let server = serve(queue.clone())?;
        Ok((
            server.addr().clone(),
            Self {
                queue,
                server,
                message: PhantomData,
            },
        ))
    }

    /// Waits for the next message, and decodes it.
    ///
    /// # Errors
    ///
    /// [`RecvError::Decode`] for a message that is not an `M`: it is skipped, and the next call gives
    /// the next one. [`RecvError::Closed`] when the receiver was closed and everything received.
    ///
    /// # Cancel safety
    ///
    /// No message is lost if the future is dropped.
    pub async fn recv(&mut self) -> Result<M, RecvError> {
        let mut has_ended = false;
        loop {
            let mut arrived = pin!(self.queue.arrived.notified());
            // Registered before the look, so that no message is missed.
            arrived.as_mut().enable();
            if let Some(payload) = self.queue.pop() {
                return decode(&payload).map_err(RecvError::Decode);
            }
            if has_ended {
                return Err(RecvError::Closed);
            }
            select! {
                () = arrived => {}
                () = self.server.ended() => has_ended = true,
            }
        }
    }

    /// Stops accepting: the senders learn that no more is taken. What was accepted can still be
    /// received.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped the receiver closes all the same.
    pub async fn close(&self) {
        self.server.stop().await;
    }

    /// Returns the server.
    pub fn server(&self) -> &Server {
        &self.server
    }
}

impl<M> fmt::Debug for Rx<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Rx").field(&self.server).finish()
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
    Decode(#[source] DecodeError),
}

/// The messages that were acknowledged and not received.
struct RxQueue {
    messages: Mutex<Messages>,
    max_messages: usize,
    max_bytes: u64,
    arrived: Notify,
    room: Notify,
}

#[derive(Default)]
struct Messages {
    waiting: VecDeque<Payload>,
    bytes: u64,
}

impl RxQueue {
    fn new(max_messages: usize, max_bytes: u64) -> Self {
        Self {
            messages: Mutex::default(),
            max_messages,
            max_bytes,
            arrived: Notify::new(),
            room: Notify::new(),
        }
    }

    fn pop(&self) -> Option<Payload> {
        let mut messages = self.lock();
        let was_full = self.is_full(&messages);
        let payload = messages.waiting.pop_front()?;
        messages.bytes -= payload.len() as u64;
        let has_room = was_full && !self.is_full(&messages);
        drop(messages);
        if has_room {
            self.room.notify_waiters();
        }
        Some(payload)
    }

    fn is_full(&self, messages: &Messages) -> bool {
        self.max_messages <= messages.waiting.len() || self.max_bytes <= messages.bytes
    }

    fn lock(&self) -> MutexGuard<'_, Messages> {
        self.messages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sink for RxQueue {
    fn deliver(&self, _: &Peer, batch: &mut Vec<Payload>) -> Flow {
        let mut messages = self.lock();
        let room = self.max_messages.saturating_sub(messages.waiting.len());
        let mut bytes = messages.bytes;
        let fits = |payload: &&Payload| {
            let fits = bytes < self.max_bytes;
            bytes += payload.len() as u64;
            fits
        };
        let taken = batch.iter().take(room).take_while(fits).count();
        for payload in batch.drain(..taken) {
            messages.bytes += payload.len() as u64;
            messages.waiting.push_back(payload);
        }
        drop(messages);
        self.arrived.notify_one();
        if batch.is_empty() {
            Flow::Continue
        } else {
            Flow::Pause
        }
    }

    fn ready(&self, _: &Peer) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(async {
            loop {
                let mut room = pin!(self.room.notified());
                room.as_mut().enable();
                if !self.is_full(&self.lock()) {
                    return;
                }
                room.await;
            }
        })
    }
}
