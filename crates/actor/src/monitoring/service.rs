//! Takes the notices of other procs, on the thread that delivers them.

use std::sync::Arc;

use hypermesh_mailbox::{ActorId, Cause, Envelope, MailboxSender, ProcId};

use super::notice::{CONTROL_MONITOR, End, Notice, What};
use super::remote_child::{AdoptFault, Orphan};
use crate::agent::{SpawnActor, Spawned};
use crate::birth::Birth;
use crate::proc::Proc;
use crate::registry;
use crate::reply::ReplyTo;
use crate::reply_header::ReplyHeader;
use crate::service::ProcService;
use crate::spawn::NewName;
use crate::spawn_fault::SpawnFault;

inventory::submit! {
    ProcService { control: CONTROL_MONITOR, make: |proc| Arc::new(Service(proc.clone())) }
}

struct Service(Proc);

impl MailboxSender for Service {
    fn post(&self, envelope: Envelope) {
        let from = envelope.header.src.proc;
        let reply = ReplyHeader::of(&envelope.headers);
        match envelope.take::<Notice>() {
            Ok(notice) => self.0.take_notice(from, notice, reply),
            Err(rejected) => {
                let gateway = self.0.gateway();
                gateway.bounce(rejected.envelope, rejected.cause);
            }
        }
    }
}

impl Proc {
    fn take_notice(&self, from: ProcId, notice: Notice, reply: Option<ReplyHeader>) {
        let monitoring = self.monitoring();
        let (home, lease, now) = (notice.home.clone(), notice.lease(), self.now());
        monitoring.lock().heard(from, now);
        let answer = |what| self.send_notice(from, home.clone(), what, None);
        match notice.what {
            What::Alive => {}
            What::Forgotten => {
                let acts = monitoring.lock().announce_again(from);
                self.carry_out(acts);
            }
            What::Ended { actor, end } => {
                let acts = monitoring.lock().remote_ended(from, actor, &end);
                self.carry_out(acts);
            }
            What::Unwatch { actor } => {
                let known_as = self.shared().table.find_heir(actor);
                let known_as = known_as.map_or(actor, |cell| cell.core().id());
                monitoring.lock().unwatched_by(from, actor, known_as);
            }
            What::Unlink { actor, with } => self.unlink_from(actor, with),
            What::Request { actor, mode } => {
                let found = self.shared().table.find(actor);
                let mut ledger = monitoring.lock();
                match found {
                    Ok(cell) if ledger.parent_of(actor).is_some_and(|p| p.proc == from) => {
                        drop(ledger);
                        cell.request(mode);
                    }
                    Err(Cause::ActorNotFound) => {
                        ledger.renew(from, &home, lease, now);
                        ledger.stop_ahead(from, actor, mode);
                        drop(ledger);
                        self.start_pulse();
                    }
                    Ok(_) | Err(_) => {}
                }
            }
            What::Beat => {
                let mut ledger = monitoring.lock();
                ledger.renew(from, &home, lease, now);
                let is_known = ledger.is_lessee(from);
                drop(ledger);
                answer(if is_known {
                    What::Alive
                } else {
                    What::Forgotten
                });
            }
            What::Link { actor, with } => self.link_to(actor, with, &home),
            What::Watch { actor } => {
                monitoring.lock().renew(from, &home, lease, now);
                self.start_pulse();
                if let Some(end) = self.watch_for(from, actor) {
                    answer(What::Ended { actor, end });
                }
            }
            What::Spawn {
                request,
                child,
                parent,
                orphan,
            } => {
                monitoring.lock().renew(from, &home, lease, now);
                self.start_pulse();
                let reply = self.reply_of(reply);
                let end = match parent.proc == from && child.proc == *self.id() {
                    true => self.spawn_ward(request, child, parent, orphan, reply),
                    false => Some(End::NotFound),
                };
                if let Some(end) = end {
                    answer(What::Ended { actor: child, end });
                }
            }
            What::Adopt {
                child,
                parent,
                orphan,
            } => {
                monitoring.lock().renew(from, &home, lease, now);
                self.start_pulse();
                let adopted = match parent.proc == from {
                    true => self.adopt_ward(child, parent, orphan),
                    false => Err(AdoptFault::NotFound { actor: child }),
                };
                let end = match &adopted {
                    Ok(()) => self.watch_for(from, child),
                    // A question gets the answer below; whoever only says it again was the parent before.
                    Err(_) if reply.is_some() => Some(End::NotAdopted),
                    Err(AdoptFault::NotFound { .. }) => self.watch_for(from, child),
                    Err(fault) => Some(End::Unreachable(fault.to_string())),
                };
                // Before the answer: who is refused has no such child when he learns it.
                if let Some(end) = end {
                    answer(What::Ended { actor: child, end });
                }
                self.reply_of(reply).send(adopted);
            }
        }
    }

    /// Has `from` be told of the end of `asked`, or returns the end.
    fn watch_for(&self, from: ProcId, asked: ActorId) -> Option<End> {
        let Ok(cell) = self.shared().table.find_heir(asked) else {
            return Some(match self.exit_of(asked) {
                Some(exit) => End::Exited(exit),
                None => End::NotFound,
            });
        };
        let actor = cell.core().id();
        if !self.monitoring().lock().watched_by(from, asked, actor) {
            let why = format!("proc {} is watched too much", self.id());
            return Some(End::Unreachable(why));
        }
        // It may have ended before it was watched; then nobody else tells.
        let exit = cell.core().exit()?;
        let acts = self.monitoring().lock().local_ended(actor, exit);
        self.carry_out(acts);
        None
    }

    /// Spawns the child of an actor elsewhere, or returns why not.
    fn spawn_ward(
        &self,
        request: SpawnActor,
        child: ActorId,
        parent: ActorId,
        orphan: Orphan,
        reply: ReplyTo<Result<Spawned, SpawnFault>>,
    ) -> Option<End> {
        let SpawnActor {
            type_name,
            name,
            params,
            env,
            ..
        } = request;
        let table = &self.shared().table;
        let entry = match registry::find(&type_name) {
            Some(entry) if table.find(child).is_err() => entry,
            found => {
                let name = name.unwrap_or_default();
                let fault = match found {
                    Some(_) => SpawnFault::NameInUse {
                        name,
                        actor: child,
                        type_name,
                    },
                    None => {
                        let proc = *self.id();
                        SpawnFault::UnknownType { type_name, proc }
                    }
                };
                reply.send(Err(fault.clone()));
                return Some(End::Refused(fault));
            }
        };
        // Before it can end. Nobody else can have adopted what is not there.
        let mut ledger = self.monitoring().lock();
        let adopted = ledger.adopt(child, parent, orphan);
        let is_watched = ledger.watched_by(parent.proc, child, child);
        let stop = ledger.take_stop(parent.proc, child);
        drop(ledger);
        if adopted.is_ok() && is_watched {
            let generation = Some(child.generation);
            let name = NewName {
                name,
                generation,
                env,
            };
            entry.start(self, name, params, Birth::new(reply, type_name, *self.id()));
        }
        match (table.find(child), stop) {
            (Ok(cell), Some(mode)) => cell.request(mode),
            (Ok(_), None) => {}
            (Err(Cause::OwnerExited(_)), _) => {}
            (Err(_), _) => {
                let mut ledger = self.monitoring().lock();
                ledger.disown(child);
                ledger.unwatched_by(parent.proc, child, child);
                return Some(End::Refused(SpawnFault::Closed { proc: *self.id() }));
            }
        }
        None
    }

    /// Gives an actor of this proc a parent elsewhere.
    fn adopt_ward(
        &self,
        child: ActorId,
        parent: ActorId,
        orphan: Orphan,
    ) -> Result<(), AdoptFault> {
        let cell = self.shared().table.find(child);
        let cell = cell.map_err(|_| AdoptFault::NotFound { actor: child })?;
        let has = match cell.core().parent() {
            Some(own) => Err(own.core().id()),
            None => self.monitoring().lock().adopt(child, parent, orphan),
        };
        has.map_err(|parent| AdoptFault::HasParent {
            actor: child,
            parent,
        })
    }

    /// Returns where the answer to a notice goes.
    fn reply_of<R: hypermesh_wire::Message>(&self, header: Option<ReplyHeader>) -> ReplyTo<R> {
        match (header, self.shared().table.find(self.agent_id())) {
            (Some(header), Ok(agent)) => ReplyTo::there(header, agent, None, 0),
            _ => ReplyTo::nobody(),
        }
    }
}
