//! How the ranks of a mesh on hosts are doing, and what the notices of the hosts mean as states of an alloc.
//! Holds no port, clock or task.
//!
//! # Invariants
//!
//! - **INV-1**: the states of a rank go `Created`, `Running`, `Stopped`, forward only; each at most once.
//! - **INV-2**: the alloc has ended exactly when every rank has.

use std::fmt;

use hypermesh_ndslice::Extent;
use hypermesh_proc_mesh::alloc::actor::{AGENT_NAME, ActorRef};
use hypermesh_proc_mesh::alloc::{CreateKey, ProcState, ProcStopReason};

use crate::agent::verbs::HostNotice;
use crate::channel::ChannelAddr;
use crate::host_ranks::HostRanks;
use crate::mailbox::{Location, ProcId, WorldId};

/// How one rank of a mesh is doing while the mesh comes up.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum RankStatus {
    /// Its host was asked to start it.
    Requested,
    /// Its process runs and has not reported.
    Created {
        /// The process.
        pid: u32,
    },
    /// It answers requests.
    Running,
    /// It ended.
    Stopped {
        /// How.
        reason: ProcStopReason,
        /// The last lines of its stderr.
        stderr_tail: String,
    },
    /// It could not be started.
    Failed {
        /// Why.
        description: String,
    },
    /// It did not report in time.
    Timeout,
    /// Its host is gone.
    HostLost {
        /// What became of the host.
        why: String,
    },
}

impl fmt::Display for RankStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Requested => f.write_str("requested"),
            Self::Created { pid } => write!(f, "started as process {pid}, has not reported"),
            Self::Running => f.write_str("running"),
            Self::Stopped {
                reason,
                stderr_tail,
            } => {
                write!(f, "{reason}")?;
                let shown_already = matches!(reason, ProcStopReason::Exited(..));
                if shown_already || stderr_tail.is_empty() {
                    return Ok(());
                }
                write!(f, "; its last output:\n{stderr_tail}")
            }
            Self::Failed { description } => write!(f, "could not be started: {description}"),
            Self::Timeout => f.write_str(
                "timeout: it never reported (does its `main` reach the bootstrap entry point?)",
            ),
            Self::HostLost { why } => write!(f, "lost with its host: {why}"),
        }
    }
}

/// The ranks of a mesh on hosts.
#[derive(Debug)]
pub(crate) struct Spawning {
    world: WorldId,
    extent: Extent,
    host_ranks: HostRanks,
    ranks: Vec<RankEntry>,
}

#[derive(Debug)]
struct RankEntry {
    key: CreateKey,
    status: RankStatus,
    /// Nothing more comes of the rank. Its status tells why, or that it was late before it was ended.
    has_ended: bool,
}

impl Spawning {
    /// Returns the ranks of `extent`, which are on hosts as `host_ranks` says, all requested.
    pub(crate) fn new(world: WorldId, extent: Extent, host_ranks: HostRanks) -> Self {
        let entry = |_| {
            let (key, status) = (CreateKey::unique(), RankStatus::Requested);
            RankEntry {
                key,
                status,
                has_ended: false,
            }
        };
        let ranks = (0..extent.count()).map(entry).collect();
        Self {
            world,
            extent,
            host_ranks,
            ranks,
        }
    }

    /// Returns the status of each rank.
    pub(crate) fn statuses(&self) -> Vec<RankStatus> {
        self.ranks
            .iter()
            .map(|entry| entry.status.clone())
            .collect()
    }

    /// Tells whether every rank runs or has ended.
    pub(crate) fn is_settled(&self) -> bool {
        self.ranks
            .iter()
            .all(|entry| entry.status == RankStatus::Running || entry.has_ended)
    }

    /// Tells whether every rank has ended (INV-2).
    pub(crate) fn has_ended(&self) -> bool {
        self.ranks.iter().all(|entry| entry.has_ended)
    }

    /// Takes in a notice and returns the states that come of it.
    pub(crate) fn on_notice(&mut self, notice: HostNotice) -> Vec<ProcState> {
        let state = match notice {
            HostNotice::Created { rank, pid } => self.on_created(rank, pid),
            HostNotice::Running { proc, addr } => self.on_running(proc, addr),
            HostNotice::Stopped {
                rank,
                reason,
                stderr_tail,
            } => {
                let status = RankStatus::Stopped {
                    reason: reason.clone(),
                    stderr_tail,
                };
                self.end(rank as usize, status, reason)
            }
            HostNotice::Failed { rank, description } => self.on_failed(rank, description),
            HostNotice::HostLost { host, why } => {
                let ranks = self.host_ranks.on_host(host as usize);
                let lost = |why: &String| RankStatus::HostLost { why: why.clone() };
                let end = |rank| self.end(rank, lost(&why), ProcStopReason::HostWatchdog);
                return ranks.filter_map(end).collect();
            }
        };
        state.into_iter().collect()
    }

    /// Takes in that nothing has happened for too long: what has not reported is late.
    pub(crate) fn on_idle(&mut self) -> Vec<ProcState> {
        let mut late = Vec::new();
        for (rank, entry) in self.ranks.iter_mut().enumerate() {
            if matches!(
                entry.status,
                RankStatus::Requested | RankStatus::Created { .. }
            ) {
                entry.status = RankStatus::Timeout;
                late.push(rank);
            }
        }
        if late.is_empty() {
            return Vec::new();
        }
        let description = format!("ranks {late:?} did not report in time");
        vec![ProcState::Failed {
            world_id: self.world.clone(),
            description,
        }]
    }

    fn on_created(&mut self, rank: u32, pid: u32) -> Option<ProcState> {
        let point = self.extent.point_of_rank(rank as usize).ok()?;
        let entry = self.ranks.get_mut(rank as usize)?;
        if entry.status != RankStatus::Requested {
            return None;
        }
        entry.status = RankStatus::Created { pid };
        Some(ProcState::Created {
            create_key: entry.key,
            point,
            pid,
        })
    }

    fn on_running(&mut self, proc: ProcId, addr: ChannelAddr) -> Option<ProcState> {
        let entry = self.ranks.get_mut(proc.rank as usize)?;
        if !matches!(entry.status, RankStatus::Created { .. }) || proc.world != self.world.id() {
            return None;
        }
        entry.status = RankStatus::Running;
        let agent = proc.named_actor(AGENT_NAME);
        let mesh_agent = ActorRef::attest(agent, Location::at(addr.clone()), AGENT_NAME);
        Some(ProcState::Running {
            create_key: entry.key,
            proc_id: proc,
            mesh_agent,
            addr,
        })
    }

    fn on_failed(&mut self, rank: u32, description: String) -> Option<ProcState> {
        let entry = self
            .ranks
            .get_mut(rank as usize)
            .filter(|entry| !entry.has_ended)?;
        entry.has_ended = true;
        entry.status = RankStatus::Failed {
            description: description.clone(),
        };
        let description = format!("rank {rank}: {description}");
        Some(ProcState::Failed {
            world_id: self.world.clone(),
            description,
        })
    }

    /// Ends a rank, once; the status of one that was late stays what it was.
    fn end(
        &mut self,
        rank: usize,
        status: RankStatus,
        reason: ProcStopReason,
    ) -> Option<ProcState> {
        let entry = self.ranks.get_mut(rank).filter(|entry| !entry.has_ended)?;
        entry.has_ended = true;
        if entry.status != RankStatus::Timeout {
            entry.status = status;
        }
        Some(ProcState::Stopped {
            create_key: entry.key,
            reason,
        })
    }
}

#[cfg(test)]
mod tests;
