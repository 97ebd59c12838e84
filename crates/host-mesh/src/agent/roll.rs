//! Which child process of a host is which proc, and what its events mean. Holds no process, port or route.
//!
//! # Invariants
//!
//! - **INV-1**: of each child comes at most one `Running` notice, and exactly one last notice.
//! - **INV-2**: a child that has had its last notice is on the roll no more.

use std::collections::HashMap;
use std::sync::Arc;

use hypermesh_proc_mesh::alloc::children::{ChildEvent, ChildKey, Verdict};
use hypermesh_proc_mesh::alloc::stop_reason;
use hypermesh_proc_mesh::alloc::worker::WorkerReady;

use super::verbs::{HostNotice, HostProc, HostReport};
use crate::channel::ChannelAddr;
use crate::mailbox::{PortRef, ProcId};

/// The procs of a host.
#[derive(Debug, Default)]
pub(crate) struct Roll {
    entries: HashMap<ChildKey, Entry>,
    report: HostReport,
}

#[derive(Debug)]
struct Entry {
    proc: ProcId,
    mesh: Arc<str>,
    pid: Option<u32>,
    running: bool,
    notices: PortRef<HostNotice>,
}

/// What an event of a child calls for.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// The proc that the child is.
    pub(crate) proc: ProcId,
    /// What is to be told, and to whom.
    pub(crate) notice: (PortRef<HostNotice>, HostNotice),
    /// The change of the routes.
    pub(crate) route: Route,
}

/// What an event of a child means for the routes of the host's gateway.
#[derive(Debug, PartialEq)]
pub(crate) enum Route {
    /// Nothing.
    Keep,
    /// The proc is reached there from now on.
    Add(ChannelAddr),
    /// The proc is gone, for this reason.
    Remove(String),
}

impl Roll {
    /// Puts the child `key` on the roll as `proc` of the mesh called `mesh`.
    pub(crate) fn enter(
        &mut self,
        key: ChildKey,
        proc: ProcId,
        mesh: Arc<str>,
        notices: PortRef<HostNotice>,
    ) {
        self.entries.insert(
            key,
            Entry {
                proc,
                mesh,
                pid: None,
                running: false,
                notices,
            },
        );
    }

    /// Tells whether a mesh with this name, but another world, has procs here.
    pub(crate) fn has_other(&self, mesh: &str, world: u64) -> bool {
        self.entries
            .values()
            .any(|entry| &*entry.mesh == mesh && entry.proc.world != world)
    }

    /// Returns the children of the world with the number `world`.
    pub(crate) fn of_world(&self, world: u64) -> Vec<ChildKey> {
        let members = self
            .entries
            .iter()
            .filter(|(_, entry)| entry.proc.world == world);
        members.map(|(key, _)| *key).collect()
    }

    /// Returns what is on the roll, in the order of ids.
    pub(crate) fn list(&self) -> Vec<HostProc> {
        let proc = |entry: &Entry| HostProc {
            proc: entry.proc,
            pid: entry.pid,
            running: entry.running,
        };
        let mut procs: Vec<_> = self.entries.values().map(proc).collect();
        procs.sort_by_key(|proc| proc.proc);
        procs
    }

    /// Returns how the procs that are gone ended, and how many are left.
    pub(crate) fn report(&self) -> HostReport {
        let left = u32::try_from(self.entries.len()).unwrap_or(u32::MAX);
        HostReport {
            left,
            ..self.report
        }
    }

    /// Takes in `event` of the child `key`; `front` is the address at which the host's procs are reached.
    ///
    /// Returns whether the child may live on, and what else is to be done.
    pub(crate) fn on_event(
        &mut self,
        key: ChildKey,
        event: ChildEvent,
        front: &ChannelAddr,
    ) -> (Verdict, Option<Outcome>) {
        let Some(entry) = self.entries.get_mut(&key) else {
            return (Verdict::Kill, None);
        };
        let (proc, rank) = (entry.proc, entry.proc.rank);
        let (notice, route) = match event {
            ChildEvent::Started { pid } => {
                entry.pid = Some(pid);
                (HostNotice::Created { rank, pid }, Route::Keep)
            }
            ChildEvent::Report(report) => match WorkerReady::from_report(&report) {
                Ok(ready) if !entry.running => {
                    entry.running = true;
                    let addr = front.clone();
                    (HostNotice::Running { proc, addr }, Route::Add(ready.addr))
                }
                // A second report, or none of a worker's (INV-1): its exit follows.
                _ => return (Verdict::Kill, None),
            },
            ChildEvent::Exited(facts) => {
                let count = if facts.escalated {
                    &mut self.report.killed
                } else {
                    &mut self.report.drained
                };
                *count += 1;
                let stderr_tail = facts.stderr_tail.clone();
                let reason = stop_reason(facts, false, entry.running);
                let route = Route::Remove(reason.to_string());
                (
                    HostNotice::Stopped {
                        rank,
                        reason,
                        stderr_tail,
                    },
                    route,
                )
            }
            ChildEvent::StartFailed(error) => {
                let description = format!("{error}: {}", error.source);
                (
                    HostNotice::Failed {
                        rank,
                        description: description.clone(),
                    },
                    Route::Remove(description),
                )
            }
            // The child is being killed for it; its exit follows.
            _ => return (Verdict::Keep, None),
        };
        let notices = entry.notices.clone();
        if matches!(route, Route::Remove(_)) {
            self.entries.remove(&key);
        }
        (
            Verdict::Keep,
            Some(Outcome {
                proc,
                notice: (notices, notice),
                route,
            }),
        )
    }
}
