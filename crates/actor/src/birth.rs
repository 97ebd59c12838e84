//! Who waits to hear whether an actor that is spawned by name came to life.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use hypermesh_mailbox::{ActorId, ProcId};

use crate::agent::Spawned;
use crate::exit::Exit;
use crate::failure::{FailureCause, Phase};
use crate::reply::ReplyTo;
use crate::spawn_fault::SpawnFault;

/// Who waits to hear whether an actor came to life: `init` returned, messages are handled.
pub(crate) struct Birth {
    reply: ReplyTo<Result<Spawned, SpawnFault>>,
    type_name: String,
    proc: ProcId,
    obstacle: Obstacle,
}

/// What stood in the way of making the actor, once it is known.
#[derive(Clone, Default)]
pub(crate) struct Obstacle(Arc<OnceLock<CreateFault>>);

/// Why an actor was not made, as far as its failure does not say it.
pub(crate) enum CreateFault {
    /// The parameters do not decode.
    Params(String),
    /// `create` took longer than this.
    Deadline(Duration),
}

impl Obstacle {
    pub(crate) fn set(&self, fault: CreateFault) {
        // An actor is made once.
        _ = self.0.set(fault);
    }
}

impl Birth {
    pub(crate) fn new(
        reply: ReplyTo<Result<Spawned, SpawnFault>>,
        type_name: String,
        proc: ProcId,
    ) -> Self {
        Self {
            reply,
            type_name,
            proc,
            obstacle: Obstacle::default(),
        }
    }

    /// Returns where whoever makes the actor says what stood in the way.
    pub(crate) fn obstacle(&self) -> Obstacle {
        self.obstacle.clone()
    }

    pub(crate) fn succeeded(self, actor: ActorId) {
        self.reply.send(Ok(Spawned { actor }));
    }

    /// The proc is shutting down.
    pub(crate) fn closed(self) {
        let proc = self.proc;
        self.reply.send(Err(SpawnFault::Closed { proc }));
    }

    /// A living actor has the name.
    pub(crate) fn name_in_use(self, name: String, actor: ActorId) {
        let type_name = self.type_name;
        self.reply.send(Err(SpawnFault::NameInUse {
            name,
            actor,
            type_name,
        }));
    }

    /// The actor ended before it handled messages.
    pub(crate) fn failed(self, exit: Exit) {
        let (type_name, proc) = (self.type_name, self.proc);
        let fault = match (self.obstacle.0.get(), exit) {
            (Some(CreateFault::Params(error)), _) => SpawnFault::BadParams {
                type_name,
                proc,
                error: error.clone(),
            },
            (Some(CreateFault::Deadline(limit)), _) => SpawnFault::Deadline {
                type_name,
                proc,
                limit: *limit,
            },
            (None, Exit::Failed(failure)) => match failure.cause {
                FailureCause::Create => SpawnFault::Create {
                    type_name,
                    proc,
                    failure,
                },
                FailureCause::Panic {
                    phase: Phase::Create,
                } => SpawnFault::Panicked {
                    type_name,
                    proc,
                    failure,
                },
                _ => SpawnFault::Exited(Exit::Failed(failure)),
            },
            (None, exit) => SpawnFault::Exited(exit),
        };
        self.reply.send(Err(fault));
    }
}
