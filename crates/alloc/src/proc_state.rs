//! What an allocation tells about its procs.

use std::{
    fmt,
    hash::{BuildHasher, RandomState},
    sync::atomic::{AtomicU64, Ordering},
};

use hypermesh_ndslice::Point;
use serde::{Deserialize, Serialize};

use crate::{
    actor::{
        ActorRef, ProcAgent,
        mailbox::{ProcId, WorldId, channel::ChannelAddr},
    },
    children::SignalName,
};

/// The name of one start of one proc: a second start for the same rank has another key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CreateKey(u64);

impl CreateKey {
    /// Returns a key that no other start has.
    pub fn unique() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let next = NEXT.fetch_add(1, Ordering::Relaxed);
        // Random as well, because the keys of several launchers may meet in one place.
        Self(RandomState::new().hash_one(next))
    }
}

impl fmt::Display for CreateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// A step in the life of one proc of an allocation.
///
/// Each create key goes `Created`, `Running`, `Stopped`, forward only; `Running` may be left out.
/// A proc that could not even be created gives `Failed` and nothing else.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ProcState {
    /// The proc has a place and is starting there.
    Created {
        /// The name of this start.
        create_key: CreateKey,
        /// The coordinates of its rank.
        point: Point,
        /// The operating system's id of the process that it lives in.
        pid: u32,
    },
    /// The proc answers requests.
    Running {
        /// The name of this start.
        create_key: CreateKey,
        /// The proc's id.
        proc_id: ProcId,
        /// Its agent.
        mesh_agent: ActorRef<ProcAgent>,
        /// Where it is reached.
        addr: ChannelAddr,
    },
    /// The proc is gone; as a process it was reaped.
    Stopped {
        /// The name of this start.
        create_key: CreateKey,
        /// Why. [`ProcStopReason::Watchdog`] without an earlier `Running` means that the proc did
        /// not become ready in time.
        reason: ProcStopReason,
    },
    /// A proc could not be created, or did something that no proc does.
    Failed {
        /// The world of the allocation.
        world_id: WorldId,
        /// Which rank, and what happened.
        description: String,
    },
}

impl fmt::Display for ProcState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Created {
                create_key,
                point,
                pid,
            } => {
                write!(f, "{create_key}: created at {point} with pid {pid}")
            }
            Self::Running {
                create_key,
                proc_id,
                addr,
                ..
            } => {
                write!(f, "{create_key}: running {proc_id} at {addr}")
            }
            Self::Stopped { create_key, reason } => write!(f, "{create_key}: stopped: {reason}"),
            Self::Failed {
                world_id,
                description,
            } => write!(f, "{world_id}: failed: {description}"),
        }
    }
}

/// Why a proc is gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum ProcStopReason {
    /// It was asked to stop and did, or ended by itself with status 0.
    Stopped,
    /// Its process exited with this code; the text is the end of its stderr.
    Exited(i32, String),
    /// This signal killed its process; the flag tells whether the kernel wrote a core dump.
    Killed(i32, bool),
    /// It did not do something in time and was killed for it.
    Watchdog,
    /// Its whole host is lost.
    HostWatchdog,
    /// It is gone and nobody knows why.
    Unknown,
}

impl fmt::Display for ProcStopReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stopped => f.write_str("stopped"),
            Self::Exited(code, tail) if tail.is_empty() => write!(f, "exited with code {code}"),
            Self::Exited(code, tail) => {
                write!(f, "exited with code {code}; its last output:\n{tail}")
            }
            Self::Killed(signal, core) => {
                let dumped = if *core { ", core dumped" } else { "" };
                write!(f, "killed by {}{dumped}", SignalName(*signal))
            }
            Self::Watchdog => f.write_str("killed because it did not react in time"),
            Self::HostWatchdog => f.write_str("lost with its host"),
            Self::Unknown => f.write_str("gone for an unknown reason"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_prints_its_facts() {
        let check = |reason: ProcStopReason, text: &str| assert_eq!(reason.to_string(), text);
        check(ProcStopReason::Stopped, "stopped");
        check(
            ProcStopReason::Exited(7, String::new()),
            "exited with code 7",
        );
        check(
            ProcStopReason::Exited(7, "boom".into()),
            "exited with code 7; its last output:\nboom",
        );
        check(ProcStopReason::Killed(9, false), "killed by SIGKILL (9)");
        check(
            ProcStopReason::Killed(11, true),
            "killed by SIGSEGV (11), core dumped",
        );
        check(
            ProcStopReason::Watchdog,
            "killed because it did not react in time",
        );
        check(ProcStopReason::HostWatchdog, "lost with its host");
        check(ProcStopReason::Unknown, "gone for an unknown reason");
    }

    #[test]
    fn create_keys_differ() {
        assert_ne!(CreateKey::unique(), CreateKey::unique());
    }
}
