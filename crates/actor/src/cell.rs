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

use std::any::Any;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use hypermesh_mailbox::{ActorId, Cause, Envelope, Mailbox, Port, Rejected, Undelivered};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::activity::{Activity, ActorActivity};
use crate::actor::{Actor, short_type_name};
use crate::call_error::CallError;
use crate::catch::drop_quietly;
use crate::children::Children;
use crate::clock::{Clock, lock};
use crate::env::EnvVars;
use crate::exit::{Exit, Mode, Status};
use crate::lane::{Lane, LaneItem};
use crate::mail::Mail;
use crate::proc::Proc;
use crate::queue::{ByteMark, PushError, Queue};
use crate::reply::AnyReply;
use crate::settings::ACTOR_QUEUE_BYTES;
use crate::supervision::ChildEvent;

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

/// What everybody who knows an actor of type `A` shares.
pub(crate) struct Cell<A: Actor> {
    core: Core,
    queue: Queue<Item<A::Msg>>,
    /// Made with the first timer or deadline.
    clock: OnceLock<Arc<Mutex<Clock<A::Msg>>>>,
}

impl<A: Actor> Cell<A> {
    pub(crate) fn new(core: Core, queue_limit: usize) -> Self {
        Self {
            core,
            queue: Queue::new(queue_limit),
            clock: OnceLock::new(),
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

    /// Returns the clock of the actor, if it has ever needed one.
    pub(crate) fn clock(&self) -> Option<&Arc<Mutex<Clock<A::Msg>>>> {
        self.clock.get()
    }

    /// Returns the clock of the actor.
    pub(crate) fn clock_or_new(&self) -> &Arc<Mutex<Clock<A::Msg>>> {
        self.clock
            .get_or_init(|| Arc::new(Mutex::new(Clock::new())))
    }

    /// Lets no timer fire any more.
    pub(crate) fn close_clock(&self) {
        if let Some(clock) = self.clock() {
            let timers = lock(clock).close();
            drop_quietly(timers);
        }
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
    pub(crate) fn abandon(self: &Arc<Self>, exit: Exit) {
        if self.core.exit.get().is_some() {
            return;
        }
        self.core.set_closing(exit.clone());
        self.queue.close();
        self.discard(Vec::new());
        self.close_clock();
        for child in self.core.children.close() {
            child.request(Mode::Kill);
        }
        self.queue.unregister();
        let cell: Arc<dyn AnyCell> = self.clone();
        cell.conclude(exit);
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

    fn decides_stop(&self) -> bool {
        A::DECIDES_STOP
    }

    fn kill_at(&self, at: Instant) {
        lock(self.clock_or_new()).kill_at(at);
    }

    fn queued(&self) -> usize {
        self.queue.len()
    }

    fn handler_names(&self) -> &'static [&'static str] {
        A::HANDLERS
    }

    fn take_mail(
        self: Arc<Self>,
        envelope: Envelope,
        reply: Option<Box<dyn AnyReply>>,
    ) -> Result<(), Box<Rejected>> {
        let bytes = Mail::weight(&envelope);
        let mark = ACTOR_QUEUE_BYTES.get().as_usize();
        if !self.core.mail_bytes.take_in(bytes, mark) {
            return Err(rejected(envelope, Cause::QueueFull));
        }
        let mail = Box::new(Mail::new(envelope, reply, self.clone()));
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
            Ok(()) | Err(LaneItem::Linked(_) | LaneItem::Undelivered(_)) => Ok(()),
        }
    }

    fn take_bounce(&self, undelivered: Box<Undelivered>) {
        if let Err(LaneItem::Undelivered(lost)) = self.tell_lane(LaneItem::Undelivered(undelivered))
        {
            // The lane is full, or the actor has ended: in either case there may be many.
            let gateway = self.core.proc.gateway();
            gateway.log_undelivered(self.core.label(), &lost);
        }
    }

    fn into_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }
}
