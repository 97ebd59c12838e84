//! The cell of an actor whose type is known: its queue and its clock.

use std::any::Any;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, OnceLock};

use hypermesh_mailbox::settings::QUEUE_BYTES;
use hypermesh_mailbox::{Cause, Envelope, Rejected, Undelivered};
use tokio::time::Instant;

use super::{AnyCell, Core, Item, Label, rejected};
use crate::actor::{Actor, short_type_name};
use crate::catch::drop_quietly;
use crate::clock::{Clock, lock};
use crate::exit::{Exit, Mode, Status};
use crate::lane::LaneItem;
use crate::mail::Mail;
use crate::queue::{PushError, Queue};
use crate::reply::AnyReply;
use crate::supervision::ChildEvent;

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
        let mark = QUEUE_BYTES.get().as_usize();
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
