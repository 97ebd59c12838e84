//! The end of an actor: its queue, its children, its cleanup, and then the world is told.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use tokio::time::{Instant, sleep_until, timeout};

use crate::actor::Actor;
use crate::catch::{caught, drop_quietly};
use crate::cell::{AnyCell, Cell, Core, NOTICED};
use crate::clock::{later, lock};
use crate::cx::Cx;
use crate::exit::{Exit, Mode};
use crate::failure::{Failure, FailureCause, Phase};
use crate::life::Life;
use crate::run::{Batch, Leave, log_unheard, settle_hook};
use crate::settings::{CLEANUP_TIMEOUT, KILL_TIMEOUT, STOP_TIMEOUT};

/// Ends an actor that left its messages for the reason `leave`, and returns its exit. What is left to
/// do is to tell the world.
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
    cell.close_clock();
    if core.is_killed() {
        core.set_control(NOTICED);
    }

    let kill_time = cell.clock().and_then(|clock| lock(clock).kill_time());
    end_children(core, &mut life, kill_time).await;
    if let Some(mut actor) = actor {
        if life.take_cleanup() {
            clean_up(cell, &mut actor, &mut life).await;
        }
        drop_quietly(actor);
    }
    log_unheard(core);
    cell.queue().unregister();
    life.exited()
}

/// Ends the children, all at once and under one deadline, and kills those that take longer. They have no
/// more time than their parent has, and pass that on to theirs.
async fn end_children(core: &Core, life: &mut Life, kill_time: Option<Instant>) {
    let children = core.children().close();
    if children.is_empty() {
        return;
    }
    let mode = life.mode_of_children();
    if mode != Mode::Kill {
        let end = later(Instant::now(), STOP_TIMEOUT.get());
        let end = kill_time.map_or(end, |time| time.min(end));
        children
            .iter()
            .for_each(|child| child.request_by(mode, end));
        match children_gone(core, end).await {
            Wait::Gone => return,
            Wait::Expired => {}
            Wait::Killed => life.requested(Mode::Kill),
        }
    }
    let live = core.children().live();
    live.iter().for_each(|child| child.request(Mode::Kill));
    // Children that do not hold their threads wait for children of their own, for as long as the first round.
    for _ in 0..2 {
        let end = later(Instant::now(), KILL_TIMEOUT.get());
        if !matches!(children_gone(core, end).await, Wait::Expired) {
            return;
        }
        let live = core.children().live();
        if live.iter().all(|child| child.core().holds_thread()) {
            break;
        }
    }
    hand_over(core, &core.children().live());
}

/// Hands the children that hold their threads, or live in a proc that cannot be reached, over to the proc. Each
/// ends when it lets go, or by its lease, and the proc hears of it then.
fn hand_over(core: &Core, zombies: &[Arc<dyn AnyCell>]) {
    for zombie in zombies {
        core.proc().shared().table.adopt(zombie);
        tracing::error!(
            actor = core.label(),
            child = zombie.core().label(),
            id = %zombie.core().id(),
            "a killed child does not end: it holds its thread, or cannot be reached"
        );
    }
}

enum Wait {
    Gone,
    Expired,
    Killed,
}

/// Waits until no child is alive. The end of each wakes this task.
async fn children_gone(core: &Core, end: Instant) -> Wait {
    let was_killed = core.is_killed();
    let mut timer = pin!(sleep_until(end));
    poll_fn(|cx| {
        if core.children().is_empty() {
            return Poll::Ready(Wait::Gone);
        }
        if !was_killed && core.is_killed() {
            core.set_control(NOTICED);
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
            core.set_control(NOTICED);
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
