//! Knowing of the ends of actors that are not children in this proc: monitors, links and remote children.
//!
//! [`ledger`] has the rule. This file passes on what it says, to actors here and to other procs.

mod ledger;
mod link;
mod monitor;
mod notice;
mod pulse;
mod remote_child;
mod service;

use std::sync::{Arc, Mutex, MutexGuard};

use hypermesh_mailbox::{
    ActorId, Cause, DeathWatch, Envelope, Location, Port, ProcId, Undelivered,
};
use hypermesh_wire::Headers;
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use self::ledger::{Act, Ledger};
pub use self::monitor::{Guarded, Monitor, MonitorCounts, MonitorEvent};
use self::notice::{CONTROL_MONITOR, End, Notice, What};
use self::remote_child::RemoteCell;
pub use self::remote_child::{AdoptFault, Orphan};
use crate::exit::Exit;
use crate::proc::Proc;
use crate::reply_header::ReplyHeader;
use crate::settings::LEASE;

/// Who wants to know of the end of an actor.
#[derive(Debug)]
enum Waiter {
    Monitor(oneshot::Sender<MonitorEvent>),
    /// An actor of this proc that fails with the other.
    Link {
        actor: ActorId,
        other: ActorId,
    },
    Child(Arc<RemoteCell>),
}

/// What a proc knows of the ends of actors.
pub(crate) struct Monitoring {
    ledger: Mutex<Ledger<Waiter>>,
    /// Something may be due earlier than before.
    changed: Notify,
    pulse: Mutex<Option<JoinHandle<()>>>,
    deaths: Mutex<Option<DeathWatch>>,
}

impl Monitoring {
    pub(crate) fn new(proc: ProcId) -> Self {
        Self {
            ledger: Mutex::new(Ledger::new(proc, LEASE.get())),
            changed: Notify::new(),
            pulse: Mutex::default(),
            deaths: Mutex::default(),
        }
    }

    /// Returns the parent of `child`, if it lives in another proc and hears of the child's end.
    pub(crate) fn parent_of(&self, child: ActorId) -> Option<ActorId> {
        self.lock().parent_of(child)
    }

    /// Returns the children of actors of this proc that live elsewhere.
    pub(crate) fn remote_children(&self) -> Vec<ActorId> {
        let ledger = self.lock();
        let children = ledger.waiters();
        children
            .filter(|(_, waiter)| matches!(waiter, Waiter::Child(_)))
            .map(|(actor, _)| actor)
            .collect()
    }

    /// Ends the task of this proc that beats, without waiting.
    pub(crate) fn abort(&self) {
        let deaths = self
            .deaths
            .lock()
            .expect("nothing panics under this lock")
            .take();
        drop(deaths);
        if let Some(pulse) = &*self.lock_pulse() {
            pulse.abort();
        }
    }

    /// Ends the task of this proc that beats, and waits for it: it never waits for anybody.
    pub(crate) async fn stop(&self) {
        self.abort();
        let pulse = self.lock_pulse().take();
        if let Some(pulse) = pulse {
            // Cancelled, as it is meant to be.
            _ = pulse.await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Ledger<Waiter>> {
        self.ledger.lock().expect("nothing panics under this lock")
    }

    fn lock_pulse(&self) -> MutexGuard<'_, Option<JoinHandle<()>>> {
        self.pulse.lock().expect("nothing panics under this lock")
    }
}

impl Proc {
    /// Tells all who want to know that an actor of this proc has ended.
    pub(crate) fn tell_end(&self, actor: ActorId, exit: &Exit) {
        let mut ledger = self.monitoring().lock();
        let acts = ledger.local_ended(actor, exit);
        let links = ledger.links_of(actor);
        drop(ledger);
        self.carry_out(acts);
        for other in links {
            self.unlink_from(actor, other);
        }
    }

    /// Takes a notice of this proc that came back: the proc that it was for is gone, or unreachable. Returns
    /// whether it was one.
    pub(crate) fn notice_returned(&self, undelivered: &Undelivered) -> bool {
        let dst = undelivered.header.dst;
        if dst.port != Port::Control(CONTROL_MONITOR) {
            return false;
        }
        let (peer, why) = (dst.actor.proc, undelivered.cause.to_string());
        match &undelivered.cause {
            // Sent again with the next beat.
            Cause::QueueFull => self.monitoring().lock().repeat(peer),
            Cause::ProcDied(_)
            | Cause::OwnerExited(_)
            | Cause::ProcNotFound
            | Cause::StaleIncarnation { .. } => self.peer_gone(peer, &End::ProcDied(why)),
            _ => self.peer_gone(peer, &End::Unreachable(why)),
        }
        true
    }

    /// Records that `waiter` wants to know of the end of `actor`.
    fn expect_end(&self, actor: ActorId, location: &Location, waiter: Waiter) -> u64 {
        let monitoring = self.monitoring();
        let (number, acts) = monitoring
            .lock()
            .watch(actor, location, waiter, None, self.now());
        self.carry_out(acts);
        if actor.proc != *self.id() {
            self.start_pulse();
            return number;
        }
        // The actor may have ended before it was watched; then nobody else tells.
        let ended = match self.shared().table.find(actor) {
            Ok(cell) => cell.core().exit().cloned().map(End::Exited),
            Err(_) => Some(match self.exit_of(actor) {
                Some(exit) => End::Exited(exit),
                None => End::NotFound,
            }),
        };
        if let Some(end) = ended {
            let me = *self.id();
            let acts = monitoring.lock().remote_ended(me, actor, &end);
            self.carry_out(acts);
        }
        number
    }

    fn peer_gone(&self, peer: ProcId, end: &End) {
        let acts = self.monitoring().lock().gone(peer, end);
        self.carry_out(acts);
    }

    /// Does what the ledger says. Nothing is locked: what is sent may come back on this thread.
    fn carry_out(&self, acts: Vec<Act<Waiter>>) {
        for act in acts {
            match act {
                Act::Send(proc, location, what) => self.send_notice(proc, location, what, None),
                Act::Tell(Waiter::Monitor(sender), end) => {
                    // The monitor may be gone; then nobody wants to know.
                    _ = sender.send(end.into_event());
                }
                Act::Tell(Waiter::Link { actor, other }, end) => {
                    self.linked_ended(actor, other, end);
                }
                Act::Tell(Waiter::Child(child), end) => child.ended(end),
                Act::Request(actor, mode) => {
                    if let Ok(cell) = self.shared().table.find(actor) {
                        cell.request(mode);
                    }
                }
            }
        }
    }

    /// Sends a notice to another proc, with a header that says where its answer goes, if it has one.
    fn send_notice(
        &self,
        proc: ProcId,
        location: Location,
        what: What,
        reply: Option<&ReplyHeader>,
    ) {
        let agent = proc.named_actor(crate::agent::AGENT_NAME);
        let dst = agent.port(Port::Control(CONTROL_MONITOR));
        let notice = Notice::new(self.location(), LEASE.get(), what);
        let mut envelope = Envelope::new(dst, location, self.agent_id(), notice);
        if let Some(reply) = reply {
            let mut headers = Headers::default();
            let set = headers.set_as(reply);
            set.expect("a reply header is small and always has an encoding");
            envelope.headers = headers;
        }
        self.gateway().post(envelope);
    }

    fn now(&self) -> Instant {
        // The clock of the runtime, whatever thread this is.
        let _entered = self.runtime().enter();
        Instant::now()
    }
}

#[cfg(test)]
mod tests;
