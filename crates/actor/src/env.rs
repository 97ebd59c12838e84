//! What an actor that is spawned by name can know while it is made.

use hypermesh_mailbox::ActorId;

use crate::proc::Proc;

/// Where an actor that is spawned by name will live.
#[derive(Clone, Debug)]
pub struct Env {
    pub(crate) proc: Proc,
    pub(crate) actor: ActorId,
    pub(crate) label: String,
}

impl Env {
    /// Returns the proc that the actor will live on.
    pub fn proc(&self) -> &Proc {
        &self.proc
    }

    /// Returns the id that the actor will have.
    pub fn actor_id(&self) -> ActorId {
        self.actor
    }

    /// Returns the name that the actor will have.
    pub fn label(&self) -> &str {
        &self.label
    }
}
