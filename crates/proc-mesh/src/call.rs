//! Asks the selected members of an actor mesh and collects one reply from each.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::time::Duration;

use hypermesh_alloc::actor::mailbox::{GatherError, RecvError};
use hypermesh_alloc::actor::settings::CALL_TIMEOUT;
use hypermesh_alloc::actor::{Accepts, CallError as AskError, context};
use hypermesh_ndslice::Selection;
use hypermesh_wire::{Message, Payload, decode};
use tokio::time::timeout;

use crate::actor_mesh_ref::ActorMeshRef;
use crate::cast::{self, Caster};
use crate::cast_error::CastError;
use crate::gather::Gather;
use crate::rank_failure::RankFailure;
use crate::replies::{Replies, Reply};
use crate::selected::Selected;
use crate::value_mesh::ValueMesh;

/// Error of a call or a reduction as a whole: there is not even a failure per rank.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// Nothing was sent.
    #[error("nothing was sent")]
    Cast(#[from] CastError),
    /// The caller itself has ended.
    #[error("the caller cannot receive replies")]
    Port(#[from] RecvError),
    /// The reducer failed.
    #[error("the replies cannot be reduced")]
    Gather(#[from] GatherError),
}

/// What a call has by now: how many replies, of how many.
pub(crate) type Progress = Box<dyn FnMut(usize, usize) + Send>;

/// A question to members of an actor mesh: await it to send it and to get the replies.
///
/// It yields one entry per selected rank, a reply or the reason why there is none. The shape is the
/// selected region, if it is one region; else one dimension of the selected ranks in rank order. A
/// rank that fails, ends or dies has its entry at once, the others at the deadline at the latest.
///
/// # Cancel safety
///
/// Dropping it gives up the replies, not the messages that were sent.
#[must_use = "nothing is sent until it is awaited"]
pub struct MeshCall<A, M> {
    mesh: ActorMeshRef<A>,
    caster: Caster,
    selection: Selection,
    message: M,
    deadline: Option<Duration>,
    progress: Option<Progress>,
}

impl<A> ActorMeshRef<A> {
    /// Asks the members that `sel` selects, and collects their replies.
    pub fn call<M>(&self, cx: &impl context::Actor, sel: Selection, message: M) -> MeshCall<A, M>
    where
        A: Accepts<M>,
        M: Message + Clone,
    {
        MeshCall {
            mesh: self.clone(),
            caster: Caster::new(cx),
            selection: sel,
            message,
            deadline: None,
            progress: None,
        }
    }
}

impl<A, M> MeshCall<A, M>
where
    A: Accepts<M>,
    M: Message + Clone,
{
    /// Sets how long to wait for replies; by default it is the setting `CALL_TIMEOUT`.
    pub fn timeout(mut self, deadline: Duration) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// Calls `progress` after each reply with the number of ranks that are done, and of all.
    pub fn progress(mut self, progress: impl FnMut(usize, usize) + Send + 'static) -> Self {
        self.progress = Some(Box::new(progress));
        self
    }

    async fn run(self) -> Result<ValueMesh<Result<A::Reply, RankFailure>>, CallError> {
        let MeshCall {
            mesh,
            caster,
            selection,
            message,
            deadline,
            progress,
        } = self;
        let deadline = deadline.unwrap_or_else(|| CALL_TIMEOUT.get());
        let selected = Selected::of(&selection, mesh.shape())?;
        let values = collect(&mesh, &caster, &selected, message, deadline, progress).await?;
        let mesh = ValueMesh::new(selected.shape().clone(), values);
        Ok(mesh.expect("there is one value for each rank of the shape"))
    }
}

/// Casts `message` and returns the reply of each selected member, in the order of their places.
pub(crate) async fn collect<A, M>(
    mesh: &ActorMeshRef<A>,
    caster: &Caster,
    selected: &Selected,
    message: M,
    deadline: Duration,
    mut progress: Option<Progress>,
) -> Result<Vec<Result<A::Reply, RankFailure>>, CallError>
where
    A: Accepts<M>,
    M: Message + Clone,
{
    let mut replies = Replies::open(caster, mesh.procs().placement(), selected);
    let route = replies.route(None);
    let sent = cast::send(caster, mesh, selected, message, deadline, Some(route))?;
    let mut gather = Gather::new(selected.count());
    let all = async {
        while !gather.is_complete() {
            // Nobody sees one reply before the others, but for the progress.
            let wanted = match progress {
                Some(_) => 1,
                None => gather.places() - gather.answered(),
            };
            for Reply { ranks, value } in replies.next_batch(&sent, wanted).await? {
                for place in ranks.iter().filter_map(|rank| selected.place_of(*rank)) {
                    let taken = gather.put(place, open(value.clone()));
                    if let Some(progress) = progress.as_mut().filter(|_| taken) {
                        progress(gather.answered(), gather.places());
                    }
                }
            }
        }
        Ok::<(), RecvError>(())
    };
    // At the deadline the rest is missing, which is no error of the call.
    if let Ok(ended) = timeout(deadline, all).await {
        ended?;
    }
    Ok(gather.finish(|_| Err(RankFailure::Deadline(deadline))))
}

/// Returns the value of a reply.
fn open<R: Message>(reply: Result<Payload, AskError>) -> Result<R, RankFailure> {
    decode(&reply?).map_err(|error| RankFailure::BadReply(error.to_string()))
}

impl<A, M> IntoFuture for MeshCall<A, M>
where
    A: Accepts<M>,
    M: Message + Clone,
{
    type Output = Result<ValueMesh<Result<A::Reply, RankFailure>>, CallError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}

impl<A, M> fmt::Debug for MeshCall<A, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MeshCall({} {})", self.mesh, self.selection)
    }
}
