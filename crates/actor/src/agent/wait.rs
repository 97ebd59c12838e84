//! Waits for an actor to get somewhere in its life, also before it exists.

use std::pin::pin;

use tokio::time::{Instant, timeout_at};

use super::messages::{ActorReport, WaitOutcome, WaitStatus};
use crate::exit::{Exit, Status};
use crate::proc::Proc;

/// Waits as `wait` says.
pub(super) async fn wait_status(proc: &Proc, wait: &WaitStatus) -> WaitOutcome {
    let WaitStatus {
        name,
        at_least,
        timeout,
    } = wait;
    let shared = proc.shared();
    let now = Instant::now();
    // A time beyond the end of time is as good as a year.
    let end = now.checked_add(*timeout);
    let end = end.unwrap_or_else(|| now + std::time::Duration::from_secs(365 * 24 * 3600));
    loop {
        let mut spawned = pin!(shared.spawned.notified());
        spawned.as_mut().enable();
        if let Some(actor) = shared.table.find_name(name) {
            let core = actor.core();
            let got_there = async {
                if core.reached(*at_least).await == Status::Exited {
                    // Until the report can be complete.
                    core.wait().await;
                }
            };
            let in_time = timeout_at(end, got_there).await.is_ok();
            let report = ActorReport::of(&*actor);
            return match (in_time, core.exit()) {
                (_, Some(exit)) => ended(report, exit.clone(), *at_least),
                (true, None) => WaitOutcome::Reached(report),
                (false, None) => WaitOutcome::Timeout(report),
            };
        }
        if let Some((actor, exit)) = shared.table.exit_of_name(name) {
            let report = ActorReport::exited(actor, name.clone(), exit.clone());
            return ended(report, exit, *at_least);
        }
        if shared.table.is_closed() || timeout_at(end, spawned).await.is_err() {
            return WaitOutcome::NotFound;
        }
    }
}

fn ended(report: ActorReport, exit: Exit, at_least: Status) -> WaitOutcome {
    match exit.is_failure() && at_least < Status::Exited {
        true => WaitOutcome::Failed(exit),
        false => WaitOutcome::Reached(report),
    }
}
