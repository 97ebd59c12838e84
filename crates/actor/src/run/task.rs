//! What polls the body of an actor: it lets the clock ring, and sees to it that the actor ends.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use super::{Ended, conclude};
use crate::actor::Actor;
use crate::ask::running;
use crate::cell::{AnyCell, Cell, EXIT, TIMER};
use crate::clock::alarm::Alarm;
use crate::exit::{Exit, Mode};

pin_project! {
    pub(super) struct ActorTask<A: Actor, F> {
        cell: Arc<Cell<A>>,
        alarm: Alarm,
        // Ends the actor: when the body is over, or when this is dropped.
        is_owner: bool,
        #[pin]
        body: F,
    }

    impl<A: Actor, F> PinnedDrop for ActorTask<A, F> {
        fn drop(this: Pin<&mut Self>) {
            // INV-3
            if this.is_owner {
                this.cell.abandon(Exit::Killed);
            }
        }
    }
}

impl<A: Actor, F> ActorTask<A, F> {
    pub(super) fn new(cell: Arc<Cell<A>>, body: F, is_owner: bool) -> Self {
        Self {
            cell,
            alarm: Alarm::default(),
            is_owner,
            body,
        }
    }
}

impl<A: Actor, F: Future<Output = Ended>> Future for ActorTask<A, F> {
    /// The end of the actor, if somebody else is to tell it.
    type Output = Option<Ended>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Ended>> {
        let this = self.project();
        this.cell.queue().register(cx.waker());
        let _running = running::enter(this.cell.core().id());
        if this.alarm.is_set() {
            ring(this.cell, this.alarm, cx);
        }
        match this.body.poll(cx) {
            Poll::Pending => {
                if ring(this.cell, this.alarm, cx) {
                    cx.waker().wake_by_ref();
                }
                Poll::Pending
            }
            Poll::Ready(ended) if *this.is_owner => {
                conclude(this.cell, ended);
                Poll::Ready(None)
            }
            Poll::Ready(ended) => Poll::Ready(Some(ended)),
        }
    }
}

/// Raises what the clock of the actor has for it now. Returns whether there was anything.
fn ring<A: Actor>(cell: &Arc<Cell<A>>, alarm: &mut Alarm, cx: &mut Context<'_>) -> bool {
    let Some(clock) = cell.clock() else {
        return false;
    };
    let due = alarm.poll(clock, cx);
    let core = cell.core();
    if due.timers {
        core.set_control(TIMER);
    }
    if due.leave {
        core.set_control(EXIT);
    }
    if due.kill {
        cell.request(Mode::Kill);
    }
    due.timers || due.leave || due.kill
}
