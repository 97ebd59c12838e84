//! How many encoded bytes wait in all queues of a process, and when links are to wait for that.
//!
//! # Invariants
//!
//! - **INV-1**: what is in use is the sum of the charges that exist.
//! - **INV-2**: whoever waits for room is woken when a full budget gets some.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Notify;

/// The bytes that may wait in the queues of one gateway's procs.
#[derive(Debug)]
pub(crate) struct ByteBudget {
    limit: u64,
    used: AtomicU64,
    room: Notify,
}

impl ByteBudget {
    pub(crate) fn new(limit: u64) -> Arc<Self> {
        Arc::new(Self {
            limit,
            used: AtomicU64::new(0),
            room: Notify::new(),
        })
    }

    /// Counts `bytes` for as long as the charge exists. Never refuses: those who send stop at a full budget.
    pub(crate) fn charge(self: &Arc<Self>, bytes: u64) -> QueueCharge {
        if bytes == 0 {
            return QueueCharge::NONE;
        }
        self.used.fetch_add(bytes, Ordering::SeqCst);
        QueueCharge(Some((self.clone(), bytes)))
    }

    pub(crate) fn used(&self) -> u64 {
        self.used.load(Ordering::SeqCst)
    }

    pub(crate) fn is_full(&self) -> bool {
        self.limit <= self.used()
    }

    /// Waits until the budget is not full. Nothing is kept for whoever waited.
    pub(crate) async fn ready(&self) {
        loop {
            let mut room = pin!(self.room.notified());
            room.as_mut().enable();
            if !self.is_full() {
                return;
            }
            room.await;
        }
    }
}

/// Encoded bytes that wait in a queue of this process. They are counted until it is dropped.
#[derive(Debug)]
#[must_use = "the bytes are counted until it is dropped"]
pub struct QueueCharge(Option<(Arc<ByteBudget>, u64)>);

impl QueueCharge {
    /// The charge for a message that is not encoded.
    pub const NONE: Self = Self(None);

    /// Returns how many bytes it stands for.
    pub fn bytes(&self) -> u64 {
        self.0.as_ref().map_or(0, |(_, bytes)| *bytes)
    }
}

impl Drop for QueueCharge {
    fn drop(&mut self) {
        let Some((budget, bytes)) = self.0.take() else {
            return;
        };
        let before = budget.used.fetch_sub(bytes, Ordering::SeqCst);
        // INV-2: only the step below the limit is news.
        if budget.limit <= before && before - bytes < budget.limit {
            budget.room.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Waker};

    use super::*;

    #[test]
    fn inv1_and_inv2_charges_add_up_and_room_wakes() {
        let budget = ByteBudget::new(100);
        let first = budget.charge(60);
        assert!(!budget.is_full());
        let second = budget.charge(50);
        assert_eq!(
            (budget.used(), first.bytes(), second.bytes()),
            (110, 60, 50)
        );
        let mut cx = Context::from_waker(Waker::noop());
        let mut ready = pin!(budget.ready());
        assert!(ready.as_mut().poll(&mut cx).is_pending());
        let third = budget.charge(0);
        assert_eq!((budget.used(), third.bytes()), (110, 0));
        drop(second);
        assert!(ready.as_mut().poll(&mut cx).is_ready());
        drop((first, third));
        assert_eq!(budget.used(), 0);
    }
}
