//! A part of an owned mesh of procs.

use std::fmt;
use std::ops::Deref;

use hypermesh_alloc::actor::mailbox::ProcId;
use hypermesh_alloc::actor::{RemoteSpawn, context};
use hypermesh_ndslice::{Range, Shape, ShapeError};

use crate::actor_mesh::RootActorMesh;
use crate::mesh::Mesh;
use crate::proc_mesh::ProcMesh;
use crate::proc_mesh_ref::{ProcMeshId, ProcMeshRef};
use crate::spawn::{SpawnError, spawn_owned};

/// A part of an owned mesh of procs. It dereferences to a [`ProcMeshRef`], which travels.
#[derive(Clone)]
pub struct SlicedProcMesh<'a> {
    mesh: &'a ProcMesh,
    slice: ProcMeshRef,
}

impl<'a> SlicedProcMesh<'a> {
    pub(crate) fn new(mesh: &'a ProcMesh, slice: ProcMeshRef) -> Self {
        SlicedProcMesh { mesh, slice }
    }

    /// Spawns one actor on each proc of this part, like [`ProcMesh::spawn`].
    ///
    /// # Errors
    ///
    /// As [`ProcMesh::spawn`].
    pub async fn spawn<A: RemoteSpawn>(
        &self,
        cx: &impl context::Actor,
        actor_name: &str,
        params: &A::Params,
    ) -> Result<RootActorMesh<'a, A>, SpawnError> {
        spawn_owned(cx, self.mesh, &self.slice, actor_name, params).await
    }
}

impl Deref for SlicedProcMesh<'_> {
    type Target = ProcMeshRef;

    fn deref(&self) -> &ProcMeshRef {
        &self.slice
    }
}

impl<'m> Mesh for SlicedProcMesh<'m> {
    type Node = ProcId;
    type Id = ProcMeshId;
    type Sliced<'a>
        = SlicedProcMesh<'m>
    where
        Self: 'a;

    fn shape(&self) -> &Shape {
        self.slice.shape()
    }

    fn select<R: Into<Range>>(
        &self,
        label: &str,
        range: R,
    ) -> Result<SlicedProcMesh<'m>, ShapeError> {
        Ok(SlicedProcMesh::new(
            self.mesh,
            self.slice.range(label, range)?,
        ))
    }

    fn get(&self, rank: usize) -> Option<ProcId> {
        self.slice.get(rank)
    }

    fn id(&self) -> ProcMeshId {
        Mesh::id(&self.slice)
    }
}

impl fmt::Display for SlicedProcMesh<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.slice.fmt(f)
    }
}

impl fmt::Debug for SlicedProcMesh<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.slice.fmt(f)
    }
}
