//! The states of one allocation between those who report them and the one who polls.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::{
    proc_state::ProcState,
    states::{Next, States},
};

/// [`States`] that can be awaited.
#[derive(Debug)]
pub(crate) struct Feed {
    states: Mutex<States>,
    changed: Notify,
}

impl Feed {
    /// Returns the feed of an allocation of `n_procs` procs.
    pub(crate) fn new(n_procs: usize) -> Self {
        Self {
            states: Mutex::new(States::new(n_procs)),
            changed: Notify::new(),
        }
    }

    /// Queues `state` if it is a step forward, and returns whether it was.
    pub(crate) fn push(&self, state: ProcState) -> bool {
        let is_forward = self.lock().push(state);
        self.changed.notify_one();
        is_forward
    }

    /// Queues the failure of a proc that will never be created.
    pub(crate) fn give_up(&self, failed: ProcState) {
        self.lock().give_up(failed);
        self.changed.notify_one();
    }

    /// Returns the next state, or `None` at the end.
    ///
    /// There is one caller at a time: a permit of the notification that nobody waited for is kept.
    pub(crate) async fn next(&self) -> Option<ProcState> {
        loop {
            match self.lock().pop() {
                Next::State(state) => return Some(*state),
                Next::End => return None,
                Next::Later => {}
            }
            self.changed.notified().await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, States> {
        self.states.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
