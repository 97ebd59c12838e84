//! How many bytes wait in the queue of an actor, as far as they came by refs.
//!
//! # Invariants
//!
//! - **INV-1**: what is held is at most the mark, but for a single message that is larger.
//! - **INV-2**: what was taken in is given back once, when the message leaves the queue.

use std::sync::atomic::{AtomicUsize, Ordering};

/// The bytes that wait.
#[derive(Debug, Default)]
pub(crate) struct ByteMark {
    held: AtomicUsize,
}

impl ByteMark {
    /// Takes in `bytes` if they fit below `mark`; says whether they do.
    pub(crate) fn take_in(&self, bytes: usize, mark: usize) -> bool {
        let fits = |held: usize| held == 0 || held.saturating_add(bytes) <= mark;
        let more = |held: usize| fits(held).then(|| held.saturating_add(bytes));
        let (set, fetch) = (Ordering::Relaxed, Ordering::Relaxed);
        self.held.fetch_update(set, fetch, more).is_ok()
    }

    /// Gives back what was taken in.
    pub(crate) fn give_back(&self, bytes: usize) {
        self.held.fetch_sub(bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inv1_the_mark_holds_but_for_one_large_message() {
        let mark = ByteMark::default();
        assert!(mark.take_in(60, 100));
        assert!(mark.take_in(40, 100));
        assert!(!mark.take_in(1, 100));
        mark.give_back(40);
        assert!(!mark.take_in(41, 100));
        assert!(mark.take_in(0, 100));
        mark.give_back(60);
        assert!(mark.take_in(1000, 100));
        assert!(!mark.take_in(1, 100));
        mark.give_back(1000);
        assert!(mark.take_in(1, 100));
    }
}
