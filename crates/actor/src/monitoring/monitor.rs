//! Waiting for the end of an actor that may be anywhere.

use std::fmt;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use hypermesh_mailbox::ActorId;
use pin_project_lite::pin_project;
use tokio::sync::oneshot;

use super::Waiter;
use crate::actor::Referable;
use crate::actor_ref::ActorRef;
use crate::context;
use crate::exit::Exit;
use crate::proc::Proc;

/// What a monitor learns of its actor, once.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MonitorEvent {
    /// The actor ended like this.
    Exited(Exit),
    /// There is no such actor, and its proc does not know how it ended.
    NotFound,
    /// The proc of the actor ended; the text says how.
    ProcDied(String),
    /// The proc of the actor cannot be reached; the actor may live. The text says why.
    Unreachable(String),
}

impl MonitorEvent {
    /// Tells whether anything but a clean exit was learned.
    pub fn is_failure(&self) -> bool {
        !matches!(self, Self::Exited(exit) if !exit.is_failure())
    }
}

impl fmt::Display for MonitorEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exited(exit) => exit.fmt(f),
            Self::NotFound => f.write_str("no such actor"),
            Self::ProcDied(why) => write!(f, "its proc ended: {why}"),
            Self::Unreachable(why) => write!(f, "its proc cannot be reached: {why}"),
        }
    }
}

impl std::error::Error for MonitorEvent {}

/// Waits for the end of one actor, here or elsewhere. Made by [`ActorRef::monitor`].
///
/// Dropping it ends the subscription, on both sides, if it is the last of this proc for that actor.
pub struct Monitor {
    proc: Proc,
    actor: ActorId,
    number: u64,
    events: oneshot::Receiver<MonitorEvent>,
    event: Option<MonitorEvent>,
}

impl Monitor {
    /// Returns the actor.
    pub fn actor(&self) -> ActorId {
        self.actor
    }

    /// Waits for the end of the actor. Every call returns the same.
    ///
    /// There is no deadline: an actor may live for ever. A proc that is not heard of for
    /// [`LEASE`](crate::settings::LEASE) is [`MonitorEvent::Unreachable`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future changes nothing.
    pub async fn ended(&mut self) -> MonitorEvent {
        std::future::poll_fn(|cx| self.poll_ended(cx)).await
    }

    /// Runs `future` until it is done, or returns how the actor ended if that is first.
    ///
    /// # Cancel safety
    ///
    /// Dropping it drops `future` and leaves the monitor as it is.
    pub fn guard<F: Future>(&mut self, future: F) -> Guarded<'_, F> {
        Guarded {
            monitor: self,
            future,
        }
    }

    fn poll_ended(&mut self, cx: &mut Context<'_>) -> Poll<MonitorEvent> {
        if let Some(event) = &self.event {
            return Poll::Ready(event.clone());
        }
        let told = pin!(&mut self.events).poll(cx);
        told.map(|told| {
            // The sender is kept until it is used; it is gone only with the proc.
            let gone = |_| MonitorEvent::Unreachable("this proc has ended".to_owned());
            let event = told.unwrap_or_else(gone);
            self.event.insert(event).clone()
        })
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        let acts = self
            .proc
            .monitoring()
            .lock()
            .unwatch(self.actor, self.number);
        self.proc.carry_out(acts);
    }
}

impl fmt::Debug for Monitor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Monitor({})", self.actor)
    }
}

pin_project! {
    /// A future that ends with an actor, see [`Monitor::guard`].
    #[must_use = "it runs when it is awaited"]
    pub struct Guarded<'a, F> {
        monitor: &'a mut Monitor,
        #[pin]
        future: F,
    }
}

impl<F: Future> Future for Guarded<'_, F> {
    type Output = Result<F::Output, MonitorEvent>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        if let Poll::Ready(output) = this.future.poll(cx) {
            return Poll::Ready(Ok(output));
        }
        this.monitor.poll_ended(cx).map(Err)
    }
}

impl<F> fmt::Debug for Guarded<'_, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Guarded({:?})", self.monitor)
    }
}

impl<A: Referable> ActorRef<A> {
    /// Watches for the end of the actor on behalf of `cx`, from now on.
    ///
    /// If the actor has ended already, the monitor learns at once how, or that nobody knows any more. If
    /// it was made anew, the incarnation that lives now is watched. However many monitors a proc has of
    /// an actor elsewhere, it subscribes once.
    pub fn monitor(&self, cx: &impl context::Actor) -> Monitor {
        let proc = cx.proc().unowned();
        let actor = proc.id_here(self.id());
        let (sender, events) = oneshot::channel();
        let number = proc.expect_end(actor, self.location(), Waiter::Monitor(sender));
        Monitor {
            proc,
            actor,
            number,
            events,
            event: None,
        }
    }
}

/// How much a proc watches and is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MonitorCounts {
    /// Actors that somebody in this proc watches, is linked with, or has as a remote child.
    pub watches: usize,
    /// Subscriptions that other procs have at this one.
    pub watched: usize,
}

impl Proc {
    /// Returns how much this proc watches and is watched.
    pub fn monitor_counts(&self) -> MonitorCounts {
        let (watches, watched) = self.monitoring().lock().counts();
        MonitorCounts { watches, watched }
    }

    /// Returns the id of the incarnation that lives now, if `actor` is of this proc.
    pub(super) fn id_here(&self, actor: ActorId) -> ActorId {
        if actor.proc != *self.id() {
            return actor;
        }
        let heir = self.shared().table.find_heir(actor);
        heir.map_or(actor, |cell| cell.core().id())
    }
}
