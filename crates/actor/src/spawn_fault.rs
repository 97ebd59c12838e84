//! Why an actor could not be spawned by name on another proc.

use hypermesh_macros::Message;
use hypermesh_mailbox::{ActorId, ProcId};
use serde::{Deserialize, Serialize};

use crate::exit::Exit;

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
    #[error("the name {name:?} is in use by actor {actor}")]
    NameInUse {
        /// The name that was asked for.
        name: String,
        /// The actor that has it.
        actor: ActorId,
    },
    /// The proc is shutting down.
    #[error("proc {proc} is shutting down")]
    Closed {
        /// The proc that was asked.
        proc: ProcId,
    },
    /// The actor ended before it handled messages: its parameters did not decode, `create` or `init`
    /// failed, or somebody ended it.
    #[error("the actor ended before it began: {0}")]
    Exited(Exit),
}
