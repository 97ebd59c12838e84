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

mod attend;
mod executor;
mod kill;
mod message_span;
mod task;

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use tokio::time::Instant;

use self::attend::attend;
pub(crate) use self::attend::log_unheard;
pub use self::executor::Executor;
pub(crate) use self::executor::start_on;
pub(crate) use self::kill::or_kill;
use self::message_span::{handler_name, in_message_span, wants_spans};
use self::task::ActorTask;
use crate::activity::EventOutcome;
use crate::actor::Actor;
use crate::birth::Birth;
use crate::catch::{Panic, caught};
use crate::cell::{AnyCell, Cell, Core, Item};
use crate::clock::lock;
use crate::cx::Cx;
use crate::error::Result;
use crate::exit::{Exit, Mode};
use crate::failure::{Failure, Phase};
use crate::finish::finish;
use crate::incoming::{Incoming, Origin};
use crate::life::Life;
use crate::mail::Mail;
use crate::queue::Taken;
use crate::restart::Again;
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
