//! How many children there are, for those who wait until there are none.

use std::{
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::{sync::watch, time::timeout};

/// A count that can be awaited, and waited for without a runtime.
#[derive(Debug)]
pub(super) struct Live {
    count: Mutex<usize>,
    changed: Condvar,
    watched: watch::Sender<usize>,
}

impl Live {
    pub(super) fn new() -> Self {
        Self {
            count: Mutex::new(0),
            changed: Condvar::new(),
            watched: watch::Sender::new(0),
        }
    }

    /// Counts one child more.
    pub(super) fn add(&self) {
        let mut count = self.lock();
        *count += 1;
        self.watched.send_replace(*count);
    }

    /// Counts one child less.
    pub(super) fn remove(&self) {
        let mut count = self.lock();
        *count = count
            .checked_sub(1)
            .expect("only what was added is removed");
        self.watched.send_replace(*count);
        self.changed.notify_all();
    }

    pub(super) fn count(&self) -> usize {
        *self.lock()
    }

    /// Waits until there is none, at most `within`, and returns how many there are then.
    pub(super) async fn wait_empty(&self, within: Duration) -> usize {
        let mut watched = self.watched.subscribe();
        _ = timeout(within, watched.wait_for(|&count| count == 0)).await;
        self.count()
    }

    /// Like `wait_empty`, blocking the calling thread.
    pub(super) fn wait_empty_blocking(&self, within: Duration) -> usize {
        let start = Instant::now();
        let mut count = self.lock();
        while *count != 0
            && let Some(rest) = within.checked_sub(start.elapsed())
        {
            let woken = self.changed.wait_timeout(count, rest);
            count = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
        *count
    }

    fn lock(&self) -> MutexGuard<'_, usize> {
        self.count.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
