//! What everybody who knows an actor shares: its id, its queue, and the facts of its life. The actor's
//! own value is not in here; only its task has that.
//!
//! # Invariants
//!
//! - **INV-1**: the exit is set once, after the parent was told. Who waited for the end finds the event
//!   queued and the place in the proc free.
//! - **INV-2**: a request to end has closed the queue when it returns, so that it is a position in the
//!   queue, and the task knows of the request before it can find the queue closed. A stop of an actor with
//!   the hook `on_stop` is the exception: that hook decides.
//! - **INV-3**: an envelope that was taken from the router is handled, answered or bounced.

mod any;
mod typed;

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};

use hypermesh_mailbox::{ActorId, Cause, Mailbox};
use tokio::sync::Notify;

pub(crate) use self::any::{AnyCell, rejected};
pub(crate) use self::typed::Cell;
use crate::activity::Activity;
use crate::call_error::CallError;
use crate::children::Children;
use crate::env::EnvVars;
use crate::exit::{Exit, Mode, Status};
use crate::lane::Lane;
use crate::mail::Mail;
use crate::proc::Proc;
use crate::queue::ByteMark;

/// Something is in the lane.
pub(crate) const LANE: u32 = 1;
/// Somebody asked for a drain.
pub(crate) const DRAIN: u32 = 2;
/// Somebody asked for a stop.
pub(crate) const STOP: u32 = 4;
/// Somebody asked for a kill.
pub(crate) const KILL: u32 = 8;
/// A timer is due.
pub(crate) const TIMER: u32 = 16;
/// The actor is to end without being asked again.
pub(crate) const EXIT: u32 = 32;
/// The task has noticed the kill: it does not hold its thread.
pub(crate) const NOTICED: u32 = 64;

/// One thing in the queue of an actor.
pub(crate) enum Item<M> {
    /// A message that was sent by a handle.
    Message(M),
    /// A message that was sent by a ref; its type is not known yet.
    Mail(Box<Mail>),
}

/// The part of a cell that does not depend on the type of the actor.
pub(crate) struct Core {
    id: ActorId,
    /// The generation of the first incarnation of this actor, whose refs it answers for.
    first: u32,
    label: Label,
    proc: Proc,
    parent: Option<Arc<dyn AnyCell>>,
    /// What the task is to look at between two messages: [`LANE`] and the others.
    control: AtomicU32,
    status: AtomicU8,
    /// Why the queue takes no more messages, once the task knows.
    closing: OnceLock<Exit>,
    exit: OnceLock<Exit>,
    /// The exit is set and the place in the proc is free.
    gone: AtomicBool,
    changed: Notify,
    lane: Lane,
    children: Children,
    mailbox: OnceLock<Mailbox>,
    activity: Activity,
    /// Of the messages that came by refs.
    mail_bytes: ByteMark,
    /// What was passed to an actor without a parent here; others have that of their parent.
    env: OnceLock<EnvVars>,
}

/// What people call an actor.
#[derive(Clone)]
pub(crate) enum Label {
    /// The name it was spawned with.
    Name(Arc<str>),
    /// The name of its type.
    Type(&'static str),
}

impl Label {
    pub(crate) fn as_str(&self) -> &str {
        match self {
            Self::Name(name) => name,
            Self::Type(name) => name,
        }
    }
}

impl Core {
    pub(crate) fn new(
        id: ActorId,
        label: Label,
        proc: Proc,
        parent: Option<Arc<dyn AnyCell>>,
    ) -> Self {
        Self {
            id,
            first: id.generation,
            label,
            proc,
            parent,
            control: AtomicU32::new(0),
            status: AtomicU8::new(Status::Created as u8),
            closing: OnceLock::new(),
            exit: OnceLock::new(),
            gone: AtomicBool::new(false),
            changed: Notify::new(),
            lane: Lane::default(),
            children: Children::default(),
            mailbox: OnceLock::new(),
            activity: Activity::new(),
            mail_bytes: ByteMark::default(),
            env: OnceLock::new(),
        }
    }

    pub(crate) fn id(&self) -> ActorId {
        self.id
    }

    /// Makes this the core of a later incarnation of the actor with the core `old`.
    pub(crate) fn heir_of(self, old: &Core) -> Self {
        let first = old.first;
        Self { first, ..self }
    }

    /// Tells whether messages to the actor `id` are for this one: it is that actor or a later incarnation.
    pub(crate) fn answers_for(&self, id: ActorId) -> bool {
        let is_line = (self.first..=self.id.generation).contains(&id.generation);
        is_line && id.proc == self.id.proc && id.actor == self.id.actor
    }

    pub(crate) fn label(&self) -> &str {
        self.label.as_str()
    }

    /// Returns the label for a later incarnation of this actor.
    pub(crate) fn own_label(&self) -> Label {
        self.label.clone()
    }

    pub(crate) fn proc(&self) -> &Proc {
        &self.proc
    }

    pub(crate) fn parent(&self) -> Option<&Arc<dyn AnyCell>> {
        self.parent.as_ref()
    }

    /// Returns what the actor inherited from whoever spawned it.
    pub(crate) fn env(&self) -> EnvVars {
        let above = std::iter::successors(Some(self), |core| core.parent().map(|p| p.core()));
        above
            .filter_map(|core| core.env.get())
            .next()
            .cloned()
            .unwrap_or_default()
    }

    /// Says what an actor without a parent here inherits. The first call counts.
    pub(crate) fn set_env(&self, env: EnvVars) {
        _ = self.env.set(env);
    }

    pub(crate) fn lane(&self) -> &Lane {
        &self.lane
    }

    pub(crate) fn children(&self) -> &Children {
        &self.children
    }

    pub(crate) fn activity(&self) -> &Activity {
        &self.activity
    }

    pub(crate) fn mail_bytes(&self) -> &ByteMark {
        &self.mail_bytes
    }

    /// Returns the mailbox of the actor, which is made on first use.
    pub(crate) fn mailbox(&self) -> &Mailbox {
        self.mailbox
            .get_or_init(|| Mailbox::new(self.id, self.proc.gateway().clone()))
    }

    pub(crate) fn control(&self) -> u32 {
        self.control.load(Ordering::Acquire)
    }

    pub(crate) fn clear_control(&self, bits: u32) {
        self.control.fetch_and(!bits, Ordering::AcqRel);
    }

    pub(crate) fn set_control(&self, bits: u32) {
        self.control.fetch_or(bits, Ordering::AcqRel);
    }

    pub(crate) fn is_killed(&self) -> bool {
        self.control() & KILL != 0
    }

    /// Tells whether the actor was killed and has not noticed: its code holds its thread.
    pub(crate) fn holds_thread(&self) -> bool {
        self.control() & (KILL | NOTICED) == KILL
    }

    /// Returns the harshest request so far that the task has not dealt with.
    pub(crate) fn requested(&self) -> Option<Mode> {
        match self.control() {
            word if word & KILL != 0 => Some(Mode::Kill),
            word if word & STOP != 0 => Some(Mode::Stop),
            word if word & DRAIN != 0 => Some(Mode::Drain),
            _ => None,
        }
    }

    /// Returns where the actor is in its life. An actor that was asked to end is stopping, even while
    /// it blocks its thread and has not noticed.
    pub(crate) fn status(&self) -> Status {
        let status = Status::of(self.status.load(Ordering::Acquire));
        match self.requested() {
            Some(_) => status.max(Status::Stopping),
            None => status,
        }
    }

    /// Tells the world about a step in the actor's life.
    pub(crate) fn publish(&self, status: Status) {
        self.status.fetch_max(status as u8, Ordering::AcqRel);
        self.changed.notify_waiters();
    }

    /// Decides what messages that are given back are told. The first decision counts.
    pub(crate) fn set_closing(&self, exit: Exit) {
        _ = self.closing.set(exit);
    }

    /// Returns how the actor ended or will most likely end, once it is past handling messages.
    pub(crate) fn closing(&self) -> Option<&Exit> {
        self.exit.get().or_else(|| self.closing.get())
    }

    /// Returns what a caller is told whose reply slot was dropped.
    pub(crate) fn lost_reply(&self) -> CallError {
        match self.closing() {
            Some(exit) => CallError::Exited(exit.clone()),
            None => CallError::NoReply,
        }
    }

    /// Returns why an envelope for this actor is not taken any more.
    pub(crate) fn gone(&self) -> Cause {
        match self.closing() {
            Some(exit) => Cause::OwnerExited(exit.to_string().into()),
            None => Cause::OwnerExited(Status::Stopping.to_string().into()),
        }
    }

    pub(crate) fn exit(&self) -> Option<&Exit> {
        self.exit.get()
    }

    /// Waits for the end of the actor.
    pub(crate) async fn wait(&self) -> Exit {
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            changed.as_mut().enable();
            if self.gone.load(Ordering::Acquire)
                && let Some(exit) = self.exit.get()
            {
                return exit.clone();
            }
            changed.await;
        }
    }

    /// Waits until the actor has reached `status` in its life, and returns where it is then.
    pub(crate) async fn reached(&self, status: Status) -> Status {
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            changed.as_mut().enable();
            let now = self.status();
            if status <= now {
                return now;
            }
            changed.await;
        }
    }
}
