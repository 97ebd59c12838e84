//! How many procs a link may teach us the way back to: what a peer makes us keep is bounded for each link.
//!
//! # Invariants
//!
//! - **INV-1**: between two losses of its connection a link teaches at most [`LIMIT`] ways, whatever others do.
//! - **INV-2**: memory goes by the number of links that are connected.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// More than the procs of a host; the front of a host sends for all of them.
const LIMIT: usize = 4096;

/// What the links of one gateway have taught, by the numbers of their sessions.
#[derive(Debug, Default)]
pub(crate) struct Lessons {
    taught: Mutex<HashMap<u64, usize>>,
}

impl Lessons {
    /// Returns whether the link may teach one more, and counts that.
    pub(crate) fn admit(&self, session: u64) -> bool {
        let mut taught = self.lock();
        let taught = taught.entry(session).or_default();
        let is_admitted = *taught < LIMIT;
        *taught += usize::from(is_admitted);
        is_admitted
    }

    /// Learns that the link has ended, or lost its connection.
    pub(crate) fn forget(&self, session: u64) {
        self.lock().remove(&session);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, usize>> {
        // Nothing that can panic runs under the lock.
        self.taught.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inv1_and_inv2_a_link_teaches_so_many_and_others_do_not_notice() {
        let lessons = Lessons::default();
        let admitted = (0..2 * LIMIT).filter(|_| lessons.admit(1)).count();
        assert_eq!(admitted, LIMIT);
        assert!(lessons.admit(2));
        lessons.forget(1);
        assert_eq!(lessons.lock().len(), 1);
        assert!(lessons.admit(1));
    }
}
