//! What a parent does when a child is to be made anew: it stops the members that go with it, and gives
//! all of them their next incarnation.

use std::fmt;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::group::{Plan, Remaking, Standing};
use crate::cell::{AnyCell, Core};
use crate::exit::Mode;
use crate::settings::{KILL_TIMEOUT, STOP_TIMEOUT};
use crate::supervision::ChildEvent;
use crate::table::Refused;

/// Why a child is not made anew, so that its parent fails.
pub(crate) enum NoRestart {
    NoFactory,
    TooOften {
        ends: u32,
        max: u32,
        within: Duration,
    },
    NameTaken(String),
    /// A member of its group does not end.
    Stuck(String),
}

impl fmt::Display for NoRestart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoFactory => f.write_str("it was not spawned from a factory"),
            Self::TooOften { ends, max, within } => {
                write!(
                    f,
                    "it is end {ends} within {within:?}, and {max} restarts are allowed"
                )
            }
            Self::NameTaken(by) => write!(f, "its name is in use by {by}"),
            Self::Stuck(member) => write!(f, "{member} of its group holds its thread"),
        }
    }
}

/// Makes the child of `event` anew, and what goes with it.
///
/// The parent handles no message meanwhile. It takes [`STOP_TIMEOUT`] and [`KILL_TIMEOUT`] at most, for
/// members that are to be stopped first. If the parent is asked to end, the restart is given up.
pub(crate) async fn restart(
    parent: &Arc<dyn AnyCell>,
    event: &ChildEvent,
) -> Result<(), NoRestart> {
    let core = parent.core();
    let restarts = core.children().restarts();
    if restarts.standing(event.actor) == Standing::Replaced {
        return Ok(());
    }
    let remaking = match restarts.plan(event.actor, Instant::now()) {
        None => return Err(NoRestart::NoFactory),
        Some(Plan::GiveUp { ends, policy }) => {
            let (max, within) = (policy.max, policy.within);
            return Err(NoRestart::TooOften { ends, max, within });
        }
        Some(Plan::Remake(remaking)) => remaking,
    };
    match stop_all(core, &remaking).await {
        Waited::Gone => {}
        Waited::Interrupted => return Ok(()),
        Waited::Expired => {
            let is_left = |old: &&Arc<dyn AnyCell>| old.core().exit().is_none();
            let left = remaking.olds.iter().find(is_left);
            let label = left.map(|old| old.core().label().to_owned());
            return Err(NoRestart::Stuck(label.unwrap_or_default()));
        }
    }
    match restarts.remake(parent, event.actor, remaking) {
        // Closed: the parent or the proc is ending, and its children with it.
        Ok(()) | Err(Refused::Closed) => Ok(()),
        Err(Refused::InUse(actor, label)) => {
            Err(NoRestart::NameTaken(format!("{label} ({actor})")))
        }
    }
}

enum Waited {
    Gone,
    Expired,
    /// The parent was asked to end.
    Interrupted,
}

/// Stops the members that still live, and kills those that take too long.
async fn stop_all(core: &Core, remaking: &Remaking) -> Waited {
    for (mode, limit) in [
        (Mode::Stop, STOP_TIMEOUT.get()),
        (Mode::Kill, KILL_TIMEOUT.get()),
    ] {
        remaking.olds.iter().for_each(|old| old.request(mode));
        match gone(core, remaking, limit).await {
            Waited::Expired => {}
            waited => return waited,
        }
    }
    Waited::Expired
}

/// Waits for the ends of all members, also of the one that has told its end and is about to leave.
async fn gone(core: &Core, remaking: &Remaking, within: Duration) -> Waited {
    let ends = async {
        for old in &remaking.olds {
            old.core().wait().await;
        }
    };
    let mut ends = pin!(ends);
    let mut limit = pin!(sleep(within));
    std::future::poll_fn(|cx| {
        if ends.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Waited::Gone);
        }
        // A request wakes this task.
        if let Some(Mode::Stop | Mode::Kill) = core.requested() {
            return Poll::Ready(Waited::Interrupted);
        }
        limit.as_mut().poll(cx).map(|()| Waited::Expired)
    })
    .await
}
