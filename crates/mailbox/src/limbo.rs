//! Messages that may or may not have been delivered, because a connection was lost, and that wait a
//! little to learn why.
//!
//! A connection that is lost is most often the first sign of a process that has died. Whoever started
//! that process knows so a moment later. A message waits for that, so that its sender is told the
//! root cause and not the sign.
//!
//! # Invariants
//!
//! - **INV-1**: what comes in goes out once: at the death of the proc it was for, or at the latest after
//!   [`GatewayOptions::unknown_pause`](crate::GatewayOptions::unknown_pause).
//! - **INV-2**: the messages for one proc go out in the order they came in.
//! - **INV-3**: at most [`LIMIT`] messages wait; what comes on top goes out at once.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::ProcId;

/// How many messages may wait.
const LIMIT: usize = 1 << 16;

/// The messages of one gateway that wait, by the proc that they are for.
pub(crate) struct Limbo<T> {
    state: Mutex<State<T>>,
}

struct State<T> {
    waiting: BTreeMap<ProcId, Arc<Wait<T>>>,
    n_waiting: usize,
}

/// The messages for one proc that wait for the same moment.
pub(crate) struct Wait<T> {
    proc: ProcId,
    messages: Mutex<Vec<T>>,
}

/// What became of a message that came in.
pub(crate) enum Entry<T> {
    /// It is the first of its proc: somebody has to call [`Limbo::end`] later.
    First(Arc<Wait<T>>),
    /// It waits with others.
    Waits,
    /// There is no room.
    Full(T),
}

impl<T> Limbo<T> {
    pub(crate) const fn new() -> Self {
        Self {
            state: Mutex::new(State {
                waiting: BTreeMap::new(),
                n_waiting: 0,
            }),
        }
    }

    /// Takes a message for `proc`.
    pub(crate) fn enter(&self, proc: ProcId, message: T) -> Entry<T> {
        let mut state = self.lock();
        if LIMIT <= state.n_waiting {
            return Entry::Full(message);
        }
        state.n_waiting += 1;
        if let Some(wait) = state.waiting.get(&proc) {
            lock(&wait.messages).push(message);
            return Entry::Waits;
        }
        let messages = Mutex::new(vec![message]);
        let wait = Arc::new(Wait { proc, messages });
        state.waiting.insert(proc, wait.clone());
        Entry::First(wait)
    }

    /// Returns the messages of `wait`, whose time is over; none if its proc has died meanwhile.
    pub(crate) fn end(&self, wait: &Wait<T>) -> Vec<T> {
        let mut state = self.lock();
        let known = state.waiting.get(&wait.proc);
        match known.is_some_and(|known| std::ptr::eq(&raw const **known, wait)) {
            true => state.take(wait.proc),
            false => Vec::new(),
        }
    }

    /// Returns the messages for `proc`, which has died.
    pub(crate) fn on_death(&self, proc: ProcId) -> Vec<T> {
        self.lock().take(proc)
    }

    /// Returns all messages: nobody will know more.
    pub(crate) fn take_all(&self) -> Vec<T> {
        let mut state = self.lock();
        let procs: Vec<ProcId> = state.waiting.keys().copied().collect();
        procs
            .into_iter()
            .flat_map(|proc| state.take(proc))
            .collect()
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        lock(&self.state)
    }
}

impl<T> Wait<T> {
    pub(crate) fn proc(&self) -> ProcId {
        self.proc
    }

    /// Asks the first of the messages for something, if they still wait.
    pub(crate) fn look<U>(&self, ask: impl FnOnce(&T) -> Option<U>) -> Option<U> {
        lock(&self.messages).first().and_then(ask)
    }
}

impl<T> State<T> {
    fn take(&mut self, proc: ProcId) -> Vec<T> {
        let Some(wait) = self.waiting.remove(&proc) else {
            return Vec::new();
        };
        let messages = std::mem::take(&mut *lock(&wait.messages));
        self.n_waiting -= messages.len();
        messages
    }
}

/// Nothing that can panic runs under these locks.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proc(rank: u32) -> ProcId {
        ProcId::new(1, rank, 0)
    }

    fn first<T>(entry: Entry<T>) -> Arc<Wait<T>> {
        match entry {
            Entry::First(wait) => wait,
            _ => panic!("not the first"),
        }
    }

    #[test]
    fn inv1_and_inv2_messages_go_out_once_in_order() {
        let limbo = Limbo::new();
        let zero = first(limbo.enter(proc(0), 'a'));
        let one = first(limbo.enter(proc(1), 'x'));
        assert!(matches!(limbo.enter(proc(0), 'b'), Entry::Waits));
        assert_eq!(limbo.on_death(proc(0)), ['a', 'b']);
        assert_eq!(limbo.on_death(proc(0)), []);
        // The end of a wait is not that of the one after it.
        let again = first(limbo.enter(proc(0), 'c'));
        assert_eq!(limbo.end(&zero), []);
        assert_eq!(limbo.end(&again), ['c']);
        assert_eq!(limbo.end(&again), []);
        limbo.enter(proc(1), 'y');
        first(limbo.enter(proc(2), 'z'));
        assert_eq!(limbo.take_all(), ['x', 'y', 'z']);
        assert_eq!(limbo.end(&one), []);
    }

    #[test]
    fn inv3_what_is_too_much_does_not_wait() {
        let limbo = Limbo::new();
        first(limbo.enter(proc(0), 0));
        for n in 1..LIMIT {
            assert!(matches!(limbo.enter(proc(0), n), Entry::Waits));
        }
        assert!(matches!(limbo.enter(proc(1), 7), Entry::Full(7)));
        assert_eq!(limbo.on_death(proc(0)).len(), LIMIT);
        first(limbo.enter(proc(1), 7));
    }
}
