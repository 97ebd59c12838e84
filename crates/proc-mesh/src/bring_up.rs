//! From an alloc to a mesh: waits for every proc, and stops what was started if one fails.

use std::future::IntoFuture;
use std::time::Duration;

use hypermesh_alloc::actor::mailbox::PortRef;
use hypermesh_alloc::actor::{Configure, Subscribe, SupervisionEvent};
use hypermesh_alloc::settings::PROC_START_TIMEOUT;
use hypermesh_alloc::shim::process_gateway;
use hypermesh_alloc::{Alloc, AllocatorError};
use hypermesh_ndslice::Selection;
use tokio::time::{Instant, timeout_at};
use tracing::Instrument;

use crate::call::CallError;
use crate::metrics::{self, Metric};
use crate::placement::{Member, Placement};
use crate::proc_mesh::{Parts, ProcMesh, make_client};
use crate::proc_mesh_ref::ProcMeshRef;
use crate::pump::BoxedAlloc;
use crate::rank_failure::RankFailure;
use crate::roster::{Recruit, Roster};
use crate::value_mesh::ValueMesh;

/// How much longer we wait than the alloc itself, whose error says more.
const ALLOC_MARGIN: Duration = Duration::from_secs(2);

/// Error of a mesh whose procs run and cannot be set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SetUpError {
    /// The agent of a proc did not confirm.
    #[error("the agent of the proc at rank {rank} was not set up: {failure}")]
    Agent {
        /// The rank of the proc.
        rank: usize,
        /// Why not.
        failure: RankFailure,
    },
    /// No agent could be asked.
    #[error("the agents could not be asked")]
    Call(#[from] CallError),
}

/// Makes a mesh of the procs of `alloc`.
pub(crate) async fn bring_up(mut alloc: BoxedAlloc) -> Result<ProcMesh, AllocatorError> {
    match gather(&mut alloc).await {
        Ok(roster) => initialize(alloc, roster).await,
        Err(error) => {
            give_up(&mut alloc).await;
            Err(error)
        }
    }
}

/// Waits until every proc runs.
async fn gather(alloc: &mut BoxedAlloc) -> Result<Roster, AllocatorError> {
    let mut roster = Roster::new(alloc.world_id().id(), alloc.extent().clone());
    // Zero is for ever, as it is for the alloc.
    let within = Some(PROC_START_TIMEOUT.get()).filter(|within| !within.is_zero());
    let end = within.map(|within| Instant::now() + within + ALLOC_MARGIN);
    while !roster.is_complete() {
        let state = match end {
            None => alloc.next().await,
            Some(end) => match timeout_at(end, alloc.next()).await {
                Ok(state) => state,
                Err(_) => {
                    let (within, ranks) = (within.unwrap_or_default(), roster.missing());
                    return Err(AllocatorError::Timeout { within, ranks });
                }
            },
        };
        roster.on_state(state)?;
    }
    Ok(roster)
}

/// Puts the mesh together and sets up the agents of its procs, before any actor exists.
async fn initialize(mut alloc: BoxedAlloc, roster: Roster) -> Result<ProcMesh, AllocatorError> {
    let (world, is_local) = (alloc.world_id().clone(), alloc.is_local());
    let parts = match prepare(&alloc, roster) {
        Ok(parts) => parts,
        Err(error) => {
            give_up(&mut alloc).await;
            return Err(AllocatorError::Other(error));
        }
    };
    let n_procs = parts.procs.len();
    let (mesh, exits) = ProcMesh::assemble(Parts {
        origin: Some(alloc),
        ..parts
    });
    let span = tracing::info_span!("initialize", world = world.name());
    if let Err(error) = set_up(&mesh, exits, is_local).instrument(span).await {
        if let Err(error) = mesh.stop_procs().await {
            tracing::error!(%error, "the procs of a mesh that did not come up were not stopped");
        }
        return Err(AllocatorError::Other(error.into()));
    }
    metrics::count(
        Metric::ProcsAllocated,
        vec![world.name().to_owned()],
        n_procs as u64,
    );
    Ok(mesh)
}

/// Places the procs and makes the client.
fn prepare(
    alloc: &BoxedAlloc,
    roster: Roster,
) -> Result<Parts, Box<dyn std::error::Error + Send + Sync>> {
    let recruits = roster.into_recruits();
    let member = |recruit: &Recruit| Member {
        generation: recruit.proc.generation,
        addr: recruit.addr.clone(),
    };
    let members: Vec<Member> = recruits.iter().map(member).collect();
    let (world, extent) = (alloc.world_id(), alloc.extent().clone());
    let placement = Placement::new(world.clone(), extent, &members, |addr| alloc.relay(addr))?;
    let client = make_client(world, alloc.gateway().unwrap_or_else(process_gateway))?;
    let procs = recruits
        .iter()
        .map(|recruit| (recruit.create_key, recruit.proc))
        .collect();
    Ok(Parts {
        mesh: ProcMeshRef::new(placement),
        procs,
        client,
        origin: None,
    })
}

/// Asks every agent to report to the mesh, and to take over our settings if it is elsewhere.
async fn set_up(
    mesh: &ProcMesh,
    events: PortRef<SupervisionEvent>,
    is_local: bool,
) -> Result<(), SetUpError> {
    let (agents, client) = (mesh.agents(), mesh.client());
    let subscribe = agents.call(
        client,
        Selection::all(),
        Subscribe {
            events,
            actor: None,
        },
    );
    if is_local {
        return confirmed(subscribe.await?);
    }
    let snapshot = hypermesh_config::snapshot();
    let configure = agents.call(client, Selection::all(), Configure { snapshot });
    let (configured, subscribed) =
        tokio::try_join!(configure.into_future(), subscribe.into_future())?;
    confirmed(configured)?;
    confirmed(subscribed)
}

fn confirmed(replies: ValueMesh<Result<(), RankFailure>>) -> Result<(), SetUpError> {
    let failed = replies.iter().find_map(|(point, reply)| {
        reply
            .as_ref()
            .err()
            .map(|failure| (point.rank(), failure.clone()))
    });
    match failed {
        None => Ok(()),
        Some((rank, failure)) => Err(SetUpError::Agent { rank, failure }),
    }
}

/// Stops what was started; the error that led here matters more than one of this.
async fn give_up(alloc: &mut BoxedAlloc) {
    if let Err(error) = alloc.stop_and_wait().await {
        tracing::error!(%error, "the procs of a mesh that did not come up were not stopped");
    }
}
