//! Wakes the task of an actor when its clock has something to do.

use std::pin::Pin;
use std::sync::Mutex;
use std::task::{Context, Poll};

use tokio::time::{Instant, Sleep, sleep_until};

use super::{Clock, Due, lock};

/// The one timer of the runtime that a task uses for all that its clock has to do.
#[derive(Default)]
pub(crate) struct Alarm {
    /// Boxed, as most actors never need one.
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Alarm {
    /// Tells whether the alarm waits for a time.
    pub(crate) fn is_set(&self) -> bool {
        self.sleep.is_some()
    }

    /// Returns what is to be done now, and lets the task be woken when there is more.
    pub(crate) fn poll<M>(&mut self, clock: &Mutex<Clock<M>>, cx: &mut Context<'_>) -> Due {
        let mut due = Due::default();
        loop {
            let Some(next) = lock(clock).next() else {
                self.sleep = None;
                return due;
            };
            let sleep = self
                .sleep
                .get_or_insert_with(|| Box::pin(sleep_until(next)));
            if sleep.deadline() != next {
                sleep.as_mut().reset(next);
            }
            if sleep.as_mut().poll(cx) == Poll::Pending {
                return due;
            }
            let now = Instant::now().max(next);
            let more = lock(clock).due(now);
            due.kill |= more.kill;
            due.leave |= more.leave;
            due.timers |= more.timers;
        }
    }
}
