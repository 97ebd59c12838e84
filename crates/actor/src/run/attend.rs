//! What an actor has to look at that is not a message: requests to end, its children, what came back, timers.

use std::sync::{Arc, Mutex};

use hypermesh_mailbox::LossPolicy;
use tokio::time::Instant;

use super::{Leave, panicked, settle_hook};
use crate::activity::EventOutcome;
use crate::actor::Actor;
use crate::catch::{self, caught, drop_quietly};
use crate::cell::{AnyCell, Cell, Core, DRAIN, EXIT, LANE, STOP, TIMER};
use crate::clock::{Clock, Fired, later, lock};
use crate::cx::Cx;
use crate::error::Error;
use crate::exit::{Departure, Mode, Status};
use crate::failure::{Failure, FailureCause, Phase};
use crate::lane::LaneItem;
use crate::restart::{Standing, restart};
use crate::settings::STOP_TIMEOUT;
use crate::supervision::{ChildEvent, Directive};
use crate::yielding::{turn, yield_now};

/// Looks at what is not a message (INV-1 of [`super`]). `held` is the request that `on_stop` has put off.
pub(super) async fn attend<A: Actor>(
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
