//! What happens to the procs and the actors of a mesh.

use std::fmt;
use std::sync::Arc;

use hypermesh_alloc::ProcStopReason;
use hypermesh_alloc::actor::Exit;
use hypermesh_alloc::actor::mailbox::{ActorId, Cause};
use hypermesh_ndslice::Point;

/// What happened to a proc of a mesh.
///
/// There is at most one `Stopped` per incarnation of a rank.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum ProcEvent {
    /// The proc at this rank ended.
    Stopped(usize, ProcStopReason),
    /// An actor on the proc at this rank failed and nobody handled it; the text tells how.
    Crashed(usize, String),
    /// The alloc of the mesh failed as a whole; the text tells how.
    AllocFailed(String),
    /// A message of the global root client to somebody outside of every mesh did not arrive, and this
    /// mesh is the newest. The text tells who and why; each receiver is told of once.
    Undeliverable(String),
}

impl fmt::Display for ProcEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ProcEvent::Stopped(rank, reason) => write!(f, "Proc at rank {rank} stopped: {reason}"),
            ProcEvent::Crashed(rank, reason) => write!(f, "Proc at rank {rank} crashed: {reason}"),
            ProcEvent::AllocFailed(description) => write!(f, "Alloc failed: {description}"),
            ProcEvent::Undeliverable(text) => f.write_str(text),
        }
    }
}

/// What happened to one member of an actor mesh.
///
/// A stream has exactly one event with a terminal status per member.
#[derive(Debug, Clone, PartialEq)]
pub struct ActorEvent {
    mesh: Arc<str>,
    rank: usize,
    point: Point,
    actor: ActorId,
    status: MemberStatus,
}

/// How a member of an actor mesh is doing, as told by an [`ActorEvent`].
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum MemberStatus {
    /// The actor exited: as it was asked to, or because it failed.
    Exited(Exit),
    /// The proc of the actor ended, and the actor with it.
    ProcStopped(ProcStopReason),
    /// A message of the mesh's client did not reach the actor. This status is not terminal.
    Undeliverable(Cause),
}

impl MemberStatus {
    /// True for the end of a member that nobody asked for, and for a message that did not arrive.
    #[must_use]
    pub fn is_failed(&self) -> bool {
        match self {
            MemberStatus::Exited(exit) => exit.is_failure(),
            MemberStatus::ProcStopped(_) | MemberStatus::Undeliverable(_) => true,
        }
    }

    /// True if the member is gone.
    #[must_use]
    pub fn is_terminal(&self) -> bool {
        !matches!(self, MemberStatus::Undeliverable(_))
    }
}

impl fmt::Display for MemberStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MemberStatus::Exited(exit) if exit.is_failure() => write!(f, "failed: {exit}"),
            MemberStatus::Exited(exit) => write!(f, "exited: {exit}"),
            MemberStatus::ProcStopped(reason) => write!(f, "failed: its proc stopped: {reason}"),
            MemberStatus::Undeliverable(cause) => {
                write!(f, "failed: message not delivered: {cause}")
            }
        }
    }
}

impl ActorEvent {
    pub(crate) fn new(
        mesh: Arc<str>,
        point: Point,
        actor: ActorId,
        status: MemberStatus,
    ) -> ActorEvent {
        ActorEvent {
            mesh,
            rank: point.rank(),
            point,
            actor,
            status,
        }
    }

    /// Returns the name of the actor mesh.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.mesh
    }

    /// Returns the rank of the member in the actor mesh.
    #[must_use]
    pub fn rank(&self) -> usize {
        self.rank
    }

    /// Returns the point of the member in the actor mesh.
    #[must_use]
    pub fn point(&self) -> &Point {
        &self.point
    }

    /// Returns the id of the member.
    #[must_use]
    pub fn actor_id(&self) -> &ActorId {
        &self.actor
    }

    /// Returns how the member is doing.
    #[must_use]
    pub fn status(&self) -> &MemberStatus {
        &self.status
    }

    /// True for the end of a member that nobody asked for, and for a message that did not arrive.
    #[must_use]
    pub fn is_failed(&self) -> bool {
        self.status.is_failed()
    }
}

impl fmt::Display for ActorEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ActorEvent {
            mesh,
            rank,
            point,
            status,
            ..
        } = self;
        write!(f, "actor {mesh} at rank {rank} ({point}) {status}")
    }
}

/// Where an event was seen on its way, as the field `state` of the log lines about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SupervisionEventState {
    /// It is passed on to the streams that wait for it.
    Forward,
    /// Nobody was there to pass it on to.
    ForwardFailed,
    /// It reached the owner of the mesh.
    Received,
    /// It could not be sent to the owner.
    TransmitFailed,
}

impl fmt::Display for SupervisionEventState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SupervisionEventState::Forward => "forward",
            SupervisionEventState::ForwardFailed => "forward failed",
            SupervisionEventState::Received => "received",
            SupervisionEventState::TransmitFailed => "transmit failed",
        })
    }
}
