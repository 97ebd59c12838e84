//! Why an actor could not be spawned by name on another proc.

use std::time::Duration;

use hypermesh_macros::Message;
use hypermesh_mailbox::{ActorId, ProcId};
use serde::{Deserialize, Serialize};

use crate::exit::Exit;
use crate::failure::Failure;

/// Why an actor could not be spawned by name. It travels over the wire as it is.
#[derive(Clone, Debug, PartialEq, Message, Serialize, Deserialize, thiserror::Error)]
#[message(serde)]
#[non_exhaustive]
pub enum SpawnFault {
    /// The program on that proc registers no actor under this name.
    #[error("no actor type is registered as {type_name:?} on proc {proc}")]
    UnknownType {
        /// The name that was asked for.
        type_name: String,
        /// The proc that was asked.
        proc: ProcId,
    },
    /// The name is empty or too long.
    #[error("a name of {len} bytes; it must have 1 to {max}")]
    BadName {
        /// The length of the name.
        len: usize,
        /// The longest allowed.
        max: usize,
    },
    /// A living actor of that proc has the name, or its key.
    #[error("the name {name:?} is in use by actor {actor}; no {type_name:?} was spawned")]
    NameInUse {
        /// The name that was asked for.
        name: String,
        /// The actor that has it, on the proc that was asked.
        actor: ActorId,
        /// The type that was to be spawned.
        type_name: String,
    },
    /// The proc is shutting down.
    #[error("proc {proc} is shutting down")]
    Closed {
        /// The proc that was asked.
        proc: ProcId,
    },
    /// The parameters are not those of the type.
    #[error("the parameters for {type_name:?} on proc {proc} do not decode: {error}")]
    BadParams {
        /// The type that was to be spawned.
        type_name: String,
        /// The proc that was asked.
        proc: ProcId,
        /// What is wrong with them.
        error: String,
    },
    /// `create` returned an error.
    #[error("{type_name:?} was not created on proc {proc}: {failure}")]
    Create {
        /// The type that was to be spawned.
        type_name: String,
        /// The proc that was asked.
        proc: ProcId,
        /// The error.
        failure: Failure,
    },
    /// `create` panicked.
    #[error("the creation of {type_name:?} on proc {proc} panicked: {failure}")]
    Panicked {
        /// The type that was to be spawned.
        type_name: String,
        /// The proc that was asked.
        proc: ProcId,
        /// The panic.
        failure: Failure,
    },
    /// `create` took too long and was given up.
    #[error("{type_name:?} was not created on proc {proc}: create took longer than {limit:?}")]
    Deadline {
        /// The type that was to be spawned.
        type_name: String,
        /// The proc that was asked.
        proc: ProcId,
        /// The limit, see [`SPAWN_TIMEOUT`](crate::settings::SPAWN_TIMEOUT).
        limit: Duration,
    },
    /// The actor was made and ended before it handled messages: `init` failed, or somebody ended it.
    #[error("the actor ended before it began: {0}")]
    Exited(Exit),
}
