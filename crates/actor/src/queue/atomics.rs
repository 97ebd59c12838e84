//! What the block list is built from. The model tests put loom's parts in place of these.

pub(super) use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, Ordering};

/// Positions of a block, one more than it has slots.
pub(super) const LAP: u64 = 16;

/// A larger buffer is given back to the allocator when the queue is idle, in bytes.
pub(super) const KEPT_BYTES: usize = 1536;

/// How often a thread that waits for another's few instructions spins before it gives up its turn.
const SPINS: u32 = 64;

/// A cell that is reached through raw pointers only; who may use them is up to the caller.
pub(super) struct UnsafeCell<T>(std::cell::UnsafeCell<T>);

impl<T> UnsafeCell<T> {
    pub(super) fn new(value: T) -> Self {
        Self(std::cell::UnsafeCell::new(value))
    }

    #[inline]
    pub(super) fn with<R>(&self, read: impl FnOnce(*const T) -> R) -> R {
        read(self.0.get())
    }

    #[inline]
    pub(super) fn with_mut<R>(&self, write: impl FnOnce(*mut T) -> R) -> R {
        write(self.0.get())
    }
}

/// Waits a moment for another thread to get on; `turn` says how often the caller has waited.
pub(super) fn wait_a_moment(turn: u32) {
    if turn < SPINS {
        std::hint::spin_loop();
    } else {
        std::thread::yield_now();
    }
}
