//! The flight recorder of one actor: a ring of what it did last.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use tokio::time::Instant;

use super::{ActorEvent, EventOutcome};

/// The most events that are kept, whatever the setting says.
const MAX_EVENTS: usize = 4096;

/// The ring, and when the handler began that runs.
pub(super) struct Recorder {
    n_events: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    events: VecDeque<Event>,
    busy: Duration,
    /// When the handler began that runs.
    begun: Option<Instant>,
}

struct Event {
    handler: u32,
    begun: Instant,
    took: Duration,
    outcome: EventOutcome,
}

/// What a recorder has.
pub(super) struct Recording {
    pub(super) recent: Vec<ActorEvent>,
    pub(super) busy: Duration,
    pub(super) running_for: Option<Duration>,
}

impl Recorder {
    pub(super) fn new(n_events: usize) -> Self {
        Self {
            n_events: n_events.min(MAX_EVENTS),
            state: Mutex::default(),
        }
    }

    pub(super) fn begin(&self) {
        self.lock().begun = Some(Instant::now());
    }

    /// Records the end of the handler with the number `handler`.
    pub(super) fn end(&self, handler: u32, outcome: EventOutcome) {
        let state = &mut *self.lock();
        let Some(begun) = state.begun.take() else {
            return;
        };
        let took = begun.elapsed();
        state.busy += took;
        if state.events.len() == self.n_events {
            state.events.pop_front();
        }
        state.events.push_back(Event {
            handler,
            begun,
            took,
            outcome,
        });
    }

    /// Returns what happened, with the names that `name` gives to handlers.
    pub(super) fn read(&self, name: impl Fn(u32) -> String) -> Recording {
        let now = Instant::now();
        let state = self.lock();
        let running_for = state.begun.map(|begun| now - begun);
        let show = |event: &Event| ActorEvent {
            message: name(event.handler),
            begun_ago: now - event.begun,
            took: event.took,
            outcome: event.outcome,
        };
        Recording {
            recent: state.events.iter().map(show).collect(),
            busy: state.busy + running_for.unwrap_or_default(),
            running_for,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nothing panics under this lock")
    }
}
