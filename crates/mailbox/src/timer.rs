//! The deadlines of one gateway, kept by one task.
//!
//! # Invariants
//!
//! - **INV-1**: a deadline comes once, and not after it was cancelled before the task saw it.
//! - **INV-2**: no lock is held while a deadline is told.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// Whoever waits for a deadline.
pub(crate) trait Timed: Send + Sync {
    /// The deadline has come. Must not block.
    fn on_deadline(&self);
}

/// Which deadline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TimerKey {
    at: Instant,
    number: u64,
}

/// The rule: deadlines by time.
struct Deadlines<T> {
    waiting: BTreeMap<TimerKey, T>,
    next_number: u64,
}

impl<T> Deadlines<T> {
    const fn new() -> Self {
        Self {
            waiting: BTreeMap::new(),
            next_number: 0,
        }
    }

    /// Returns the key, and whether this deadline is now the first.
    fn add(&mut self, at: Instant, timed: T) -> (TimerKey, bool) {
        let key = TimerKey {
            at,
            number: self.next_number,
        };
        self.next_number += 1;
        self.waiting.insert(key, timed);
        (
            key,
            self.waiting
                .first_key_value()
                .is_some_and(|(first, _)| *first == key),
        )
    }

    fn cancel(&mut self, key: TimerKey) -> Option<T> {
        self.waiting.remove(&key)
    }

    fn next(&self) -> Option<Instant> {
        self.waiting.first_key_value().map(|(key, _)| key.at)
    }

    /// Removes and returns what is due at `now`, in order.
    fn due(&mut self, now: Instant) -> Vec<T> {
        let later = self.waiting.split_off(&TimerKey {
            at: now,
            number: u64::MAX,
        });
        std::mem::replace(&mut self.waiting, later)
            .into_values()
            .collect()
    }
}

/// The deadlines and the task that tells them. The task starts with the first deadline.
pub(crate) struct Timers {
    shared: Arc<TimerState>,
    task: Mutex<Task>,
}

enum Task {
    NotStarted,
    Running(JoinHandle<()>),
    Stopped,
}

struct TimerState {
    deadlines: Mutex<Deadlines<Weak<dyn Timed>>>,
    /// An earlier deadline than all others was added.
    sooner: Notify,
}

impl Timers {
    pub(crate) fn new() -> Self {
        let deadlines = Mutex::new(Deadlines::new());
        let shared = Arc::new(TimerState {
            deadlines,
            sooner: Notify::new(),
        });
        Self {
            shared,
            task: Mutex::new(Task::NotStarted),
        }
    }

    /// Calls `timed` at `at`, unless it is gone by then.
    pub(crate) fn add(&self, runtime: &Handle, at: Instant, timed: Weak<dyn Timed>) -> TimerKey {
        let (key, is_first) = self.shared.lock().add(at, timed);
        if is_first {
            self.shared.sooner.notify_one();
        }
        let mut task = self.task.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(*task, Task::NotStarted) {
            *task = Task::Running(runtime.spawn(run(self.shared.clone())));
        }
        key
    }

    pub(crate) fn cancel(&self, key: TimerKey) {
        let timed = self.shared.lock().cancel(key);
        drop(timed);
    }

    /// Ends the task and waits for it. Deadlines that are left do not come any more.
    pub(crate) async fn stop(&self) {
        let task = std::mem::replace(
            &mut *self.task.lock().unwrap_or_else(PoisonError::into_inner),
            Task::Stopped,
        );
        if let Task::Running(task) = task {
            task.abort();
            // Aborted at its next await, which it reaches without blocking.
            _ = task.await;
        }
    }
}

impl Drop for Timers {
    fn drop(&mut self) {
        let task = self.task.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Task::Running(task) = task {
            task.abort();
        }
    }
}

impl TimerState {
    fn lock(&self) -> MutexGuard<'_, Deadlines<Weak<dyn Timed>>> {
        self.deadlines
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

async fn run(state: Arc<TimerState>) {
    loop {
        let next = state.lock().next();
        let sooner = state.sooner.notified();
        match next {
            None => sooner.await,
            Some(next) => {
                tokio::select! {
                    () = sooner => continue,
                    () = tokio::time::sleep_until(next) => {}
                }
            }
        }
        let due = state.lock().due(Instant::now());
        for timed in due.iter().filter_map(Weak::upgrade) {
            timed.on_deadline();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn inv1_deadlines_come_once_in_order_unless_cancelled() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut deadlines = Deadlines::new();
        let (late, is_first) = deadlines.add(at(30), 'c');
        assert!(is_first);
        assert!(deadlines.add(at(10), 'a').1);
        assert!(!deadlines.add(at(10), 'b').1);
        deadlines.add(at(40), 'd');
        assert_eq!(deadlines.due(at(9)), []);
        assert_eq!(deadlines.due(at(10)), ['a', 'b']);
        assert_eq!(deadlines.next(), Some(at(30)));
        assert_eq!(
            (deadlines.cancel(late), deadlines.cancel(late)),
            (Some('c'), None)
        );
        assert_eq!(deadlines.due(at(100)), ['d']);
        assert_eq!(deadlines.next(), None);
    }
}
