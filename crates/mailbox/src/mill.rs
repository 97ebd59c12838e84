//! Folds what comes in from many threads, by one thread at a time and under no lock.
//!
//! Whoever brings an event puts it into the inbox. Whoever finds the gathering free takes it out with
//! the whole inbox, folds, puts it back, and looks again.
//!
//! # Invariants
//!
//! - **INV-1**: events are applied once, in the order they came.
//! - **INV-2**: no lock is held while a reducer runs or an update is bounced.
//! - **INV-3**: when `turn` returns without a result, the inbox was empty after the gathering was put
//!   back, or another thread has the gathering and will look.

use std::sync::{Mutex, MutexGuard, PoisonError};

use hypermesh_wire::{Any, Named};

use crate::fold::Folder;
use crate::gather::{Gather, Partial, Refusal};
use crate::{
    CastOrdinal, Cause, Envelope, EnvelopeHeader, Gateway, Ordinals, QueueCharge, Undelivered,
};

/// What can happen to a gathering.
pub(crate) enum Event {
    /// An update came as an envelope, whose bytes are counted while it waits.
    Envelope(Box<Envelope>, QueueCharge),
    /// An update came from a handle of this process.
    Local(Any),
    /// These members will not answer.
    Missing(Ordinals),
    /// No more time is left.
    Deadline,
}

impl Event {
    /// Returns the event that an update has come.
    pub(crate) fn envelope(envelope: Envelope, gateway: &Gateway) -> Self {
        let charge = gateway.charge(&envelope);
        Self::Envelope(Box::new(envelope), charge)
    }
}

pub(crate) struct Mill<F> {
    state: Mutex<State<F>>,
}

struct State<F> {
    inbox: Vec<Event>,
    /// Away while a thread folds.
    gathering: Option<Gathering<F>>,
}

/// A gathering, and whether its time is over.
pub(crate) struct Gathering<F> {
    pub(crate) gather: Gather<F>,
    pub(crate) is_late: bool,
}

impl<F: Folder> Mill<F> {
    pub(crate) fn new(gather: Gather<F>) -> Self {
        let gathering = Gathering {
            gather,
            is_late: false,
        };
        Self {
            state: Mutex::new(State {
                inbox: Vec::new(),
                gathering: Some(gathering),
            }),
        }
    }

    /// Adds `event` and returns how many wait now.
    pub(crate) fn push(&self, event: Event) -> usize {
        let mut state = self.lock();
        state.inbox.push(event);
        state.inbox.len()
    }

    /// Applies what waits and asks `look` what to make of it, until that has a result, or nothing
    /// waits any more, or another thread is at it (INV-3).
    pub(crate) fn turn<T>(
        &self,
        gateway: &Gateway,
        mut look: impl FnMut(&mut Gathering<F>) -> Option<T>,
    ) -> Option<T> {
        loop {
            let (mut gathering, events) = {
                let mut state = self.lock();
                let gathering = state.gathering.take()?;
                (gathering, std::mem::take(&mut state.inbox))
            };
            for event in events {
                apply(&mut gathering, event, gateway);
            }
            let result = look(&mut gathering);
            let mut state = self.lock();
            state.gathering = Some(gathering);
            if result.is_some() || state.inbox.is_empty() {
                return result;
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<F>> {
        // Nothing that can panic runs under the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn apply<F: Folder>(gathering: &mut Gathering<F>, event: Event, gateway: &Gateway) {
    let gather = &mut gathering.gather;
    match event {
        Event::Local(input) => {
            // The sender is in this process and has been told that the update is queued.
            if let Err(refusal) = gather.on_update(None, input) {
                tracing::warn!(cause = %refusal.cause, "a reducer refused an update");
            }
        }
        Event::Envelope(envelope, charge) => {
            drop(charge);
            take_envelope(gather, *envelope, gateway);
        }
        Event::Missing(members) => gather.on_missing(&members),
        Event::Deadline => gathering.is_late = true,
    }
}

fn take_envelope<F: Folder>(gather: &mut Gather<F>, envelope: Envelope, gateway: &Gateway) {
    if envelope.key() == Partial::KEY {
        let (header, headers) = (envelope.header, envelope.headers.clone());
        match envelope.take::<Partial>() {
            Ok(partial) => {
                if let Err(refusal) = gather.on_partial(partial) {
                    bounce_consumed(header, headers, Partial::KEY, refusal.cause, gateway);
                }
            }
            Err(rejected) => gateway.bounce(rejected.envelope, rejected.cause),
        }
        return;
    }
    let from = match CastOrdinal::of(&envelope.headers) {
        Ok(from) => from,
        Err(error) => {
            return gateway.bounce(envelope, Cause::Decode(error.to_string().into()));
        }
    };
    let Envelope {
        header,
        to,
        headers,
        body,
    } = envelope;
    let key = body.key();
    match gather.on_update(from, body) {
        Ok(()) => {}
        Err(Refusal {
            input: Some(body),
            cause,
        }) => {
            gateway.bounce(
                Envelope {
                    header,
                    to,
                    headers,
                    body: *body,
                },
                cause,
            );
        }
        Err(Refusal { input: None, cause }) => {
            bounce_consumed(header, headers, key, cause, gateway);
        }
    }
}

/// Bounces an update that the reducer took and did not give back.
fn bounce_consumed(
    header: EnvelopeHeader,
    headers: hypermesh_wire::Headers,
    key: hypermesh_wire::TypeKey,
    cause: Cause,
    gateway: &Gateway,
) {
    gateway.tell(Undelivered {
        header,
        key,
        headers,
        cause,
        payload: None,
        size: None,
    });
}
