//! The shutdown of a mesh of hosts: what it found, and that it runs once.
//!
//! # Invariants
//!
//! - **INV-1**: at most one shutdown of a mesh runs at a time; who asks meanwhile gets its result.
//! - **INV-2**: once a shutdown has succeeded nothing is sent any more.
//! - **INV-3**: a shutdown whose future is dropped counts as not run.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use hypermesh_proc_mesh::alloc::children::Ladder;
use tokio::sync::watch;

use crate::agent::verbs::{HostRefusal, HostReport};
use crate::channel::ChannelAddr;

/// How long a host may take to answer a request that starts or stops nothing.
pub(crate) const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// How long an owner that is dropped waits for its hosts before it kills them.
pub(crate) const DROP_TIMEOUT: Duration = Duration::from_secs(2);

/// What the procs of those hosts have of it.
pub(crate) const DROP_LADDER: Ladder = Ladder {
    drain: Duration::from_secs(1),
    term: Duration::from_millis(500),
};

/// What a shutdown found at each host.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ShutdownReport {
    /// One entry for each host, in rank order.
    pub hosts: Vec<HostShutdown>,
    /// Processes that the owner itself had started for hosts, and that are still there.
    pub host_processes_left: usize,
}

/// What a shutdown found at one host.
#[derive(Clone, Debug, PartialEq)]
pub struct HostShutdown {
    /// Its address.
    pub addr: ChannelAddr,
    /// How it went.
    pub outcome: HostOutcome,
}

/// How the shutdown of one host went.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum HostOutcome {
    /// It answered, after reaping.
    Confirmed(HostReport),
    /// It refused: it is somebody else's.
    Refused(HostRefusal),
    /// It did not answer; what became of its procs is not known.
    Unreachable(String),
}

impl ShutdownReport {
    /// Tells whether every host confirmed that nothing is left.
    pub fn is_clean(&self) -> bool {
        self.host_processes_left == 0 && self.hosts.iter().all(HostShutdown::is_clean)
    }
}

impl HostShutdown {
    /// Tells whether the host confirmed that nothing is left.
    pub fn is_clean(&self) -> bool {
        matches!(&self.outcome, HostOutcome::Confirmed(report) if report.left == 0)
    }
}

impl fmt::Display for ShutdownReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (rank, host) in self.hosts.iter().enumerate() {
            let separator = if rank == 0 { "" } else { "; " };
            write!(
                f,
                "{separator}host {rank} at {}: {}",
                host.addr, host.outcome
            )?;
        }
        match self.host_processes_left {
            0 => Ok(()),
            left => write!(f, "; {left} host processes left"),
        }
    }
}

impl fmt::Display for HostOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Confirmed(HostReport {
                drained,
                killed,
                left,
            }) => {
                write!(f, "{drained} drained, {killed} killed, {left} left")
            }
            Self::Refused(refusal) => write!(f, "refused: {refusal}"),
            Self::Unreachable(why) => write!(f, "unreachable: {why}"),
        }
    }
}

/// Runs a shutdown at most once at a time, and never again after it has succeeded.
#[derive(Debug)]
pub(crate) struct Once {
    state: watch::Sender<State>,
}

#[derive(Clone, Debug)]
enum State {
    Idle,
    Running,
    Ended(Arc<ShutdownReport>),
}

/// Puts a running shutdown back if its future is dropped (INV-3).
struct Turn<'a>(&'a Once);

impl Once {
    pub(crate) fn new() -> Self {
        Self {
            state: watch::Sender::new(State::Idle),
        }
    }

    /// Returns the report of the last shutdown, if there was one.
    pub(crate) fn report(&self) -> Option<Arc<ShutdownReport>> {
        match &*self.state.borrow() {
            State::Ended(report) => Some(Arc::clone(report)),
            State::Idle | State::Running => None,
        }
    }

    /// Runs `shutdown` on what the last one found, or waits for the one that is running (INV-1, INV-2).
    pub(crate) async fn run<F>(
        &self,
        shutdown: impl FnOnce(Option<Arc<ShutdownReport>>) -> F,
    ) -> Arc<ShutdownReport>
    where
        F: Future<Output = ShutdownReport>,
    {
        loop {
            let mut last = None;
            let has_turn = self.state.send_if_modified(|state| match state {
                State::Running => false,
                State::Ended(report) if report.is_clean() => false,
                State::Idle | State::Ended(_) => {
                    if let State::Ended(report) = std::mem::replace(state, State::Running) {
                        last = Some(report);
                    }
                    true
                }
            });
            if has_turn {
                let turn = Turn(self);
                let report = Arc::new(shutdown(last).await);
                turn.end(Arc::clone(&report));
                return report;
            }
            let mut state = self.state.subscribe();
            // The sender is `self`, so the wait ends with the turn of whoever runs.
            _ = state
                .wait_for(|state| !matches!(state, State::Running))
                .await;
            if let Some(report) = self.report() {
                return report;
            }
        }
    }
}

impl Turn<'_> {
    fn end(self, report: Arc<ShutdownReport>) {
        self.0.state.send_replace(State::Ended(report));
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.state.send_if_modified(|state| {
            let abandoned = matches!(state, State::Running);
            if abandoned {
                *state = State::Idle;
            }
            abandoned
        });
    }
}

#[cfg(test)]
mod tests;
