//! The queue of one actor: many senders, one task that takes.
//!
//! A short mutex around a ring buffer. Measured against a tokio mpsc it is faster from one sender
//! and an idle actor needs no block of slots in advance (a tokio channel of 32-byte items holds
//! 1.6 KiB before the first message). It also makes *close* an exact position: whoever got `Ok`
//! is in front of it. The lock is held for one push, or for the move of at most [`BATCH`] items;
//! nothing is woken, dropped or called under it.
//!
//! # Invariants
//!
//! - **INV-1**: items leave in the order in which they were pushed.
//! - **INV-2**: after `close` no push succeeds, and everything pushed before is still taken.
//! - **INV-3**: the queue holds at most `limit` items.
//! - **INV-4**: a push, a close or a wake after the task parked wakes it (no lost wake-up).

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};

/// How many items the task takes at once, and handles before it lets other tasks run.
pub(crate) const BATCH: usize = 64;

/// A buffer with more slots than this is given back to the allocator when it is empty.
const KEPT_SLOTS: usize = 16;

/// The queue of one actor.
pub(crate) struct Queue<T> {
    state: Mutex<State<T>>,
}

struct State<T> {
    items: VecDeque<T>,
    limit: usize,
    closed: bool,
    parked: bool,
    waker: Option<Waker>,
}

/// Why an item was not queued; it is given back.
#[derive(Debug, PartialEq)]
pub(crate) enum PushError<T> {
    /// The queue takes no more items.
    Closed(T),
    /// The queue holds as many items as it may.
    Full(T),
}

impl<T> Queue<T> {
    pub(crate) fn new(limit: usize) -> Self {
        let state = State {
            items: VecDeque::new(),
            limit,
            closed: false,
            parked: false,
            waker: None,
        };
        Self {
            state: Mutex::new(state),
        }
    }

    /// Appends `item`, and wakes the task if it waits.
    pub(crate) fn push(&self, item: T) -> Result<(), PushError<T>> {
        let mut state = self.lock();
        if state.closed {
            return Err(PushError::Closed(item));
        }
        if state.limit <= state.items.len() {
            return Err(PushError::Full(item));
        }
        state.items.push_back(item);
        if !state.parked {
            return Ok(());
        }
        let waker = state.unpark();
        drop(state);
        waker.into_iter().for_each(Waker::wake);
        Ok(())
    }

    /// Wakes the task, whatever it waits for.
    pub(crate) fn wake(&self) {
        let waker = self.lock().unpark();
        waker.into_iter().for_each(Waker::wake);
    }

    /// Refuses every later push (INV-2).
    pub(crate) fn close(&self) {
        self.lock().closed = true;
    }

    /// Removes everything that is queued.
    pub(crate) fn take_all(&self) -> VecDeque<T> {
        std::mem::take(&mut self.lock().items)
    }

    /// Returns the number of queued items.
    pub(crate) fn len(&self) -> usize {
        self.lock().items.len()
    }

    /// Sets whom to wake. The task calls it at the begin of every poll.
    pub(crate) fn register(&self, waker: &Waker) {
        let mut state = self.lock();
        if state
            .waker
            .as_ref()
            .is_some_and(|known| known.will_wake(waker))
        {
            return;
        }
        let old = state.waker.replace(waker.clone());
        drop(state);
        drop(old);
    }

    /// Forgets whom to wake: the task is over.
    pub(crate) fn unregister(&self) {
        let old = self.lock().waker.take();
        drop(old);
    }

    /// Moves the next items, [`BATCH`] at most, into the empty `batch`. Parks the task if there are
    /// none, unless the queue is closed or `interrupted` says that there is something else to do.
    pub(crate) fn poll_take(
        &self,
        cx: &mut Context<'_>,
        batch: &mut VecDeque<T>,
        interrupted: impl FnOnce() -> bool,
    ) -> Poll<Taken> {
        let mut spare = VecDeque::new();
        let mut state = self.lock();
        state.parked = false;
        if !state.items.is_empty() {
            if state.items.len() <= BATCH {
                std::mem::swap(&mut state.items, batch);
            } else {
                batch.extend(state.items.drain(..BATCH));
            }
            return Poll::Ready(Taken::Items);
        }
        if state.closed {
            return Poll::Ready(Taken::Closed);
        }
        if interrupted() {
            return Poll::Ready(Taken::Interrupted);
        }
        // INV-4: under the lock, so that a push or a wake comes before this or sees `parked`.
        state.parked = true;
        debug_assert!(
            state
                .waker
                .as_ref()
                .is_some_and(|known| known.will_wake(cx.waker()))
        );
        if KEPT_SLOTS < state.items.capacity() {
            std::mem::swap(&mut state.items, &mut spare);
        }
        drop(state);
        if KEPT_SLOTS < batch.capacity() {
            *batch = VecDeque::new();
        }
        Poll::Pending
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().expect("nothing panics under this lock")
    }
}

/// What [`Queue::poll_take`] found.
#[derive(Debug, PartialEq)]
pub(crate) enum Taken {
    /// There are items in the batch.
    Items,
    /// There is nothing left and nothing will come.
    Closed,
    /// Something else wants the task.
    Interrupted,
}

impl<T> State<T> {
    /// Marks the task as awake and returns whom to wake, outside the lock.
    fn unpark(&mut self) -> Option<Waker> {
        self.parked = false;
        self.waker.clone()
    }
}

#[cfg(test)]
mod tests;
