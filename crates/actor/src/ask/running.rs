//! What the current thread is running: which actor, and which question its handler answers.
//!
//! Set for the time of one poll and put back after it, so that a question that a handler asks knows on
//! whose behalf it is asked, also by a handle, which has no context.

use std::cell::{Cell, RefCell};
use std::mem;
use std::sync::Arc;

use hypermesh_mailbox::ActorId;
use tokio::time::Instant;

use super::question::Asked;
use crate::actor::Actor;
use crate::cx::Cx;

thread_local! {
    static ACTOR: Cell<Option<ActorId>> = const { Cell::new(None) };
    static QUESTION: RefCell<Option<Arc<dyn Asked>>> = const { RefCell::new(None) };
}

/// The task of an actor is being polled, until this is dropped.
pub(crate) struct Running {
    outer: Option<ActorId>,
}

/// Says that the task of `actor` is polled from now on.
pub(crate) fn enter(actor: ActorId) -> Running {
    Running {
        outer: ACTOR.replace(Some(actor)),
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        ACTOR.set(self.outer);
    }
}

/// Returns the actor whose task runs now.
pub(crate) fn actor() -> Option<ActorId> {
    ACTOR.get()
}

/// Returns the question that the handler that runs now was asked.
pub(crate) fn question() -> Option<Arc<dyn Asked>> {
    QUESTION.with_borrow(Clone::clone)
}

/// Calls `function`, which must not panic, as part of the answer to `asked`, which stays in there.
pub(crate) fn answering<T>(asked: &mut Option<Arc<dyn Asked>>, function: impl FnOnce() -> T) -> T {
    if asked.is_none() {
        return function();
    }
    QUESTION.with_borrow_mut(|current| mem::swap(current, asked));
    let output = function();
    QUESTION.with_borrow_mut(|current| mem::swap(current, asked));
    output
}

impl<A: Actor> Cx<'_, A> {
    /// Returns when whoever asked the current message stops waiting for the reply, as far as that is
    /// known: the questions that this handler asks end by then.
    ///
    /// `None` if the message was told, or if nobody awaits the answer yet.
    pub fn deadline(&self) -> Option<Instant> {
        question().and_then(|asked| asked.question().due(Instant::now()))
    }
}
