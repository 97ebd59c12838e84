//! Memory for long messages, used again while long messages come.
//!
//! Memory that is fresh from the system costs as much time as the bytes that are read into it. What the program has
//! let go of is used for the next message.
//!
//! # Invariants
//!
//! - **INV-1**: at most [`KEPT`] bytes are kept, and none after two [`relax`](Pool::relax) without a message in
//!   between.
//! - **INV-2**: memory for a message is at most four times as long as the message.

use std::{
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use bytes::Bytes;

/// The most bytes that are kept: two messages of 64 MiB, one that is received and one that is looked at.
const KEPT: usize = 128 << 20;
/// Shorter memory is not worth keeping.
const LEAST: usize = 64 << 10;

/// The memory of one connection.
#[derive(Clone, Debug, Default)]
pub(super) struct Pool(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    free: Vec<Vec<u8>>,
    bytes: usize,
    is_used: bool,
}

/// Memory that goes back to its pool.
struct Lent {
    memory: Vec<u8>,
    len: usize,
    pool: Weak<Mutex<State>>,
}

impl Pool {
    /// Returns memory for `len` bytes, if there is some. What lies in it is of no meaning.
    pub(super) fn take(&self, len: usize) -> Option<Vec<u8>> {
        let mut state = lock(&self.0);
        let fits = |memory: &Vec<u8>| len <= memory.len() && memory.len() / 4 <= len;
        let i = state.free.iter().position(fits)?;
        let memory = state.free.swap_remove(i);
        state.bytes -= memory.len();
        Some(memory)
    }

    /// Returns the first `len` bytes of `memory`, which comes back when nobody looks at them any more.
    pub(super) fn lend(&self, memory: Vec<u8>, len: usize) -> Bytes {
        if memory.len() < LEAST {
            return Bytes::from(memory).slice(..len);
        }
        lock(&self.0).is_used = true;
        Bytes::from_owner(Lent {
            memory,
            len,
            pool: Arc::downgrade(&self.0),
        })
    }

    /// Gives everything back that is kept, if nothing was lent since the last time.
    pub(super) fn relax(&self) {
        let free = {
            let mut state = lock(&self.0);
            if mem::take(&mut state.is_used) {
                return;
            }
            state.bytes = 0;
            mem::take(&mut state.free)
        };
        drop(free);
    }
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.memory[..self.len]
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let Some(pool) = self.pool.upgrade() else {
            return;
        };
        let memory = mem::take(&mut self.memory);
        let mut state = lock(&pool);
        // INV-1
        if state.bytes + memory.len() <= KEPT {
            state.bytes += memory.len();
            state.free.push(memory);
        }
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEN: usize = 1 << 20;

    #[test]
    fn memory_comes_back_when_the_last_one_lets_go_of_it() {
        let pool = Pool::default();
        let bytes = pool.lend(vec![7; LEN], LEN - 1);
        assert_eq!((bytes.len(), bytes[0]), (LEN - 1, 7));
        let at = bytes.as_ptr();
        let slice = bytes.slice(5..6);
        drop(bytes);
        assert!(pool.take(LEN).is_none(), "somebody looks at it");
        drop(slice);
        let again = pool.take(LEN).unwrap();
        assert_eq!(again.as_ptr(), at);
        assert!(pool.take(LEN).is_none());
    }

    #[test]
    fn inv1_what_is_kept_has_a_bound_and_an_end() {
        let pool = Pool::default();
        let lent: Vec<_> = (0..3)
            .map(|_| pool.lend(vec![0; KEPT / 2], KEPT / 2))
            .collect();
        drop(lent);
        assert_eq!(lock(&pool.0).bytes, KEPT);
        pool.relax();
        assert_eq!(lock(&pool.0).free.len(), 2);
        pool.relax();
        let state = lock(&pool.0);
        assert_eq!((state.free.len(), state.bytes), (0, 0));
    }

    #[test]
    fn inv2_a_short_message_gets_no_long_memory() {
        let pool = Pool::default();
        drop(pool.lend(vec![0; LEN], LEN));
        assert!(pool.take(LEN / 5).is_none());
        assert!(pool.take(LEN / 4).is_some());
        // And what is short is nobody's but the message's.
        drop(pool.lend(vec![0; LEAST - 1], 10));
        assert!(pool.take(LEAST / 2).is_none());
    }
}
