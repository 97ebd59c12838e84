//! Children that live in another proc.
//!
//! The parent has a cell here that stands for the child among its children, so that it is stopped, waited
//! for and heard of like any other. What is asked of it is sent on; its end is the end of the child, or
//! what is known of it.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use hypermesh_macros::Message;
use hypermesh_mailbox::{ActorId, Cause, Envelope, Location, Rejected, Undelivered};
use serde::{Deserialize, Serialize};

use super::Waiter;
use super::notice::{End, What};
use crate::actor::{Referable, RemoteSpawn};
use crate::actor_ref::ActorRef;
use crate::agent::ProcAgent;
use crate::ask::{Ask, Callee, Question};
use crate::call_error::CallError;
use crate::cell::{AnyCell, Core, Label, rejected};
use crate::context;
use crate::exit::Status;
use crate::remote::{RemoteSpawnError, RemoteSpawning, spawn_request};
use crate::reply::AnyReply;
use crate::reply_header::ReplyHeader;
use crate::supervision::ChildEvent;

/// What becomes of a remote child when the lease of its parent's proc ends: that proc died, or was not
/// heard of for [`LEASE`](crate::settings::LEASE).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Orphan {
    /// It is told to stop.
    #[default]
    Stop,
    /// It lives on, without a parent, until somebody [adopts](ActorRef::adopt) it.
    Detach,
}

/// Why an actor was not adopted. It travels over the wire as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Message, Serialize, Deserialize, thiserror::Error)]
#[message(serde)]
#[non_exhaustive]
pub enum AdoptFault {
    /// There is no such actor.
    #[error("there is no actor {actor}")]
    NotFound {
        /// The actor that was to be adopted.
        actor: ActorId,
    },
    /// It has a parent in its own proc, or one elsewhere whose lease lives.
    #[error("actor {actor} is a child of {parent}")]
    HasParent {
        /// The actor that was to be adopted.
        actor: ActorId,
        /// Its parent.
        parent: ActorId,
    },
}

impl ActorRef<ProcAgent> {
    /// Spawns an actor of type `A` called `name` on the proc of this agent as a child of `cx`, and returns
    /// its ref at once.
    ///
    /// It is a child like any other: its end is told to `on_child`, and it ends with its parent, which
    /// waits for it, as long as its proc can be reached. If its proc dies or is not heard of for
    /// [`LEASE`](crate::settings::LEASE), the parent is told so as a failure with the cause `ProcDied` or
    /// `Unreachable`. `orphan` says what becomes of it if the proc of the parent is the one that is lost.
    ///
    /// The name must not have been used on that proc before: the ref is that of its first incarnation.
    ///
    /// # Errors
    ///
    /// [`RemoteSpawnError`] when the request cannot be made, or the parent is ending. What goes wrong at
    /// the other end comes out of [`RemoteSpawning::ready`], and is told to the parent as the child's end.
    pub fn spawn_child<A: RemoteSpawn>(
        &self,
        cx: &impl context::Actor,
        name: &str,
        params: &A::Params,
        orphan: Orphan,
    ) -> Result<RemoteSpawning<A>, RemoteSpawnError> {
        let request = spawn_request::<A>(name, params, cx.env())?;
        let child = self.id().proc.named_actor(name);
        let spawn = What::Spawn {
            request,
            child,
            parent: cx.actor_id(),
            orphan,
        };
        match take_in(cx, child, name, self.location(), spawn) {
            Some(ready) => Ok(RemoteSpawning {
                actor: ActorRef::attest(child, self.location().clone(), name),
                ready,
            }),
            None => Err(RemoteSpawnError::Closed {
                parent: cx.actor_id(),
            }),
        }
    }
}

impl<A: Referable> ActorRef<A> {
    /// Makes the actor, which has no parent, a remote child of `cx`, as
    /// [`spawn_child`](ActorRef::spawn_child) does; the question is answered when that is done.
    ///
    /// If it is refused, `cx` hears no more of it. A parent that is ending adopts nobody: the question is
    /// answered [`CallError::Closed`].
    pub fn adopt(&self, cx: &impl context::Actor, orphan: Orphan) -> Ask<Result<(), AdoptFault>> {
        let child = self.id();
        let adopt = What::Adopt {
            child,
            parent: cx.actor_id(),
            orphan,
        };
        let asked = take_in(cx, child, self.label(), self.location(), adopt);
        asked.unwrap_or_else(|| Ask::failed(CallError::Closed))
    }
}

/// Adds a cell for the actor `child` to the children of `cx` and sends `what` to its proc; `None` if `cx`
/// is ending.
fn take_in<R: hypermesh_wire::Message>(
    cx: &impl context::Actor,
    child: ActorId,
    label: &str,
    location: &Location,
    what: What,
) -> Option<Ask<R>> {
    let (proc, parent) = (cx.proc().unowned(), cx.caller().0);
    let label_text: Arc<str> = label.into();
    let label = Label::Name(label.into());
    let core = Core::new(child, label, proc.clone(), Some(parent.clone()));
    core.publish(Status::Running);
    let location = location.clone();
    let cell = Arc::new(RemoteCell { core, location });
    if !parent.core().children().add(cell.clone()) {
        return None;
    }
    let (reply, answer) = cx.mailbox().open_once_port::<Result<R, CallError>>();
    let reply = reply.bind();
    let header = ReplyHeader {
        port: reply.id(),
        location: reply.location().clone(),
        key: <Result<R, CallError> as hypermesh_wire::Named>::KEY,
        ordinal: None,
    };
    let pending = proc.expect_reply(child.proc, header.clone());
    let location = &cell.location;
    let orphan = match &what {
        What::Spawn { orphan, .. } | What::Adopt { orphan, .. } => *orphan,
        _ => Orphan::Stop,
    };
    proc.expect_child(cell.clone(), cx.actor_id(), orphan);
    proc.send_notice(child.proc, location.clone(), what, Some(&header));
    let question = Question::new(Callee::There(child, label_text));
    Some(Ask::there(answer, parent, question, pending))
}

impl crate::proc::Proc {
    fn expect_child(&self, cell: Arc<RemoteCell>, parent: ActorId, orphan: Orphan) {
        let (child, location) = (cell.core.id(), cell.location.clone());
        let waiter = Waiter::Child(cell);
        let adoption = What::Adopt {
            child,
            parent,
            orphan,
        };
        let monitoring = self.monitoring();
        let (_, acts) =
            monitoring
                .lock()
                .watch(child, &location, waiter, Some(adoption), self.now());
        self.carry_out(acts);
        self.start_pulse();
    }
}

/// Stands for a child that lives in another proc.
pub(super) struct RemoteCell {
    core: Core,
    location: Location,
}

impl RemoteCell {
    /// The child ended, or is not heard of any more.
    pub(super) fn ended(self: Arc<Self>, end: End) {
        if end == End::NotAdopted {
            // It never was a child.
            if let Some(parent) = self.core.parent() {
                parent.core().children().remove(self.core.id());
                parent.wake();
            }
            return;
        }
        if matches!(end, End::Unreachable(_)) {
            // In case it can be reached all the same. Its lease ends it otherwise.
            self.send(crate::exit::Mode::Kill);
        }
        let exit = end.into_exit(self.core.id(), self.core.label());
        let cell: Arc<dyn AnyCell> = self;
        cell.conclude(exit);
    }

    fn send(&self, mode: crate::exit::Mode) {
        let actor = self.core.id();
        let request = What::Request { actor, mode };
        let location = self.location.clone();
        self.core
            .proc()
            .send_notice(actor.proc, location, request, None);
    }
}

impl AnyCell for RemoteCell {
    fn core(&self) -> &Core {
        &self.core
    }

    fn wake(&self) {}

    /// A request closes the queue, which is where the child is: it is sent on.
    fn close_queue(&self) {
        if let (Some(mode), None) = (self.core.requested(), self.core.exit()) {
            self.send(mode);
        }
    }

    fn queued(&self) -> usize {
        0
    }

    fn take_mail(
        self: Arc<Self>,
        envelope: Envelope,
        _: Option<Box<dyn AnyReply>>,
    ) -> Result<(), Box<Rejected>> {
        // No table has this cell.
        Err(rejected(envelope, Cause::ActorNotFound))
    }

    fn take_child(&self, event: ChildEvent) -> Result<(), ChildEvent> {
        Err(event)
    }

    fn take_bounce(&self, undelivered: Box<Undelivered>) {
        tracing::debug!(%undelivered, "a remote child has sent nothing from here");
    }

    fn into_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }
}

impl fmt::Debug for RemoteCell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RemoteCell({})", self.core.id())
    }
}
