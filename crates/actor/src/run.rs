//! The task of an actor: makes its value, handles its messages one at a time, and ends it.
//!
//! What comes next in a life is decided by [`crate::life`]; this file waits, calls and passes on.
//!
//! # Invariants
//!
//! - **INV-1**: between two messages the task looks at one word. A kill acts there or at the next await,
//!   a stop there, and what supervision has to say is heard before the next message.
//! - **INV-2**: the task lets others run after at most [`BATCH`] messages.
//! - **INV-3**: whatever happens to the task, its actor ends: when the runtime drops the task, the
//!   destructor ends it as killed.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use crate::actor::Actor;
use crate::birth::Birth;
use crate::catch::{Panic, caught};
use crate::cell::{AnyCell, Cell, Core, DRAIN, Item, LANE};
use crate::cx::Cx;
use crate::error::Result;
use crate::exit::{Exit, Mode, Status};
use crate::failure::{Failure, FailureCause, Phase};
use crate::finish::finish;
use crate::incoming::{Incoming, Origin};
use crate::lane::LaneItem;
use crate::life::Life;
use crate::mail::Mail;
use crate::queue::Taken;
use crate::supervision::{ChildEvent, Directive};
use crate::yielding::yield_now;

/// How many messages the task handles before it lets other tasks run.
const BATCH: usize = 64;

/// How an actor comes to its value.
pub(crate) enum Source<A> {
    /// It was passed to `spawn`.
    Value(Box<A>),
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

/// Starts the task of the actor in `cell`.
pub(crate) fn start<A: Actor>(cell: Arc<Cell<A>>, source: Source<A>, birth: Option<Birth>) {
    let runtime = cell.core().proc().runtime().clone();
    // The proc's table has the cell until the task ends it, and ends the task through it.
    runtime.spawn(ActorTask {
        cell: cell.clone(),
        body: live(cell, source, birth),
    });
}

pin_project! {
    struct ActorTask<A: Actor, F> {
        cell: Arc<Cell<A>>,
        #[pin]
        body: F,
    }

    impl<A: Actor, F> PinnedDrop for ActorTask<A, F> {
        fn drop(this: Pin<&mut Self>) {
            // INV-3
            this.cell.abandon();
        }
    }
}

impl<A: Actor, F: Future<Output = ()>> Future for ActorTask<A, F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        this.cell.queue().register(cx.waker());
        this.body.poll(cx)
    }
}

async fn live<A: Actor>(cell: Arc<Cell<A>>, source: Source<A>, mut birth: Option<Birth>) {
    let mut life = Life::new();
    let mut actor = None;
    let mut batch = Vec::new();
    let core = cell.core();
    life.begin();
    core.begin_task(life.status());
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
    let leave = leave.unwrap_or(Leave::Requested(Mode::Kill));
    let exit = Box::pin(finish(&cell, actor, batch, life, leave)).await;
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
    let mut handled = 0;
    loop {
        let taken = poll_fn(|cx| cell.queue().poll_take(cx, batch, || core.control() != 0)).await;
        match taken {
            Taken::Items => {}
            Taken::Interrupted => {
                if let Some(leave) = Box::pin(attend(cell, actor)).await {
                    return leave;
                }
            }
            Taken::Closed => match Box::pin(attend(cell, actor)).await {
                Some(leave) => return leave,
                None => return Leave::Requested(Mode::Drain),
            },
        }
        while !batch.is_empty() {
            // INV-1
            if core.control() != 0
                && let Some(leave) = Box::pin(attend(cell, actor)).await
            {
                return leave;
            }
            // INV-2
            if handled == BATCH {
                handled = 0;
                yield_now().await;
                continue;
            }
            handled += 1;
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
            let result = actor
                .dispatch(&Cx::new(cell, origin.as_deref()), message)
                .await;
            if let Err(failure) = result {
                return Leave::Failed(failure);
            }
        }
    }
}

fn open<A: Actor>(cell: &Arc<Cell<A>>, mail: Mail) -> Option<(A::Msg, Box<Origin>)> {
    let receiver: Arc<dyn AnyCell> = cell.clone();
    A::decode(Incoming::new(mail, &receiver)).ok()
}

/// Looks at what is not a message (INV-1).
async fn attend<A: Actor>(cell: &Arc<Cell<A>>, actor: &mut A) -> Option<Leave> {
    let core = cell.core();
    match core.requested() {
        Some(mode @ (Mode::Kill | Mode::Stop)) => return Some(Leave::Requested(mode)),
        Some(Mode::Drain) => {
            // The queue was closed by whoever asked; what is in it is handled first.
            core.publish(Status::Stopping);
            core.clear_control(DRAIN);
        }
        None => {}
    }
    core.clear_control(LANE);
    while let Some(item) = core.lane().pop() {
        let result = match item {
            LaneItem::Child(event) => child_ended(cell, actor, event).await,
            LaneItem::Undelivered(undelivered) => {
                let cx = Cx::new(cell, None);
                let result = caught(actor.on_undeliverable(&cx, *undelivered)).await;
                settle_hook(core, Phase::OnUndeliverable, result)
            }
        };
        if let Err(failure) = result {
            return Some(Leave::Failed(failure));
        }
    }
    None
}

/// Lets the actor decide about a child that ended.
async fn child_ended<A: Actor>(
    cell: &Arc<Cell<A>>,
    actor: &mut A,
    event: ChildEvent,
) -> Result<(), Failure> {
    let core = cell.core();
    let decided = caught(actor.on_child(&Cx::new(cell, None), &event)).await;
    let earlier = event.exit.failure();
    let failure = match settle_hook(core, Phase::OnChild, decided) {
        Ok(Directive::Handled) => return Ok(()),
        Ok(Directive::Escalate) if earlier.is_none() => return Ok(()),
        Ok(Directive::Escalate) => {
            let text = format!("child {} ended: {}", event.label, event.exit);
            Failure::new(FailureCause::Child, core.id(), core.label(), text)
        }
        Err(failure) => failure,
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
            LaneItem::Child(event) => {
                tracing::warn!(
                    actor = core.label(),
                    child = event.label,
                    exit = %event.exit,
                    "a child failed while its parent was ending"
                );
            }
            LaneItem::Undelivered(lost) => {
                tracing::warn!(
                    actor = core.label(),
                    receiver = %lost.header.dst,
                    cause = %lost.cause,
                    "a message was not delivered"
                );
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

fn panicked(core: &Core, phase: Phase, Panic(text): Panic) -> Failure {
    Failure::new(FailureCause::Panic { phase }, core.id(), core.label(), text)
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
            return Poll::Ready(F::Output::killed());
        }
        this.future.poll(cx)
    }
}
