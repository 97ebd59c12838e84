//! Cuts a future short when its actor is killed.

use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use super::Leave;
use crate::cell::{Core, NOTICED};
use crate::exit::{Exit, Mode};

pin_project! {
    /// A future that a kill of the actor cuts short at its next poll.
    pub(crate) struct OrKill<'a, F> {
        core: &'a Core,
        #[pin]
        future: F,
    }
}

/// Returns `future`, cut short by a kill of the actor.
pub(crate) fn or_kill<F: Future>(core: &Core, future: F) -> OrKill<'_, F> {
    OrKill { core, future }
}

/// A result that says so when the actor was killed.
pub(crate) trait Killable {
    fn killed() -> Self;
}

impl Killable for Leave {
    fn killed() -> Self {
        Self::Requested(Mode::Kill)
    }
}

impl Killable for Option<Leave> {
    fn killed() -> Self {
        Some(Leave::killed())
    }
}

impl<F: Future<Output: Killable>> Future for OrKill<'_, F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        if this.core.is_killed() {
            // Before the future is dropped: what it holds tells its callers.
            this.core.set_closing(Exit::Killed);
            this.core.set_control(NOTICED);
            return Poll::Ready(F::Output::killed());
        }
        this.future.poll(cx)
    }
}
