//! The end of an actor: its queue, its children, its cleanup, and then the world is told.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::time::{Instant, sleep_until, timeout};

use crate::actor::Actor;
use crate::catch::{caught, drop_quietly};
use crate::cell::{AnyCell, Cell, Core};
use crate::cx::Cx;
use crate::exit::{Exit, Mode};
use crate::failure::{Failure, FailureCause, Phase};
use crate::life::Life;
use crate::run::{Batch, Leave, log_unheard, settle_hook};
use crate::settings::{CLEANUP_TIMEOUT, KILL_TIMEOUT, STOP_TIMEOUT};

/// Ends an actor that left its messages for the reason `leave`, and returns its exit.
pub(crate) async fn finish<A: Actor>(
    cell: &Arc<Cell<A>>,
    actor: Option<Box<A>>,
    batch: Batch<A>,
    mut life: Life,
    leave: Leave,
) -> Exit {
    let core = cell.core();
    match leave {
        Leave::Requested(mode) => life.requested(mode),
        Leave::Failed(failure) => life.failed(failure),
    }
    core.publish(life.status());
    core.set_closing(life.exit());
    cell.queue().close();
    // Every message that is dropped here answers its caller or goes back to its sender.
    cell.discard(batch);

    end_children(core, &mut life).await;
    if let Some(mut actor) = actor {
        if life.take_cleanup() {
            clean_up(cell, &mut actor, &mut life).await;
        }
        drop_quietly(actor);
    }
    log_unheard(core);
    cell.queue().unregister();
    let exit = life.exited();
    let cell: Arc<dyn AnyCell> = cell.clone();
    cell.conclude(exit.clone());
    exit
}

/// Ends the children, all at once and under one deadline, and kills those that take longer.
async fn end_children(core: &Core, life: &mut Life) {
    let children = core.children().close();
    if children.is_empty() {
        return;
    }
    let mut mode = life.mode_of_children();
    children.iter().for_each(|child| child.request(mode));
    if mode != Mode::Kill {
        match children_gone(core, STOP_TIMEOUT.get()).await {
            Wait::Gone => return,
            Wait::Expired => {}
            Wait::Killed => life.requested(Mode::Kill),
        }
        mode = Mode::Kill;
        core.children()
            .live()
            .iter()
            .for_each(|child| child.request(mode));
    }
    if let Wait::Expired = children_gone(core, KILL_TIMEOUT.get()).await {
        // Each holds its thread. It will end when it lets go, and the proc hears of it then.
        for zombie in core.children().live() {
            let zombie = zombie.core();
            tracing::error!(
                actor = core.label(),
                child = zombie.label(),
                id = %zombie.id(),
                "a killed child does not end: it holds its thread"
            );
        }
    }
}

enum Wait {
    Gone,
    Expired,
    Killed,
}

/// Waits until no child is alive. The end of each wakes this task.
async fn children_gone(core: &Core, within: Duration) -> Wait {
    let was_killed = core.is_killed();
    let mut timer = pin!(sleep_until(Instant::now() + within));
    poll_fn(|cx| {
        if core.children().is_empty() {
            return Poll::Ready(Wait::Gone);
        }
        if !was_killed && core.is_killed() {
            return Poll::Ready(Wait::Killed);
        }
        timer.as_mut().poll(cx).map(|()| Wait::Expired)
    })
    .await
}

/// Runs the hook `cleanup`, for a bounded time and unless the actor is killed.
async fn clean_up<A: Actor>(cell: &Arc<Cell<A>>, actor: &mut A, life: &mut Life) {
    let core = cell.core();
    let exit = life.exit();
    let limit = CLEANUP_TIMEOUT.get();
    let context = Cx::new(cell, None);
    let mut hook = pin!(timeout(limit, caught(actor.cleanup(&context, &exit))));
    let done = poll_fn(|cx| {
        if core.is_killed() {
            return Poll::Ready(None);
        }
        hook.as_mut().poll(cx).map(Some)
    });
    let failure = match done.await {
        None => {
            life.requested(Mode::Kill);
            return;
        }
        Some(Ok(result)) => match settle_hook(core, Phase::Cleanup, result) {
            Ok(()) => return,
            Err(failure) => failure,
        },
        Some(Err(_)) => {
            let text = format!("cleanup took longer than {limit:?}");
            Failure::new(FailureCause::Cleanup, core.id(), core.label(), text)
        }
    };
    if let Exit::Failed(first) = &exit {
        tracing::warn!(actor = core.label(), %failure, %first, "cleanup failed after a failure");
    }
    life.cleanup_failed(failure);
}
