//! A port that keeps every message in a queue until it is received.
//!
//! # Invariants
//!
//! - **INV-1**: messages come out in the order they went in, through handles and refs together.
//! - **INV-2**: the queue holds what its options allow, see [`PortQueue`].
//! - **INV-3**: no lock is held while a message is made, decoded, dropped or bounced.
//! - **INV-4**: only a port that was bound, or one that passes on to it, has envelopes in its queue.
//! - **INV-5**: a receiver that waits for a weight is woken by the message that completes it.
//! - **INV-6**: who waits for room is woken when a message was taken out, and by the end of the port.

mod port_queue;
mod queue_policy;

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll, Waker};

use tokio::sync::Notify;

use self::port_queue::PortQueue;
pub use self::queue_policy::{PortOptions, PortStats, QueuePolicy};
use crate::port_end::{AnyPort, Opener, PortEnd, PortSink, Rejected, Take, wake};
use crate::{
    Cause, Envelope, Mailbox, PortId, PortSendError, PortSendReason, QueueCharge, RecvError,
};

pub(crate) struct QueuePort<M> {
    state: Mutex<State<M>>,
    take: OnceLock<Take<M>>,
    weigh: Option<fn(&M) -> u32>,
    name: Option<Arc<str>>,
    room: Notify,
}

struct State<M> {
    queue: PortQueue<Item<M>>,
    /// Less than this wakes nobody.
    wanted: u64,
    end: PortEnd,
}

/// What waits. An envelope is opened, and decoded if it came over a link, by whoever receives it.
enum Item<M> {
    Message(M),
    Envelope(Box<Waiting>),
    /// For a port that passes on to this one.
    Mapped(Box<Waiting>, Arc<dyn Opener<M>>),
}

struct Waiting {
    envelope: Envelope,
    /// Counts the bytes of the envelope while it waits.
    charge: QueueCharge,
}

impl<M: Send + 'static> QueuePort<M> {
    /// A port whose messages weigh 1, or what `weigh` says: then they are decoded by whoever delivers
    /// them.
    pub(crate) fn new(options: PortOptions, weigh: Option<fn(&M) -> u32>) -> Self {
        let state = State {
            queue: PortQueue::new(&options),
            wanted: 0,
            end: PortEnd::new(),
        };
        Self {
            state: Mutex::new(state),
            take: OnceLock::new(),
            weigh,
            name: options.name,
            room: Notify::new(),
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
                match state.queue.pop() {
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
            if state.queue.weight() < wanted.max(1) && end.is_none() {
                state.wanted = wanted;
                state.end.register(cx);
                return Poll::Pending;
            }
            if let (0, Some(end)) = (state.queue.len(), end) {
                return Poll::Ready(Err(end));
            }
            state.queue.take_all()
        };
        Poll::Ready(Ok(self.open_all(items, mailbox)))
    }

    /// Returns the next message if there is one.
    pub(crate) fn try_recv(&self, mailbox: &Mailbox) -> Result<Option<M>, RecvError> {
        loop {
            let item = {
                let mut state = self.lock();
                match state.queue.pop() {
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
        let items = self.lock().queue.take_all();
        self.open_all(items, mailbox)
    }

    /// Learns that nobody receives any more: what was not decoded goes back to its senders.
    pub(crate) fn drop_receiver(&self, mailbox: &Mailbox) {
        let (items, mapped, cause) = {
            let mut state = self.lock();
            let mapped = state.end.drop_receiver();
            (state.queue.take_all(), mapped, state.end.rejection())
        };
        mapped.into_iter().for_each(|id| mailbox.free_port(id));
        self.room.notify_waiters();
        give_back(items, cause.unwrap_or(Cause::PortGone), mailbox);
    }

    fn open_all(&self, items: Vec<Item<M>>, mailbox: &Mailbox) -> Vec<M> {
        let items = items.into_iter();
        items.filter_map(|item| self.open(item, mailbox)).collect()
    }

    /// Returns the message in `item`, which was just taken out; one that does not decode is bounced.
    fn open(&self, item: Item<M>, mailbox: &Mailbox) -> Option<M> {
        self.room.notify_waiters();
        let (waiting, opener) = match item {
            Item::Message(message) => return Some(message),
            Item::Envelope(waiting) => (waiting, None),
            Item::Mapped(waiting, opener) => (waiting, Some(opener)),
        };
        let Waiting { envelope, charge } = *waiting;
        drop(charge);
        if let Some(opener) = opener {
            return opener.open(envelope, mailbox.gateway());
        }
        let take = self.take.get().expect("INV-4: the port was bound");
        let opened = envelope.take_with(take.take);
        opened
            .map_err(|rejected| {
                mailbox.gateway().bounce(rejected.envelope, rejected.cause);
            })
            .ok()
    }

    /// Queues an envelope for which there is room.
    fn keep(
        &self,
        envelope: Envelope,
        mailbox: &Mailbox,
        opener: Option<Arc<dyn Opener<M>>>,
    ) -> Result<(), Box<Rejected>> {
        let charge = mailbox.gateway().charge(&envelope);
        let bytes = bytes_of::<M>(&envelope);
        let mut state = self.lock();
        let displaced = match state.reserve(bytes) {
            Ok(displaced) => displaced,
            Err(cause) => {
                drop(state);
                return Err(Rejected::new(envelope, cause));
            }
        };
        let waiting = Box::new(Waiting { envelope, charge });
        let item = match opener {
            None => Item::Envelope(waiting),
            Some(opener) => Item::Mapped(waiting, opener),
        };
        let (waker, replaced) = state.fill(item, 1, bytes);
        drop(state);
        drop(replaced);
        wake(waker);
        give_back(displaced, Cause::QueueFull, mailbox);
        Ok(())
    }

    /// Queues what `make` returns in the place that is kept for it, and gives the place up if there is nothing.
    fn fill_with<E>(&self, bytes: u64, make: impl FnOnce() -> Result<M, E>) -> Result<(), E> {
        let mut place = Place {
            port: self,
            bytes: Some(bytes),
        };
        let message = make()?;
        let weight = self.weigh.map_or(1, |weigh| weigh(&message));
        place.bytes = None;
        let (waker, replaced) = self.lock().fill(Item::Message(message), weight, bytes);
        drop(replaced);
        wake(waker);
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, State<M>> {
        // Nothing that can panic runs under the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place in the queue, given up when it is dropped, as by a panic of what makes the message.
struct Place<'a, M: Send + 'static> {
    port: &'a QueuePort<M>,
    bytes: Option<u64>,
}

impl<M: Send + 'static> Drop for Place<'_, M> {
    fn drop(&mut self) {
        if let Some(bytes) = self.bytes {
            self.port.lock().queue.cancel(bytes);
            self.port.room.notify_waiters();
        }
    }
}

/// Returns what a port that takes `M` counts for `envelope`.
fn bytes_of<M>(envelope: &Envelope) -> u64 {
    let payload = envelope.body.payload();
    payload.map_or(size_of::<M>(), hypermesh_wire::Payload::len) as u64
}

/// Bounces what came by refs; values of handles are dropped.
fn give_back<M>(items: Vec<Item<M>>, cause: Cause, mailbox: &Mailbox) {
    for item in items {
        if let Item::Envelope(waiting) | Item::Mapped(waiting, _) = item {
            mailbox.gateway().bounce(waiting.envelope, cause.clone());
        }
    }
}

impl<M> State<M> {
    /// Keeps a place for a message that came by a ref, or tells why not.
    fn reserve(&mut self, bytes: u64) -> Result<Vec<Item<M>>, Cause> {
        match self.end.rejection() {
            Some(cause) => Err(cause),
            None => self.queue.reserve(bytes).map_err(|_| Cause::QueueFull),
        }
    }

    /// Keeps a place for a message of a handle, or tells why not.
    fn reserve_local(&mut self) -> Result<Vec<Item<M>>, PortSendReason> {
        match self.end.send_refusal() {
            Some(reason) => Err(reason),
            None => self.queue.reserve(size_of::<M>() as u64),
        }
    }

    /// Queues `item` in its place. Returns whom to wake (INV-5), and what was replaced.
    fn fill(&mut self, item: Item<M>, weight: u32, bytes: u64) -> (Option<Waker>, Vec<Item<M>>) {
        let replaced = self.queue.fill(item, weight, bytes);
        let waker = match self.wanted <= self.queue.weight() {
            true => self.end.take_waker(),
            false => None,
        };
        (waker, replaced)
    }
}

impl<M: Send + 'static> AnyPort for QueuePort<M> {
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
        // A local value is kept in its envelope too: taking it out could fail after room was found.
        if self.weigh.is_none() {
            return self.keep(envelope, mailbox, None);
        }
        let bytes = bytes_of::<M>(&envelope);
        let reserved = self.lock().reserve(bytes);
        let displaced = match reserved {
            Ok(displaced) => displaced,
            Err(cause) => return Err(Rejected::new(envelope, cause)),
        };
        give_back(displaced, Cause::QueueFull, mailbox);
        self.fill_with(bytes, || envelope.take_with(take.take))
    }

    fn close(&self, why: &Arc<str>, _: &Mailbox) {
        let waker = self.lock().end.exit_owner(why);
        wake(waker);
        self.room.notify_waiters();
    }

    fn stats(&self, id: PortId) -> Option<PortStats> {
        let name = self.name.clone()?;
        let state = self.lock();
        let counts = state.queue.counts;
        Some(PortStats {
            name,
            id,
            queued: state.queue.len(),
            queued_bytes: state.queue.bytes(),
            rejected: counts.rejected,
            dropped: counts.dropped,
            replaced: counts.replaced,
        })
    }
}

impl<M: Send + 'static> PortSink<M> for QueuePort<M> {
    fn send(&self, message: M, mailbox: &Mailbox) -> Result<(), PortSendError<M>> {
        let weight = self.weigh.map_or(1, |weigh| weigh(&message));
        let mut state = self.lock();
        let displaced = match state.reserve_local() {
            Ok(displaced) => displaced,
            Err(reason) => return Err(PortSendError { message, reason }),
        };
        let (waker, replaced) = state.fill(Item::Message(message), weight, size_of::<M>() as u64);
        drop(state);
        drop(replaced);
        wake(waker);
        give_back(displaced, Cause::QueueFull, mailbox);
        Ok(())
    }

    fn send_made(
        &self,
        make: &mut dyn FnMut() -> M,
        mailbox: &Mailbox,
    ) -> Result<(), PortSendReason> {
        let displaced = self.lock().reserve_local()?;
        give_back(displaced, Cause::QueueFull, mailbox);
        self.fill_with(size_of::<M>() as u64, || Ok(make()))
    }

    fn deliver_to_open(
        &self,
        envelope: Envelope,
        opener: Arc<dyn Opener<M>>,
        mailbox: &Mailbox,
    ) -> Result<(), Box<Rejected>> {
        self.keep(envelope, mailbox, Some(opener))
    }

    fn add_sender(&self) {
        self.lock().end.add_sender();
    }

    fn remove_sender(&self, _: &Mailbox) {
        let waker = self.lock().end.remove_sender();
        wake(waker);
    }

    fn bind(&self, take: Take<M>) {
        _ = self.take.set(take);
        self.lock().end.bind();
    }

    fn add_mapped(&self, id: PortId) -> bool {
        self.lock().end.add_mapped(id)
    }

    fn remove_mapped(&self, id: PortId) {
        self.lock().end.remove_mapped(id);
    }

    fn has_room(&self) -> bool {
        let state = self.lock();
        let is_closed = state.end.send_refusal().is_some();
        is_closed || state.queue.no_room(size_of::<M>() as u64).is_none()
    }

    fn room(&self) -> Option<&Notify> {
        Some(&self.room)
    }
}
