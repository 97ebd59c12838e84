//! What an actor does, as anybody may read it: how many messages it has handled, which handler runs, and the
//! last events of its flight recorder.
//!
//! The recorder is off unless [`ACTOR_EVENTS`] says how many events to keep: it looks at the clock twice for each
//! message.
//!
//! # Invariants
//!
//! - **INV-1**: only the task of the actor writes, and it holds no lock while code of a user runs. So an actor that
//!   blocks its thread is read like any other, and reading changes nothing.
//! - **INV-2**: while the recorder is off, a message costs a few stores, and no clock, lock or allocation.
//! - **INV-3**: the recorder keeps at most as many events as it was made for.

mod published;
mod recorder;

use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use self::published::Published;
use self::recorder::Recorder;
use crate::settings::ACTOR_EVENTS;

/// What an actor does, read from outside of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ActorActivity {
    /// How many messages it has handled, those that failed included.
    pub handled: u64,
    /// The handler that runs now.
    pub current: Option<CurrentHandler>,
    /// How long its handlers have run altogether, the time they waited included; `None` if the recorder is off.
    pub busy: Option<Duration>,
    /// The last messages it has handled, the oldest first; none if the recorder is off.
    pub recent: Vec<ActorEvent>,
    /// What it has published about itself, see [`Cx::publish`](crate::Cx::publish).
    pub published: BTreeMap<String, String>,
}

/// A handler that runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct CurrentHandler {
    /// The type of its message, as the handler names it.
    pub message: String,
    /// How long it has run; `None` if the recorder is off.
    pub running_for: Option<Duration>,
}

/// One message that an actor has handled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ActorEvent {
    /// The type of the message, as the handler names it.
    pub message: String,
    /// How long ago the handler began.
    pub begun_ago: Duration,
    /// How long it took.
    pub took: Duration,
    /// How it went.
    pub outcome: EventOutcome,
}

/// How the handling of a message went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum EventOutcome {
    /// The actor went on.
    Handled,
    /// The actor failed.
    Failed,
    /// The actor ended before the handler did.
    CutShort,
}

impl EventOutcome {
    /// Returns the outcome of a handler that has returned `result`.
    pub(crate) fn of<E>(result: &Result<(), E>) -> Self {
        match result {
            Ok(()) => Self::Handled,
            Err(_) => Self::Failed,
        }
    }
}

/// What the task of an actor writes about itself.
pub(crate) struct Activity {
    handled: AtomicU64,
    /// The number of the handler that runs; 0 if none does.
    handler: AtomicU32,
    /// What few actors have.
    extras: OnceLock<Box<Extras>>,
}

#[derive(Default)]
struct Extras {
    recorder: Option<Recorder>,
    published: Published,
}

impl Activity {
    pub(crate) fn new() -> Self {
        let n_events = ACTOR_EVENTS.get();
        Self {
            handled: AtomicU64::new(0),
            handler: AtomicU32::new(0),
            extras: match n_events {
                0 => OnceLock::new(),
                _ => OnceLock::from(Box::new(Extras::recording(n_events))),
            },
        }
    }

    fn recorder(&self) -> Option<&Recorder> {
        self.extras.get()?.recorder.as_ref()
    }

    /// The task begins to run handler number `handler`, from 1.
    #[inline]
    pub(crate) fn begin(&self, handler: u32) {
        self.handler.store(handler, Ordering::Relaxed);
        if let Some(recorder) = self.recorder() {
            recorder.begin();
        }
    }

    /// The handler has ended.
    #[inline]
    pub(crate) fn end(&self, outcome: EventOutcome) {
        if let Some(recorder) = self.recorder() {
            recorder.end(self.handler.load(Ordering::Relaxed), outcome);
        }
        self.handler.store(0, Ordering::Relaxed);
        // No other thread writes.
        let handled = self.handled.load(Ordering::Relaxed);
        self.handled.store(handled + 1, Ordering::Relaxed);
    }

    /// Publishes what `snapshot` returns.
    pub(crate) fn publish<N: Into<String>, T: ToString>(
        &self,
        snapshot: impl FnOnce() -> Vec<(N, T)>,
    ) {
        let extras = self.extras.get_or_init(Box::default);
        extras.published.set(snapshot);
    }

    /// Returns what is known now. `names` are those of the handlers; if the actor `is_over`, a handler that has
    /// not ended never will.
    pub(crate) fn read(&self, names: &[&str], is_over: bool) -> ActorActivity {
        let name = |handler: u32| {
            let idx = (handler as usize).checked_sub(1);
            let name = idx.and_then(|idx| names.get(idx));
            name.map_or_else(String::new, |name| (*name).to_owned())
        };
        let handler = self.handler.load(Ordering::Relaxed);
        let mut activity = ActorActivity {
            handled: self.handled.load(Ordering::Relaxed),
            ..ActorActivity::default()
        };
        if let Some(extras) = self.extras.get() {
            activity.published = extras.published.read();
        }
        let mut running_for = None;
        if let Some(recorder) = self.recorder() {
            let recording = recorder.read(name);
            running_for = recording.running_for;
            activity.busy = Some(recording.busy);
            activity.recent = recording.recent;
        }
        match (handler, is_over, running_for) {
            (0, _, _) | (_, true, None) => {}
            (_, false, _) => {
                let message = name(handler);
                activity.current = Some(CurrentHandler {
                    message,
                    running_for,
                });
            }
            (_, true, Some(begun_ago)) => activity.recent.push(ActorEvent {
                message: name(handler),
                begun_ago,
                took: begun_ago,
                outcome: EventOutcome::CutShort,
            }),
        }
        activity
    }
}

impl Extras {
    fn recording(n_events: usize) -> Self {
        Self {
            recorder: Some(Recorder::new(n_events)),
            ..Self::default()
        }
    }
}

#[cfg(test)]
mod tests;
