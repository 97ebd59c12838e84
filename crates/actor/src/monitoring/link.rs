//! Two actors that fail together.

use std::sync::Arc;

use hypermesh_mailbox::{ActorId, Location};

use super::notice::{End, What};
use super::{Act, Waiter};
use crate::actor::{Actor, Referable};
use crate::actor_ref::ActorRef;
use crate::cx::Cx;
use crate::failure::{Failure, FailureCause};
use crate::lane::LaneItem;
use crate::proc::Proc;

impl<A: Referable> ActorRef<A> {
    /// Links the actor with that of `cx`: if one of them fails, so does the other, with the first failure
    /// as its cause, before its next message. A clean exit ends the link and nothing else.
    ///
    /// An actor that is gone without a trace, whose proc died or cannot be reached counts as failed.
    /// Linking twice is linking once.
    pub fn link<B: Actor>(&self, cx: &Cx<'_, B>) {
        let (proc, me) = (cx.proc(), cx.id());
        let other = proc.id_here(self.id());
        if other == me {
            return;
        }
        proc.link_here(me, other, self.location());
        if other.proc == *proc.id() {
            proc.link_here(other, me, self.location());
        } else {
            let what = What::Link {
                actor: other,
                with: me,
            };
            proc.send_notice(other.proc, self.location().clone(), what, None);
        }
    }

    /// Undoes [`link`](Self::link), from either side. A failure that is already on its way still counts.
    pub fn unlink<B: Actor>(&self, cx: &Cx<'_, B>) {
        let (proc, me) = (cx.proc(), cx.id());
        let other = proc.id_here(self.id());
        proc.unlink_from(me, other);
        if other.proc == *proc.id() {
            proc.unlink_from(other, me);
        } else {
            let what = What::Unlink {
                actor: other,
                with: me,
            };
            proc.send_notice(other.proc, self.location().clone(), what, None);
        }
    }
}

impl Proc {
    /// Makes `actor` of this proc fail with `other`.
    fn link_here(&self, actor: ActorId, other: ActorId, location: &Location) {
        self.unlink_from(actor, other);
        self.monitoring().lock().link(actor, other);
        self.expect_end(other, location, Waiter::Link { actor, other });
    }

    /// Makes `actor` of this proc not fail with `other` any more.
    pub(super) fn unlink_from(&self, actor: ActorId, other: ActorId) {
        let is_it = |waiter: &Waiter| matches!(waiter, Waiter::Link { actor: linked, .. } if *linked == actor);
        let mut ledger = self.monitoring().lock();
        ledger.unlink(actor, other);
        let acts: Vec<Act<Waiter>> = ledger.unwatch_where(other, is_it);
        drop(ledger);
        self.carry_out(acts);
    }

    /// Does the other half of a link that an actor elsewhere has made.
    pub(super) fn link_to(&self, asked: ActorId, with: ActorId, home: &Location) {
        // If the actor is gone, the other side learns it from its own half.
        if let Ok(cell) = self.shared().table.find_heir(asked) {
            self.link_here(cell.core().id(), with, home);
        }
    }

    /// Tells `actor`, which is linked with another, that the other has ended.
    pub(super) fn linked_ended(&self, actor: ActorId, other: ActorId, end: End) {
        self.monitoring().lock().unlink(actor, other);
        let event = end.into_event();
        let Ok(cell) = self.shared().table.find(actor) else {
            return;
        };
        if !event.is_failure() {
            return;
        }
        let core = cell.core();
        let text = format!("a linked actor ended: {event}");
        let failure = Failure::new(FailureCause::Link, core.id(), core.label(), text);
        let failure = match &event {
            super::MonitorEvent::Exited(exit) => exit
                .failure()
                .map(|earlier| failure.clone().caused_by(earlier.clone())),
            _ => None,
        }
        .unwrap_or(failure);
        // It is refused only if the actor is past its messages, and then it ends anyway.
        _ = Arc::clone(&cell).tell_lane(LaneItem::Linked(failure));
    }
}
