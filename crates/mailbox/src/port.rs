//! The two local ends of a port that takes any number of messages.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_core::Stream;
use hypermesh_wire::Message;

use crate::port_end::{PortSink, Take};
use crate::queue_port::QueuePort;
use crate::{Mailbox, PortId, PortRef, PortSendError, RecvError, ReducerSpec};

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
        self.sink.remove_sender();
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
