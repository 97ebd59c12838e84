//! Asks the selected members of an actor mesh and folds their replies into one value.

use std::collections::BTreeMap;
use std::fmt;
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::time::Duration;

use hypermesh_alloc::actor::mailbox::{
    GatherError, Ordinals, RawPort, ReduceFault, ReduceReceiver, Reducer, SplitHandle,
};
use hypermesh_alloc::actor::settings::CALL_TIMEOUT;
use hypermesh_alloc::actor::{Accepts, context};
use hypermesh_ndslice::Selection;
use hypermesh_wire::{Message, Named, TypeKey};

use crate::actor_mesh_ref::ActorMeshRef;
use crate::call::{CallError, collect};
use crate::cast::{self, Caster};
use crate::cast_frame::Fold;
use crate::rank_failure::RankFailure;
use crate::replies::{Replies, Reply};
use crate::reply_relay::fold_into;
use crate::selected::Selected;

/// The part of the deadline after which relays pass on what they have.
const RELAY_SHARE: f64 = 0.8;

/// The part of the deadline after which the caller takes what it has.
const OWN_SHARE: f64 = 0.95;

/// What came of a reduction.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Reduced<T> {
    /// The replies, folded.
    pub value: T,
    /// The ranks that gave none, in rank order of the selected region, and why.
    pub missing: Vec<(usize, RankFailure)>,
}

/// A question to members of an actor mesh whose replies are folded: await it to send it and to get the
/// value.
///
/// Replies are folded at every stop of the cast tree whose program knows the reducer
/// ([`register_reducer!`](hypermesh_alloc::actor::mailbox::register_reducer)), and at the caller
/// otherwise. It ends when each rank has replied or is known not to, at the deadline at the latest.
///
/// # Cancel safety
///
/// Dropping it gives up the value, not the messages that were sent.
#[must_use = "nothing is sent until it is awaited"]
pub struct MeshReduce<A, M, R> {
    mesh: ActorMeshRef<A>,
    caster: Caster,
    selection: Selection,
    message: M,
    reducer: R,
    deadline: Option<Duration>,
}

impl<A> ActorMeshRef<A> {
    /// Asks the members that `sel` selects, and folds their replies with `reducer`.
    pub fn reduce<M, R>(
        &self,
        cx: &impl context::Actor,
        sel: Selection,
        message: M,
        reducer: R,
    ) -> MeshReduce<A, M, R>
    where
        A: Accepts<M>,
        M: Message + Clone,
        R: Reducer<Input = <A as Accepts<M>>::Reply>,
    {
        MeshReduce {
            mesh: self.clone(),
            caster: Caster::new(cx),
            selection: sel,
            message,
            reducer,
            deadline: None,
        }
    }
}

impl<A, M, R> MeshReduce<A, M, R>
where
    A: Accepts<M>,
    M: Message + Clone,
    R: Reducer<Input = <A as Accepts<M>>::Reply>,
{
    /// Sets how long to wait for replies; by default it is the setting `CALL_TIMEOUT`.
    pub fn timeout(mut self, deadline: Duration) -> Self {
        self.deadline = Some(deadline);
        self
    }

    async fn run(self) -> Result<Reduced<R::Output>, CallError> {
        let MeshReduce {
            mesh,
            caster,
            selection,
            message,
            reducer,
            deadline,
        } = self;
        let deadline = deadline.unwrap_or_else(|| CALL_TIMEOUT.get());
        let selected = Selected::of(&selection, mesh.shape())?;
        let (handle, folded) = caster.mailbox.open_reduce_port(reducer.clone());
        let port = handle.bind();
        let members: Ordinals = selected.ranks().iter().map(|rank| rank as u64).collect();
        let within = deadline.mul_f64(OWN_SHARE);
        // The split knows who is expected, and so who is missing in the end.
        match caster
            .mailbox
            .open_split(port.as_raw().clone(), members, within)
        {
            Ok((split, missing)) => {
                let tree = Tree {
                    split,
                    missing,
                    folded,
                    deadline,
                };
                tree.reduce(&mesh, &caster, &selected, message).await
            }
            Err(error) => {
                tracing::debug!(%error, "replies are folded by the caller");
                let values = collect(&mesh, &caster, &selected, message, deadline, None).await?;
                fold_here(&reducer, &selected, values)
            }
        }
    }
}

/// The caller's end of a reduction that is folded along the tree.
struct Tree<R: Reducer> {
    split: RawPort,
    missing: SplitHandle,
    folded: ReduceReceiver<R>,
    deadline: Duration,
}

impl<R: Reducer> Tree<R> {
    async fn reduce<A, M>(
        mut self,
        mesh: &ActorMeshRef<A>,
        caster: &Caster,
        selected: &Selected,
        message: M,
    ) -> Result<Reduced<R::Output>, CallError>
    where
        A: Accepts<M>,
        M: Message + Clone,
        R: Reducer<Input = <A as Accepts<M>>::Reply>,
    {
        let key = <R::Input as Named>::KEY;
        let mut replies = Replies::open(caster, mesh.procs().placement(), selected);
        let route = replies.route(Some(Fold {
            into: self.split.clone(),
            key,
        }));
        // Relays must be done before we are, or what they have folded comes too late.
        let within = self.deadline.mul_f64(RELAY_SHARE);
        let sent = cast::send(caster, mesh, selected, message, within, Some(route))?;
        let mut reasons = BTreeMap::new();
        let gathered = {
            let gather = self.folded.gather(selected.count() as u64, self.deadline);
            tokio::pin!(gather);
            loop {
                tokio::select! {
                    biased;
                    reply = replies.next(&sent) => {
                        on_reply(reply?, caster, key, &self.split, &self.missing, &mut reasons);
                    }
                    gathered = &mut gather => break gathered?,
                }
            }
        };
        let mut missing = Vec::new();
        for rank in gathered.missing.iter().map(|rank| rank as usize) {
            let Some(place) = selected.place_of(rank) else {
                continue;
            };
            let reason = reasons.remove(&rank);
            missing.push((
                place,
                reason.unwrap_or(RankFailure::Deadline(self.deadline)),
            ));
        }
        missing.sort_by_key(|(place, _)| *place);
        Ok(Reduced {
            value: gathered.value,
            missing,
        })
    }
}

/// Takes a reply that came to the caller itself: a value of a member whose relay does not fold, or the
/// reason why there is none.
fn on_reply(
    Reply { ranks, value }: Reply,
    caster: &Caster,
    key: TypeKey,
    split: &RawPort,
    missing: &SplitHandle,
    reasons: &mut BTreeMap<usize, RankFailure>,
) {
    match value {
        Ok(value) => {
            for rank in ranks {
                fold_into(&caster.gateway, split.id, rank as u64, key, value.clone());
            }
        }
        Err(error) => {
            let members = ranks.iter().map(|rank| *rank as u64).collect();
            let reason = RankFailure::from(error);
            reasons.extend(ranks.into_iter().map(|rank| (rank, reason.clone())));
            missing.missing(members);
        }
    }
}

/// Folds the values in rank order.
fn fold_here<R: Reducer>(
    reducer: &R,
    selected: &Selected,
    values: Vec<Result<R::Input, RankFailure>>,
) -> Result<Reduced<R::Output>, CallError> {
    let (mut acc, mut missing) = (reducer.unit(), Vec::new());
    for (place, value) in values.into_iter().enumerate() {
        match value {
            Ok(value) => reducer.fold(&mut acc, value).map_err(|error| {
                let ordinal = selected.rank_at(place).map(|rank| rank as u64);
                GatherError::Reduce(ReduceFault { ordinal, error })
            })?,
            Err(failure) => missing.push((place, failure)),
        }
    }
    Ok(Reduced {
        value: acc,
        missing,
    })
}

impl<A, M, R> IntoFuture for MeshReduce<A, M, R>
where
    A: Accepts<M>,
    M: Message + Clone,
    R: Reducer<Input = <A as Accepts<M>>::Reply>,
{
    type Output = Result<Reduced<R::Output>, CallError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}

impl<A, M, R> fmt::Debug for MeshReduce<A, M, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MeshReduce({} {})", self.mesh, self.selection)
    }
}
