//! The next incarnation of a child: it waits for its turn in its own task, and is made then. Messages
//! that are sent to it before wait in its queue.

use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use tokio::time::{Instant, sleep_until};

use crate::cell::{AnyCell, Core};
use crate::exit::{Mode, Status};

/// A child that is to be made anew.
pub(crate) struct Again<A> {
    /// When it is made, at the earliest.
    pub(super) at: Instant,
    /// The member before it, which is to be running first.
    pub(super) before: Option<Arc<dyn AnyCell>>,
    pub(super) make: Arc<dyn Fn() -> A + Send + Sync>,
}

impl<A> Again<A> {
    /// Waits for the turn of the child and makes it; `None` if it was asked to stop before.
    pub(crate) async fn make(self, core: &Core) -> Option<A> {
        let turn = async {
            sleep_until(self.at).await;
            if let Some(before) = &self.before {
                // Ends: a member is running, or it ends. A stop of this one does not wait for it.
                before.core().reached(Status::Running).await;
            }
        };
        let mut turn = pin!(turn);
        // A request wakes this task.
        let is_due = std::future::poll_fn(|cx| match core.requested() {
            Some(Mode::Stop | Mode::Kill) => Poll::Ready(false),
            Some(Mode::Drain) | None => turn.as_mut().poll(cx).map(|()| true),
        });
        is_due.await.then(|| (self.make)())
    }
}
