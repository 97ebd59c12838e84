//! A mesh of actors as it is referred to: cheap to clone, slice and send.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;
use std::sync::Arc;

use hypermesh_alloc::actor::mailbox::{ActorId, Location, name_key};
use hypermesh_alloc::actor::{ActorRef, Referable};
use hypermesh_ndslice::{Ordinal, Range, Rank, RankMap, Region, Shape, ShapeError};
use serde::{Deserialize, Serialize};

use crate::mesh::Mesh;
use crate::proc_mesh_ref::{ProcMeshId, ProcMeshRef};

/// The identity of an actor mesh: its proc mesh and its name there.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ActorMeshId {
    /// The mesh of the procs that the actors live on.
    pub proc_mesh: ProcMeshId,
    /// The name of every actor of the mesh.
    pub name: String,
}

impl fmt::Display for ActorMeshId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.proc_mesh, self.name)
    }
}

/// A mesh of actors, one per proc, or a part of one. It can be sent anywhere and used at once.
///
/// Two refs are equal if they refer to the same view of the same mesh. Dropping a ref stops nothing.
#[derive(Serialize, Deserialize)]
#[serde(bound = "", try_from = "Parts")]
pub struct ActorMeshRef<A> {
    procs: ProcMeshRef,
    name: Arc<str>,
    /// The incarnation of the actor on each rank of the proc mesh.
    generations: Arc<RankMap<u32>>,
    #[serde(skip)]
    actor: PhantomData<fn() -> A>,
}

impl<A> ActorMeshRef<A> {
    pub(crate) fn new(procs: ProcMeshRef, name: &str, generations: RankMap<u32>) -> Self {
        let generations = Arc::new(generations);
        ActorMeshRef {
            procs,
            name: name.into(),
            generations,
            actor: PhantomData,
        }
    }

    /// Returns the name of the mesh, which is the name of each actor on its proc.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the key of the actors on their procs.
    pub(crate) fn key(&self) -> u64 {
        name_key(&self.name)
    }

    /// Returns the procs that the actors of this view live on.
    #[must_use]
    pub fn procs(&self) -> &ProcMeshRef {
        &self.procs
    }

    /// Returns the incarnations of the actors, by rank of the whole proc mesh.
    pub(crate) fn generations(&self) -> &RankMap<u32> {
        &self.generations
    }

    /// Returns the shape of the mesh.
    #[must_use]
    pub fn shape(&self) -> &Shape {
        self.procs.shape()
    }

    /// Returns the identity of the mesh.
    #[must_use]
    pub fn id(&self) -> ActorMeshId {
        ActorMeshId {
            proc_mesh: Mesh::id(&self.procs),
            name: self.name.to_string(),
        }
    }

    /// Returns the part of the mesh in `range` of the dimension `label`.
    ///
    /// # Errors
    ///
    /// [`ShapeError`] if there is no such dimension, or the range is empty or out of bounds.
    pub fn range(&self, label: &str, range: impl Into<Range>) -> Result<Self, ShapeError> {
        Ok(ActorMeshRef {
            procs: self.procs.range(label, range)?,
            ..self.clone()
        })
    }

    /// Returns the part of the mesh at `index` of the dimension `label`, without that dimension.
    ///
    /// # Errors
    ///
    /// [`ShapeError`] if there is no such dimension or index.
    pub fn at(&self, label: &str, index: usize) -> Result<Self, ShapeError> {
        Ok(ActorMeshRef {
            procs: self.procs.at(label, index)?,
            ..self.clone()
        })
    }

    /// Returns the id of the actor at `rank` of the proc mesh.
    pub(crate) fn actor_on(&self, rank: usize) -> Option<ActorId> {
        let proc = self.procs.placement().proc(rank)?;
        Some(ActorId {
            proc,
            actor: self.key(),
            generation: *self.generations.get(Ordinal(rank))?,
        })
    }
}

impl<A: Referable> ActorMeshRef<A> {
    /// Returns the actor at `rank`, counted in this view.
    #[must_use]
    pub fn get(&self, rank: usize) -> Option<ActorRef<A>> {
        let base = self.shape().rank_at(Ordinal::from(rank)).ok()?;
        self.actor_ref(base)
    }

    /// Returns the actors, in rank order of this view.
    pub fn iter_actor_refs(&self) -> impl Iterator<Item = ActorRef<A>> + '_ {
        self.shape().ranks().filter_map(|rank| self.actor_ref(rank))
    }

    fn actor_ref(&self, rank: Rank) -> Option<ActorRef<A>> {
        let rank = usize::from(rank);
        let addr = self.procs.placement().addr(rank)?;
        Some(ActorRef::attest(
            self.actor_on(rank)?,
            Location::at(addr.clone()),
            &self.name,
        ))
    }
}

impl<A: Referable> Mesh for ActorMeshRef<A> {
    type Node = ActorRef<A>;
    type Id = ActorMeshId;
    type Sliced<'a> = ActorMeshRef<A>;

    fn shape(&self) -> &Shape {
        self.shape()
    }

    fn select<R: Into<Range>>(&self, label: &str, range: R) -> Result<Self, ShapeError> {
        self.range(label, range)
    }

    fn get(&self, rank: usize) -> Option<ActorRef<A>> {
        self.get(rank)
    }

    fn id(&self) -> ActorMeshId {
        self.id()
    }
}

impl<A> Clone for ActorMeshRef<A> {
    fn clone(&self) -> Self {
        ActorMeshRef {
            procs: self.procs.clone(),
            name: self.name.clone(),
            generations: self.generations.clone(),
            actor: PhantomData,
        }
    }
}

impl<A> PartialEq for ActorMeshRef<A> {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
            && self.procs == other.procs
            && (Arc::ptr_eq(&self.generations, &other.generations)
                || self.generations == other.generations)
    }
}

impl<A> Eq for ActorMeshRef<A> {}

impl<A> Hash for ActorMeshRef<A> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
        self.procs.hash(state);
    }
}

impl<A> fmt::Display for ActorMeshRef<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}.{} {{ shape: {} }}",
            self.procs.world_id(),
            self.name,
            self.shape()
        )
    }
}

impl<A> fmt::Debug for ActorMeshRef<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ActorMeshRef({self})")
    }
}

/// A ref as it travels.
#[derive(Deserialize)]
struct Parts {
    procs: ProcMeshRef,
    name: Arc<str>,
    generations: Arc<RankMap<u32>>,
}

/// A ref arrived that does not have one actor per proc.
#[derive(Debug, thiserror::Error)]
#[error("the actor mesh {name} has {actors} actors on {procs} procs")]
struct WrongCount {
    name: Arc<str>,
    actors: usize,
    procs: usize,
}

impl<A> TryFrom<Parts> for ActorMeshRef<A> {
    type Error = WrongCount;

    fn try_from(
        Parts {
            procs,
            name,
            generations,
        }: Parts,
    ) -> Result<Self, WrongCount> {
        let all = Region::from(procs.placement().extent().clone());
        if generations.region() != Some(&all) {
            return Err(WrongCount {
                name,
                actors: generations.count(),
                procs: all.count(),
            });
        }
        Ok(ActorMeshRef {
            procs,
            name,
            generations,
            actor: PhantomData,
        })
    }
}
