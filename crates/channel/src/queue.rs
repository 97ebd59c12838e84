//! What is posted on a link and not yet taken by its task, and how the link is told to end.
//!
//! # Invariants
//!
//! - **INV-1**: at most the allowed number of messages and bytes wait, those that the task took and
//!   did not write included.
//! - **INV-2**: after [`finish`](Queue::finish) nothing is queued any more.
//! - **INV-3**: no parcel is completed, and no waker called, while the lock is held.
//! - **INV-4**: the writing end of the connection has one user: the task, or while that waits for parcels
//!   whoever borrowed it to write one. It is lent only while nothing waits, so that parcels are
//!   written in the order in which they were posted.
//! - **INV-5**: whatever comes while it is borrowed wakes the task, which gets it back when it is returned.

use std::{
    collections::VecDeque,
    mem,
    sync::{Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use tokio::{sync::Notify, time::Instant as Deadline};

use crate::{
    link::outgoing::Outgoing,
    outcome::{CloseReason, FailReason, Outcome, Parcel, complete},
};

/// Parcels that come sooner one after the other are written by the task, as many at once as there are.
const BURST: Duration = Duration::from_micros(30);

/// An emptied queue of more room than this is not kept.
const KEPT_ROOM: usize = 4096;

/// How far a link is on its way to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Parcels are accepted.
    Open,
    /// No parcel is accepted; those that were may still be written and acknowledged until then.
    Closing(Deadline),
    /// The task is to end at once.
    Killed,
}

/// The parcels of one link that wait for its task.
#[derive(Debug)]
pub(crate) struct Queue<P: Parcel> {
    state: Mutex<State<P>>,
    max_messages: usize,
    max_bytes: u64,
    /// Told when there is room again after there was none, and at the end.
    room: Notify,
}

#[derive(Debug)]
struct State<P: Parcel> {
    waiting: VecDeque<P>,
    load: Load,
    /// The parcels that were ever queued.
    posted: u64,
    stage: Stage,
    finished: Option<CloseReason>,
    /// The task, while it waits.
    task: Option<Waker>,
    /// Whether the task waits for parcels, or only for another stage.
    hungry: bool,
    /// Whether the task is to look around, whatever it waits for.
    nudged: bool,
    /// The writing end of the connection, for whoever posts.
    lent: Option<Box<Outgoing<P>>>,
    /// Whether the task wants it back.
    reclaiming: bool,
    /// When it was borrowed last.
    borrowed: Option<Instant>,
}

/// The writing end of a link's connection in the hands of who posts, until this is dropped.
#[derive(Debug)]
pub(crate) struct Borrowed<'a, P: Parcel> {
    queue: &'a Queue<P>,
    out: Option<Box<Outgoing<P>>>,
    /// Whether all that was framed is written.
    is_clean: bool,
}

impl<P: Parcel> Borrowed<'_, P> {
    /// Writes `parcel`, as [`Outgoing::write_now`].
    pub(crate) fn write_now(&mut self, parcel: P, is_flushing: bool) {
        self.is_clean = false;
        if let Some(out) = &mut self.out {
            self.is_clean = out.write_now(parcel, is_flushing);
        }
    }
}

impl<P: Parcel> Drop for Borrowed<'_, P> {
    fn drop(&mut self) {
        if let Some(out) = self.out.take() {
            self.queue.give_back(out, self.is_clean);
        }
    }
}

/// Messages and their bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Load {
    pub(crate) messages: usize,
    pub(crate) bytes: u64,
}

impl Load {
    pub(crate) fn of(parcel: &impl Parcel) -> Self {
        Self {
            messages: 1,
            bytes: parcel.payload().len() as u64,
        }
    }

    pub(crate) fn add(&mut self, load: Load) {
        self.messages += load.messages;
        self.bytes += load.bytes;
    }

    fn remove(&mut self, load: Load) {
        self.messages -= load.messages;
        self.bytes -= load.bytes;
    }
}

impl<P: Parcel> Queue<P> {
    /// Returns an empty queue.
    pub(crate) fn new(max_messages: usize, max_bytes: u64) -> Self {
        let state = State {
            waiting: VecDeque::new(),
            load: Load::default(),
            posted: 0,
            stage: Stage::Open,
            finished: None,
            task: None,
            hungry: false,
            nudged: false,
            lent: None,
            reclaiming: false,
            borrowed: None,
        };
        Self {
            state: Mutex::new(state),
            max_messages,
            max_bytes,
            room: Notify::new(),
        }
    }

    /// Queues a parcel, or hands it back with the means to write it, or with the reason why it is
    /// refused.
    pub(crate) fn push(&self, parcel: P) -> Result<Option<ToWrite<'_, P>>, (P, FailReason)> {
        let load = Load::of(&parcel);
        let mut state = self.lock();
        if let Some(reason) = state.refusal() {
            return Err((parcel, reason));
        }
        if self.is_full(&state) {
            let Load { messages, bytes } = state.load;
            return Err((parcel, FailReason::QueueFull { messages, bytes }));
        }
        state.posted += 1;
        if let Some(out) = state.borrow(&parcel) {
            drop(state);
            let borrowed = Borrowed {
                queue: self,
                out: Some(out),
                is_clean: true,
            };
            return Ok(Some((borrowed, parcel)));
        }
        state.load.add(load);
        state.waiting.push_back(parcel);
        let task = if state.hungry {
            state.task.take()
        } else {
            None
        };
        drop(state);
        wake(task);
        Ok(None)
    }

    /// Lets whoever posts use the writing end of the connection, until it is reclaimed.
    pub(crate) fn lend(&self, out: Box<Outgoing<P>>) {
        self.lock().lent = Some(out);
    }

    /// Waits until nobody uses what was lent, and returns it. To be called once for each loan.
    pub(crate) async fn reclaim(&self) -> Box<Outgoing<P>> {
        std::future::poll_fn(|cx| {
            let mut state = self.lock();
            state.reclaiming = state.lent.is_none();
            if let Some(out) = state.lent.take() {
                return Poll::Ready(out);
            }
            let old = state.register(cx);
            drop(state);
            drop(old);
            Poll::Pending
        })
        .await
    }

    /// Takes back what was borrowed, and wakes the task if there is something to do.
    fn give_back(&self, out: Box<Outgoing<P>>, is_clean: bool) {
        let mut state = self.lock();
        if state.finished.is_some() {
            drop(state);
            // The last outcomes of what it has sent.
            drop(out);
            return;
        }
        state.lent = Some(out);
        // What was queued meanwhile has woken the task.
        let task = if state.reclaiming || !is_clean {
            state.nudged = true;
            state.task.take()
        } else {
            None
        };
        drop(state);
        wake(task);
    }

    /// Waits until there is room for another parcel.
    ///
    /// # Errors
    ///
    /// The reason why there never will be.
    pub(crate) async fn ready(&self) -> Result<(), FailReason> {
        loop {
            let mut room = std::pin::pin!(self.room.notified());
            // Registered before the look, so that no news is missed.
            room.as_mut().enable();
            {
                let state = self.lock();
                if let Some(reason) = state.refusal() {
                    return Err(reason);
                }
                if !self.is_full(&state) {
                    return Ok(());
                }
            }
            room.await;
        }
    }

    /// Returns the number of parcels that were ever queued.
    pub(crate) fn posted(&self) -> u64 {
        self.lock().posted
    }

    /// Stops accepting parcels, and lets the task go on for those it has until `deadline`, or until
    /// an earlier deadline that it was given before.
    pub(crate) fn close(&self, deadline: Deadline) {
        self.advance(|stage| match stage {
            Stage::Open => Stage::Closing(deadline),
            Stage::Closing(earlier) => Stage::Closing(earlier.min(deadline)),
            Stage::Killed => Stage::Killed,
        });
    }

    /// Makes the task look around.
    pub(crate) fn nudge(&self) {
        let task = {
            let mut state = self.lock();
            state.nudged = true;
            state.task.take()
        };
        wake(task);
    }

    /// Tells the task to end at once.
    pub(crate) fn kill(&self) {
        self.advance(|_| Stage::Killed);
    }

    /// Returns the stage.
    pub(crate) fn stage(&self) -> Stage {
        self.lock().stage
    }

    /// Records that the task disposed of `gone`, moves everything that waits to `taken` if that is
    /// empty, and returns the stage.
    pub(crate) fn exchange(&self, taken: &mut VecDeque<P>, gone: Load) -> Stage {
        let mut state = self.lock();
        let was_full = self.is_full(&state);
        state.load.remove(gone);
        if taken.is_empty() {
            if taken.capacity() > KEPT_ROOM {
                *taken = VecDeque::new();
            }
            mem::swap(taken, &mut state.waiting);
        }
        let has_room = was_full && !self.is_full(&state);
        let stage = state.stage;
        drop(state);
        if has_room {
            self.room.notify_waiters();
        }
        stage
    }

    /// Records that parcels of the task wait again: their connection was lost before they were
    /// written.
    pub(crate) fn restore(&self, load: Load) {
        self.lock().load.add(load);
    }

    /// Waits for a stage other than `seen`, for a nudge and, if `hungry`, for parcels. Only the task of the link
    /// waits here.
    pub(crate) async fn news(&self, seen: Stage, hungry: bool) {
        std::future::poll_fn(|cx| self.poll_news(cx, seen, hungry)).await;
    }

    /// Ends the queue and returns what waits in it, and what is lent. Later parcels are refused with
    /// `reason`.
    pub(crate) fn finish(&self, reason: CloseReason) -> (VecDeque<P>, Option<Box<Outgoing<P>>>) {
        let left = {
            let mut state = self.lock();
            state.finished.get_or_insert(reason);
            state.load = Load::default();
            (mem::take(&mut state.waiting), state.lent.take())
        };
        self.room.notify_waiters();
        left
    }

    fn poll_news(&self, cx: &mut Context<'_>, seen: Stage, hungry: bool) -> Poll<()> {
        let mut state = self.lock();
        let nudged = mem::take(&mut state.nudged);
        if nudged || state.stage != seen || hungry && !state.waiting.is_empty() {
            state.hungry = false;
            return Poll::Ready(());
        }
        state.hungry = hungry;
        let old = state.register(cx);
        drop(state);
        drop(old);
        Poll::Pending
    }

    fn advance(&self, step: impl FnOnce(Stage) -> Stage) {
        let task = {
            let mut state = self.lock();
            state.stage = step(state.stage);
            state.task.take()
        };
        wake(task);
        // Whoever waits for room is told that there will be none.
        self.room.notify_waiters();
    }

    fn is_full(&self, state: &State<P>) -> bool {
        self.max_messages <= state.load.messages || self.max_bytes <= state.load.bytes
    }

    /// A panic under the lock is impossible but for a lack of memory; the data stays usable.
    fn lock(&self) -> MutexGuard<'_, State<P>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A parcel, and what its poster may write it with.
type ToWrite<'a, P> = (Borrowed<'a, P>, P);

impl<P: Parcel> State<P> {
    /// Takes what is lent if `parcel` may be written with it now: nothing waits before it, and it is not
    /// one of many in a short time, which the task writes at once.
    fn borrow(&mut self, parcel: &P) -> Option<Box<Outgoing<P>>> {
        let is_open = self.waiting.is_empty() && self.stage == Stage::Open;
        if !is_open || !self.lent.as_ref()?.takes(parcel) {
            return None;
        }
        let now = Instant::now();
        let since = self.borrowed.replace(now).map(|then| now - then);
        if since.is_some_and(|since| since < BURST) {
            return None;
        }
        self.lent.take()
    }

    /// Remembers the task that waits, and returns the waker that was known before.
    fn register(&mut self, cx: &Context<'_>) -> Option<Waker> {
        match &self.task {
            Some(task) if task.will_wake(cx.waker()) => None,
            _ => self.task.replace(cx.waker().clone()),
        }
    }

    fn refusal(&self) -> Option<FailReason> {
        match (&self.finished, self.stage) {
            (Some(reason), _) => Some(reason.clone().into()),
            (None, Stage::Open) => None,
            (None, Stage::Closing(_) | Stage::Killed) => Some(FailReason::Closed),
        }
    }
}

fn wake(task: Option<Waker>) {
    if let Some(task) = task {
        task.wake();
    }
}

/// Completes every parcel as failed for `reason`.
pub(crate) fn fail_all<P: Parcel>(parcels: VecDeque<P>, reason: &FailReason) {
    for parcel in parcels {
        complete(parcel, Outcome::Failed(reason.clone()));
    }
}
