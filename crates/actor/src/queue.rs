//! The queue of one actor: many senders, one task that takes.
//!
//! A push reserves a slot in a list of [`blocks`]: it takes no lock, and allocates nothing while the task
//! keeps up. *Close* is an exact position: whoever got `Ok` is in front of it. An idle actor has one
//! small block, and none before its first message.
//!
//! # Invariants
//!
//! - **INV-1**: items leave in the order in which they were pushed.
//! - **INV-2**: after `close` no push succeeds, and everything pushed before is still taken.
//! - **INV-3**: the queue holds at most `limit` items.
//! - **INV-4**: a push, a close or a wake after the task parked wakes it (no lost wake-up).
//! - **INV-5**: who waits for room is woken when items were taken, and by the close.

mod atomics;
mod blocks;
mod byte_mark;
mod sleeper;

use std::pin::pin;
use std::sync::OnceLock;
use std::task::{Context, Poll, Waker};

use atomics::{KEPT_BYTES, wait_a_moment};
use blocks::{Blocks, Found};
pub(crate) use byte_mark::ByteMark;
use sleeper::Sleeper;
use tokio::sync::Notify;

/// How often the task looks for an item that is about to come before it lets others run.
const LOOKS: u32 = 32;

/// The queue of one actor.
pub(crate) struct Queue<T> {
    blocks: Blocks<T>,
    sleeper: Sleeper,
    /// Where senders wait for room, once one of them had to.
    room: OnceLock<Box<Notify>>,
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
        Self {
            blocks: Blocks::new(limit),
            sleeper: Sleeper::new(),
            room: OnceLock::new(),
        }
    }

    /// Appends `item`, and wakes the task if it waits.
    #[inline]
    pub(crate) fn push(&self, item: T) -> Result<(), PushError<T>> {
        if self.blocks.push(item)? {
            self.sleeper.wake();
        }
        Ok(())
    }

    /// Appends `item` as soon as there is room. Gives it back when the queue is closed.
    ///
    /// Those that wait are served in any order.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is ready, it has queued nothing, and drops `item`.
    pub(crate) async fn push_when_free(&self, item: T) -> Result<(), T> {
        let mut item = match self.push(item) {
            Err(PushError::Full(item)) => item,
            Err(PushError::Closed(item)) => return Err(item),
            Ok(()) => return Ok(()),
        };
        let room = self.room.get_or_init(Box::default);
        loop {
            // INV-5: in this order, so that whoever takes comes before the push or finds this waiting.
            let mut free = pin!(room.notified());
            free.as_mut().enable();
            item = match self.push(item) {
                Err(PushError::Full(item)) => item,
                Err(PushError::Closed(item)) => return Err(item),
                Ok(()) => return Ok(()),
            };
            free.await;
        }
    }

    /// Wakes the task, whatever it waits for.
    pub(crate) fn wake(&self) {
        self.blocks.unpark();
        self.sleeper.wake();
    }

    /// Refuses every later push (INV-2).
    pub(crate) fn close(&self) {
        self.blocks.close();
        self.make_room();
    }

    /// Moves the next items of a closed queue into the empty `batch`, as [`poll_take`](Self::poll_take)
    /// does. Returns whether there were any.
    pub(crate) fn take_left(&self, batch: &mut Vec<T>) -> bool {
        let mut turn = 0;
        loop {
            match self.blocks.take(batch) {
                Found::Items => return true,
                // A sender that came before the close has a few instructions to go.
                Found::Soon => {
                    wait_a_moment(turn);
                    turn += 1;
                }
                Found::Nothing | Found::Closed => return false,
            }
        }
    }

    /// Returns the number of queued items.
    pub(crate) fn len(&self) -> usize {
        self.blocks.len()
    }

    /// Sets whom to wake. The task calls it at the begin of every poll.
    #[inline]
    pub(crate) fn register(&self, waker: &Waker) {
        self.sleeper.register(waker);
    }

    /// Forgets whom to wake: the task is over.
    pub(crate) fn unregister(&self) {
        self.sleeper.unregister();
    }

    /// Moves the next items, some of those that are queued, into the empty `batch`: the first of them
    /// last, so that `pop` returns them in their order. Parks the task if there are none, unless the
    /// queue is closed or `interrupted` says that there is something else to do.
    pub(crate) fn poll_take(
        &self,
        cx: &mut Context<'_>,
        batch: &mut Vec<T>,
        interrupted: impl FnOnce() -> bool,
    ) -> Poll<Taken> {
        for turn in 0..LOOKS {
            match self.blocks.take(batch) {
                Found::Items => {
                    self.make_room();
                    return Poll::Ready(Taken::Items);
                }
                Found::Closed => return Poll::Ready(Taken::Closed),
                Found::Soon => wait_a_moment(turn),
                // INV-4: asked after the task was parked, so that whoever wakes it comes before this
                // or finds it parked.
                Found::Nothing if interrupted() => {
                    self.blocks.unpark();
                    return Poll::Ready(Taken::Interrupted);
                }
                Found::Nothing => {
                    if KEPT_BYTES < batch.capacity() * size_of::<T>() {
                        *batch = Vec::new();
                    }
                    return Poll::Pending;
                }
            }
        }
        // A sender lost its turn in the middle of a push, and will not wake a task that is not parked.
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Lets those try again that wait for room (INV-5).
    #[inline]
    fn make_room(&self) {
        if let Some(room) = self.room.get() {
            room.notify_waiters();
        }
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

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;
