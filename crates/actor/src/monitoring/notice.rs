//! What procs tell each other about the ends of actors.

use std::time::Duration;

use hypermesh_macros::Message;
use hypermesh_mailbox::{ActorId, Location};
use serde::{Deserialize, Serialize};

use super::{MonitorEvent, Orphan};
use crate::agent::SpawnActor;
use crate::exit::{Exit, Mode};
use crate::failure::{Failure, FailureCause};
use crate::spawn_fault::SpawnFault;

/// The control port of a proc's agent that takes notices.
pub(super) const CONTROL_MONITOR: u8 = 1;

/// The longest lease that a proc grants.
const MAX_LEASE: Duration = Duration::from_secs(3600);

/// One notice. It renews the lease of its sender.
#[derive(Clone, Debug, PartialEq, Message, Serialize, Deserialize)]
#[message(serde)]
pub(super) struct Notice {
    /// Where to dial for the sender.
    pub(super) home: Location,
    /// How long the sender may be silent.
    lease: Duration,
    pub(super) what: What,
}

impl Notice {
    pub(super) fn new(home: Location, lease: Duration, what: What) -> Self {
        Self { home, lease, what }
    }

    pub(super) fn lease(&self) -> Duration {
        self.lease.min(MAX_LEASE)
    }
}

/// What a notice says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum What {
    /// Say when this actor of yours has ended.
    Watch { actor: ActorId },
    /// It does not matter any more.
    Unwatch { actor: ActorId },
    /// Spawn this as a child of `parent`, and say when it has ended.
    Spawn {
        request: SpawnActor,
        child: ActorId,
        parent: ActorId,
        orphan: Orphan,
    },
    /// Make `parent` the parent of this actor of yours, and say when it has ended.
    Adopt {
        child: ActorId,
        parent: ActorId,
        orphan: Orphan,
    },
    /// End this actor, which is a child of one of mine.
    Request { actor: ActorId, mode: Mode },
    /// Link this actor of yours to `with`, one of mine.
    Link { actor: ActorId, with: ActorId },
    /// Undo that.
    Unlink { actor: ActorId, with: ActorId },
    /// I am there.
    Beat,
    /// So am I.
    Alive,
    /// I know of no interest of yours: you were silent for too long.
    Forgotten,
    /// This actor has ended, or is not there.
    Ended { actor: ActorId, end: End },
}

/// How the interest in an actor ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum End {
    /// The actor ended.
    Exited(Exit),
    /// There is no such actor, and nobody knows how it ended.
    NotFound,
    /// It was not spawned.
    Refused(SpawnFault),
    /// It has another parent already.
    NotAdopted,
    /// Its proc died.
    ProcDied(String),
    /// Its proc cannot be reached.
    Unreachable(String),
}

impl End {
    /// Returns what a monitor is told.
    pub(super) fn into_event(self) -> MonitorEvent {
        match self {
            Self::Exited(exit) => MonitorEvent::Exited(exit),
            Self::NotFound | Self::Refused(_) | Self::NotAdopted => MonitorEvent::NotFound,
            Self::ProcDied(why) => MonitorEvent::ProcDied(why),
            Self::Unreachable(why) => MonitorEvent::Unreachable(why),
        }
    }

    /// Returns the exit of the actor `actor` as far as others are concerned.
    pub(super) fn into_exit(self, actor: ActorId, label: &str) -> Exit {
        let failed = |cause, text: String| Exit::Failed(Failure::new(cause, actor, label, text));
        match self {
            Self::Exited(exit) => exit,
            Self::NotFound | Self::NotAdopted => {
                failed(FailureCause::Unreachable, "no such actor".to_owned())
            }
            Self::Refused(fault) => failed(FailureCause::Create, fault.to_string()),
            Self::ProcDied(why) => failed(FailureCause::ProcDied, why),
            Self::Unreachable(why) => failed(FailureCause::Unreachable, why),
        }
    }
}
