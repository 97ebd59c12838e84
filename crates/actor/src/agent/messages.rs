//! What the agent of a proc can be asked.

use std::time::Duration;

use hypermesh_config::Snapshot;
use hypermesh_macros::Message;
use hypermesh_mailbox::{ActorId, PortRef};
use hypermesh_wire::Payload;
use serde::{Deserialize, Serialize};

use crate::activity::ActorActivity;
use crate::cell::AnyCell;
use crate::env::EnvVars;
use crate::exit::{Exit, Mode, Status};
use crate::supervision::SupervisionEvent;

/// Spawns an actor by the name of its type. The reply comes when its `init` has returned.
///
/// The actor takes messages from the moment the request is delivered; they wait until `init` is done.
#[derive(Clone, Debug, PartialEq, Message, Serialize, Deserialize)]
#[message(serde)]
pub struct SpawnActor {
    /// The name in `#[actor(spawn = "name")]`.
    pub type_name: String,
    /// The name of the new actor, if it shall have one.
    pub name: Option<String>,
    /// The generation of its id, for who computes the id in advance; else the proc chooses.
    pub generation: Option<u32>,
    /// The encoded parameters.
    pub params: Payload,
    /// What the new actor inherits.
    pub env: EnvVars,
}

/// The reply to [`SpawnActor`]: the actor is ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Message, Serialize, Deserialize)]
#[message(serde)]
pub struct Spawned {
    /// The new actor.
    pub actor: ActorId,
}

/// Ends an actor by name, and waits for the end at most `timeout`; then the actor is killed.
#[derive(Clone, Debug, PartialEq, Eq, Message, Serialize, Deserialize)]
#[message(serde)]
pub struct StopActor {
    /// The name of the actor.
    pub name: String,
    /// How to ask.
    pub mode: Mode,
    /// How long to wait.
    pub timeout: Duration,
}

/// What became of an actor that was to be stopped.
#[derive(Clone, Debug, PartialEq, Message, Serialize, Deserialize)]
#[message(serde)]
pub enum StopOutcome {
    /// It ended as it was asked to, or had done so before.
    Stopped,
    /// It failed on the way, or had failed before.
    Failed(Exit),
    /// There is no such actor.
    NotFound,
    /// It did not end in time and was killed.
    Timeout,
}

impl StopOutcome {
    pub(super) fn of(exit: Exit) -> Self {
        if exit.is_failure() {
            Self::Failed(exit)
        } else {
            Self::Stopped
        }
    }
}

/// Asks for the state of an actor by name, once it is at least at `at_least` in its life.
///
/// The actor need not exist yet. The reply comes when it gets there, or after `timeout`.
#[derive(Clone, Debug, PartialEq, Eq, Message, Serialize, Deserialize)]
#[message(serde)]
pub struct WaitStatus {
    /// The name of the actor. If nobody has it, the last actor that had it counts.
    pub name: String,
    /// What to wait for.
    pub at_least: Status,
    /// How long to wait.
    pub timeout: Duration,
}

/// What became of an actor that was waited for.
#[derive(Clone, Debug, PartialEq, Message, Serialize, Deserialize)]
#[message(serde)]
pub enum WaitOutcome {
    /// It got there, or ended cleanly on the way.
    Reached(ActorReport),
    /// It failed on the way: while it was made, for example.
    Failed(Exit),
    /// Nobody had the name within the time, or before the proc ended.
    NotFound,
    /// It exists and did not get there within the time.
    Timeout(ActorReport),
}

/// Asks for the state of an actor by name. The reply is `None` if nobody has the name.
#[derive(Clone, Debug, PartialEq, Eq, Message, Serialize, Deserialize)]
#[message(serde)]
pub struct ActorStatus {
    /// The name of the actor.
    pub name: String,
}

/// Asks for the state of all living actors of the proc.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Message, Serialize, Deserialize)]
#[message(serde)]
pub struct ListActors;

/// The state of one actor, read from outside of it: a busy or blocked actor reports like any other.
#[derive(Clone, Debug, PartialEq, Message, Serialize, Deserialize)]
#[message(serde)]
#[non_exhaustive]
pub struct ActorReport {
    /// The actor.
    pub actor: ActorId,
    /// Its name, or the name of its type.
    pub label: String,
    /// Where it is in its life.
    pub status: Status,
    /// How it ended, if it did.
    pub exit: Option<Exit>,
    /// How many messages wait in its queue.
    pub queued: u64,
    /// Its parent in the proc.
    pub parent: Option<ActorId>,
    /// What it does.
    pub activity: ActorActivity,
}

impl ActorReport {
    pub(super) fn of(actor: &dyn AnyCell) -> Self {
        let core = actor.core();
        Self {
            actor: core.id(),
            label: core.label().to_owned(),
            status: core.status(),
            exit: core.exit().cloned(),
            queued: actor.queued() as u64,
            parent: core.parent().map(|parent| parent.core().id()),
            activity: actor.activity(),
        }
    }

    pub(super) fn exited(actor: ActorId, label: String, exit: Exit) -> Self {
        Self {
            actor,
            label,
            status: Status::Exited,
            exit: Some(exit),
            queued: 0,
            parent: None,
            activity: ActorActivity::default(),
        }
    }
}

/// Asks for the end of every actor without a parent, or of one, from now on.
#[derive(Clone, Debug, PartialEq, Message, Serialize, Deserialize)]
#[message(serde)]
pub struct Subscribe {
    /// The port that takes the events.
    pub events: PortRef<SupervisionEvent>,
    /// The key of the only actor of interest, or all.
    pub actor: Option<u64>,
}

/// Shuts the proc down. The reply comes when only the agent is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Message, Serialize, Deserialize)]
#[message(serde)]
pub struct ShutdownProc {
    /// How long the actors may drain before they are killed.
    pub deadline: Duration,
}

/// Takes over what the launcher set explicitly.
#[derive(Clone, Debug, Message, Serialize, Deserialize)]
#[message(serde)]
pub struct Configure {
    /// The settings.
    pub snapshot: Snapshot,
}

/// Asks for a sign of life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Message, Serialize, Deserialize)]
#[message(serde)]
pub struct Ping;
