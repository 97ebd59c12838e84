//! The children of an actor.
//!
//! # Invariants
//!
//! - **INV-1**: once closed, no child is added; whoever closed it knows all there are.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use hypermesh_mailbox::ActorId;

use crate::cell::AnyCell;
use crate::restart::Restarts;

/// The children of an actor, by the key of their id.
#[derive(Default)]
pub(crate) struct Children {
    state: Mutex<State>,
    restarts: Restarts,
}

#[derive(Default)]
struct State {
    live: BTreeMap<ActorId, Arc<dyn AnyCell>>,
    closed: bool,
}

impl Children {
    /// Adds a child; false if the parent is ending (INV-1).
    pub(crate) fn add(&self, child: Arc<dyn AnyCell>) -> bool {
        let mut state = self.lock();
        if state.closed {
            return false;
        }
        state.live.insert(child.core().id(), child);
        true
    }

    /// Forgets a child that ended.
    pub(crate) fn remove(&self, child: ActorId) {
        let gone = self.lock().live.remove(&child);
        drop(gone);
    }

    /// Tells whether no child is alive.
    pub(crate) fn is_empty(&self) -> bool {
        self.lock().live.is_empty()
    }

    /// Returns the children that are alive.
    pub(crate) fn live(&self) -> Vec<Arc<dyn AnyCell>> {
        self.lock().live.values().cloned().collect()
    }

    /// Lets no child be added any more, and returns those that are alive.
    pub(crate) fn close(&self) -> Vec<Arc<dyn AnyCell>> {
        self.lock().closed = true;
        self.live()
    }

    /// Forgets the children that are still alive.
    pub(crate) fn abandon(&self) {
        let orphans = std::mem::take(&mut self.lock().live);
        drop(orphans);
        self.restarts.clear();
    }

    /// Returns which children are made anew when they end.
    pub(crate) fn restarts(&self) -> &Restarts {
        &self.restarts
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nothing panics under this lock")
    }
}
