//! A mesh of procs and its owner's end of it.

use std::collections::HashMap;
use std::fmt;
use std::future::{Future, IntoFuture};
use std::ops::Deref;
use std::panic::Location;
use std::sync::Arc;

use hypermesh_alloc::actor::mailbox::{Gateway, PortRef, ProcId, WorldId};
use hypermesh_alloc::actor::{
    Instance, Proc, ProcError, ProcOptions, Subscribe, SupervisionEvent, context,
};
use hypermesh_alloc::shim::process_gateway;
use hypermesh_alloc::{Alloc, AllocatorError, CreateKey};
use hypermesh_ndslice::{Range, Selection, Shape, ShapeError};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::AbortHandle;
use tracing::Instrument;

use crate::attached::AttachedAlloc;
use crate::board::Board;
use crate::bring_up;
use crate::mesh::Mesh;
use crate::proc_events::ProcEvents;
use crate::proc_mesh_ref::{ProcMeshId, ProcMeshRef};
use crate::pump::{BoxedAlloc, Command, Pump, SetUp};
use crate::sinks;
use crate::sliced_proc_mesh::SlicedProcMesh;

/// How many commands wait for the task of a mesh; more wait with their callers.
const COMMANDS: usize = 16;

/// The name of a mesh's client on its proc.
const CLIENT: &str = "client";

/// A mesh of procs, by its owner.
///
/// It dereferences to a [`ProcMeshRef`], which travels. Dropping it ends the procs if it came from an
/// alloc; procs that somebody else started, see `From<ProcMeshRef>`, live on.
///
/// # Examples
///
/// ```
/// use hypermesh_proc_mesh::alloc::actor::mailbox::channel::ChannelTransport;
/// use hypermesh_proc_mesh::alloc::{AllocSpec, Allocator, LocalAllocator};
/// use hypermesh_proc_mesh::ndslice::extent;
/// use hypermesh_proc_mesh::ProcMesh;
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let spec = AllocSpec::new(extent!(replica = 4), ChannelTransport::Local);
/// let mut mesh = ProcMesh::allocate(LocalAllocator::new().allocate(spec).await?).await?;
/// assert_eq!(mesh.shape().count(), 4);
/// assert_eq!(mesh.get(4), None);
///
/// let client = hypermesh_proc_mesh::global_root_client();
/// mesh.stop(client).await?;
/// # Ok(())
/// # }
/// ```
pub struct ProcMesh {
    mesh: ProcMeshRef,
    client: Arc<Instance<()>>,
    client_proc: Proc,
    board: Arc<Board>,
    events: Option<ProcEvents>,
    commands: mpsc::Sender<Command>,
    listening: watch::Receiver<bool>,
    pump: AbortHandle,
}

/// Error of [`ProcMesh::stop`]: it is not known that all procs are gone.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StopError {
    /// The alloc could not stop its procs.
    #[error("the procs were not stopped")]
    Alloc(#[from] AllocatorError),
    /// The task of the mesh is gone: its runtime was shut down.
    #[error("the runtime of the mesh was shut down")]
    Gone,
}

impl ProcMesh {
    /// Makes a mesh of the procs of `alloc`.
    ///
    /// Returns when every proc runs and is configured.
    ///
    /// # Errors
    ///
    /// [`AllocatorError`] at the first proc that fails, if the alloc ends too early, or if the time is
    /// over; what was started has been stopped then.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the alloc is dropped with it, which ends its procs.
    pub async fn allocate(alloc: impl Alloc + 'static) -> Result<Self, AllocatorError> {
        Self::allocate_boxed(Box::new(alloc)).await
    }

    /// Like [`allocate`](Self::allocate), for an alloc whose kind is not known.
    ///
    /// # Errors
    ///
    /// As [`allocate`](Self::allocate).
    #[track_caller]
    pub fn allocate_boxed(
        alloc: BoxedAlloc,
    ) -> impl Future<Output = Result<Self, AllocatorError>> + Send {
        let at = Location::caller();
        let world = alloc.world_id().name().to_owned();
        let span = tracing::info_span!("allocate", world, extent = %alloc.extent(), %at);
        bring_up::bring_up(alloc).instrument(span)
    }

    /// Puts a mesh together. Its procs' ends are told from now on; for those of actors its agents are
    /// to be told the port that is returned, here or by the caller.
    pub(crate) fn assemble(parts: Parts) -> (Self, PortRef<SupervisionEvent>) {
        let Parts {
            mesh,
            procs,
            client,
            origin,
        } = parts;
        let (exits_handle, exits) = client.mailbox().open_port();
        let exits_port = exits_handle.bind();
        let set_up = origin
            .is_none()
            .then(|| listen(&mesh, &client, exits_port.clone()));
        let (listening_sender, listening) = watch::channel(origin.is_some());
        let bounces = client.undelivered();
        let client = Arc::new(client);
        let board = Arc::new(Board::new(mesh.world_id(), mesh.procs()));
        sinks::install(&board);
        let (commands, receiver) = mpsc::channel(COMMANDS);
        let events = ProcEvents::new(board.subscribe(), commands.clone());
        let is_owner = origin.is_some();
        let alloc = origin.unwrap_or_else(|| {
            let keys = procs.iter().map(|(key, proc)| (*proc, *key)).collect();
            Box::new(AttachedAlloc::new(mesh.clone(), keys, client.clone()))
        });
        let pump = Pump {
            alloc,
            is_owner,
            procs,
            mesh: mesh.clone(),
            client: client.clone(),
            board: board.clone(),
            exits,
            bounces,
            commands: receiver,
            set_up,
            listening: listening_sender,
        };
        let client_proc = client.proc().clone();
        // Dropping the mesh aborts it.
        let pump = client_proc
            .gateway()
            .runtime()
            .spawn(pump.run())
            .abort_handle();
        let events = Some(events);
        let mesh = ProcMesh {
            mesh,
            client,
            client_proc,
            board,
            events,
            commands,
            listening,
            pump,
        };
        (mesh, exits_port)
    }

    /// Returns the client of the mesh: its proc is called `{world}_client`, and what it sends and what
    /// does not arrive becomes an event of the mesh.
    #[must_use]
    pub fn client(&self) -> &Instance<()> {
        &self.client
    }

    /// Returns the proc of the client.
    #[must_use]
    pub fn client_proc(&self) -> &Proc {
        &self.client_proc
    }

    /// Returns the id of the client's proc.
    #[must_use]
    pub fn proc_id(&self) -> &ProcId {
        self.client_proc.id()
    }

    /// Returns the world of the procs.
    #[must_use]
    pub fn world_id(&self) -> &WorldId {
        self.mesh.world_id()
    }

    /// Returns the shape of the mesh.
    #[must_use]
    pub fn shape(&self) -> &Shape {
        self.mesh.shape()
    }

    /// Returns the stream of everything that has happened to the procs, the first time it is asked;
    /// [`subscribe`](Self::subscribe) gives further ones.
    pub fn events(&mut self) -> Option<ProcEvents> {
        self.events.take()
    }

    /// Returns a stream of what happens to the procs from now on.
    #[must_use]
    pub fn subscribe(&self) -> ProcEvents {
        ProcEvents::new(self.board.subscribe(), self.commands.clone())
    }

    /// Stops all procs and returns when they are gone. A second call does no harm.
    ///
    /// # Errors
    ///
    /// [`StopError`] if it is not known that all procs are gone.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the procs stop all the same.
    pub async fn stop(&mut self, cx: &impl context::Actor) -> Result<(), StopError> {
        let span = tracing::info_span!("stop", world = %self.world_id(), by = %cx.actor_id());
        self.stop_procs().instrument(span).await
    }

    /// Stops all procs and returns when they are gone.
    pub(crate) async fn stop_procs(&self) -> Result<(), StopError> {
        let (answer, stopped) = oneshot::channel();
        let sent = self.commands.send(Command::Stop(answer)).await;
        sent.map_err(|_| StopError::Gone)?;
        Ok(stopped.await.map_err(|_| StopError::Gone)??)
    }

    /// Waits until the mesh hears of what happens to actors: before the first of them exists.
    pub(crate) async fn listening(&self) {
        // If the task of the mesh is gone, nothing is heard any more, and waiting does not help.
        _ = self
            .listening
            .clone()
            .wait_for(|listening| *listening)
            .await;
    }

    pub(crate) fn board(&self) -> &Arc<Board> {
        &self.board
    }
}

/// What a mesh is put together from.
pub(crate) struct Parts {
    pub(crate) mesh: ProcMeshRef,
    pub(crate) procs: HashMap<CreateKey, ProcId>,
    pub(crate) client: Instance<()>,
    /// The alloc of the procs, unless somebody else has it.
    pub(crate) origin: Option<BoxedAlloc>,
}

/// Makes the client of a mesh in `world`, on a proc of its own.
pub(crate) fn make_client(world: &WorldId, gateway: Gateway) -> Result<Instance<()>, ProcError> {
    let name = format!("{}_client", world.name());
    let runtime = gateway.runtime().clone();
    let id = ProcId::new(WorldId::new(&name).id(), 0, 0);
    Ok(Proc::new(ProcOptions {
        id,
        name,
        gateway,
        runtime,
    })?
    .client(CLIENT))
}

/// Makes a mesh of procs that somebody else started.
///
/// It has a client, events and actor meshes of its own like any other; stopping it stops the procs
/// through their agents, and dropping it leaves them alone.
impl From<ProcMeshRef> for ProcMesh {
    /// # Panics
    ///
    /// If two types of this program have one name, so that no proc can be made.
    fn from(mesh: ProcMeshRef) -> Self {
        let client = make_client(mesh.world_id(), process_gateway());
        let client = client.expect("the types of this program have names of their own");
        let procs = mesh
            .procs()
            .map(|proc| (CreateKey::unique(), proc))
            .collect();
        ProcMesh::assemble(Parts {
            mesh,
            procs,
            client,
            origin: None,
        })
        .0
    }
}

/// Asks the agents of procs that somebody else has set up to report to `events`.
fn listen(mesh: &ProcMeshRef, client: &Instance<()>, events: PortRef<SupervisionEvent>) -> SetUp {
    let subscribe = Subscribe {
        events,
        actor: None,
    };
    let call = mesh
        .agents()
        .call(client, Selection::all(), subscribe)
        .into_future();
    Box::pin(async move {
        let failed = match call.await {
            Ok(replies) => replies.transpose().err().map(|failure| failure.to_string()),
            Err(error) => Some(error.to_string()),
        };
        if let Some(error) = failed {
            tracing::warn!(
                error,
                "not every proc of a mesh tells what happens to its actors"
            );
        }
    })
}

impl Deref for ProcMesh {
    type Target = ProcMeshRef;

    fn deref(&self) -> &ProcMeshRef {
        &self.mesh
    }
}

impl Mesh for ProcMesh {
    type Node = ProcId;
    type Id = ProcMeshId;
    type Sliced<'a> = SlicedProcMesh<'a>;

    fn shape(&self) -> &Shape {
        self.mesh.shape()
    }

    fn select<R: Into<Range>>(
        &self,
        label: &str,
        range: R,
    ) -> Result<SlicedProcMesh<'_>, ShapeError> {
        Ok(SlicedProcMesh::new(self, self.mesh.range(label, range)?))
    }

    fn get(&self, rank: usize) -> Option<ProcId> {
        self.mesh.get(rank)
    }

    fn id(&self) -> ProcMeshId {
        Mesh::id(&self.mesh)
    }
}

impl fmt::Display for ProcMesh {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.mesh.fmt(f)
    }
}

impl fmt::Debug for ProcMesh {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ProcMesh({:?})", self.mesh)
    }
}

impl Drop for ProcMesh {
    fn drop(&mut self) {
        self.pump.abort();
        self.board.end();
    }
}
