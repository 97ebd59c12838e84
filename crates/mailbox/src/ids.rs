//! Who is who: the ids of procs, actors and ports. Small, copyable, without address or name.
//!
//! An id says nothing about where its bearer lives; that is a [`Location`](crate::Location). The
//! `generation` is the incarnation: what is restarted gets a new id, and mail for the old one bounces.
//! Ids sort by world, rank, generation, actor, port.

use hypermesh_wire::TypeKey;
use serde::{Deserialize, Serialize};

/// The id of a proc: one rank of a world, in one incarnation.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ProcId {
    /// The number of the world, see [`WorldId::id`](crate::WorldId::id).
    pub world: u64,
    /// The rank in the world.
    pub rank: u32,
    /// The incarnation of this rank.
    pub generation: u32,
}

impl ProcId {
    /// Returns the id of rank `rank` of the world with the number `world`, in incarnation `generation`.
    pub const fn new(world: u64, rank: u32, generation: u32) -> Self {
        Self {
            world,
            rank,
            generation,
        }
    }

    /// Returns the id of the actor with the key `actor` on this proc.
    pub const fn actor(self, actor: u64, generation: u32) -> ActorId {
        ActorId {
            proc: self,
            actor,
            generation,
        }
    }

    /// Returns the id of the first incarnation of the actor called `name` on this proc.
    pub const fn named_actor(self, name: &str) -> ActorId {
        self.actor(name_key(name), 0)
    }
}

/// The id of an actor on a proc, in one incarnation.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ActorId {
    /// The proc that the actor lives on.
    pub proc: ProcId,
    /// The key of the actor: [`name_key`] of its name, or a number with the top bit set.
    pub actor: u64,
    /// The incarnation of the actor.
    pub generation: u32,
}

impl ActorId {
    /// Returns the id of a port of this actor.
    pub const fn port(self, port: Port) -> PortId {
        PortId { actor: self, port }
    }

    /// Returns whether the actor has a name, so that its key is the same in every process.
    pub const fn is_named(self) -> bool {
        self.actor & UNNAMED == 0
    }
}

/// The id of a port of an actor.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PortId {
    /// The actor that owns the port.
    pub actor: ActorId,
    /// Which of its ports.
    pub port: Port,
}

/// Which port of an actor.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Port {
    /// The handler of one message type.
    Handler(TypeKey),
    /// A port that was opened at run time.
    Ephemeral {
        /// The place in the port table of the mailbox.
        slot: u32,
        /// Which of the ports that have used this place.
        generation: u32,
    },
    /// A port of the framework itself.
    Control(u8),
}

/// The control port that takes what could not be delivered, as [`Undelivered`](crate::Undelivered).
pub const CONTROL_UNDELIVERED: u8 = 0;

/// The bit of an actor key that names never have.
const UNNAMED: u64 = 1 << 63;

/// Returns the key of the actor called `name`: the same in every process, with the top bit clear.
///
/// Two names with one key on one proc are an error of spawning the second.
pub const fn name_key(name: &str) -> u64 {
    TypeKey::of(name).value() & !UNNAMED
}

/// Returns the key of the `number`-th actor without a name: with the top bit set, so that it is the
/// key of no name.
pub const fn unnamed_key(number: u64) -> u64 {
    number | UNNAMED
}
