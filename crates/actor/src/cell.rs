//! What everybody who knows an actor shares: its id, its queue, and the facts of its life. The actor's
//! own value is not in here; only its task has that.
//!
//! # Invariants
//!
//! - **INV-1**: the exit is set once, after the parent was told. Who waited for the end finds the event
//!   queued and the place in the proc free.
//! - **INV-2**: a request to end has closed the queue when it returns, so that it is a position in the
//!   queue, and the task knows of the request before it can find the queue closed.
//! - **INV-3**: an envelope that was taken from the router is handled, answered or bounced.

use std::any::Any;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};

use hypermesh_mailbox::{ActorId, Cause, Envelope, Mailbox, Port, Rejected, Undelivered};
use tokio::sync::Notify;
use tokio::task;

use crate::actor::{Actor, short_type_name};
use crate::call_error::CallError;
use crate::catch::drop_quietly;
use crate::children::Children;
use crate::exit::{Exit, Mode, Status};
use crate::lane::{Lane, LaneItem};
use crate::mail::Mail;
use crate::proc::Proc;
use crate::queue::{PushError, Queue};
use crate::supervision::ChildEvent;

/// Something is in the lane.
pub(crate) const LANE: u32 = 1;
/// Somebody asked for a drain.
pub(crate) const DRAIN: u32 = 2;
/// Somebody asked for a stop.
pub(crate) const STOP: u32 = 4;
/// Somebody asked for a kill.
pub(crate) const KILL: u32 = 8;

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
    label: Label,
    proc: Proc,
    parent: Option<Arc<dyn AnyCell>>,
    /// What the task is to look at between two messages: [`LANE`], [`DRAIN`], [`STOP`], [`KILL`].
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
    task: OnceLock<task::Id>,
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
            task: OnceLock::new(),
        }
    }

    pub(crate) fn id(&self) -> ActorId {
        self.id
    }

    pub(crate) fn label(&self) -> &str {
        self.label.as_str()
    }

    pub(crate) fn proc(&self) -> &Proc {
        &self.proc
    }

    pub(crate) fn parent(&self) -> Option<&Arc<dyn AnyCell>> {
        self.parent.as_ref()
    }

    pub(crate) fn lane(&self) -> &Lane {
        &self.lane
    }

    pub(crate) fn children(&self) -> &Children {
        &self.children
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

    pub(crate) fn is_killed(&self) -> bool {
        self.control() & KILL != 0
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

    /// The task of the actor begins.
    pub(crate) fn begin_task(&self, status: Status) {
        if let Some(id) = task::try_id() {
            // Only the task of this actor comes here, and only once.
            _ = self.task.set(id);
        }
        self.publish(status);
    }

    /// Tells whether the caller runs in the task of this actor.
    pub(crate) fn is_current_task(&self) -> bool {
        self.task
            .get()
            .is_some_and(|id| task::try_id() == Some(*id))
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

/// A cell, whatever the type of its actor.
pub(crate) trait AnyCell: Send + Sync + 'static {
    fn core(&self) -> &Core;

    /// Wakes the task of the actor.
    fn wake(&self);

    /// Lets no more messages in.
    fn close_queue(&self);

    /// Returns the number of queued messages.
    fn queued(&self) -> usize;

    /// Takes a message for a handler.
    fn take_mail(self: Arc<Self>, envelope: Envelope) -> Result<(), Box<Rejected>>;

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
        self.core().control.fetch_or(bit, Ordering::AcqRel);
        // INV-2: in this order.
        self.close_queue();
        self.core().changed.notify_waiters();
        self.wake();
    }

    /// Puts `item` into the lane and makes the task look at it.
    fn tell_lane(&self, item: LaneItem) -> Result<(), LaneItem> {
        self.core().lane.push(item)?;
        self.core().control.fetch_or(LANE, Ordering::AcqRel);
        self.wake();
        Ok(())
    }
}

impl dyn AnyCell {
    /// Takes an envelope for this actor, or gives it back with the reason (INV-3).
    pub(crate) fn deliver(self: Arc<Self>, envelope: Envelope) -> Result<(), Box<Rejected>> {
        match envelope.header.dst.port {
            Port::Handler(_) => self.take_mail(envelope),
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
        let event = ChildEvent {
            actor: core.id,
            label: core.label().to_owned(),
            exit: exit.clone(),
        };
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

/// What everybody who knows an actor of type `A` shares.
pub(crate) struct Cell<A: Actor> {
    core: Core,
    queue: Queue<Item<A::Msg>>,
}

impl<A: Actor> Cell<A> {
    pub(crate) fn new(core: Core, queue_limit: usize) -> Self {
        Self {
            core,
            queue: Queue::new(queue_limit),
        }
    }

    pub(crate) fn type_label() -> Label {
        Label::Type(short_type_name::<A>())
    }

    pub(crate) fn core(&self) -> &Core {
        &self.core
    }

    pub(crate) fn queue(&self) -> &Queue<Item<A::Msg>> {
        &self.queue
    }

    /// Makes this the cell of an actor that ended before it began.
    pub(crate) fn stillborn(&self, exit: Exit) {
        self.queue.close();
        _ = self.core.exit.set(exit);
        self.core
            .status
            .store(Status::Exited as u8, Ordering::Release);
        self.core.gone.store(true, Ordering::Release);
    }

    /// Drops `batch`, whose next item is the last, and what is left in the closed queue.
    pub(crate) fn discard(&self, mut batch: Vec<Item<A::Msg>>) {
        loop {
            // Each by itself: the destructor of a message may panic, and the others have senders too.
            while let Some(item) = batch.pop() {
                drop_quietly(item);
            }
            if !self.queue.take_left(&mut batch) {
                return;
            }
        }
    }

    /// Ends an actor whose task is gone without having ended it: its runtime went away.
    pub(crate) fn abandon(self: &Arc<Self>) {
        if self.core.exit.get().is_some() {
            return;
        }
        self.core.set_closing(Exit::Killed);
        self.queue.close();
        self.discard(Vec::new());
        for child in self.core.children.close() {
            child.request(Mode::Kill);
        }
        self.queue.unregister();
        let cell: Arc<dyn AnyCell> = self.clone();
        cell.conclude(Exit::Killed);
    }
}

impl<A: Actor> AnyCell for Cell<A> {
    fn core(&self) -> &Core {
        &self.core
    }

    fn wake(&self) {
        self.queue.wake();
    }

    fn close_queue(&self) {
        self.queue.close();
    }

    fn queued(&self) -> usize {
        self.queue.len()
    }

    fn take_mail(self: Arc<Self>, envelope: Envelope) -> Result<(), Box<Rejected>> {
        let mail = Box::new(Mail::new(envelope, self.clone()));
        let (item, cause) = match self.queue.push(Item::Mail(mail)) {
            Ok(()) => return Ok(()),
            Err(PushError::Closed(item)) => (item, self.core.gone()),
            Err(PushError::Full(item)) => (item, Cause::QueueFull),
        };
        match item {
            Item::Mail(mail) => Err(rejected(mail.into_envelope(), cause)),
            Item::Message(_) => unreachable!("a push gives back what it was given"),
        }
    }

    fn take_child(&self, event: ChildEvent) -> Result<(), ChildEvent> {
        match self.tell_lane(LaneItem::Child(event)) {
            Err(LaneItem::Child(event)) => Err(event),
            Ok(()) | Err(LaneItem::Undelivered(_)) => Ok(()),
        }
    }

    fn take_bounce(&self, undelivered: Box<Undelivered>) {
        if let Err(LaneItem::Undelivered(lost)) = self.tell_lane(LaneItem::Undelivered(undelivered))
        {
            tracing::warn!(
                actor = self.core.label(),
                receiver = %lost.header.dst,
                cause = %lost.cause,
                "too many bounced messages, this one is dropped"
            );
        }
    }

    fn into_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }
}
