//! A port that keeps every message in a queue until it is received.
//!
//! # Invariants
//!
//! - **INV-1**: messages come out in the order they went in, through handles and refs together.
//! - **INV-2**: the queue holds at most `limit` messages, those that are being weighed included.
//! - **INV-3**: no lock is held while a message is decoded, dropped or bounced.
//! - **INV-4**: only a port that was bound has envelopes in its queue.
//! - **INV-5**: a receiver that waits for a weight is woken by the message that completes it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::port_end::{AnyPort, PortEnd, PortSink, Rejected, Take, wake};
use crate::{Cause, Envelope, Mailbox, PortSendError, PortSendReason, RecvError};

pub(crate) struct QueuePort<M> {
    state: Mutex<State<M>>,
    take: OnceLock<Take<M>>,
    limit: usize,
    weigh: Option<fn(&M) -> u32>,
}

struct State<M> {
    queue: VecDeque<Weighed<M>>,
    /// Messages that have a place in the queue and are not in it yet.
    weighing: usize,
    /// The weight of all that is queued.
    weight: u64,
    /// Less than this wakes nobody.
    wanted: u64,
    end: PortEnd,
}

struct Weighed<M> {
    item: Item<M>,
    weight: u32,
}

enum Item<M> {
    Message(M),
    /// Taken out, and decoded if it came over a link, by whoever receives it.
    Envelope(Box<Envelope>),
}

impl<M: Send + 'static> QueuePort<M> {
    /// A port whose messages weigh 1, or what `weigh` says: then they are decoded by whoever delivers
    /// them.
    pub(crate) fn new(limit: usize, weigh: Option<fn(&M) -> u32>) -> Self {
        let state = State {
            queue: VecDeque::new(),
            weighing: 0,
            weight: 0,
            wanted: 0,
            end: PortEnd::new(),
        };
        Self {
            state: Mutex::new(state),
            take: OnceLock::new(),
            limit,
            weigh,
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
                match state.pop() {
                    Some(item) => item,
                    None => match state.end.recv_end() {
                        Some(end) => return Poll::Ready(Err(end)),
                        None => {
                            state.wanted = 0;
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

    /// Returns all messages once they weigh `wanted` or nothing comes any more, or registers to be
    /// woken then.
    pub(crate) fn poll_batch(
        &self,
        cx: &Context<'_>,
        wanted: u64,
        mailbox: &Mailbox,
    ) -> Poll<Result<Vec<M>, RecvError>> {
        let items = {
            let mut state = self.lock();
            let end = state.end.recv_end();
            if state.weight < wanted.max(1) && end.is_none() {
                state.wanted = wanted;
                state.end.register(cx);
                return Poll::Pending;
            }
            if let (true, Some(end)) = (state.queue.is_empty(), end) {
                return Poll::Ready(Err(end));
            }
            state.take_all()
        };
        Poll::Ready(Ok(self.open_all(items, mailbox)))
    }

    /// Returns the next message if there is one.
    pub(crate) fn try_recv(&self, mailbox: &Mailbox) -> Result<Option<M>, RecvError> {
        loop {
            let item = {
                let mut state = self.lock();
                match state.pop() {
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
        let items = self.lock().take_all();
        self.open_all(items, mailbox)
    }

    /// Learns that nobody receives any more: what was not decoded goes back to its senders.
    pub(crate) fn drop_receiver(&self, mailbox: &Mailbox) {
        let items = {
            let mut state = self.lock();
            state.end.drop_receiver();
            state.take_all()
        };
        for Weighed { item, .. } in items {
            if let Item::Envelope(envelope) = item {
                mailbox.gateway().bounce(*envelope, Cause::PortGone);
            }
        }
    }

    fn open_all(&self, items: VecDeque<Weighed<M>>, mailbox: &Mailbox) -> Vec<M> {
        let items = items.into_iter();
        items
            .filter_map(|weighed| self.open(weighed.item, mailbox))
            .collect()
    }

    /// Queues the weighed message in the place that was kept for it.
    fn put(&self, item: Item<M>, weight: u32) {
        let mut state = self.lock();
        state.weighing -= 1;
        let waker = state.push(item, weight);
        drop(state);
        wake(waker);
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

impl<M> State<M> {
    fn len(&self) -> usize {
        self.queue.len() + self.weighing
    }

    /// Queues `item` and returns whom to wake (INV-5).
    fn push(&mut self, item: Item<M>, weight: u32) -> Option<Waker> {
        self.weight += u64::from(weight);
        self.queue.push_back(Weighed { item, weight });
        match self.wanted <= self.weight {
            true => self.end.take_waker(),
            false => None,
        }
    }

    fn pop(&mut self) -> Option<Item<M>> {
        let Weighed { item, weight } = self.queue.pop_front()?;
        self.weight -= u64::from(weight);
        Some(item)
    }

    fn take_all(&mut self) -> VecDeque<Weighed<M>> {
        self.weight = 0;
        std::mem::take(&mut self.queue)
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
        let full = (self.limit <= state.len()).then_some(Cause::QueueFull);
        if let Some(cause) = cause.or(full) {
            drop(state);
            return Err(Rejected::new(envelope, cause));
        }
        let Some(weigh) = self.weigh else {
            let waker = state.push(Item::Envelope(Box::new(envelope)), 1);
            drop(state);
            wake(waker);
            return Ok(());
        };
        state.weighing += 1;
        drop(state);
        match envelope.take_with(take.take) {
            Ok(message) => {
                let weight = weigh(&message);
                self.put(Item::Message(message), weight);
                Ok(())
            }
            Err(rejected) => {
                self.lock().weighing -= 1;
                Err(rejected)
            }
        }
    }

    fn close(&self, why: &Arc<str>, _: &Mailbox) {
        let waker = self.lock().end.exit_owner(why);
        wake(waker);
    }
}

impl<M: Send + 'static> PortSink<M> for QueuePort<M> {
    fn send(&self, message: M, _: &Mailbox) -> Result<(), PortSendError<M>> {
        let weight = self.weigh.map_or(1, |weigh| weigh(&message));
        let mut state = self.lock();
        if let Some(reason) = state.end.send_refusal() {
            return Err(PortSendError { message, reason });
        }
        if self.limit <= state.len() {
            return Err(PortSendError {
                message,
                reason: PortSendReason::Full { limit: self.limit },
            });
        }
        let waker = state.push(Item::Message(message), weight);
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
