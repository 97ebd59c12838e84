//! Memory that is read into, used again while much comes.
//!
//! Memory that is fresh from the system costs as much time as the bytes that are read into it. What the program has
//! let go of is used for the next bytes.
//!
//! # Invariants
//!
//! - **INV-1**: at most so many bytes are kept as the pool was made for, and none after two [`relax`](Pool::relax)
//!   without a use in between.
//! - **INV-2**: memory for a message is at most four times as long as the message.

use std::{
    mem,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak},
};

use bytes::Bytes;

/// Shorter memory is not worth keeping.
const LEAST: usize = 64 << 10;

/// The memory of one connection. It takes none itself before it is used: most connections are idle.
#[derive(Debug)]
pub(crate) struct Pool {
    /// The most bytes that are kept.
    most: usize,
    state: OnceLock<Arc<Mutex<State>>>,
}

#[derive(Debug, Default)]
struct State {
    /// What was used last is at the end, and is used first: it may be in a cache.
    free: Vec<Vec<u8>>,
    bytes: usize,
    is_used: bool,
}

/// Memory that goes back to its pool.
struct Lent {
    memory: Vec<u8>,
    len: usize,
    pool: Weak<Mutex<State>>,
    most: usize,
}

impl Pool {
    /// Returns a pool that keeps at most so many bytes.
    pub(crate) fn new(most: usize) -> Self {
        let state = OnceLock::new();
        Self { most, state }
    }

    /// Returns memory for `len` bytes, if there is some. What lies in it is of no meaning.
    pub(crate) fn take(&self, len: usize) -> Option<Vec<u8>> {
        let mut state = lock(self.state.get()?);
        let fits = |memory: &Vec<u8>| len <= memory.len() && memory.len() / 4 <= len;
        let i = state.free.iter().rposition(fits)?;
        let memory = state.free.remove(i);
        state.bytes -= memory.len();
        Some(memory)
    }

    /// Returns the first `len` bytes of `memory`, which comes back when nobody looks at them any more.
    pub(crate) fn lend(&self, memory: Vec<u8>, len: usize) -> Bytes {
        if memory.len() < LEAST {
            return Bytes::from(memory).slice(..len);
        }
        let state = self.state();
        lock(state).is_used = true;
        Bytes::from_owner(Lent {
            memory,
            len,
            pool: Arc::downgrade(state),
            most: self.most,
        })
    }

    /// Takes memory that nobody looks at.
    pub(crate) fn give_back(&self, memory: Vec<u8>) {
        keep(self.state(), memory, self.most);
    }

    /// Gives everything back that is kept, if nothing was lent since the last time.
    pub(crate) fn relax(&self) {
        let Some(state) = self.state.get() else {
            return;
        };
        let free = {
            let mut state = lock(state);
            if mem::take(&mut state.is_used) {
                return;
            }
            state.bytes = 0;
            mem::take(&mut state.free)
        };
        drop(free);
    }

    fn state(&self) -> &Arc<Mutex<State>> {
        self.state.get_or_init(Arc::default)
    }
}

impl Clone for Pool {
    /// Returns another handle of the same pool.
    fn clone(&self) -> Self {
        Self {
            most: self.most,
            state: OnceLock::from(self.state().clone()),
        }
    }
}

/// Keeps memory that nobody looks at (INV-1).
fn keep(state: &Mutex<State>, memory: Vec<u8>, most: usize) {
    let mut state = lock(state);
    if state.bytes + memory.len() <= most {
        state.bytes += memory.len();
        state.free.push(memory);
    }
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.memory[..self.len]
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let Some(pool) = self.pool.upgrade() {
            keep(&pool, mem::take(&mut self.memory), self.most);
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
    const KEPT: usize = 128 << 20;

    #[test]
    fn memory_comes_back_when_the_last_one_lets_go_of_it() {
        let pool = Pool::new(KEPT);
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
        let pool = Pool::new(KEPT);
        let lent: Vec<_> = (0..3)
            .map(|_| pool.lend(vec![0; KEPT / 2], KEPT / 2))
            .collect();
        drop(lent);
        assert_eq!(lock(pool.state()).bytes, KEPT);
        pool.relax();
        assert_eq!(lock(pool.state()).free.len(), 2);
        pool.relax();
        let state = lock(pool.state());
        assert_eq!((state.free.len(), state.bytes), (0, 0));
    }

    #[test]
    fn what_was_used_last_is_used_first() {
        let pool = Pool::new(KEPT);
        let [first, last] = [vec![0; LEN], vec![0; LEN]];
        let at = last.as_ptr();
        pool.give_back(first);
        pool.give_back(last);
        let again = pool.take(LEN).unwrap();
        assert_eq!(again.as_ptr(), at);
    }

    #[test]
    fn inv2_a_short_message_gets_no_long_memory() {
        let pool = Pool::new(KEPT);
        drop(pool.lend(vec![0; LEN], LEN));
        assert!(pool.take(LEN / 5).is_none());
        assert!(pool.take(LEN / 4).is_some());
        // And what is short is nobody's but the message's.
        drop(pool.lend(vec![0; LEAST - 1], 10));
        assert!(pool.take(LEAST / 2).is_none());
    }
}
