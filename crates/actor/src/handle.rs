//! The local handle of an actor: sends without encoding, ends it, and waits for its end.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use hypermesh_mailbox::ActorId;
use tokio::time::Instant;

use crate::activity::ActorActivity;
use crate::actor::{Actor, Handler, Referable};
use crate::actor_ref::ActorRef;
use crate::ask::Ask;
use crate::call_error::CallError;
use crate::cell::{AnyCell, Cell, Item};
use crate::clock::later;
use crate::exit::{Exit, Mode, Status};
use crate::queue::PushError;
use crate::reply::{ReplyStream, ReplyTo, Streaming};
use crate::send_error::SendError;

/// The local handle of an actor. Dropping it does not end the actor; see [`guard`](Self::guard).
pub struct ActorHandle<A: Actor> {
    cell: Arc<Cell<A>>,
}

impl<A: Actor> ActorHandle<A> {
    pub(crate) fn new(cell: Arc<Cell<A>>) -> Self {
        Self { cell }
    }

    /// Queues `message`.
    ///
    /// Returning `Ok` means queued, not handled: the actor may still stop first.
    ///
    /// # Errors
    ///
    /// [`SendError`] when the actor takes no messages, or has no room for one; it carries `message` back.
    pub fn tell<M>(&self, message: M) -> Result<(), SendError<M>>
    where
        A: Handler<M>,
    {
        match self
            .cell
            .queue()
            .push(Item::Message(A::wrap(message, ReplyTo::nobody())))
        {
            Ok(()) => Ok(()),
            Err(refused) => Err(self.give_back(refused)),
        }
    }

    /// Queues `message` as soon as there is room for it. [`tell`](Self::tell) refuses it at once instead.
    ///
    /// Returning `Ok` means queued, not handled: the actor may still stop first. There is no deadline: an actor
    /// may be busy for ever. Wrap it in a timeout where that matters.
    ///
    /// # Errors
    ///
    /// [`SendError::Closed`] when the actor takes no messages; it carries `message` back.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, `message` is dropped with it and was not queued.
    pub async fn tell_when_free<M>(&self, message: M) -> Result<(), SendError<M>>
    where
        A: Handler<M>,
    {
        let item = Item::Message(A::wrap(message, ReplyTo::nobody()));
        let queued = self.cell.queue().push_when_free(item).await;
        queued.map_err(|item| self.give_back(PushError::Closed(item)))
    }

    /// Queues `message` and returns the question, to be awaited.
    ///
    /// It is answered by a value, or by the reason why there is none: at once when the handler fails,
    /// the actor ends or the slot for the reply is dropped, and at the deadline at the latest.
    pub fn ask<M>(&self, message: M) -> Ask<A::Reply>
    where
        A: Handler<M>,
    {
        self.question(message, 0)
    }

    /// Queues `message`, whose answer is a stream, and returns the stream.
    ///
    /// Of the stream, up to [`STREAM_WINDOW`](crate::settings::STREAM_WINDOW) values wait to be read;
    /// the actor waits for room for more.
    pub fn stream<M, T>(&self, message: M) -> ReplyStream<T>
    where
        A: Handler<M, Reply = Streaming<T>>,
        T: Send + 'static,
    {
        ReplyStream::here(self.question(message, Streaming::<T>::window()))
    }

    fn question<M>(&self, message: M, window: u32) -> Ask<A::Reply>
    where
        A: Handler<M>,
    {
        let (reply, slot) = ReplyTo::here(self.cell.clone(), window);
        match self
            .cell
            .queue()
            .push(Item::Message(A::wrap(message, reply)))
        {
            Ok(()) => Ask::here(slot),
            Err(PushError::Full(_)) => Ask::failed(CallError::Full),
            Err(PushError::Closed(_)) => Ask::failed(match self.cell.core().exit() {
                Some(exit) => CallError::Exited(exit.clone()),
                None => CallError::Closed,
            }),
        }
    }

    /// Lets the actor handle what is queued now, and then end. Whatever is sent later is refused.
    pub fn drain(&self) {
        self.cell.request(Mode::Drain);
    }

    /// Lets the actor finish the current handler, and then end. Queued messages go back.
    pub fn stop(&self) {
        self.cell.request(Mode::Stop);
    }

    /// Drains the actor as [`drain`](Self::drain) does, and kills it if that takes longer than `limit`.
    ///
    /// Its children end within the same time. Of several limits the earliest counts.
    pub fn drain_within(&self, limit: Duration) {
        self.cell
            .request_by(Mode::Drain, later(Instant::now(), limit));
    }

    /// Stops the actor as [`stop`](Self::stop) does, and kills it if that takes longer than `limit`.
    ///
    /// Its children end within the same time. Of several limits the earliest counts.
    pub fn stop_within(&self, limit: Duration) {
        self.cell
            .request_by(Mode::Stop, later(Instant::now(), limit));
    }

    /// Ends the actor at the next await of whatever it does. No hook runs.
    pub fn kill(&self) {
        self.cell.request(Mode::Kill);
    }

    /// Waits until the actor has ended, and returns how.
    ///
    /// There is no deadline: an actor may live for ever. Wrap it in a timeout where that matters.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future changes nothing; any number of tasks may wait.
    pub async fn wait(&self) -> Exit {
        self.cell.core().wait().await
    }

    /// Waits until the actor has reached `status` in its life, and returns where it is then.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future changes nothing.
    pub async fn reached(&self, status: Status) -> Status {
        self.cell.core().reached(status).await
    }

    /// Returns where the actor is in its life.
    pub fn status(&self) -> Status {
        self.cell.core().status()
    }

    /// Returns how the actor ended, if it did.
    pub fn exit(&self) -> Option<Exit> {
        self.cell.core().exit().cloned()
    }

    /// Returns the number of queued messages, without those that the actor has taken in hand.
    pub fn queued(&self) -> usize {
        AnyCell::queued(&*self.cell)
    }

    /// Returns what the actor does, read from outside of it: it need not run for that.
    pub fn activity(&self) -> ActorActivity {
        AnyCell::activity(&*self.cell)
    }

    /// Returns the handle of the incarnation of this actor that lives now: this one, or a later one if it
    /// was made anew. `None` if there is none.
    pub fn current(&self) -> Option<Self> {
        let core = self.cell.core();
        let cell = core.proc().shared().table.find_heir(core.id()).ok()?;
        let cell = cell.into_any().downcast::<Cell<A>>().ok()?;
        cell.core().exit().is_none().then(|| Self::new(cell))
    }

    /// Returns who the actor is.
    pub fn id(&self) -> ActorId {
        self.cell.core().id()
    }

    /// Returns the name of the actor, or the name of its type.
    pub fn label(&self) -> &str {
        self.cell.core().label()
    }

    /// Returns a ref of the actor, which can be sent anywhere.
    pub fn bind(&self) -> ActorRef<A>
    where
        A: Referable,
    {
        ActorRef::attest(self.id(), self.cell.core().proc().location(), self.label())
    }

    /// Returns a guard that stops the actor when it is dropped.
    pub fn guard(self) -> ActorGuard<A> {
        ActorGuard { handle: Some(self) }
    }

    fn give_back<M>(&self, refused: PushError<Item<A::Msg>>) -> SendError<M>
    where
        A: Handler<M>,
    {
        let (item, full) = match refused {
            PushError::Closed(item) => (item, false),
            PushError::Full(item) => (item, true),
        };
        let Item::Message(message) = item else {
            unreachable!("a push gives back what it got")
        };
        let (message, _) = A::unwrap(message).expect("`unwrap` undoes the `wrap` of this message");
        match full {
            true => SendError::Full {
                message,
                actor: self.id(),
            },
            false => SendError::Closed {
                message,
                actor: self.id(),
                exit: self.exit(),
            },
        }
    }
}

impl<A: Actor> Clone for ActorHandle<A> {
    fn clone(&self) -> Self {
        Self {
            cell: self.cell.clone(),
        }
    }
}

impl<A: Actor> fmt::Debug for ActorHandle<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ActorHandle({} {})", self.label(), self.id())
    }
}

/// Stops an actor when it is dropped.
#[derive(Debug)]
pub struct ActorGuard<A: Actor> {
    handle: Option<ActorHandle<A>>,
}

impl<A: Actor> ActorGuard<A> {
    /// Returns the handle; the actor is not stopped by this guard any more.
    pub fn into_inner(mut self) -> ActorHandle<A> {
        self.handle
            .take()
            .expect("only this call takes it, and it takes the guard")
    }
}

impl<A: Actor> std::ops::Deref for ActorGuard<A> {
    type Target = ActorHandle<A>;

    fn deref(&self) -> &ActorHandle<A> {
        self.handle
            .as_ref()
            .expect("only `into_inner` takes it, and it takes the guard")
    }
}

impl<A: Actor> Drop for ActorGuard<A> {
    fn drop(&mut self) {
        if let Some(handle) = &self.handle {
            handle.stop();
        }
    }
}
