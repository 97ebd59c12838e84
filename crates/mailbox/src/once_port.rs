//! A port for exactly one message, such as the reply to a request. It costs one allocation and no task.
//!
//! # Invariants
//!
//! - **INV-1**: at most one message is taken; the port is freed by that, and by dropping the receiver.
//! - **INV-2**: a message of the wrong type is refused and changes nothing.

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll};

use hypermesh_wire::Message;

use crate::port_end::{AnyPort, PortEnd, Rejected, Take, wake};
use crate::{
    Cause, Envelope, Mailbox, OncePortRef, PortId, PortSendError, PortSendReason, QueueCharge,
    RecvError,
};

pub(crate) struct OncePort<M> {
    state: Mutex<State<M>>,
    take: OnceLock<Take<M>>,
}

struct State<M> {
    slot: Slot<M>,
    end: PortEnd,
}

enum Slot<M> {
    Empty,
    Message(M),
    /// Its bytes are counted while it waits.
    Envelope(Box<Envelope>, QueueCharge),
    /// The message was received.
    Done,
}

impl<M: Send + 'static> OncePort<M> {
    pub(crate) fn new() -> Self {
        let state = State {
            slot: Slot::Empty,
            end: PortEnd::new(),
        };
        Self {
            state: Mutex::new(state),
            take: OnceLock::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<M>> {
        // Nothing that can panic runs under the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts the one message in, or gives it back with what the state says against it (INV-1).
    fn fill<T>(
        &self,
        message: T,
        slot: impl FnOnce(T) -> Slot<M>,
    ) -> Result<(), (T, MutexGuard<'_, State<M>>)> {
        let mut state = self.lock();
        if state.end.rejection().is_some() || !matches!(state.slot, Slot::Empty) {
            return Err((message, state));
        }
        state.slot = slot(message);
        let waker = state.end.take_waker();
        drop(state);
        wake(waker);
        Ok(())
    }
}

impl<M: Send + 'static> AnyPort for OncePort<M> {
    fn deliver(&self, envelope: Envelope, mailbox: &Mailbox) -> Result<(), Box<Rejected>> {
        let Some(take) = self.take.get() else {
            // Nobody has a ref to this port: its number was guessed.
            return Err(Rejected::new(envelope, Cause::PortNeverExisted));
        };
        if envelope.key() != take.key {
            return Err(Rejected::new(
                envelope,
                Cause::WrongType { expected: take.key },
            ));
        }
        let dst = envelope.header.dst;
        let charge = mailbox.gateway().charge(&envelope);
        let kept = |envelope| Slot::Envelope(Box::new(envelope), charge);
        match self.fill(envelope, kept) {
            Ok(()) => {
                mailbox.free_port(dst);
                Ok(())
            }
            Err((envelope, state)) => {
                let cause = state.end.rejection().unwrap_or(Cause::PortGone);
                drop(state);
                Err(Rejected::new(envelope, cause))
            }
        }
    }

    fn close(&self, why: &Arc<str>, _: &Mailbox) {
        let waker = self.lock().end.exit_owner(why);
        wake(waker);
    }
}

/// Sends the one message of a port of this process.
pub struct OncePortHandle<M: Send + 'static> {
    id: PortId,
    mailbox: Mailbox,
    port: Arc<OncePort<M>>,
}

impl<M: Send + 'static> OncePortHandle<M> {
    pub(crate) fn new(id: PortId, mailbox: Mailbox, port: Arc<OncePort<M>>) -> Self {
        Self { id, mailbox, port }
    }

    /// Returns the id of the port.
    pub fn id(&self) -> PortId {
        self.id
    }

    /// Sends `message`.
    ///
    /// # Errors
    ///
    /// [`PortSendError`] gives the message back when the receiver is gone, or when the message of the
    /// port has come another way.
    pub fn send(self, message: M) -> Result<(), PortSendError<M>> {
        match self.port.fill(message, Slot::Message) {
            Ok(()) => {
                self.mailbox.free_port(self.id);
                Ok(())
            }
            Err((message, state)) => {
                let reason = state.end.send_refusal().unwrap_or(PortSendReason::Closed);
                drop(state);
                Err(PortSendError { message, reason })
            }
        }
    }

    /// Returns the ref that the message can be sent to from anywhere.
    pub fn bind(self) -> OncePortRef<M>
    where
        M: Message,
    {
        _ = self.port.take.set(Take::new());
        self.port.lock().end.bind();
        OncePortRef::new(self.id, self.mailbox.gateway().location())
    }
}

impl<M: Send + 'static> Drop for OncePortHandle<M> {
    fn drop(&mut self) {
        let waker = self.port.lock().end.remove_sender();
        wake(waker);
    }
}

impl<M: Send + 'static> fmt::Debug for OncePortHandle<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OncePortHandle({})", self.id)
    }
}

/// Receives the one message of a port; a future. Dropping it frees the port.
///
/// There is no deadline: whoever needs one puts a timeout around it.
///
/// # Errors
///
/// [`RecvError`] when the message cannot come any more, or does not decode.
pub struct OncePortReceiver<M: Send + 'static> {
    id: PortId,
    mailbox: Mailbox,
    port: Arc<OncePort<M>>,
}

impl<M: Send + 'static> OncePortReceiver<M> {
    pub(crate) fn new(id: PortId, mailbox: Mailbox, port: Arc<OncePort<M>>) -> Self {
        Self { id, mailbox, port }
    }

    /// Returns the id of the port.
    pub fn id(&self) -> PortId {
        self.id
    }

    /// Returns the message, or `None` if it has not come yet.
    ///
    /// # Errors
    ///
    /// [`RecvError`] when the message cannot come any more, or does not decode.
    pub fn try_recv(&mut self) -> Result<Option<M>, RecvError> {
        let slot = {
            let mut state = self.port.lock();
            match state.slot {
                Slot::Empty => return state.end.recv_end().map_or(Ok(None), Err),
                _ => std::mem::replace(&mut state.slot, Slot::Done),
            }
        };
        match slot {
            Slot::Empty | Slot::Done => Err(RecvError::Closed),
            Slot::Message(message) => Ok(Some(message)),
            Slot::Envelope(envelope, charge) => {
                drop(charge);
                self.open(*envelope).map(Some)
            }
        }
    }

    fn open(&self, envelope: Envelope) -> Result<M, RecvError> {
        let take = self
            .port
            .take
            .get()
            .expect("only a bound port takes envelopes");
        envelope.take_with(take.take).map_err(|rejected| {
            let text = rejected.cause.to_string().into();
            self.mailbox
                .gateway()
                .bounce(rejected.envelope, rejected.cause);
            RecvError::Decode(text)
        })
    }
}

impl<M: Send + 'static> Future for OncePortReceiver<M> {
    type Output = Result<M, RecvError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        {
            let mut state = self.port.lock();
            if matches!(state.slot, Slot::Empty) && state.end.recv_end().is_none() {
                state.end.register(cx);
                return Poll::Pending;
            }
        }
        match self.try_recv() {
            Ok(Some(message)) => Poll::Ready(Ok(message)),
            Err(error) => Poll::Ready(Err(error)),
            // A port that has its message or its end keeps it: nobody else takes from it.
            Ok(None) => Poll::Pending,
        }
    }
}

impl<M: Send + 'static> Drop for OncePortReceiver<M> {
    fn drop(&mut self) {
        self.mailbox.free_port(self.id);
        let slot = {
            let mut state = self.port.lock();
            // Nothing passes on to a port of this kind.
            _ = state.end.drop_receiver();
            std::mem::replace(&mut state.slot, Slot::Done)
        };
        if let Slot::Envelope(envelope, _) = slot {
            self.mailbox.gateway().bounce(*envelope, Cause::PortGone);
        }
    }
}

impl<M: Send + 'static> fmt::Debug for OncePortReceiver<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OncePortReceiver({})", self.id)
    }
}
