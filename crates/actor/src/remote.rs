//! Spawning an actor on the proc of an agent, from anywhere.

use std::fmt;

use hypermesh_mailbox::{ActorId, name_key};
use hypermesh_wire::{EncodeError, encode};

use crate::actor::RemoteSpawn;
use crate::actor_ref::ActorRef;
use crate::agent::{ProcAgent, SpawnActor, Spawned};
use crate::ask::Ask;
use crate::context;
use crate::env::EnvVars;
use crate::registry;
use crate::spawn_fault::SpawnFault;

/// An actor that is being spawned elsewhere.
pub struct RemoteSpawning<A: RemoteSpawn> {
    /// The actor. It can be sent to at once; messages wait until it is ready, and come back if it never
    /// is.
    pub actor: ActorRef<A>,
    /// Resolves when the actor is ready, or cannot be.
    pub ready: Ask<Result<Spawned, SpawnFault>>,
}

impl<A: RemoteSpawn> fmt::Debug for RemoteSpawning<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RemoteSpawning({})", self.actor)
    }
}

/// Error of [`ActorRef::spawn`]: nothing was sent.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RemoteSpawnError {
    /// The actor type has no name to spawn it by: `#[actor(spawn = "name")]` is missing.
    #[error("actor type {type_name} is not registered: it needs `#[actor(spawn = \"name\")]`")]
    NotRegistered {
        /// The name of the type.
        type_name: String,
    },
    /// The actor that was to be the parent is ending.
    #[error("actor {parent} is ending and has no more children")]
    Closed {
        /// The actor that was to be the parent.
        parent: ActorId,
    },
    /// The parameters have no encoding.
    #[error("the parameters of actor type {type_name} cannot be encoded")]
    Encode {
        /// The name of the type.
        type_name: String,
        /// Why.
        #[source]
        source: EncodeError,
    },
}

impl ActorRef<ProcAgent> {
    /// Spawns an actor of type `A` called `name` on the proc of this agent, and returns its ref at once.
    ///
    /// The name must not have been used on that proc before: the ref is that of its first incarnation.
    /// The actor inherits what `cx` inherited, see [`EnvVars`].
    ///
    /// # Errors
    ///
    /// [`RemoteSpawnError`] when the request cannot be made. What goes wrong at the other end comes out
    /// of [`RemoteSpawning::ready`].
    pub fn spawn<A: RemoteSpawn>(
        &self,
        cx: &impl context::Actor,
        name: &str,
        params: &A::Params,
    ) -> Result<RemoteSpawning<A>, RemoteSpawnError> {
        self.spawn_with_env(cx, name, params, cx.env())
    }

    /// Spawns as [`spawn`](Self::spawn) does an actor that inherits `env` instead of what `cx`
    /// inherited. So will all that is spawned below it.
    ///
    /// # Errors
    ///
    /// As [`spawn`](Self::spawn).
    pub fn spawn_with_env<A: RemoteSpawn>(
        &self,
        cx: &impl context::Actor,
        name: &str,
        params: &A::Params,
        env: EnvVars,
    ) -> Result<RemoteSpawning<A>, RemoteSpawnError> {
        let request = spawn_request::<A>(name, params, env)?;
        let ready = self.ask(cx, request);
        let id = self.id().proc.actor(name_key(name), 0);
        Ok(RemoteSpawning {
            actor: ActorRef::attest(id, self.location().clone(), name),
            ready,
        })
    }
}

/// Returns the request to spawn the first incarnation of an actor called `name`, which inherits `env`.
pub(crate) fn spawn_request<A: RemoteSpawn>(
    name: &str,
    params: &A::Params,
    env: EnvVars,
) -> Result<SpawnActor, RemoteSpawnError> {
    let type_name = registry::spawn_name::<A>().ok_or_else(|| RemoteSpawnError::NotRegistered {
        type_name: A::name().into_owned(),
    })?;
    let params = encode(params).map_err(|source| RemoteSpawnError::Encode {
        type_name: A::name().into_owned(),
        source,
    })?;
    Ok(SpawnActor {
        type_name: type_name.to_owned(),
        name: Some(name.to_owned()),
        generation: Some(0),
        params,
        env,
    })
}
