//! The task of an actor: makes its value, handles its messages one at a time, and ends it.
//!
//! What comes next in a life is decided by [`crate::life`]; this file waits, calls and passes on.
//!
//! # Invariants
//!
//! - **INV-1**: between two messages the task looks at one word. A kill acts there or at the next await,
//!   a stop there, and what supervision has to say is heard before the next message.
//! - **INV-2**: the task lets others run after a bounded number of messages, see [`turn`].
//! - **INV-3**: whatever happens to the task, its actor ends: when the runtime drops the task, the
//!   destructor ends it as killed.
//! - **INV-4**: no timer fires once the actor was asked to end.

mod executor;

mod message_span;

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use hypermesh_mailbox::LossPolicy;
use pin_project_lite::pin_project;
use tokio::time::Instant;

pub use self::executor::Executor;
pub(crate) use self::executor::start_on;
use self::message_span::{handler_name, in_message_span, wants_spans};
use crate::activity::EventOutcome;
use crate::actor::Actor;
use crate::ask::running;
use crate::birth::Birth;
use crate::catch::{self, Panic, caught, drop_quietly};
use crate::cell::{AnyCell, Cell, Core, DRAIN, EXIT, Item, LANE, NOTICED, STOP, TIMER};
use crate::clock::alarm::Alarm;
use crate::clock::{Clock, Fired, later, lock};
use crate::cx::Cx;
use crate::error::{Error, Result};
use crate::exit::{Departure, Exit, Mode, Status};
use crate::failure::{Failure, FailureCause, Phase};
use crate::finish::finish;
use crate::incoming::{Incoming, Origin};
use crate::lane::LaneItem;
use crate::life::Life;
use crate::mail::Mail;
use crate::queue::Taken;
use crate::restart::{Again, Standing, restart};
use crate::settings::STOP_TIMEOUT;
use crate::supervision::{ChildEvent, Directive};
use crate::yielding::{turn, yield_now};

/// How an actor comes to its value.
pub(crate) enum Source<A> {
    /// It was passed to `spawn`.
    Value(Box<A>),
    /// It is made in its own task, when its turn has come.
    Again(Again<A>),
    /// It is made in its own task.
    Create(Pin<Box<dyn Future<Output = Result<A, Failure>> + Send>>),
}

/// Why an actor stopped handling messages.
pub(crate) enum Leave {
    Requested(Mode),
    Failed(Failure),
}

/// What an actor's task has in hand besides its value: messages, the next of them last.
pub(crate) type Batch<A> = Vec<Item<<A as Actor>::Msg>>;

/// How an actor's task ended, and who waits to hear of it.
pub(crate) struct Ended {
    exit: Exit,
    birth: Option<Birth>,
}

/// Starts the task of the actor in `cell` where most actors run.
pub(crate) fn start<A: Actor>(cell: Arc<Cell<A>>, source: Source<A>, birth: Option<Birth>) {
    start_on(&Executor::Shared, cell, source, birth);
}

pin_project! {
    struct ActorTask<A: Actor, F> {
        cell: Arc<Cell<A>>,
        alarm: Alarm,
        // Ends the actor: when the body is over, or when this is dropped.
        is_owner: bool,
        #[pin]
        body: F,
    }

    impl<A: Actor, F> PinnedDrop for ActorTask<A, F> {
        fn drop(this: Pin<&mut Self>) {
            // INV-3
            if this.is_owner {
                this.cell.abandon(Exit::Killed);
            }
        }
    }
}

impl<A: Actor, F> ActorTask<A, F> {
    fn new(cell: Arc<Cell<A>>, body: F, is_owner: bool) -> Self {
        Self {
            cell,
            alarm: Alarm::default(),
            is_owner,
            body,
        }
    }
}

impl<A: Actor, F: Future<Output = Ended>> Future for ActorTask<A, F> {
    /// The end of the actor, if somebody else is to tell it.
    type Output = Option<Ended>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Ended>> {
        let this = self.project();
        this.cell.queue().register(cx.waker());
        let _running = running::enter(this.cell.core().id());
        if this.alarm.is_set() {
            ring(this.cell, this.alarm, cx);
        }
        match this.body.poll(cx) {
            Poll::Pending => {
                if ring(this.cell, this.alarm, cx) {
                    cx.waker().wake_by_ref();
                }
                Poll::Pending
            }
            Poll::Ready(ended) if *this.is_owner => {
                conclude(this.cell, ended);
                Poll::Ready(None)
            }
            Poll::Ready(ended) => Poll::Ready(Some(ended)),
        }
    }
}

/// Raises what the clock of the actor has for it now. Returns whether there was anything.
fn ring<A: Actor>(cell: &Arc<Cell<A>>, alarm: &mut Alarm, cx: &mut Context<'_>) -> bool {
    let Some(clock) = cell.clock() else {
        return false;
    };
    let due = alarm.poll(clock, cx);
    let core = cell.core();
    if due.timers {
        core.set_control(TIMER);
    }
    if due.leave {
        core.set_control(EXIT);
    }
    if due.kill {
        cell.request(Mode::Kill);
    }
    due.timers || due.leave || due.kill
}

/// Runs the whole life of an actor but for its last step, which is [`conclude`].
async fn live<A: Actor>(cell: Arc<Cell<A>>, source: Source<A>, mut birth: Option<Birth>) -> Ended {
    let mut life = Life::new();
    let mut actor = None;
    let mut batch = Vec::new();
    let core = cell.core();
    life.begin();
    core.publish(life.status());
    let born = begin(&cell, source, &mut actor, &mut life);
    let mut leave = or_kill(core, Box::pin(born)).await;
    if let (None, Some(actor)) = (&leave, &mut actor) {
        life.initialized();
        core.publish(life.status());
        if let Some(birth) = birth.take() {
            birth.succeeded(core.id());
        }
        let serve = or_kill(core, serve(&cell, actor, &mut batch)).await;
        leave = Some(serve);
    }
    let leave = match leave.unwrap_or(Leave::Requested(Mode::Kill)) {
        // A child that failed before its parent did is most likely why.
        Leave::Failed(failure) if failure.caused_by.is_none() => {
            Leave::Failed(match core.lane().child_failure() {
                Some(earlier) => failure.caused_by(earlier),
                None => failure,
            })
        }
        leave => leave,
    };
    let exit = Box::pin(finish(&cell, actor, batch, life, leave)).await;
    Ended { exit, birth }
}

/// Tells the world of the end of an actor.
fn conclude<A: Actor>(cell: &Arc<Cell<A>>, Ended { exit, birth }: Ended) {
    let cell: Arc<dyn AnyCell> = cell.clone();
    cell.conclude(exit.clone());
    // After the end, when the name is free for another try.
    if let Some(birth) = birth {
        birth.failed(exit);
    }
}

/// Makes the actor and runs `init`. Returns why it is not to handle messages, if so.
async fn begin<A: Actor>(
    cell: &Arc<Cell<A>>,
    source: Source<A>,
    actor: &mut Option<Box<A>>,
    life: &mut Life,
) -> Option<Leave> {
    let core = cell.core();
    let made = match source {
        Source::Value(value) => value,
        Source::Again(again) => match caught(again.make(core)).await {
            Ok(Some(value)) => Box::new(value),
            Ok(None) => return Some(Leave::Requested(Mode::Stop)),
            Err(panic) => return Some(Leave::Failed(panicked(core, Phase::Create, panic))),
        },
        Source::Create(create) => match caught(create).await {
            Ok(Ok(value)) => Box::new(value),
            Ok(Err(failure)) => return Some(Leave::Failed(failure)),
            Err(panic) => return Some(Leave::Failed(panicked(core, Phase::Create, panic))),
        },
    };
    life.made();
    let made = actor.insert(made);
    let result = caught(made.init(&Cx::new(cell, None))).await;
    settle_hook(core, Phase::Init, result)
        .err()
        .map(Leave::Failed)
}

/// Handles messages until there is a reason to leave.
async fn serve<A: Actor>(cell: &Arc<Cell<A>>, actor: &mut A, batch: &mut Batch<A>) -> Leave {
    let core = cell.core();
    let mut left = turn();
    let mut held = None;
    loop {
        let taken = poll_fn(|cx| {
            let taken = cell.queue().poll_take(cx, batch, || core.control() != 0);
            if let (Poll::Pending, Some(clock)) = (&taken, cell.clock()) {
                lock(clock).waits(Instant::now());
            }
            taken
        });
        match taken.await {
            Taken::Items => {
                if let Some(clock) = cell.clock() {
                    lock(clock).works();
                }
            }
            Taken::Interrupted => {
                if let Some(leave) = Box::pin(attend(cell, actor, &mut held)).await {
                    return leave;
                }
            }
            Taken::Closed => {
                if let Some(leave) = Box::pin(attend(cell, actor, &mut held)).await {
                    return leave;
                }
                if held.is_none() {
                    return Leave::Requested(Mode::Drain);
                }
                // Nothing will be queued any more; children and the clock may have something to say.
                interruption(core).await;
            }
        }
        while !batch.is_empty() {
            // INV-1
            if core.control() != 0
                && let Some(leave) = Box::pin(attend(cell, actor, &mut held)).await
            {
                return leave;
            }
            // INV-2
            if left == 0 {
                left = turn();
                yield_now().await;
                continue;
            }
            left -= 1;
            // Here and not in a future of its own, through which every message would be copied.
            let mut origin = None;
            let message = match batch.pop() {
                None => break,
                Some(Item::Message(message)) => message,
                Some(Item::Mail(mail)) => match open::<A>(cell, *mail) {
                    Some((message, from)) => {
                        origin = Some(from);
                        message
                    }
                    None => continue,
                },
            };
            let handler = A::handler_of(&message);
            core.activity().begin(handler);
            let cx = Cx::new(cell, origin.as_deref());
            let result = if wants_spans() {
                // In a box, so that the future of the other branch is not moved: this one is rare.
                let dispatched = Box::pin(actor.dispatch(&cx, message));
                in_message_span(core, handler_name::<A>(handler), dispatched).await
            } else {
                actor.dispatch(&cx, message).await
            };
            core.activity().end(EventOutcome::of(&result));
            if let Err(failure) = result {
                return Leave::Failed(failure);
            }
        }
    }
}

/// Waits for something that is not a message. Whoever brings it wakes the task.
async fn interruption(core: &Core) {
    poll_fn(|_| match core.control() {
        0 => Poll::Pending,
        _ => Poll::Ready(()),
    })
    .await;
}

fn open<A: Actor>(cell: &Arc<Cell<A>>, mail: Mail) -> Option<(A::Msg, Box<Origin>)> {
    let receiver: Arc<dyn AnyCell> = cell.clone();
    A::decode(Incoming::new(mail, &receiver)).ok()
}

/// Looks at what is not a message (INV-1). `held` is the request that `on_stop` has put off.
async fn attend<A: Actor>(
    cell: &Arc<Cell<A>>,
    actor: &mut A,
    held: &mut Option<Mode>,
) -> Option<Leave> {
    let core = cell.core();
    let requested = core.requested();
    if requested != Some(Mode::Kill) && core.control() & EXIT != 0 {
        let mode = (*held).max(requested).unwrap_or(Mode::Stop);
        return Some(Leave::Requested(mode));
    }
    match (requested, *held) {
        (None, _) => {}
        (Some(Mode::Stop), Some(Mode::Stop)) => core.clear_control(STOP),
        (Some(mode @ Mode::Stop), None) if A::DECIDES_STOP => {
            if let Some(leave) = put_off(cell, actor, mode, held).await {
                return Some(leave);
            }
        }
        (Some(Mode::Drain), None) => {
            // The queue was closed by whoever asked; what is in it is handled first.
            if let Some(leave) = put_off(cell, actor, Mode::Drain, held).await {
                return Some(leave);
            }
        }
        (Some(Mode::Drain), Some(_)) => core.clear_control(DRAIN),
        (Some(mode @ (Mode::Kill | Mode::Stop)), _) => return Some(Leave::Requested(mode)),
    }
    core.clear_control(LANE);
    while let Some(item) = core.lane().pop() {
        let result = match item {
            LaneItem::Child(event) => child_ended(cell, actor, event).await,
            LaneItem::Linked(failure) => Err(failure),
            LaneItem::Undelivered(undelivered) => {
                let cx = Cx::new(cell, None);
                let is_fatal = undelivered.header.loss_policy() == LossPolicy::FailSender;
                let cause = is_fatal.then(|| undelivered.cause.clone());
                let result = caught(actor.on_undeliverable(&cx, *undelivered)).await;
                let result = settle_hook(core, Phase::OnUndeliverable, result);
                // The send asked for it: the hook hears of the loss and cannot undo it.
                result.and_then(|()| match cause {
                    None => Ok(()),
                    Some(cause) => {
                        let (phase, error) = (Phase::OnUndeliverable, Error::from(cause));
                        Err(Failure::of_error(phase, core.id(), core.label(), &error))
                    }
                })
            }
        };
        if let Err(failure) = result {
            return Some(Leave::Failed(failure));
        }
    }
    if core.control() & TIMER == 0 {
        return None;
    }
    core.clear_control(TIMER);
    match cell.clock() {
        Some(clock) => fire_timers(cell, actor, clock).await,
        None => None,
    }
}

/// Begins an end that the actor may put off, and asks it whether it does.
async fn put_off<A: Actor>(
    cell: &Arc<Cell<A>>,
    actor: &mut A,
    mode: Mode,
    held: &mut Option<Mode>,
) -> Option<Leave> {
    let core = cell.core();
    core.publish(Status::Stopping);
    core.clear_control(if mode == Mode::Drain { DRAIN } else { STOP });
    cell.close_clock();
    if !A::DECIDES_STOP {
        return None;
    }
    let decided = caught(actor.on_stop(&Cx::new(cell, None), mode)).await;
    match settle_hook(core, Phase::OnStop, decided) {
        Ok(Departure::Now) if mode == Mode::Drain => None,
        Ok(Departure::Now) => Some(Leave::Requested(mode)),
        Ok(Departure::Later) => {
            *held = Some(mode);
            let end = later(Instant::now(), STOP_TIMEOUT.get());
            lock(cell.clock_or_new()).leave_at(end);
            None
        }
        Err(failure) => Some(Leave::Failed(failure)),
    }
}

/// Handles the messages of the timers that are due, until something else wants the task.
async fn fire_timers<A: Actor>(
    cell: &Arc<Cell<A>>,
    actor: &mut A,
    clock: &Mutex<Clock<A::Msg>>,
) -> Option<Leave> {
    let core = cell.core();
    let now = Instant::now();
    let end = lock(clock).next_timer();
    let mut n_fired = 0;
    loop {
        // INV-1, INV-4
        if core.control() != 0 {
            core.set_control(TIMER);
            return None;
        }
        let fired = lock(clock).fire(now, end);
        let message = match fired {
            None => return None,
            Some(Fired::Once(message)) => message,
            Some(Fired::Again(number, make)) => {
                let made = catch::call(&make);
                let gone = lock(clock).put_back(number, make);
                drop_quietly(gone);
                match made {
                    Ok(message) => message,
                    Err(panic) => {
                        return Some(Leave::Failed(panicked(core, Phase::Handler, panic)));
                    }
                }
            }
        };
        core.activity().begin(A::handler_of(&message));
        let result = actor.dispatch(&Cx::new(cell, None), message).await;
        core.activity().end(EventOutcome::of(&result));
        if let Err(failure) = result {
            return Some(Leave::Failed(failure));
        }
        n_fired += 1;
        if n_fired % turn() == 0 {
            yield_now().await;
        }
    }
}

/// Lets the actor decide about a child that ended.
async fn child_ended<A: Actor>(
    cell: &Arc<Cell<A>>,
    actor: &mut A,
    mut event: ChildEvent,
) -> Result<(), Failure> {
    let core = cell.core();
    let restarts = core.children().restarts();
    event.restartable = restarts.standing(event.actor) != Standing::Stranger;
    let decided = caught(actor.on_child(&Cx::new(cell, None), &event)).await;
    let earlier = event.exit.failure();
    let child_failed = |text: String| {
        let text = format!("child {} {text}: {}", event.label, event.exit);
        Failure::new(FailureCause::Child, core.id(), core.label(), text)
    };
    let settled = match settle_hook(core, Phase::OnChild, decided) {
        Ok(Directive::Handled) => Ok(()),
        Ok(Directive::Escalate) if earlier.is_none() => Ok(()),
        Ok(Directive::Escalate) => Err(child_failed("ended".to_owned())),
        Ok(Directive::Restart) => {
            let parent: Arc<dyn AnyCell> = cell.clone();
            let restarted = restart(&parent, &event).await;
            restarted.map_err(|why| child_failed(format!("cannot be restarted, {why}; it ended")))
        }
        Err(failure) => Err(failure),
    };
    // A child that was made anew has another id.
    restarts.forget(event.actor);
    let Err(failure) = settled else {
        return Ok(());
    };
    Err(match earlier {
        Some(earlier) => failure.caused_by(earlier.clone()),
        None => failure,
    })
}

/// Says what the actor does not come to hear of, because it is ending.
pub(crate) fn log_unheard(core: &Core) {
    while let Some(item) = core.lane().pop() {
        match item {
            LaneItem::Child(event) if !event.is_failure() => {}
            // Who fails or is stopped anyway.
            LaneItem::Linked(_) => {}
            LaneItem::Child(event) => {
                tracing::warn!(
                    actor = core.label(),
                    child = event.label,
                    exit = %event.exit,
                    "a child failed while its parent was ending"
                );
            }
            LaneItem::Undelivered(lost) => {
                core.proc().gateway().log_undelivered(core.label(), &lost);
            }
        }
    }
}

/// Returns what a hook returned, or the failure of the actor that follows from it.
pub(crate) fn settle_hook<T>(
    core: &Core,
    phase: Phase,
    result: Result<Result<T>, Panic>,
) -> Result<T, Failure> {
    match result {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(Failure::of_error(phase, core.id(), core.label(), &error)),
        Err(panic) => Err(panicked(core, phase, panic)),
    }
}

fn panicked(core: &Core, phase: Phase, panic: Panic) -> Failure {
    Failure::of_panic(phase, core.id(), core.label(), panic)
}

pin_project! {
    /// A future that a kill of the actor cuts short at its next poll.
    pub(crate) struct OrKill<'a, F> {
        core: &'a Core,
        #[pin]
        future: F,
    }
}

/// Returns `future`, cut short by a kill of the actor.
pub(crate) fn or_kill<F: Future>(core: &Core, future: F) -> OrKill<'_, F> {
    OrKill { core, future }
}

/// A result that says so when the actor was killed.
pub(crate) trait Killable {
    fn killed() -> Self;
}

impl Killable for Leave {
    fn killed() -> Self {
        Self::Requested(Mode::Kill)
    }
}

impl Killable for Option<Leave> {
    fn killed() -> Self {
        Some(Leave::killed())
    }
}

impl<F: Future<Output: Killable>> Future for OrKill<'_, F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        if this.core.is_killed() {
            // Before the future is dropped: what it holds tells its callers.
            this.core.set_closing(Exit::Killed);
            this.core.set_control(NOTICED);
            return Poll::Ready(F::Output::killed());
        }
        this.future.poll(cx)
    }
}
