//! A port that keeps every message in a queue until it is received.
//!
//! # Invariants
//!
//! - **INV-1**: messages come out in the order they went in, through handles and refs together.
//! - **INV-2**: the queue holds at most `limit` messages.
//! - **INV-3**: no lock is held while a message is decoded, dropped or bounced.
//! - **INV-4**: only a port that was bound has envelopes in its queue.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll};

use crate::port_end::{AnyPort, PortEnd, PortSink, Rejected, Take, wake};
use crate::{Cause, Envelope, Mailbox, PortSendError, PortSendReason, RecvError};

pub(crate) struct QueuePort<M> {
    state: Mutex<State<M>>,
    take: OnceLock<Take<M>>,
    limit: usize,
}

struct State<M> {
    queue: VecDeque<Item<M>>,
    end: PortEnd,
}

enum Item<M> {
    Message(M),
    /// Taken out, and decoded if it came over a link, by whoever receives it.
    Envelope(Box<Envelope>),
}

impl<M: Send + 'static> QueuePort<M> {
    pub(crate) fn new(limit: usize) -> Self {
        let state = State {
            queue: VecDeque::new(),
            end: PortEnd::new(),
        };
        Self {
            state: Mutex::new(state),
            take: OnceLock::new(),
            limit,
        }
    }

    /// Returns the next message, or registers to be woken.
    pub(crate) fn poll_recv(
        &self,
        cx: &Context<'_>,
        mailbox: &Mailbox,
    ) -> Poll<Result<M, RecvError>> {
        loop {
            let item = {
                let mut state = self.lock();
                match state.queue.pop_front() {
                    Some(item) => item,
                    None => match state.end.recv_end() {
                        Some(end) => return Poll::Ready(Err(end)),
                        None => {
                            state.end.register(cx);
                            return Poll::Pending;
                        }
                    },
                }
            };
            if let Some(message) = self.open(item, mailbox) {
                return Poll::Ready(Ok(message));
            }
        }
    }

    /// Returns the next message if there is one.
    pub(crate) fn try_recv(&self, mailbox: &Mailbox) -> Result<Option<M>, RecvError> {
        loop {
            let item = {
                let mut state = self.lock();
                match state.queue.pop_front() {
                    Some(item) => item,
                    None => return state.end.recv_end().map_or(Ok(None), Err),
                }
            };
            if let Some(message) = self.open(item, mailbox) {
                return Ok(Some(message));
            }
        }
    }

    /// Returns all messages that are there.
    pub(crate) fn drain(&self, mailbox: &Mailbox) -> Vec<M> {
        let items = std::mem::take(&mut self.lock().queue);
        items
            .into_iter()
            .filter_map(|item| self.open(item, mailbox))
            .collect()
    }

    /// Learns that nobody receives any more: what was not decoded goes back to its senders.
    pub(crate) fn drop_receiver(&self, mailbox: &Mailbox) {
        let items = {
            let mut state = self.lock();
            state.end.drop_receiver();
            std::mem::take(&mut state.queue)
        };
        for item in items {
            if let Item::Envelope(envelope) = item {
                mailbox.gateway().bounce(*envelope, Cause::PortGone);
            }
        }
    }

    /// Returns the message in `item`; one that does not decode is bounced.
    fn open(&self, item: Item<M>, mailbox: &Mailbox) -> Option<M> {
        let envelope = match item {
            Item::Message(message) => return Some(message),
            Item::Envelope(envelope) => envelope,
        };
        let take = self
            .take
            .get()
            .expect("INV-4: only a bound port has envelopes");
        match envelope.take_with(take.take) {
            Ok(message) => Some(message),
            Err(rejected) => {
                mailbox.gateway().bounce(rejected.envelope, rejected.cause);
                None
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<M>> {
        // Nothing that can panic runs under the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<M: Send + 'static> AnyPort for QueuePort<M> {
    fn deliver(&self, envelope: Envelope, _: &Mailbox) -> Result<(), Box<Rejected>> {
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
        // A local value is kept in its envelope too: taking it out could fail after room was found.
        let mut state = self.lock();
        let cause = state.end.rejection();
        let full = (self.limit <= state.queue.len()).then_some(Cause::QueueFull);
        if let Some(cause) = cause.or(full) {
            drop(state);
            return Err(Rejected::new(envelope, cause));
        }
        state.queue.push_back(Item::Envelope(Box::new(envelope)));
        let waker = state.end.take_waker();
        drop(state);
        wake(waker);
        Ok(())
    }

    fn close(&self, why: &Arc<str>, _: &Mailbox) {
        let waker = self.lock().end.exit_owner(why);
        wake(waker);
    }
}

impl<M: Send + 'static> PortSink<M> for QueuePort<M> {
    fn send(&self, message: M, _: &Mailbox) -> Result<(), PortSendError<M>> {
        let mut state = self.lock();
        if let Some(reason) = state.end.send_refusal() {
            return Err(PortSendError { message, reason });
        }
        if self.limit <= state.queue.len() {
            return Err(PortSendError {
                message,
                reason: PortSendReason::Full { limit: self.limit },
            });
        }
        state.queue.push_back(Item::Message(message));
        let waker = state.end.take_waker();
        drop(state);
        wake(waker);
        Ok(())
    }

    fn add_sender(&self) {
        self.lock().end.add_sender();
    }

    fn remove_sender(&self) {
        let waker = self.lock().end.remove_sender();
        wake(waker);
    }

    fn bind(&self, take: Take<M>) {
        _ = self.take.set(take);
        self.lock().end.bind();
    }
}
