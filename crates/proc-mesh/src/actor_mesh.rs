//! A mesh of actors by its owner.

use std::any::Any;
use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;
use std::sync::Arc;

use hypermesh_alloc::actor::{ActorRef, Referable, context};
use hypermesh_ndslice::{Range, Shape, ShapeError};
use tokio::sync::mpsc::UnboundedReceiver;

use crate::actor_mesh_ref::{ActorMeshId, ActorMeshRef};
use crate::board::Board;
use crate::event::ActorEvent;
use crate::mesh::Mesh;
use crate::proc_events::ActorEvents;
use crate::proc_mesh::ProcMesh;
use crate::stop::{StopActorError, StopOutcomes, record};

/// A mesh of actors, one per proc, by whoever spawned it.
///
/// It dereferences to an [`ActorMeshRef`], which travels, casts and calls. It borrows the proc mesh, or
/// keeps it, see [`SharedSpawnable`](crate::SharedSpawnable). Dropping it stops no actor.
pub struct RootActorMesh<'a, A> {
    mesh: ActorMeshRef<A>,
    board: Arc<Board>,
    events: Option<ActorEvents>,
    /// What keeps the procs alive, unless that is borrowed.
    _keep: Option<Box<dyn Any + Send + Sync>>,
    _borrowed: PhantomData<&'a ProcMesh>,
}

impl<'a, A> RootActorMesh<'a, A> {
    pub(crate) fn new(
        mesh: ActorMeshRef<A>,
        board: Arc<Board>,
        events: UnboundedReceiver<ActorEvent>,
    ) -> Self {
        let events = Some(ActorEvents::new(events));
        RootActorMesh {
            mesh,
            board,
            events,
            _keep: None,
            _borrowed: PhantomData,
        }
    }

    /// Returns this mesh, which keeps `owner` from now on and borrows nothing.
    pub(crate) fn keeping(self, owner: impl Any + Send + Sync) -> RootActorMesh<'static, A> {
        let RootActorMesh {
            mesh,
            board,
            events,
            ..
        } = self;
        RootActorMesh {
            mesh,
            board,
            events,
            _keep: Some(Box::new(owner)),
            _borrowed: PhantomData,
        }
    }

    /// Returns the stream of everything that has happened to the actors, the first time it is asked;
    /// [`subscribe`](Self::subscribe) gives further ones.
    pub fn events(&mut self) -> Option<ActorEvents> {
        self.events.take()
    }

    /// Returns a stream of what happens to the actors from now on.
    #[must_use]
    pub fn subscribe(&self) -> ActorEvents {
        ActorEvents::new(self.board.subscribe_members(self.mesh.key()))
    }

    /// Stops the actors, and tells what became of each. The name is free again then.
    ///
    /// Each has the setting `STOP_ACTOR_TIMEOUT` to stop, all at the same time, and is killed then.
    ///
    /// # Errors
    ///
    /// [`StopActorError::Call`] if the procs could not be asked.
    pub async fn stop(&mut self, cx: &impl context::Actor) -> Result<StopOutcomes, StopActorError> {
        let (procs, name) = (self.mesh.procs(), self.mesh.name());
        let outcomes = procs.stop_actors(cx, name).await?;
        record(&self.board, procs, name, &outcomes);
        Ok(outcomes)
    }
}

impl<A> Deref for RootActorMesh<'_, A> {
    type Target = ActorMeshRef<A>;

    fn deref(&self) -> &ActorMeshRef<A> {
        &self.mesh
    }
}

impl<A: Referable> Mesh for RootActorMesh<'_, A> {
    type Node = ActorRef<A>;
    type Id = ActorMeshId;
    type Sliced<'b>
        = ActorMeshRef<A>
    where
        Self: 'b;

    fn shape(&self) -> &Shape {
        self.mesh.shape()
    }

    fn select<R: Into<Range>>(&self, label: &str, range: R) -> Result<ActorMeshRef<A>, ShapeError> {
        self.mesh.range(label, range)
    }

    fn get(&self, rank: usize) -> Option<ActorRef<A>> {
        self.mesh.get(rank)
    }

    fn id(&self) -> ActorMeshId {
        self.mesh.id()
    }
}

impl<A> fmt::Display for RootActorMesh<'_, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.mesh.fmt(f)
    }
}

impl<A> fmt::Debug for RootActorMesh<'_, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RootActorMesh({})", self.mesh)
    }
}
