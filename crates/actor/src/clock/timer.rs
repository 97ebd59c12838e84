//! The timers of an actor as its code sees them.

use std::fmt;
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use tokio::time::Instant;

use super::{Clock, Make, lock};
use crate::actor::{Actor, Handler};
use crate::catch::drop_quietly;
use crate::cx::Cx;
use crate::reply::ReplyTo;

/// A timer of an actor, made by [`Cx::post_after`], [`Cx::every`] or [`Cx::when_idle`].
///
/// Dropping it changes nothing: the timer goes on until it has fired, is cancelled, or its actor ends.
#[derive(Clone)]
pub struct Timer {
    clock: Weak<dyn AnyClock>,
    number: u64,
}

impl Timer {
    /// Cancels the timer. Returns whether that came in time: then the actor does not get its message, or
    /// no further one.
    pub fn cancel(&self) -> bool {
        self.clock
            .upgrade()
            .is_some_and(|clock| clock.cancel(self.number))
    }

    /// Tells whether the timer may still fire.
    pub fn is_pending(&self) -> bool {
        self.clock
            .upgrade()
            .is_some_and(|clock| clock.has(self.number))
    }

    /// Returns a timer that will not fire.
    fn never() -> Self {
        Self {
            clock: Weak::<Mutex<Clock<()>>>::new(),
            number: 0,
        }
    }
}

impl fmt::Debug for Timer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timer")
            .field("is_pending", &self.is_pending())
            .finish_non_exhaustive()
    }
}

/// A clock, whatever the messages of its actor.
trait AnyClock: Send + Sync {
    fn cancel(&self, number: u64) -> bool;

    fn has(&self, number: u64) -> bool;
}

impl<M: Send> AnyClock for Mutex<Clock<M>> {
    fn cancel(&self, number: u64) -> bool {
        let cancelled = lock(self).cancel(number);
        let in_time = cancelled.is_some();
        drop_quietly(cancelled);
        in_time
    }

    fn has(&self, number: u64) -> bool {
        lock(self).has(number)
    }
}

/// The timers of an actor belong to it: they fire between two messages, earlier than what is queued, in the
/// order of their times; those of one time in the order in which they were made. A blocked or busy actor
/// gets them late, never twice. None fires once the actor is stopping or draining, and none is left when it
/// has ended. A timer that is made then never fires.
impl<A: Actor> Cx<'_, A> {
    /// Lets this actor handle `message` after `delay`.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use hypermesh_actor::{Cx, Result, actor};
    ///
    /// struct Retry;
    /// struct Client { attempts: u32 }
    ///
    /// #[actor]
    /// impl Client {
    ///     #[hook]
    ///     async fn init(&mut self, cx: &Cx<'_, Self>) -> Result<()> {
    ///         cx.post_after(Duration::from_secs(1), Retry);
    ///         Ok(())
    ///     }
    ///
    ///     #[handler(local)]
    ///     fn retry(&mut self, _cx: &Cx<'_, Self>, _: Retry) {
    ///         self.attempts += 1;
    ///     }
    /// }
    /// ```
    pub fn post_after<M>(&self, delay: Duration, message: M) -> Timer
    where
        A: Handler<M>,
    {
        let message = A::wrap(message, ReplyTo::nobody());
        let clock = self.cell().clock_or_new();
        let added = lock(clock).add_once(Instant::now(), delay, message);
        match added {
            Ok(number) => timer(clock, number),
            Err(message) => {
                drop_quietly(message);
                Timer::never()
            }
        }
    }

    /// Lets this actor handle a copy of `message` after each `period`, the first after one period.
    ///
    /// An actor that is late gets one message for all the times that it missed, and the next at the next
    /// whole period. The shortest period is 1 ms; a shorter one is taken as that.
    pub fn every<M>(&self, period: Duration, message: M) -> Timer
    where
        A: Handler<M>,
        M: Clone + Send + 'static,
    {
        let make: Make<A::Msg> = Box::new(move || A::wrap(message.clone(), ReplyTo::nobody()));
        let clock = self.cell().clock_or_new();
        let added = lock(clock).add_every(Instant::now(), period, make);
        added.map_or_else(Timer::never, |number| timer(clock, number))
    }

    /// Lets this actor handle a copy of `message` whenever it has had no message for `after`.
    ///
    /// The time counts from the moment when nothing is queued and no handler runs. Messages of timers and
    /// what the actor hears of its children do not count. It fires once, and again after the next message
    /// and the next pause. An actor has one idle timeout; a second call replaces the first.
    pub fn when_idle<M>(&self, after: Duration, message: M) -> Timer
    where
        A: Handler<M>,
        M: Clone + Send + 'static,
    {
        let make: Make<A::Msg> = Box::new(move || A::wrap(message.clone(), ReplyTo::nobody()));
        let clock = self.cell().clock_or_new();
        let (added, old) = lock(clock).set_idle(after, make);
        drop_quietly(old);
        added.map_or_else(Timer::never, |number| timer(clock, number))
    }
}

fn timer<M: Send + 'static>(clock: &Arc<Mutex<Clock<M>>>, number: u64) -> Timer {
    let clock: Weak<Mutex<Clock<M>>> = Arc::downgrade(clock);
    Timer { clock, number }
}
