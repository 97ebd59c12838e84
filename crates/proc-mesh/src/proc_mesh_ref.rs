//! A mesh of procs as it is referred to: cheap to clone, slice and send.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use hypermesh_alloc::actor::ProcAgent;
use hypermesh_alloc::actor::mailbox::{ProcId, WorldId};
use hypermesh_ndslice::{Ordinal, Range, Rank, RankMap, Region, Shape, ShapeError};
use serde::{Deserialize, Serialize};

use crate::actor_mesh_ref::ActorMeshRef;
use crate::mesh::Mesh;
use crate::placement::Placement;

/// The name under which every proc runs its agent.
pub(crate) const AGENT: &str = "proc_agent";

/// The identity of a proc mesh: the world of its procs.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ProcMeshId(pub WorldId);

impl fmt::Display for ProcMeshId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A mesh of procs, or a part of one. It can be sent anywhere and used at once.
///
/// Two refs are equal if they refer to the same view of the same mesh. Dropping a ref stops nothing.
#[derive(Clone, Serialize, Deserialize)]
#[serde(try_from = "Parts")]
pub struct ProcMeshRef {
    placement: Arc<Placement>,
    view: Region,
}

impl ProcMeshRef {
    /// Returns a ref to the whole of the mesh that `placement` describes.
    #[must_use]
    pub fn new(placement: Placement) -> Self {
        let view = Region::from(placement.extent().clone());
        ProcMeshRef {
            placement: Arc::new(placement),
            view,
        }
    }

    /// Returns where the procs are.
    #[must_use]
    pub fn placement(&self) -> &Arc<Placement> {
        &self.placement
    }

    /// Returns the world of the procs.
    #[must_use]
    pub fn world_id(&self) -> &WorldId {
        self.placement.world()
    }

    /// Returns the shape of the mesh.
    #[must_use]
    pub fn shape(&self) -> &Shape {
        &self.view
    }

    /// Returns the proc at `rank`, counted in this view.
    #[must_use]
    pub fn get(&self, rank: usize) -> Option<ProcId> {
        let base = self.view.rank_at(Ordinal::from(rank)).ok()?;
        self.placement.proc(base.into())
    }

    /// Returns the procs, in rank order of this view.
    pub fn procs(&self) -> impl Iterator<Item = ProcId> + '_ {
        self.view
            .ranks()
            .filter_map(|rank: Rank| self.placement.proc(rank.into()))
    }

    /// Returns the part of the mesh in `range` of the dimension `label`.
    ///
    /// # Errors
    ///
    /// [`ShapeError`] if there is no such dimension, or the range is empty or out of bounds.
    pub fn range(&self, label: &str, range: impl Into<Range>) -> Result<ProcMeshRef, ShapeError> {
        Ok(self.sliced(self.view.range(label, range)?))
    }

    /// Returns the part of the mesh at `index` of the dimension `label`, without that dimension.
    ///
    /// # Errors
    ///
    /// [`ShapeError`] if there is no such dimension or index.
    pub fn at(&self, label: &str, index: usize) -> Result<ProcMeshRef, ShapeError> {
        Ok(self.sliced(self.view.at(label, index)?))
    }

    fn sliced(&self, view: Region) -> ProcMeshRef {
        ProcMeshRef {
            placement: self.placement.clone(),
            view,
        }
    }

    /// Returns the agents of the procs.
    pub(crate) fn agents(&self) -> ActorMeshRef<ProcAgent> {
        let first = RankMap::uniform(Region::from(self.placement.extent().clone()), 0);
        ActorMeshRef::new(self.clone(), AGENT, first)
    }
}

impl Mesh for ProcMeshRef {
    type Node = ProcId;
    type Id = ProcMeshId;
    type Sliced<'a> = ProcMeshRef;

    fn shape(&self) -> &Shape {
        self.shape()
    }

    fn select<R: Into<Range>>(&self, label: &str, range: R) -> Result<ProcMeshRef, ShapeError> {
        self.range(label, range)
    }

    fn get(&self, rank: usize) -> Option<ProcId> {
        self.get(rank)
    }

    fn id(&self) -> ProcMeshId {
        ProcMeshId(self.world_id().clone())
    }
}

impl PartialEq for ProcMeshRef {
    fn eq(&self, other: &Self) -> bool {
        self.world_id() == other.world_id() && self.view == other.view
    }
}

impl Eq for ProcMeshRef {}

impl Hash for ProcMeshRef {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.world_id().hash(state);
        self.view.hash(state);
    }
}

impl fmt::Display for ProcMeshRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{ shape: {} }}", self.view)
    }
}

impl fmt::Debug for ProcMeshRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ProcMeshRef({:?} {})", self.world_id(), self.view)
    }
}

/// A ref as it travels.
#[derive(Deserialize)]
struct Parts {
    placement: Arc<Placement>,
    view: Region,
}

/// A ref arrived whose view is not one of its mesh.
#[derive(Debug, thiserror::Error)]
#[error("the view {view} is not one of the mesh {extent}")]
struct StrangeView {
    view: Region,
    extent: hypermesh_ndslice::Extent,
}

impl TryFrom<Parts> for ProcMeshRef {
    type Error = StrangeView;

    fn try_from(Parts { placement, view }: Parts) -> Result<Self, StrangeView> {
        if view.base() != placement.extent() {
            return Err(StrangeView {
                view,
                extent: placement.extent().clone(),
            });
        }
        Ok(ProcMeshRef { placement, view })
    }
}
