//! Spawns one actor on each proc of a mesh, or none.
//!
//! # Invariants
//!
//! - **INV-1**: after an error no actor of this spawn is left on a proc that can be reached, and the
//!   name is free.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use futures_util::future::join_all;
use hypermesh_alloc::actor::mailbox::{ActorId, name_key};
use hypermesh_alloc::actor::{
    Mode, RemoteSpawn, SpawnActor, SpawnFault, StopActor, context, spawn_name,
};
use hypermesh_ndslice::{Ordinal, RankMap, Region, Selection};
use hypermesh_wire::{EncodeError, encode};
use tracing::Instrument;

use crate::actor_mesh::RootActorMesh;
use crate::actor_mesh_ref::ActorMeshRef;
use crate::board::Board;
use crate::call::CallError;
use crate::proc_mesh::ProcMesh;
use crate::proc_mesh_ref::ProcMeshRef;
use crate::rank_failure::RankFailure;
use crate::settings::{SPAWN_MESH_TIMEOUT, STOP_ACTOR_TIMEOUT};

/// How many ranks the text of a [`SpawnError`] shows.
const SHOWN_RANKS: usize = 4;

/// Error of spawning an actor mesh: none of its actors is left, as far as procs can be reached.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SpawnError {
    /// The actor type has no name to spawn it by.
    #[error("actor type {type_name} is not registered: it needs `#[actor(spawn = \"name\")]`")]
    NotRegistered {
        /// The name of the type.
        type_name: String,
    },
    /// The mesh has actors of this name.
    #[error("the name {name:?} is in use on the mesh")]
    NameInUse {
        /// The name.
        name: String,
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
    /// The procs could not be asked.
    #[error("the procs could not be asked to spawn {name:?}")]
    Call {
        /// The name of the actors.
        name: String,
        /// Why not.
        #[source]
        source: CallError,
    },
    /// Some ranks have no actor.
    #[error("{name:?} was not spawned on {} of {ranks} ranks: {}", .failures.len(), Shown(.failures))]
    Ranks {
        /// The name of the actors.
        name: String,
        /// On how many ranks they were to be.
        ranks: usize,
        /// The ranks without an actor, counted in the mesh that it was spawned on, and why.
        failures: Vec<(usize, RankSpawnError)>,
    },
}

/// Why one rank has no actor.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RankSpawnError {
    /// The proc did not spawn it.
    #[error(transparent)]
    Fault(SpawnFault),
    /// The proc did not answer.
    #[error(transparent)]
    NoAnswer(RankFailure),
}

/// The first failures, in one line.
struct Shown<'a>(&'a [(usize, RankSpawnError)]);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (idx, (rank, failure)) in self.0.iter().take(SHOWN_RANKS).enumerate() {
            let separator = if idx == 0 { "" } else { "; " };
            write!(f, "{separator}rank {rank}: {failure}")?;
        }
        f.write_str(if SHOWN_RANKS < self.0.len() {
            "; …"
        } else {
            ""
        })
    }
}

impl ProcMesh {
    /// Spawns one actor of type `A` called `actor_name` on each proc, all from the same `params`.
    ///
    /// Returns when the `init` of every actor is done. What happens to them from the first moment on is
    /// in the events of the mesh that is returned.
    ///
    /// # Errors
    ///
    /// [`SpawnError`] tells which ranks failed and why. Those that succeeded have been stopped, and the
    /// name is free again.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the name is free on the mesh, and actors that were made already stay.
    pub async fn spawn<A: RemoteSpawn>(
        &self,
        cx: &impl context::Actor,
        actor_name: &str,
        params: &A::Params,
    ) -> Result<RootActorMesh<'_, A>, SpawnError> {
        spawn_owned(cx, self, self, actor_name, params).await
    }
}

impl ProcMeshRef {
    /// Spawns one actor of type `A` called `actor_name` on each proc, all from the same `params`.
    ///
    /// Like [`ProcMesh::spawn`], for who does not own the mesh: the actors' events go to the owner of
    /// the mesh alone, as failures of their procs.
    ///
    /// # Errors
    ///
    /// As [`ProcMesh::spawn`].
    pub async fn spawn<A: RemoteSpawn>(
        &self,
        cx: &impl context::Actor,
        actor_name: &str,
        params: &A::Params,
    ) -> Result<ActorMeshRef<A>, SpawnError> {
        let span = tracing::info_span!("spawn", world = %self.world_id(), actor_name);
        spawn_members(cx, self, actor_name, params)
            .instrument(span)
            .await
    }
}

/// Spawns actors on an owned mesh however it is shared.
pub trait SharedSpawnable {
    /// Spawns like [`ProcMesh::spawn`]; the actor mesh keeps `self`.
    ///
    /// # Errors
    ///
    /// As [`ProcMesh::spawn`].
    #[expect(
        async_fn_in_trait,
        reason = "whether the future is `Send` shows at the call"
    )]
    async fn spawn<A: RemoteSpawn>(
        self,
        cx: &impl context::Actor,
        actor_name: &str,
        params: &A::Params,
    ) -> Result<RootActorMesh<'static, A>, SpawnError>;
}

impl<D: Deref<Target = ProcMesh> + Send + Sync + 'static> SharedSpawnable for D {
    async fn spawn<A: RemoteSpawn>(
        self,
        cx: &impl context::Actor,
        actor_name: &str,
        params: &A::Params,
    ) -> Result<RootActorMesh<'static, A>, SpawnError> {
        let spawned = spawn_owned(cx, &self, &self, actor_name, params).await?;
        Ok(spawned.keeping(self))
    }
}

/// Spawns actors on `procs`, a part of `owner`, which tells what happens to them.
pub(crate) async fn spawn_owned<'a, A: RemoteSpawn>(
    cx: &impl context::Actor,
    owner: &ProcMesh,
    procs: &ProcMeshRef,
    name: &str,
    params: &A::Params,
) -> Result<RootActorMesh<'a, A>, SpawnError> {
    owner.listening().await;
    let (board, key) = (owner.board(), name_key(name));
    let events = board.begin(key, name, procs.shape());
    let events = events.map_err(|_| SpawnError::NameInUse {
        name: name.to_owned(),
    })?;
    let reserved = Reserved {
        board: Some(board),
        key,
    };
    let mesh = procs.spawn(cx, name, params).await?;
    reserved.keep();
    board.commit(key, mesh.generations());
    Ok(RootActorMesh::new(mesh, board.clone(), events))
}

/// A name that is reserved on a mesh, and free again when this is dropped.
struct Reserved<'a> {
    board: Option<&'a Arc<Board>>,
    key: u64,
}

impl Reserved<'_> {
    fn keep(mut self) {
        self.board = None;
    }
}

impl Drop for Reserved<'_> {
    fn drop(&mut self) {
        if let Some(board) = self.board {
            board.abandon(self.key);
        }
    }
}

async fn spawn_members<A: RemoteSpawn>(
    cx: &impl context::Actor,
    procs: &ProcMeshRef,
    name: &str,
    params: &A::Params,
) -> Result<ActorMeshRef<A>, SpawnError> {
    let type_name = A::name().into_owned();
    let Some(registered) = spawn_name::<A>() else {
        return Err(SpawnError::NotRegistered { type_name });
    };
    let params = encode(params).map_err(|source| SpawnError::Encode { type_name, source })?;
    let request = SpawnActor {
        type_name: registered.to_owned(),
        name: Some(name.to_owned()),
        generation: None,
        params,
        env: cx.env(),
    };
    let call = procs.agents().call(cx, Selection::all(), request);
    let replies = call.timeout(SPAWN_MESH_TIMEOUT.get()).await;
    let replies = replies.map_err(|source| SpawnError::Call {
        name: name.to_owned(),
        source,
    })?;
    let mut made: Vec<ActorId> = Vec::new();
    let mut failures = Vec::new();
    for (point, reply) in replies.iter() {
        match reply {
            Ok(Ok(spawned)) => made.push(spawned.actor),
            Ok(Err(fault)) => failures.push((point.rank(), RankSpawnError::Fault(fault.clone()))),
            Err(error) => failures.push((point.rank(), RankSpawnError::NoAnswer(error.clone()))),
        }
    }
    if failures.is_empty() {
        return Ok(ActorMeshRef::new(
            procs.clone(),
            name,
            generations(procs, &made),
        ));
    }
    roll_back(cx, procs, name, &failures).await;
    Err(SpawnError::Ranks {
        name: name.to_owned(),
        ranks: replies.len(),
        failures,
    })
}

/// The generations of the actors by rank of the whole mesh. Ranks without one have 0.
fn generations(procs: &ProcMeshRef, made: &[ActorId]) -> RankMap<u32> {
    let mut by_rank = vec![0; procs.placement().extent().count()];
    for actor in made {
        if let Some(generation) = by_rank.get_mut(actor.proc.rank as usize) {
            *generation = actor.generation;
        }
    }
    let region = Region::from(procs.placement().extent().clone());
    RankMap::from_fn(region, |Ordinal(rank)| by_rank[rank]).compressed()
}

/// Stops the actors of a spawn that failed (INV-1). Where a proc said that there is none, and so where
/// somebody else has the name, nothing is stopped.
async fn roll_back(
    cx: &impl context::Actor,
    procs: &ProcMeshRef,
    name: &str,
    failures: &[(usize, RankSpawnError)],
) {
    let refused = |rank: usize| {
        let failure = failures.iter().find(|(failed, _)| *failed == rank);
        matches!(failure, Some((_, RankSpawnError::Fault(_))))
    };
    let timeout = STOP_ACTOR_TIMEOUT.get();
    let agents = procs.agents();
    let stops = (0..procs.shape().count())
        .filter(|rank| !refused(*rank))
        .filter_map(|rank| {
            let request = StopActor {
                name: name.to_owned(),
                mode: Mode::Stop,
                timeout,
            };
            let ask = agents.get(rank)?.ask(cx, request).timeout(timeout);
            Some(async move { (rank, ask.await) })
        });
    for (rank, stopped) in join_all(stops).await {
        if let Err(error) = stopped {
            tracing::warn!(name, rank, %error, "an actor of a failed spawn may be left");
        }
    }
}
