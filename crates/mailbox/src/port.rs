//! The two local ends of a port that takes any number of messages.

use std::fmt;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_core::Stream;
use hypermesh_wire::Message;

use crate::mapped_port::MappedPort;
use crate::port_end::{PortSink, Take};
use crate::queue_port::QueuePort;
use crate::{AlreadyBound, Mailbox, PortId, PortRef, PortSendError, RecvError, ReducerSpec};

/// Sends to a port of this process: the message moves as it is and need not be serializable.
pub struct PortHandle<M> {
    id: PortId,
    mailbox: Mailbox,
    sink: Arc<dyn PortSink<M>>,
    reducer: Option<Arc<ReducerSpec>>,
}

impl<M: Send + 'static> PortHandle<M> {
    /// Makes the first handle of a port.
    pub(crate) fn new(
        id: PortId,
        mailbox: Mailbox,
        sink: Arc<dyn PortSink<M>>,
        reducer: Option<Arc<ReducerSpec>>,
    ) -> Self {
        Self {
            id,
            mailbox,
            sink,
            reducer,
        }
    }

    /// Returns the id of the port.
    pub fn id(&self) -> PortId {
        self.id
    }

    /// Sends `message`.
    ///
    /// `Ok` means queued, not received: the receiver may still be dropped first.
    ///
    /// # Errors
    ///
    /// [`PortSendError`] gives the message back when the port is closed or full.
    pub fn send(&self, message: M) -> Result<(), PortSendError<M>> {
        self.sink.send(message, &self.mailbox)
    }

    /// Returns a ref to the port that can be sent anywhere. Every call returns the same ref.
    ///
    /// From now on the receiver waits for messages until the port or its owner ends, as nobody can
    /// tell where refs are.
    pub fn bind(&self) -> PortRef<M>
    where
        M: Message,
    {
        self.sink.bind(Take::new());
        PortRef::new(
            self.id,
            self.mailbox.gateway().location(),
            self.reducer.clone(),
        )
    }
}

impl<M: Send + 'static> PortHandle<M> {
    /// Waits until the port has room, or is closed. Another sender may be first: who is refused waits again.
    ///
    /// There is no deadline: whoever needs one puts a timeout around it. Ports that fold what they get always
    /// have room.
    ///
    /// # Cancel safety
    ///
    /// Nothing is kept for whoever waits, so the future may be dropped at any time.
    pub async fn ready(&self) {
        let Some(room) = self.sink.room() else {
            return;
        };
        loop {
            let mut made = pin!(room.notified());
            made.as_mut().enable();
            if self.sink.has_room() {
                return;
            }
            made.await;
        }
    }

    /// Returns a handle of a port of `U` in front of this one: what is sent there comes out here as what `map`
    /// makes of it. It closes with this port, counts as one of its senders, and can be bound as any other.
    ///
    /// A handle calls `map` where it sends; what comes by a ref is mapped where it is received. There, a panic
    /// of `map` bounces the message and harms no other.
    pub fn map<U: Send + 'static>(
        &self,
        map: impl Fn(U) -> M + Send + Sync + 'static,
    ) -> PortHandle<U> {
        let port = Arc::new(MappedPort::new(self.sink.clone(), Box::new(map)));
        let id = self.mailbox.add_port(port.clone());
        if !port.set_id(id) {
            self.mailbox.free_port(id);
        }
        PortHandle::new(id, self.mailbox.clone(), port, None)
    }

    /// Makes this port the one that takes the messages of type `M` which are sent to the actor itself, and
    /// returns the ref for that: its id is the same in every life of a program. Doing so again changes nothing.
    ///
    /// An actor with handlers takes such messages itself and never passes them to its mailbox.
    ///
    /// # Errors
    ///
    /// [`AlreadyBound`] when another port of the mailbox takes them, until that is freed.
    pub fn bind_handler(&self) -> Result<PortRef<M>, AlreadyBound>
    where
        M: Message,
    {
        let id = self.mailbox.bind_handler(M::KEY, self.id)?;
        self.sink.bind(Take::new());
        Ok(PortRef::new(id, self.mailbox.gateway().location(), None))
    }
}

impl<M> Clone for PortHandle<M> {
    fn clone(&self) -> Self {
        self.sink.add_sender();
        Self {
            id: self.id,
            mailbox: self.mailbox.clone(),
            sink: self.sink.clone(),
            reducer: self.reducer.clone(),
        }
    }
}

impl<M> Drop for PortHandle<M> {
    fn drop(&mut self) {
        self.sink.remove_sender(&self.mailbox);
    }
}

impl<M> fmt::Debug for PortHandle<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PortHandle({})", self.id)
    }
}

/// Receives the messages of a port, in the order they were sent. Dropping it frees the port.
///
/// Also a [`Stream`] of messages, which ends when nothing comes any more.
pub struct PortReceiver<M: Send + 'static> {
    id: PortId,
    mailbox: Mailbox,
    port: Arc<QueuePort<M>>,
}

impl<M: Send + 'static> PortReceiver<M> {
    pub(crate) fn new(id: PortId, mailbox: Mailbox, port: Arc<QueuePort<M>>) -> Self {
        Self { id, mailbox, port }
    }

    /// Returns the id of the port.
    pub fn id(&self) -> PortId {
        self.id
    }

    /// Waits for the next message.
    ///
    /// There is no deadline: whoever needs one puts a timeout around it.
    ///
    /// # Errors
    ///
    /// [`RecvError`] when nothing comes any more, on this and every later call; what was queued
    /// before comes first.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, no message is lost.
    pub async fn recv(&mut self) -> Result<M, RecvError> {
        std::future::poll_fn(|cx| self.poll_recv(cx)).await
    }

    /// Polls for the next message, see [`recv`](Self::recv).
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Result<M, RecvError>> {
        self.port.poll_recv(cx, &self.mailbox)
    }

    /// Waits until the queued messages weigh `weight` or more, and returns them all; at least one. A message
    /// weighs 1, unless the port was opened with [other weights](Mailbox::open_weighed_port). Unlike one
    /// [`recv`](Self::recv) after the other this wakes its task once.
    ///
    /// Messages that do not decode count, and are not among those that are returned.
    ///
    /// # Errors
    ///
    /// [`RecvError`] when nothing is queued and nothing comes any more. If the end comes before the
    /// weight, what is queued is returned first.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, no message is lost.
    pub async fn recv_batch(&mut self, weight: u64) -> Result<Vec<M>, RecvError> {
        std::future::poll_fn(|cx| self.port.poll_batch(cx, weight, &self.mailbox)).await
    }

    /// Returns the next message, or `None` if none is queued now.
    ///
    /// # Errors
    ///
    /// [`RecvError`] when nothing is queued and nothing comes any more.
    pub fn try_recv(&mut self) -> Result<Option<M>, RecvError> {
        self.port.try_recv(&self.mailbox)
    }

    /// Returns all messages that are queued now.
    pub fn drain(&mut self) -> Vec<M> {
        self.port.drain(&self.mailbox)
    }
}

impl<M: Send + 'static> Stream for PortReceiver<M> {
    type Item = M;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<M>> {
        self.poll_recv(cx).map(Result::ok)
    }
}

impl<M: Send + 'static> Drop for PortReceiver<M> {
    fn drop(&mut self) {
        self.mailbox.free_port(self.id);
        self.port.drop_receiver(&self.mailbox);
    }
}

impl<M: Send + 'static> fmt::Debug for PortReceiver<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PortReceiver({})", self.id)
    }
}
