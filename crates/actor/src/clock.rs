//! What an actor is to do at what time: its timers, its idle timeout, and the end of its time. Holds
//! no task and reads no time; [`alarm`] drives it.
//!
//! # Invariants
//!
//! - **INV-1**: timers fire in the order of their times, those of one time in the order in which they
//!   were made.
//! - **INV-2**: a cancelled timer does not fire, and `cancel` says whether it came in time.
//! - **INV-3**: an interval fires once however many of its times have passed, and keeps its beat.
//! - **INV-4**: once closed, no timer fires and none is added. The end of the actor's time stays.
//! - **INV-5**: the idle timeout fires once for each time that the actor waits as long as it says.

pub(crate) mod alarm;
mod timer;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use tokio::time::Instant;

pub use self::timer::Timer;

/// Makes the message of a timer that fires more than once.
pub(crate) type Make<M> = Box<dyn Fn() -> M + Send>;

/// What is farther away than this is never reached.
const FAR: Duration = Duration::from_secs(60 * 60 * 24 * 365 * 30);

/// The shortest period of an interval: the resolution of the runtime's timers.
const SHORTEST: Duration = Duration::from_millis(1);

/// What an actor whose messages are `M`s is to do at what time.
pub(crate) struct Clock<M> {
    timers: BTreeMap<u64, Timed<M>>,
    /// The times of the timers with their numbers.
    order: BTreeSet<(Instant, u64)>,
    /// The number of the next timer.
    n_made: u64,
    idle: Option<Idle<M>>,
    /// When the actor is killed.
    kill_at: Option<Instant>,
    /// When the actor leaves that has put off its end.
    leave_at: Option<Instant>,
    /// The task knows that a timer is due and has not looked at all of them.
    raised: bool,
    closed: bool,
}

struct Timed<M> {
    at: Instant,
    kind: Kind<M>,
}

enum Kind<M> {
    Once(M),
    /// The maker is out while it makes a message.
    Every(Duration, Option<Make<M>>),
}

struct Idle<M> {
    number: u64,
    after: Duration,
    make: Option<Make<M>>,
    state: Idling,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Idling {
    /// There are messages.
    Busy,
    /// It fires then, unless a message comes first.
    Until(Instant),
    /// It has fired, and a message must come before it does so again.
    Fired,
}

/// A timer that fires.
pub(crate) enum Fired<M> {
    /// With this message.
    Once(M),
    /// With the message that is to be made. The maker belongs back with [`Clock::put_back`].
    Again(u64, Make<M>),
}

/// What an actor is to do now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Due {
    pub(crate) kill: bool,
    pub(crate) leave: bool,
    pub(crate) timers: bool,
}

impl<M> Clock<M> {
    pub(crate) fn new() -> Self {
        Self {
            timers: BTreeMap::new(),
            order: BTreeSet::new(),
            n_made: 0,
            idle: None,
            kill_at: None,
            leave_at: None,
            raised: false,
            closed: false,
        }
    }

    /// Adds a timer that fires once, and returns its number; `message` comes back if the clock is
    /// closed (INV-4).
    pub(crate) fn add_once(&mut self, now: Instant, after: Duration, message: M) -> Result<u64, M> {
        if self.closed {
            return Err(message);
        }
        Ok(self.add(later(now, after), Kind::Once(message)))
    }

    /// Adds a timer that fires after each `period`, and returns its number, unless the clock is closed.
    pub(crate) fn add_every(
        &mut self,
        now: Instant,
        period: Duration,
        make: Make<M>,
    ) -> Option<u64> {
        let period = period.max(SHORTEST);
        (!self.closed).then(|| self.add(later(now, period), Kind::Every(period, Some(make))))
    }

    /// Sets the idle timeout of a busy actor, and returns its number and the one that it replaces.
    pub(crate) fn set_idle(
        &mut self,
        after: Duration,
        make: Make<M>,
    ) -> (Option<u64>, impl Sized + use<M>) {
        if self.closed {
            return (None, None);
        }
        let number = self.next_number();
        let old = self.idle.replace(Idle {
            number,
            after,
            make: Some(make),
            state: Idling::Busy,
        });
        (Some(number), old)
    }

    /// Takes the timer or idle timeout `number` out (INV-2). `None` if it is gone.
    pub(crate) fn cancel(&mut self, number: u64) -> Option<impl Sized + use<M>> {
        let timed = self.timers.remove(&number);
        if let Some(timed) = &timed {
            self.order.remove(&(timed.at, number));
        }
        let idle = self.idle.take_if(|idle| idle.number == number);
        (timed.is_some() || idle.is_some()).then_some((timed, idle))
    }

    /// Tells whether the timer or idle timeout `number` may still fire.
    pub(crate) fn has(&self, number: u64) -> bool {
        let is_idle = self.idle.as_ref().is_some_and(|idle| idle.number == number);
        is_idle || self.timers.contains_key(&number)
    }

    /// The actor begins to wait for messages.
    pub(crate) fn waits(&mut self, now: Instant) {
        if let Some(idle) = &mut self.idle
            && idle.state == Idling::Busy
        {
            idle.state = Idling::Until(later(now, idle.after));
        }
    }

    /// There are messages again (INV-5).
    pub(crate) fn works(&mut self) {
        if let Some(idle) = &mut self.idle {
            idle.state = Idling::Busy;
        }
    }

    /// Kills the actor at `at` at the latest. The earliest such time counts.
    pub(crate) fn kill_at(&mut self, at: Instant) {
        self.kill_at = Some(self.kill_at.map_or(at, |earlier| earlier.min(at)));
    }

    /// Lets the actor leave at `at` at the latest.
    pub(crate) fn leave_at(&mut self, at: Instant) {
        self.leave_at = Some(at);
    }

    /// Returns when something is to be done next.
    pub(crate) fn next(&self) -> Option<Instant> {
        let idle = self.idle.as_ref().and_then(|idle| match idle.state {
            Idling::Until(at) => Some(at),
            Idling::Busy | Idling::Fired => None,
        });
        let first = self.order.first().map(|(at, _)| *at);
        let timers = [first, idle].into_iter().filter(|_| !self.raised);
        let ends = [self.kill_at, self.leave_at];
        timers.chain(ends).flatten().min()
    }

    /// Returns what is to be done `now`, each thing once.
    pub(crate) fn due(&mut self, now: Instant) -> Due {
        let is_past = |at: &mut Instant| *at <= now;
        let timers = !self.raised && self.is_any_due(now);
        self.raised |= timers;
        // A killed actor stays killed: this time has no further use, but as the end of others.
        let kill = self.kill_at.take_if(is_past).is_some();
        let leave = self.leave_at.take_if(is_past).is_some();
        Due {
            kill,
            leave,
            timers,
        }
    }

    /// Returns the next timer that fires `now`, of those with numbers before `end` (INV-1). When there
    /// is none, [`due`](Self::due) may tell of the next.
    pub(crate) fn fire(&mut self, now: Instant, end: u64) -> Option<Fired<M>> {
        let first = self.order.first().copied();
        if let Some((at, number)) = first.filter(|(at, number)| *at <= now && *number < end) {
            self.order.remove(&(at, number));
            return self.fire_timed(now, number);
        }
        if let Some(idle) = &mut self.idle
            && matches!(idle.state, Idling::Until(at) if at <= now)
        {
            idle.state = Idling::Fired;
            return idle.make.take().map(|make| Fired::Again(idle.number, make));
        }
        self.raised = false;
        None
    }

    /// Takes the maker back of a timer that has fired, unless the timer is gone by now; then it is
    /// returned, to be dropped.
    pub(crate) fn put_back(&mut self, number: u64, make: Make<M>) -> Option<Make<M>> {
        if let Some(idle) = self.idle.as_mut().filter(|idle| idle.number == number) {
            return idle.make.replace(make);
        }
        match self.timers.get_mut(&number) {
            Some(Timed {
                kind: Kind::Every(_, place),
                ..
            }) => place.replace(make),
            _ => Some(make),
        }
    }

    /// Returns the number of the next timer.
    pub(crate) fn next_timer(&self) -> u64 {
        self.n_made
    }

    /// Returns when the actor is killed, if that is set.
    pub(crate) fn kill_time(&self) -> Option<Instant> {
        self.kill_at
    }

    /// Lets no timer fire any more, and returns all there were, to be dropped (INV-4).
    pub(crate) fn close(&mut self) -> impl Sized + use<M> {
        self.closed = true;
        self.raised = false;
        self.order.clear();
        (std::mem::take(&mut self.timers), self.idle.take())
    }

    fn add(&mut self, at: Instant, kind: Kind<M>) -> u64 {
        let number = self.next_number();
        self.order.insert((at, number));
        self.timers.insert(number, Timed { at, kind });
        number
    }

    fn next_number(&mut self) -> u64 {
        let number = self.n_made;
        self.n_made += 1;
        number
    }

    fn is_any_due(&self, now: Instant) -> bool {
        let is_idle = |idle: &Idle<M>| matches!(idle.state, Idling::Until(at) if at <= now);
        self.order.first().is_some_and(|(at, _)| *at <= now)
            || self.idle.as_ref().is_some_and(is_idle)
    }

    fn fire_timed(&mut self, now: Instant, number: u64) -> Option<Fired<M>> {
        let timed = self.timers.get_mut(&number)?;
        if let Kind::Every(period, make) = &mut timed.kind {
            // INV-3
            timed.at = next_beat(timed.at, *period, now);
            self.order.insert((timed.at, number));
            return make.take().map(|make| Fired::Again(number, make));
        }
        match self.timers.remove(&number)?.kind {
            Kind::Once(message) => Some(Fired::Once(message)),
            Kind::Every(..) => None,
        }
    }
}

/// Returns the clock behind its lock, under which nothing of a user is called or dropped.
pub(crate) fn lock<M>(clock: &Mutex<Clock<M>>) -> MutexGuard<'_, Clock<M>> {
    clock.lock().expect("nothing panics under this lock")
}

/// Returns the time `after` from `now`, or one that is never reached.
pub(crate) fn later(now: Instant, after: Duration) -> Instant {
    now + after.min(FAR)
}

/// Returns the first time after `now` that is a whole number of periods from `at`.
fn next_beat(at: Instant, period: Duration, now: Instant) -> Instant {
    let late = now.saturating_duration_since(at);
    let n_missed = late.as_nanos() / period.as_nanos().max(1);
    let n_beats = u32::try_from(n_missed + 1).unwrap_or(u32::MAX);
    let next = at + period.min(FAR).saturating_mul(n_beats).min(FAR);
    // More beats were missed than can be counted: the beat begins anew.
    if next <= now {
        later(now, period)
    } else {
        next
    }
}

#[cfg(test)]
mod tests;
