//! The end of a proc: drain, kill what is left, tell the truth.
//!
//! # Invariants
//!
//! - **INV-1**: there is one shutdown per proc; every caller gets the same report.
//! - **INV-2**: the agent and the services end last, so that a failure on the way is still heard of.
//! - **INV-3**: it takes the deadline and twice [`KILL_TIMEOUT`] at most, besides the agent's own cleanup.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use hypermesh_macros::Message;
use hypermesh_mailbox::ActorId;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use crate::cell::AnyCell;
use crate::exit::{Exit, Mode};
use crate::proc::Proc;
use crate::settings::KILL_TIMEOUT;

/// What became of the actors of a proc that was shut down, clients and the agent not counted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Message, Serialize, Deserialize)]
#[message(serde)]
#[non_exhaustive]
pub struct ProcReport {
    /// How many ended as they were asked to.
    pub drained: u64,
    /// How many failed on the way.
    pub failed: u64,
    /// How many had to be killed.
    pub killed: u64,
    /// The actors that hold a thread and could not even be killed, and remote children that could not be
    /// reached.
    pub zombies: Vec<ActorId>,
}

/// The shutdown of a proc, once it has begun.
#[derive(Default)]
pub(crate) struct Shutdown {
    progress: Mutex<Option<watch::Receiver<Progress>>>,
}

/// How far the shutdown is.
#[derive(Clone, Debug)]
enum Progress {
    Ending,
    /// The workload is gone; the agent may still answer.
    Workload(ProcReport),
    Done(ProcReport),
}

impl Proc {
    /// Ends all actors: lets them drain until `deadline` is over, kills the rest, and reports.
    ///
    /// The first call sets the deadline; later ones wait for the same end and get the same report. It
    /// may be called from an actor of the proc, which is then among those that end.
    ///
    /// # Cancel safety
    ///
    /// The shutdown goes on if the future is dropped.
    pub async fn shutdown(&self, deadline: Duration) -> ProcReport {
        self.progress(deadline, |progress| matches!(progress, Progress::Done(_)))
            .await
    }

    /// Begins the shutdown, and returns its report when only the agent is left.
    pub(crate) async fn end_workload(&self, deadline: Duration) -> ProcReport {
        self.progress(deadline, |progress| !matches!(progress, Progress::Ending))
            .await
    }

    async fn progress(
        &self,
        deadline: Duration,
        enough: impl FnMut(&Progress) -> bool,
    ) -> ProcReport {
        let mut progress = self.begin_shutdown(deadline);
        match progress
            .wait_for(enough)
            .await
            .map(|progress| progress.clone())
        {
            Ok(Progress::Workload(report) | Progress::Done(report)) => report,
            // The runtime of the proc is gone, and its actors with it.
            Ok(Progress::Ending) | Err(_) => ProcReport::default(),
        }
    }

    fn begin_shutdown(&self, deadline: Duration) -> watch::Receiver<Progress> {
        let mut slot = self
            .shared()
            .shutdown
            .progress
            .lock()
            .expect("nothing panics under this lock");
        if let Some(progress) = &*slot {
            return progress.clone();
        }
        let (sender, receiver) = watch::channel(Progress::Ending);
        *slot = Some(receiver.clone());
        drop(slot);
        let proc = self.unowned();
        // Ends by itself (INV-3), and must outlive a caller that is one of the actors to be ended.
        self.runtime().spawn(async move {
            let report = end_actors(&proc, deadline).await;
            sender.send_replace(Progress::Workload(report.clone()));
            end_agent(&proc).await;
            proc.monitoring().stop().await;
            proc.shared().detach();
            sender.send_replace(Progress::Done(report));
        });
        receiver
    }
}

async fn end_actors(proc: &Proc, deadline: Duration) -> ProcReport {
    let table = &proc.shared().table;
    table.close();
    // Nobody needs to wait for an actor that does not exist.
    proc.shared().spawned.notify_waiters();
    let agent = proc.agent_id();
    let (clients, actors): (Vec<_>, Vec<_>) = table
        .live()
        .into_iter()
        .filter(|cell| cell.core().id() != agent)
        .partition(|cell| cell.is_client());
    for client in &clients {
        client.core().children().close();
    }
    let is_root =
        |cell: &&Arc<dyn AnyCell>| cell.core().parent().is_none_or(|parent| parent.is_client());
    actors
        .iter()
        .filter(is_root)
        .for_each(|root| root.request(Mode::Drain));
    let end = Instant::now() + deadline;
    if !all_gone(&actors, end).await {
        let left = actors.iter().filter(|actor| actor.core().exit().is_none());
        left.for_each(|actor| actor.request(Mode::Kill));
        kill_gone(&actors).await;
        let left = actors.iter().filter(|actor| actor.core().exit().is_none());
        left.for_each(|zombie| table.adopt(zombie));
    }
    for client in clients {
        client.request(Mode::Stop);
    }
    let mut report = report(&actors);
    // What their parents had to leave behind.
    report.zombies.extend(proc.monitoring().remote_children());
    report
}

async fn all_gone(actors: &[Arc<dyn AnyCell>], end: Instant) -> bool {
    for actor in actors {
        if timeout_at(end, actor.core().wait()).await.is_err() {
            return false;
        }
    }
    true
}

/// Waits for actors that were killed, and leaves alone those that hold their threads.
async fn kill_gone(actors: &[Arc<dyn AnyCell>]) {
    // Those that do not hold theirs wait for children, for as long as the first round.
    for _ in 0..2 {
        if all_gone(actors, Instant::now() + KILL_TIMEOUT.get()).await {
            return;
        }
        let mut left = actors.iter().filter(|actor| actor.core().exit().is_none());
        if left.all(|actor| actor.core().holds_thread()) {
            return;
        }
    }
}

fn report(actors: &[Arc<dyn AnyCell>]) -> ProcReport {
    let mut report = ProcReport::default();
    for actor in actors {
        match actor.core().exit() {
            Some(Exit::Drained | Exit::Stopped) => report.drained += 1,
            Some(Exit::Failed(_)) => report.failed += 1,
            Some(Exit::Killed) => report.killed += 1,
            None => report.zombies.push(actor.core().id()),
        }
    }
    report.zombies.sort_unstable();
    report
}

/// Ends the agent, which first sends the replies that wait for the workload to end.
async fn end_agent(proc: &Proc) {
    if let Ok(agent) = proc.shared().table.find(proc.agent_id()) {
        agent.request(Mode::Drain);
        let limit = crate::settings::CLEANUP_TIMEOUT.get() + KILL_TIMEOUT.get();
        if tokio::time::timeout(limit, agent.core().wait())
            .await
            .is_err()
        {
            agent.request(Mode::Kill);
        }
    }
}
