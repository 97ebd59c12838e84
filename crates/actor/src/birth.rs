//! Who waits to hear whether an actor that is spawned by name came to life.

use hypermesh_mailbox::ActorId;

use crate::agent::Spawned;
use crate::exit::Exit;
use crate::reply::ReplyTo;
use crate::spawn_fault::SpawnFault;

/// Who waits to hear whether an actor came to life: `init` returned, messages are handled.
pub(crate) struct Birth(ReplyTo<Result<Spawned, SpawnFault>>);

impl Birth {
    pub(crate) fn new(reply: ReplyTo<Result<Spawned, SpawnFault>>) -> Self {
        Self(reply)
    }

    pub(crate) fn succeeded(self, actor: ActorId) {
        self.0.send(Ok(Spawned { actor }));
    }

    /// The actor has no place in the proc.
    pub(crate) fn refused(self, fault: SpawnFault) {
        self.0.send(Err(fault));
    }

    /// The actor ended before it handled messages.
    pub(crate) fn failed(self, exit: Exit) {
        self.0.send(Err(SpawnFault::Exited(exit)));
    }
}
