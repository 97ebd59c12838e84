//! What a host agent is asked, and what it tells.

use std::time::Duration;

use hypermesh_macros::Message;
use hypermesh_proc_mesh::alloc::ProcStopReason;

use crate::channel::ChannelAddr;
use crate::mailbox::{PortRef, ProcId, WorldId};

/// Makes the owner with this token the one owner of the host; a second claim with the same token is fine.
#[derive(Clone, Copy, Debug, Message)]
pub struct Claim {
    /// What only the owner knows.
    pub token: u64,
}

/// Starts one worker process for each of the ranks `first_rank..first_rank + count` of a world.
///
/// The answer means that the starts have begun; the rest comes as [`HostNotice`]s.
#[derive(Clone, Debug, Message)]
pub struct SpawnProcs {
    /// The world of the procs.
    pub world: WorldId,
    /// The first rank.
    pub first_rank: u32,
    /// How many.
    pub count: u32,
    /// Where the one who asks is reached.
    pub client_router_addr: ChannelAddr,
    /// Where to tell how they are doing.
    pub notices: PortRef<HostNotice>,
}

/// Begins to stop the procs of a world; notices tell when they are gone.
#[derive(Clone, Copy, Debug, Message)]
pub struct StopProcs {
    /// The number of the world.
    pub world: u64,
    /// The time until SIGTERM.
    pub drain: Duration,
    /// The time from SIGTERM until SIGKILL.
    pub term: Duration,
}

/// Ends every proc of the host; it is answered when all are reaped, and no new ones are taken.
#[derive(Clone, Copy, Debug, Message)]
pub struct ShutdownHost {
    /// Who asks: an owner's token, if the host was claimed.
    pub token: u64,
    /// The time until SIGTERM.
    pub drain: Duration,
    /// The time from SIGTERM until SIGKILL.
    pub term: Duration,
}

/// Asks which procs a host has.
#[derive(Clone, Copy, Debug, Message)]
pub struct ListProcs;

/// A proc of a host.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
pub struct HostProc {
    /// Its id.
    pub proc: ProcId,
    /// Its process, once it has one.
    pub pid: Option<u32>,
    /// Whether it answers requests.
    pub running: bool,
}

/// What became of the procs of a host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Message)]
pub struct HostReport {
    /// Ended when they were asked to.
    pub drained: u32,
    /// Had to be killed.
    pub killed: u32,
    /// Still there.
    pub left: u32,
}

/// Why a host does not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Message)]
#[non_exhaustive]
pub enum HostRefusal {
    /// Somebody else owns it.
    #[error("the host is owned by somebody else")]
    AlreadyOwned,
    /// It is shutting down, or has.
    #[error("the host is shutting down")]
    Closed,
    /// Another mesh of this name has procs there.
    #[error("another mesh called {name:?} has procs on the host")]
    NameInUse {
        /// The name.
        name: String,
    },
    /// The workers' boot data cannot be made.
    #[error("the boot data of a worker cannot be encoded: {0}")]
    Boot(String),
}

/// What a host tells whoever had procs started on it.
#[derive(Clone, Debug, PartialEq, Message)]
pub enum HostNotice {
    /// The process runs.
    Created {
        /// The rank of the proc.
        rank: u32,
        /// The process.
        pid: u32,
    },
    /// The proc answers requests.
    Running {
        /// The proc.
        proc: ProcId,
        /// Where it is reached: the front address of its host.
        addr: ChannelAddr,
    },
    /// The proc is gone and reaped.
    Stopped {
        /// The rank of the proc.
        rank: u32,
        /// How it ended.
        reason: ProcStopReason,
        /// The last lines of its stderr.
        stderr_tail: String,
    },
    /// The process could not be started.
    Failed {
        /// The rank of the proc.
        rank: u32,
        /// What happened.
        description: String,
    },
    /// A host is gone, with all its procs. Told by the receiver's own process.
    HostLost {
        /// Its place among the hosts of the mesh.
        host: u32,
        /// What became of it.
        why: String,
    },
}
