//! The lane beside the queue of an actor: what its supervision tells it. Never behind messages.
//!
//! # Invariants
//!
//! - **INV-1**: an event that was accepted is taken by the actor or handed over when the lane closes.
//! - **INV-2**: bounced messages are bounded; the events of children and links are bounded by their
//!   number.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard};

use hypermesh_mailbox::Undelivered;

use crate::failure::Failure;
use crate::supervision::ChildEvent;

/// How many bounced messages may wait.
const MAX_UNDELIVERED: usize = 1024;

/// One thing that supervision tells an actor.
pub(crate) enum LaneItem {
    /// A child ended.
    Child(ChildEvent),
    /// A linked actor failed, and so does this one.
    Linked(Failure),
    /// A message of this actor was not delivered.
    Undelivered(Box<Undelivered>),
}

/// The lane of one actor.
#[derive(Default)]
pub(crate) struct Lane {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    items: VecDeque<LaneItem>,
    undelivered: usize,
    closed: bool,
}

impl Lane {
    /// Appends `item`, or gives it back if the lane is closed or has too many bounced messages.
    pub(crate) fn push(&self, item: LaneItem) -> Result<(), LaneItem> {
        let mut state = self.lock();
        let bounce = matches!(item, LaneItem::Undelivered(_));
        if state.closed || (bounce && MAX_UNDELIVERED <= state.undelivered) {
            return Err(item);
        }
        state.undelivered += usize::from(bounce);
        state.items.push_back(item);
        Ok(())
    }

    /// Removes the first item.
    pub(crate) fn pop(&self) -> Option<LaneItem> {
        let mut state = self.lock();
        let item = state.items.pop_front()?;
        state.undelivered -= usize::from(matches!(item, LaneItem::Undelivered(_)));
        Some(item)
    }

    /// Returns the first failure of a child that waits.
    pub(crate) fn child_failure(&self) -> Option<Failure> {
        self.lock().items.iter().find_map(|item| match item {
            LaneItem::Child(event) => event.exit.failure().cloned(),
            LaneItem::Linked(_) | LaneItem::Undelivered(_) => None,
        })
    }

    /// Refuses every later item and returns those that nobody took (INV-1).
    pub(crate) fn close(&self) -> VecDeque<LaneItem> {
        let mut state = self.lock();
        state.closed = true;
        std::mem::take(&mut state.items)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nothing panics under this lock")
    }
}
