//! A cell, whatever the type of its actor, and the last steps of a life.

use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use hypermesh_mailbox::{Cause, Envelope, Port, Rejected, Undelivered};
use tokio::time::Instant;

use super::{Core, DRAIN, EXIT, KILL, LANE, STOP};
use crate::activity::ActorActivity;
use crate::exit::{Exit, Mode, Status};
use crate::lane::LaneItem;
use crate::reply::AnyReply;
use crate::supervision::ChildEvent;

/// A cell, whatever the type of its actor.
pub(crate) trait AnyCell: Send + Sync + 'static {
    fn core(&self) -> &Core;

    /// Wakes the task of the actor.
    fn wake(&self);

    /// Lets no more messages in.
    fn close_queue(&self);

    /// Tells whether the actor decides about a stop, and thereby about its queue.
    fn decides_stop(&self) -> bool {
        false
    }

    /// Kills the actor at `at`, if it has not ended by then. The earliest such time counts. By default,
    /// for what has no task here, this does nothing.
    fn kill_at(&self, at: Instant) {
        _ = at;
    }

    /// Returns the number of queued messages.
    fn queued(&self) -> usize;

    /// Returns what the messages of the handlers are called.
    fn handler_names(&self) -> &'static [&'static str] {
        &[]
    }

    /// Returns what the actor does.
    fn activity(&self) -> ActorActivity {
        let core = self.core();
        core.activity
            .read(self.handler_names(), core.exit.get().is_some())
    }

    /// Takes a message for a handler, and the right to answer it if it was asked in this proc.
    fn take_mail(
        self: Arc<Self>,
        envelope: Envelope,
        reply: Option<Box<dyn AnyReply>>,
    ) -> Result<(), Box<Rejected>>;

    /// Takes the event of a child, or gives it back if this cell is past that.
    fn take_child(&self, event: ChildEvent) -> Result<(), ChildEvent>;

    /// Takes a message that bounced.
    fn take_bounce(&self, undelivered: Box<Undelivered>);

    fn into_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync>;

    /// Tells whether this is a client: it has no task, and what it spawns are roots of their trees.
    fn is_client(&self) -> bool {
        false
    }

    /// Asks the actor to end. Does nothing if it ended already.
    fn request(&self, mode: Mode) {
        let bit = match mode {
            Mode::Drain => DRAIN,
            Mode::Stop => STOP,
            Mode::Kill => KILL,
        };
        self.core().set_control(bit);
        // INV-2: in this order.
        if mode != Mode::Stop || !self.decides_stop() {
            self.close_queue();
        }
        self.core().changed.notify_waiters();
        self.wake();
    }

    /// Asks the actor to end, and kills it at `end` if it has not ended by then.
    fn request_by(&self, mode: Mode, end: Instant) {
        self.kill_at(end);
        self.request(mode);
    }

    /// Makes the actor end after what it does now, without asking it again.
    fn leave(&self) {
        self.core().set_control(EXIT);
        self.wake();
    }

    /// Puts `item` into the lane and makes the task look at it.
    fn tell_lane(&self, item: LaneItem) -> Result<(), LaneItem> {
        self.core().lane.push(item)?;
        self.core().set_control(LANE);
        self.wake();
        Ok(())
    }
}

impl dyn AnyCell {
    /// Takes an envelope for this actor, or gives it back with the reason (INV-3).
    pub(crate) fn deliver(self: Arc<Self>, envelope: Envelope) -> Result<(), Box<Rejected>> {
        match envelope.header.dst.port {
            Port::Handler(_) => self.take_mail(envelope, None),
            Port::Ephemeral { .. } => match self.core().mailbox.get() {
                Some(mailbox) => mailbox.deliver(envelope),
                None => Err(rejected(envelope, Cause::PortNeverExisted)),
            },
            Port::Control(_) => Err(rejected(envelope, Cause::PortNeverExisted)),
        }
    }

    /// The last steps of a life, in the order in which others may see them: ports, event, exit, slot,
    /// waiters (INV-1). Does nothing the second time.
    pub(crate) fn conclude(self: &Arc<Self>, exit: Exit) {
        let core = self.core();
        if core.exit.get().is_some() {
            return;
        }
        core.set_closing(exit.clone());
        if let Some(mailbox) = core.mailbox.get() {
            mailbox.close(&exit.to_string());
        }
        for item in core.lane.close() {
            if let LaneItem::Child(event) = item {
                core.proc.root_ended(event.into());
            }
        }
        core.children.abandon();
        self.tell_parent(&exit);
        if core.exit.set(exit.clone()).is_err() {
            unreachable!("INV-1: only the task of the actor comes here");
        }
        core.status.store(Status::Exited as u8, Ordering::Release);
        core.proc.release(self, &exit);
        core.proc.tell_end(core.id, &exit);
        core.gone.store(true, Ordering::Release);
        core.changed.notify_waiters();
    }

    /// Tells whoever must hear of it that this actor ended.
    fn tell_parent(&self, exit: &Exit) {
        let core = self.core();
        if self.is_client() || core.id == core.proc.agent_id() {
            // Whoever holds the client, or ends the proc, knows.
            return;
        }
        let event = ChildEvent::new(core.id, core.label(), exit.clone());
        let told = match &core.parent {
            Some(parent) => {
                let told = parent.take_child(event);
                parent.core().children.remove(core.id);
                parent.wake();
                told
            }
            None => Err(event),
        };
        if let Err(event) = told {
            core.proc.root_ended(event.into());
        }
    }
}

/// Returns `envelope`, which was not taken, with the reason.
pub(crate) fn rejected(envelope: Envelope, cause: Cause) -> Box<Rejected> {
    Box::new(Rejected { envelope, cause })
}
